/* test_latency_model.c - latency models of made-up devices whose law is known: it is found again, the stated error is that on
 * fresh networks, and what is stored comes back the same or is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "base/stats.h"
#include "model/latency.h"
#include "search/latency_model.h"

enum { N_FIT = 60, N_FRESH = N_FIT, N_ALL = N_FIT + N_FRESH };
#define PATH MNAS_TEST_TMP "/latency_model.json"

/* ---- a device ---- */

typedef struct device {
    double curved; /* how much a layer's time depends on its width beyond its arithmetic */
    double noise;  /* of a measurement, standard deviation */
    bool layers;   /* tells them */
} device;

/* ms of one layer: arithmetic at a rate of its kind, traffic, and a curve over the width. */
static double layer_ms(const device *d, const mnas_lm_layer *l) {
    double f[MNAS_LM_FEATURES];
    mnas_lm_features(f, l);
    const double per_mmac = strncmp(l->kind, "dwconv", 6) == 0 ? 0.2 : strchr(l->kind, '5') ? 0.04 : 0.02;
    return (per_mmac * f[0] + 0.1 * f[1] + 0.3 * f[2] + 0.5 * f[3] + 0.1 * f[4]) *
           (1 + d->curved * sin(log2(l->out_c)));
}

static void draw(mnas_model *out, const mnas_space *space, uint64_t i) {
    int tokens[256];
    mnas_rng rng = mnas_rng_stream(3, i, "test networks");
    for (int k = 0; k < mnas_space_n_decisions(space); k++)
        tokens[k] = (int)mnas_rng_below(&rng, (uint32_t)mnas_space_decision(space, k)->n_choices);
    assert_int_equal(mnas_space_decode(space, tokens, out), 0);
}

static void measure(mnas_measured *m, const device *d, uint64_t i) {
    mnas_lm_net net;
    mnas_rng rng = mnas_rng_stream(4, i, "test noise");
    assert_int_equal(mnas_lm_net_open(&net, &m->network), 0);
    m->latency = mnas_latency_unknown();
    m->latency.median_ms = 0;
    if (d->layers) m->layers = calloc((size_t)net.n, sizeof *m->layers);
    for (int l = 0; l < net.n; l++) {
        const double ms = layer_ms(d, &net.layers[l]);
        m->latency.median_ms += ms;
        if (!d->layers) continue;
        memcpy(m->layers[l].name, net.names[l], sizeof m->layers[l].name);
        m->layers[m->n_layers++].ms = 1.2 * ms * exp(0.05 * mnas_rng_normal(&rng)); /* alone it is slower */
    }
    m->latency.median_ms *= exp(d->noise * mnas_rng_normal(&rng));
    snprintf(m->latency.device, sizeof m->latency.device, "made up");
    snprintf(m->latency.engine, sizeof m->latency.engine, "none");
    mnas_lm_net_close(&net);
}

static mnas_measured *make(const device *d, int n) {
    mnas_space *space;
    mnas_measured *all = calloc((size_t)n, sizeof *all);
    assert_non_null(all);
    assert_int_equal(mnas_space_open(&space, "mnasnet-28"), 0);
    for (int i = 0; i < n; i++) {
        draw(&all[i].network, space, (uint64_t)i);
        measure(&all[i], d, (uint64_t)i);
    }
    mnas_space_close(space);
    return all;
}

static void drop(mnas_measured *all, int n) {
    for (int i = 0; i < n; i++) free(all[i].layers);
    free(all);
}

static double error_on(const mnas_latency_model *model, const mnas_measured *networks, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        mnas_latency_guess guess;
        assert_int_equal(mnas_latency_model_predict(&guess, model, &networks[i].network), 0);
        sum += fabs(guess.ms / networks[i].latency.median_ms - 1);
    }
    return sum / n;
}

static mnas_latency_model *fit(const mnas_measured *networks, int n, double target_ms) {
    mnas_latency_model *model;
    if (mnas_latency_model_fit(&model, networks, n, "mnasnet-28", target_ms) < 0)
        fail_msg("%s", mnas_error_message());
    return model;
}

/* ---- a layer as numbers ---- */

static void check_features(const char *kind, const int sizes[5], const double wanted[4], int64_t macs) {
    mnas_lm_layer layer = {.in_size = sizes[0], .in_c = sizes[1], .out_size = sizes[2], .out_c = sizes[3]};
    double f[MNAS_LM_FEATURES];
    layer.width = sizes[4];
    snprintf(layer.kind, sizeof layer.kind, "%s", kind);
    mnas_lm_features(f, &layer);
    for (int i = 0; i < 4; i++)
        if (fabs(f[i] * 1e6 - wanted[i]) > 1e-6)
            fail_msg("%s: feature %d is %g, not %g", kind, i, f[i] * 1e6, wanted[i]);
    assert_int_equal(mnas_lm_macs(&layer), macs);
}

/* Multiply-adds in vectors of 16, bytes read, written, of weights; and multiply-adds as they are. */
static void test_features(void **state) {
    (void)state;
    check_features("conv 3/2", (const int[]){10, 4, 5, 20, 0},
                   (const double[]){25 * 32 * 36, 1600, 2000, 2880}, 25 * 20 * 36);
    check_features("dwconv 5/1", (const int[]){6, 24, 6, 24, 0},
                   (const double[]){36 * 32 * 25, 3456, 3456, 2400}, 36 * 24 * 25);
    check_features("avgpool 3/1", (const int[]){6, 16, 6, 16, 0},
                   (const double[]){36 * 16 * 9, 2304, 2304, 0}, 0);
    check_features("se", (const int[]){6, 24, 6, 24, 6}, (const double[]){288, 3456, 3456, 1152}, 288);
    check_features("dense", (const int[]){1, 32, 1, 10, 0}, (const double[]){512, 128, 40, 1280}, 320);
    check_features("add", (const int[]){6, 24, 6, 24, 0}, (const double[]){0, 3456, 3456, 0}, 0);
}

/* The sum over a network's layers is what the cost model says. */
static void test_layers_of_networks(void **state) {
    (void)state;
    static const char *const names[] = {"mnasnet-a1", "mnasnet-b1", "mobilenet-v2@0.5", "mnasnet-small"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        mnas_model network;
        mnas_lm_net net;
        mnas_cost cost;
        assert_int_equal(mnas_model_open(&network, names[i], 0), 0);
        assert_int_equal(mnas_cost_compute(&cost, &network, 1), 0);
        assert_int_equal(mnas_lm_net_open(&net, &network), 0);
        assert_int_equal(net.macs, cost.macs);
        assert_string_equal(net.names[0], "conv_stem");
        assert_string_equal(net.layers[0].kind, "conv 3/2");
        assert_string_equal(net.layers[net.n - 1].kind, "dense");
        mnas_lm_net_close(&net);
        mnas_cost_free(&cost);
    }
}

/* ---- fitting ---- */

static void test_additive_device_is_found(void **state) {
    (void)state;
    mnas_measured *all = make(&(device){0}, N_ALL);
    mnas_latency_model *model = fit(all, N_FIT, NAN);
    const mnas_latency_about *about = mnas_latency_model_about(model);
    const double actual = error_on(model, all + N_FIT, N_FRESH);
    if (actual > 0.015 || about->error.mean_frac > 0.015)
        fail_msg("%.4f off, states %.4f", actual, about->error.mean_frac);
    assert_true(about->error.kendall_tau > 0.97 && about->error.within_10_frac > 0.98);
    assert_true(about->baseline[0].mean_frac > 3 * about->error.mean_frac); /* multiply-adds alone */
    assert_true(isnan(about->baseline[1].mean_frac));                       /* no layers were timed */
    assert_int_equal(about->n_layered, 0);
    assert_int_equal(about->n_networks, N_FIT);
    mnas_latency_model_free(model);
    drop(all, N_ALL);
}

/* How many of networks[n] lie in the stated range of nine in ten. */
static int count_inside(const mnas_latency_model *model, const mnas_measured *networks, int n) {
    int n_inside = 0;
    for (int i = 0; i < n; i++) {
        mnas_latency_guess g;
        assert_int_equal(mnas_latency_model_predict(&g, model, &networks[i].network), 0);
        const double ms = networks[i].latency.median_ms;
        n_inside += !g.outside && ms >= g.low_ms && ms <= g.high_ms;
    }
    return n_inside;
}

/* A curve that the rates do not know, and noise: the correction learns the one, the statement has the other in it. Each half is
 * guessed from the other. */
static void test_stated_error_holds(void **state) {
    (void)state;
    mnas_measured *all = make(&(device){.curved = 0.3, .noise = 0.03}, N_ALL);
    double ms[N_ALL], stated = 0, actual = 0;
    int n_inside = 0;
    for (int i = 0; i < N_ALL; i++) ms[i] = all[i].latency.median_ms;
    const double target = mnas_stats_median(ms, N_ALL);
    for (int half = 0; half < 2; half++) {
        const mnas_measured *fresh = all + (half ? 0 : N_FIT);
        mnas_latency_model *model = fit(all + (half ? N_FIT : 0), N_FIT, target);
        const mnas_latency_error *e = &mnas_latency_model_about(model)->error;
        assert_true(e->n_near > 0 && e->n_near < N_FIT && e->near_frac < 0.1);
        stated += e->mean_frac / 2;
        actual += error_on(model, fresh, N_FIT) / 2;
        n_inside += count_inside(model, fresh, N_FIT);
        mnas_latency_model_free(model);
    }
    if (stated < 0.75 * actual || stated > 1.4 * actual || actual > 0.048) /* without the correction 0.0494 */
        fail_msg("%.4f off, states %.4f", actual, stated);
    assert_in_range(n_inside, N_ALL * 80 / 100, N_ALL * 98 / 100);
    drop(all, N_ALL);
}

static void test_single_layers_help(void **state) {
    (void)state;
    enum { N_FEW = 20 };
    double off[2];
    for (int layers = 0; layers < 2; layers++) {
        mnas_measured *all = make(&(device){.curved = 0.3, .noise = 0.02, .layers = layers}, N_FEW + N_FRESH);
        mnas_latency_model *model = fit(all, N_FEW, NAN);
        off[layers] = error_on(model, all + N_FEW, N_FRESH);
        if (layers) assert_true(mnas_latency_model_about(model)->baseline[1].mean_frac < 0.3);
        mnas_latency_model_free(model);
        drop(all, N_FEW + N_FRESH);
    }
    if (!(off[1] < 0.75 * off[0])) fail_msg("%.4f off with layers, %.4f without", off[1], off[0]);
}

static void check_unfit(mnas_measured *all, int n, const char *part) {
    mnas_latency_model *model = NULL;
    assert_int_equal(mnas_latency_model_fit(&model, all, n, "", NAN), MNAS_ERR_ARG);
    assert_null(model);
    if (!strstr(mnas_error_message(), part)) fail_msg("%s", mnas_error_message());
}

static void test_what_does_not_belong_together(void **state) {
    (void)state;
    mnas_measured *all = make(&(device){0}, 12);
    check_unfit(all, 9, "allowed: 10");
    all[3].latency.median_ms = 0;
    check_unfit(all, 12, "more than 0");
    all[3].latency.median_ms = NAN;
    check_unfit(all, 12, "more than 0");
    all[3].latency.median_ms = 1;
    snprintf(all[4].latency.device, sizeof all[4].latency.device, "another");
    check_unfit(all, 12, "of one device");
    snprintf(all[4].latency.device, sizeof all[4].latency.device, "made up");
    all[5].network.input_size = 32;
    check_unfit(all, 12, "of one size");
    drop(all, 12);
}

/* ---- what is unlike ---- */

static void check_outside(const mnas_latency_model *model, const mnas_model *network, const char *part) {
    mnas_latency_guess guess;
    assert_int_equal(mnas_latency_model_predict(&guess, model, network), 0);
    assert_true(guess.outside && isnan(guess.error_frac) && isnan(guess.low_ms) && guess.ms > 0);
    if (!strstr(guess.why, part)) fail_msg("%s", guess.why);
}

static void test_outside(void **state) {
    (void)state;
    mnas_measured *all = make(&(device){0}, N_FIT);
    mnas_latency_model *model = fit(all, N_FIT, NAN);
    mnas_latency_guess guess;
    mnas_model network = all[0].network;
    assert_int_equal(mnas_latency_model_predict(&guess, model, &network), 0);
    assert_true(!guess.outside && !guess.why[0] && guess.error_frac > 0);
    network.input_size = 64;
    check_outside(model, &network, "64 pixels");
    network = all[0].network;
    network.blocks[1].kernel = 7;
    check_outside(model, &network, "7/");
    network = all[0].network;
    network.head_filters = 60000;
    check_outside(model, &network, "larger");
    network = all[0].network;
    network.stem_filters = 0;
    assert_int_equal(mnas_latency_model_predict(&guess, model, &network), MNAS_ERR_INVALID);
    mnas_latency_model_free(model);
    drop(all, N_FIT);
}

/* ---- files ---- */

static json_t *stored(void) {
    mnas_measured *all = make(&(device){.curved = 0.3, .noise = 0.02}, 12);
    mnas_latency_model *model = fit(all, 12, 0.2);
    assert_int_equal(mnas_latency_model_save(model, PATH), 0);
    mnas_latency_model_free(model);
    drop(all, 12);
    json_t *root = json_load_file(PATH, 0, NULL);
    assert_non_null(root);
    return root;
}

static void test_round_trip(void **state) {
    (void)state;
    mnas_measured *all = make(&(device){.curved = 0.3, .noise = 0.02, .layers = true}, N_FIT);
    mnas_latency_model *model = fit(all, 30, 0.1), *again;
    assert_int_equal(mnas_latency_model_save(model, PATH), 0);
    assert_int_equal(mnas_latency_model_load(&again, PATH), 0);
    for (int i = 0; i < N_FIT; i++) {
        mnas_latency_guess a, b;
        assert_int_equal(mnas_latency_model_predict(&a, model, &all[i].network), 0);
        assert_int_equal(mnas_latency_model_predict(&b, again, &all[i].network), 0);
        assert_true(a.ms == b.ms && a.outside == b.outside);
        assert_true(a.outside || (a.low_ms == b.low_ms && a.error_frac == b.error_frac));
    }
    const mnas_latency_about *a = mnas_latency_model_about(model), *b = mnas_latency_model_about(again);
    assert_string_equal(a->space, b->space);
    assert_string_equal(b->conditions.device, "made up");
    assert_int_equal(b->n_layered, 30);
    assert_true(a->error.mean_frac == b->error.mean_frac && a->target_ms == b->target_ms);
    assert_true(a->baseline[2].worst_frac == b->baseline[2].worst_frac);
    assert_string_equal(b->baseline[1].way, "layers");
    mnas_latency_model_free(again);
    mnas_latency_model_free(model);
    drop(all, N_FIT);
    unlink(PATH);
}

/* The stored file with `value` at `path` ("kinds/0/rate"; it is taken over) is refused with `part` in the message. */
static void check_lie(const json_t *good, const char *path, json_t *value, const char *part) {
    mnas_latency_model *model = NULL;
    char word[64];
    json_t *root = json_deep_copy(good), *at = root;
    for (size_t n; n = strcspn(path, "/"), path[n]; path += n + 1) {
        snprintf(word, sizeof word, "%.*s", (int)n, path);
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(word)) : json_object_get(at, word);
    }
    assert_int_equal(json_is_array(at) ? json_array_set_new(at, (size_t)atoi(path), value)
                                       : json_object_set_new(at, path, value),
                     0);
    assert_int_equal(json_dump_file(root, PATH, 0), 0);
    const int rc = mnas_latency_model_load(&model, PATH);
    if (rc != MNAS_ERR_FORMAT || model || !strstr(mnas_error_message(), part))
        fail_msg("%s: %d, %s", path, rc, mnas_error_message());
    json_decref(root);
}

static void test_lies(void **state) {
    (void)state;
    mnas_latency_model *model;
    json_t *good = stored();
    check_lie(good, "latency_model", json_integer(2), "version 2");
    check_lie(good, "latency_model", json_string("1"), "no latency model");
    check_lie(good, "input_size", json_integer(0), "input_size");
    check_lie(good, "low_ms", json_real(1e8), "latencies from");
    check_lie(good, "conditions", json_null(), "conditions");
    check_lie(good, "error", json_integer(3), "\"error\"");
    check_lie(good, "error/mean_frac", json_real(-0.1), "mean_frac");
    check_lie(good, "error/n_near", json_integer(13), "n_near");
    check_lie(good, "baselines", json_array(), "baselines");
    check_lie(good, "scale", json_real(0), "scale");
    check_lie(good, "kinds", json_array(), "0 kinds");
    check_lie(good, "kinds/0/kind", json_string("zzz"), "in the order");
    check_lie(good, "kinds/0/kind", json_string("a kind of a very long name"), "\"kind\"");
    check_lie(good, "kinds/0/rate", json_array(), "expected: 5");
    check_lie(good, "kinds/0/rate/2", json_real(-1), "allowed: 0");
    check_lie(good, "kinds/0/layers", json_array(), "0 layers");
    check_lie(good, "kinds/0/layers/0/1", json_integer(0), "no layer's");
    check_lie(good, "kinds/0/layers/0/2", json_real(1.5), "no layer's");
    check_lie(good, "kinds/0/layers/0/5", json_string("1"), "number 5");
    assert_int_equal(mnas_file_write_atomic(PATH, "{\"latency_model\": 1", 19), 0);
    assert_int_equal(mnas_latency_model_load(&model, PATH), MNAS_ERR_FORMAT);
    unlink(PATH);
    assert_int_equal(mnas_latency_model_load(&model, PATH), MNAS_ERR_IO);
    json_decref(good);
}

/* ---- the record ---- */

#define RECORD MNAS_TEST_TMP "/latency_model.record"

static void test_record(void **state) {
    (void)state;
    mnas_measured *all = make(&(device){.layers = true}, 2);
    mnas_lm_record *record;
    mnas_latency found;
    mnas_layer_time *layers;
    char key[17];
    int n;
    unlink(RECORD);
    unlink(RECORD ".layers");
    assert_int_equal(mnas_model_key(&all[1].network, key), 0);
    assert_int_equal(mnas_lm_record_open(&record, RECORD), 0);
    assert_false(mnas_lm_record_find(record, key, &found));
    for (int i = 0; i < 2; i++)
        assert_int_equal(mnas_lm_record_add(record, &all[i].network, &all[i].latency), 0);
    assert_int_equal(mnas_lm_record_add_layers(record, key, all[1].layers, all[1].n_layers), 0);
    snprintf(all[0].latency.device, sizeof all[0].latency.device, "another");
    assert_int_equal(mnas_lm_record_add(record, &all[0].network, &all[0].latency), MNAS_ERR_MISMATCH);
    mnas_lm_record_close(record);

    FILE *f = fopen(RECORD, "a"); /* a crash in the middle of a line */
    assert_non_null(f);
    fputs("{\"key\":\"0123", f);
    fclose(f);
    for (int i = 0; i < 2; i++) { /* the second time nothing is left to take off */
        assert_int_equal(mnas_lm_record_open(&record, RECORD), 0);
        assert_int_equal(mnas_lm_record_add(record, &all[1].network, &all[1].latency), 0);
        assert_true(mnas_lm_record_find(record, key, &found) && found.median_ms == all[1].latency.median_ms);
        assert_int_equal(mnas_lm_record_find_layers(record, key, &layers, &n), 0);
        assert_int_equal(n, all[1].n_layers);
        assert_string_equal(layers[3].name, all[1].layers[3].name);
        assert_true(fabs(layers[3].ms - all[1].layers[3].ms) <= 1e-12 * layers[3].ms);
        free(layers);
        mnas_lm_record_close(record);
    }
    f = fopen(RECORD, "a");
    assert_non_null(f);
    fputs("{\"key\":\"0123\"}\n", f);
    fclose(f);
    assert_int_equal(mnas_lm_record_open(&record, RECORD), MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), ":5"));
    drop(all, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_layers_of_networks),
        cmocka_unit_test(test_additive_device_is_found),
        cmocka_unit_test(test_stated_error_holds),
        cmocka_unit_test(test_single_layers_help),
        cmocka_unit_test(test_what_does_not_belong_together),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
