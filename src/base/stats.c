/* stats.c - medians, intervals and Welch's test, for samples of a few to a few thousand values.
 *
 * No failure path: the callers' samples are small, and a sorted copy that cannot be allocated gives NaN.
 */
#include "base/stats.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

double mnas_stats_mean(const double *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum / (double)n;
}

double mnas_stats_sd(const double *x, size_t n) {
    if (n < 2) return 0;
    double mean = mnas_stats_mean(x, n), sum = 0;
    for (size_t i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    return sqrt(sum / (double)(n - 1));
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double *sorted_copy(const double *x, size_t n) {
    assert(n >= 1);
    double *copy = malloc(n * sizeof *copy);
    if (!copy) return NULL;
    memcpy(copy, x, n * sizeof *copy);
    qsort(copy, n, sizeof *copy, ascending);
    return copy;
}

double mnas_stats_quantile(const double *x, size_t n, double q) {
    assert(q >= 0 && q <= 1);
    double *s = sorted_copy(x, n);
    if (!s) return NAN;
    double h = (double)(n - 1) * q; /* Hyndman & Fan 1996, definition 7 */
    size_t i = (size_t)h;
    double value = s[i], share = h - (double)i;
    if (share > 0 && s[i + 1] > s[i]) value += share * (s[i + 1] - s[i]); /* never inf - inf */
    free(s);
    return value;
}

double mnas_stats_median(const double *x, size_t n) {
    return mnas_stats_quantile(x, n, 0.5);
}

double mnas_stats_mad(const double *x, size_t n) {
    double *d = malloc(n * sizeof *d), median = mnas_stats_median(x, n);
    if (!d) return NAN;
    for (size_t i = 0; i < n; i++) d[i] = fabs(x[i] - median);
    double mad = mnas_stats_median(d, n);
    free(d);
    return mad;
}

/* lgamma() writes a global sign. */
static double log_gamma(double x) {
    int sign;
    return lgamma_r(x, &sign);
}

void mnas_stats_median_ci(const double *x, size_t n, double level, double *low, double *high,
                          double *level_got) {
    *low = *high = *level_got = NAN;
    double *s = sorted_copy(x, n);
    if (!s) return;
    /* [s[k], s[n-1-k]] misses the median when at most k values lie on one side of it: confidence
     * 1 - 2 P(B <= k), B ~ Binomial(n, 1/2). The largest k that keeps the level is wanted. */
    double below = 0, got = 1;
    size_t k = 0;
    for (size_t i = 0; 2 * i + 1 <= n; i++) {
        double m = (double)n, j = (double)i;
        below += exp(log_gamma(m + 1) - log_gamma(j + 1) - log_gamma(m - j + 1) - m * log(2.0));
        if (i > 0 && 1 - 2 * below < level) break;
        k = i;
        got = 1 - 2 * below;
    }
    *low = s[k];
    *high = s[n - 1 - k];
    *level_got = got > 0 ? got : 0;
    free(s);
}

double mnas_stats_slope(const double *x, const double *y, size_t n) {
    assert(n >= 2);
    double mx = mnas_stats_mean(x, n), my = mnas_stats_mean(y, n), sxy = 0, sxx = 0;
    for (size_t i = 0; i < n; i++) {
        sxy += (x[i] - mx) * (y[i] - my);
        sxx += (x[i] - mx) * (x[i] - mx);
    }
    return sxx > 0 ? sxy / sxx : 0;
}

static double away_from_zero(double v) {
    return fabs(v) < 1e-300 ? 1e-300 : v;
}

/* Continued fraction of the incomplete beta function, Abramowitz & Stegun 26.5.8, by Lentz's method (Lentz
 * 1976, with Thompson & Barnett's 1986 guard against zeros). Converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x) {
    double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), f = d;
    for (int m = 1; m <= 1000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / away_from_zero(1 + even * d);
        c = away_from_zero(1 + even / c);
        f *= c * d;
        d = 1 / away_from_zero(1 + odd * d);
        c = away_from_zero(1 + odd / c);
        f *= c * d;
        if (fabs(c * d - 1) < 1e-15) break;
    }
    return f;
}

/* Regularised incomplete beta function I_x(a, b). */
static double beta_regularised(double a, double b, double x) {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double mnas_stats_welch_p(const double *a, size_t na, const double *b, size_t nb) {
    assert(na >= 2 && nb >= 2);
    double sa = mnas_stats_sd(a, na), sb = mnas_stats_sd(b, nb);
    double va = sa * sa / (double)na, vb = sb * sb / (double)nb;
    double difference = mnas_stats_mean(a, na) - mnas_stats_mean(b, nb);
    if (va + vb <= 0) return difference == 0 ? 1 : 0;
    /* Welch & Satterthwaite: t^2 = d^2 / (va + vb), nu = (va + vb)^2 / (va^2/(na-1) + vb^2/(nb-1)) */
    double t2 = difference * difference / (va + vb);
    double share_a = va / (va + vb), share_b = vb / (va + vb);
    double nu = 1 / (share_a * share_a / (double)(na - 1) + share_b * share_b / (double)(nb - 1));
    /* two-sided p of Student's t: I_{nu / (nu + t^2)}(nu/2, 1/2) */
    return beta_regularised(nu / 2, 0.5, nu / (nu + t2));
}

double mnas_stats_paired_p(const double *a, const double *b, size_t n) {
    assert(n >= 2);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] - b[i];
    const double mean = sum / (double)n, nu = (double)(n - 1);
    for (size_t i = 0; i < n; i++) squares += (a[i] - b[i] - mean) * (a[i] - b[i] - mean);
    if (squares <= 0) return mean == 0 ? 1 : 0;
    const double t2 = mean * mean * (double)n * nu / squares;
    return beta_regularised(nu / 2, 0.5, nu / (nu + t2));
}

static int nearer_zero(const void *a, const void *b) {
    const double x = fabs(*(const double *)a), y = fabs(*(const double *)b);
    return (x > y) - (x < y);
}

/* Wilcoxon (1945) without the pairs that are equal; equal differences share the mean of their ranks, which takes
 * sum (t^3 - t) / 48 from the variance n (n + 1) (2n + 1) / 24 of the sum of positive ranks. */
static double signed_rank_p(const double *d, size_t n) {
    const double m = (double)n;
    double positive = 0, variance = m * (m + 1) * (2 * m + 1) / 24;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && fabs(d[end]) <= fabs(d[i]);) end++;
        const double t = (double)(end - i), rank = ((double)i + 1 + (double)end) / 2;
        variance -= (t * t * t - t) / 48;
        for (size_t k = i; k < end; k++) positive += d[k] > 0 ? rank : 0;
    }
    const double away = fabs(positive - m * (m + 1) / 4) - 0.5; /* continuity */
    return away > 0 && variance > 0 ? erfc(away / sqrt(2 * variance)) : 1;
}

double mnas_stats_wilcoxon_p(const double *a, const double *b, size_t n) {
    double *d = malloc((n ? n : 1) * sizeof *d);
    size_t m = 0;
    if (!d) return NAN;
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i]) d[m++] = a[i] - b[i];
    qsort(d, m, sizeof *d, nearer_zero);
    const double p = signed_rank_p(d, m);
    free(d);
    return p;
}
