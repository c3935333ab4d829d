/* latency_model_samples.c - from measured networks to a model with its error stated: mnas_latency_model_fit.
 *
 * What is checked here is that the measurements belong together; the arithmetic is latency_model_fit.c's.
 */
#include "search/latency_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/stats.h"
#include "model/latency.h"

/* An interval says little of itself where it came from few rounds: its weight is bounded. */
static const double most_noise = 5;

static int check_one(const mnas_measured *m, const mnas_measured *first, int i) {
    const double ms = m->latency.median_ms;
    if (!(ms > 0) || !isfinite(ms))
        return mnas_error_set(MNAS_ERR_ARG, "network %d took %g ms; allowed: more than 0", i, ms);
    if (!mnas_latency_is_measured(&m->latency))
        return mnas_error_set(MNAS_ERR_ARG, "network %d was not measured: its %g ms are a table's default", i,
                              ms);
    if (m->network.input_size != first->network.input_size)
        return mnas_error_set(
            MNAS_ERR_ARG,
            "network %d has images of %d pixels, network 0 of %d; a latency model is of one size", i,
            m->network.input_size, first->network.input_size);
    if (strcmp(m->latency.device, first->latency.device) != 0 ||
        strcmp(m->latency.engine, first->latency.engine) != 0)
        return mnas_error_set(
            MNAS_ERR_ARG,
            "network %d was measured on \"%s\" with \"%s\", network 0 on \"%s\" with \"%s\"; a "
            "latency model is of one device and engine",
            i, m->latency.device, m->latency.engine, first->latency.device, first->latency.engine);
    return 0;
}

static int check(const mnas_measured *networks, int n) {
    int rc = 0;
    if (n < MNAS_LM_MIN_NETWORKS || n > MNAS_LM_MAX_NETWORKS)
        return mnas_error_set(MNAS_ERR_ARG, "%d measured networks for a latency model; allowed: %d to %d", n,
                              MNAS_LM_MIN_NETWORKS, MNAS_LM_MAX_NETWORKS);
    for (int i = 0; i < n && rc == 0; i++) rc = check_one(&networks[i], &networks[0], i);
    return rc;
}

/* noise^2 = (1 + (interval / typical interval)^2) / 2: what repeats badly counts less. */
static void fill_noise(mnas_lm_sample *samples, const mnas_measured *networks, double *half, int n) {
    for (int i = 0; i < n; i++) /* 0 where a device states none */
        half[i] = fmax(0, mnas_latency_half_frac(&networks[i].latency));
    const double typical = mnas_stats_median(half, (size_t)n);
    for (int i = 0; i < n; i++) {
        const double times = typical > 0 ? fmin(half[i] / typical, most_noise) : 1;
        samples[i].noise = sqrt((1 + times * times) / 2);
    }
}

/* ---- single layers ---- */

static double sum_of_times(const mnas_measured *m) {
    double sum = 0;
    for (int i = 0; i < m->n_layers; i++) sum += m->layers[i].ms;
    return sum;
}

/* Where the layer named so ends: behind it, and behind an activation of its own, which has the same name. -1: nowhere. */
static int end_of(const mnas_lm_net *net, int begin, const char *name) {
    int end = -1;
    for (int l = begin; l < net->n; l++)
        if (strcmp(net->names[l], name) == 0)
            end = l + 1;
        else if (end >= 0)
            break;
    return end;
}

/* Times come in the order of running, each named by the last layer that it holds. Names that the network has not are those of
 * another engine's pieces: then its single layers tell nothing, and only the network counts. */
static int open_parts(mnas_lm_sample *out, const mnas_measured *m) {
    const double sum = sum_of_times(m), scale = m->latency.median_ms / sum;
    if (!(sum > 0)) return 0;
    if (!(out->parts = calloc((size_t)m->n_layers, sizeof *out->parts)))
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: times of %d layers", m->n_layers);
    for (int i = 0, begin = 0; i < m->n_layers; i++) {
        const int end = end_of(&out->net, begin, m->layers[i].name);
        if (end < 0) {
            out->n_parts = 0;
            return 0;
        }
        out->parts[out->n_parts++] = (mnas_lm_part){begin, end, m->layers[i].ms * scale};
        begin = end;
    }
    return 0;
}

/* ---- samples ---- */

static void close_sample(mnas_lm_sample *sample) {
    mnas_lm_net_close(&sample->net);
    free(sample->parts);
}

static int open_samples(mnas_lm_sample **out, const mnas_measured *networks, int n) {
    double *half = malloc((size_t)n * sizeof *half);
    mnas_lm_sample *samples = calloc((size_t)n, sizeof *samples);
    int rc = half && samples ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d networks", n);
    *out = samples;
    for (int i = 0; i < n && rc == 0; i++) {
        samples[i].ms = networks[i].latency.median_ms;
        rc = mnas_lm_net_open(&samples[i].net, &networks[i].network);
        if (rc == 0 && networks[i].n_layers > 0) rc = open_parts(&samples[i], &networks[i]);
    }
    if (rc == 0) fill_noise(samples, networks, half, n);
    free(half);
    return rc;
}

static void close_samples(mnas_lm_sample *samples, int n) {
    for (int i = 0; samples && i < n; i++) close_sample(&samples[i]);
    free(samples);
}

static void describe(mnas_latency_about *about, const mnas_measured *networks, int n, const char *space,
                     double target_ms) {
    *about = (mnas_latency_about){.input_size = networks[0].network.input_size,
                                  .n_networks = n,
                                  .target_ms = target_ms,
                                  .low_ms = INFINITY,
                                  .conditions = networks[n - 1].latency};
    snprintf(about->space, sizeof about->space, "%s", space);
    for (int i = 0; i < n; i++) {
        about->low_ms = fmin(about->low_ms, networks[i].latency.median_ms);
        about->high_ms = fmax(about->high_ms, networks[i].latency.median_ms);
        about->n_layered += networks[i].n_layers > 0;
    }
}

static int fit_all(mnas_latency_model **out, const mnas_lm_sample *samples, int n) {
    int *index = malloc((size_t)n * sizeof *index);
    if (!index) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d networks", n);
    for (int i = 0; i < n; i++) index[i] = i;
    const int rc = mnas_lm_fit(out, samples, index, n);
    free(index);
    return rc;
}

int mnas_latency_model_fit(mnas_latency_model **out, const mnas_measured *networks, int n, const char *space,
                           double target_ms) {
    mnas_lm_sample *samples = NULL;
    mnas_latency_about about;
    *out = NULL;
    int rc = check(networks, n);
    if (rc < 0) return rc;
    describe(&about, networks, n, space, target_ms);
    rc = open_samples(&samples, networks, n);
    if (rc == 0) rc = mnas_lm_check(&about, samples, n);
    if (rc == 0) rc = fit_all(out, samples, n);
    if (rc == 0) (*out)->about = about;
    close_samples(samples, n);
    return rc;
}
