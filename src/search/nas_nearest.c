/* nas_nearest.c - the row of a table nearest to a proposal (nas_table.h). Every choice of every decision has a vector of what
 * it adds to each row's distance, so that all distances are sums of a few byte vectors.
 *
 * Invariant: a row's distance is below 60 x 1000 decisions, and fits into 16 bits.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "search/nas_table.h"

enum { UNIT = 60, BLOCK = 4096 }; /* UNIT is divisible by 1 to 6; sums of a block stay in the nearest cache */

static uint8_t apart(const mnas_decision *d, int a, int b) {
    if (!d->ordinal) return a == b ? 0 : UNIT;
    return (uint8_t)lround((double)UNIT * abs(a - b) / (d->n_choices > 1 ? d->n_choices - 1 : 1));
}

static void fill(uint8_t *out, const mnas_nas_table *t, int decision) {
    const mnas_decision *d = &t->decisions[decision];
    for (int k = 0; k < d->n_choices; k++)
        for (size_t row = 0; row < t->n_rows; row++)
            *out++ = apart(d, k, t->tokens[row * (size_t)t->n_decisions + (size_t)decision]);
}

int mnas_nas_nearest_open(mnas_nas_nearest *out, const mnas_nas_table *t) {
    *out = (mnas_nas_nearest){t, calloc((size_t)t->n_decisions, sizeof *out->apart)};
    bool whole = out->apart != NULL;
    for (int i = 0; i < t->n_decisions && whole; i++) {
        out->apart[i] = malloc((size_t)t->decisions[i].n_choices * t->n_rows);
        whole = out->apart[i] != NULL;
        if (whole) fill(out->apart[i], t, i);
    }
    if (whole) return 0;
    mnas_nas_nearest_close(out);
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: distances of %zu networks", t->n_rows);
}

void mnas_nas_nearest_close(mnas_nas_nearest *n) {
    for (int i = 0; n->apart && i < n->table->n_decisions; i++) free(n->apart[i]);
    free(n->apart);
    *n = (mnas_nas_nearest){0};
}

/* Distances of rows first .. first + n - 1. */
static void add_up(const mnas_nas_nearest *nearest, const int *tokens, size_t first, size_t n,
                   uint16_t *sum) {
    const mnas_nas_table *t = nearest->table;
    memset(sum, 0, n * sizeof *sum);
    for (int i = 0; i < t->n_decisions; i++) {
        const uint8_t *restrict add = nearest->apart[i] + (size_t)tokens[i] * t->n_rows + first;
        for (size_t row = 0; row < n; row++) sum[row] = (uint16_t)(sum[row] + add[row]);
    }
}

static uint16_t least_of(const uint16_t *sum, size_t n) {
    uint16_t least = UINT16_MAX;
    for (size_t i = 0; i < n; i++) least = sum[i] < least ? sum[i] : least;
    return least;
}

int64_t mnas_nas_nearest_row(const mnas_nas_nearest *nearest, const int *tokens) {
    const mnas_nas_table *t = nearest->table;
    const uint64_t salt = mnas_hash_bytes(MNAS_HASH_INIT, tokens, (size_t)t->n_decisions * sizeof *tokens);
    uint16_t sum[BLOCK], least = UINT16_MAX;
    uint64_t least_tie = 0;
    int64_t found = mnas_nas_table_find(t, tokens);
    if (found >= 0) return found;
    for (size_t first = 0; first < t->n_rows; first += BLOCK) {
        const size_t n = t->n_rows - first < BLOCK ? t->n_rows - first : BLOCK;
        add_up(nearest, tokens, first, n, sum);
        const uint16_t here = least_of(sum, n);
        for (size_t i = 0; i < n && here <= least; i++) {
            const uint64_t row = first + i;
            if (sum[i] != here) continue;
            const uint64_t tie = mnas_hash_bytes(salt, &row, sizeof row);
            if (found >= 0 && here == least && tie >= least_tie) continue;
            found = (int64_t)row, least = here, least_tie = tie;
        }
    }
    return found;
}
