/* latency_model.h - what a latency model is made of, for its parts; its use is in mnas.h.
 *
 * A network's latency is the sum of its layers' times. A layer of the folded graph belongs to a kind (operator, kernel, stride);
 * its time is that of its arithmetic and memory traffic, at rates per kind that are fitted with no negative one, times
 * a correction that varies smoothly with its sizes:
 *
 *     t(l) = sum_f rate[kind][f] feature_f(l) * (1 + sum_k weight_k exp(-|x(l) - x_k|^2 / (2 scale^2)))
 *
 * where x are logarithms of map and widths, and k runs over the knots of l's kind: the layers that the fit has seen. Rates come
 * from non-negative ridge, weights from Gaussian processes on what is left. Both learn from whole networks and, where they
 * were timed, from single layers, which count less: alone they find other caches than in their network.
 *
 *     _layers  a network as layers, a layer as numbers          _fit    rates from measured networks; _smooth weights
 *     _check   the error on networks not seen, and baselines'   _file   JSON and back
 *     _samples measured networks put together                   _record what was measured, on disk
 *     _plan    which networks to measure, and the measuring
 */
#ifndef MNAS_SEARCH_LATENCY_MODEL_H
#define MNAS_SEARCH_LATENCY_MODEL_H

#include "mnas.h"

enum {
    MNAS_LM_FEATURES = 5,
    MNAS_LM_DIMS = 4,
    MNAS_LM_KIND_BYTES = 24,
    MNAS_LM_MIN_NETWORKS = 10, /* that a model is fitted to */
    MNAS_LM_MAX_NETWORKS = 2000,
};

/* One layer, up to what its time depends on; bytes beyond texts are zero, so that memcmp tells layers apart. */
typedef struct mnas_lm_layer {
    char kind[MNAS_LM_KIND_BYTES];      /* "conv 5/2", "dwconv 3/1", "se", "add", "swish" */
    int in_size, in_c, out_size, out_c; /* maps are square */
    int width;                          /* of what lies within: squeeze-and-excitation's; else 0 */
} mnas_lm_layer;

typedef struct mnas_lm_net {
    mnas_lm_layer *layers;
    char (*names)[64]; /* of the nodes */
    int n;
    int64_t macs;
} mnas_lm_net;

int mnas_lm_net_open(mnas_lm_net *out, const mnas_model *model);
void mnas_lm_net_close(mnas_lm_net *net);

/* Millions of multiply-adds in whole vectors; of bytes read, written, and of weights; and 0.01 for being there. */
void mnas_lm_features(double out[MNAS_LM_FEATURES], const mnas_lm_layer *layer);
void mnas_lm_place(double out[MNAS_LM_DIMS], const mnas_lm_layer *layer);
double mnas_lm_distance2(const double a[MNAS_LM_DIMS],
                         const double b[MNAS_LM_DIMS]); /* squared, of two places */
int64_t mnas_lm_macs(const mnas_lm_layer *layer);

typedef struct mnas_lm_knot {
    mnas_lm_layer layer;
    double place[MNAS_LM_DIMS], weight;
} mnas_lm_knot;

typedef struct mnas_lm_kind {
    char name[MNAS_LM_KIND_BYTES];
    double rate[MNAS_LM_FEATURES]; /* ms for each unit of the feature */
    mnas_lm_knot *knots;
    int n_knots;
} mnas_lm_kind;

struct mnas_latency_model {
    mnas_latency_about about;
    double scale;                         /* of the correction, in doublings of a size */
    double common_rate[MNAS_LM_FEATURES]; /* of layers whose kind no network had */
    int largest_map, largest_width;
    int n_kinds;
    mnas_lm_kind *kinds; /* in the order of their names */
};

const mnas_lm_kind *mnas_lm_find_kind(const mnas_latency_model *model, const char *name); /* or NULL */
double mnas_lm_layer_ms(const mnas_latency_model *model, const mnas_lm_layer *layer);
double mnas_lm_net_ms(const mnas_latency_model *model, const mnas_lm_net *net);
/* What "near the target" means: within 10 %. False without a target (NaN). */
bool mnas_lm_is_near(double ms, double target_ms);

/* ---- fitting ---- */

/* Layers begin .. end - 1 of a network took so long when an engine ran them alone; brought to the network's scale, on which the
 * parts of a network add up to its latency. */
typedef struct mnas_lm_part {
    int begin, end;
    double ms;
} mnas_lm_part;

/* A measured network, taken apart. */
typedef struct mnas_lm_sample {
    mnas_lm_net net;
    double ms;
    double noise;        /* of its measurement, 1: as the typical one's */
    mnas_lm_part *parts; /* in the order of its layers; NULL where they were not timed */
    int n_parts;
} mnas_lm_sample;

/* Rates, weights and ranges from samples[index[0..n)]; `about` stays empty. */
int mnas_lm_fit(mnas_latency_model **out, const mnas_lm_sample *samples, const int *index, int n);

/* Sets error, baselines of *about by cross-validation; target_ms must stand in it. */
int mnas_lm_check(mnas_latency_about *about, const mnas_lm_sample *samples, int n);
mnas_latency_error mnas_lm_error_unknown(void); /* all NaN, of no network */
/* The error of guess[n] against ms[n]; near target_ms, which may be NaN, as well. */
mnas_latency_error mnas_lm_error(const char *way, const double *guess, const double *ms, int n,
                                 double target_ms);

/* ---- measuring (latency_model_record.c) ---- */

/* What was measured so far: latencies in a table of JSON lines that `table:file=F` reads as well, layers' times beside it in
 * F.layers. Every line is whole and on disk before the next measurement begins. */
typedef struct mnas_lm_record mnas_lm_record;

/* Made when missing. A last line that a crash cut short is taken off, and said. */
int mnas_lm_record_open(mnas_lm_record **out, const char *path);
void mnas_lm_record_close(mnas_lm_record *record); /* NULL is allowed */
/* False where the network is not there. */
bool mnas_lm_record_find(const mnas_lm_record *record, const char *key, mnas_latency *out);
/* Appends. MNAS_ERR_MISMATCH where the record is of another device or engine. */
int mnas_lm_record_add(mnas_lm_record *record, const mnas_model *network, const mnas_latency *latency);
/* *layers is malloc'ed, NULL where there are none. */
int mnas_lm_record_find_layers(const mnas_lm_record *record, const char *key, mnas_layer_time **layers,
                               int *n);
int mnas_lm_record_add_layers(mnas_lm_record *record, const char *key, const mnas_layer_time *layers, int n);

#endif
