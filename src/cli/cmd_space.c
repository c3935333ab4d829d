/* cmd_space.c - `mnas space`: the built-in search spaces, the decisions of one, its YAML to copy and edit, or one made for
 * some images (`mnas space suggest`, space_suggest.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "base/json.h"
#include "cli/space_suggest.h"
#include "cli/table.h"

typedef struct space_opts {
    mnas_cli_common common;
    bool yaml;
    char data[MNAS_OPT_STR], output[MNAS_OPT_STR];
} space_opts;

static const mnas_opt options[] = {{"yaml", MNAS_OPT_BOOL, offsetof(space_opts, yaml), NULL, 0, 0, NULL,
                                    "print the space's file, to copy and edit", NULL},
                                   {"data", MNAS_OPT_STRING, offsetof(space_opts, data), "", 0, 0, "DATASET",
                                    "with suggest: the images to search for", NULL},
                                   {"output", MNAS_OPT_STRING, offsetof(space_opts, output), "", 0, 0, "FILE",
                                    "with suggest: write the space here; also -o FILE", NULL},
                                   MNAS_CLI_JSON,
                                   MNAS_CLI_HELP,
                                   MNAS_OPT_END};

static json_t *decision_json(const mnas_decision *d) {
    json_t *choices = json_array();
    for (int i = 0; i < d->n_choices; i++) json_array_append_new(choices, json_string(d->choices[i]));
    return json_pack("{s:s, s:b, s:o}", "name", d->name, "ordinal", (int)d->ordinal, "choices", choices);
}

static int print_one_json(const mnas_space *space) {
    json_t *decisions = json_array();
    int n = mnas_space_n_decisions(space);
    for (int i = 0; i < n; i++)
        json_array_append_new(decisions, decision_json(mnas_space_decision(space, i)));
    return mnas_json_print(json_pack("{s:s, s:i, s:s, s:o}", "name", mnas_space_name(space), "n_decisions", n,
                                     "n_encodings", mnas_space_n_encodings(space), "decisions", decisions));
}

static int print_one(const mnas_space *space) {
    mnas_model reference;
    char *arch;
    int rc = mnas_space_reference(space, &reference);
    if (rc < 0 || (rc = mnas_model_arch(&reference, &arch)) < 0) return rc;
    printf("%s: %d decisions, %s encodings\nreference: %s\n\n", mnas_space_name(space),
           mnas_space_n_decisions(space), mnas_space_n_encodings(space), arch);
    free(arch);
    mnas_table table;
    mnas_table_start(&table, "<decision|<kind|<choices");
    for (int i = 0; i < mnas_space_n_decisions(space); i++) {
        const mnas_decision *d = mnas_space_decision(space, i);
        mnas_str choices = {0};
        for (int c = 0; c < d->n_choices; c++)
            mnas_str_appendf(&choices, "%s%s", c ? ", " : "", d->choices[c]);
        mnas_table_cell(&table, "%s", d->name);
        mnas_table_cell(&table, "%s", d->ordinal ? "ordered" : "named");
        mnas_table_cell(&table, "%s", choices.data ? choices.data : "");
        mnas_str_free(&choices);
    }
    return mnas_table_print(&table);
}

static int list_row(mnas_table *table, json_t *list, const char *name) {
    mnas_space *space;
    int rc = mnas_space_open(&space, name);
    if (rc < 0) return rc;
    mnas_table_cell(table, "%s", name);
    mnas_table_cell(table, "%d", mnas_space_n_decisions(space));
    mnas_table_cell(table, "%s", mnas_space_n_encodings(space));
    json_array_append_new(list, json_pack("{s:s, s:i, s:s}", "name", name, "n_decisions",
                                          mnas_space_n_decisions(space), "n_encodings",
                                          mnas_space_n_encodings(space)));
    mnas_space_close(space);
    return 0;
}

static int print_list(bool json) {
    size_t n;
    const char *const *names = mnas_space_builtins(&n);
    mnas_table table;
    json_t *list = json_array();
    mnas_table_start(&table, "<space|decisions|encodings");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) rc = list_row(&table, list, names[i]);
    if (rc == 0 && json) {
        rc = mnas_json_print(json_pack("{s:O}", "spaces", list));
    } else if (rc == 0) {
        rc = mnas_table_print(&table);
        puts("\nmnas space NAME shows one; mnas space NAME --yaml >mine.yaml copies it to edit.");
    }
    mnas_str_free(&table.cells);
    json_decref(list);
    return rc;
}

static int run(const void *opts, int n_words, char **words) {
    const space_opts *o = opts;
    bool suggest = n_words > 0 && strcmp(words[0], "suggest") == 0;
    if (suggest && !o->data[0])
        return mnas_error_set(MNAS_ERR_ARG,
                              "mnas space suggest: --data is missing; `mnas datasets` lists what there is");
    if (!suggest && (o->data[0] || o->output[0]))
        return mnas_error_set(MNAS_ERR_ARG, "mnas space: --%s goes with `mnas space suggest` alone",
                              o->data[0] ? "data" : "output");
    if (suggest) return mnas_cli_space_suggest(o->data, o->output, o->common.json);
    if (n_words == 0) {
        if (o->yaml) return mnas_error_set(MNAS_ERR_ARG, "mnas space: --yaml needs the NAME of a space");
        return print_list(o->common.json);
    }
    mnas_space *space;
    int rc = mnas_space_open(&space, words[0]);
    if (rc < 0) return rc;
    if (o->yaml) {
        fputs(mnas_space_text(space), stdout);
    } else {
        rc = o->common.json ? print_one_json(space) : print_one(space);
    }
    mnas_space_close(space);
    return rc;
}

const mnas_cli_command mnas_command_space = {
    .name = "space",
    .words = "[NAME|FILE|suggest]",
    .max_words = 1,
    .summary = "search spaces: the built-in ones, one's decisions and file; a proposal for images",
    .about =
        "Without an argument, list the built-in search spaces. With one, show the decisions a strategy "
        "makes in it and the number of encodings, the product of the numbers of choices. A space is a "
        "commented YAML file: print a built-in one with --yaml, edit it, and pass the file wherever a "
        "space is asked for. `mnas space suggest --data D` proposes a space, an image size and a length of "
        "trials for the images of D, with the reasons and the command to go on with.",
    .example = "mnas space mnasnet-28 --yaml >mine.yaml && mnas space ./mine.yaml\n  "
               "mnas space suggest --data imagefolder:path=photos -o photos.yaml",
    .opts = options,
    .opts_bytes = sizeof(space_opts),
    .run = run};
