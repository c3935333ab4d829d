/* memory.c - the lives of activations, gradients and saved values over one training step or one inference;
 * see memory.h.
 *
 * Steps: forward of node i is step i, the loss is step N, backward of node i is step 2N - i. A buffer lives
 * from the step that writes it to the last one that reads it; placement.c finds the places. Kernels' scratch
 * is not planned here.
 */
#include "ops/memory.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"
#include "ops/placement.h"
#include "ops/precision.h"

typedef struct planner {
    const mnas_graph *graph;
    const mnas_fusion *fusion; /* or NULL */
    int batch, n;
    bool training;
    int *group; /* [n] the node in whose place this node's gradient stands (itself where not shared), or -1 */
    mnas_interval *items;                      /* [4 n]: the four below in one array */
    mnas_interval *act, *grad, *saved, *extra; /* [n] each; grad by group */
} planner;

static int step_of_loss(const planner *p) {
    return p->n;
}
static int step_of_backward(const planner *p, int node) {
    return 2 * p->n - node;
}

static size_t tensor_bytes(const planner *p, int node) {
    const mnas_node *at = &p->graph->nodes[node];
    return mnas_shape_size(at->out) * (size_t)p->batch * mnas_elem_bytes(mnas_precision_of_output(at));
}

/* The buffer is used at this step. */
static void touch(mnas_interval *item, size_t bytes, int step) {
    if (item->bytes == 0) item->first = item->last = step;
    item->bytes = bytes;
    if (step < item->first) item->first = step;
    if (step > item->last) item->last = step;
}

static bool wants_gradient(const planner *p, int node) {
    return p->graph->nodes[node].op->backward != NULL;
}

/* The node whose place holds the values of node i's output, or what stands for them. */
static int holder(const planner *p, int i) {
    return p->fusion && p->fusion[i].by_consumer ? p->graph->nodes[i].in[0] : i;
}

static bool reads(const mnas_node *reader, int node) {
    for (int k = 0; k < reader->n_in; k++)
        if (reader->in[k] == node) return true;
    return false;
}

static void use_activation(planner *p, int node, int step) {
    const int at = holder(p, node);
    touch(&p->act[at], tensor_bytes(p, at), step);
}

static void live_activation(planner *p, int i) {
    const mnas_node *node = &p->graph->nodes[i];
    const int backward = step_of_backward(p, i);
    use_activation(p, i, i);
    for (int k = 0; k < node->n_in; k++) {
        use_activation(p, node->in[k], i);
        const bool normed = holder(p, node->in[k]) != node->in[k];
        if (p->training && (normed || node->op->backward_reads_src)) use_activation(p, node->in[k], backward);
    }
    if (!p->training) return;
    if (node->op->backward_reads_dst) use_activation(p, i, backward);
    /* Whoever takes the gradient through the norm reads what the norm has read. */
    if (p->fusion && p->fusion[i].by_producer)
        use_activation(p, node->in[0], step_of_backward(p, node->in[0]));
}

static void live_activations(planner *p) {
    for (int i = 0; i < p->n; i++) live_activation(p, i);
    use_activation(p, p->n - 1, step_of_loss(p));
}

static void live_saved(planner *p) {
    for (int i = 0; i < p->n; i++) {
        const mnas_node *node = &p->graph->nodes[i];
        mnas_shape in[MNAS_MAX_INPUTS] = {{0}};
        if (!node->op->saved_bytes) continue;
        mnas_graph_in_shapes(p->graph, node, in);
        size_t bytes = node->op->saved_bytes(node, in, p->batch);
        if (bytes == 0) continue;
        touch(&p->saved[i], bytes, i);
        if (p->training) touch(&p->saved[i], bytes, step_of_backward(p, i));
    }
}

/* Whether `node` still gets a share of its gradient from a node of [first, end). */
static bool gets_more_within(const planner *p, int node, int first, int end) {
    for (int c = first; c < end; c++)
        if (reads(&p->graph->nodes[c], node)) return true;
    return false;
}

/* Whether input `k` of node i may have its gradient in the very place of i's own. i's backward step is the
 * present one; `j` below are other nodes whose gradient stands there, too, and has not been used yet. */
static bool can_share(const planner *p, int i, int k) {
    const mnas_node *node = &p->graph->nodes[i];
    int from = node->in[k];
    bool is_add = node->op == &mnas_op_add;
    if (tensor_bytes(p, from) != tensor_bytes(p, i)) return false;
    if (!is_add && (!node->op->inplace_backward || k > 0 || mnas_graph_n_consumers(p->graph, from) != 1))
        return false;
    for (int j = 0; j < i; j++) {
        if (p->group[j] != p->group[i] || j == from) continue;
        if (!is_add || node->in[0] == node->in[1]) return false; /* would be overwritten now */
        /* Overwritten before it is used, when the other one's second consumer adds its share first. */
        if (gets_more_within(p, from, j, i) || gets_more_within(p, j, from, i)) return false;
    }
    return true;
}

/* Whether node i's gradient of input k can be added where another node has begun it, with no place of its own. */
static bool adds(const planner *p, int i, int k) {
    return p->graph->nodes[i].op == &mnas_op_add || (p->fusion && p->fusion[i].adds && k == 0);
}

/* Node i's backward gives its input `k` a gradient: the first giver into grad, later ones into extra. */
static void give_gradient(planner *p, int i, int k) {
    int from = p->graph->nodes[i].in[k], step = step_of_backward(p, i);
    if (!wants_gradient(p, from)) return;
    if (p->group[from] >= 0) {
        touch(&p->grad[p->group[from]], tensor_bytes(p, from), step);
        if (!adds(p, i, k)) touch(&p->extra[from], tensor_bytes(p, from), step);
        return;
    }
    const bool untouched = p->fusion && p->fusion[i].by_producer; /* its own gradient is its input's */
    p->group[from] = untouched || can_share(p, i, k) ? p->group[i] : from;
    touch(&p->grad[p->group[from]], tensor_bytes(p, from), step);
}

static void live_gradients(planner *p) {
    int last = p->n - 1;
    p->group[last] = last;
    touch(&p->grad[last], tensor_bytes(p, last), step_of_loss(p));
    for (int i = last; i > 0; i--) {
        if (p->group[i] < 0) continue; /* nothing behind it reads it */
        touch(&p->grad[p->group[i]], tensor_bytes(p, i), step_of_backward(p, i));
        for (int k = 0; k < p->graph->nodes[i].n_in; k++) give_gradient(p, i, k);
    }
}

static int planner_init(planner *p, const mnas_graph *graph, const mnas_fusion *fusion, int batch,
                        bool training) {
    assert(graph->n_nodes > 0);
    if (batch < 1 || batch > MNAS_MAX_BATCH)
        return mnas_error_set(MNAS_ERR_ARG, "batch is %d images; allowed: 1 to %d", batch, MNAS_MAX_BATCH);
    size_t n = (size_t)graph->n_nodes;
    *p = (planner){
        .graph = graph, .fusion = fusion, .batch = batch, .n = graph->n_nodes, .training = training};
    p->items = calloc(4 * n, sizeof *p->items);
    p->group = malloc(n * sizeof *p->group);
    if (!p->items || !p->group) {
        free(p->items);
        free(p->group);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: plan of %zu nodes", n);
    }
    p->act = p->items;
    p->grad = p->act + n;
    p->saved = p->grad + n;
    p->extra = p->saved + n;
    for (size_t i = 0; i < n; i++) p->group[i] = -1;
    return 0;
}

static void planner_clear(planner *p) {
    free(p->items);
    free(p->group);
}

static size_t place_of(const mnas_interval *item) {
    return item->bytes ? item->offset : MNAS_NO_PLACE;
}

static int export_plan(mnas_memory_plan *out, const planner *p) {
    size_t n = (size_t)p->n;
    size_t *places = malloc(4 * n * sizeof *places);
    if (!places) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: plan of %zu nodes", n);
    out->act = places;
    out->grad = places + n;
    out->saved = places + 2 * n;
    out->extra = places + 3 * n;
    for (size_t i = 0; i < n; i++) {
        int group = p->group[i];
        out->act[i] = place_of(&p->act[holder(p, (int)i)]);
        out->grad[i] = group < 0 ? MNAS_NO_PLACE : place_of(&p->grad[group]);
        out->saved[i] = place_of(&p->saved[i]);
        out->extra[i] = place_of(&p->extra[i]);
    }
    return 0;
}

/* Sums and offsets below cannot wrap behind this. */
static int check_total(const planner *p) {
    double bytes = 0;
    for (int i = 0; i < 4 * p->n; i++) bytes += (double)p->items[i].bytes;
    if (bytes < 0x1p62) return 0;
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %g bytes of activations at batch %d", bytes,
                          p->batch);
}

static int make_plan(mnas_memory_plan *out, const mnas_graph *graph, const mnas_fusion *fusion, int batch,
                     bool training) {
    planner p;
    *out = (mnas_memory_plan){0};
    int rc = planner_init(&p, graph, fusion, batch, training);
    if (rc < 0) return rc;
    live_activations(&p);
    live_saved(&p);
    if (training) live_gradients(&p);
    if ((rc = check_total(&p)) < 0) goto out;
    if ((rc = mnas_placement_assign(p.items, 4 * p.n, &out->bytes)) < 0) goto out;
    rc = export_plan(out, &p);
out:
    planner_clear(&p);
    return rc;
}

int mnas_memory_plan_training(mnas_memory_plan *out, const mnas_graph *graph, const mnas_fusion *fusion,
                              int batch) {
    return make_plan(out, graph, fusion, batch, true);
}

int mnas_memory_plan_inference(mnas_memory_plan *out, const mnas_graph *graph, const mnas_fusion *fusion,
                               int batch) {
    return make_plan(out, graph, fusion, batch, false);
}

int mnas_memory_peak_inference(size_t *bytes, const mnas_graph *graph, int batch) {
    planner p;
    int rc = planner_init(&p, graph, NULL, batch, false);
    if (rc < 0) return rc;
    live_activations(&p);
    *bytes = 0;
    rc = check_total(&p);
    for (int step = 0; step < p.n && rc == 0; step++) {
        size_t live = 0;
        for (int i = 0; i < p.n; i++)
            if (p.act[i].first <= step && step <= p.act[i].last) live += p.act[i].bytes;
        if (live > *bytes) *bytes = live;
    }
    planner_clear(&p);
    return rc;
}

void mnas_memory_plan_free(mnas_memory_plan *plan) {
    free(plan->act); /* the four arrays are one allocation */
    *plan = (mnas_memory_plan){0};
}
