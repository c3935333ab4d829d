/* facts.c - what an exported file says of its network beside the graph: enough to feed it, and to find it again. */
#include <stdlib.h>

#include "base/error.h"
#include "exporter/exporter.h"

static mnas_str *add(mnas_export_facts *facts, const char *name) {
    facts->name[facts->n] = name;
    return &facts->text[facts->n++];
}

static void add_text(mnas_export_facts *facts, const char *name, const char *text) {
    mnas_str_append(add(facts, name), text);
}

/* "0.485,0.456,0.406" */
static void add_channels(mnas_export_facts *facts, const char *name, const double *values, int n) {
    mnas_str *text = add(facts, name);
    for (int c = 0; c < n; c++) {
        char number[32];
        mnas_str_from_f64(values[c], number);
        mnas_str_appendf(text, "%s%s", c ? "," : "", number);
    }
}

static int add_network(mnas_export_facts *facts, const mnas_model *model) {
    char *arch = NULL, *yaml = NULL, key[17];
    int rc = mnas_model_arch(model, &arch);
    if (rc == 0) rc = mnas_model_print(model, &yaml);
    if (rc == 0) rc = mnas_model_key(model, key);
    if (rc == 0) {
        add_text(facts, "name", model->name);
        add_text(facts, "key", key);
        add_text(facts, "arch", arch);
        add_text(facts, "model", yaml); /* the model file: reads back as the network without its weights */
    }
    free(arch);
    free(yaml);
    return rc;
}

int mnas_export_facts_of(mnas_export_facts *out, const mnas_export_job *job, const char *layout) {
    const mnas_model *model = &job->graph->model;
    *out = (mnas_export_facts){0};
    const int rc = add_network(out, model);
    if (rc < 0) return rc;
    add_text(out, "image", layout);
    mnas_str_appendf(add(out, "classes"), "%d", model->classes);
    add_channels(out, "mean", model->mean, model->input_channels);
    add_channels(out, "std", model->std, model->input_channels);
    add_text(out, "weights", job->random ? "random" : "trained");
    mnas_str_appendf(&out->summary,
                     "%s: image %s, each value (pixel / 255 - mean) / std; %d logits, no softmax; %s weights",
                     model->name, layout, model->classes, job->random ? "random" : "trained");
    bool ok = mnas_str_ok(&out->summary);
    for (int i = 0; i < out->n; i++) ok = ok && mnas_str_ok(&out->text[i]);
    return ok ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: what a file says of %s", model->name);
}

void mnas_export_facts_free(mnas_export_facts *facts) {
    for (int i = 0; i < facts->n; i++) mnas_str_free(&facts->text[i]);
    mnas_str_free(&facts->summary);
}
