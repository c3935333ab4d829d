/* space.h - what a search space is inside: the reference network, and per block the decisions that change it.
 *
 * space_file.c makes one from YAML, space.c answers questions about it. Invariants: the options of a decision
 * give different blocks; every decision has at least two; decisions stand block by block.
 */
#ifndef MNAS_MODEL_SPACE_H
#define MNAS_MODEL_SPACE_H

#include "base/arena.h"
#include "model/model.h"

typedef enum {
    MNAS_CHOICE_OP,
    MNAS_CHOICE_EXPAND,
    MNAS_CHOICE_KERNEL,
    MNAS_CHOICE_SE,
    MNAS_CHOICE_SKIP,
    MNAS_CHOICE_ACT,
    MNAS_CHOICE_FILTERS,
    MNAS_CHOICE_LAYERS,
    MNAS_N_CHOICE_KINDS,
} mnas_choice_kind;

extern const char *const mnas_choice_names[MNAS_N_CHOICE_KINDS + 1];

/* What one option does to a block. */
typedef struct mnas_space_option {
    double value;     /* expand, kernel, se, filters, layers; of skip the mnas_skip_op, of act the mnas_act */
    mnas_conv_op op;  /* of op, as the next two */
    int expand, skip; /* 0 and -1: left to the choices `expand` and `skip` */
} mnas_space_option;

typedef struct mnas_space_step {
    mnas_decision decision;
    mnas_choice_kind kind;
    int block;
    const mnas_space_option *options;
} mnas_space_step;

enum {
    MNAS_MAX_OPTIONS = 64,
    MNAS_MAX_STEPS = MNAS_MAX_BLOCKS * MNAS_N_CHOICE_KINDS,
    MNAS_SPACE_HASH_BYTES = 17
};

struct mnas_space {
    mnas_arena *arena; /* owns everything below */
    const char *text, *n_encodings;
    bool per_layer;
    mnas_model reference;             /* in layers of one repeat where per_layer */
    mnas_block base[MNAS_MAX_BLOCKS]; /* the reference with its fixed choices (lists of one option) made */
    int n_steps;
    mnas_space_step steps[MNAS_MAX_STEPS];
};

/* Reads text[n] into the space (arena set, the rest zero). `file` is for messages. */
int mnas_space_read(mnas_space *space, const char *file, const char *text, size_t n);

/* A space from text[n]; `file` is for messages. */
int mnas_space_parse(mnas_space **out, const char *file, const char *text, size_t n);

/* Spaces of equal texts have equal ones: 16 hexadecimal digits. */
void mnas_space_hash(const mnas_space *space, char out[MNAS_SPACE_HASH_BYTES]);

/* Make the option's choice in a block. */
void mnas_space_apply(mnas_choice_kind kind, const mnas_space_option *option, mnas_block *block);

/* Split a model's blocks of r repeats into r of one. MNAS_ERR_ARG for too many. */
int mnas_space_split_layers(mnas_model *model);

/* Text of a built-in space or NULL; names in mnas_space_builtins(). */
const char *mnas_space_builtin_text(const char *name, size_t *n);

#endif
