/* roofline.c - how fast a training step can be on this machine at all, and the share of it that was reached.
 *
 *     bench_roofline THREADS [f32|bf16] [CASE[=IMAGES_PER_S]...]
 *
 * First the machine is measured (common/peak.h), then each case's floor is computed: the time of a step whose arithmetic runs at
 * the peak and which moves nothing but what exact batch-norm forces it to move (common/floor.h says what and why). Cases:
 * all, with the images/s of a measured step or without.
 *
 * Not counted, as if they were free: the loss, dropout, activations, batch-norm's own arithmetic, squeeze-and-excitation,
 * latency, parallel regions and their uneven ends. No implementation reaches 100 %.
 */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "blocks/net.h"
#include "common/cases.h"
#include "common/floor.h"

static void print_peak(const peak *p) {
    printf("%d thread%s      copy   triad    read  GB/s\n", p->threads, p->threads > 1 ? "s" : " ");
    for (int i = 0; i < PEAK_LEVELS; i++) {
        printf("%-6s %4zu MB  %6.1f  %6.1f  %6.1f\n", peak_level_names[i], p->bytes[i] >> 20,
               p->at[i].copy / 1e9, p->at[i].triad / 1e9, p->at[i].read / 1e9);
    }
    printf("multiply-adds  f32 %.0f GFLOP/s", p->flops / 1e9);
    if (p->bf16_flops > 0) printf(", bf16 %.0f GFLOP/s", p->bf16_flops / 1e9);
    printf("\n");
}

static int print_case(const bench_case *c, double images_per_s, const peak *p, bool bf16) {
    mnas_model model;
    mnas_graph *graph;
    step_floor f;
    int rc = bench_case_model(c, &model);
    if (rc == 0) rc = mnas_net_build(&graph, &model);
    if (rc < 0) return rc;
    rc = floor_of(&f, graph, c->batch, p, bf16);
    if (rc == 0) {
        printf("%-9s %8.1f ms %9.1f  %7.1f ms %7.1f ms  %7.0f MB %6.1f G", c->name, f.step_s * 1e3,
               c->batch / f.step_s, f.arithmetic_s * 1e3, f.memory_s * 1e3, f.bytes / 1e6, f.flops / 1e9);
        if (images_per_s > 0)
            printf("  %8.1f %5.0f %%", images_per_s, images_per_s * f.step_s / c->batch * 100);
        printf("\n");
    }
    mnas_graph_destroy(graph);
    return rc;
}

/* CASE or CASE=IMAGES_PER_S */
static const bench_case *read_case(const char *word, double *images_per_s) {
    char name[64];
    const char *is = strchr(word, '=');
    *images_per_s = is ? atof(is + 1) : 0;
    snprintf(name, sizeof name, "%.*s", is ? (int)(is - word) : 63, word);
    return bench_case_find(name);
}

static int print_cases(int n, char **words, const peak *p, bool bf16) {
    printf("\n%-9s %11s %9s  %10s %10s  %10s %8s  %8s %7s\n", "case", "floor", "images/s", "arithmetic",
           "memory", "moved", "FLOP", "measured", "reached");
    for (int i = 0; i < (n > 0 ? n : BENCH_CASES); i++) {
        double images_per_s = 0;
        const bench_case *c = n > 0 ? read_case(words[i], &images_per_s) : &bench_cases[i];
        if (!c) return 2;
        if (print_case(c, images_per_s, p, bf16) < 0) {
            fprintf(stderr, "bench_roofline: %s\n", mnas_error_message());
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    int n_threads = argc > 1 ? atoi(argv[1]) : 0, at = 2;
    bool bf16 = argc > 2 && strcmp(argv[2], "bf16") == 0;
    if (bf16 || (argc > 2 && strcmp(argv[2], "f32") == 0)) at++;
    peak p;
    if (n_threads < 1) {
        fprintf(stderr, "usage: bench_roofline THREADS [f32|bf16] [CASE[=IMAGES_PER_S]...]\n");
        return 2;
    }
    for (int threads = 1; threads <= n_threads; threads += n_threads > 1 ? n_threads - 1 : 1) {
        if (peak_measure(&p, threads) < 0) {
            fprintf(stderr, "bench_roofline: no memory to measure with\n");
            return 1;
        }
        print_peak(&p);
    }
    if (bf16 && p.bf16_flops <= 0) printf("no bf16 multiply-adds here: arithmetic as in f32\n");
    return print_cases(argc - at, argv + at, &p, bf16);
}
