/* latency_model.c - what a fitted latency model says of a network; see latency_model.h.
 *
 * It never refuses a network that can be built: of one unlike those it was fitted to it says in what.
 */
#include "search/latency_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/linalg.h"

/* The least and most a layer's time is corrected by: beyond, the knots are too far away to know. */
static const double least_correction = 0.25, most_correction = 4;
/* A guess so far below the fastest network, or above the slowest, is no longer between them. */
static const double margin = 1.25;
static const double near_frac = 0.1;
enum { MIN_NEAR = 10 };

static int compare_kinds(const void *name, const void *kind) {
    return strcmp(name, ((const mnas_lm_kind *)kind)->name);
}

const mnas_lm_kind *mnas_lm_find_kind(const mnas_latency_model *model, const char *name) {
    return bsearch(name, model->kinds, (size_t)model->n_kinds, sizeof *model->kinds, compare_kinds);
}

static double correction(const mnas_lm_kind *kind, const mnas_lm_layer *layer, double scale) {
    double place[MNAS_LM_DIMS], sum = 1;
    mnas_lm_place(place, layer);
    for (int k = 0; k < kind->n_knots; k++)
        sum += kind->knots[k].weight *
               exp(-mnas_lm_distance2(place, kind->knots[k].place) / (2 * scale * scale));
    return fmin(fmax(sum, least_correction), most_correction);
}

double mnas_lm_layer_ms(const mnas_latency_model *model, const mnas_lm_layer *layer) {
    const mnas_lm_kind *kind = mnas_lm_find_kind(model, layer->kind);
    double feature[MNAS_LM_FEATURES];
    mnas_lm_features(feature, layer);
    const double ms = mnas_dot(feature, kind ? kind->rate : model->common_rate, MNAS_LM_FEATURES);
    return kind ? ms * correction(kind, layer, model->scale) : ms;
}

double mnas_lm_net_ms(const mnas_latency_model *model, const mnas_lm_net *net) {
    double ms = 0;
    for (int i = 0; i < net->n; i++) ms += mnas_lm_layer_ms(model, &net->layers[i]);
    return ms;
}

bool mnas_lm_is_near(double ms, double target_ms) {
    return fabs(ms / target_ms - 1) <= near_frac;
}

/* ---- the public side ---- */

/* Writes what is unlike; nothing where all is as seen. */
static void find_unlike(char *why, size_t n, const mnas_latency_model *m, const mnas_lm_net *net, int input,
                        double ms) {
    why[0] = '\0';
    if (input != m->about.input_size) {
        snprintf(why, n, "its image has %d pixels; fitted at %d", input, m->about.input_size);
        return;
    }
    for (int i = 0; i < net->n; i++) {
        const mnas_lm_layer *l = &net->layers[i];
        if (!mnas_lm_find_kind(m, l->kind))
            snprintf(why, n, "%s is %s, a kind of layer that no network fitted to had", net->names[i],
                     l->kind);
        else if (l->in_size > m->largest_map || l->in_c > m->largest_width || l->out_c > m->largest_width)
            snprintf(why, n, "%s is larger than every layer fitted to", net->names[i]);
        if (why[0]) return;
    }
    if (ms < m->about.low_ms / margin || ms > m->about.high_ms * margin)
        snprintf(why, n, "its latency lies beyond those fitted to, %.4g to %.4g ms", m->about.low_ms,
                 m->about.high_ms);
}

/* What such guesses were found to be off by: near the target by those near it. */
static void state_error(mnas_latency_guess *out, const mnas_latency_about *about) {
    const mnas_latency_error *e = &about->error;
    const bool near = e->n_near >= MIN_NEAR && mnas_lm_is_near(out->ms, about->target_ms);
    out->error_frac = near ? e->near_frac : e->mean_frac;
    out->low_ms = out->ms / (1 + e->p90_frac); /* p90 = |guess / measured - 1| */
    out->high_ms = e->p90_frac < 1 ? out->ms / (1 - e->p90_frac) : INFINITY;
}

int mnas_latency_model_predict(mnas_latency_guess *out, const mnas_latency_model *model,
                               const mnas_model *network) {
    mnas_lm_net net;
    *out = (mnas_latency_guess){.error_frac = NAN, .low_ms = NAN, .high_ms = NAN};
    const int rc = mnas_lm_net_open(&net, network);
    if (rc < 0) return rc;
    out->ms = mnas_lm_net_ms(model, &net);
    find_unlike(out->why, sizeof out->why, model, &net, network->input_size, out->ms);
    out->outside = out->why[0];
    if (!out->outside) state_error(out, &model->about);
    mnas_lm_net_close(&net);
    return 0;
}

const mnas_latency_about *mnas_latency_model_about(const mnas_latency_model *model) {
    return &model->about;
}

void mnas_latency_model_free(mnas_latency_model *model) {
    if (!model) return;
    for (int i = 0; model->kinds && i < model->n_kinds; i++) free(model->kinds[i].knots);
    free(model->kinds);
    free(model);
}
