/* latency_model_check.c - how far off a latency model is on networks it has not seen, and how far simpler ways would be.
 *
 * Networks are dealt into ten parts; each part is guessed by fits to the other nine, so that no guess has seen its network. The
 * model chooses what it has to choose within those nine as well (latency_model_fit.c). The order of dealing is fixed: the
 * same networks give the same statement.
 */
#include "search/latency_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/linalg.h"
#include "base/rng.h"
#include "base/stats.h"

enum { N_PARTS = 10, N_WAYS = 1 + MNAS_LATENCY_BASELINES };

/* ---- one statement ---- */

static double mean_below(const double *x, int n, double limit) {
    int count = 0;
    for (int i = 0; i < n; i++) count += x[i] <= limit;
    return (double)count / n;
}

mnas_latency_error mnas_lm_error_unknown(void) {
    return (mnas_latency_error){.mean_frac = NAN,
                                .near_frac = NAN,
                                .p90_frac = NAN,
                                .worst_frac = NAN,
                                .within_10_frac = NAN,
                                .kendall_tau = NAN};
}

mnas_latency_error mnas_lm_error(const char *way, const double *guess, const double *ms, int n,
                                 double target_ms) {
    mnas_latency_error e = mnas_lm_error_unknown();
    double *off = malloc((size_t)(n ? n : 1) * sizeof *off), near_sum = 0;
    e.n = n;
    snprintf(e.way, sizeof e.way, "%s", way);
    for (int i = 0; off && i < n; i++) {
        off[i] = fabs(guess[i] / ms[i] - 1);
        if (!mnas_lm_is_near(ms[i], target_ms)) continue;
        near_sum += off[i];
        e.n_near++;
    }
    if (off && n > 0 && isfinite(mnas_stats_mean(off, (size_t)n))) {
        e.mean_frac = mnas_stats_mean(off, (size_t)n);
        e.p90_frac = mnas_stats_quantile(off, (size_t)n, 0.9);
        e.worst_frac = mnas_stats_quantile(off, (size_t)n, 1);
        e.within_10_frac = mean_below(off, n, 0.1);
        e.kendall_tau = mnas_stats_kendall(guess, ms, (size_t)n);
        if (e.n_near > 0) e.near_frac = near_sum / e.n_near;
    }
    free(off);
    return e;
}

/* ---- the ways; each guesses samples[test[0..n_test)] from samples[train[0..n_train)] ---- */

typedef struct split {
    const mnas_lm_sample *samples;
    const int *train, *test;
    int n_train, n_test;
} split;

typedef int guess_function(double *guess, const split *s); /* guess[n_test] */

static int guess_model(double *guess, const split *s) {
    mnas_latency_model *model;
    const int rc = mnas_lm_fit(&model, s->samples, s->train, s->n_train);
    if (rc < 0) return rc;
    for (int i = 0; i < s->n_test; i++) guess[i] = mnas_lm_net_ms(model, &s->samples[s->test[i]].net);
    mnas_latency_model_free(model);
    return 0;
}

/* log ms = a + b log macs, by least squares */
static int guess_macs(double *guess, const split *s) {
    const size_t n = (size_t)s->n_train;
    double *x = malloc(2 * n * sizeof *x), *y = x + n;
    if (!x) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: line of %d networks", s->n_train);
    for (size_t i = 0; i < n; i++) {
        const mnas_lm_sample *of = &s->samples[s->train[i]];
        x[i] = log((double)of->net.macs);
        y[i] = log(of->ms);
    }
    const double b = mnas_stats_slope(x, y, n), a = mnas_stats_mean(y, n) - b * mnas_stats_mean(x, n);
    for (int i = 0; i < s->n_test; i++) guess[i] = exp(a + b * log((double)s->samples[s->test[i]].net.macs));
    free(x);
    return 0;
}

/* ---- a table of layers ---- */

typedef struct entry {
    mnas_lm_layer layer;
    double place[MNAS_LM_DIMS], ms; /* sum over the networks that had it */
    int n;
} entry;

static int compare_entries(const void *a, const void *b) {
    return memcmp(&((const entry *)a)->layer, &((const entry *)b)->layer, sizeof(mnas_lm_layer));
}

/* Of layers that ran as one the last has all their time, as in a table of what was timed. */
static int add_times(entry *table, int n, const mnas_lm_sample *of) {
    for (int p = 0; p < of->n_parts; p++) {
        for (int l = of->parts[p].begin; l < of->parts[p].end; l++, n++) {
            table[n].layer = of->net.layers[l];
            table[n].ms = l + 1 == of->parts[p].end ? of->parts[p].ms : 0;
            table[n].n = 1;
            mnas_lm_place(table[n].place, &table[n].layer);
        }
    }
    return n;
}

/* One entry for each layer, with the sum of its times. */
static int merge(entry *table, int n) {
    int kept = 0;
    qsort(table, (size_t)n, sizeof *table, compare_entries);
    for (int i = 0; i < n; i++) {
        if (kept > 0 && compare_entries(&table[kept - 1], &table[i]) == 0) {
            table[kept - 1].ms += table[i].ms;
            table[kept - 1].n++;
        } else {
            table[kept++] = table[i];
        }
    }
    return kept;
}

/* The time of the nearest layer of its kind; 0 where there is none. */
static double look_up(const entry *table, int n, const mnas_lm_layer *layer) {
    double place[MNAS_LM_DIMS], nearest = INFINITY, ms = 0;
    mnas_lm_place(place, layer);
    for (int i = 0; i < n; i++) {
        if (strcmp(table[i].layer.kind, layer->kind) != 0) continue;
        const double distance2 = mnas_lm_distance2(place, table[i].place);
        if (distance2 >= nearest) continue;
        nearest = distance2;
        ms = table[i].ms / table[i].n;
    }
    return ms;
}

static double sum_table(const entry *table, int n, const mnas_lm_net *net) {
    double ms = 0;
    for (int l = 0; l < net->n; l++) ms += look_up(table, n, &net->layers[l]);
    return ms;
}

/* One factor puts the sums right, in its favour. */
static double factor_of(const entry *table, int n, const split *s, double *ratio) {
    for (int i = 0; i < s->n_train; i++) {
        const mnas_lm_sample *of = &s->samples[s->train[i]];
        ratio[i] = of->ms / sum_table(table, n, &of->net);
    }
    return mnas_stats_median(ratio, (size_t)s->n_train);
}

static int guess_layers(double *guess, const split *s) {
    int room = 0, n = 0;
    for (int i = 0; i < s->n_train; i++) room += s->samples[s->train[i]].net.n;
    entry *table = calloc((size_t)room + 1, sizeof *table);
    double *ratio = malloc((size_t)s->n_train * sizeof *ratio);
    if (table && ratio) {
        for (int i = 0; i < s->n_train; i++) n = add_times(table, n, &s->samples[s->train[i]]);
        n = merge(table, n);
        const double factor = n > 0 ? factor_of(table, n, s, ratio) : (double)NAN;
        for (int i = 0; i < s->n_test; i++)
            guess[i] = factor * sum_table(table, n, &s->samples[s->test[i]].net);
    }
    const bool done = table && ratio;
    free(table);
    free(ratio);
    return done ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: table of %d layers", room);
}

/* ---- ridge on sums by kind ---- */

enum { MAX_KINDS = 64, PER_KIND = 2, MAX_COLUMNS = MAX_KINDS * PER_KIND };

typedef struct kinds {
    char name[MAX_KINDS][MNAS_LM_KIND_BYTES];
    int n;
} kinds;

static int kind_index(const kinds *k, const char *name) {
    for (int i = 0; i < k->n; i++)
        if (strcmp(k->name[i], name) == 0) return i;
    return -1;
}

static void list_kinds(kinds *k, const split *s) {
    k->n = 0;
    for (int i = 0; i < s->n_train; i++) {
        const mnas_lm_net *net = &s->samples[s->train[i]].net;
        for (int l = 0; l < net->n; l++) {
            if (k->n == MAX_KINDS || kind_index(k, net->layers[l].kind) >= 0) continue;
            memcpy(k->name[k->n++], net->layers[l].kind, MNAS_LM_KIND_BYTES);
        }
    }
}

/* Of each kind millions of multiply-adds, and how many layers. */
static void kind_row(double *row, const kinds *k, const mnas_lm_net *net, double over_ms) {
    for (int c = 0; c < PER_KIND * k->n; c++) row[c] = 0;
    for (int l = 0; l < net->n; l++) {
        const int i = kind_index(k, net->layers[l].kind);
        if (i < 0) continue;
        row[PER_KIND * i] += (double)mnas_lm_macs(&net->layers[l]) / 1e6 / over_ms;
        row[PER_KIND * i + 1] += 1 / over_ms;
    }
}

/* weights = (X^T X + ridge diag(X^T X))^-1 X^T 1, rows over their latency as everywhere */
static int fit_kinds(double *weights, const kinds *k, const split *s) {
    const size_t n = (size_t)(PER_KIND * k->n);
    double row[MAX_COLUMNS], *gram = calloc(n * n, sizeof *gram);
    if (!gram) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: ridge of %zu columns", n);
    memset(weights, 0, n * sizeof *weights);
    for (int i = 0; i < s->n_train; i++) {
        const mnas_lm_sample *of = &s->samples[s->train[i]];
        kind_row(row, k, &of->net, of->ms);
        for (size_t a = 0; a < n; a++) {
            weights[a] += row[a];
            for (size_t b = 0; b < n; b++) gram[a * n + b] += row[a] * row[b];
        }
    }
    for (size_t a = 0; a < n; a++) gram[a * n + a] = 1.01 * gram[a * n + a] + 1e-9;
    if (mnas_cholesky(gram, n)) mnas_cholesky_solve(gram, n, weights);
    free(gram);
    return 0;
}

static int guess_kinds(double *guess, const split *s) {
    kinds k;
    double weights[MAX_COLUMNS], row[MAX_COLUMNS];
    list_kinds(&k, s);
    const int rc = fit_kinds(weights, &k, s);
    for (int i = 0; i < s->n_test && rc == 0; i++) {
        kind_row(row, &k, &s->samples[s->test[i]].net, 1);
        guess[i] = mnas_dot(row, weights, (size_t)(PER_KIND * k.n));
    }
    return rc;
}

/* ---- cross-validation ---- */

static const struct {
    const char *name;
    guess_function *guess;
} ways[N_WAYS] = {
    {"model", guess_model}, {"macs", guess_macs}, {"layers", guess_layers}, {"kinds", guess_kinds}};

typedef struct deal {
    uint32_t *order;           /* [n] */
    int *train, *test;         /* [n] */
    double *guess, *ms, *part; /* [n] */
} deal;

static void split_part(split *s, const deal *d, int n, int part) {
    s->n_train = s->n_test = 0;
    for (int i = 0; i < n; i++) {
        if (i % N_PARTS == part)
            d->test[s->n_test++] = (int)d->order[i];
        else
            d->train[s->n_train++] = (int)d->order[i];
    }
}

static int check_way(mnas_latency_error *out, int way, const mnas_lm_sample *samples, int n, const deal *d,
                     double target_ms) {
    split s = {.samples = samples, .train = d->train, .test = d->test};
    for (int part = 0; part < N_PARTS; part++) {
        split_part(&s, d, n, part);
        const int rc = ways[way].guess(d->part, &s);
        if (rc < 0) return rc;
        for (int i = 0; i < s.n_test; i++) d->guess[d->test[i]] = d->part[i];
    }
    *out = mnas_lm_error(ways[way].name, d->guess, d->ms, n, target_ms);
    return 0;
}

static bool deal_open(deal *d, const mnas_lm_sample *samples, int n) {
    const size_t room = (size_t)n;
    mnas_rng rng = mnas_rng_stream(0, 0, "latency model parts");
    *d = (deal){.order = malloc(room * sizeof *d->order),
                .train = malloc(room * sizeof *d->train),
                .test = malloc(room * sizeof *d->test),
                .guess = malloc(room * sizeof *d->guess),
                .ms = malloc(room * sizeof *d->ms),
                .part = malloc(room * sizeof *d->part)};
    if (!d->order || !d->train || !d->test || !d->guess || !d->ms || !d->part) return false;
    for (int i = 0; i < n; i++) {
        d->order[i] = (uint32_t)i;
        d->ms[i] = samples[i].ms;
    }
    mnas_rng_shuffle(&rng, d->order, room);
    return true;
}

static void deal_close(deal *d) {
    free(d->order);
    free(d->train);
    free(d->test);
    free(d->guess);
    free(d->ms);
    free(d->part);
}

int mnas_lm_check(mnas_latency_about *about, const mnas_lm_sample *samples, int n) {
    deal d;
    int rc = deal_open(&d, samples, n) ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d networks", n);
    for (int way = 0; way < N_WAYS && rc == 0; way++)
        rc = check_way(way == 0 ? &about->error : &about->baseline[way - 1], way, samples, n, &d,
                       about->target_ms);
    deal_close(&d);
    return rc;
}
