/* floor.c - the step as a list of accesses to tensors, then their distances, then their times. */
#include "common/floor.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "ops/op.h"

/* What a node has one of. */
typedef enum { X, GRAD, WEIGHT, WEIGHT_GRAD, MOMENTUM, MEAN_SQUARE, N_TENSORS } tensor;

typedef struct access {
    int phase, id; /* id: node * N_TENSORS + tensor */
    bool write;
    double bytes, at; /* at: bytes touched in the step before this one */
    peak_level level;
} access;

typedef struct phase {
    double flops, peak;
} phase;

typedef struct walk {
    const mnas_graph *graph;
    int batch;
    bool bf16;
    const peak *p;
    access *list;
    phase *phases;
    int n, n_phases;
    double bytes; /* of all accesses */
    int *maker;   /* of a node's value: the node whose x holds it */
    int *holder;  /* of the gradient of a maker's x: the maker of the sum it goes into alone, else itself */
} walk;

enum { ACCESSES_OF_NODE = 24 };

static bool is_heavy(const mnas_node *node) {
    return node->op == &mnas_op_conv || node->op == &mnas_op_dwconv || node->op == &mnas_op_dense;
}

static bool makes(const mnas_node *node) {
    return is_heavy(node) || node->op == &mnas_op_input || node->op == &mnas_op_add ||
           node->op == &mnas_op_gap || node->op == &mnas_op_maxpool || node->op == &mnas_op_avgpool;
}

static void find_makers(walk *w) {
    for (int i = 0; i < w->graph->n_nodes; i++) {
        const mnas_node *node = &w->graph->nodes[i];
        w->maker[i] = makes(node) ? i : w->maker[node->in[0]];
        w->holder[i] = i;
    }
}

/* A sum hands its gradient to both terms as it is. A term that nothing but the sum reads needs no other tensor. */
static void find_holders(walk *w) {
    const mnas_graph *g = w->graph;
    for (int i = 0; i < g->n_nodes; i++) {
        if (g->nodes[i].op != &mnas_op_add) continue;
        for (int t = 0; t < 2; t++) w->holder[w->maker[g->nodes[i].in[t]]] = i;
    }
    for (int i = 0; i < g->n_nodes; i++) {
        int made = g->nodes[i].n_in > 0 ? w->maker[g->nodes[i].in[0]] : i;
        if (makes(&g->nodes[i]) && g->nodes[i].op != &mnas_op_add) w->holder[made] = made;
    }
}

/* ---- accesses ---- */

static void touch(walk *w, int node, tensor what, bool write, double bytes) {
    if (bytes <= 0) return;
    w->list[w->n++] =
        (access){w->n_phases, node * N_TENSORS + (int)what, write, bytes, w->bytes, PEAK_MEMORY};
    w->bytes += bytes;
}

static double x_bytes(const walk *w, int node) {
    return (double)mnas_shape_size(w->graph->nodes[node].out) * w->batch * (w->bf16 ? 2 : 4);
}

static double n_weights(const walk *w, const mnas_node *node) {
    double n = 0;
    for (int i = 0; i < node->n_params; i++) {
        const mnas_param *param = &w->graph->params[node->params[i]];
        if (param->trainable) n += (double)param->size;
    }
    return n;
}

static void end_phase(walk *w, const mnas_node *node, double passes) {
    mnas_shape in[MNAS_MAX_INPUTS];
    mnas_graph_in_shapes(w->graph, node, in);
    double macs = node->op->macs && is_heavy(node) ? (double)node->op->macs(node, in) : 0;
    bool fast = w->bf16 && node->op != &mnas_op_dwconv && w->p->bf16_flops > 0;
    w->phases[w->n_phases++] = (phase){2 * passes * macs * w->batch, fast ? w->p->bf16_flops : w->p->flops};
}

static void forward(walk *w, int i) {
    const mnas_node *node = &w->graph->nodes[i];
    int in = node->n_in > 0 ? w->maker[node->in[0]] : -1;
    if (node->op == &mnas_op_add) {
        touch(w, in, X, false, x_bytes(w, in));
        touch(w, w->maker[node->in[1]], X, false, x_bytes(w, i));
        touch(w, i, X, true, x_bytes(w, i));
    } else if (makes(node) && in >= 0) {
        bool at_hand = w->graph->nodes[in].op == &mnas_op_add;
        if (!at_hand) touch(w, in, X, false, x_bytes(w, in));
        touch(w, i, WEIGHT, false, n_weights(w, node) * (w->bf16 ? 2 : 4));
        touch(w, i, X, true, x_bytes(w, i));
    }
    end_phase(w, node, 1);
}

static void backward(walk *w, int i) {
    const mnas_node *node = &w->graph->nodes[i];
    int in = node->n_in > 0 ? w->maker[node->in[0]] : -1;
    bool to_images = in >= 0 && w->graph->nodes[in].op == &mnas_op_input;
    if (node->op == &mnas_op_add) {
        touch(w, i, GRAD, false, x_bytes(w, i));
    } else if (node->op == &mnas_op_gap) {
        touch(w, in, X, false, x_bytes(w, in));
    } else if (makes(node) && in >= 0) {
        bool one_value = false; /* a map: the gradient that comes from a gap */
        for (int k = i; k < w->graph->n_nodes; k++) {
            const mnas_node *reader = &w->graph->nodes[k];
            if (reader->op == &mnas_op_gap && w->maker[reader->in[0]] == i) one_value = true;
        }
        if (!one_value) touch(w, w->holder[i], GRAD, false, x_bytes(w, i));
        touch(w, i, X, false, x_bytes(w, i));
        touch(w, in, X, false, x_bytes(w, in));
        touch(w, i, WEIGHT, false, n_weights(w, node) * (w->bf16 ? 2 : 4));
        touch(w, i, WEIGHT_GRAD, true, n_weights(w, node) * 4);
        if (!to_images) touch(w, w->holder[in], GRAD, true, x_bytes(w, in));
    }
    end_phase(w, node, to_images ? 1 : 2);
}

static void update(walk *w, int i) {
    static const tensor slots[] = {WEIGHT, MOMENTUM, MEAN_SQUARE};
    const mnas_node *node = &w->graph->nodes[i];
    double bytes = n_weights(w, node) * 4;
    touch(w, i, WEIGHT_GRAD, false, bytes);
    for (int s = 0; s < 3; s++) touch(w, i, slots[s], false, bytes);
    for (int s = 0; s < 3; s++) touch(w, i, slots[s], true, bytes);
    end_phase(w, node, 0);
}

/* ---- times ---- */

static peak_level level_of(const peak *p, double distance) {
    if (distance <= (double)p->bytes[PEAK_L2]) return PEAK_L2;
    return distance <= (double)p->bytes[PEAK_L3] ? PEAK_L3 : PEAK_MEMORY;
}

/* Bytes from the last access of the same tensor, itself included, up to access k; the step repeats. */
static double distance(const walk *w, int k) {
    for (int j = k - 1; j >= 0; j--) {
        if (w->list[j].id == w->list[k].id) return w->list[k].at - w->list[j].at;
    }
    for (int j = w->n - 1; j > k; j--) {
        if (w->list[j].id == w->list[k].id) return w->bytes + w->list[k].at - w->list[j].at;
    }
    return w->bytes;
}

static void place(walk *w) {
    for (int k = 0; k < w->n; k++) {
        if (!w->list[k].write) w->list[k].level = level_of(w->p, distance(w, k));
    }
    for (int k = 0; k < w->n; k++) {
        if (!w->list[k].write) continue;
        peak_level level = PEAK_L2;
        for (int j = 0; j < w->n; j++) {
            const access *a = &w->list[j];
            if (a->id == w->list[k].id && !a->write && a->level > level) level = a->level;
        }
        w->list[k].level = level;
    }
}

static double access_s(const peak *p, const access *a) {
    const peak_bandwidth *b = &p->at[a->level];
    double read_s = a->bytes / b->read;
    return a->write ? fmax(read_s, 2 * a->bytes / b->copy - read_s) : read_s;
}

static void add_up(const walk *w, step_floor *out) {
    int k = 0;
    *out = (step_floor){.bytes = w->bytes};
    for (int i = 0; i < w->n_phases; i++) {
        double memory_s = 0, arithmetic_s = w->phases[i].flops / w->phases[i].peak;
        for (; k < w->n && w->list[k].phase == i; k++) memory_s += access_s(w->p, &w->list[k]);
        out->memory_s += memory_s;
        out->arithmetic_s += arithmetic_s;
        out->step_s += fmax(memory_s, arithmetic_s);
        out->flops += w->phases[i].flops;
    }
}

int floor_of(step_floor *out, const mnas_graph *graph, int batch, const peak *p, bool bf16) {
    size_t n = (size_t)graph->n_nodes;
    walk w = {.graph = graph, .batch = batch, .bf16 = bf16, .p = p};
    w.list = calloc(n * ACCESSES_OF_NODE, sizeof *w.list);
    w.phases = calloc(n * 3, sizeof *w.phases);
    w.maker = calloc(n, sizeof *w.maker);
    w.holder = calloc(n, sizeof *w.holder);
    int rc = w.list && w.phases && w.maker && w.holder ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "no memory");
    if (rc == 0) {
        find_makers(&w);
        find_holders(&w);
        for (int i = 0; i < graph->n_nodes; i++) forward(&w, i);
        for (int i = graph->n_nodes - 1; i >= 0; i--) backward(&w, i);
        for (int i = 0; i < graph->n_nodes; i++) update(&w, i);
        place(&w);
        add_up(&w, out);
    }
    free(w.holder);
    free(w.maker);
    free(w.phases);
    free(w.list);
    return rc;
}
