/* label_list.h - a text that says which class each file is of, as ImageNet's validation images come with.
 *
 * A line each: FILE LABEL, apart by blanks, a tab or a comma; what follows is not read (Kaggle's boxes). LABEL is a class's name or its
 * number, from 0, or from 1 where the largest is the number of classes. FILE may lack its ending. Or each line has a class's name
 * alone: of the first file by name, the second, and so on (TensorFlow's list). Empty lines, lines that begin with '#', and a
 * heading (ImageId,...) are passed over.
 */
#ifndef MNAS_DATA_LABEL_LIST_H
#define MNAS_DATA_LABEL_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct mnas_label_line {
    const char *file; /* "" in a list of classes alone */
    int label;
} mnas_label_line;

typedef struct mnas_label_list {
    char *text;             /* owns the names */
    mnas_label_line *lines; /* by name, or in the order of the text */
    size_t n, cap;
    bool has_files;
} mnas_label_list;

/* `classes` are sorted. Errors name the line. The caller frees also after a failure. */
int mnas_label_list_read(mnas_label_list *out, const char *path, char *const *classes, int n_classes);
void mnas_label_list_free(mnas_label_list *list);

/* The label of a file, by its path below the folder, its name, or its name without ending; -1 where the list has none. */
int mnas_label_list_find(const mnas_label_list *list, const char *relative);

#endif
