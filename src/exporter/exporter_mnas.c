/* exporter_mnas.c - our own model file (docs/models.md): the network without its weights, which have files of their own. */
#include <stdlib.h>

#include "exporter/exporter.h"

static int print(mnas_str *out, const void *opts, const mnas_export_job *job) {
    (void)opts;
    char *yaml;
    const int rc = mnas_model_print(&job->graph->model, &yaml);
    if (rc < 0) return rc;
    mnas_str_append(out, yaml);
    free(yaml);
    return 0;
}

const mnas_exporter_class mnas_exporter_class_mnas = {
    .plugin = {"mnas", "the model file of mnas, without weights", NULL, 0},
    .extension = ".yaml",
    .print = print,
};
