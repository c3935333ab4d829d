/* nas_nearest.c - the row of a table nearest to a proposal (nas_table.h). Some decisions side by side are a group; every
 * combination of their choices has a vector of what it adds to each row's distance, so that all distances are sums of a few byte
 * vectors.
 *
 * Invariants: what a group adds fits into 8 bits; a row's distance is at most 60 x 1000 decisions, and fits into 16.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "search/nas_table.h"

enum { UNIT = 60, BLOCK = 1024 }; /* UNIT is divisible by 1 to 6; sums of a block stay in the nearest cache */
enum { MOST_COMBINATIONS = 64, MOST_DECISIONS = UINT8_MAX / UNIT }; /* of a group */

struct mnas_nas_group {
    int first, n;   /* decisions */
    uint8_t *apart; /* [combinations][n_rows], in units of 1/60; the last decision counts fastest */
};

static uint8_t apart(const mnas_decision *d, int a, int b) {
    if (!d->ordinal) return a == b ? 0 : UNIT;
    return (uint8_t)lround((double)UNIT * abs(a - b) / (d->n_choices > 1 ? d->n_choices - 1 : 1));
}

/* ---- groups ---- */

static int combinations(const mnas_nas_table *t, const struct mnas_nas_group *g) {
    int n = 1;
    for (int i = 0; i < g->n; i++) n *= t->decisions[g->first + i].n_choices;
    return n;
}

static int combination_of(const mnas_nas_table *t, const struct mnas_nas_group *g, const int *tokens) {
    int at = 0;
    for (int i = g->first; i < g->first + g->n; i++) at = at * t->decisions[i].n_choices + tokens[i];
    return at;
}

/* As many of the decisions as fit. */
static void extend(const mnas_nas_table *t, struct mnas_nas_group *g) {
    g->n = 1;
    while (g->n < MOST_DECISIONS && g->first + g->n < t->n_decisions &&
           combinations(t, g) * t->decisions[g->first + g->n].n_choices <= MOST_COMBINATIONS)
        g->n++;
}

/* One decision's part, where it has this choice. */
static void add_choice(const mnas_nas_table *t, int decision, int choice, uint8_t *out) {
    const int *token = t->tokens + decision;
    for (size_t row = 0; row < t->n_rows; row++, token += t->n_decisions)
        out[row] = (uint8_t)(out[row] + apart(&t->decisions[decision], choice, *token));
}

static bool fill(const mnas_nas_table *t, struct mnas_nas_group *g) {
    const int n = combinations(t, g);
    g->apart = calloc((size_t)n * t->n_rows, sizeof *g->apart);
    for (int c = 0; c < n && g->apart; c++) {
        uint8_t *out = g->apart + (size_t)c * t->n_rows;
        for (int i = g->first + g->n - 1, rest = c; i >= g->first; rest /= t->decisions[i--].n_choices)
            add_choice(t, i, rest % t->decisions[i].n_choices, out);
    }
    return g->apart != NULL;
}

int mnas_nas_nearest_open(mnas_nas_nearest *out, const mnas_nas_table *t) {
    *out = (mnas_nas_nearest){t, calloc((size_t)t->n_decisions, sizeof *out->groups), 0};
    bool whole = out->groups != NULL;
    for (int next = 0; next < t->n_decisions && whole;) {
        struct mnas_nas_group *g = &out->groups[out->n_groups++];
        g->first = next;
        extend(t, g);
        next += g->n;
        whole = fill(t, g);
    }
    if (whole) return 0;
    mnas_nas_nearest_close(out);
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: distances of %zu networks", t->n_rows);
}

void mnas_nas_nearest_close(mnas_nas_nearest *n) {
    for (int i = 0; i < n->n_groups; i++) free(n->groups[i].apart);
    free(n->groups);
    *n = (mnas_nas_nearest){0};
}

/* ---- looking ---- */

/* Of rows first .. first + n - 1, one group's part. */
static void add_group(const mnas_nas_table *t, const struct mnas_nas_group *g, const int *tokens,
                      size_t first, size_t n, uint16_t *restrict sum) {
    const uint8_t *restrict add = g->apart + (size_t)combination_of(t, g, tokens) * t->n_rows + first;
    for (size_t row = 0; row < n; row++) sum[row] = (uint16_t)(sum[row] + add[row]);
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
        memset(sum, 0, n * sizeof *sum);
        for (int i = 0; i < nearest->n_groups; i++) add_group(t, &nearest->groups[i], tokens, first, n, sum);
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
