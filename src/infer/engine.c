/* engine.c - from a spec to a network on an engine. It knows no engine itself. */
#include "infer/engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct mnas_infer {
    const mnas_infer_class *class;
    void *net;
    size_t n_input, n_output;
    char name[96];
};

static const mnas_plugin *const plugins[] = {
#define MNAS_ENGINE(name) &mnas_infer_class_##name.plugin,
#include "infer/engines.def"
#undef MNAS_ENGINE
};

const mnas_plugin *const *mnas_infer_plugins(size_t *n) {
    *n = sizeof plugins / sizeof *plugins;
    return plugins;
}

static int open_class(const mnas_infer_class **class, void **opts, const char *spec) {
    const mnas_plugin *plugin;
    size_t n;
    const mnas_plugin *const *list = mnas_infer_plugins(&n);
    const int rc = mnas_registry_open(list, n, "engine", spec, &plugin, opts);
    *class = rc < 0 ? NULL : (const mnas_infer_class *)plugin; /* plugin is the first member */
    return rc;
}

int mnas_infer_create(mnas_infer **out, const char *engine_spec, const mnas_infer_job *job) {
    assert(job->graph->n_nodes >= 2 && job->n_threads >= 1);
    void *opts = NULL;
    *out = NULL;
    mnas_infer *net = calloc(1, sizeof *net);
    if (!net) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: engine %s", engine_spec);
    int rc = open_class(&net->class, &opts, engine_spec);
    if (rc < 0) goto out;
    if ((rc = net->class->create(&net->net, opts, job)) < 0) {
        mnas_error_context(rc, "engine %s", net->class->plugin.name);
        goto out;
    }
    net->n_input = mnas_shape_size(job->graph->nodes[0].out);
    net->n_output = mnas_shape_size(job->graph->nodes[job->graph->n_nodes - 1].out);
    snprintf(net->name, sizeof net->name, "%s %s", net->class->plugin.name, net->class->version(net->net));
    *out = net;
    net = NULL;
out:
    free(opts);
    mnas_infer_destroy(net);
    return rc;
}

int mnas_infer_run(mnas_infer *net, const float *image, float *logits) {
    memcpy(net->class->input(net->net), image, net->n_input * sizeof *image);
    if (net->class->load) net->class->load(net->net);
    const int rc = net->class->invoke(net->net);
    if (rc == 0) memcpy(logits, net->class->output(net->net), net->n_output * sizeof *logits);
    return rc;
}

int mnas_infer_invoke(mnas_infer *net) {
    return net->class->invoke(net->net);
}

bool mnas_infer_has_layers(const mnas_infer *net) {
    return net->class->n_layers != NULL;
}

int mnas_infer_n_layers(mnas_infer *net) {
    return net->class->n_layers(net->net);
}

int mnas_infer_layer_node(mnas_infer *net, int i) {
    return net->class->layer_node(net->net, i);
}

int mnas_infer_invoke_layer(mnas_infer *net, int i) {
    return net->class->invoke_layer(net->net, i);
}

const char *mnas_infer_name(const mnas_infer *net) {
    return net->name;
}

void mnas_infer_destroy(mnas_infer *net) {
    if (!net) return;
    if (net->net) net->class->destroy(net->net);
    free(net);
}
