/* profile.c - where the milliseconds of a network go on a device, and what bounds each layer there.
 *
 * A layer's floor is the longer of two times: its multiply-adds at the device's peak; its maps and weights, each read or
 * written once, at the bandwidth of the level of memory that holds them. Maps have just been written by the layer before, so
 * theirs is the level that holds the layer's own; weights come round once in a run, so theirs is the level that holds all
 * the network's. Peaks are one thread's: of several threads no floor is known.
 */
#include "search/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "blocks/fold.h"
#include "blocks/net.h"
#include "device/device.h"
#include "device/peaks.h"
#include "ops/cost.h"

/* ---- what a layer has to do ---- */

static double tensor_bytes(const mnas_graph *graph, int node) {
    return (double)mnas_shape_size(graph->nodes[node].out) * sizeof(float);
}

/* Nodes before..last of the graph, before excluded, run as one layer: it reads what others made, each once. */
static double read_bytes(const mnas_graph *graph, int before, int last) {
    double bytes = 0;
    for (int from = 0; from <= before; from++) {
        bool reads = false;
        for (int i = before + 1; i <= last; i++)
            for (int k = 0; k < graph->nodes[i].n_in; k++) reads = reads || graph->nodes[i].in[k] == from;
        if (reads) bytes += tensor_bytes(graph, from);
    }
    return bytes;
}

static double weight_bytes(const mnas_graph *graph, int before, int last) {
    double bytes = 0;
    for (int i = before + 1; i <= last; i++)
        for (int k = 0; k < graph->nodes[i].n_params; k++)
            bytes += (double)graph->params[graph->nodes[i].params[k]].size * sizeof(float);
    return bytes;
}

static void describe(mnas_layer_profile *l, const mnas_graph *graph, int before, int last) {
    mnas_layer_cost cost;
    for (int i = before + 1; i <= last; i++) {
        mnas_cost_of_node(&cost, graph, i);
        l->macs += cost.macs;
    }
    l->op = cost.op;
    l->out_h = cost.out_h;
    l->out_w = cost.out_w;
    l->out_c = cost.out_c;
    l->kernel = cost.kernel;
    l->map_bytes = read_bytes(graph, before, last) + tensor_bytes(graph, last);
    l->weight_bytes = weight_bytes(graph, before, last);
}

/* ---- what the device could do ---- */

static void set_floors(mnas_layer_profile *l, const mnas_peaks *peaks, double network_bytes) {
    l->arithmetic_ms = l->memory_ms = l->reached_frac = NAN;
    if (peaks->n_levels == 0) return;
    l->arithmetic_ms = 2e3 * (double)l->macs / peaks->flops_per_s;
    l->memory_ms = 1e3 * (l->map_bytes / mnas_peaks_bandwidth(peaks, l->map_bytes) +
                          l->weight_bytes / mnas_peaks_bandwidth(peaks, network_bytes));
    l->reached_frac = fmax(l->arithmetic_ms, l->memory_ms) / l->ms;
}

static void add_up(mnas_profile *p, const mnas_layer_profile *l) {
    p->macs += l->macs;
    p->floor_ms += fmax(l->arithmetic_ms, l->memory_ms);
    p->by_memory_ms += isnan(l->memory_ms) ? (double)NAN : l->memory_ms > l->arithmetic_ms ? l->ms : 0;
}

/* Each layer is the nodes behind the one before it, up to its own. */
static int fill(mnas_profile *p, const mnas_graph *graph, const mnas_layer_time *times, int n) {
    const double network_bytes = weight_bytes(graph, 0, graph->n_nodes - 1);
    if (!(p->layers = calloc((size_t)n, sizeof *p->layers)))
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: profile of %d layers", n);
    p->n_layers = n;
    p->layers_ms = p->floor_ms = p->by_memory_ms = 0;
    p->macs = 0;
    for (int i = 0; i < n; i++) p->layers_ms += times[i].ms;
    for (int i = 0, before = 0; i < n; i++) {
        mnas_layer_profile *l = &p->layers[i];
        const int node = mnas_graph_find_node(graph, times[i].name);
        if (node <= before)
            return mnas_error_set(MNAS_ERR_DEVICE,
                                  "the device timed a layer %s, which the network does not have there",
                                  times[i].name);
        memcpy(l->name, times[i].name, sizeof l->name);
        l->ms = times[i].ms;
        l->share_frac = l->ms / p->layers_ms;
        describe(l, graph, before, node);
        l->flops_per_s = l->macs > 0 ? 2e3 * (double)l->macs / l->ms : (double)NAN;
        set_floors(l, &p->peaks, network_bytes);
        add_up(p, l);
        before = node;
    }
    return 0;
}

int mnas_profile_fill(mnas_profile *p, const mnas_layer_time *times, int n) {
    mnas_graph *graph = NULL, *folded = NULL;
    int rc = mnas_net_build(&graph, &p->model);
    if (rc == 0) rc = mnas_fold_graph(&folded, graph);
    if (rc == 0) rc = fill(p, folded, times, n);
    mnas_graph_destroy(folded);
    mnas_graph_destroy(graph);
    return rc;
}

/* ---- asking the device ---- */

static int take_peaks(mnas_profile *p, mnas_device *device) {
    mnas_meter *meter = mnas_device_meter(device);
    return meter && p->latency.threads == 1 ? mnas_meter_peaks(meter, &p->peaks) : 0;
}

static int take_layers(mnas_profile *p, mnas_device *device) {
    mnas_layer_time *times = NULL;
    int n = 0;
    int rc = mnas_device_measure_layers(device, &p->model, &times, &n);
    if (rc == 0) rc = take_peaks(p, device);
    if (rc == 0) rc = mnas_profile_fill(p, times, n);
    free(times);
    return rc;
}

/* The latency is the result, and stands without the layers. */
static int forgive(mnas_profile *p, int rc) {
    if (rc == 0 || rc == MNAS_ERR_CANCELLED || rc == MNAS_ERR_MEMORY) return rc;
    free(p->layers);
    p->layers = NULL;
    p->n_layers = 0;
    snprintf(p->no_layers, sizeof p->no_layers, "%s", mnas_error_message());
    return 0;
}

int mnas_profile_take(mnas_profile *out, const mnas_model *model, const char *device_spec, bool layers) {
    mnas_device *device;
    *out = (mnas_profile){.model = *model};
    int rc = mnas_device_open(&device, device_spec);
    if (rc < 0) return rc;
    rc = mnas_device_measure(device, model, &out->latency);
    if (rc == 0 && layers) rc = forgive(out, take_layers(out, device));
    mnas_device_close(device);
    if (rc < 0) mnas_profile_free(out);
    return rc;
}

void mnas_profile_free(mnas_profile *profile) {
    free(profile->layers);
    profile->layers = NULL;
    profile->n_layers = 0;
}
