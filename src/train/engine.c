/* engine.c - walks a graph forward and backward through one slab.
 *
 * Which buffer holds what was decided by ops/memory.c before anything runs; which implementation runs a node
 * is decided once at creation. A step allocates nothing. Invariants: nodes are in execution order, so
 * backward is the reverse walk; the consumer of a tensor that comes first in that walk writes its gradient,
 * every later one adds to it, or writes beside it (plan.extra) and is added. Batch-norms that their neighbours do
 * (ops/fusion.h) have their tables here. It knows no optimiser and no data.
 */
#include "train/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "kernels/kernels.h"
#include "kernels/norm.h"
#include "ops/fusion.h"
#include "ops/memory.h"
#include "train/slab.h"

/* One node made ready to run. */
typedef struct unit {
    const mnas_kernel *kernel;
    void *state;
    mnas_call call; /* activations, gradients and scratch in place; parameters are set before a run */
    mnas_norm norm; /* of a bn that a neighbour does part of */
    float *join[MNAS_MAX_INPUTS]; /* where input i's gradient is added to, or NULL: written there at once */
    int64_t forward_ns, backward_ns; /* the shortest run so far; 0: none */
} unit;

struct mnas_engine {
    const mnas_graph *graph;
    int batch;
    bool training;
    mnas_fusion *fusion; /* [n_nodes]; NULL: the reference engine */
    mnas_memory_plan plan;
    mnas_slab slab, scratch;
    unit *units; /* [n_nodes]; node 0 runs nothing */
};

/* ---- creation ---- */

static float *place(const mnas_engine *e, const size_t *offsets, int i) {
    return offsets[i] == MNAS_NO_PLACE ? NULL : (float *)(void *)(e->slab.data + offsets[i]);
}

static int create_unit(mnas_engine *e, mnas_engine_kind kind, int i, size_t *scratch_bytes) {
    const mnas_node *node = &e->graph->nodes[i];
    unit *u = &e->units[i];
    u->call = (mnas_call){.node = node, .batch = e->batch};
    mnas_graph_in_shapes(e->graph, node, u->call.in);
    u->kernel = kind == MNAS_ENGINE_FAST ? mnas_kernels_choose(node, u->call.in) : &mnas_op_reference;
    if (!u->kernel->create) return 0;
    size_t bytes = 0;
    int rc = u->kernel->create(&u->state, node, u->call.in, e->batch, e->training, &bytes);
    if (rc < 0) return mnas_error_context(rc, "%s", node->name);
    if (bytes > *scratch_bytes) *scratch_bytes = bytes;
    return 0;
}

/* Backward order is the reverse walk: whether node i is the first of it to give its input a gradient. */
static bool gives_first(const mnas_graph *graph, int i, int input) {
    for (int later = i + 1; later < graph->n_nodes; later++) {
        for (int k = 0; k < graph->nodes[later].n_in; k++) {
            if (graph->nodes[later].in[k] == input) return false;
        }
    }
    return true;
}

static void wire_gradient(mnas_engine *e, int i, int k) {
    int input = e->graph->nodes[i].in[k];
    unit *u = &e->units[i];
    u->call.dsrc[k] = place(e, e->plan.grad, input);
    if (!u->call.dsrc[k] || gives_first(e->graph, i, input)) return;
    u->call.adds = e->fusion && e->fusion[i].adds && k == 0;
    if (u->call.adds) return;
    u->join[k] = u->call.dsrc[k];
    u->call.dsrc[k] = u->call.node->op == &mnas_op_add ? NULL : place(e, e->plan.extra, input);
}

/* The norm of node i where a neighbour of that kind does part of it, else NULL. */
static mnas_norm *norm_by_producer(const mnas_engine *e, int i) {
    return i < e->graph->n_nodes && e->fusion && e->fusion[i].by_producer ? &e->units[i].norm : NULL;
}
static mnas_norm *norm_by_consumer(const mnas_engine *e, int i) {
    return e->fusion && e->fusion[i].by_consumer ? &e->units[i].norm : NULL;
}

static int open_norm(mnas_engine *e, int i) {
    unit *u = &e->units[i];
    if (!norm_by_producer(e, i) && !norm_by_consumer(e, i)) return 0;
    const int rc = mnas_norm_open(&u->norm, u->call.node, u->call.in[0].c);
    u->norm.by_producer = e->fusion[i].by_producer;
    u->norm.by_consumer = e->fusion[i].by_consumer;
    u->call.norm = &u->norm;
    return rc;
}

static void wire_norms(mnas_engine *e, int i) {
    unit *u = &e->units[i];
    u->call.norm_out = norm_by_producer(e, i + 1);
    for (int k = 0; k < u->call.node->n_in; k++)
        u->call.norm_in[k] = norm_by_consumer(e, u->call.node->in[k]);
}

static void wire(mnas_engine *e, int i) {
    const mnas_node *node = &e->graph->nodes[i];
    unit *u = &e->units[i];
    for (int k = 0; k < node->n_in; k++) u->call.src[k] = place(e, e->plan.act, node->in[k]);
    u->call.dst = norm_by_consumer(e, i) ? NULL : place(e, e->plan.act, i);
    u->call.saved = place(e, e->plan.saved, i);
    u->call.scratch = e->scratch.data;
    wire_norms(e, i);
    if (!e->training) return;
    u->call.ddst = place(e, e->plan.grad, i);
    for (int k = 0; k < node->n_in; k++) wire_gradient(e, i, k);
    if (norm_by_producer(e, i)) u->call.dsrc[0] = NULL; /* its producer goes on from ddst */
}

static int plan(mnas_engine *e, mnas_engine_kind kind) {
    int rc = kind == MNAS_ENGINE_FAST ? mnas_fusion_plan(&e->fusion, e->graph) : 0;
    if (rc < 0) return rc;
    return e->training ? mnas_memory_plan_training(&e->plan, e->graph, e->fusion, e->batch)
                       : mnas_memory_plan_inference(&e->plan, e->graph, e->fusion, e->batch);
}

static int build(mnas_engine *e, mnas_engine_kind kind) {
    size_t scratch_bytes = 0;
    int rc = plan(e, kind);
    if (rc < 0) return rc;
    e->units = calloc((size_t)e->graph->n_nodes, sizeof *e->units);
    if (!e->units) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for %d nodes", e->graph->n_nodes);
    for (int i = 1; i < e->graph->n_nodes; i++) {
        if ((rc = create_unit(e, kind, i, &scratch_bytes)) < 0) return rc;
        if ((rc = open_norm(e, i)) < 0) return rc;
    }
    if ((rc = mnas_slab_map(&e->slab, e->plan.bytes)) < 0) return rc;
    if ((rc = mnas_slab_map(&e->scratch, scratch_bytes)) < 0) return rc;
    for (int i = 1; i < e->graph->n_nodes; i++) wire(e, i);
    return 0;
}

int mnas_engine_create(mnas_engine **out, const mnas_graph *graph, int batch, bool training,
                       mnas_engine_kind kind) {
    if (batch < 1) return mnas_error_set(MNAS_ERR_ARG, "batch is %d images; allowed: 1 or more", batch);
    mnas_engine *e = calloc(1, sizeof *e);
    if (!e) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for an engine");
    e->graph = graph;
    e->batch = batch;
    e->training = training;
    int rc = build(e, kind);
    if (rc < 0) {
        mnas_engine_destroy(e);
        return rc;
    }
    *out = e;
    return 0;
}

void mnas_engine_destroy(mnas_engine *engine) {
    if (!engine) return;
    for (int i = 1; engine->units && i < engine->graph->n_nodes; i++) {
        unit *u = &engine->units[i];
        if (u->kernel && u->kernel->destroy) u->kernel->destroy(u->state);
        mnas_norm_close(&u->norm);
    }
    free(engine->units);
    free(engine->fusion);
    mnas_slab_unmap(&engine->scratch);
    mnas_slab_unmap(&engine->slab);
    mnas_memory_plan_free(&engine->plan);
    free(engine);
}

/* ---- running ---- */

/* Whole tensors of `bytes`, in pieces that end on whole vectors. */
enum { PIECE_BYTES = 1 << 16 };

static size_t piece_bytes(size_t bytes, size_t at) {
    return bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;
}

static void parallel_add(void *to, const void *from, size_t bytes, mnas_elem elem) {
    const mnas_isa *isa = mnas_isa_of(elem);
#pragma omp parallel for schedule(static) if (bytes > PIECE_BYTES)
    for (size_t at = 0; at < bytes; at += PIECE_BYTES)
        isa->add((char *)to + at, (const char *)from + at, piece_bytes(bytes, at) / mnas_elem_bytes(elem),
                 (char *)to + at);
}

static size_t input_bytes(const unit *u, int k) {
    return (size_t)u->call.batch * mnas_shape_size(u->call.in[k]) * mnas_elem_bytes(u->call.node->elem);
}

static void set_images(mnas_engine *e, const float *images, int n) {
    const mnas_node *input = &e->graph->nodes[0];
    const size_t image = mnas_shape_size(input->out), bytes = image * mnas_elem_bytes(input->elem);
    char *to = (char *)place(e, e->plan.act, 0);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < n; i++)
        mnas_isa_of(input->elem)->narrow(images + (size_t)i * image, image, to + (size_t)i * bytes);
    memset(to + (size_t)n * bytes, 0, (size_t)(e->batch - n) * bytes);
}

static void set_params(mnas_engine *e, const mnas_weights *weights, const mnas_weights *gradients) {
    for (int i = 1; i < e->graph->n_nodes; i++) {
        const mnas_node *node = &e->graph->nodes[i];
        for (int k = 0; k < node->n_params; k++) {
            const mnas_param *param = &e->graph->params[node->params[k]];
            e->units[i].call.param[k] = mnas_weights_of(weights, param);
            e->units[i].call.dparam[k] = gradients ? mnas_weights_of(gradients, param) : NULL;
        }
    }
}

static void keep_shortest(int64_t *shortest_ns, int64_t ns) {
    if (*shortest_ns == 0 || ns < *shortest_ns) *shortest_ns = ns;
}

/* Sums of what a producer writes are taken around the moving mean: it is known before, and depends on the weights alone. */
static void set_shifts(mnas_engine *e) {
    for (int i = 1; i < e->graph->n_nodes; i++) {
        const mnas_norm *norm = norm_by_producer(e, i);
        for (size_t c = 0; norm && c < norm->channels; c++)
            mnas_norm_set(norm, norm->shift, c, (double)e->units[i].call.param[2][c]);
    }
}

static int forward(mnas_engine *e, bool training, uint64_t seed) {
    int64_t before = mnas_clock_now_ns();
    if (training) set_shifts(e);
    for (int i = 1; i < e->graph->n_nodes; i++) {
        unit *u = &e->units[i];
        u->call.training = training;
        u->call.seed = seed;
        int rc = u->kernel->forward(u->state, &u->call);
        if (rc < 0) return mnas_error_context(rc, "%s, forward", e->graph->nodes[i].name);
        int64_t now = mnas_clock_now_ns();
        keep_shortest(&u->forward_ns, now - before);
        before = now;
    }
    return 0;
}

/* The gradient of a sum is that of its inputs: nothing is written beside it before it is added. */
static int backward_unit(unit *u) {
    const int rc = u->kernel->backward(u->state, &u->call);
    for (int k = 0; rc == 0 && k < u->call.node->n_in; k++) {
        if (!u->join[k]) continue;
        const float *from = u->call.dsrc[k] ? u->call.dsrc[k] : u->call.ddst;
        parallel_add(u->join[k], from, input_bytes(u, k), u->call.node->elem);
    }
    return rc;
}

static int backward(mnas_engine *e) {
    int64_t before = mnas_clock_now_ns();
    for (int i = e->graph->n_nodes - 1; i > 0; i--) {
        int rc = backward_unit(&e->units[i]);
        if (rc < 0) return mnas_error_context(rc, "%s, backward", e->graph->nodes[i].name);
        int64_t now = mnas_clock_now_ns();
        keep_shortest(&e->units[i].backward_ns, now - before);
        before = now;
    }
    return 0;
}

static float *logits_of(const mnas_engine *e) {
    return place(e, e->plan.act, e->graph->n_nodes - 1);
}

int mnas_engine_infer(mnas_engine *engine, const mnas_weights *weights, const float *images, int n,
                      const float **logits) {
    if (n < 1 || n > engine->batch) {
        return mnas_error_set(MNAS_ERR_ARG, "%d images to infer; allowed: 1 to %d", n, engine->batch);
    }
    set_images(engine, images, n);
    set_params(engine, weights, NULL);
    int rc = forward(engine, false, 0);
    if (rc == 0) *logits = logits_of(engine);
    return rc;
}

int mnas_engine_observe(mnas_engine *engine, mnas_weights *weights, const float *images) {
    if (!engine->training) return mnas_error_set(MNAS_ERR_ARG, "an engine made for inference cannot observe");
    set_images(engine, images, engine->batch);
    set_params(engine, weights, NULL);
    return forward(engine, true, 0);
}

int mnas_engine_step(mnas_engine *engine, mnas_weights *weights, mnas_weights *gradients, const float *images,
                     const int32_t *labels, double smoothing, uint64_t seed, mnas_loss *loss) {
    if (!engine->training) return mnas_error_set(MNAS_ERR_ARG, "an engine made for inference cannot train");
    int last = engine->graph->n_nodes - 1;
    set_images(engine, images, engine->batch);
    set_params(engine, weights, gradients);
    int rc = forward(engine, true, seed);
    if (rc < 0) return rc;
    *loss = mnas_loss_softmax(logits_of(engine), labels, engine->batch, engine->graph->nodes[last].out.c,
                              smoothing, place(engine, engine->plan.grad, last));
    return backward(engine);
}

/* ---- what it is ---- */

size_t mnas_engine_slab_bytes(const mnas_engine *engine) {
    return engine->plan.bytes;
}

void mnas_engine_describe(const mnas_engine *engine, FILE *out) {
    fprintf(out, "%-32s %-9s %-22s %-14s %11s %11s\n", "node", "operator", "implementation", "output",
            "forward ms", "backward ms");
    for (int i = 1; i < engine->graph->n_nodes; i++) {
        const mnas_node *node = &engine->graph->nodes[i];
        const unit *u = &engine->units[i];
        char shape[48];
        snprintf(shape, sizeof shape, "%dx%dx%d", node->out.h, node->out.w, node->out.c);
        fprintf(out, "%-32s %-9s %-22s %-14s %11.3f %11.3f\n", node->name, node->op->plugin.name,
                u->kernel->name, shape, (double)u->forward_ns / 1e6, (double)u->backward_ns / 1e6);
    }
    fprintf(out, "activations %zu bytes, scratch %zu bytes, batch %d\n", engine->plan.bytes,
            engine->scratch.bytes, engine->batch);
}
