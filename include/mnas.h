/* mnas.h - the public interface of mnas, platform-aware neural architecture search.
 *
 * Read it top to bottom: errors, blocks and models, what a network costs, spaces, data, devices, latency models, training, the
 * search, stage two, what a study holds afterwards, and the machine. The command line (src/cli) uses this header and src/base alone: whatever
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
    X(EXHAUSTED, -16, "nothing new to try")                                                                  \
    X(REFUSED, -17, "measurement refused") /* the device answers, but its times are too unsteady to be believed */

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
/* swish: x sigmoid(x). hswish: x relu6(x + 3) / 6 (MobileNetV3). Sigmoid is squeeze-and-excitation's gate: no network's. */
typedef enum {
    MNAS_ACT_NONE, MNAS_ACT_RELU, MNAS_ACT_RELU6, MNAS_ACT_SWISH, MNAS_ACT_HSWISH, MNAS_ACT_SIGMOID
} mnas_act;
typedef enum { MNAS_PAD_SAME, MNAS_PAD_SYMMETRIC } mnas_pad;

/* One block: `repeats` equal layers, the first with the stride and from `in` to `out` filters (paper section 4.1; notation of
 * the official code, MnasNet block strings). Printed as
 * r3_k5_s22_e3_i24_o40_se0.25[_opconv|_opsep][_noskip|_skippool][_actrelu|_actrelu6|_actswish|_acthswish]. */
typedef struct mnas_block {
    int repeats;      /* 1.. */
    int kernel;       /* 3, 5, 7 */
    int stride;       /* 1, 2: printed twice (s22), as the official code has it for height and width */
    int expand;       /* 1..: of mbconv; others ignore it and keep it in the string */
    int in, out;      /* filters */
    double se_ratio;  /* 0: no squeeze-and-excitation; else width max(1, int(ratio * the layer's input filters)) */
    mnas_conv_op op;
    mnas_skip_op skip;
    mnas_act act;     /* of its layers; none: the model's */
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
    mnas_act act;                   /* of stem, head and blocks that name none themselves [relu] */
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
/* MODEL argument: zoo name with optional @MULTIPLIER and @timm (timm's padding, epsilon and residual), a model file (has a '/'
 * or ends in .yaml), or STUDY:TRIAL. `input_size` > 0 overrides the image size. */
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

/* Help of the plug-ins as text; *text is malloc'ed. kind: "dataset", "device", "strategy", "reward", "recipe", "format". */
int mnas_plugins_help(char **text, const char *kind);

typedef struct mnas_dataset_info {
    char spec[1100];
    int height, width, channels, classes;
    int n_train, n_val, n_test;
    int n_skipped;              /* training and validation files that did not decode */
    int n_ignored;              /* files that are no images */
    int64_t cache_bytes;
    char cache_path[1024];
    bool in_files;              /* images are decoded each time, not kept decoded in the cache */
} mnas_dataset_info;
/* Opens (decoding into the cache when needed) and describes it. */
int mnas_dataset_describe(mnas_dataset_info *out, const char *spec);

typedef struct mnas_class_info {
    char name[256];             /* "" where unknown */
    int n_train, n_val;         /* images */
} mnas_class_info;
/* Its classes, as many as info.classes, and the files that did not decode, a line "FILE: REASON" each; free() both. */
int mnas_dataset_classes(mnas_class_info **classes, char **skipped, const char *spec);

/* Which space, image size and length of trials suit these images: rules (docs/datasets.md) and a few timed steps. */
typedef struct mnas_suggestion {
    char data[1100];            /* the dataset's spec with the size to search at */
    char base[64];              /* built-in space whose choices it has */
    char recipe[64];
    int stored_size, input_size, channels, classes, n_train, n_val;
    double epochs;              /* of a trial */
    int64_t max_images;         /* of a trial; 0: all */
    int64_t macs_low, macs_median, macs_high; /* 5 %, half, 95 % of random networks have no more */
    double trial_s;             /* expected of a median network on this machine, without its latency */
    char *yaml;                 /* the space's file */
    char *reasons;              /* a line each */
} mnas_suggestion;
int mnas_space_suggest(mnas_suggestion *out, const char *data);
void mnas_suggestion_free(mnas_suggestion *suggestion);

/* --------------------------------------------------------------------------------------------------------------- devices */

/* A latency is never a bare number. */
typedef struct mnas_latency {
    double median_ms;             /* median of round medians, with the device's drift taken out where it is known */
    double ci_low_ms, ci_high_ms; /* of the median over rounds */
    double ci_level;              /* confidence those reach, e.g. 0.95 */
    double spread_frac;           /* median absolute deviation of round medians over the median */
    int rounds, runs, warmup_runs;/* fresh processes; timed runs that counted in them; untimed runs */
    int threads, core;            /* core: -1 where not pinned */
    int n_disturbed;              /* rounds pushed off the core too often or too long; they count where too few others came */
    int n_cpu_timed;              /* rounds behind the median whose runs were nearly all pushed off the core: timed by the
                                   * thread's CPU time, some per cent long, instead of the clock on the wall */
    double raw_ms;                /* as the clock said: median_ms before drift was taken out */
    double sentinel_ms;           /* a fixed network, timed in the same rounds; NaN where none was */
    double drift_frac;            /* of the device since its sentinel's reference was taken: +0.02 is 2 % slower; NaN: unknown */
    int n_refused;                /* rounds that were disturbed or had drifted too far, and were measured again */
    bool wide;                    /* the interval is wider than was asked for */
    bool emulated;                /* ran under an emulator: the times mean nothing */
    double load_before, load_after, freq_before_mhz, freq_mhz, temp_before_c, temp_c; /* freq_mhz, temp_c: afterwards; NaN
                                   * where the system does not tell */
    char governor[32], engine[96], device[96], cpu[64], arch[16], time_utc[32];
    double elapsed_s;
} mnas_latency;

int mnas_measure(mnas_latency *out, const mnas_model *model, const char *device_spec);
/* Append the measurement to a table file for `table:file=F` (JSON lines, created when missing). */
int mnas_measure_record(const char *path, const mnas_model *model, const mnas_latency *latency);
/* False for what nobody measured: the default-ms of a device table. Such a latency is not recorded, nor a model fitted to it. */
bool mnas_latency_is_measured(const mnas_latency *latency);

/* Where the milliseconds of a network go. Layers are timed one by one; they need not add up to its latency. */
typedef struct mnas_layer_time {
    char name[64];                /* as in mnas_layer_cost */
    double ms;
} mnas_layer_time;
/* MNAS_ERR_DEVICE where the device cannot. *layers is malloc'ed. */
int mnas_measure_layers(mnas_layer_time **layers, int *n, const mnas_model *model, const char *device_spec);

/* What one thread of a device can do at most: the best of several runs of plain loops. */
typedef struct mnas_peaks_level {
    char name[8];                 /* "L1", "L2", "L3", "memory" */
    double bytes;                 /* of a core's cache; infinite of memory */
    double bytes_per_s;           /* read */
} mnas_peaks_level;
typedef struct mnas_peaks {
    char isa[16];                 /* the vectors they were taken with: "avx512" */
    double flops_per_s;           /* a multiply-add is two */
    int n_levels;                 /* fastest first, memory last; 0: unknown */
    mnas_peaks_level levels[4];
} mnas_peaks;

/* A layer of a network on a device. It cannot be faster than its arithmetic at the device's peak, nor than its data at the
 * bandwidth of the level that holds them: the longer of the two bounds it. */
typedef struct mnas_layer_profile {
    char name[64];                /* as in mnas_layer_cost; of layers that an engine runs as one, the last's */
    const char *op;
    int out_h, out_w, out_c, kernel;
    double ms, share_frac;        /* of all layers */
    int64_t macs;
    double map_bytes, weight_bytes; /* read and written once */
    double flops_per_s;           /* reached; a multiply-add is two. NaN where it has none */
    double arithmetic_ms, memory_ms; /* at least; NaN where the peaks are unknown */
    double reached_frac;          /* the longer of them over ms */
} mnas_layer_profile;

/* A network on a device: how long, and where the time goes. */
typedef struct mnas_profile {
    mnas_model model;
    mnas_latency latency;
    mnas_peaks peaks;
    int n_layers;                 /* 0: not taken */
    mnas_layer_profile *layers;   /* in the order of running */
    double layers_ms;             /* their sum, which need not be the latency */
    int64_t macs;                 /* theirs */
    double floor_ms;              /* sum of the longer bound of each; NaN where the peaks are unknown */
    double by_memory_ms;          /* of layers_ms: in layers that memory bounds; NaN likewise */
    char no_layers[512];          /* why there are none; "" where there are or none were asked for */
} mnas_profile;
int mnas_profile_take(mnas_profile *out, const mnas_model *model, const char *device_spec, bool layers);
void mnas_profile_free(mnas_profile *profile);
/* One self-contained page: a picture of where the time goes, the table, the conditions. `name`: what the network is called. */
int mnas_profile_html(const mnas_profile *profile, const char *name, const char *path);

/* -------------------------------------------------------------------------------------------------------- latency models */

/* A guess of what a device would measure, fitted to networks that were measured there, with the error it made on networks it had
 * not seen. It screens; what is reported is measured. One model is of one device, engine and image size. */
typedef struct mnas_latency_model mnas_latency_model;

/* How far off one way of guessing was. Found by cross-validation: every network is guessed once, by a fit without it. */
typedef struct mnas_latency_error {
    char way[16];                 /* "model"; beside it "macs" (a line in logarithms), "layers" (a table of layers' times),
                                   * "kinds" (ridge on sums by kind of layer) */
    int n, n_near;                /* networks guessed; those measured within 10 % of the target */
    double mean_frac;             /* mean of |guess / measured - 1|; NaN where this way could not be tried */
    double near_frac;             /* the same of those near the target */
    double p90_frac, worst_frac;  /* nine of ten were less far off; the largest */
    double within_10_frac;        /* share off by 10 % at most */
    double kendall_tau;           /* of the order: 1 as measured, 0 as by chance */
} mnas_latency_error;

enum { MNAS_LATENCY_BASELINES = 3 };

typedef struct mnas_latency_about {
    char space[64];               /* that the networks were drawn from; "" where unknown */
    int input_size, n_networks, n_layered; /* image; networks fitted to; those of them whose layers were timed, too */
    double target_ms;             /* that some networks were chosen near to; NaN */
    double low_ms, high_ms;       /* fastest and slowest network */
    mnas_latency conditions;      /* device, engine, cpu, threads, ... of the measurements; the rest as of the last one */
    mnas_latency_error error, baseline[MNAS_LATENCY_BASELINES];
} mnas_latency_about;

typedef struct mnas_latency_guess {
    double ms;
    double error_frac;            /* mean error of such guesses, as found; NaN outside of what it was fitted to */
    double low_ms, high_ms;       /* nine of ten guesses lie so near; NaN outside */
    bool outside;                 /* the network is unlike those it was fitted to: */
    char why[200];                /* in what; "" where it is not */
} mnas_latency_guess;

int mnas_latency_model_load(mnas_latency_model **out, const char *path);
int mnas_latency_model_save(const mnas_latency_model *model, const char *path);
void mnas_latency_model_free(mnas_latency_model *model); /* NULL is allowed */
/* A fraction of a millisecond's work: thousands of networks a second. MNAS_ERR_INVALID where it cannot be built. */
int mnas_latency_model_predict(mnas_latency_guess *out, const mnas_latency_model *model, const mnas_model *network);
const mnas_latency_about *mnas_latency_model_about(const mnas_latency_model *model); /* the model's own */

typedef struct mnas_measured {
    mnas_model network;
    mnas_latency latency;
    mnas_layer_time *layers; int n_layers; /* one by one; NULL where they were not timed */
} mnas_measured;

/* Fit to measured networks of one device and image size, 10 at least; target_ms may be NaN, space "". */
int mnas_latency_model_fit(mnas_latency_model **out, const mnas_measured *networks, int n, const char *space, double target_ms);

typedef struct mnas_device_model_progress {
    const char *phase;            /* "measuring", "layers", "fitting" */
    int n_done, n_wanted, n_refused; /* networks of this phase */
    double last_ms;               /* of the network just measured; NaN */
    double elapsed_s, eta_s;      /* NaN where unknown */
} mnas_device_model_progress;

typedef struct mnas_device_model_options {
    const char *device, *space;
    const char *record;           /* file of JSON lines that measurements are appended to and taken up from; required */
    int networks;                 /* random ones of the space; with a target a third of them near it */
    int layers;                   /* of so many the layers as well, where the device can */
    int input_size;               /* pixels; 0: the space's */
    uint64_t seed;
    double target_ms;             /* NaN: none */
    double max_minutes;           /* NaN: no limit; what is measured by then is fitted */
    void (*progress)(void *user, const mnas_device_model_progress *progress); /* may be NULL */
    void *user;
    const volatile bool *cancel;  /* may be NULL */
} mnas_device_model_options;

/* Measure what `record` does not hold yet, and fit. A measurement that the device refuses is counted and left out. Nothing
 * measured is lost: MNAS_ERR_CANCELLED, and a process that is killed, go on where they were. */
int mnas_device_model_fit(mnas_latency_model **out, const mnas_device_model_options *options);

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
    const char *init;             /* start from these weights, or NULL; a classifier of other classes begins afresh */
    int classes;                  /* of the classifier, which then begins afresh, whatever init has; 0: the dataset's, which is
                                   * also the least */
    const char *checkpoint;       /* where the training is kept and gone on with, as long as it is the same one; or NULL */
    double checkpoint_minutes;    /* between two writings of it; 0: after every step */
    double stop_epochs;           /* train a part: so far on the whole length's schedule, evaluate, and keep the state in
                                   * `checkpoint` as if that had not been; no lock, no best weights. 0: to the end */
    const char *from;             /* where `checkpoint` is not there: the kept part that this one goes on from; or NULL */
    const char *metrics;          /* file of JSON lines, or NULL */
    const char *tensorboard;      /* folder for an event file, or NULL */
    int metrics_steps;            /* between two entries of both; 0: a hundredth of an epoch */
    void (*progress)(void *user, const mnas_epoch *epoch); /* may be NULL */
    void *user;
    const volatile bool *cancel;  /* becomes true on Ctrl-C; may be NULL */
} mnas_train_options;

typedef struct mnas_train_result {
    double val_accuracy_frac, val_balanced_frac, val_loss, train_loss;
    double best_accuracy_frac;    /* of all epochs, on validation */
    int best_epoch;               /* which had it, 1.. */
    int steps;
    int64_t n_images;             /* seen */
    double train_s, eval_s, images_per_s;
    double earlier_s;             /* of train_s and eval_s: by processes before this one */
    int64_t slab_bytes, peak_rss_bytes;
} mnas_train_result;

/* Train `model` (its classes, input and channels are set to the dataset's). MNAS_ERR_NAN when the loss is not finite;
 * MNAS_ERR_MISMATCH where the checkpoint is of another training (names what differs). With a checkpoint, the weights of the
 * best epoch are kept beside it (mnas_train_best_path); MNAS_ERR_CANCELLED then has lost no step. */
int mnas_train(mnas_train_result *out, mnas_model *model, const mnas_train_options *options);

/* run.ckpt -> run.best.safetensors; any other name: with .best.safetensors behind it. MNAS_ERR_ARG when longer than n. */
int mnas_train_best_path(char *path, size_t n, const char *checkpoint);

typedef struct mnas_eval_result {
    int64_t n;
    double top1_frac, top5_frac, loss;
    double balanced_frac;             /* mean recall over the classes that have images: what counts where classes are unequal */
} mnas_eval_result;

typedef struct mnas_eval_options {
    const char *weights;              /* safetensors file (docs/weights.md) */
    const char *data, *split;         /* dataset spec; "val" or "test" */
    int threads;                      /* 0: all cores, or OMP_NUM_THREADS */
    int classes;                      /* of the classifier; 0: the dataset's, which is also the least */
    const char *logits;               /* safetensors file to write: logits [n, classes] and labels [n], or NULL */
} mnas_eval_options;
int mnas_eval(mnas_eval_result *out, const mnas_model *model, const mnas_eval_options *options);

/* ------------------------------------------------------------------------------------------------------------- exporting */

/* A network in another program's file format, ready to run: batch-norm folded, logits as its answer (docs/exporting.md). */
typedef struct mnas_export_options {
    const char *format;               /* "onnx", "onnx:batch=any", "tflite", "mnas"; NULL: by the file's extension */
    const char *weights;              /* safetensors file, whose classes and channels the network then has; NULL: random
                                       * weights, enough for a latency, and the file says so */
} mnas_export_options;

typedef struct mnas_export_result {
    char format[64];
    int64_t bytes;                    /* of the file */
    int classes, input_size, input_channels; /* of the network in it */
    bool random;                      /* weights */
} mnas_export_result;
int mnas_model_export(mnas_export_result *out, const char *path, const mnas_model *model, const mnas_export_options *options);

/* ---------------------------------------------------------------------------------------------------------------- search */

typedef enum { MNAS_TRIAL_RUNNING, MNAS_TRIAL_COMPLETE, MNAS_TRIAL_FAILED, MNAS_TRIAL_PRUNED } mnas_trial_state;
const char *mnas_trial_state_name(mnas_trial_state state); /* "running", "complete", "failed", "pruned" */

enum { MNAS_MAX_DEVICES = 8 };        /* of one search */

typedef struct mnas_trial {
    int number;                       /* 0.. in order of proposal */
    mnas_trial_state state;
    char reason[16];                  /* of failed: nan timeout memory crash device invalid; of pruned: screened latency rung; else "" */
    char *arch;                       /* block strings */
    char key[17];                     /* canonical hash */
    int *tokens, n_tokens;
    double accuracy_frac;             /* on the validation split */
    double *epoch_accuracy_frac; int n_epochs;
    mnas_latency latency;             /* on the first device; median_ms NaN while unmeasured */
    mnas_latency *others;             /* [n_others] on the study's further devices, in their order; NULL while unmeasured */
    int n_others;
    int n_refused;                    /* measurements that a device refused as too unsteady, before one was taken */
    double predicted_ms, predicted_error_frac; /* of the latency model, where one screens; never part of a reward */
    double reward;
    double entropy_nats;              /* of the policy when it proposed this, mean over decisions; NaN where it has none */
    char origin[12];                  /* who proposed it: "strategy"; "random", drawn uniformly beside it; "told" by the user;
                                       * "" in studies from before this was kept */
    int rung;                         /* of epochs that its training has come to, 0..; -1: there were none */
    double *rung_accuracy_frac; int n_rungs; /* at each of them */
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
    int n_screened;                   /* trials that a latency model left out */
    int n_outside;                    /* trials measured outside the window, and not trained */
    int n_stopped;                    /* trials whose training was ended at a rung */
    int rung, n_rungs;                /* that the trial's training comes to next, 0..; of how many, 0: there are none */
    int n_refused;                    /* measurements that a device refused as too unsteady */
    int n_updates;                    /* of the strategy */
    const char *phase;                /* "measuring", "awaiting", "training", "waiting" at a rung, "done" */
    const char *awaited, *why;        /* the device that does not answer or refuses, and what it said; else NULL */
    double awaited_s, awaited_limit_s;/* so far; then the search ends. NaN where it is asked again whatever comes */
    double phase_frac;                /* 0..1 or NaN */
    double best_reward, elapsed_s, eta_s; /* NaN where unknown */
} mnas_search_progress;

typedef struct mnas_search_options {
    const char *space, *data, *device, *study;  /* required; study: path of the SQLite file. Several devices are joined by
                                       * " + ": the reward is then the product over them, and the front of all */
    const char *reward;               /* NULL or "": "soft"; with a window "hard", which within it is the accuracy alone */
    const char *strategy;             /* "ppo" */
    const char *recipe;               /* "proxy" */
    double target_ms;                 /* NaN: median of the first 10 latencies */
    double other_targets_ms[MNAS_MAX_DEVICES - 1]; /* on the devices after the first; 0: that median there */
    double device_minutes;            /* a device that has gone away is awaited so long; 0: not at all */
    const char *screen;               /* file of a latency model of the first device: what it expects, less its stated error,
                                       * to take more than screen_factor (0: 1.5) x target_ms is neither measured nor trained, a
                                       * pruned trial. NULL or "": none */
    double screen_factor;
    double window_frac;               /* only networks that take (1 - window_frac) x target_ms to target_ms are trained; what lies
                                       * outside is measured, a pruned trial. Needs target_ms and one device. 0: none */
    int rungs, rung_factor;           /* 0: none. Else trainings end early that promise little, at rungs of rung_factor^-k of their
                                       * length (docs/rungs.md). rung_factor 0: 9 with two rungs, 3 with more. The recipe then
                                       * averages weights, ema-decay=0.99, unless it says otherwise */
    int rung_keep;                    /* one in so many goes on from a rung, decided in brackets of rung_keep^(rungs - 1) networks;
                                       * 0: rung_factor, at most 4 */
    bool rungs_async;                 /* decide at once instead: the result then depends on jobs and on interruptions */
    int trials;                       /* complete ones wanted; with rungs those whose training has begun, in whole brackets */
    int64_t max_images;               /* per trial; 0: the recipe's epochs over all */
    double epochs;                    /* NaN: the recipe's */
    uint64_t seed;
    double max_minutes;               /* NaN: no limit */
    int max_trials;                   /* complete, failed and pruned ones together; 0: no limit. Hard, as max_minutes */
    int jobs, threads;                /* trials side by side [1]; threads each, 0: cores / jobs */
    int top_k;                        /* networks that stage two is to train afterwards: the forecast counts them in */
    double trial_timeout_s;           /* NaN: 20 times the first trial's, at least 600 */
    const char *command_line;         /* kept for the report; may be NULL */
    void (*progress)(void *user, const mnas_search_progress *progress);
    void *user;
    const volatile bool *cancel;
} mnas_search_options;

/* `trials`, with rungs in whole brackets: what the search will want. A status where the rungs are wrong. */
int mnas_search_n_trials(const mnas_search_options *options);
/* Run, or resume, until `trials` are complete. MNAS_ERR_MISMATCH where the study was made with other options (names them);
 * MNAS_ERR_EXHAUSTED after 500 repeats in a row or 3 * trials failures; MNAS_ERR_CANCELLED; MNAS_ERR_TIMEOUT for max_minutes
 * and max_trials; MNAS_ERR_DEVICE where a device does not come back, MNAS_ERR_REFUSED where nothing but refusals came of the
 * first five measurements. Nothing finished is ever lost. */
int mnas_search_run(const mnas_search_options *options);

/* Before spending: what a search will take, from a few timed steps of networks of its space. */
typedef struct mnas_range {
    double low, mid, high;            /* 10th percentile, median, 90th; NaN where unknown */
} mnas_range;

typedef struct mnas_forecast {
    int n_timed;                      /* networks whose steps were timed */
    int n_trials;                     /* still to do */
    mnas_range trial_s, latency_s;    /* of one trial, both; and of that its measuring */
    mnas_range minutes;               /* of the whole search */
    double trained_share;             /* of their whole length, that trainings are let run on average: 1 without rungs */
    mnas_range final_minutes;         /* of stage two, where it is asked for; else NaN */
    mnas_range peak_bytes;            /* resident memory of one training process */
    double free_bytes;                /* of memory, for each job */
    double too_large_frac;            /* share of the space's networks that do not fit into it, and are not started */
    mnas_range disk_bytes;            /* study, and weights of stage two */
    double free_disk_bytes, cache_bytes;
    double elapsed_s;                 /* what the forecast itself took */
} mnas_forecast;
int mnas_search_forecast(mnas_forecast *out, const mnas_search_options *options);

/* ----------------------------------------------------------------------------------------------------------- ask and tell */

/* The same search where you train and measure yourself, on whatever you have: mnas proposes, and learns from what it is told.
 *
 *     mnas_ask_options o = {.study = "lab.db", .space = "mnasnet-28", .trials = 200, .target_ms = 5};
 *     mnas_ask_session *s = NULL;
 *     const mnas_trial *t;
 *     int rc = mnas_ask_open(&s, &o);
 *     while (rc == 0 && (rc = mnas_ask(s, &t)) == 0) {
 *         mnas_told told = {.accuracy_frac = my_training(t->arch), .latency_ms = my_measuring(t->arch)};
 *         rc = mnas_tell(s, t->number, &told);
 *     }
 *     if (rc != MNAS_ERR_EXHAUSTED) fprintf(stderr, "%s\n", mnas_error_message());
 *     mnas_ask_close(s);
 *
 * What is asked and told is in the study before the call returns. What is proposed depends on the options and on what was told,
 * not on when it was told: proposal p uses outcomes of proposals up to p - parallel alone, and what was told without being asked for
 * (mnas_tell_unasked) before it. Only one process has a session on a
 * study at a time; a session waits some seconds for another one to end. */
typedef struct mnas_ask_session mnas_ask_session;

/* All zero but `study`: as the study was made. What is given has to agree with that, but for `trials`. */
typedef struct mnas_ask_options {
    const char *study;                /* required: made by the first session on it, which needs */
    const char *space;                /* networks: built-in, or a file; or */
    const char *decisions;            /* YAML file of plain decisions without networks (docs/ask-tell.md) */
    const char *objective;            /* "accuracy" is told, or a value to "maximize" or "minimize". NULL: accuracy for networks, and
                                       * with a reward or target; else maximize */
    const char *reward;               /* of accuracy and latency; NULL: "soft" with a target, else the accuracy alone */
    double target_ms;                 /* 0: none, or with a reward the median of the first 10 latencies */
    const char *strategy;             /* NULL: "ppo" */
    int trials;                       /* complete ones wanted; 0: 100. A later session may ask for more */
    int parallel;                     /* trials that may be open at once; 0: 1 */
    uint64_t seed;                    /* 0: 1 */
    const char *command_line;         /* kept for the report; may be NULL */
} mnas_ask_options;

/* MNAS_ERR_MISMATCH names the option that does not agree; MNAS_ERR_BUSY. */
int mnas_ask_open(mnas_ask_session **out, const mnas_ask_options *options);
void mnas_ask_close(mnas_ask_session *session); /* NULL is allowed */

/* A trial to train and measure; *trial is valid until the next call. A network known already is answered from what is known, and
 * the next one proposed. MNAS_ERR_BUSY while open trials have to be told first (the message names them), MNAS_ERR_EXHAUSTED where
 * all wanted ones are complete or nothing new is proposed. */
int mnas_ask(mnas_ask_session *session, const mnas_trial **trial);
/* An open trial once more, for another who tries it. */
int mnas_ask_again(mnas_ask_session *session, int number, const mnas_trial **trial);

typedef struct mnas_told {
    double accuracy_frac;             /* 0 to 1; where an accuracy is told */
    double latency_ms;                /* 0: not measured; has to be where the study has a target */
    double value;                     /* where a value is told */
    const char *failed;               /* why there is nothing to tell; NULL: there is */
} mnas_told;
/* The outcome of an open trial. To tell the same twice is no mistake; another outcome is MNAS_ERR_MISMATCH, since later proposals
 * rest on the first. */
int mnas_tell(mnas_ask_session *session, int number, const mnas_told *told);

/* A result that is there already, of what was not asked for: a trial of its own of origin "told", *number, at any time. It counts for
 * best, front and report, and not among the trials wanted; strategies learn from it before their next proposal. What is known
 * already is *number of that: the same outcome is no mistake, another one, or that it is open, is MNAS_ERR_MISMATCH; what failed may
 * be told once more. `tokens` are as of mnas_ask_decision. */
int mnas_tell_unasked(mnas_ask_session *session, const int *tokens, const mnas_told *told, int *number);
/* tokens[mnas_ask_n_decisions] of a network's block strings as in mnas_trial.arch, or of "name=choice,name=choice,...", all of them. */
int mnas_ask_find(const mnas_ask_session *session, const char *arch, int *tokens);

int mnas_ask_n_trials(const mnas_ask_session *session);
const mnas_trial *mnas_ask_trial(const mnas_ask_session *session, int number); /* NULL: no such; running ones are open */
int mnas_ask_n_decisions(const mnas_ask_session *session);
const mnas_decision *mnas_ask_decision(const mnas_ask_session *session, int i); /* trial->tokens[i] is one of its choices */
int mnas_ask_model(const mnas_ask_session *session, int number, mnas_model *out); /* MNAS_ERR_MISSING without networks */
/* One line of JSON for another: asks and tells (docs/ask-tell.md). *answer is malloc'ed, a line without its end; what is wrong with a
 * request is its answer. Returns a status only where the session cannot go on. */
int mnas_ask_line(mnas_ask_session *session, const char *line, size_t n, char **answer);

/* ------------------------------------------------------------------------------------------- stage two: final training */

/* What a search ends in: the best networks trained fully, beside baselines and the best of as many random networks, all with
 * one recipe, latencies taken alternately. Only validation chooses; the test images are touched once, after the choice is
 * stored, by the chosen network and by what it is compared with. */

typedef enum { MNAS_FINAL_FOUND, MNAS_FINAL_RANDOM, MNAS_FINAL_BASELINE } mnas_final_role;
const char *mnas_final_role_name(mnas_final_role role); /* "found", "random", "baseline" */

typedef struct mnas_final {
    int number;                       /* 0.. in the order of the plan */
    mnas_final_role role;
    char family[32];                  /* "found", "random", "mobilenet-v2", "mnasnet-b1": what shares a curve and a learning rate */
    char name[64];                    /* "trial 12", "random 31", "mobilenet-v2@0.35/28" */
    int trial;                        /* of the study or, where random, of its random study; else -1 */
    int repeat;                       /* 0; 1..: the same network with another seed. These show the noise, no point of a curve */
    int input_size;
    double lr;                        /* the tuned one of its family */
    uint64_t seed;
    mnas_trial_state state;
    char reason[16];                  /* as of mnas_trial */
    char *error;                      /* of a failed one, or NULL */
    double val_accuracy_frac, val_balanced_frac;   /* balanced: mean recall over the classes */
    double test_accuracy_frac, test_balanced_frac; /* NaN where not tested */
    int n_val, n_test;                /* images; n_test 0 where not tested */
    uint8_t *val_correct, *test_correct; /* [n_val], [n_test]: 1 where the image was classified right; NULL while unknown */
    mnas_latency latency;             /* on the first device: median over the alternating passes */
    double *pass_ms; int n_passes;    /* the median of each pass; passes of all networks alternate */
    mnas_latency *others;             /* [n_others] the same on the study's further devices */
    int n_others;
    double *others_pass_ms; int n_others_pass_ms; /* [n_passes][n_others] */
    int64_t params, macs;
    double train_s;
    char *weights;                    /* safetensors file, relative to the study's folder; NULL while there is none */
    bool chosen;                      /* the found network that validation chose: the only one that is called best */
} mnas_final;

typedef struct mnas_finalize_progress {
    const mnas_final *final;          /* just finished, or NULL for a live line */
    const char *phase;                /* "tuning", "random search", "training", "measuring", "testing" */
    const char *name;                 /* what it is about */
    int n_done, n_planned;            /* networks */
    double phase_frac, elapsed_s, eta_s; /* NaN where unknown */
} mnas_finalize_progress;

typedef struct mnas_finalize_options {
    const char *study;                /* required */
    int top_k;                        /* best of the front, by reward; the next best rewards where the front is smaller */
    const char *recipe;               /* NULL: "final" */
    double epochs;                    /* NaN: the recipe's */
    const char *baselines;            /* "auto", "none", "study:FILE.db" (another's), or models "mobilenet-v2@0.5/28 ./mine.yaml" */
    int n_random;                     /* networks of the random search beside; -1: as many as complete trials; 0: none */
    int n_lr;                         /* learning rates tried for each family; 1: the recipe's */
    int n_race;                       /* trainings before the choice, each of that of the two leaders which has fewer: the best mean is
                                       * chosen. Of the found networks, and as many of the random ones. 0: none */
    int n_repeats;                    /* further seeds of the chosen network, a race's among them, and of the baseline next to it */
    int n_passes;                     /* over all networks when latencies are taken */
    int jobs, threads;                /* 0: the study's */
    double max_minutes;               /* NaN: no limit */
    double device_minutes;            /* as of a search */
    const char *output;               /* folder of the weights and models; NULL: STUDY without .db, with .final */
    const char *command_line;         /* may be NULL */
    void (*progress)(void *user, const mnas_finalize_progress *progress);
    void *user;
    const volatile bool *cancel;
} mnas_finalize_options;

/* Run or resume stage two of a study that has complete trials. Nothing finished is lost or repeated. MNAS_ERR_MISMATCH where it
 * was begun with other options, _TIMEOUT for max_minutes, _CANCELLED, _DEVICE where the device measures nothing any more. */
int mnas_finalize(const mnas_finalize_options *options);

/* ------------------------------------------------------------------------------------------------- what a study holds */

typedef struct mnas_study mnas_study;

int mnas_study_open(mnas_study **out, const char *path); /* read-only; MNAS_ERR_MISSING */
void mnas_study_close(mnas_study *study);
int mnas_study_n_trials(const mnas_study *study);
const mnas_trial *mnas_study_trial(const mnas_study *study, int i); /* ordered by number */
/* The trial is running by its row, but nothing is at work on the study: the same search would begin it again. */
bool mnas_study_interrupted(const mnas_study *study, const mnas_trial *trial);
/* Its trials were asked and told (mnas_ask_open): those running are open. The value told of one, where values were; else NaN. */
bool mnas_study_is_told(const mnas_study *study);
double mnas_study_value(const mnas_study *study, const mnas_trial *trial);
/* Stored setting as text ("space", "data", "target_ms", "command_line", "w", ...) or NULL. */
const char *mnas_study_setting(const mnas_study *study, const char *name);
/* The devices of its setting "device": how many, and their specs. */
int mnas_study_n_devices(const mnas_study *study);
const char *mnas_study_device(const mnas_study *study, int device); /* 0..; NULL: no such */
const mnas_latency *mnas_trial_latency_on(const mnas_trial *trial, int device); /* NULL where it has none */
/* Numbers of the trials on the front (accuracy up, latency down on every device; complete ones only), fastest on the first
 * device first; *front is malloc'ed. */
int mnas_study_front(const mnas_study *study, int **front, int *n_front);
int mnas_study_model(const mnas_study *study, int trial, mnas_model *out);
/* What came of a search that was asked to hit a latency (window_frac). */
typedef struct mnas_landing {
    double low_ms, high_ms;           /* the window */
    int n_screened;                   /* trials that a latency model left out unmeasured */
    int n_measured, n_inside;         /* trials whose latency was taken; of these within the window */
    int n_trained;                    /* complete trials: all within */
    int best;                         /* of these the one with the highest reward, which is handed over; -1: none */
    double best_ms, best_reward;
    double below_ms, above_ms;        /* the nearest latencies outside; NaN: none */
    int final; double final_ms;       /* the network that stage two chose, measured again; -1, NaN: none yet */
} mnas_landing;
bool mnas_study_landing(const mnas_study *study, mnas_landing *out); /* false: no window was asked for */

/* A rung of a study (docs/rungs.md). */
enum { MNAS_MAX_RUNGS_OF_STUDY = 6 };
typedef struct mnas_rung {
    double share;                     /* of a whole training, that it ends at */
    int n_reached, n_stopped;         /* trials that came to it; that were ended there */
    int n_compared; double tau;       /* Kendall's tau of the accuracies here with those at the end, of trials that went there.
                                       * NaN: fewer than 3, and for the end itself */
} mnas_rung;
/* Returns how many there are, 0: the study has none; or a status. */
int mnas_study_rungs(const mnas_study *study, mnas_rung out[MNAS_MAX_RUNGS_OF_STUDY]);
/* Stage two, in the order of the plan; 0 where there was none. */
int mnas_study_n_finals(const mnas_study *study);
const mnas_final *mnas_study_final(const mnas_study *study, int i);
int mnas_study_final_model(const mnas_study *study, int number, mnas_model *out);

/* How much faster the chosen network is than a family at equal accuracy: the family's front is interpolated (accuracy linear in
 * log latency). Intervals: 95 %, bootstrap over images, paired between networks, and over passes of the latencies. */
typedef enum {
    MNAS_COMPARE_WITHIN,              /* the family's curve reaches this accuracy: ratio and interval are numbers */
    MNAS_COMPARE_ABOVE,               /* more accurate than every network of the family: ratio is to its most accurate one */
    MNAS_COMPARE_BELOW,               /* less accurate than every one: ratio is to its fastest one */
    MNAS_COMPARE_NOT                  /* fewer than two complete networks: ratio and gain are to the one, or NaN */
} mnas_compare_kind;

typedef struct mnas_comparison {
    char family[32], split[8];        /* "mobilenet-v2", "random", "baselines": all of them together; "val" or "test" */
    mnas_compare_kind kind;
    int n_points;                     /* networks of the family */
    double accuracy_frac;             /* of the chosen network */
    double family_ms, found_ms;       /* latency of the curve there, and of the chosen network */
    double ratio, ratio_low, ratio_high; /* family_ms / found_ms: above 1 the chosen network is faster. Where WITHIN, low is 0
                                       * and high infinite where the samples leave the curve on that side */
    double accuracy_gain_frac, gain_low_frac, gain_high_frac; /* at equal latency; NaN outside the curve */
    double faster_share;              /* of bootstrap samples in which the chosen network is faster */
} mnas_comparison;

typedef struct mnas_verdict {
    int chosen;                       /* number of the final; -1: none yet */
    int n_comparisons;
    mnas_comparison *comparisons;     /* of each family and split */
    double seed_sd_frac; int n_seed_runs; /* pooled standard deviation of validation accuracy between seeds; NaN: one seed */
    double binomial_val_frac, binomial_test_frac; /* standard error sqrt(p(1-p)/n) of the chosen network's accuracies */
    char *words;                      /* what it comes to, as a paragraph of plain text */
} mnas_verdict;
int mnas_study_verdict(const mnas_study *study, mnas_verdict *out);
void mnas_verdict_free(mnas_verdict *verdict);

/* Did the strategy beat chance in this study? Its networks against the uniform ones proposed beside it (option shadow of every
 * strategy), by Mann and Whitney's test on rewards. Counted are networks, each once and for whoever proposed it first: complete
 * ones by their reward; stopped at a rung, below all complete ones; failed, below all, but where the device failed. Left out is
 * what was told, or pruned before its training. Two looks are taken, at all of the strategy's and at the last half of them, so
 * either has to reach 2.5 %. */
typedef enum {
    MNAS_SHADOW_NONE,                 /* no uniform proposals, or nothing else */
    MNAS_SHADOW_FEW,                  /* fewer than 5 of either kind: they tell nothing */
    MNAS_SHADOW_NOT,                  /* not shown to be better than chance */
    MNAS_SHADOW_WORSE,                /* worse than chance */
    MNAS_SHADOW_BEAT,                 /* better */
    MNAS_SHADOW_BEAT_LATE             /* better in its last half */
} mnas_shadow_verdict;
const char *mnas_shadow_verdict_name(mnas_shadow_verdict verdict); /* "none", "few", "not", "worse", "beat", "beat_late" */

typedef struct mnas_shadow_group {
    int n, n_complete, n_failed;      /* networks; n counts those stopped at a rung, too */
    double median, best;              /* reward of the complete ones; NaN without */
    int best_trial;                   /* -1 without */
} mnas_shadow_group;

typedef struct mnas_shadow {
    mnas_shadow_verdict verdict;
    mnas_shadow_group strategy, late, random; /* late: the strategy's last half */
    double share, p;                  /* chance that one of the strategy's beats a random one, equal ones half; one-sided p */
    double late_share, late_p;        /* of its last half, against all random ones */
    double least_share;               /* shares nearer to one half could not have been told from it with so few */
    double fair_best;                 /* mean best reward of as many of the strategy's networks as there are random ones */
    bool exact;                       /* p is counted, not approximated */
    char words[900];                  /* what it comes to, as plain text */
} mnas_shadow;
int mnas_study_shadow(mnas_shadow *out, const mnas_study *study);

/* Where the milliseconds of a trial's network go; *n is 0 where they were not taken. *layers is malloc'ed. */
int mnas_study_layers(const mnas_study *study, int trial, mnas_layer_time **layers, int *n);

/* The strategy's probabilities when it had made n_proposals: of each decision's choices, concatenated. */
typedef struct mnas_policy_point {
    int64_t n_proposals;
    const double *probabilities;      /* [sum of n_choices], belongs to the study; NULL where not stored */
} mnas_policy_point;
int mnas_study_n_policy_points(const mnas_study *study);
mnas_policy_point mnas_study_policy_point(const mnas_study *study, int i);

/* One self-contained HTML file and, beside it under the same name, which it links, the trials as .csv and .json. */
int mnas_report_write(const mnas_study *study, const char *html_path);
/* Where those are: html_path with its ".html" replaced by `extension` (".csv", ".json"). MNAS_ERR_ARG when longer than n. */
int mnas_report_data_path(char *path, size_t n, const char *html_path, const char *extension);

/* Trials for other programs: JSON with everything known of them, CSV with a row each (docs/reports.md). trial -1: all. */
typedef enum { MNAS_EXPORT_JSON, MNAS_EXPORT_CSV } mnas_export_format;
int mnas_study_export(const mnas_study *study, int trial, mnas_export_format format, FILE *out);

/* ------------------------------------------------------------------------------------------- simulating searches */

/* Strategies on networks whose accuracies are known already, by the very code of a search: which strategy suits this space, and is
 * a search worth its cost? (docs/simulating.md) All accuracies here are in per cent points, whatever the table's unit. */
typedef struct mnas_simulate_options {
    const char *table;                /* CSV file; or: */
    const char *landscape;            /* the same, but searched is a function fitted to it, over all combinations */
    const char *decisions;            /* "kernel,op:nominal,arch:chars,block*": columns */
    const char *accuracy;             /* column that the strategy sees */
    const char *report;               /* column that it is scored on; NULL or "": the same */
    const char *latency;              /* column, less is better; or: */
    const char *maximize;             /* column, more is better (throughput): as a latency of 1 / value */
    const char *features;             /* columns of cheap descriptors, for strategies that predict */
    double target;                    /* of latency or maximize, in its unit; NaN: none given */
    double window_frac;               /* as of a search: what is outside is looked at, not evaluated. 0: none */
    const char *reward;               /* with a latency; NULL: "soft", with a window "hard". Without one it is the accuracy */
    double noise;                     /* standard deviation added to each observed accuracy, in its column's unit */
    bool rows_only;                   /* proposals become the nearest row; else one without a row is a failed trial */
    const char *strategies;           /* "ppo,evolution:sample=10,random" */
    int trials, seeds;                /* distinct networks evaluated in a run; runs of each strategy */
    uint64_t first_seed;
    int finalists, finalist_repeats;  /* of n evaluations the last finalists x repeats go to the best observed ones, each that often
                                       * again; 0: none. repeats 0: 3 */
    bool finalist_race;               /* each once again, the rest one by one to that of the two leaders which was evaluated less often */
    bool posterior;                   /* choose by the posterior mean of a Gaussian process, too. Takes its time */
    const char *rungs;                /* columns of accuracies on the way, the shortest training first: every search is run with these
                                       * rungs and without. NULL or "": none. --accuracy is the end; needs latency or maximize */
    const char *rung_epochs;          /* "1,3,9": epochs at each rung and at the end; NULL or "": by rung_factor, of one */
    int rung_factor, rung_keep;       /* as of a search */
    int jobs;                         /* trials side by side: a proposal knows those that lie so far back. 0: 1 */
    int threads;                      /* 0: all cores. No result depends on it */
    void (*progress)(void *user, int n_done, int n_runs); /* never two at once */
    void *user;
    const volatile bool *cancel;
} mnas_simulate_options;

/* After n networks, over the seeds. "Best" is the largest true value so far; "chosen" the network with the best observed one,
 * by its true value. The value is the accuracy or, where there is a latency, the reward of both times 100. */
typedef struct mnas_simulated_point {
    int n, n_reached;                 /* networks; runs that evaluated so many (the others stand where they ended) */
    double mean, sd;                  /* of the best; NaN where a run found none */
    double regret_mean;               /* what it lacks of the optimum */
    double optimum_share, top2_share; /* runs whose best is the optimum; or at least the second best network */
    double chosen_mean, chosen_sd, chosen_optimum_share;
    double chosen_accuracy_mean, chosen_second_mean; /* of the chosen network; the second NaN without a latency */
    double gain, p_t, p_wilcoxon;     /* of the best over random's with the same seeds, in pairs; NaN: random itself, one seed */
    double chosen_gain, chosen_p_t, chosen_p_wilcoxon;
    double finalist_mean, finalist_gain, finalist_p_t; /* chosen by the mean of what finalists showed; its lead over chosen, in pairs.
                                       * NaN: no finalists, or too few evaluations for them */
    double posterior_mean, posterior_gain, posterior_p_t; /* the same of what is believed to be best */
    double hypervolume_mean, hypervolume_share; /* of the front of accuracy and second; share of the whole table's. NaN: none */
} mnas_simulated_point;

/* What rungs save. Hypervolumes are of networks trained to the end, epochs those of all trainings, stopped ones counted. */
typedef struct mnas_simulated_rungs {
    double begun_mean, complete_mean; /* trainings of a search with rungs; those of them that went to the end */
    double epochs_mean, hypervolume_share;
    double whole_epochs;              /* that whole trainings take to the same mean hypervolume; NaN: more than `trials` of them */
    double times_fewer, times_low, times_high; /* whole_epochs / epochs_mean; 95 % interval over the seeds, INFINITY where it is open */
} mnas_simulated_rungs;

typedef struct mnas_simulated {
    char *name;                       /* as given */
    mnas_simulated_point *curve;      /* at 10, 20, 50, 100, ... and at the last */
    int n_curve;
    int n_exhausted;                  /* runs that ended early: 500 repeats in a row, or 3 failures for each trial wanted */
    double failed_mean, repeats_mean; /* proposals of a run without a network, and of one known already */
    double looks_mean;                /* latencies that a run looked at, with a window; as many as evaluated without */
    double in_window_share;           /* runs whose chosen network lies in the window: the others have none. NaN: no window */
    double gap_mean, gap_worst;       /* accuracy that the chosen one lacks of the window's best, over those runs; NaN of a landscape */
    double proposal_ms;               /* time of a run over its proposals */
    mnas_simulated_rungs rungs;       /* all 0: none. Everything above is of searches without them */
} mnas_simulated;

typedef struct mnas_simulation {
    mnas_simulated *strategies;
    int n_strategies, trials, seeds;
    uint64_t first_seed;
    size_t n_rows, n_missing, n_duplicates;   /* of the table: used; left out for a gap, as an equal encoding */
    char missing_lines[200], duplicate_lines[200]; /* the first few: "3, 17, ..." */
    int n_decisions;
    double log10_combinations;        /* of the choices */
    bool is_percent, report_is_percent; /* what the columns hold; false: fractions */
    bool is_landscape;
    double residual_sd, fit_tau;      /* of a landscape: of a fit to four fifths of the rows, on the others; else NaN */
    double optimum, second_best;      /* values; NaN for a landscape, of which nobody knows them */
    double best_found;                /* by any run */
    double window_low, window_high;   /* in the column's unit; NaN: no window. Optimum and value are of the rows inside, */
    size_t n_in_window;               /* so many; all where there is no window */
    double window_best;               /* the best accuracy among them, by --report */
    double row_mean, row_sd;          /* value of the table's rows */
    int n_rungs;                      /* with the end; 0: none */
    double rung_epochs[6], rung_tau[6]; /* Kendall's tau with the end, over the table's networks */
    double reference_accuracy, reference_second, hypervolume_all; /* where hypervolumes begin: the table's worst; and of all rows */
    double elapsed_s;
} mnas_simulation;

int mnas_simulate(mnas_simulation **out, const mnas_simulate_options *options);
void mnas_simulation_free(mnas_simulation *simulation);

/* How well is an accuracy guessed from those of other networks? A table is split at random, `predictor` fitted to `train` of its
 * networks, and Kendall's tau of guess and truth taken on the rest. */
typedef struct mnas_predict_options {
    const char *table, *decisions, *accuracy, *report, *features; /* as of a simulation; fitted to accuracy, tested on report */
    const char *predictor;            /* "gp", as strategies use it; "ridge", a plain baseline */
    const int *train;                 /* [n_train] sizes */
    int n_train;
    int seeds;                        /* splits of each size */
    uint64_t first_seed;
    int threads;                      /* 0: all cores */
    const volatile bool *cancel;
} mnas_predict_options;

typedef struct mnas_prediction {
    int train, n_test;
    double tau_mean, tau_sd;          /* over the splits */
    double fit_s;                     /* mean time of a fit */
} mnas_prediction;

int mnas_predict(mnas_prediction *out, const mnas_predict_options *options); /* out[n_train] */
/* ------------------------------------------------------------------------------------------- is the proxy worth trusting? */

/* A search ranks networks by a short training. Here it is set against the full one, of the same networks: from columns of a
 * table, or by training a sample of a space at every length (each a training of its own, with its own schedule). */
typedef struct mnas_estimate {
    double value, low, high;          /* with its 95 % interval, bootstrap over networks; NaN where unknown */
} mnas_estimate;

typedef struct mnas_proxy {
    char name[64];                    /* the column, or "5000 images", "3 epochs" */
    int64_t n_images;                 /* that one training has, of epochs that it sees; -1 unknown */
    double epochs;                    /* of all images, where the length was given so; else NaN */
    double minutes;                   /* of one training, mean; NaN unknown */
    int n, n_diverged;                /* networks with both accuracies; of them diverged in either, which counts as last */
    mnas_estimate tau;                /* Kendall's tau-b with the full accuracy */
    mnas_estimate tau_top;            /* among the 20 % with the highest full accuracy */
    mnas_estimate tau_beyond_size;    /* of the residuals of both on log MACs and log parameters (least squares on ranks) */
    mnas_estimate behind;             /* tau of the next longer proxy less this one's; NaN for the longest */
    int n_seed_networks;              /* networks trained with several seeds at this length */
    double seed_sd_frac;              /* pooled standard deviation of accuracy between them; NaN without */
    double apart_frac;                /* difference that tells two networks apart: 1.96 sqrt(2) of that */
    bool ranks_well;                  /* tau.low above 0.6, or tau no lower than two full trainings of the networks have (where that
                                       * one's interval is above 0; no proxy does where its value is not) */
} mnas_proxy;

typedef struct mnas_proxy_check {
    int n_proxies;
    mnas_proxy *proxies;              /* from the shortest; behind them proxies[n_proxies], the full training: tau is there the
                                       * one between its first two seeds, where enough networks have them */
    int chosen;                       /* the shortest that ranks well; -1: none */
    int n_networks;
    bool is_percent;                  /* of a table: what its accuracies are given in */
    char *words;                      /* what it comes to, as plain text */
} mnas_proxy_check;
void mnas_proxy_check_free(mnas_proxy_check *check);

/* From a table (CSV): columns of accuracies, separated by commas, shortest first; an empty cell is unknown, "nan" diverged. */
typedef struct mnas_proxy_table {
    const char *path, *proxies, *full;/* required */
    const char *macs, *parameters;    /* NULL or "": none, and no tau beyond size */
    const char *noise;                /* columns of full accuracies with several seeds; NULL or "": none */
    const char *images;               /* of a training, for each proxy and the full one, or epochs: "1ep,9ep"; NULL or "": unknown */
} mnas_proxy_table;
int mnas_proxy_check_table(mnas_proxy_check *out, const mnas_proxy_table *table);

typedef struct mnas_proxy_progress {
    int n_done, n_planned;            /* trainings */
    double frac;                      /* of the present one; NaN unknown */
    const char *name;                 /* "network 3, 5000 images, seed 1" */
    double elapsed_s, eta_s;          /* NaN where unknown */
} mnas_proxy_progress;

typedef struct mnas_proxy_options {
    const char *space, *data, *record;/* required; record: file of JSON lines, a training each, taken up again */
    const char *recipe;               /* NULL: "proxy" */
    const char *lengths;              /* of the short trainings: "5000,20000" images, each seen in every epoch of the recipe, or
                                       * "1ep,3ep", epochs of all images */
    const char *full;                 /* of the full one, likewise */
    int networks, seeds;              /* every seed after the first: a third of the networks, at every length */
    uint64_t seed;
    int threads;                      /* 0: all cores */
    double max_minutes;               /* NaN: no limit */
    bool plan_only;                   /* train nothing: *out is of what the record holds, and progress is told of what is left */
    void (*progress)(void *user, const mnas_proxy_progress *progress);
    void *user;
    const volatile bool *cancel;
} mnas_proxy_options;

/* Trains what the record lacks, and checks. MNAS_ERR_MISMATCH where the record is of other options or has a training that this
 * plan does not know, MNAS_ERR_CANCELLED, MNAS_ERR_TIMEOUT for max_minutes; nothing finished is lost. */
int mnas_proxy_check_run(mnas_proxy_check *out, const mnas_proxy_options *options);

/* ------------------------------------------------------------------------------------------------------ the machine */

/* What this machine offers and lacks: cores, libraries, data, devices, known traps. *ok is false when something needed is
 * missing. */
typedef struct mnas_finding {
    char level[8];                    /* "ok", "note": it works, the results may be worse; "bad": it does not work */
    char topic[32];
    char text[1024];
    char fix[512];                    /* how to mend it, a command where there is one; "" where there is nothing to do */
} mnas_finding;
int mnas_doctor(mnas_finding **findings, size_t *n); /* *findings is malloc'ed */
/* The same of a device's set-up: is it reached, does it run the program, how steady are its times. */
int mnas_doctor_device(mnas_finding **findings, size_t *n, const char *device_spec);

/* Entry of the child processes (`mnas worker KIND`): reads a request on stdin, answers on stdout. Returns the exit code. */
int mnas_worker_main(const char *kind);

#endif
