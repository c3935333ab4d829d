/* The memory plan, checked by playing a training step on it: every write marks its bytes with a number of its
 * own, every read finds the mark it expects. Knows nothing of lifetimes; random networks, random graphs, and the zoo, with batch-norms
 * that their neighbours do (ops/fusion.h) and without.
 */
#include "net_fixture.h"

#include "model/model.h"
#include "ops/memory.h"

typedef struct player {
    const mnas_graph *graph;
    const mnas_fusion *fusion; /* or NULL */
    const mnas_memory_plan *plan;
    int batch;
    uint32_t *slab;               /* a mark for every UNIT bytes */
    uint32_t mark;                /* the last one given */
    uint32_t *act, *saved, *grad; /* the mark a reader of node i's must find; 0: nothing there */
    int n_inplace, n_shared, n_extra, n_unwritten;
} player;

static bool by_producer(const player *p, int i) {
    return p->fusion && p->fusion[i].by_producer;
}
static bool by_consumer(const player *p, int i) {
    return p->fusion && p->fusion[i].by_consumer;
}

enum { UNIT = 64 };

static size_t act_bytes(const player *p, int i) {
    return (size_t)p->batch * mnas_shape_size(p->graph->nodes[i].out) * sizeof(float);
}

static size_t saved_bytes(const player *p, int i) {
    const mnas_node *node = &p->graph->nodes[i];
    mnas_shape in[MNAS_MAX_INPUTS];
    mnas_graph_in_shapes(p->graph, node, in);
    return node->op->saved_bytes ? node->op->saved_bytes(node, in, p->batch) : 0;
}

static uint32_t write_at(player *p, size_t offset, size_t bytes) {
    assert_true(offset != MNAS_NO_PLACE && offset % UNIT == 0 && offset + bytes <= p->plan->bytes);
    p->mark++;
    for (size_t u = offset / UNIT; u < (offset + bytes + UNIT - 1) / UNIT; u++) p->slab[u] = p->mark;
    return p->mark;
}

static void read_at(const player *p, size_t offset, size_t bytes, uint32_t expected, const char *what,
                    int node) {
    assert_true(offset != MNAS_NO_PLACE);
    for (size_t u = offset / UNIT; u < (offset + bytes + UNIT - 1) / UNIT; u++)
        if (p->slab[u] != expected || expected == 0)
            fail_msg("%s of node %d (%s) is overwritten", what, node, p->graph->nodes[node].name);
}

static void read_source(const player *p, int i, int k) {
    int from = p->graph->nodes[i].in[k];
    read_at(p, p->plan->act[from], act_bytes(p, from), p->act[from], "output", from);
}

static void read_sources(const player *p, int i) {
    for (int k = 0; k < p->graph->nodes[i].n_in; k++) read_source(p, i, k);
}

static void play_forward(player *p) {
    for (int i = 0; i < p->graph->n_nodes; i++) {
        if (saved_bytes(p, i)) p->saved[i] = write_at(p, p->plan->saved[i], saved_bytes(p, i));
        if (by_consumer(p, i)) {
            p->act[i] = p->act[p->graph->nodes[i].in[0]]; /* its input stands for it */
            p->n_unwritten++;
        } else {
            p->act[i] = write_at(p, p->plan->act[i], act_bytes(p, i));
        }
        read_sources(p, i); /* also after the write: it must not have hit them */
        if (saved_bytes(p, i)) read_at(p, p->plan->saved[i], saved_bytes(p, i), p->saved[i], "saved", i);
    }
}

static void read_for_backward(const player *p, int i) {
    const mnas_op *op = p->graph->nodes[i].op;
    for (int k = 0; k < p->graph->nodes[i].n_in; k++)
        if (op->backward_reads_src || by_consumer(p, p->graph->nodes[i].in[k])) read_source(p, i, k);
    const bool norm_follows = i + 1 < p->graph->n_nodes && by_producer(p, i + 1);
    if (op->backward_reads_dst || norm_follows)
        read_at(p, p->plan->act[i], act_bytes(p, i), p->act[i], "output", i);
    if (saved_bytes(p, i)) read_at(p, p->plan->saved[i], saved_bytes(p, i), p->saved[i], "saved", i);
}

/* Node i gives the gradient of input `from` into its own place, a place shared with others, or the extra one. */
static void give(player *p, int i, int k) {
    const mnas_node *node = &p->graph->nodes[i];
    int from = node->in[k];
    size_t bytes = act_bytes(p, from), own = p->plan->grad[i];
    if (from == 0) {
        assert_true(p->plan->grad[0] == MNAS_NO_PLACE);
        return;
    }
    if (by_producer(p, i)) {
        assert_true(p->plan->grad[from] == own);
        p->grad[from] = p->grad[i]; /* whoever made its input goes on from there */
        return;
    }
    const bool adds = node->op == &mnas_op_add || (p->fusion && p->fusion[i].adds);
    if (p->grad[from] && adds) {
        read_at(p, p->plan->grad[from], bytes, p->grad[from], "first gradient", from);
        return; /* written anew by the caller */
    }
    if (p->grad[from]) { /* a second consumer */
        uint32_t second = write_at(p, p->plan->extra[from], bytes);
        read_at(p, p->plan->grad[from], bytes, p->grad[from], "first gradient", from);
        read_at(p, p->plan->extra[from], bytes, second, "second gradient", from);
        p->n_extra++;
        return; /* added up in sum(), when the kernel is through */
    }
    if (p->plan->grad[from] == own && node->op == &mnas_op_add) {
        p->grad[from] = p->grad[i]; /* nothing is written */
        p->n_shared++;
    } else {
        if (p->plan->grad[from] == own) {
            assert_true(node->op->inplace_backward && k == 0);
            p->n_inplace++;
        }
        p->grad[from] = write_at(p, p->plan->grad[from], bytes);
    }
}

static void play_backward(player *p) {
    int last = p->graph->n_nodes - 1;
    p->grad[last] = write_at(p, p->plan->grad[last], act_bytes(p, last));
    read_at(p, p->plan->act[last], act_bytes(p, last), p->act[last], "logits", last);
    for (int i = last; i > 0; i--) {
        const mnas_node *node = &p->graph->nodes[i];
        if (!p->grad[i]) {
            assert_true(p->plan->grad[i] == MNAS_NO_PLACE); /* a dead end, or in front of one */
            continue;
        }
        read_at(p, p->plan->grad[i], act_bytes(p, i), p->grad[i], "gradient", i);
        read_for_backward(p, i);
        for (int k = 0; k < node->n_in; k++) {
            bool second = node->in[k] > 0 && p->grad[node->in[k]] && !by_producer(p, i);
            uint32_t before = p->grad[i];
            size_t offset = p->plan->grad[i];
            give(p, i, k);
            read_for_backward(p, i); /* what the kernel reads was not hit by what it writes */
            bool inplace = node->in[k] > 0 && p->plan->grad[node->in[k]] == offset &&
                           node->op != &mnas_op_add && !by_producer(p, i);
            if (!inplace) read_at(p, offset, act_bytes(p, i), before, "gradient during backward", i);
            if (second)
                p->grad[node->in[k]] = write_at(p, p->plan->grad[node->in[k]], act_bytes(p, node->in[k]));
        }
    }
}

static void play_plan(player *total, const mnas_graph *graph, const mnas_fusion *fusion, int batch) {
    mnas_memory_plan plan;
    size_t n = (size_t)graph->n_nodes;
    assert_int_equal(mnas_memory_plan_training(&plan, graph, fusion, batch), 0);
    uint32_t *marks = calloc(3 * n + plan.bytes / UNIT, sizeof *marks);
    assert_non_null(marks);
    player p = {.graph = graph,
                .fusion = fusion,
                .plan = &plan,
                .batch = batch,
                .act = marks,
                .saved = marks + n,
                .grad = marks + 2 * n};
    p.slab = marks + 3 * n;
    play_forward(&p);
    play_backward(&p);
    total->n_inplace += p.n_inplace, total->n_shared += p.n_shared;
    total->n_extra += p.n_extra, total->n_unwritten += p.n_unwritten;
    free(marks);
    mnas_memory_plan_free(&plan);
}

/* Without fusion and with; counts what happened in both. */
static void play(player *total, const mnas_graph *graph, int batch) {
    mnas_fusion *fusion;
    assert_int_equal(mnas_fusion_plan(&fusion, graph), 0);
    play_plan(total, graph, NULL, batch);
    play_plan(total, graph, fusion, batch);
    free(fusion);
}

static void random_networks(void **state) {
    (void)state;
    player p = {0};
    for (uint64_t seed = 0; seed < 150; seed++) {
        mnas_model model = random_model(seed);
        mnas_graph *graph = built(&model);
        play(&p, graph, 1 + (int)(seed % 3));
        mnas_graph_destroy(graph);
    }
    /* else nothing was tested */
    assert_true(p.n_inplace > 100 && p.n_shared > 100 && p.n_extra > 100 && p.n_unwritten > 100);
}

/* Any operator behind any earlier node: shapes the builder never makes, dead ends and sums of a node with
 * itself too. */
static void random_graphs(void **state) {
    (void)state;
    static const mnas_model model;
    const mnas_op *const ops[] = {&mnas_op_bn, &mnas_op_add,    &mnas_op_act,
                                  &mnas_op_se, &mnas_op_dwconv, &mnas_op_add};
    player p = {0};
    for (uint64_t seed = 0; seed < 3000; seed++) {
        mnas_rng rng = mnas_rng_stream(seed, 0, "graph");
        mnas_graph *graph;
        assert_int_equal(mnas_graph_create(&graph, &model), 0);
        mnas_node input = {.op = &mnas_op_input, .name = "input", .out = {3, 3, 8}};
        assert_int_equal(mnas_op_append(graph, &input), 0);
        int n = 3 + pick(&rng, 20);
        for (int i = 1; i < n; i++) {
            mnas_node node = {.op = ops[pick(&rng, 6)],
                              .act = pick(&rng, 2) ? MNAS_ACT_RELU : MNAS_ACT_NONE,
                              .filters = 2,
                              .epsilon = 1,
                              .momentum = 0.5};
            snprintf(node.name, sizeof node.name, "n%d", i);
            node.n_in = node.op->n_in;
            for (int k = 0; k < node.n_in; k++)
                node.in[k] = pick(&rng, 3) ? i - 1 - pick(&rng, i < 4 ? i : 4) : i - 1;
            node.kernel = node.op == &mnas_op_dwconv ? 3 : 0;
            node.stride = node.pad_top = node.pad_left = node.pad_bottom = node.pad_right = node.kernel > 0;
            if (mnas_op_append(graph, &node) != i) fail_msg("%s", mnas_error_message());
        }
        play(&p, graph, 1);
        mnas_graph_destroy(graph);
    }
}

/* The plan against what no plan can beat: the peak of live bytes, here of activations alone (inference). */
static void zoo(void **state) {
    (void)state;
    size_t n;
    const mnas_zoo_entry *list = mnas_zoo_list(&n);
    for (size_t i = 0; i < n; i++) {
        mnas_model model;
        mnas_memory_plan plan;
        size_t peak;
        assert_int_equal(mnas_model_open_local(&model, list[i].name, 96), 0);
        mnas_graph *graph = built(&model), *folded;
        player p = {0};
        play(&p, graph, 2);
        assert_true(p.n_inplace > 5 && p.n_unwritten > 5);
        assert_int_equal(mnas_fold_graph(&folded, graph), 0);
        assert_int_equal(mnas_memory_plan_inference(&plan, folded, NULL, 1), 0);
        assert_int_equal(mnas_memory_peak_inference(&peak, folded, 1), 0);
        assert_true(plan.bytes >= peak);
        if ((double)plan.bytes > 1.25 * (double)peak)
            fail_msg("%s: plan %zu bytes, peak %zu", list[i].name, plan.bytes, peak);
        for (int node = 0; node < folded->n_nodes; node++) assert_true(plan.grad[node] == MNAS_NO_PLACE);
        mnas_memory_plan_free(&plan);
        mnas_graph_destroy(folded);
        mnas_graph_destroy(graph);
    }
}

static void bad_batch(void **state) {
    (void)state;
    mnas_model model = random_model(1);
    mnas_graph *graph = built(&model);
    mnas_memory_plan plan;
    assert_int_equal(mnas_memory_plan_training(&plan, graph, NULL, 0), MNAS_ERR_ARG);
    assert_int_equal(mnas_memory_plan_training(&plan, graph, NULL, MNAS_MAX_BATCH + 1), MNAS_ERR_ARG);
    mnas_memory_plan_free(&plan);
    mnas_graph_destroy(graph);
}

/* Each buffer can be counted, their sum would wrap. */
static void too_many_bytes(void **state) {
    (void)state;
    mnas_model model;
    mnas_model_defaults(&model);
    model.input_size = 8192, model.stem_stride = 1, model.stem_filters = 31;
    for (model.n_blocks = 0; model.n_blocks < 6; model.n_blocks++)
        assert_int_equal(
            mnas_block_parse(&model.blocks[model.n_blocks], "r64_k3_s11_e1_i31_o31_opsep_noskip"), 0);
    mnas_graph *graph = built(&model);
    mnas_memory_plan plan;
    assert_int_equal(mnas_memory_plan_training(&plan, graph, NULL, MNAS_MAX_BATCH), MNAS_ERR_MEMORY);
    mnas_memory_plan_free(&plan);
    size_t bytes;
    assert_int_equal(mnas_memory_peak_inference(&bytes, graph, MNAS_MAX_BATCH), MNAS_ERR_MEMORY);
    mnas_graph_destroy(graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_networks), cmocka_unit_test(random_graphs),
                                       cmocka_unit_test(zoo), cmocka_unit_test(bad_batch),
                                       cmocka_unit_test(too_many_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
