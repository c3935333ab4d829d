/* simulate_posterior.c - the network that is believed to be best: of those evaluated, the one with the largest mean under a
 * Gaussian process of all of them (strategy/surrogate.h), which takes some of the luck out of what was observed. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "search/simulate_curve.h"
#include "strategy/surrogate.h"

static int describe_all(const mnas_sim_record *r, size_t n, const mnas_world *w, double *out) {
    const size_t T = (size_t)w->n_decisions, D = (size_t)w->n_descriptors;
    int rc = 0;
    for (size_t i = 0; i < n && D > 0 && rc == 0; i++)
        rc = w->describe(w->user, r->tokens + i * T, out + i * D);
    return rc;
}

static double best_believed(const mnas_sim_record *r, const mnas_surrogate *s) {
    double best = -INFINITY, value = NAN;
    for (size_t i = 0; i < s->n_members; i++) {
        const double mean = mnas_surrogate_posterior(s, i);
        if (!(mean > best)) continue;
        best = mean;
        value = r->trials[s->members[i]].value;
    }
    return value;
}

int mnas_sim_choose_posterior(double *value, const mnas_sim_record *r, int n_trials,
                              const mnas_sim_setup *setup) {
    const mnas_world *w = setup->world;
    const size_t n = (size_t)n_trials, D = (size_t)w->n_descriptors;
    mnas_surrogate s = {.limit = 0};
    double *observed = calloc(n * (1 + D) + 1, sizeof *observed), *descriptors = observed + n;
    int rc = observed ? describe_all(r, n, w, descriptors)
                      : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: beliefs on %zu networks", n);
    for (size_t i = 0; i < n && rc == 0; i++) observed[i] = r->trials[i].observed;
    const mnas_surrogate_list list = {n, r->tokens, descriptors, observed, NULL};
    if (rc == 0) rc = mnas_surrogate_create(&s, w->decisions, (size_t)w->n_decisions, D, 0);
    if (rc == 0) rc = mnas_surrogate_update(&s, &list);
    if (rc == 0) *value = best_believed(r, &s);
    mnas_surrogate_destroy(&s);
    free(observed);
    return rc;
}
