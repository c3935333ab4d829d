/* space_edit.h - a built-in space's file made one for other images: its sizes, normalisation and strides replaced, its choices kept. */
#ifndef MNAS_SEARCH_SPACE_EDIT_H
#define MNAS_SEARCH_SPACE_EDIT_H

#include "mnas.h"

typedef struct mnas_space_edit {
    const char *name, *comment; /* the comment's lines, without '#' */
    int input, channels, classes;
    const double *mean, *std; /* [channels] */
    int stem_stride;
    int n_blocks;
    const int *strides; /* [n_blocks] */
} mnas_space_edit;

/* *yaml is malloc'ed. Works on the layout that the files in spaces/ have: a line for each key and each block. */
int mnas_space_edit_text(char **yaml, const char *text, const mnas_space_edit *edit);

#endif
