/* worker_layers.c - one round of timing a network's layers, in a process of its own: build, warm up, time.
 *
 * A pass runs all layers in the network's order, a clock read before and after each, so that every layer
 * meets the caches as it does in the network; the result of a layer is its median over passes. Reading the
 * clock costs some 40 ns a layer, which the times include.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/stats.h"
#include "device/worker.h"
#include "device/worker_job.h"

/* Passes in which the process was pushed off its core do not count, unless too few others come. */
enum { MAX_PASSES = 1000, MOST_TRIES = 3 };

static int run_pass(mnas_infer *net, float *ms) {
    int64_t before = mnas_clock_now_ns();
    for (int i = 0; i < mnas_infer_n_layers(net); i++) {
        const int rc = mnas_infer_invoke_layer(net, i);
        if (rc < 0) return rc;
        const int64_t after = mnas_clock_now_ns();
        ms[i] = (float)((double)(after - before) / 1e6);
        before = after;
    }
    return 0;
}

/* At least one pass, whatever the time. */
static int warm_up(mnas_infer *net, double warmup_ms, float *ms) {
    const double end_s = mnas_clock_now_s() + warmup_ms / 1e3;
    int rc;
    do rc = run_pass(net, ms);
    while (rc == 0 && mnas_clock_now_s() < end_s);
    return rc;
}

/* ms[MAX_PASSES][count]. *n: passes that count, which stand first. */
static int take_passes(mnas_infer *net, const mnas_wire_request *request, float *ms, int *n) {
    const double end_s = mnas_clock_now_s() + request->time_ms / 1e3;
    const int n_layers = mnas_infer_n_layers(net);
    *n = 0;
    for (int tries = 0; *n < MAX_PASSES; tries++) {
        const bool enough = *n >= request->runs || tries >= MOST_TRIES * request->runs;
        if (enough && mnas_clock_now_s() >= end_s) break;
        const int switches = mnas_worker_switches(), rc = run_pass(net, ms + (size_t)*n * (size_t)n_layers);
        if (rc < 0) return rc;
        const bool preempted = request->threads == 1 && mnas_worker_switches() != switches;
        if (!preempted || tries >= MOST_TRIES * request->runs / 2) ++*n;
    }
    return 0;
}

static int reduce(mnas_layer_time *layers, const mnas_worker_net *net, const float *ms, int n) {
    const int n_layers = mnas_infer_n_layers(net->net);
    double *column = malloc((size_t)n * sizeof *column);
    if (!column) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d passes", n);
    for (int i = 0; i < n_layers; i++) {
        const mnas_node *node = &net->graph->nodes[mnas_infer_layer_node(net->net, i)];
        for (int k = 0; k < n; k++) column[k] = (double)ms[(size_t)k * (size_t)n_layers + (size_t)i];
        snprintf(layers[i].name, sizeof layers[i].name, "%s", node->name);
        layers[i].ms = mnas_stats_median(column, (size_t)n);
    }
    free(column);
    return 0;
}

static int time_layers(char **reply_text, const mnas_worker_net *net, const mnas_wire_request *request) {
    const size_t n_layers = (size_t)mnas_infer_n_layers(net->net);
    float *ms = calloc(MAX_PASSES * n_layers, sizeof *ms);
    mnas_layer_time *layers = calloc(n_layers, sizeof *layers);
    int n = 0, rc = 0;
    if (!ms || !layers) rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: times of %zu layers", n_layers);
    if (rc == 0) rc = warm_up(net->net, request->warmup_ms, ms);
    if (rc == 0) rc = take_passes(net->net, request, ms, &n);
    if (rc == 0) rc = reduce(layers, net, ms, n);
    if (rc == 0) rc = mnas_wire_print_layers(reply_text, layers, (int)n_layers);
    free(layers);
    free(ms);
    return rc;
}

static int check_layers(const mnas_infer *net) {
    if (mnas_infer_has_layers(net)) return 0;
    return mnas_error_set(MNAS_ERR_DEVICE, "%s knows whole networks alone, not the time of each layer",
                          mnas_infer_name(net));
}

int mnas_device_worker_layers(FILE *in, FILE *out) {
    mnas_worker_job job = {0};
    mnas_worker_net net = {0};
    char *reply = NULL;
    int rc = mnas_worker_open(&job, in);
    if (rc == 0) rc = mnas_worker_build(&net, &job, job.request.model, true);
    if (rc == 0) rc = check_layers(net.net);
    if (rc == 0) rc = time_layers(&reply, &net, &job.request);
    mnas_worker_unbuild(&net);
    mnas_worker_close(&job);
    return mnas_worker_answer(out, rc, reply);
}
