/* strategy_random.c - uniform random search: the baseline that every other strategy must beat. It learns
 * nothing, so its whole state is its random stream. */
#include <math.h>

#include "base/error.h"
#include "base/rng.h"
#include "strategy/blob.h"
#include "strategy/strategy.h"

typedef struct random_opts {
    mnas_strategy_options common;
} random_opts;

static const mnas_opt random_opt_table[] = {MNAS_STRATEGY_OPTS(random_opts), MNAS_OPT_END};

typedef struct random_search {
    int n_decisions;
    const mnas_decision *decisions;
    mnas_rng rng;
} random_search;

static int create(void *self, const mnas_problem *problem, const void *opts, uint64_t seed) {
    (void)opts;
    *(random_search *)self =
        (random_search){problem->n_decisions, problem->decisions, mnas_rng_stream(seed, 0, "random-search")};
    return 0;
}

static int propose(void *self, int *tokens) {
    random_search *s = self;
    for (int t = 0; t < s->n_decisions; t++)
        tokens[t] = (int)mnas_rng_below(&s->rng, (uint32_t)s->decisions[t].n_choices);
    return 0;
}

static bool uniform(const void *self) {
    (void)self;
    return true;
}

static int feedback(void *self, const int *tokens, const mnas_outcome *outcome) {
    (void)self, (void)tokens, (void)outcome;
    return 0;
}

static void status(const void *self, mnas_strategy_status *out) {
    const random_search *s = self;
    double sum = 0;
    for (int t = 0; t < s->n_decisions; t++) sum += log(s->decisions[t].n_choices);
    out->entropy = sum / s->n_decisions;
}

static int save(const void *self, mnas_str *out) {
    mnas_blob_put_rng(out, &((const random_search *)self)->rng);
    return 0;
}

static int load(void *self, const char *bytes, size_t n) {
    mnas_blob_reader in = mnas_blob_reader_of(bytes, n);
    mnas_blob_get_rng(&in, &((random_search *)self)->rng);
    return mnas_blob_done(&in)
               ? 0
               : mnas_error_set(MNAS_ERR_FORMAT, "stored state of random search is malformed");
}

const mnas_strategy_class mnas_strategy_class_random = {
    .plugin = {.name = "random",
               .help = "uniform random search",
               .opts = random_opt_table,
               .opts_bytes = sizeof(random_opts)},
    .is_chance = true,
    .common_at = offsetof(random_opts, common),
    .self_bytes = sizeof(random_search),
    .create = create,
    .propose = propose,
    .uniform = uniform,
    .feedback = feedback,
    .status = status,
    .save = save,
    .load = load,
};
