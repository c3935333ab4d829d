/* test_exporters.c - what exported files hold, read back: ONNX by protobuf-c, TensorFlow Lite by a reader of its own that trusts
 * nothing. Whether other programs compute the same from them is for tests/optional/test_export_peers.sh, which has the files from
 *
 *     test_exporters write FOLDER
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../reference_net.h"
#include "base/error.h"
#include "base/file.h"
#include "exporter/exporter.h"
#include "exporter/flatbuffer.h"
#include "flat_read.h"
#include "onnx.pb-c.h"

static mnas_str print(const char *format, const reference_net *net) {
    mnas_str file;
    const mnas_export_job job = {.graph = net->folded, .weights = net->folded_weights};
    if (mnas_exporter_print(&file, format, &job) < 0) fail_msg("%s: %s", format, mnas_error_message());
    assert_true(file.len > 0);
    return file;
}

static int count_ops(const mnas_graph *g, const char *name) {
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) n += strcmp(g->nodes[i].op->plugin.name, name) == 0;
    return n;
}

static size_t count_weights(const mnas_graph *g) {
    size_t n = 0;
    for (int i = 0; i < g->n_params; i++) n += g->params[i].size;
    return n;
}

/* ---- ONNX ---- */

enum { MAX_NAMES = 4096 };

typedef struct names {
    const char *known[MAX_NAMES];
    int n;
} names;

static bool is_known(const names *k, const char *name) {
    for (int i = 0; i < k->n; i++)
        if (strcmp(k->known[i], name) == 0) return true;
    return false;
}

/* Every value is made once, and before it is read. */
static void learn(names *k, const char *name) {
    if (is_known(k, name)) fail_msg("%s is made twice", name);
    assert_true(k->n < MAX_NAMES);
    k->known[k->n++] = name;
}

static void check_onnx_shape(const Onnx__ValueInfoProto *value, const char *name, size_t n,
                             const int64_t *dims) {
    const Onnx__TensorShapeProto *shape = value->type->tensor_type->shape;
    assert_string_equal(value->name, name);
    assert_int_equal(value->type->tensor_type->elem_type, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    assert_int_equal(shape->n_dim, n);
    for (size_t i = 0; i < n; i++) {
        if (dims[i] > 0)
            assert_int_equal(shape->dim[i]->dim_value, dims[i]);
        else
            assert_string_equal(shape->dim[i]->dim_param, "batch");
    }
}

/* Every weight of the network is there, unchanged, under its name. */
static void check_onnx_weights(const Onnx__GraphProto *graph, const reference_net *net, names *known) {
    size_t n_floats = 0;
    for (size_t i = 0; i < graph->n_initializer; i++) {
        const Onnx__TensorProto *t = graph->initializer[i];
        size_t n = 1;
        learn(known, t->name);
        for (size_t d = 0; d < t->n_dims; d++) n *= (size_t)t->dims[d];
        assert_int_equal(t->raw_data.len, 4 * n);
        const int p = mnas_graph_find_param(net->folded, t->name);
        if (p < 0) continue; /* the bounds of relu6 */
        assert_int_equal(n, net->folded->params[p].size);
        assert_memory_equal(t->raw_data.data, mnas_weights_of(net->folded_weights, &net->folded->params[p]),
                            4 * n);
        n_floats += n;
    }
    assert_int_equal(n_floats, count_weights(net->folded));
}

static void check_onnx_nodes(const Onnx__GraphProto *graph, const reference_net *net, names *known) {
    int n_convs = 0;
    for (size_t i = 0; i < graph->n_node; i++) {
        const Onnx__NodeProto *node = graph->node[i];
        for (size_t k = 0; k < node->n_input; k++)
            if (!is_known(known, node->input[k]))
                fail_msg("%s reads %s, which is not there", node->name, node->input[k]);
        assert_int_equal(node->n_output, 1);
        learn(known, node->output[0]);
        n_convs += strcmp(node->op_type, "Conv") == 0;
    }
    assert_string_equal(graph->node[graph->n_node - 1]->output[0], "logits");
    assert_int_equal(n_convs, count_ops(net->folded, "conv") + count_ops(net->folded, "dwconv") +
                                  2 * count_ops(net->folded, "se"));
}

static const char *onnx_fact(const Onnx__ModelProto *model, const char *name) {
    for (size_t i = 0; i < model->n_metadata_props; i++)
        if (strcmp(model->metadata_props[i]->key, name) == 0) return model->metadata_props[i]->value;
    return NULL;
}

static void check_onnx(const reference_net *net, const char *format, int64_t batch) {
    mnas_str file = print(format, net);
    const mnas_model *model = &net->folded->model;
    const int64_t side = model->input_size, channels = model->input_channels;
    Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, file.len, (const uint8_t *)file.data);
    names *known = calloc(1, sizeof *known);
    char *arch;
    assert_true(m && known);
    assert_int_equal(m->ir_version, 7);
    assert_int_equal(m->n_opset_import, 1);
    assert_int_equal(m->opset_import[0]->version, 13);
    assert_int_equal(m->graph->n_input, 1);
    assert_int_equal(m->graph->n_output, 1);
    check_onnx_shape(m->graph->input[0], "image", 4, (const int64_t[]){batch, channels, side, side});
    check_onnx_shape(m->graph->output[0], "logits", 2, (const int64_t[]){batch, model->classes});
    learn(known, "image");
    check_onnx_weights(m->graph, net, known);
    check_onnx_nodes(m->graph, net, known);
    assert_int_equal(mnas_model_arch(model, &arch), 0);
    assert_string_equal(onnx_fact(m, "arch"), arch);
    assert_string_equal(onnx_fact(m, "weights"), "trained");
    free(arch);
    free(known);
    onnx__model_proto__free_unpacked(m, NULL);
    mnas_str_free(&file);
}

static void test_onnx(void **state) {
    (void)state;
    mnas_model model;
    mnas_rng rng = mnas_rng_stream(3, 0, "exported");
    for (int i = 0; model_at(&model, i); i++) {
        reference_net net;
        open_net(&net, &model, &rng);
        check_onnx(&net, i % 2 ? "onnx:batch=any" : "onnx", i % 2 ? 0 : 1);
        close_net(&net);
    }
}

/* ---- TensorFlow Lite ---- */

typedef struct tflite {
    flat_file file;
    size_t model, graph;     /* tables */
    size_t tensors, buffers; /* vectors' first items */
    uint32_t n_tensors, n_buffers;
    bool *is_made; /* [n_tensors] */
    size_t n_weight_bytes;
} tflite;

/* A tensor's values, where it is a constant, fill its shape and lie at a multiple of 16. */
static void check_tensor(tflite *t, uint32_t i) {
    const size_t tensor = flat_item(&t->file, t->tensors, i);
    size_t dims = 0, data = 0, bytes = 4;
    const uint32_t n_dims = flat_vector(&t->file, tensor, 0, 4, &dims),
                   buffer = flat_number(&t->file, tensor, 2, 4);
    for (uint32_t d = 0; d < n_dims; d++) bytes *= flat_u(&t->file, dims + 4 * (size_t)d, 4);
    assert_true(buffer < t->n_buffers);
    assert_true(strlen(flat_text(&t->file, tensor, 3)) > 0);
    if (buffer == 0) return;
    assert_int_equal(flat_vector(&t->file, flat_item(&t->file, t->buffers, buffer), 0, 1, &data), bytes);
    assert_int_equal(data % 16, 0);
    t->is_made[i] = true;
    t->n_weight_bytes += bytes;
}

static void check_operator(tflite *t, size_t op, uint32_t n_codes) {
    size_t in = 0, out = 0;
    const uint32_t n_in = flat_vector(&t->file, op, 1, 4, &in);
    assert_true(flat_number(&t->file, op, 0, 4) < n_codes);
    for (uint32_t k = 0; k < n_in; k++) {
        const uint32_t tensor = flat_u(&t->file, in + 4 * (size_t)k, 4);
        assert_true(tensor < t->n_tensors);
        if (!t->is_made[tensor]) fail_msg("an operator reads tensor %u before it is made", tensor);
    }
    assert_int_equal(flat_vector(&t->file, op, 2, 4, &out), 1);
    const uint32_t made = flat_u(&t->file, out, 4);
    assert_true(made < t->n_tensors && !t->is_made[made]);
    t->is_made[made] = true;
}

static uint32_t only_tensor(const tflite *t, int field, const char *name) {
    size_t first = 0;
    assert_int_equal(flat_vector(&t->file, t->graph, field, 4, &first), 1);
    const uint32_t tensor = flat_u(&t->file, first, 4);
    assert_string_equal(flat_text(&t->file, flat_item(&t->file, t->tensors, tensor), 3), name);
    return tensor;
}

static void check_facts(const tflite *t, const mnas_model *model) {
    size_t first = 0, data = 0;
    const uint32_t n = flat_vector(&t->file, t->model, 6, 4, &first);
    char *yaml;
    assert_int_equal(mnas_model_print(model, &yaml), 0);
    for (uint32_t i = 0; i < n; i++) {
        const size_t fact = flat_item(&t->file, first, i);
        if (strcmp(flat_text(&t->file, fact, 0), "model") != 0) continue;
        const size_t buffer = flat_item(&t->file, t->buffers, flat_number(&t->file, fact, 1, 4));
        assert_int_equal(flat_vector(&t->file, buffer, 0, 1, &data), strlen(yaml));
        assert_memory_equal(t->file.bytes + data, yaml, strlen(yaml));
    }
    assert_true(data > 0);
    free(yaml);
}

static void check_tflite(const reference_net *net) {
    mnas_str bytes = print("tflite", net);
    tflite t = {.file = {(const uint8_t *)bytes.data, bytes.len}};
    size_t graphs = 0, codes = 0, ops = 0;
    t.model = flat_root(&t.file, "TFL3");
    assert_int_equal(flat_number(&t.file, t.model, 0, 4), 3);
    assert_int_equal(flat_vector(&t.file, t.model, 2, 4, &graphs), 1);
    t.graph = flat_item(&t.file, graphs, 0);
    t.n_buffers = flat_vector(&t.file, t.model, 4, 4, &t.buffers);
    t.n_tensors = flat_vector(&t.file, t.graph, 0, 4, &t.tensors);
    const uint32_t n_codes = flat_vector(&t.file, t.model, 1, 4, &codes);
    const uint32_t n_ops = flat_vector(&t.file, t.graph, 3, 4, &ops);
    t.is_made = calloc(t.n_tensors, sizeof *t.is_made);
    assert_non_null(t.is_made);
    for (uint32_t i = 0; i < t.n_tensors; i++) check_tensor(&t, i);
    assert_true(t.n_weight_bytes >= 4 * count_weights(net->folded));
    t.is_made[only_tensor(&t, 1, "image")] = true;
    assert_true(n_ops >= (uint32_t)net->folded->n_nodes - 1);
    for (uint32_t i = 0; i < n_ops; i++) check_operator(&t, flat_item(&t.file, ops, i), n_codes);
    assert_true(t.is_made[only_tensor(&t, 2, "logits")]);
    check_facts(&t, &net->folded->model);
    free(t.is_made);
    mnas_str_free(&bytes);
}

static void test_tflite(void **state) {
    (void)state;
    mnas_model model;
    mnas_rng rng = mnas_rng_stream(3, 0, "exported");
    for (int i = 0; model_at(&model, i); i++) {
        reference_net net;
        open_net(&net, &model, &rng);
        check_tflite(&net);
        close_net(&net);
    }
}

/* Growing, empty vectors, absent references, strings of every length. */
static void test_flatbuffer(void **state) {
    (void)state;
    mnas_flat flat = {0};
    mnas_flat_ref tables[40];
    char text[41] = "";
    for (int i = 0; i < 40; i++) {
        const mnas_flat_ref name = mnas_flat_string(&flat, text),
                            bytes = mnas_flat_bytes(&flat, text, (size_t)i);
        tables[i] = MNAS_FLAT_TABLE(&flat, MNAS_FLAT_REF(0, name), MNAS_FLAT_I8(1, i), MNAS_FLAT_I32(3, -i),
                                    MNAS_FLAT_REF(4, bytes), MNAS_FLAT_REF(5, 0));
        text[i] = (char)('a' + i % 26);
    }
    const mnas_flat_ref list = mnas_flat_refs(&flat, tables, 40);
    mnas_flat_finish(&flat, MNAS_FLAT_TABLE(&flat, MNAS_FLAT_REF(0, list)), "TEST");
    assert_true(mnas_flat_ok(&flat));
    const flat_file f = {flat.data + flat.cap - flat.used, flat.used};
    size_t first = 0;
    assert_int_equal(flat_vector(&f, flat_root(&f, "TEST"), 0, 4, &first), 40);
    for (uint32_t i = 0; i < 40; i++) {
        size_t bytes = 0;
        const size_t table = flat_item(&f, first, i);
        assert_int_equal(strlen(flat_text(&f, table, 0)), i);
        assert_int_equal(flat_number(&f, table, 1, 1), i);
        assert_int_equal(flat_number(&f, table, 2, 4), 0);
        assert_int_equal((int32_t)flat_number(&f, table, 3, 4), -(int32_t)i);
        assert_int_equal(flat_vector(&f, table, 4, 1, &bytes), i);
        assert_int_equal(bytes % 16, 0);
        assert_int_equal(flat_ref(&f, table, 5), 0);
    }
    mnas_flat_free(&flat);
}

/* ---- mnas, and what fails ---- */

static void test_model_file_reads_back(void **state) {
    (void)state;
    mnas_model model, back;
    mnas_str file;
    char key[17], key_back[17];
    assert_int_equal(mnas_model_open_local(&model, "mnasnet-a1", 0), 0);
    assert_int_equal(mnas_exporter_print_model(&file, "mnas", &model, NULL), 0);
    assert_int_equal(mnas_model_parse(&back, file.data, file.len, "a1"), 0);
    assert_int_equal(mnas_model_key(&model, key) + mnas_model_key(&back, key_back), 0);
    assert_string_equal(key, key_back);
    mnas_str_free(&file);
}

static void test_unknown_formats(void **state) {
    (void)state;
    mnas_model model;
    mnas_str file;
    mnas_export_result result;
    assert_int_equal(mnas_model_open_local(&model, "mnasnet-b1", 0), 0);
    assert_int_equal(mnas_exporter_print_model(&file, "onx", &model, NULL), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "onnx"));
    assert_int_equal(mnas_exporter_print_model(&file, "onnx:batch=2", &model, NULL), MNAS_ERR_ARG);
    assert_int_equal(mnas_model_export(&result, "net.pb", &model, &(mnas_export_options){0}), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), ".tflite"));
}

static void test_training_graph_is_refused(void **state) {
    (void)state;
    mnas_model model;
    reference_net net;
    mnas_rng rng = mnas_rng_stream(3, 1, "exported");
    assert_true(model_at(&model, 0));
    open_net(&net, &model, &rng);
    static const char *const formats[] = {"onnx", "tflite"};
    for (int i = 0; i < 2; i++) {
        mnas_str file;
        const mnas_export_job job = {.graph = net.graph, .weights = net.weights};
        assert_int_equal(mnas_exporter_print(&file, formats[i], &job), MNAS_ERR_INVALID);
        assert_non_null(strstr(mnas_error_message(), "bn"));
        mnas_str_free(&file);
    }
    close_net(&net);
}

/* Weights bring their classes and channels; a file of another network is refused and nothing written. */
static void test_export_with_weights(void **state) {
    (void)state;
    mnas_model model, trained;
    reference_net net;
    mnas_export_result result;
    mnas_rng rng = mnas_rng_stream(3, 2, "exported");
    const char *weights = MNAS_TEST_TMP "/exported.safetensors", *path = MNAS_TEST_TMP "/exported.onnx";
    remove(path);
    assert_int_equal(mnas_model_open_local(&model, "mnasnet-small", 64), 0);
    trained = model;
    trained.classes = 7;
    trained.input_channels = 1;
    mnas_model_default_normalisation(&trained, 1);
    open_net(&net, &trained, &rng);
    assert_int_equal(mnas_weights_save(net.weights, net.graph, weights, NULL), 0);
    const mnas_export_options options = {.weights = weights};
    if (mnas_model_export(&result, path, &model, &options) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(result.classes, 7);
    assert_int_equal(result.input_channels, 1);
    assert_false(result.random);
    mnas_str expected = print("onnx", &net);
    char *bytes;
    size_t n;
    assert_int_equal(mnas_file_read(path, (size_t)1 << 30, &bytes, &n), 0);
    assert_int_equal(n, expected.len);
    assert_memory_equal(bytes, expected.data, n);
    free(bytes);
    mnas_str_free(&expected);
    remove(path);
    assert_int_equal(mnas_model_open_local(&model, "mnasnet-b1", 64), 0);
    assert_true(mnas_model_export(&result, path, &model, &options) < 0);
    assert_false(mnas_file_exists(path));
    close_net(&net);
}

/* ---- for the peers ---- */

static void write_part(const char *folder, const char *name, int i, const void *bytes, size_t n) {
    char path[600];
    snprintf(path, sizeof path, "%s/%d.%s", folder, i, name);
    if (mnas_file_write_atomic(path, bytes, n) < 0) fail_msg("%s", mnas_error_message());
}

static const char *folder_to_write;

static void write_networks(void **state) {
    (void)state;
    static const char *const formats[][2] = {
        {"onnx", "onnx"}, {"onnx:batch=any", "any.onnx"}, {"tflite", "tflite"}};
    mnas_model model;
    mnas_rng rng = mnas_rng_stream(3, 0, "exported");
    for (int i = 0; model_at(&model, i); i++) {
        reference_net net;
        open_net(&net, &model, &rng);
        const mnas_shape in = net.graph->nodes[0].out;
        float *image = random_image(&rng, net.graph), *logits = reference_run(net.graph, net.weights, image);
        write_part(folder_to_write, "shape", i, (const int32_t[]){in.h, in.w, in.c}, 3 * sizeof(int32_t));
        write_part(folder_to_write, "image", i, image, mnas_shape_size(in) * sizeof *image);
        write_part(folder_to_write, "logits", i, logits, (size_t)model.classes * sizeof *logits);
        for (int k = 0; k < 3; k++) {
            mnas_str file = print(formats[k][0], &net);
            write_part(folder_to_write, formats[k][1], i, file.data, file.len);
            mnas_str_free(&file);
        }
        free(image);
        free(logits);
        close_net(&net);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_onnx),
        cmocka_unit_test(test_tflite),
        cmocka_unit_test(test_flatbuffer),
        cmocka_unit_test(test_model_file_reads_back),
        cmocka_unit_test(test_unknown_formats),
        cmocka_unit_test(test_training_graph_is_refused),
        cmocka_unit_test(test_export_with_weights),
    };
    const struct CMUnitTest writing[] = {cmocka_unit_test(write_networks)};
    if (argc == 3 && strcmp(argv[1], "write") == 0) {
        folder_to_write = argv[2];
        return cmocka_run_group_tests(writing, NULL, NULL);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
