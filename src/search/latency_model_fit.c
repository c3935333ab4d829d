/* latency_model_fit.c - a latency model from measured networks: their different layers, and the rates of each kind; the
 * corrections are latency_model_smooth.c's. See latency_model.h for what they are.
 *
 * All errors are relative: a row is divided by its network's latency, and by the noise of its measurement. Layers that were
 * timed one by one are rows as well, which weigh less.
 */
#include "search/latency_model_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/linalg.h"

enum { F = MNAS_LM_FEATURES };
typedef mnas_lm_work work;

static const double tiny = 1e-12;       /* of a feature that a kind has not */
static const double ridge = 1e-2;       /* of the mean square of a column */
static const double layers_share = 0.3; /* what a network's layers one by one weigh beside the network */

void *mnas_lm_take(mnas_lm_work *w, size_t n, size_t bytes) {
    return mnas_arena_alloc(w->arena, (n ? n : 1) * bytes);
}

/* ---- the layers there are ---- */

static int compare_layers(const void *a, const void *b) {
    return memcmp(a, b, sizeof(mnas_lm_layer));
}

static int count_layers(const work *w) {
    int n = 0;
    for (int i = 0; i < w->n; i++) n += w->of[i]->net.n;
    return n;
}

/* From all layers in order: each once, and where a kind begins. */
static void keep_different(work *w, int n_all) {
    for (int i = 0; i < n_all; i++) {
        const mnas_lm_layer layer = w->layer[i];
        const mnas_lm_layer *last = w->n_knots > 0 ? &w->layer[w->n_knots - 1] : NULL;
        if (last && compare_layers(last, &layer) == 0) continue;
        if (!last || strcmp(last->kind, layer.kind) != 0) w->begin[w->n_kinds++] = w->n_knots;
        w->kind[w->n_knots] = w->n_kinds - 1;
        w->layer[w->n_knots++] = layer;
    }
    w->begin[w->n_kinds] = w->n_knots;
}

static int collect_knots(work *w) {
    const int n_all = count_layers(w);
    w->layer = mnas_lm_take(w, (size_t)n_all, sizeof *w->layer);
    w->kind = mnas_lm_take(w, (size_t)n_all, sizeof *w->kind);
    w->begin = mnas_lm_take(w, (size_t)n_all + 1, sizeof *w->begin);
    if (!w->layer || !w->kind || !w->begin) return MNAS_ERR_MEMORY;
    mnas_lm_layer *to = w->layer;
    for (int i = 0; i < w->n; to += w->of[i]->net.n, i++)
        memcpy(to, w->of[i]->net.layers, (size_t)w->of[i]->net.n * sizeof *to);
    qsort(w->layer, (size_t)n_all, sizeof *w->layer, compare_layers);
    keep_different(w, n_all);
    return 0;
}

static int find_knots(work *w) {
    if (!(w->knot = mnas_lm_take(w, (size_t)w->n, sizeof *w->knot))) return MNAS_ERR_MEMORY;
    for (int i = 0; i < w->n; i++) {
        const mnas_lm_net *net = &w->of[i]->net;
        if (!(w->knot[i] = mnas_lm_take(w, (size_t)net->n, sizeof **w->knot))) return MNAS_ERR_MEMORY;
        for (int l = 0; l < net->n; l++) {
            const mnas_lm_layer *at =
                bsearch(&net->layers[l], w->layer, (size_t)w->n_knots, sizeof *w->layer, compare_layers);
            w->knot[i][l] = (int)(at - w->layer);
        }
    }
    return 0;
}

/* What an engine runs as one is no single layer. */
static int find_times(work *w) {
    int *count = mnas_lm_take(w, (size_t)w->n_knots, sizeof *count);
    w->timed_ms = mnas_lm_take(w, (size_t)w->n_knots, sizeof *w->timed_ms);
    if (!count || !w->timed_ms) return MNAS_ERR_MEMORY;
    for (int i = 0; i < w->n; i++) {
        for (int p = 0; p < w->of[i]->n_parts; p++) {
            const mnas_lm_part *part = &w->of[i]->parts[p];
            if (part->end - part->begin != 1) continue;
            const int u = w->knot[i][part->begin];
            w->timed_ms[u] += (part->ms - w->timed_ms[u]) / ++count[u];
        }
    }
    return 0;
}

/* ---- rates ---- */

typedef struct normal_equations {
    size_t n;
    double *gram, *right; /* [n, n], [n] */
    double *row;          /* [n] scratch */
} normal_equations;

/* The features of a part of network i, summed by kind, over its time; added with this weight. */
static void add_row(normal_equations *eq, const work *w, int i, const mnas_lm_part *part, double share) {
    memset(eq->row, 0, eq->n * sizeof *eq->row);
    for (int l = part->begin; l < part->end; l++) {
        double feature[F];
        mnas_lm_features(feature, &w->of[i]->net.layers[l]);
        double *of_kind = &eq->row[w->kind[w->knot[i][l]] * F];
        for (int c = 0; c < F; c++) of_kind[c] += feature[c] / part->ms;
    }
    for (size_t a = 0; a < eq->n; a++) {
        if (!(eq->row[a] > 0)) continue;
        eq->right[a] += share * eq->row[a];
        for (size_t b = 0; b < eq->n; b++) eq->gram[a * eq->n + b] += share * eq->row[a] * eq->row[b];
    }
}

static void add_network(normal_equations *eq, const work *w, int i) {
    const mnas_lm_sample *s = w->of[i];
    const mnas_lm_part whole = {0, s->net.n, s->ms};
    add_row(eq, w, i, &whole, 1 / (s->noise * s->noise));
    for (int p = 0; p < s->n_parts; p++) {
        const mnas_lm_part *part = &s->parts[p];
        if (part->ms > 0) add_row(eq, w, i, part, layers_share * part->ms / s->ms);
    }
}

static int open_equations(normal_equations *eq, work *w, size_t n) {
    *eq = (normal_equations){.n = n};
    eq->gram = mnas_lm_take(w, n * n, sizeof *eq->gram);
    eq->right = mnas_lm_take(w, n, sizeof *eq->right);
    eq->row = mnas_lm_take(w, n, sizeof *eq->row);
    return eq->gram && eq->right && eq->row ? 0 : MNAS_ERR_MEMORY;
}

/* The same equations with one rate for all kinds: that of a kind of which nothing is known. */
static int fit_common(work *w, const normal_equations *by_kind) {
    normal_equations eq;
    const int rc = open_equations(&eq, w, F);
    if (rc < 0) return rc;
    for (size_t a = 0; a < by_kind->n; a++) {
        eq.right[a % F] += by_kind->right[a];
        for (size_t b = 0; b < by_kind->n; b++)
            eq.gram[a % F * F + b % F] += by_kind->gram[a * by_kind->n + b];
    }
    for (size_t c = 0; c < F; c++) eq.gram[c * F + c] = fmax(eq.gram[c * F + c] * (1 + ridge), tiny);
    mnas_nonnegative_solve(w->common_rate, eq.gram, eq.right, F);
    return 0;
}

/* rate = arg min sum_i (1 - row_i . rate)^2 weight_i + ridge sum_c gram_cc (rate_c - common_c)^2,  rate >= 0 */
static int fit_rates(work *w) {
    normal_equations eq;
    int rc = open_equations(&eq, w, (size_t)(w->n_kinds * F));
    if (rc == 0 && !(w->rate = mnas_lm_take(w, eq.n, sizeof *w->rate))) rc = MNAS_ERR_MEMORY;
    for (int i = 0; i < w->n && rc == 0; i++) add_network(&eq, w, i);
    if (rc == 0) rc = fit_common(w, &eq);
    if (rc < 0) return rc;
    for (size_t a = 0; a < eq.n; a++) {
        double *diagonal = &eq.gram[a * eq.n + a];
        const double pull = fmax(ridge * *diagonal, tiny);
        eq.right[a] += pull * w->common_rate[a % F];
        *diagonal += pull;
    }
    mnas_nonnegative_solve(w->rate, eq.gram, eq.right, eq.n);
    return 0;
}

static int apply_rates(work *w) {
    if (!(w->base_ms = mnas_lm_take(w, (size_t)w->n_knots, sizeof *w->base_ms))) return MNAS_ERR_MEMORY;
    for (int u = 0; u < w->n_knots; u++) {
        double feature[F];
        mnas_lm_features(feature, &w->layer[u]);
        w->base_ms[u] = mnas_dot(feature, &w->rate[w->kind[u] * F], F);
    }
    return 0;
}

/* ---- the model ---- */

static int fill_kind(mnas_lm_kind *out, const work *w, int k) {
    const int n = w->begin[k + 1] - w->begin[k];
    memcpy(out->name, w->layer[w->begin[k]].kind, sizeof out->name);
    memcpy(out->rate, &w->rate[k * F], sizeof out->rate);
    if (!(out->knots = calloc((size_t)n, sizeof *out->knots)))
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d layers of a latency model", n);
    out->n_knots = n;
    for (int u = 0; u < n; u++) {
        mnas_lm_knot *knot = &out->knots[u];
        knot->layer = w->layer[w->begin[k] + u];
        knot->weight = w->weight[w->begin[k] + u];
        mnas_lm_place(knot->place, &knot->layer);
    }
    return 0;
}

static void find_ranges(mnas_latency_model *model, const work *w) {
    for (int u = 0; u < w->n_knots; u++) {
        const mnas_lm_layer *l = &w->layer[u];
        const int width = l->in_c > l->out_c ? l->in_c : l->out_c;
        if (l->in_size > model->largest_map) model->largest_map = l->in_size;
        if (width > model->largest_width) model->largest_width = width;
    }
}

static int make_model(mnas_latency_model **out, const work *w, double scale) {
    mnas_latency_model *model = calloc(1, sizeof *model);
    if (model) model->kinds = calloc((size_t)w->n_kinds, sizeof *model->kinds);
    if (!model || !model->kinds) {
        free(model);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: latency model");
    }
    model->n_kinds = w->n_kinds;
    model->scale = scale;
    memcpy(model->common_rate, w->common_rate, sizeof model->common_rate);
    find_ranges(model, w);
    int rc = 0;
    for (int k = 0; k < w->n_kinds && rc == 0; k++) rc = fill_kind(&model->kinds[k], w, k);
    if (rc == 0)
        *out = model;
    else
        mnas_latency_model_free(model);
    return rc;
}

static int fit(mnas_latency_model **out, work *w, const mnas_lm_sample *samples, const int *index) {
    double scale;
    if (!(w->of = mnas_lm_take(w, (size_t)w->n, sizeof *w->of))) return MNAS_ERR_MEMORY;
    for (int i = 0; i < w->n; i++) w->of[i] = &samples[index[i]];
    int rc = collect_knots(w);
    if (rc == 0) rc = find_knots(w);
    if (rc == 0) rc = find_times(w);
    if (rc == 0) rc = fit_rates(w);
    if (rc == 0) rc = apply_rates(w);
    if (rc == 0) rc = mnas_lm_smooth(w, &scale);
    return rc == 0 ? make_model(out, w, scale) : rc;
}

int mnas_lm_fit(mnas_latency_model **out, const mnas_lm_sample *samples, const int *index, int n) {
    work w = {.arena = mnas_arena_create(), .n = n};
    *out = NULL;
    const int rc = w.arena ? fit(out, &w, samples, index) : MNAS_ERR_MEMORY;
    mnas_arena_destroy(w.arena);
    return rc;
}
