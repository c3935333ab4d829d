/* forecast_sample.c - see forecast.h: networks as a strategy that knows nothing would propose them. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "search/forecast.h"
#include "search/loop.h"

enum { MIN_SAMPLES = 8, MAX_TRIES = 10 };

static int draw(mnas_sampled *out, const mnas_sample_setup *setup, int *tokens, mnas_rng *rng) {
    mnas_cost cost;
    for (int i = 0; i < mnas_space_n_decisions(setup->space); i++)
        tokens[i] = (int)mnas_rng_below(rng, (uint32_t)mnas_space_decision(setup->space, i)->n_choices);
    int rc = mnas_loop_decode(setup->space, setup->data, tokens, &out->model);
    if (rc == 0) rc = mnas_cost_compute(&cost, &out->model, mnas_recipe_group(setup->recipe));
    if (rc < 0) return rc;
    out->macs = (double)cost.macs;
    out->train_bytes = (double)cost.train_bytes;
    out->params = (double)cost.params;
    out->memory = mnas_memory_need_of(&cost, &out->model, setup->recipe, setup->data);
    mnas_cost_free(&cost);
    return 0;
}

static int by_macs(const void *a, const void *b) {
    const double x = ((const mnas_sampled *)a)->macs, y = ((const mnas_sampled *)b)->macs;
    return (x > y) - (x < y);
}

int mnas_forecast_sample(mnas_sampled **out, size_t *n_found, size_t n, const mnas_sample_setup *setup,
                         double deadline_s) {
    mnas_rng rng = mnas_rng_stream(0, 0, "forecast");
    int *tokens = calloc((size_t)mnas_space_n_decisions(setup->space) + 1, sizeof *tokens);
    *out = calloc(n, sizeof **out);
    *n_found = 0;
    int rc = *out && tokens ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu networks", n);
    for (size_t i = 0; i < MAX_TRIES * n && *n_found < n && (rc == 0 || rc == MNAS_ERR_INVALID); i++) {
        if (*n_found >= MIN_SAMPLES && mnas_clock_now_s() > deadline_s) break;
        rc = draw(&(*out)[*n_found], setup, tokens, &rng);
        if (rc == 0) ++*n_found;
    }
    if (rc == MNAS_ERR_INVALID && *n_found > 0) rc = 0;
    if (rc == 0) {
        qsort(*out, *n_found, sizeof **out, by_macs);
    } else {
        free(*out);
        *out = NULL;
    }
    free(tokens);
    return rc;
}
