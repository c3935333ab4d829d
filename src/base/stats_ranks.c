/* stats_ranks.c - statistics of orders alone: Kendall's tau-b and Mann and Whitney's test. See stats.h.
 *
 * Values are only compared, so infinite ones are as good as others. A copy that cannot be allocated gives NaN.
 */
#include "base/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct pair {
    double x, y;
} pair;

static int by_x_then_y(const void *a, const void *b) {
    const pair *p = a, *q = b;
    if (p->x != q->x) return p->x < q->x ? -1 : 1;
    return (p->y > q->y) - (p->y < q->y);
}

/* ---- Kendall ---- */

/* How often a larger y stands before a smaller one, which sorting by merging counts in passing. */
static double count_inversions(pair *p, pair *room, size_t n) {
    double swaps = 0;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t low = 0; low < n; low += 2 * width) {
            const size_t middle = low + width < n ? low + width : n,
                         high = low + 2 * width < n ? low + 2 * width : n;
            size_t i = low, j = middle;
            for (size_t k = low; k < high; k++) {
                const bool right = i == middle || (j < high && p[j].y < p[i].y);
                if (right) swaps += (double)(middle - i);
                room[k] = right ? p[j++] : p[i++];
            }
        }
        memcpy(p, room, n * sizeof *p);
    }
    return swaps;
}

static double pairs_of(size_t n) {
    return (double)n * (double)(n - 1) / 2;
}

/* Pairs that are tied in x, in both (p is sorted by x, then y), or in y (`only_y`: p is sorted by y). */
static double count_ties(const pair *p, size_t n, bool x, bool y) {
    double ties = 0;
    size_t begin = 0;
    for (size_t i = 1; i <= n; i++) {
        if (i < n && (!x || p[i].x == p[begin].x) && (!y || p[i].y == p[begin].y)) continue;
        ties += pairs_of(i - begin);
        begin = i;
    }
    return ties;
}

/* (concordant - discordant) / sqrt(pairs with an order in x * pairs with an order in y) (Kendall 1945), the discordant ones
 * counted as Knight 1966 does: in the order of x, those of y that are out of order. */
static double tau_of(pair *p, pair *room, size_t n) {
    qsort(p, n, sizeof *p, by_x_then_y);
    const double all = pairs_of(n), in_x = count_ties(p, n, true, false),
                 in_both = count_ties(p, n, true, true), discordant = count_inversions(p, room, n),
                 in_y = count_ties(p, n, false, true);
    const double concordant = all - in_x - in_y + in_both - discordant;
    const double ordered_x = all - in_x, ordered_y = all - in_y;
    return ordered_x > 0 && ordered_y > 0 ? (concordant - discordant) / sqrt(ordered_x * ordered_y) : 0;
}

double mnas_stats_kendall(const double *x, const double *y, size_t n) {
    if (n < 2) return 0;
    pair *p = malloc(2 * n * sizeof *p);
    if (!p) return NAN;
    for (size_t i = 0; i < n; i++) p[i] = (pair){x[i], y[i]};
    const double tau = tau_of(p, p + n, n);
    free(p);
    return tau;
}

/* ---- ranks ---- */

bool mnas_stats_ranks(double *x, size_t n) {
    pair *p = malloc((n + 1) * sizeof *p);
    if (!p) return false;
    for (size_t i = 0; i < n; i++) p[i] = (pair){x[i], (double)i};
    qsort(p, n, sizeof *p, by_x_then_y);
    for (size_t begin = 0, end; begin < n; begin = end) {
        for (end = begin; end < n && p[end].x == p[begin].x; end++)
            ;
        for (size_t i = begin; i < end; i++) x[(size_t)p[i].y] = (double)(begin + end + 1) / 2;
    }
    free(p);
    return true;
}

/* ---- Mann and Whitney ---- */

enum { MAX_EXACT = 50 }; /* values of both together: the ways to choose stay exact in a double */

/* Twice the rank of each value of a sample sorted by x, equal ones sharing the middle of theirs: whole numbers. The sum of
 * t^3 - t over groups of t equal ones is what they take from the variance. */
static double double_ranks(const pair *p, size_t n, int *rank2) {
    double tied = 0;
    for (size_t begin = 0, end; begin < n; begin = end) {
        for (end = begin; end < n && p[end].x == p[begin].x; end++)
            ;
        for (size_t i = begin; i < end; i++) rank2[i] = (int)(begin + end + 1);
        const double t = (double)(end - begin);
        tied += t * t * t - t;
    }
    return tied;
}

/* ways[k][s]: how many ways there are to choose k of the ranks with the sum s. All choices are equally likely where both
 * samples come from one distribution. */
static bool exact_p(mnas_rank_test *out, const int *rank2, size_t n, size_t na, int sum2) {
    const size_t n_sums = n * (n + 1) + 1;
    double *ways = calloc((na + 1) * n_sums, sizeof *ways), all = 0, greater = 0, less = 0;
    if (!ways) return false;
    ways[0] = 1;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i + 1 < na ? i + 1 : na; k > 0; k--)
            for (size_t s = (size_t)rank2[i]; s < n_sums; s++)
                ways[k * n_sums + s] += ways[(k - 1) * n_sums + s - (size_t)rank2[i]];
    }
    for (size_t s = 0; s < n_sums; s++) {
        const double w = ways[na * n_sums + s];
        all += w;
        if ((int)s >= sum2) greater += w;
        if ((int)s <= sum2) less += w;
    }
    free(ways);
    out->p_greater = greater / all, out->p_less = less / all, out->exact = true;
    return true;
}

static double upper_tail(double z) {
    return erfc(z / sqrt(2)) / 2;
}

/* U is about normal with mean na nb / 2 and variance na nb / 12 (n + 1 - sum(t^3 - t) / (n (n - 1))) (Lehmann 1975, 1.2); half
 * a step for continuity. */
static void normal_p(mnas_rank_test *out, double u, double na, double nb, double tied) {
    const double n = na + nb, sd = sqrt(na * nb / 12 * (n + 1 - tied / (n * (n - 1)))), d = u - na * nb / 2;
    out->p_greater = sd > 0 ? upper_tail((d - 0.5) / sd) : 1;
    out->p_less = sd > 0 ? upper_tail((-d - 0.5) / sd) : 1;
}

static void test_ranks(mnas_rank_test *out, const pair *p, int *rank2, size_t na, size_t nb) {
    const size_t n = na + nb;
    const double tied = double_ranks(p, n, rank2);
    double sum2 = 0;
    for (size_t i = 0; i < n; i++)
        if (p[i].y > 0) sum2 += rank2[i];
    const double u = sum2 / 2 - (double)na * (double)(na + 1) / 2;
    out->share = u / ((double)na * (double)nb);
    if (n > MAX_EXACT || !exact_p(out, rank2, n, na, (int)sum2))
        normal_p(out, u, (double)na, (double)nb, tied);
}

mnas_rank_test mnas_stats_mann_whitney(const double *a, size_t na, const double *b, size_t nb) {
    mnas_rank_test out = {NAN, NAN, NAN, false};
    const size_t n = na + nb;
    pair *p = malloc((n + 1) * sizeof *p); /* y: whether it is of a */
    int *rank2 = malloc((n + 1) * sizeof *rank2);
    if (p && rank2 && na > 0 && nb > 0) {
        for (size_t i = 0; i < na; i++) p[i] = (pair){a[i], 1};
        for (size_t i = 0; i < nb; i++) p[na + i] = (pair){b[i], 0};
        qsort(p, n, sizeof *p, by_x_then_y);
        test_ranks(&out, p, rank2, na, nb);
    }
    free(rank2);
    free(p);
    return out;
}
