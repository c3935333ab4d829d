/* aim.c - see aim.h. */
#include "strategy/aim.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"

static const size_t START = 8;       /* looks before predictions are worth anything */
static const size_t MEMBERS = 200;   /* of the surrogate, at most when it is fitted */
static const double LEAST_SD = 1e-4; /* of a log latency: no table repeats better */

int mnas_aim_create(mnas_aim *a, const mnas_problem *problem, size_t n_descriptors) {
    *a = (mnas_aim){.low = log(problem->window_low_ms), .high = log(problem->window_high_ms)};
    return mnas_surrogate_create(&a->latency, problem->decisions, (size_t)problem->n_decisions, n_descriptors,
                                 MEMBERS);
}

void mnas_aim_destroy(mnas_aim *a) {
    mnas_surrogate_destroy(&a->latency);
    free(a->values);
    *a = (mnas_aim){0};
}

static int reserve(mnas_aim *a, size_t room) {
    if (room <= a->room) return 0;
    double *values = realloc(a->values, 2 * room * sizeof *values);
    if (!values) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for the latencies of %zu networks", room);
    a->values = values;
    a->ranks = values + room;
    a->room = room;
    return 0;
}

static int set_values(mnas_aim *a, const mnas_observations *seen) {
    const int rc = reserve(a, seen->room);
    if (rc < 0) return rc;
    a->n_looks = 0;
    for (size_t i = 0; i < seen->n; i++) {
        const double ms = seen->seen[i].latency_ms;
        a->n_looks += ms > 0;
        a->values[i] = ms > 0 ? -log(ms) : (double)NAN;
        a->ranks[i] = ms > 0 ? -mnas_aim_distance(a, ms) : (double)NAN;
    }
    return 0;
}

static mnas_surrogate_list list_of(const mnas_aim *a, const mnas_observations *seen) {
    return (mnas_surrogate_list){seen->n, seen->tokens, seen->descriptors, a->values, a->ranks};
}

int mnas_aim_update(mnas_aim *a, const mnas_observations *seen) {
    const int rc = set_values(a, seen);
    const mnas_surrogate_list list = list_of(a, seen);
    if (rc < 0 || a->n_looks < START) return rc;
    return mnas_surrogate_update(&a->latency, &list);
}

bool mnas_aim_is_ready(const mnas_aim *a) {
    return a->latency.n_members > 0;
}

static double normal_below(double z) {
    return erfc(-z / sqrt(2)) / 2;
}

/* Of what is measured, not of what is true. */
double mnas_aim_probability(mnas_aim *a, const int *tokens, const double *descriptors) {
    double mean, sd;
    mnas_surrogate_predict(&a->latency, tokens, descriptors, &mean, &sd);
    sd = fmax(LEAST_SD, hypot(sd, a->latency.sd * sqrt(mnas_gp_noise(&a->latency.gp))));
    return normal_below((-a->low - mean) / sd) - normal_below((-a->high - mean) / sd);
}

double mnas_aim_distance(const mnas_aim *a, double latency_ms) {
    return fabs(log(latency_ms) - (a->low + a->high) / 2);
}

void mnas_aim_save(const mnas_aim *a, mnas_str *out) {
    mnas_surrogate_save(&a->latency, out);
}

int mnas_aim_load(mnas_aim *a, mnas_blob_reader *in, const mnas_observations *seen) {
    const int rc = set_values(a, seen);
    const mnas_surrogate_list list = list_of(a, seen);
    return rc < 0 ? rc : mnas_surrogate_load(&a->latency, in, &list);
}
