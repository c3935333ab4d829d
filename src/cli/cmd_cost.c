/* cmd_cost.c - `mnas cost`: parameters, multiply-adds and memory of a network, layer by layer. Nothing is run. */
#include <stdio.h>

#include "base/human.h"
#include "cli/cli.h"
#include "base/json.h"
#include "cli/table.h"

typedef struct cost_opts {
    mnas_cli_common common;
    int64_t input, batch;
    bool total;
} cost_opts;

#define AT(field) offsetof(cost_opts, field)
static const mnas_opt options[] = {
    {"input", MNAS_OPT_INT, AT(input), "0", 0, 4096, "pixels", "image size; 0: the model's own", NULL},
    {"batch", MNAS_OPT_INT, AT(batch), "32", 1, 4096, "images", "of a training step, for its memory", NULL},
    {"total", MNAS_OPT_BOOL, AT(total), NULL, 0, 0, NULL, "leave the layers out", NULL},
    MNAS_CLI_JSON,
    MNAS_CLI_HELP,
    MNAS_OPT_END};
#undef AT

static json_t *layers_json(const mnas_cost *cost) {
    json_t *list = json_array();
    for (int i = 0; i < cost->n_layers; i++) {
        const mnas_layer_cost *l = &cost->layers[i];
        json_t *layer =
            json_pack("{s:s, s:s, s:I, s:I, s:I, s:[i,i,i], s:[i,i,i], s:i, s:i}", "name", l->name, "op",
                      l->op, "params", (json_int_t)l->params, "macs", (json_int_t)l->macs, "out_bytes",
                      (json_int_t)l->out_bytes, "in_hwc", l->in_h, l->in_w, l->in_c, "out_hwc", l->out_h,
                      l->out_w, l->out_c, "kernel", l->kernel, "stride", l->stride);
        if (json_array_append_new(list, layer) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

static int print_json(const char *name, const mnas_model *model, const mnas_cost *c) {
    return mnas_json_print(
        json_pack("{s:o, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:o}", "model", mnas_json_text(name),
                  "input", model->input_size, "params", (json_int_t)c->params, "macs", (json_int_t)c->macs,
                  "train_bytes", (json_int_t)c->train_bytes, "infer_bytes", (json_int_t)c->infer_bytes,
                  "weight_bytes", (json_int_t)c->weight_bytes, "optimizer_bytes",
                  (json_int_t)c->optimizer_bytes, "batch", c->batch, "layers", layers_json(c)));
}

static int print_layers(const mnas_cost *cost) {
    mnas_table table;
    mnas_table_start(&table,
                     "<layer|<operator|input|output|kernel/stride|parameters|multiply-adds|output size");
    for (int i = 0; i < cost->n_layers; i++) {
        const mnas_layer_cost *l = &cost->layers[i];
        mnas_table_cell(&table, "%s", l->name);
        mnas_table_cell(&table, "%s", l->op);
        mnas_table_cell(&table, "%dx%dx%d", l->in_h, l->in_w, l->in_c);
        mnas_table_cell(&table, "%dx%dx%d", l->out_h, l->out_w, l->out_c);
        if (l->kernel > 0) {
            mnas_table_cell(&table, "%d/%d", l->kernel, l->stride);
        } else {
            mnas_table_cell(&table, "-");
        }
        mnas_table_count(&table, l->params);
        mnas_table_count(&table, l->macs);
        mnas_table_bytes(&table, l->out_bytes);
    }
    int rc = mnas_table_print(&table);
    putchar('\n');
    return rc;
}

static void total_row(mnas_table *table, const char *what, int64_t n, bool bytes, const char *note) {
    char exact[MNAS_HUMAN_BYTES];
    mnas_human_exact(n, exact);
    mnas_table_cell(table, "%s", what);
    (bytes ? mnas_table_bytes : mnas_table_count)(table, n);
    mnas_table_cell(table, "%s", exact);
    mnas_table_cell(table, "%s", note);
}

static int print_totals(const char *name, const mnas_model *model, const mnas_cost *c) {
    mnas_table table;
    char step[64];
    snprintf(step, sizeof step, "activations of a training step of %d images", c->batch);
    printf("%s at %dx%dx%d\n", name, model->input_size, model->input_size, model->input_channels);
    mnas_table_start(&table, "<|about|exactly|<");
    total_row(&table, "parameters", c->params, false, "trainable");
    total_row(&table, "multiply-adds", c->macs, false, "of one image; convolutions and dense layers");
    total_row(&table, "weights", c->weight_bytes, true, "all stored tensors");
    total_row(&table, "inference", c->infer_bytes, true, "peak of live activations, batch 1");
    total_row(&table, "training", c->train_bytes, true, step);
    total_row(&table, "optimiser", c->optimizer_bytes, true,
              "gradients, RMSProp's two slots, averaged weights");
    return mnas_table_print(&table);
}

static int run(const void *opts, int n_words, char **words) {
    const cost_opts *o = opts;
    (void)n_words;
    mnas_model model;
    mnas_cost cost;
    int rc = mnas_model_open(&model, words[0], (int)o->input);
    if (rc < 0) return rc;
    if ((rc = mnas_cost_compute(&cost, &model, (int)o->batch)) < 0) return rc;
    if (o->common.json) {
        rc = print_json(words[0], &model, &cost);
    } else {
        if (!o->total) rc = print_layers(&cost);
        if (rc == 0) rc = print_totals(words[0], &model, &cost);
    }
    mnas_cost_free(&cost);
    return rc;
}

const mnas_cli_command mnas_command_cost = {
    .name = "cost",
    .words = "MODEL",
    .min_words = 1,
    .max_words = 1,
    .summary = "parameters, multiply-adds and memory of a network, layer by layer",
    .about = "Compute what a network costs without running it. Multiply-adds count every convolution and "
             "dense layer, squeeze-and-excitation's included. MODEL is a zoo name with an optional "
             "@MULTIPLIER, a model file, or STUDY:TRIAL.",
    .example = "mnas cost mnasnet-a1 --input 192",
    .opts = options,
    .opts_bytes = sizeof(cost_opts),
    .run = run};
