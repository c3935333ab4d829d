/* infer.c - one image, one thread: a case's network on one of our engines.
 *
 *     bench_infer CASE [ENGINE=native] [SECONDS=2] [layers|split]
 *
 * Prints one line of JSON: milliseconds of a run (median, quartiles, least) after a warm-up of a tenth of the time. `layers`
 * instead prints the median of each layer as the engine runs it, timed in its place within a run; `split` with nothing fused.
 * Weights are random: a time does not depend on them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/stats.h"
#include "blocks/fold.h"
#include "blocks/net.h"
#include "common/cases.h"
#include "infer/engine.h"

enum { MIN_RUNS = 5, MAX_RUNS = 100000, LAYER_RUNS = 201 };

static int open_net(mnas_infer **net, mnas_graph **folded, mnas_weights **w, const char *name,
                    const char *engine, bool by_layer) {
    const bench_case *c = bench_case_find(name);
    mnas_model model;
    mnas_graph *g = NULL;
    if (!c || bench_case_model(c, &model) < 0 || mnas_net_build(&g, &model) < 0) return -1;
    int rc = mnas_fold(folded, w, g, NULL);
    if (rc == 0) rc = mnas_infer_create(net, engine, &(mnas_infer_job){*folded, *w, 1, by_layer});
    mnas_graph_destroy(g);
    return rc;
}

static double run_ms(mnas_infer *net) {
    const int64_t start = mnas_clock_now_ns();
    (void)mnas_infer_invoke(net);
    return (double)(mnas_clock_now_ns() - start) / 1e6;
}

static void time_whole(mnas_infer *net, double seconds) {
    double *ms = malloc(MAX_RUNS * sizeof *ms);
    size_t n = 0;
    if (!ms) return;
    const double start_s = mnas_clock_now_s();
    while (mnas_clock_now_s() < start_s + seconds / 10) (void)run_ms(net);
    while (n < MIN_RUNS || (n < MAX_RUNS && mnas_clock_now_s() < start_s + seconds)) ms[n++] = run_ms(net);
    printf("{\"median_ms\": %.4f, \"q1_ms\": %.4f, \"q3_ms\": %.4f, \"least_ms\": %.4f, \"runs\": %zu}\n",
           mnas_stats_quantile(ms, n, 0.5), mnas_stats_quantile(ms, n, 0.25),
           mnas_stats_quantile(ms, n, 0.75), mnas_stats_quantile(ms, n, 0), n);
    free(ms);
}

static void time_layers(mnas_infer *net, const mnas_graph *g) {
    const int n = mnas_infer_n_layers(net);
    double *ms = calloc((size_t)n * LAYER_RUNS, sizeof *ms), total = 0;
    if (!ms) return;
    for (int run = 0; run < LAYER_RUNS; run++)
        for (int i = 0; i < n; i++) {
            const int64_t start = mnas_clock_now_ns();
            (void)mnas_infer_invoke_layer(net, i);
            ms[i * LAYER_RUNS + run] = (double)(mnas_clock_now_ns() - start) / 1e6;
        }
    for (int i = 0; i < n; i++) {
        const mnas_node *node = &g->nodes[mnas_infer_layer_node(net, i)];
        const double median = mnas_stats_quantile(&ms[i * LAYER_RUNS], LAYER_RUNS, 0.5);
        printf("%-28s %3dx%3dx%4d  %.4f ms\n", node->name, node->out.h, node->out.w, node->out.c, median);
        total += median;
    }
    printf("sum %.4f ms\n", total);
    free(ms);
}

int main(int argc, char **argv) {
    mnas_infer *net;
    mnas_graph *g;
    mnas_weights *w;
    const bool layers = argc > 4 && strcmp(argv[4], "layers") == 0,
               split = argc > 4 && strcmp(argv[4], "split") == 0;
    if (argc < 2) {
        fprintf(stderr, "usage: bench_infer CASE [ENGINE=native] [SECONDS=2] [layers|split]\n");
        return 2;
    }
    if (open_net(&net, &g, &w, argv[1], argc > 2 ? argv[2] : "native", split) < 0) {
        fprintf(stderr, "bench_infer: %s\n", mnas_error_message());
        return 1;
    }
    if (layers || split)
        time_layers(net, g);
    else
        time_whole(net, argc > 3 ? atof(argv[3]) : 2);
    mnas_infer_destroy(net);
    mnas_weights_destroy(w);
    mnas_graph_destroy(g);
    return 0;
}
