/* test_profile.c - layers of a device set against what it could do, and the page that shows it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocks/fold.h"
#include "blocks/net.h"
#include "html_check.h"
#include "model/latency.h"
#include "search/profile.h"

/* 1e11 operations a second; 4e11 bytes a second up to 1 MiB, else 1e10. */
static mnas_peaks some_peaks(void) {
    return (mnas_peaks){.isa = "avx2",
                        .flops_per_s = 1e11,
                        .n_levels = 2,
                        .levels = {{"L2", 1 << 20, 4e11}, {"memory", INFINITY, 1e10}}};
}

/* The inference graph's layers, or every second of them as an engine that fuses would name them; 0.01 ms each. */
static int list_times(mnas_layer_time *times, const mnas_model *model, int step) {
    mnas_graph *graph, *folded;
    int n = 0;
    assert_int_equal(mnas_net_build(&graph, model), 0);
    assert_int_equal(mnas_fold_graph(&folded, graph), 0);
    for (int i = (folded->n_nodes - 1) % step ? 1 : step; i < folded->n_nodes; i += step) {
        memcpy(times[n].name, folded->nodes[i].name, sizeof times[n].name);
        times[n++].ms = 0.01;
    }
    mnas_graph_destroy(folded);
    mnas_graph_destroy(graph);
    return n;
}

static mnas_profile make(const char *name, int step, bool peaks) {
    static mnas_layer_time times[512];
    mnas_profile p = {.latency = {.median_ms = 0.5,
                                  .ci_low_ms = 0.49,
                                  .ci_high_ms = 0.52,
                                  .ci_level = 0.95,
                                  .rounds = 7,
                                  .runs = 100,
                                  .threads = 1,
                                  .core = 1,
                                  .drift_frac = NAN,
                                  .load_before = NAN,
                                  .load_after = NAN,
                                  .freq_before_mhz = NAN,
                                  .freq_mhz = NAN,
                                  .temp_before_c = NAN,
                                  .temp_c = 51,
                                  .device = "local",
                                  .engine = "xnnpack"}};
    assert_int_equal(mnas_model_open(&p.model, name, 64), 0);
    if (peaks) p.peaks = some_peaks();
    assert_int_equal(mnas_profile_fill(&p, times, list_times(times, &p.model, step)), 0);
    return p;
}

static const mnas_layer_profile *find(const mnas_profile *p, const char *name) {
    for (int i = 0; i < p->n_layers; i++)
        if (strcmp(p->layers[i].name, name) == 0) return &p->layers[i];
    fail_msg("no layer %s", name);
    return NULL;
}

/* blocks.0.0.conv_pw of B1 at 64: 32x32x32 to 32x32x16. */
static void test_floors(void **state) {
    (void)state;
    mnas_profile p = make("mnasnet-b1", 1, true);
    const mnas_layer_profile *l = find(&p, "blocks.0.0.conv_pw");
    assert_int_equal(l->macs, 32 * 32 * 32 * 16);
    assert_true(l->map_bytes == 4 * (32 * 32 * 32 + 32 * 32 * 16));
    assert_true(l->weight_bytes == 4 * (32 * 16 + 16)); /* batch-norm is its bias */
    assert_true(fabs(l->flops_per_s - 2e5 * (double)l->macs) < 1);
    assert_true(fabs(l->arithmetic_ms - 2e3 * (double)l->macs / 1e11) < 1e-12);
    /* its maps fit into L2, the network's weights do not */
    assert_true(fabs(l->memory_ms - 1e3 * (l->map_bytes / 4e11 + l->weight_bytes / 1e10)) < 1e-12);
    assert_true(fabs(l->reached_frac - l->arithmetic_ms / 0.01) < 1e-12);
    const mnas_layer_profile *dense = find(&p, "classifier");
    assert_true(dense->memory_ms > dense->arithmetic_ms);
    const mnas_layer_profile *add =
        find(&p, "blocks.1.1.add"); /* reads two maps, writes one, multiplies nothing */
    assert_true(isnan(add->flops_per_s) && add->map_bytes == 3 * 4 * 16 * 16 * 24 && add->weight_bytes == 0);
    assert_true(fabs(p.layers_ms - 0.01 * p.n_layers) < 1e-9);
    double floor_ms = 0, by_memory_ms = 0;
    for (int i = 0; i < p.n_layers; i++) {
        floor_ms += fmax(p.layers[i].memory_ms, p.layers[i].arithmetic_ms);
        by_memory_ms += p.layers[i].memory_ms > p.layers[i].arithmetic_ms ? 0.01 : 0;
    }
    assert_true(fabs(p.floor_ms - floor_ms) < 1e-9 && fabs(p.by_memory_ms - by_memory_ms) < 1e-9);
    mnas_profile_free(&p);
    p = make("mnasnet-b1", 1, false);
    assert_true(isnan(p.floor_ms) && isnan(p.by_memory_ms) && p.macs > 0);
    mnas_profile_free(&p);
}

/* However an engine groups them, nothing of the network is lost, and a map between two nodes of a group is not counted. */
static void test_fused_layers(void **state) {
    (void)state;
    mnas_profile one = make("mnasnet-b1", 1, true), two = make("mnasnet-b1", 2, true);
    mnas_cost cost;
    int64_t macs[2] = {0};
    double weights[2] = {0}, maps[2] = {0};
    assert_int_equal(mnas_cost_compute(&cost, &one.model, 1), 0);
    for (int i = 0; i < one.n_layers; i++)
        macs[0] += one.layers[i].macs, weights[0] += one.layers[i].weight_bytes,
            maps[0] += one.layers[i].map_bytes;
    for (int i = 0; i < two.n_layers; i++)
        macs[1] += two.layers[i].macs, weights[1] += two.layers[i].weight_bytes,
            maps[1] += two.layers[i].map_bytes;
    assert_int_equal(macs[0], cost.macs);
    assert_int_equal(macs[1], cost.macs);
    assert_true(weights[0] == weights[1] && maps[1] < 0.8 * maps[0]);
    assert_true(two.n_layers < one.n_layers);
    mnas_cost_free(&cost);
    mnas_profile_free(&one);
    mnas_profile_free(&two);
}

static void test_foreign_layers_are_refused(void **state) {
    (void)state;
    mnas_profile p = {0};
    const mnas_layer_time unknown[] = {{"conv_stem", 1}, {"blocks.77.0.conv", 1}},
                          backward[] = {{"blocks.0.0.conv_dw", 1}, {"conv_stem", 1}};
    assert_int_equal(mnas_model_open(&p.model, "mnasnet-b1", 64), 0);
    assert_int_equal(mnas_profile_fill(&p, unknown, 2), MNAS_ERR_DEVICE);
    mnas_profile_free(&p);
    assert_int_equal(mnas_profile_fill(&p, backward, 2), MNAS_ERR_DEVICE);
    mnas_profile_free(&p);
}

/* ---- the page ---- */

static int count(const char *html, const char *part) {
    int n = 0;
    for (const char *at = html; (at = strstr(at, part)); at += strlen(part)) n++;
    return n;
}

static void check_page(const mnas_profile *p, mnas_str *page, const char *name) {
    assert_int_equal(mnas_profile_render(p, name, page), 0);
    check_balanced(page->data);
    assert_null(strstr(page->data, "<script"));
    assert_null(strstr(page->data, "http:"));
    assert_null(strstr(page->data, "https:"));
    assert_null(strstr(page->data, "nan"));
    assert_null(strstr(page->data, "inf "));
}

static void test_page(void **state) {
    (void)state;
    mnas_profile p = make("mnasnet-a1", 1, true);
    mnas_str page = {0};
    check_page(&p, &page, "a <b> & \"c\".yaml");
    assert_non_null(strstr(page.data, "a &lt;b&gt; &amp; &quot;c&quot;.yaml"));
    /* each layer is a row and, in either drawing, a piece with its floor */
    assert_int_equal(count(page.data, "<tr><td>"), p.n_layers);
    assert_int_equal(count(page.data, " class=\"room\"></rect>"), 2 * p.n_layers);
    assert_non_null(strstr(page.data, ">block 3<"));
    assert_non_null(strstr(page.data, "<title>blocks.2.0.conv_dw"));
    assert_non_null(strstr(page.data, "class=\"by-memory\""));
    assert_non_null(strstr(page.data, "51 C after"));
    assert_non_null(strstr(page.data, "10 GB/s from memory"));
    mnas_str_free(&page);
    mnas_profile_free(&p);
}

/* Pieces lie side by side and none is longer than the whole. */
static void test_pieces_fill_the_whole(void **state) {
    (void)state;
    mnas_profile p = make("mnasnet-b1", 1, true);
    mnas_str page = {0};
    double end = 0;
    int n = 0;
    check_page(&p, &page, "b1");
    for (const char *at = strstr(page.data, "flame wide"), *tall = strstr(page.data, "flame narrow");
         at && at < tall;) {
        double x, y, w, h;
        char class[16];
        if (!(at = strstr(at, "<rect x=")) || at > tall) break;
        assert_int_equal(sscanf(at, "<rect x=\"%lf\" y=\"%lf\" width=\"%lf\" height=\"%lf\" class=\"%15[^\"]",
                                &x, &y, &w, &h, class),
                         5);
        at++;
        if (class[0] != 'f') continue;
        assert_true(fabs(x - end) < 0.02 * (n + 1));
        end = x + w;
        n++;
    }
    assert_int_equal(n, p.n_layers);
    assert_true(fabs(end - 960) < 1);
    mnas_str_free(&page);
    mnas_profile_free(&p);
}

static void test_page_of_what_is_unknown(void **state) {
    (void)state;
    mnas_str page = {0};
    mnas_profile p = make("mnasnet-b1", 1, false); /* layers without peaks */
    p.latency.emulated = p.latency.wide = true;
    check_page(&p, &page, "b1");
    assert_null(strstr(page.data, "class=\"room\""));
    assert_non_null(strstr(page.data, "under an emulator"));
    assert_non_null(strstr(page.data, "Less sure than was asked for"));
    mnas_str_free(&page);
    mnas_profile_free(&p);
    snprintf(p.no_layers, sizeof p.no_layers, "device table knows <whole> networks alone");
    p.latency.rounds = -1; /* recorded elsewhere */
    check_page(&p, &page, "b1");
    assert_non_null(strstr(page.data, "knows &lt;whole&gt; networks"));
    assert_int_equal(count(page.data, "<svg"), 0);
    mnas_str_free(&page);
    p.latency = mnas_latency_unknown(); /* a program of the user's tells next to nothing */
    p.latency.median_ms = 3, p.latency.rounds = 5;
    check_page(&p, &page, "b1");
    assert_non_null(strstr(page.data, "5 rounds of a fresh process each<"));
    assert_null(strstr(page.data, "-1"));
    mnas_str_free(&page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floors),
        cmocka_unit_test(test_fused_layers),
        cmocka_unit_test(test_foreign_layers_are_refused),
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_pieces_fill_the_whole),
        cmocka_unit_test(test_page_of_what_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
