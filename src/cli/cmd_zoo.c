/* cmd_zoo.c - `mnas zoo`: the published networks with their cost, or one of them as a model file to edit. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "base/json.h"
#include "cli/table.h"

typedef struct zoo_opts {
    mnas_cli_common common;
    int64_t input;
} zoo_opts;

static const mnas_opt options[] = {{"input", MNAS_OPT_INT, offsetof(zoo_opts, input), "0", 0, 4096, "pixels",
                                    "image size; 0: the network's own", NULL},
                                   MNAS_CLI_JSON,
                                   MNAS_CLI_HELP,
                                   MNAS_OPT_END};

static int open_and_cost(const char *name, int input, mnas_model *model, mnas_cost *cost) {
    int rc = mnas_model_open(model, name, input);
    return rc < 0 ? rc : mnas_cost_compute(cost, model, 1);
}

static int append_json(json_t *models, const mnas_zoo_entry *entry, int input) {
    mnas_model model;
    mnas_cost cost;
    char *arch;
    int rc = open_and_cost(entry->name, input, &model, &cost);
    if (rc < 0) return rc;
    rc = mnas_model_arch(&model, &arch);
    if (rc == 0) {
        json_array_append_new(
            models, json_pack("{s:o, s:I, s:I, s:i, s:s, s:s, s:s}", "name", mnas_json_text(entry->name),
                              "params", (json_int_t)cost.params, "macs", (json_int_t)cost.macs, "input",
                              model.input_size, "arch", arch, "help", entry->help, "source", entry->source));
        free(arch);
    }
    mnas_cost_free(&cost);
    return rc;
}

static int print_json(const mnas_zoo_entry *entries, size_t n, int input) {
    json_t *models = json_array();
    for (size_t i = 0; i < n; i++) {
        int rc = append_json(models, &entries[i], input);
        if (rc < 0) {
            json_decref(models);
            return rc;
        }
    }
    return mnas_json_print(json_pack("{s:o}", "models", models));
}

static int print_list(int input) {
    size_t n;
    const mnas_zoo_entry *entries = mnas_zoo_list(&n);
    mnas_table table;
    mnas_table_start(&table, "<model|parameters|multiply-adds|input|<");
    for (size_t i = 0; i < n; i++) {
        mnas_model model;
        mnas_cost cost;
        int rc = open_and_cost(entries[i].name, input, &model, &cost);
        if (rc < 0) {
            mnas_str_free(&table.cells);
            return rc;
        }
        mnas_table_cell(&table, "%s", entries[i].name);
        mnas_table_count(&table, cost.params);
        mnas_table_count(&table, cost.macs);
        mnas_table_cell(&table, "%dx%dx%d", model.input_size, model.input_size, model.input_channels);
        mnas_table_cell(&table, "%s", entries[i].help);
        mnas_cost_free(&cost);
    }
    int rc = mnas_table_print(&table);
    if (rc == 0) printf("\n%s\n", mnas_zoo_note());
    return rc;
}

static int print_one(const char *name, int input, bool json) {
    mnas_model model;
    char *text;
    int rc = mnas_model_open(&model, name, input);
    if (rc < 0) return rc;
    if (json) return print_json(&(mnas_zoo_entry){name, "", ""}, 1, input);
    if ((rc = mnas_model_print(&model, &text)) < 0) return rc;
    fputs(text, stdout);
    free(text);
    return 0;
}

static int run(const void *opts, int n_words, char **words) {
    const zoo_opts *o = opts;
    if (n_words == 1) return print_one(words[0], (int)o->input, o->common.json);
    if (!o->common.json) return print_list((int)o->input);
    size_t n;
    const mnas_zoo_entry *entries = mnas_zoo_list(&n);
    return print_json(entries, n, (int)o->input);
}

const mnas_cli_command mnas_command_zoo = {
    .name = "zoo",
    .words = "[MODEL]",
    .max_words = 1,
    .summary = "published networks, exact to the parameter; one of them as a file to edit",
    .about =
        "Without an argument, list the published networks and what they cost. With one, print it as a model "
        "file: commented YAML which every command that takes a MODEL reads back. A MODEL is a zoo name, with "
        "@MULTIPLIER behind it for other widths (mnasnet-b1@0.5) and, last, @timm for the network as timm "
        "builds it (docs/weights.md); or a model file (a word with a '/' or ending in .yaml); or "
        "STUDY:TRIAL.",
    .example = "mnas zoo mnasnet-a1@0.5 >half.yaml",
    .opts = options,
    .opts_bytes = sizeof(zoo_opts),
    .run = run};
