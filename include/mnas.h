/* mnas.h - the public interface of mnas, platform-aware neural architecture search.
 *
 * Read it top to bottom: errors, the values (blocks, models, spaces), what a network costs, data and devices, training,
 * the search, and what a study holds afterwards. The command line (src/cli) uses this header and src/base alone: whatever
 * it can do, a program linked with libmnas can do.
 *
 * Conventions. Fallible functions return 0 or a negative mnas_status and leave a message (mnas_error_message). Results come
 * first in the argument list. Units stand in names: _ms _ns _s _bytes _macs _frac; counts are n_x. A missing number is NaN,
 * a missing integer -1. Texts are UTF-8 and belong to the struct they stand in. Nothing here is thread safe unless it says so.
 */
#ifndef MNAS_H
#define MNAS_H

/* clang-format off */ /* the columns are set by hand: this file is read far more often than changed */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---------------------------------------------------------------------------------------------------------------- errors */

#define MNAS_STATUS_LIST(X)                                                                                  \
    X(ARG, -1, "wrong argument")          /* the caller's or user's words are wrong: exit 2 */               \
    X(FORMAT, -2, "malformed input")      /* a file lies, is cut short, or does not parse */                 \
    X(IO, -3, "input or output failed")                                                                      \
    X(FULL, -4, "disk full")                                                                                 \
    X(MEMORY, -5, "out of memory")                                                                           \
    X(TIMEOUT, -6, "took too long")                                                                          \
    X(CHILD, -7, "child process failed")                                                                     \
    X(DEVICE, -8, "device failed")                                                                           \
    X(NAN, -9, "training diverged")                                                                          \
    X(INVALID, -10, "network cannot be built")                                                               \
    X(BUSY, -11, "in use by another process")                                                                \
    X(CANCELLED, -12, "interrupted")                                                                         \
    X(MISMATCH, -13, "does not fit what is stored") /* other options for an existing study: exit 2 */        \
    X(LIBRARY, -14, "library call failed")                                                                   \
    X(MISSING, -15, "not there")                                                                             \
    X(EXHAUSTED, -16, "nothing new to try")

typedef enum mnas_status {
    MNAS_OK = 0,
#define MNAS_X(name, value, text) MNAS_ERR_##name = value,
    MNAS_STATUS_LIST(MNAS_X)
#undef MNAS_X
} mnas_status;

const char *mnas_error_message(void);             /* of this thread's last failure; "" when there was none */
const char *mnas_status_name(int status);         /* "ok", "arg", "format", ... */
const char *mnas_status_text(int status);         /* "wrong argument", ... */
const char *mnas_version(void);

/* ----------------------------------------------------------------------------------------------------- blocks and models */

typedef enum { MNAS_OP_MBCONV, MNAS_OP_CONV, MNAS_OP_SEP } mnas_conv_op;
typedef enum { MNAS_SKIP_IDENTITY, MNAS_SKIP_NONE, MNAS_SKIP_POOL } mnas_skip_op;
typedef enum { MNAS_ACT_NONE, MNAS_ACT_RELU, MNAS_ACT_RELU6, MNAS_ACT_SIGMOID } mnas_act;
typedef enum { MNAS_PAD_SAME, MNAS_PAD_SYMMETRIC } mnas_pad;

/* One block: `repeats` equal layers, the first with the stride and from `in` to `out` filters (paper section 4.1; notation of
 * the official code, MnasNet block strings). Printed as r3_k5_s22_e3_i24_o40_se0.25[_opconv|_opsep][_noskip|_skippool]. */
typedef struct mnas_block {
    int repeats;      /* 1.. */
    int kernel;       /* 3, 5, 7 */
    int stride;       /* 1, 2: printed twice (s22), as the official code has it for height and width */
    int expand;       /* 1..: of mbconv; others ignore it and keep it in the string */
    int in, out;      /* filters */
    double se_ratio;  /* 0: no squeeze-and-excitation; else width max(1, int(ratio * the layer's input filters)) */
    mnas_conv_op op;
    mnas_skip_op skip;
} mnas_block;

/* Parse one block string, keys in any order. MNAS_ERR_FORMAT names the position (1-based) and what was expected. */
int mnas_block_parse(mnas_block *out, const char *text);
/* Canonical text; buf of 96 bytes always suffices. Inverse of parse. */
void mnas_block_print(const mnas_block *block, char *buf, size_t n);

#define MNAS_MAX_BLOCKS 64

/* A whole network: stem, blocks, head, and what training and inference must agree on. A model file is this struct as
 * YAML (docs/models.md); defaults in brackets. */
typedef struct mnas_model {
    char name[64];
    int stem_filters, stem_stride;  /* 3x3 convolution + BN + act [32, 2] */
    int n_blocks;
    mnas_block blocks[MNAS_MAX_BLOCKS];
    int head_filters;               /* 1x1 convolution + BN + act before pooling; 0: absent [0] */
    mnas_act act;                   /* [relu] */
    mnas_pad padding;               /* [same] TensorFlow's, or symmetric k/2 (PyTorch) */
    double bn_epsilon;              /* [1e-3] */
    double bn_momentum;             /* [0.99] share of the old moving statistics kept at a step (TensorFlow's sense) */
    bool bn_unbiased;               /* [true] moving variance times n/(n-1), as fused TensorFlow and PyTorch */
    double dropout;                 /* [0] share dropped before the classifier */
    int classes;                    /* [1000] */
    int input_size, input_channels; /* square images [224, 3] */
    double mean[4], std[4];         /* of pixels in 0..1, per channel [ImageNet's for 3 channels, 0.5 and 0.5 otherwise] */
} mnas_model;

void mnas_model_defaults(mnas_model *model);
/* MODEL argument: zoo name with optional @MULTIPLIER, a model file (has a '/' or ends in .yaml), or STUDY:TRIAL.
 * `input_size` > 0 overrides the image size. */
int mnas_model_open(mnas_model *out, const char *arg, int input_size);
int mnas_model_load_file(mnas_model *out, const char *path);
/* The model as a commented YAML file; *text is malloc'ed. */
int mnas_model_print(const mnas_model *model, char **text);
/* Block strings joined by single spaces; *text is malloc'ed. */
int mnas_model_arch(const mnas_model *model, char **text);
/* Parse space-separated block strings into model->blocks. */
int mnas_model_set_arch(mnas_model *model, const char *arch);
/* 16 hexadecimal digits that are equal exactly when the canonical graphs are (up to hash collision): strings which differ only
 * in choices their op ignores have the same key. */
int mnas_model_key(const mnas_model *model, char key[17]);

/* The zoo: published networks, exact to the parameter (docs/models.md). */
typedef struct mnas_zoo_entry {
    const char *name, *help, *source;
} mnas_zoo_entry;
const mnas_zoo_entry *mnas_zoo_list(size_t *n);
const char *mnas_zoo_note(void); /* what is not there and why (A2, A3) */

/* ------------------------------------------------------------------------------------------------------------------ cost */

typedef struct mnas_layer_cost {
    char name[64];             /* timm's module name, e.g. blocks.2.0.conv_dw */
    const char *op;            /* operator name */
    int in_h, in_w, in_c, out_h, out_w, out_c, kernel, stride;
    int64_t params, macs, out_bytes;
} mnas_layer_cost;

typedef struct mnas_cost {
    int64_t params;            /* trainable */
    int64_t macs;              /* of one image: every convolution and dense layer, squeeze-and-excitation's included */
    int64_t infer_bytes;       /* peak of live activations, batch 1, f32 */
    int64_t train_bytes;       /* activation slab of a training step at `batch` */
    int64_t weight_bytes;      /* all stored tensors, moving statistics included */
    int64_t optimizer_bytes;   /* gradients, RMSProp's two slots, EMA */
    int batch;
    int n_layers;
    mnas_layer_cost *layers;
} mnas_cost;

/* batch: images of a training step, 1 to 2^20. */
int mnas_cost_compute(mnas_cost *out, const mnas_model *model, int batch);
void mnas_cost_free(mnas_cost *cost);

/* ---------------------------------------------------------------------------------------------------------------- spaces */

typedef struct mnas_space mnas_space;

typedef struct mnas_decision {
    char name[64];               /* e.g. "block3.kernel" */
    bool ordinal;                /* choices have an order and `values` */
    int n_choices;
    const char *const *choices;  /* as text */
    const double *values;        /* of ordinal ones; NULL otherwise */
} mnas_decision;

/* A built-in name or a YAML file (a '/' or .yaml). Errors: "file:line:col: what; allowed: ...". */
int mnas_space_open(mnas_space **out, const char *name_or_file);
void mnas_space_close(mnas_space *space);
const char *mnas_space_name(const mnas_space *space);
const char *mnas_space_text(const mnas_space *space);        /* the YAML it was read from */
const char *mnas_space_n_encodings(const mnas_space *space); /* decimal, any length */
int mnas_space_n_decisions(const mnas_space *space);
const mnas_decision *mnas_space_decision(const mnas_space *space, int i);
/* tokens[n_decisions] -> network; MNAS_ERR_ARG for a token out of range. */
int mnas_space_decode(const mnas_space *space, const int *tokens, mnas_model *out);
/* Inverse: MNAS_ERR_ARG names the first block that the space does not contain. */
int mnas_space_encode(const mnas_space *space, const mnas_model *model, int *tokens);
int mnas_space_reference(const mnas_space *space, mnas_model *out); /* the reference network (need not be in the space) */
const char *const *mnas_space_builtins(size_t *n);

/* ------------------------------------------------------------------------------------------------------------------ data */

/* Help of the plug-ins as text; *text is malloc'ed. kind: "dataset", "device", "strategy", "reward", "recipe". */
int mnas_plugins_help(char **text, const char *kind);

typedef struct mnas_dataset_info {
    char spec[1100];
    int height, width, channels, classes;
    int n_train, n_val, n_test;
    int64_t cache_bytes;
    char cache_path[1024];
    char class_names[64][32];   /* "" where unknown */
} mnas_dataset_info;
/* Opens (decoding into the cache when needed) and describes it. */
int mnas_dataset_describe(mnas_dataset_info *out, const char *spec);

/* --------------------------------------------------------------------------------------------------------------- devices */

/* A latency is never a bare number. */
typedef struct mnas_latency {
    double median_ms;             /* median of round medians */
    double ci_low_ms, ci_high_ms; /* of the median over rounds */
    double ci_level;              /* confidence those reach, e.g. 0.95 */
    double spread_frac;           /* median absolute deviation of round medians over the median */
    int rounds, runs, warmup_runs;/* fresh processes; timed runs that counted in them; untimed runs */
    int threads, core;            /* core: -1 where not pinned */
    int n_disturbed;              /* rounds pushed off the core too often or too long; they count where too few others came */
    int n_cpu_timed;              /* rounds behind the median whose runs were nearly all pushed off the core: timed by the
                                   * thread's CPU time, some per cent long, instead of the clock on the wall */
    double load_before, freq_mhz, temp_c; /* NaN where the system does not tell */
    char governor[32], engine[48], device[64], cpu[64], time_utc[32];
    double elapsed_s;
} mnas_latency;

int mnas_measure(mnas_latency *out, const mnas_model *model, const char *device_spec);
/* Append the measurement to a table file for `table:file=F` (JSON lines, created when missing). */
int mnas_measure_record(const char *path, const mnas_model *model, const mnas_latency *latency);

/* -------------------------------------------------------------------------------------------------------------- training */

/* A recipe: everything of training that is not the network. Named ones: `proxy` (short trials), `short`, `imagenet-mnasnet`.
 * Spec: "proxy:lr=0.1,warmup-epochs=0.5". `mnas train --help` lists the options. */
typedef struct mnas_epoch {
    int epoch, n_epochs;          /* 1.. */
    int step, n_steps;            /* of the whole training */
    double loss, train_accuracy_frac, val_accuracy_frac; /* NaN while the epoch runs */
    double lr, images_per_s, elapsed_s;
} mnas_epoch;

typedef struct mnas_train_options {
    const char *data;             /* dataset spec */
    const char *recipe;           /* recipe spec; NULL: "proxy" */
    double epochs;                /* NaN: the recipe's; may be fractional */
    int64_t max_images;           /* train on the first so many of the shuffled training split; 0: all */
    int batch;                    /* 0: the recipe's */
    int threads;                  /* 0: all cores, or OMP_NUM_THREADS */
    uint64_t seed;
    const char *output;           /* safetensors file, or NULL */
    const char *init;             /* start from these weights, or NULL */
    void (*progress)(void *user, const mnas_epoch *epoch); /* may be NULL */
    void *user;
    const volatile bool *cancel;  /* becomes true on Ctrl-C; may be NULL */
} mnas_train_options;

typedef struct mnas_train_result {
    double val_accuracy_frac, val_loss, train_loss;
    int steps;
    int64_t n_images;             /* seen */
    double train_s, eval_s, images_per_s;
    int64_t slab_bytes, peak_rss_bytes;
} mnas_train_result;

/* Train `model` (its classes, input and channels are set to the dataset's). MNAS_ERR_NAN when the loss is not finite. */
int mnas_train(mnas_train_result *out, mnas_model *model, const mnas_train_options *options);

typedef struct mnas_eval_result {
    int64_t n;
    double top1_frac, top5_frac, loss;
} mnas_eval_result;
/* split: "val" or "test". */
int mnas_eval(mnas_eval_result *out, const mnas_model *model, const char *weights_path, const char *data_spec,
              const char *split, int threads);

/* ---------------------------------------------------------------------------------------------------------------- search */

typedef enum { MNAS_TRIAL_RUNNING, MNAS_TRIAL_COMPLETE, MNAS_TRIAL_FAILED, MNAS_TRIAL_PRUNED } mnas_trial_state;
const char *mnas_trial_state_name(mnas_trial_state state); /* "running", "complete", "failed", "pruned" */

typedef struct mnas_trial {
    int number;                       /* 0.. in order of proposal */
    mnas_trial_state state;
    char reason[16];                  /* of failed: nan timeout memory crash device invalid; else "" */
    char *arch;                       /* block strings */
    char key[17];                     /* canonical hash */
    int *tokens, n_tokens;
    double accuracy_frac;             /* on the validation split */
    double *epoch_accuracy_frac; int n_epochs;
    mnas_latency latency;             /* median_ms NaN while unmeasured */
    double reward;
    double entropy_nats;              /* of the policy when it proposed this, mean over decisions; NaN where it has none */
    int64_t params, macs, train_bytes;
    int64_t started_unix_ms, finished_unix_ms;
    double train_s, measure_s, overhead_s; /* overhead: of the trial outside training and measuring */
    int64_t n_images;                 /* trained on, repeats counted */
    uint64_t seed;
    int attempt;
    char *error;                      /* message and tail of stderr of a failed trial, or NULL */
} mnas_trial;

typedef struct mnas_search_progress {
    const mnas_trial *trial;          /* just finished, or NULL for a live line */
    int number, n_complete, n_failed, n_repeats, n_wanted;
    int n_updates;                    /* of the strategy */
    const char *phase;                /* "measuring", "training", "done", ... */
    double phase_frac;                /* 0..1 or NaN */
    double best_reward, elapsed_s, eta_s; /* NaN where unknown */
} mnas_search_progress;

typedef struct mnas_search_options {
    const char *space, *data, *device, *study;  /* required; study: path of the SQLite file */
    const char *reward;               /* "soft" */
    const char *strategy;             /* "ppo" */
    const char *recipe;               /* "proxy" */
    double target_ms;                 /* NaN: median of the first 10 latencies */
    int trials;                       /* complete ones wanted */
    int64_t max_images;               /* per trial; 0: the recipe's epochs over all */
    double epochs;                    /* NaN: the recipe's */
    uint64_t seed;
    double max_minutes;               /* NaN: no limit */
    int jobs, threads;                /* trials side by side [1]; threads each, 0: cores / jobs */
    double trial_timeout_s;           /* NaN: 20 times the first trial's, at least 600 */
    const char *command_line;         /* kept for the report; may be NULL */
    void (*progress)(void *user, const mnas_search_progress *progress);
    void *user;
    const volatile bool *cancel;
} mnas_search_options;

/* Run, or resume, until `trials` are complete. MNAS_ERR_MISMATCH where the study was made with other options (names them);
 * MNAS_ERR_EXHAUSTED after 500 repeats in a row or 3 * trials failures; MNAS_ERR_CANCELLED; MNAS_ERR_TIMEOUT for max_minutes.
 * Nothing finished is ever lost. */
int mnas_search_run(const mnas_search_options *options);

/* ------------------------------------------------------------------------------------------------- what a study holds */

typedef struct mnas_study mnas_study;

int mnas_study_open(mnas_study **out, const char *path); /* read-only; MNAS_ERR_MISSING */
void mnas_study_close(mnas_study *study);
int mnas_study_n_trials(const mnas_study *study);
const mnas_trial *mnas_study_trial(const mnas_study *study, int i); /* ordered by number */
/* Stored setting as text ("space", "data", "target_ms", "command_line", "w", ...) or NULL. */
const char *mnas_study_setting(const mnas_study *study, const char *name);
/* Numbers of the trials on the front (accuracy up, latency down; complete ones only), fastest first; *front is malloc'ed. */
int mnas_study_front(const mnas_study *study, int **front, int *n_front);
int mnas_study_model(const mnas_study *study, int trial, mnas_model *out);
/* One self-contained HTML file. */
int mnas_report_write(const mnas_study *study, const char *html_path);

/* ------------------------------------------------------------------------------------------------------ the machine */

/* What this machine offers and lacks: cores, libraries, data, devices, known traps. *ok is false when something needed is
 * missing. */
typedef struct mnas_finding {
    char level[8];                    /* "ok", "note", "bad" */
    char topic[32];
    char text[512];
} mnas_finding;
int mnas_doctor(mnas_finding **findings, size_t *n); /* *findings is malloc'ed */

/* Entry of the child processes (`mnas worker KIND`): reads a request on stdin, answers on stdout. Returns the exit code. */
int mnas_worker_main(const char *kind);

#endif
