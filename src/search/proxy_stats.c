/* proxy_stats.c - taus of short trainings with the full one, their intervals, and the noise between seeds. See proxy.h.
 *
 * Intervals are percentiles of a bootstrap over networks: each sample draws networks with replacement, the same ones for all
 * lengths, so that lengths are compared on what they share.
 */
#include "search/proxy.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/linalg.h"
#include "base/rng.h"
#include "base/stats.h"

enum { MIN_NETWORKS = 10, TOP_PART = 5, MIN_TOP = 5, MIN_SEED_NETWORKS = 10 };
static const double good_tau = 0.6;

/* ---- data ---- */

static double *unknown(size_t n) {
    double *values = malloc((n + 1) * sizeof *values);
    for (size_t i = 0; values && i < n; i++) values[i] = NAN;
    return values;
}

int mnas_proxy_data_init(mnas_proxy_data *d, int n, int n_lengths, int n_noise, bool sizes) {
    *d = (mnas_proxy_data){.n = n, .n_lengths = n_lengths};
    bool whole = (d->lengths = calloc((size_t)n_lengths, sizeof *d->lengths)) != NULL;
    for (int l = 0; whole && l < n_lengths; l++) {
        mnas_proxy_length *length = &d->lengths[l];
        *length = (mnas_proxy_length){.n_images = -1, .epochs = NAN, .minutes = NAN, .n_noise = n_noise};
        whole = (length->accuracy = unknown((size_t)n)) != NULL;
        if (whole && n_noise > 0) whole = (length->noise = unknown((size_t)n * (size_t)n_noise)) != NULL;
    }
    if (whole && sizes) whole = (d->macs = unknown((size_t)n)) && (d->params = unknown((size_t)n));
    if (whole) return 0;
    mnas_proxy_data_free(d);
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: accuracies of %d networks", n);
}

void mnas_proxy_data_free(mnas_proxy_data *d) {
    for (int l = 0; d->lengths && l < d->n_lengths; l++) {
        free(d->lengths[l].accuracy);
        free(d->lengths[l].noise);
    }
    free(d->lengths);
    free(d->macs);
    free(d->params);
    *d = (mnas_proxy_data){0};
}

void mnas_proxy_check_free(mnas_proxy_check *check) {
    free(check->proxies);
    free(check->words);
    *check = (mnas_proxy_check){.chosen = -1};
}

/* ---- a sample of networks ---- */

/* Networks by number, some more than once; and room for values of those that count. */
typedef struct sample {
    const mnas_proxy_data *data;
    int *networks;         /* [n] */
    double *x, *y, *a, *b; /* [n] each */
} sample;

static void close_sample(sample *s) {
    free(s->networks);
    free(s->x);
    free(s->y);
    free(s->a);
    free(s->b);
}

static int open_sample(sample *s, const mnas_proxy_data *data) {
    const size_t n = (size_t)data->n;
    *s = (sample){data, malloc((n + 1) * sizeof(int)), unknown(n), unknown(n), unknown(n), unknown(n)};
    if (s->networks && s->x && s->y && s->a && s->b) return 0;
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: samples of %d networks", data->n);
}

static const double *full_of(const mnas_proxy_data *d) {
    return d->lengths[d->n_lengths - 1].accuracy;
}

/* Accuracies at a length and in full into x and y, of the drawn networks that have both, and that at length `also`. */
static size_t gather(sample *s, int length, int also) {
    const mnas_proxy_data *d = s->data;
    const double *short_ = d->lengths[length].accuracy, *full = full_of(d),
                 *other = d->lengths[also].accuracy;
    size_t n = 0;
    for (int i = 0; i < d->n; i++) {
        const int at = s->networks[i];
        if (isnan(short_[at]) || isnan(full[at]) || isnan(other[at])) continue;
        s->x[n] = short_[at], s->y[n] = full[at];
        if (d->macs) s->a[n] = d->macs[at], s->b[n] = d->params[at];
        n++;
    }
    return n;
}

/* ---- the three taus ---- */

/* NaN where the full accuracies are all the same, diverged ones perhaps: there is no order to find. */
static double tau_of(const double *x, const double *full, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (full[i] != full[0]) return mnas_stats_kendall(x, full, n);
    return NAN;
}

/* Of those whose full accuracy is at least that of the fifth part of them; all of equal ones are in. Unknown where
 * some of that part diverged: the others are then all there are, and no top. */
static double tau_top(sample *s, size_t n) {
    const size_t wanted = (n + TOP_PART - 1) / TOP_PART;
    size_t kept = 0;
    if (wanted < MIN_TOP) return NAN;
    const double fence = mnas_stats_quantile(s->y, n, (double)(n - wanted) / (double)(n - 1));
    if (!isfinite(fence)) return NAN;
    for (size_t i = 0; i < n; i++) {
        if (s->y[i] < fence) continue;
        s->a[kept] = s->x[i], s->b[kept++] = s->y[i];
    }
    return tau_of(s->a, s->b, kept);
}

/* v less what a straight line through the ranks a and b explains of it (least squares, all centred, a touch of ridge where a
 * and b are the same order). */
static void take_residuals(double *v, const double *a, const double *b, size_t n) {
    double gram[4] = {mnas_dot(a, a, n), 0, mnas_dot(a, b, n), mnas_dot(b, b, n)};
    double w[2] = {mnas_dot(a, v, n), mnas_dot(b, v, n)};
    gram[0] *= 1 + 1e-9, gram[3] *= 1 + 1e-9;
    if (!mnas_cholesky(gram, 2)) return; /* one size for all: nothing to explain */
    mnas_cholesky_solve(gram, 2, w);
    for (size_t i = 0; i < n; i++) v[i] -= w[0] * a[i] + w[1] * b[i];
}

static void centre_ranks(double *v, size_t n) {
    mnas_stats_ranks(v, n);
    for (size_t i = 0; i < n; i++) v[i] -= (double)(n + 1) / 2;
}

/* Overwrites the sample's values. Logarithms have the same ranks. */
static double tau_beyond_size(sample *s, size_t n) {
    if (!s->data->macs || n < MIN_NETWORKS) return NAN;
    double *const columns[] = {s->a, s->b, s->x, s->y};
    for (int c = 0; c < 4; c++) centre_ranks(columns[c], n);
    take_residuals(s->x, s->a, s->b, n);
    take_residuals(s->y, s->a, s->b, n);
    for (size_t i = 0; i < n; i++) { /* equal but for rounding is equal */
        s->x[i] = round(s->x[i] * 1e6);
        s->y[i] = round(s->y[i] * 1e6);
    }
    return tau_of(s->x, s->y, n);
}

enum { TAU, TAU_TOP, TAU_BEYOND, BEHIND, N_TAUS };

static void taus_of(sample *s, int length, double out[N_TAUS]) {
    const int next = length + 1;
    out[BEHIND] = NAN;
    if (next < s->data->n_lengths - 1) {
        size_t shared = gather(s, next, length);
        const double longer = tau_of(s->x, s->y, shared);
        shared = gather(s, length, next);
        out[BEHIND] = shared >= MIN_NETWORKS ? longer - tau_of(s->x, s->y, shared) : (double)NAN;
    }
    size_t n = gather(s, length, length);
    out[TAU] = tau_of(s->x, s->y, n);
    out[TAU_BEYOND] = tau_beyond_size(s, n);
    n = gather(s, length, length);
    out[TAU_TOP] = tau_top(s, n);
}

/* ---- intervals ---- */

static mnas_estimate *estimate_of(mnas_proxy *p, int which) {
    mnas_estimate *const all[] = {&p->tau, &p->tau_top, &p->tau_beyond_size, &p->behind};
    return all[which];
}

static void draw(sample *s, mnas_rng *rng) {
    for (int i = 0; i < s->data->n; i++) s->networks[i] = (int)mnas_rng_below(rng, (uint32_t)s->data->n);
}

static void take_interval(mnas_estimate *e, const double *values, int n, double *room) {
    size_t n_known = 0;
    for (int i = 0; i < n; i++)
        if (!isnan(values[(size_t)i * N_TAUS])) room[n_known++] = values[(size_t)i * N_TAUS];
    e->low = e->high = NAN;
    if (n_known == 0 || isnan(e->value)) return;
    e->low = mnas_stats_quantile(room, n_known, 0.025);
    e->high = mnas_stats_quantile(room, n_known, 0.975);
}

static int estimate(mnas_proxy *p, sample *s, int length, int n_samples) {
    double whole[N_TAUS];
    double *values = unknown((size_t)n_samples * N_TAUS), *room = unknown((size_t)n_samples);
    if (values && room) {
        mnas_rng rng = mnas_rng_stream(0, 0, "proxy"); /* the same networks for every length */
        for (int i = 0; i < s->data->n; i++) s->networks[i] = i;
        taus_of(s, length, whole);
        for (int i = 0; i < n_samples; i++) {
            draw(s, &rng);
            taus_of(s, length, values + (size_t)i * N_TAUS);
        }
        for (int t = 0; t < N_TAUS; t++) {
            estimate_of(p, t)->value = whole[t];
            take_interval(estimate_of(p, t), values + t, n_samples, room);
        }
    }
    const bool ok = values && room;
    free(room);
    free(values);
    return ok ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d samples", n_samples);
}

/* ---- noise between seeds ---- */

/* Pooled: squares of the differences from each network's mean, over degrees of freedom. Diverged ones are no noise. */
static void take_noise(mnas_proxy *p, const mnas_proxy_length *l, int n) {
    double squares = 0, freedom = 0;
    p->seed_sd_frac = p->apart_frac = NAN;
    for (int i = 0; i < n && l->noise; i++) {
        double values[MNAS_PROXY_MAX_SEEDS];
        size_t k = 0;
        for (int s = 0; s < l->n_noise; s++)
            if (isfinite(l->noise[i * l->n_noise + s])) values[k++] = l->noise[i * l->n_noise + s];
        if (k < 2) continue;
        const double sd = mnas_stats_sd(values, k);
        squares += sd * sd * (double)(k - 1), freedom += (double)(k - 1);
        p->n_seed_networks++;
    }
    if (freedom == 0) return;
    p->seed_sd_frac = sqrt(squares / freedom);
    p->apart_frac = 1.96 * sqrt(2) * p->seed_sd_frac;
}

/* The first two seeds of the full training against each other: no proxy can be expected to do better. */
static int compare_seeds(mnas_proxy *p, const mnas_proxy_length *full, int n, int n_samples) {
    mnas_proxy_data two;
    sample s = {0};
    int known = 0;
    if (!full->noise || full->n_noise < 2) return 0;
    int rc = mnas_proxy_data_init(&two, n, 2, 0, false);
    for (int i = 0; i < n && rc == 0; i++) {
        const double *seeds = full->noise + (size_t)i * (size_t)full->n_noise;
        two.lengths[0].accuracy[i] = seeds[0], two.lengths[1].accuracy[i] = seeds[1];
        known += !isnan(seeds[0]) && !isnan(seeds[1]);
    }
    if (rc == 0 && known >= MIN_SEED_NETWORKS) {
        rc = open_sample(&s, &two);
        if (rc == 0) rc = estimate(p, &s, 0, n_samples);
        p->n = known;
        p->behind = p->tau_beyond_size = (mnas_estimate){NAN, NAN, NAN};
        close_sample(&s);
    }
    if (rc == 0) mnas_proxy_data_free(&two);
    return rc;
}

/* ---- the whole ---- */

static void count(mnas_proxy *p, const mnas_proxy_data *d, int length) {
    const double *x = d->lengths[length].accuracy, *y = full_of(d);
    for (int i = 0; i < d->n; i++) {
        if (isnan(x[i]) || isnan(y[i])) continue;
        p->n++;
        p->n_diverged += isinf(x[i]) || isinf(y[i]);
    }
}

static int check_length(mnas_proxy *p, sample *s, int length, int n_samples) {
    const mnas_proxy_data *d = s->data;
    const mnas_proxy_length *l = &d->lengths[length];
    const mnas_estimate none = {NAN, NAN, NAN};
    *p = (mnas_proxy){.n_images = l->n_images,
                      .epochs = l->epochs,
                      .minutes = l->minutes,
                      .tau = none,
                      .tau_top = none,
                      .tau_beyond_size = none,
                      .behind = none};
    memcpy(p->name, l->name, sizeof p->name);
    take_noise(p, l, d->n);
    if (length == d->n_lengths - 1) return compare_seeds(p, l, d->n, n_samples);
    count(p, d, length);
    if (p->n < MIN_NETWORKS)
        return mnas_error_set(MNAS_ERR_ARG,
                              "%s: %d networks have its accuracy and the full one; at least %d are needed",
                              p->name, p->n, MIN_NETWORKS);
    return estimate(p, s, length, n_samples);
}

bool mnas_proxy_is_orderless(const mnas_proxy_check *check) {
    return check->proxies[check->n_proxies].tau.value <= 0;
}

/* A proxy need not agree with the full training more than that is shown to do with itself. Where that does not, there is
 * no order to agree with. */
static void choose(mnas_proxy_check *check) {
    const mnas_estimate *ceiling = &check->proxies[check->n_proxies].tau;
    check->chosen = -1;
    for (int i = check->n_proxies - 1; i >= 0 && !mnas_proxy_is_orderless(check); i--) {
        mnas_proxy *p = &check->proxies[i];
        p->ranks_well = p->tau.low > good_tau || (ceiling->low > 0 && p->tau.value >= ceiling->value);
        if (p->ranks_well) check->chosen = i;
    }
}

int mnas_proxy_compute(mnas_proxy_check *out, const mnas_proxy_data *d, int n_samples) {
    sample s;
    assert(d->n_lengths >= 2);
    *out = (mnas_proxy_check){
        .n_proxies = d->n_lengths - 1, .chosen = -1, .n_networks = d->n, .is_percent = d->is_percent};
    int rc = open_sample(&s, d);
    if (rc == 0 && !(out->proxies = calloc((size_t)d->n_lengths, sizeof *out->proxies)))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d lengths", d->n_lengths);
    for (int l = 0; l < d->n_lengths && rc == 0; l++) rc = check_length(&out->proxies[l], &s, l, n_samples);
    close_sample(&s);
    if (rc == 0) choose(out);
    if (rc == 0) rc = mnas_proxy_words(out, &out->words);
    if (rc < 0) mnas_proxy_check_free(out);
    return rc;
}
