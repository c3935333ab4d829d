/* model.h - what the model layer shares about mnas_model beside the public header: limits, names of
 * enumerations, and MODEL arguments that need no study.
 */
#ifndef MNAS_MODEL_MODEL_H
#define MNAS_MODEL_MODEL_H

#include "mnas.h"

/* Bounds of what a text may ask for. They keep every product below 2^63; whether a network fits into memory
 * is asked later. */
enum {
    MNAS_MAX_REPEATS = 64,
    MNAS_MAX_EXPAND = 32,
    MNAS_MAX_FILTERS = 65536,
    MNAS_MAX_CLASSES = 1000000,
    MNAS_MAX_INPUT = 8192,
    MNAS_MAX_CHANNELS = 4,
};
#define MNAS_MAX_MULTIPLIER 4.0

/* A zoo name with optional @MULTIPLIER and @timm, or a model file (a '/' or .yaml); see mnas_model_open for
 * STUDY:TRIAL, which needs the store and belongs to the search layer. */
int mnas_model_open_local(mnas_model *out, const char *arg, int input_size);

/* A model file's text[n], as mnas_model_print writes it; `name` stands for the file in messages. */
int mnas_model_parse(mnas_model *out, const char *text, size_t n, const char *name);

/* A zoo name with optional @MULTIPLIER and @timm. */
int mnas_zoo_open(mnas_model *out, const char *name);

/* Whether a name is meant as a path: it has a '/' or ends in .yaml. */
bool mnas_model_is_path(const char *arg);

/* Published rounding of scaled filters (the official code's): the nearest multiple of 8, at least 8, never below
 * 0.9 of it. */
int mnas_model_round_filters(int filters, double multiplier);

/* A published network, already of its image size, made fit for images below 64 pixels (larger: nothing changes): strides of
 * 2 are kept, from the input on, while they leave a map of at least 4x4, and become 1 after that; the head has
 * `multiplier` times its filters, as the blocks have, and at least 128. */
void mnas_model_adapt_to_size(mnas_model *model, double multiplier);

/* mean and std of `channels` as documented at mnas_model; channels is 1..MNAS_MAX_CHANNELS. */
void mnas_model_default_normalisation(mnas_model *model, int channels);

/* Names of enumerations in files, indexed by value; NULL-terminated. */
extern const char *const mnas_act_names[]; /* "relu", ... */
extern const char *const mnas_pad_names[];
extern const char *const mnas_skip_names[]; /* "identity", "none", "pool" */
extern const char *const mnas_conv_op_names[];

#endif
