/* final_fixture.h - finals of a stage two that never ran: networks with known accuracies on images of known difficulty, the
 * same at every call, for tests of the verdict and of the report. */
#ifndef FINAL_FIXTURE_H
#define FINAL_FIXTURE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "mnas.h"

enum { FINALS_MAX = 40, FINAL_PASSES = 5 };

typedef struct finals {
    mnas_final rows[FINALS_MAX];
    const mnas_final *list[FINALS_MAX];
    int n;
    uint64_t seed;
    int n_val, n_test;
    double shared; /* share of an image's difficulty that all networks have in common */
    double jitter; /* of a pass, the same for all networks; a tenth of it is their own */
} finals;

static inline double final_normal_quantile(double p) {
    double low = -8, high = 8;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (0.5 * erfc(-middle / sqrt(2.0)) < p) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Right where shared difficulty and the network's own luck stay below the quantile of p. */
static inline uint8_t *final_images(const finals *f, int number, double p, int n, bool test) {
    uint8_t *correct = malloc((size_t)n);
    double limit = final_normal_quantile(p), own = sqrt(1 - f->shared), shared = sqrt(f->shared);
    mnas_rng images = mnas_rng_stream(f->seed, test, "difficulty");
    mnas_rng luck = mnas_rng_stream(f->seed + (test ? 77 : 0), (uint64_t)number, "luck");
    for (int i = 0; i < n; i++) {
        double z = shared * mnas_rng_normal(&images) + own * mnas_rng_normal(&luck);
        correct[i] = z < limit;
    }
    return correct;
}

static inline double final_share(const uint8_t *correct, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += correct[i];
    return sum / n;
}

static inline int final_by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline void final_time(const finals *f, mnas_final *row, double ms) {
    mnas_rng passes = mnas_rng_stream(f->seed, 0, "pass"),
             own = mnas_rng_stream(f->seed, (uint64_t)row->number, "own");
    double sorted[FINAL_PASSES];
    row->n_passes = FINAL_PASSES;
    row->pass_ms = malloc(FINAL_PASSES * sizeof *row->pass_ms);
    for (int i = 0; i < FINAL_PASSES; i++) {
        double common = f->jitter * mnas_rng_normal(&passes), rest = 0.1 * f->jitter * mnas_rng_normal(&own);
        row->pass_ms[i] = sorted[i] = ms * exp(common + rest);
    }
    qsort(sorted, FINAL_PASSES, sizeof *sorted, final_by_size);
    row->latency = (mnas_latency){.median_ms = sorted[FINAL_PASSES / 2],
                                  .ci_low_ms = sorted[0],
                                  .ci_high_ms = sorted[FINAL_PASSES - 1],
                                  .ci_level = 0.94,
                                  .rounds = FINAL_PASSES};
}

static inline finals *finals_create(uint64_t seed, int n_val, int n_test) {
    finals *f = calloc(1, sizeof *f);
    *f = (finals){.seed = seed, .n_val = n_val, .n_test = n_test, .shared = 0.8};
    return f;
}

/* A complete network of accuracy p (its expectation) and latency ms; the first found one is the chosen one. */
static inline mnas_final *finals_add(finals *f, mnas_final_role role, const char *family, const char *name,
                                     double ms, double p) {
    mnas_final *row = &f->rows[f->n];
    *row = (mnas_final){.number = f->n,
                        .role = role,
                        .trial = role == MNAS_FINAL_BASELINE ? -1 : 12 + f->n,
                        .input_size = 28,
                        .lr = 0.08,
                        .state = MNAS_TRIAL_COMPLETE,
                        .test_accuracy_frac = NAN,
                        .val_balanced_frac = NAN,
                        .test_balanced_frac = NAN,
                        .n_val = f->n_val,
                        .n_test = f->n_test,
                        .params = (int64_t)(ms * 700e3),
                        .macs = (int64_t)(ms * 19e6),
                        .train_s = 60 * ms,
                        .chosen = role == MNAS_FINAL_FOUND && f->n == 0};
    snprintf(row->family, sizeof row->family, "%s", family);
    snprintf(row->name, sizeof row->name, "%s", name);
    row->val_correct = final_images(f, row->number, p, f->n_val, false);
    row->val_accuracy_frac = final_share(row->val_correct, f->n_val);
    if (f->n_test > 0) {
        row->test_correct = final_images(f, row->number, p, f->n_test, true);
        row->test_accuracy_frac = final_share(row->test_correct, f->n_test);
    }
    final_time(f, row, ms);
    f->list[f->n++] = row;
    return row;
}

/* A family on a known line: accuracy p0 at ms0, `slope` more at each doubling of the latency. */
static inline void finals_add_family(finals *f, const char *family, int n, double ms0, double p0,
                                     double slope) {
    for (int i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s@%.2f/28", family, 0.35 + 0.15 * i);
        finals_add(f, MNAS_FINAL_BASELINE, family, name, ms0 * pow(2, i * 0.5), p0 + slope * 0.5 * i);
    }
}

static inline void finals_free(finals *f) {
    for (int i = 0; i < f->n; i++) {
        free(f->rows[i].val_correct);
        free(f->rows[i].test_correct);
        free(f->rows[i].pass_ms);
    }
    free(f);
}

#endif
