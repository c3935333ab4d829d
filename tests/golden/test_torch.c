/* test_torch.c - whole networks against PyTorch, tensor by tensor: loss, all gradients, and all weights and
 * moving statistics after each of three optimiser steps, for both engines. torch_net.py made the fixtures and
 * says what is in them. */
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

#include "base/file.h"
#include "train/trainer.h"

static const double allowed = 1e-4; /* ||a - b|| / ||b||, of each tensor */

/* What torch_net.py calls a network. */
typedef struct variant {
    const char *name;
    bool same; /* padding; and unbiased moving variance */
    mnas_act act;
    const char *arch;
} variant;

#define ARCH(act)                                                                                            \
    "r1_k3_s11_e1_i6_o6_noskip r2_k5_s22_e3_i6_o6_se0.5_skippool" act " r1_k3_s22_e2_i6_o6_skippool "        \
    "r1_k3_s11_e1_i6_o10_se0.25_opsep_skippool" act " r2_k3_s22_e1_i10_o8_se0.25_opconv"
static const variant same = {"torch_same", true, MNAS_ACT_RELU, ARCH("")},
                     symmetric = {"torch_symmetric", false, MNAS_ACT_RELU, ARCH("")},
                     swish = {"torch_swish", true, MNAS_ACT_HSWISH, ARCH("_actswish")};

/* ---- the fixture: a safetensors file whose tensors are looked up by name ---- */

typedef struct fixture {
    char *bytes;
    const char *data;
    json_t *header;
} fixture;

static void open_fixture(fixture *f, const char *name) {
    char path[1024];
    size_t n;
    uint64_t header_bytes;
    snprintf(path, sizeof path, "%s/tests/golden/%s.safetensors", MNAS_SOURCE_DIR, name);
    assert_int_equal(mnas_file_read(path, 16 << 20, &f->bytes, &n), 0);
    memcpy(&header_bytes, f->bytes, 8);
    f->header = json_loadb(f->bytes + 8, header_bytes, 0, NULL);
    assert_non_null(f->header);
    f->data = f->bytes + 8 + header_bytes;
}

static void close_fixture(fixture *f) {
    json_decref(f->header);
    free(f->bytes);
}

/* `size` 4-byte values, copied since a file's tensors need not be aligned. Free them. */
static void *tensor(const fixture *f, const char *name, size_t size) {
    const json_t *range = json_object_get(json_object_get(f->header, name), "data_offsets");
    if (!range) fail_msg("the fixture has no tensor %s", name);
    size_t from = (size_t)json_integer_value(json_array_get(range, 0));
    size_t bytes = (size_t)json_integer_value(json_array_get(range, 1)) - from;
    if (bytes != size * 4) fail_msg("%s has %zu bytes; the network's has %zu", name, bytes, size * 4);
    void *copy = malloc(bytes);
    assert_non_null(copy);
    memcpy(copy, f->data + from, bytes);
    return copy;
}

static float *tensor_of(const fixture *f, const char *stage, const mnas_param *param) {
    char name[128];
    snprintf(name, sizeof name, "%s/%s", stage, param->name);
    return tensor(f, name, param->size);
}

static float scalar(const fixture *f, const char *stage, const char *name) {
    char full[128];
    snprintf(full, sizeof full, "%s.%s", stage, name);
    float *values = tensor(f, full, 1), value = values[0];
    free(values);
    return value;
}

/* ---- comparing ---- */

static double relative_distance(const float *a, const float *b, size_t n) {
    double distance = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        distance += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)b[i] * (double)b[i];
    }
    assert_true(norm > 0);
    return sqrt(distance / norm);
}

/* All tensors of a stage; returns the largest distance. */
static double compare(const fixture *f, const char *stage, const mnas_trainer *t, const mnas_weights *got,
                      bool trainable_only) {
    double worst = 0;
    for (int p = 0; p < t->graph->n_params; p++) {
        const mnas_param *param = &t->graph->params[p];
        if (trainable_only && !param->trainable) continue;
        float *want = tensor_of(f, stage, param);
        double distance = relative_distance(mnas_weights_of(got, param), want, param->size);
        free(want);
        if (!(distance <= allowed)) fail_msg("%s %s: distance %g", stage, param->name, distance);
        if (distance > worst) worst = distance;
    }
    return worst;
}

/* ---- the runs ---- */

enum { BATCH = 6, SIZE = 30, CHANNELS = 3, CLASSES = 7, STEPS = 3 };

static void make_model(mnas_model *model, const variant *v) {
    mnas_model_defaults(model);
    model->stem_filters = 6;
    model->head_filters = 12;
    model->classes = CLASSES;
    model->input_size = SIZE;
    model->input_channels = CHANNELS;
    model->bn_momentum = 0.9;
    model->bn_epsilon = 1e-3;
    model->act = v->act;
    model->padding = v->same ? MNAS_PAD_SAME : MNAS_PAD_SYMMETRIC;
    model->bn_unbiased = v->same;
    model->dropout = 0;
    assert_int_equal(mnas_model_set_arch(model, v->arch), 0);
}

static void open_trainer(mnas_trainer *t, const fixture *f, const variant *v, const char *optimizer,
                         mnas_engine_kind kind) {
    char spec[256];
    mnas_model model;
    mnas_recipe recipe;
    make_model(&model, v);
    snprintf(
        spec, sizeof spec,
        "proxy:optimizer=%s,lr=0.02,batch=6,schedule=constant,warmup-epochs=0,momentum=0.9,rms-decay=0.9,"
        "epsilon=0.001,weight-decay=0.01,label-smoothing=0.1,ema-decay=0,bn-momentum=0.9",
        optimizer);
    assert_int_equal(mnas_recipe_open(&recipe, spec), 0);
    if (mnas_trainer_open(t, &model, &recipe, 100, 1, kind) < 0) fail_msg("%s", mnas_error_message());
    for (int p = 0; p < t->graph->n_params; p++) {
        float *before = tensor_of(f, "before", &t->graph->params[p]);
        memcpy(mnas_weights_of(t->weights, &t->graph->params[p]), before,
               t->graph->params[p].size * sizeof *before);
        free(before);
    }
}

static void check(const variant *v, const char *optimizer, mnas_engine_kind kind) {
    fixture f;
    mnas_trainer t;
    double worst_gradient = 0, worst = 0;
    open_fixture(&f, v->name);
    open_trainer(&t, &f, v, optimizer, kind);
    float *images = tensor(&f, "images", BATCH * SIZE * SIZE * CHANNELS);
    int32_t *labels = tensor(&f, "labels", BATCH);
    for (int step = 1; step <= STEPS; step++) {
        char stage[32];
        mnas_loss loss;
        snprintf(stage, sizeof stage, "%s%d", optimizer, step);
        assert_int_equal(mnas_trainer_step(&t, images, labels, &loss), 0);
        double want = (double)scalar(&f, stage, "loss");
        if (fabs(loss.loss - want) > allowed * want) fail_msg("%s: loss %g, want %g", stage, loss.loss, want);
        if (step == 1) worst_gradient = compare(&f, "gradient", &t, t.gradients, true);
        double distance = compare(&f, stage, &t, t.weights, false);
        if (distance > worst) worst = distance;
    }
    print_message("%s, %s, %s: gradients within %.1e, weights within %.1e\n", v->name, optimizer,
                  kind == MNAS_ENGINE_FAST ? "fast" : "reference", worst_gradient, worst);
    free(labels);
    free(images);
    mnas_trainer_close(&t);
    close_fixture(&f);
}

static void fast_engine_with_same_padding(void **state) {
    (void)state;
    check(&same, "rmsprop", MNAS_ENGINE_FAST);
    check(&same, "sgd", MNAS_ENGINE_FAST);
}

static void fast_engine_with_symmetric_padding(void **state) {
    (void)state;
    check(&symmetric, "rmsprop", MNAS_ENGINE_FAST);
    check(&symmetric, "sgd", MNAS_ENGINE_FAST);
}

static void reference_engine_with_same_padding(void **state) {
    (void)state;
    check(&same, "rmsprop", MNAS_ENGINE_REFERENCE);
    check(&same, "sgd", MNAS_ENGINE_REFERENCE);
}

static void reference_engine_with_symmetric_padding(void **state) {
    (void)state;
    check(&symmetric, "rmsprop", MNAS_ENGINE_REFERENCE);
    check(&symmetric, "sgd", MNAS_ENGINE_REFERENCE);
}

static void both_engines_with_swish_and_hard_swish(void **state) {
    (void)state;
    check(&swish, "rmsprop", MNAS_ENGINE_REFERENCE);
    check(&swish, "sgd", MNAS_ENGINE_REFERENCE);
    check(&swish, "rmsprop", MNAS_ENGINE_FAST);
    check(&swish, "sgd", MNAS_ENGINE_FAST);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_engine_with_same_padding),
        cmocka_unit_test(reference_engine_with_symmetric_padding),
        cmocka_unit_test(fast_engine_with_same_padding),
        cmocka_unit_test(fast_engine_with_symmetric_padding),
        cmocka_unit_test(both_engines_with_swish_and_hard_swish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
