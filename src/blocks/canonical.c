/* canonical.c - when two networks are the same one: a text of the graph, and its hash.
 *
 * The graph itself is the normal form: choices an operator ignores (the expansion of conv and sep, a skip
 * where none can be), block boundaries and names never reach it as attributes, or are left out here. Weights
 * and pixel normalisation are no part of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "blocks/net.h"
#include "ops/op.h"

static void print_node(mnas_str *text, const mnas_node *node) {
    mnas_str_appendf(text, "%s(", node->op->plugin.name);
    for (int k = 0; k < node->n_in; k++) mnas_str_appendf(text, k ? ",%d" : "%d", node->in[k]);
    mnas_str_appendf(text, ") %dx%dx%d", node->out.h, node->out.w, node->out.c);
    if (node->kernel)
        mnas_str_appendf(text, " k%d s%d p%d,%d,%d,%d", node->kernel, node->stride, node->pad_top,
                         node->pad_left, node->pad_bottom, node->pad_right);
    if (node->filters) mnas_str_appendf(text, " f%d", node->filters);
    if (node->bias) mnas_str_append(text, " bias");
    if (node->act) mnas_str_appendf(text, " act%d", (int)node->act);
    if (node->epsilon > 0)
        mnas_str_appendf(text, " e%.17g m%.17g %c", node->epsilon, node->momentum,
                         node->unbiased ? 'u' : 'b');
    if (node->rate > 0) mnas_str_appendf(text, " r%.17g", node->rate);
    mnas_str_append(text, "\n");
}

/* Equal exactly for equal networks: operators, inputs, attributes, shapes; no names. *text is malloc'ed. */
static int print_graph(const mnas_graph *graph, char **text) {
    mnas_str out = {0};
    for (int i = 0; i < graph->n_nodes; i++) print_node(&out, &graph->nodes[i]);
    if (!mnas_str_ok(&out)) {
        mnas_str_free(&out);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: canonical text of %d nodes", graph->n_nodes);
    }
    *text = out.data;
    return 0;
}

int mnas_model_key(const mnas_model *model, char key[17]) {
    mnas_graph *graph = NULL;
    char *text = NULL;
    int rc = mnas_net_build(&graph, model);
    if (rc < 0 || (rc = print_graph(graph, &text)) < 0) goto out;
    uint64_t hash = mnas_hash_bytes(MNAS_HASH_INIT, text, strlen(text));
    snprintf(key, 17, "%016llx", (unsigned long long)hash);
out:
    free(text);
    mnas_graph_destroy(graph);
    return rc;
}
