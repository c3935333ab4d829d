/* world_table.c - a table of trained networks as a world (world.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "search/nas_table.h"
#include "search/world.h"

static bool identify(void *user, const int *tokens, uint64_t *id) {
    const mnas_table_world *w = user;
    const int64_t row =
        w->nearest ? mnas_nas_nearest_row(w->nearest, tokens) : mnas_nas_table_find(w->table, tokens);
    *id = (uint64_t)row;
    return row >= 0;
}

static int project(void *user, int *tokens) {
    const mnas_table_world *w = user;
    const size_t n = (size_t)w->table->n_decisions;
    memcpy(tokens, w->table->tokens + (size_t)mnas_nas_nearest_row(w->nearest, tokens) * n,
           n * sizeof *tokens);
    return 0;
}

static int value(void *user, const int *tokens, uint64_t id, mnas_world_value *out) {
    const mnas_nas_table *t = ((const mnas_table_world *)user)->table;
    (void)tokens;
    *out =
        (mnas_world_value){t->accuracy_frac[id], t->report_frac[id], t->second ? t->second[id] : (double)NAN};
    return 0;
}

/* Of a proposal without a row nothing is known: the table's mean. */
static int describe(void *user, const int *tokens, double *out) {
    const mnas_table_world *w = user;
    const size_t n = (size_t)w->table->n_features;
    uint64_t row;
    memcpy(out, identify(user, tokens, &row) ? w->table->features + row * n : w->mean_features,
           n * sizeof *out);
    return 0;
}

static int average_features(mnas_table_world *w) {
    const mnas_nas_table *t = w->table;
    const size_t n = (size_t)t->n_features;
    w->mean_features = calloc(n ? n : 1, sizeof *w->mean_features);
    if (!w->mean_features) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu features", n);
    for (size_t i = 0; i < t->n_rows * n; i++) w->mean_features[i % n] += t->features[i] / (double)t->n_rows;
    return 0;
}

int mnas_table_world_open(mnas_world *out, mnas_table_world *self, const mnas_nas_table *t,
                          const mnas_nas_nearest *nearest, bool more_is_better) {
    *self = (mnas_table_world){.table = t, .nearest = nearest};
    *out = (mnas_world){.n_decisions = t->n_decisions,
                        .decisions = t->decisions,
                        .n_descriptors = t->n_features,
                        .describe = t->n_features ? describe : NULL,
                        .project = nearest ? project : NULL,
                        .identify = identify,
                        .value = value,
                        .user = self,
                        .n_known = t->n_rows,
                        .accuracy_frac = t->accuracy_frac,
                        .report_frac = t->report_frac,
                        .second = t->second,
                        .rung_frac = t->n_rungs ? t->rung_frac : NULL,
                        .is_complete = true,
                        .more_is_better = more_is_better};
    return average_features(self);
}

void mnas_table_world_close(mnas_table_world *self) {
    free(self->mean_features);
    *self = (mnas_table_world){0};
}
