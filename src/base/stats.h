/* stats.h - the few statistics of the measuring protocol and the reports. None modifies its input; n >= 1 unless said. */
#ifndef MNAS_BASE_STATS_H
#define MNAS_BASE_STATS_H

#include <stdbool.h>
#include <stddef.h>

double mnas_stats_mean(const double *x, size_t n);
double mnas_stats_sd(const double *x, size_t n); /* sample (n - 1); 0 for n = 1 */
double mnas_stats_median(const double *x, size_t n);
/* Linear interpolation (R type 7); values may be infinite. */
double mnas_stats_quantile(const double *x, size_t n, double q);
double mnas_stats_mad(const double *x, size_t n);                /* median absolute deviation, not scaled */

/* Two-sided interval of the median from order statistics (binomial; level e.g. 0.95). With too few values for the level
 * the extremes are given: *level_got then says which confidence that is. */
void mnas_stats_median_ci(const double *x, size_t n, double level, double *low, double *high,
                          double *level_got);

/* Slope of the least-squares line y = a + b x; n >= 2; 0 when x does not vary. */
double mnas_stats_slope(const double *x, const double *y, size_t n);

/* Kendall's tau-b of two orders: 1 the same, -1 reversed, 0 unrelated. 0 where one of them has no order. Infinite values have
 * their place; no NaN. O(n log n). */
double mnas_stats_kendall(const double *x, const double *y, size_t n);

/* Ranks 1..n in place of the values; equal ones share the middle of theirs. No NaN. False, and x as it was: out of memory. */
bool mnas_stats_ranks(double *x, size_t n);

/* Mann and Whitney's test: do values of `a` tend to be larger than those of `b`? Infinite values have their place; no NaN. */
typedef struct mnas_rank_test {
    double share;       /* chance that one of a is larger than one of b, equal ones counted half: U / (na nb) */
    double p_greater;   /* of a share so large or larger, where both come from the same distribution */
    double p_less;      /* of one so small or smaller */
    bool exact;         /* counted over all ways to choose; else by the normal approximation, corrected for ties */
} mnas_rank_test;
mnas_rank_test mnas_stats_mann_whitney(const double *a, size_t na, const double *b, size_t nb);

/* Two-sided p of Welch's t test and the difference of means; n >= 2 each. */
double mnas_stats_welch_p(const double *a, size_t na, const double *b, size_t nb);

/* Two-sided p of a[i] against b[i], pair by pair: Student's t test of the differences, n >= 2; and Wilcoxon's signed-rank test,
 * which asks for no normal distribution (in its normal approximation, good from about 10 pairs that differ). */
double mnas_stats_paired_p(const double *a, const double *b, size_t n);
double mnas_stats_wilcoxon_p(const double *a, const double *b, size_t n);

#endif
