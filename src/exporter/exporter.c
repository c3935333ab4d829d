/* exporter.c - from a spec to a file's bytes. It knows no format itself. */
#include "exporter/exporter.h"

#include <stdlib.h>

#include "base/error.h"
#include "blocks/fold.h"
#include "blocks/net.h"

static const mnas_plugin *const plugins[] = {
#define MNAS_EXPORTER(name) &mnas_exporter_class_##name.plugin,
#include "exporter/exporters.def"
#undef MNAS_EXPORTER
};

const mnas_plugin *const *mnas_exporter_plugins(size_t *n) {
    *n = sizeof plugins / sizeof *plugins;
    return plugins;
}

static int open_class(const mnas_exporter_class **class, void **opts, const char *spec) {
    const mnas_plugin *plugin;
    size_t n;
    const mnas_plugin *const *list = mnas_exporter_plugins(&n);
    const int rc = mnas_registry_open(list, n, "format", spec, &plugin, opts);
    *class = rc < 0 ? NULL : (const mnas_exporter_class *)plugin; /* plugin is the first member */
    return rc;
}

int mnas_exporter_print(mnas_str *out, const char *format, const mnas_export_job *job) {
    const mnas_exporter_class *class;
    void *opts = NULL;
    *out = (mnas_str){0};
    int rc = open_class(&class, &opts, format);
    if (rc == 0) rc = class->print(out, opts, job);
    if (rc == 0 && !mnas_str_ok(out))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %s file of %s", format, job->graph->model.name);
    free(opts);
    return rc;
}

int mnas_exporter_print_model(mnas_str *out, const char *format, const mnas_model *model,
                              const char *weights_path) {
    mnas_graph *graph = NULL, *folded = NULL;
    mnas_weights *trained = NULL, *weights = NULL;
    *out = (mnas_str){0};
    int rc = mnas_net_build(&graph, model);
    if (rc == 0 && weights_path) rc = mnas_weights_create(&trained, graph);
    if (rc == 0 && weights_path) rc = mnas_weights_load(trained, graph, weights_path);
    if (rc == 0) rc = mnas_fold(&folded, &weights, graph, trained);
    if (rc == 0)
        rc = mnas_exporter_print(
            out, format, &(mnas_export_job){.graph = folded, .weights = weights, .random = !weights_path});
    mnas_weights_destroy(weights);
    mnas_weights_destroy(trained);
    mnas_graph_destroy(folded);
    mnas_graph_destroy(graph);
    return rc;
}

int mnas_exporter_extension(const char **extension, const char *format) {
    const mnas_exporter_class *class;
    void *opts = NULL;
    const int rc = open_class(&class, &opts, format);
    *extension = rc < 0 ? NULL : class->extension;
    free(opts);
    return rc;
}
