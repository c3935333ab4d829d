/* latency_model_plan.c - which networks to measure for a latency model, and the measuring: mnas_device_model_fit.
 *
 * The plan is a function of space, seed and what was measured: random networks, number i drawn from the stream of i; with a
 * target the last third are networks that a first model of the random ones puts near it; then the layers of the first ones.
 * What the record holds is not measured again. Refused measurements are replaced by the next network of the plan.
 */
#include "search/latency_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "device/device.h"

enum {
    NEAR_PART = 3,   /* one in three */
    MAX_TRIES = 200, /* draws for each network wanted: a small space has no more */
    MAX_REFUSED_IN_ROW = 20,
};

typedef struct plan {
    const mnas_device_model_options *options;
    mnas_space *space;
    mnas_device *device;
    mnas_lm_record *record;
    mnas_measured *networks; /* [n] of room options->networks */
    char (*keys)[17];
    int n, n_wanted;
    int n_refused, refused_in_row;
    int n_timed; /* measured now, not from the record */
    double begun_s, end_s, spent_s;
    bool over; /* the time is up */
    char last_refused[512];
} plan;

/* ---- telling ---- */

static void tell(const plan *p, const char *phase, int n_done, int n_wanted, double last_ms) {
    const double each_s = p->n_timed > 0 ? p->spent_s / p->n_timed : (double)NAN;
    const mnas_device_model_progress progress = {.phase = phase,
                                                 .n_done = n_done,
                                                 .n_wanted = n_wanted,
                                                 .n_refused = p->n_refused,
                                                 .last_ms = last_ms,
                                                 .elapsed_s = mnas_clock_now_s() - p->begun_s,
                                                 .eta_s = each_s * (n_wanted - n_done)};
    if (p->options->progress) p->options->progress(p->options->user, &progress);
}

/* ---- one network ---- */

static bool cancelled(const plan *p) {
    return p->options->cancel && *p->options->cancel;
}

static bool known(const plan *p, const char *key) {
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->keys[i], key) == 0) return true;
    return false;
}

static void keep(plan *p, const mnas_model *network, const char *key, const mnas_latency *latency) {
    p->networks[p->n] = (mnas_measured){.network = *network, .latency = *latency};
    memcpy(p->keys[p->n++], key, sizeof *p->keys);
}

/* A device that refuses everything will not do better with the next network. */
static int refused(plan *p, int rc) {
    if (rc == MNAS_ERR_MEMORY || rc == MNAS_ERR_IO || rc == MNAS_ERR_FULL || rc == MNAS_ERR_ARG) return rc;
    p->n_refused++;
    snprintf(p->last_refused, sizeof p->last_refused, "%s", mnas_error_message());
    mnas_log_debug("refused: %s", mnas_error_message());
    if (++p->refused_in_row < MAX_REFUSED_IN_ROW) return 0;
    return mnas_error_context(rc, "%d measurements in a row failed, the last one", p->refused_in_row);
}

/* A model fitted to what nobody measured would state its errors all the same. */
static int check_measured(const mnas_latency *latency) {
    if (mnas_latency_is_measured(latency)) return 0;
    return mnas_error_set(MNAS_ERR_MISSING, "%g ms was not measured: it is the table's default-ms",
                          latency->median_ms);
}

static int measure(plan *p, const mnas_model *network, const char *key) {
    mnas_latency latency;
    const double begun_s = mnas_clock_now_s();
    int rc = mnas_device_measure(p->device, network, &latency);
    if (rc == MNAS_ERR_CANCELLED && !cancelled(p)) p->over = true;
    if (rc == MNAS_ERR_CANCELLED) return p->over ? 0 : rc;
    p->spent_s += mnas_clock_now_s() - begun_s;
    p->n_timed++;
    if (rc == 0) rc = check_measured(&latency);
    if (rc < 0) return refused(p, rc);
    p->refused_in_row = 0;
    if ((rc = mnas_lm_record_add(p->record, network, &latency)) < 0) return rc;
    keep(p, network, key, &latency);
    tell(p, "measuring", p->n, p->n_wanted, latency.median_ms);
    return 0;
}

static int take(plan *p, const mnas_model *network, const char *key) {
    mnas_latency latency;
    if (mnas_lm_record_find(p->record, key, &latency) && mnas_latency_is_measured(&latency)) {
        keep(p, network, key, &latency);
        return 0;
    }
    if (cancelled(p)) return mnas_error_set(MNAS_ERR_CANCELLED, "interrupted");
    if (mnas_clock_now_s() >= p->end_s) p->over = true;
    return p->over ? 0 : measure(p, network, key);
}

/* ---- the networks ---- */

/* Network i of a stream. */
static int draw(const plan *p, mnas_model *out, const char *stream, int i) {
    const int n = mnas_space_n_decisions(p->space);
    mnas_rng rng = mnas_rng_stream(p->options->seed, (uint64_t)i, stream);
    int *tokens = malloc((size_t)n * sizeof *tokens);
    if (!tokens) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d decisions", n);
    for (int d = 0; d < n; d++)
        tokens[d] = (int)mnas_rng_below(&rng, (uint32_t)mnas_space_decision(p->space, d)->n_choices);
    const int rc = mnas_space_decode(p->space, tokens, out);
    free(tokens);
    if (rc == 0 && p->options->input_size > 0) out->input_size = p->options->input_size;
    if (rc == 0) snprintf(out->name, sizeof out->name, "%.40s %s %d", mnas_space_name(p->space), stream, i);
    return rc;
}

/* Up to `wanted` networks of the stream; with `model` only those that it puts near the target. */
static int take_stream(plan *p, const char *stream, int wanted, const mnas_latency_model *model) {
    const int n_tries = MAX_TRIES * p->options->networks;
    for (int i = 0; i < n_tries && p->n < wanted && !p->over; i++) {
        mnas_model network;
        mnas_latency_guess guess;
        char key[17];
        int rc = draw(p, &network, stream, i);
        if (rc == 0 && model) {
            if ((rc = mnas_latency_model_predict(&guess, model, &network)) < 0) return rc;
            if (!mnas_lm_is_near(guess.ms, p->options->target_ms)) continue;
        }
        if (rc == 0) rc = mnas_model_key(&network, key);
        if (rc == 0 && !known(p, key)) rc = take(p, &network, key);
        if (rc < 0) return rc;
    }
    return 0;
}

static int take_near(plan *p) {
    mnas_latency_model *model;
    int rc = mnas_latency_model_fit(&model, p->networks, p->n, "", p->options->target_ms);
    if (rc < 0) return rc;
    const int before = p->n;
    rc = take_stream(p, "near", p->options->networks, model);
    if (rc == 0 && p->n == before && !p->over)
        mnas_log_warn("no network of %s seems to take %g ms; all are random ones", mnas_space_name(p->space),
                      p->options->target_ms);
    mnas_latency_model_free(model);
    return rc;
}

static int take_networks(plan *p) {
    const mnas_device_model_options *o = p->options;
    const bool target = isfinite(o->target_ms);
    const int n_random = target ? o->networks - o->networks / NEAR_PART : o->networks;
    int rc = take_stream(p, "random", n_random, NULL);
    if (rc == 0 && target && !p->over && p->n >= MNAS_LM_MIN_NETWORKS) rc = take_near(p);
    if (rc == 0 && !p->over) rc = take_stream(p, "random", o->networks, NULL);
    if (rc == 0 && p->n < o->networks)
        mnas_log_warn("%d networks instead of %d: %s", p->n, o->networks,
                      p->over ? "the time is over" : "the space has no more, or they were refused");
    return rc;
}

/* ---- their layers ---- */

static int take_layers_of(plan *p, int i) {
    mnas_measured *m = &p->networks[i];
    int rc = mnas_lm_record_find_layers(p->record, p->keys[i], &m->layers, &m->n_layers);
    if (rc < 0 || m->layers || p->over) return rc;
    if (cancelled(p)) return mnas_error_set(MNAS_ERR_CANCELLED, "interrupted");
    if ((p->over = mnas_clock_now_s() >= p->end_s)) return 0;
    const double begun_s = mnas_clock_now_s();
    rc = mnas_device_measure_layers(p->device, &m->network, &m->layers, &m->n_layers);
    if (rc == MNAS_ERR_CANCELLED && !cancelled(p)) p->over = true;
    if (rc == MNAS_ERR_CANCELLED) return p->over ? 0 : rc;
    if (rc < 0) return refused(p, rc);
    p->refused_in_row = 0;
    p->spent_s += mnas_clock_now_s() - begun_s;
    p->n_timed++;
    return mnas_lm_record_add_layers(p->record, p->keys[i], m->layers, m->n_layers);
}

static int take_layers(plan *p) {
    const int n = p->options->layers < p->n ? p->options->layers : p->n;
    if (!mnas_device_can_measure_layers(p->device)) return 0;
    p->n_timed = 0;
    p->spent_s = 0;
    for (int i = 0; i < n; i++) {
        const int rc = take_layers_of(p, i);
        if (rc < 0) return rc;
        if (!p->over) tell(p, "layers", i + 1, n, NAN);
    }
    return 0;
}

/* ---- the whole ---- */

static int check(const mnas_device_model_options *o) {
    if (o->networks < MNAS_LM_MIN_NETWORKS || o->networks > MNAS_LM_MAX_NETWORKS)
        return mnas_error_set(MNAS_ERR_ARG, "networks is %d; allowed: %d to %d", o->networks,
                              MNAS_LM_MIN_NETWORKS, MNAS_LM_MAX_NETWORKS);
    if (o->target_ms <= 0)
        return mnas_error_set(MNAS_ERR_ARG, "the target is %g ms; allowed: more than 0", o->target_ms);
    return 0;
}

static int open_plan(plan *p) {
    const mnas_device_model_options *o = p->options;
    const size_t n = (size_t)o->networks;
    p->networks = calloc(n, sizeof *p->networks);
    p->keys = calloc(n, sizeof *p->keys);
    if (!p->networks || !p->keys)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d networks", o->networks);
    int rc = mnas_space_open(&p->space, o->space);
    if (rc == 0) rc = mnas_lm_record_open(&p->record, o->record);
    if (rc == 0) rc = mnas_device_open(&p->device, o->device);
    if (rc == 0) mnas_device_limit(p->device, p->end_s, o->cancel);
    return rc;
}

static void close_plan(plan *p) {
    mnas_device_close(p->device);
    mnas_lm_record_close(p->record);
    mnas_space_close(p->space);
    for (int i = 0; i < p->n; i++) free(p->networks[i].layers);
    free(p->networks);
    free(p->keys);
}

static int check_enough(const plan *p) {
    if (p->n >= MNAS_LM_MIN_NETWORKS || p->n_refused == 0) return 0;
    return mnas_error_set(MNAS_ERR_ARG,
                          "%d measured networks for a latency model; allowed: %d to %d; %d were refused, the "
                          "last one because: %s",
                          p->n, MNAS_LM_MIN_NETWORKS, MNAS_LM_MAX_NETWORKS, p->n_refused, p->last_refused);
}

int mnas_device_model_fit(mnas_latency_model **out, const mnas_device_model_options *options) {
    plan p = {.options = options, .n_wanted = options->networks, .begun_s = mnas_clock_now_s()};
    *out = NULL;
    p.end_s = isfinite(options->max_minutes) ? p.begun_s + 60 * options->max_minutes : (double)INFINITY;
    int rc = check(options);
    if (rc == 0) rc = open_plan(&p);
    if (rc == 0) rc = take_networks(&p);
    if (rc == 0) rc = check_enough(&p);
    if (rc == 0) rc = take_layers(&p);
    if (rc == 0) {
        tell(&p, "fitting", p.n, p.n, NAN);
        rc = mnas_latency_model_fit(out, p.networks, p.n, mnas_space_name(p.space), options->target_ms);
    }
    close_plan(&p);
    return rc;
}
