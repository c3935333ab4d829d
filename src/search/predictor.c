/* predictor.c - see predictor.h. */
#include "search/predictor.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "search/ridge.h"
#include "strategy/surrogate.h"

typedef struct way { /* one of answering */
    const char *name;
    int (*fit)(mnas_predictor *p, const mnas_predictor_data *data);
    int (*predict)(const mnas_predictor *p, const int *tokens, const double *descriptors, double *mean);
    void (*release)(mnas_predictor *p);
} way;

struct mnas_predictor {
    const way *way;
    mnas_ridge ridge;
    mnas_surrogate surrogate;
};

/* ---- ridge ---- */

static int ridge_fit(mnas_predictor *p, const mnas_predictor_data *d) {
    return mnas_ridge_fit(&p->ridge, d->decisions, d->n_decisions, d->n_descriptors, d->tokens,
                          d->descriptors, d->targets, d->n);
}

static int ridge_predict(const mnas_predictor *p, const int *tokens, const double *descriptors,
                         double *mean) {
    *mean = mnas_ridge_predict(&p->ridge, tokens, descriptors);
    return 0;
}

static void ridge_release(mnas_predictor *p) {
    mnas_ridge_free(&p->ridge);
}

/* ---- Gaussian process ---- */

static int gp_fit(mnas_predictor *p, const mnas_predictor_data *d) {
    const mnas_surrogate_list list = {d->n, d->tokens, d->descriptors, d->targets, NULL};
    const int rc = mnas_surrogate_create(&p->surrogate, d->decisions, d->n_decisions, d->n_descriptors, 0);
    return rc < 0 ? rc : mnas_surrogate_update(&p->surrogate, &list);
}

/* Of a mean nothing is written but scratch: with some of its own each thread may ask. */
static int gp_predict(const mnas_predictor *p, const int *tokens, const double *descriptors, double *mean) {
    mnas_surrogate s = p->surrogate;
    double *scratch = malloc((s.gp.room + s.gp.n_descriptors + 1) * sizeof *scratch);
    if (!scratch) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a prediction");
    s.gp.row = scratch, s.scaled = scratch + s.gp.room;
    mnas_surrogate_predict(&s, tokens, descriptors, mean, NULL);
    free(scratch);
    return 0;
}

static void gp_release(mnas_predictor *p) {
    mnas_surrogate_destroy(&p->surrogate);
}

/* ---- all ---- */

static const way ways[] = {{"gp", gp_fit, gp_predict, gp_release},
                           {"ridge", ridge_fit, ridge_predict, ridge_release}};
enum { N_WAYS = sizeof ways / sizeof *ways };

static const way *find(const char *name) {
    for (int i = 0; i < N_WAYS; i++)
        if (strcmp(ways[i].name, name) == 0) return &ways[i];
    return NULL;
}

int mnas_predictor_check_name(const char *name) {
    const char *names[N_WAYS];
    mnas_str text = {0};
    if (find(name)) return 0;
    for (int i = 0; i < N_WAYS; i++) names[i] = ways[i].name;
    mnas_str_append_unknown(&text, "unknown predictor", name, names, N_WAYS);
    const int rc = mnas_error_set(MNAS_ERR_ARG, "%s", mnas_str_ok(&text) ? text.data : name);
    mnas_str_free(&text);
    return rc;
}

int mnas_predictor_fit(mnas_predictor **out, const char *name, const mnas_predictor_data *data) {
    int rc = mnas_predictor_check_name(name);
    if (rc < 0) return rc;
    mnas_predictor *p = calloc(1, sizeof *p);
    if (!p) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a predictor");
    p->way = find(name);
    rc = p->way->fit(p, data);
    if (rc == 0)
        *out = p;
    else
        mnas_predictor_free(p);
    return rc;
}

int mnas_predictor_predict(const mnas_predictor *p, const int *tokens, const double *descriptors,
                           double *mean) {
    return p->way->predict(p, tokens, descriptors, mean);
}

void mnas_predictor_free(mnas_predictor *p) {
    if (!p) return;
    p->way->release(p);
    free(p);
}
