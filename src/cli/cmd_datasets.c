/* cmd_datasets.c - `mnas datasets`: what can be trained on, or the facts of one dataset. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/human.h"
#include "cli/cli.h"
#include "base/json.h"
#include "cli/plugins.h"
#include "cli/table.h"

enum { MAX_SHOWN_CLASSES = 100, MAX_SHOWN_FILES = 10 };
/* The largest class has so many times the images of the smallest: accuracy alone then says little. */
static const double UNBALANCED = 1.5;

static const mnas_opt options[] = {MNAS_CLI_JSON, MNAS_CLI_HELP, MNAS_OPT_END};

typedef struct description {
    mnas_dataset_info info;
    mnas_class_info *classes; /* [info.classes] */
    char *skipped;
    int largest, smallest; /* classes */
} description;

static int n_images(const mnas_class_info *k) {
    return k->n_train + k->n_val;
}

static int describe(description *d, const char *spec) {
    *d = (description){0};
    int rc = mnas_dataset_describe(&d->info, spec);
    if (rc == 0) rc = mnas_dataset_classes(&d->classes, &d->skipped, spec);
    for (int k = 1; rc == 0 && k < d->info.classes; k++) {
        if (n_images(&d->classes[k]) > n_images(&d->classes[d->largest])) d->largest = k;
        if (n_images(&d->classes[k]) < n_images(&d->classes[d->smallest])) d->smallest = k;
    }
    return rc;
}

static bool is_unbalanced(const description *d) {
    return n_images(&d->classes[d->largest]) > UNBALANCED * n_images(&d->classes[d->smallest]);
}

/* ---- JSON ---- */

static json_t *class_list(const description *d) {
    json_t *list = json_array();
    for (int i = 0; i < d->info.classes; i++)
        json_array_append_new(list,
                              json_pack("{s:o, s:i, s:i}", "name", mnas_json_text(d->classes[i].name),
                                        "n_train", d->classes[i].n_train, "n_val", d->classes[i].n_val));
    return list;
}

static json_t *name_list(const description *d) {
    json_t *list = json_array();
    for (int i = 0; i < d->info.classes; i++) json_array_append_new(list, mnas_json_text(d->classes[i].name));
    return list;
}

static json_t *line_list(char *lines) {
    json_t *list = json_array();
    char *rest = NULL;
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        json_array_append_new(list, mnas_json_text(line));
    return list;
}

static int print_json(const description *d) {
    const mnas_dataset_info *i = &d->info;
    return mnas_json_print(json_pack(
        "{s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:i, s:i, s:o, s:o, s:b, s:b, s:o, s:o, s:o}", "data",
        mnas_json_text(i->spec), "height", i->height, "width", i->width, "channels", i->channels, "classes",
        i->classes, "n_train", i->n_train, "n_val", i->n_val, "n_test", mnas_json_integer(i->n_test),
        "n_skipped", i->n_skipped, "n_ignored", i->n_ignored, "cache_bytes",
        mnas_json_integer(i->cache_bytes), "cache_path", mnas_json_text(i->cache_path), "in_files",
        (int)i->in_files, "unbalanced", (int)is_unbalanced(d), "class_names", name_list(d), "class_counts",
        class_list(d), "skipped", line_list(d->skipped)));
}

/* ---- text ---- */

static void print_sizes(const mnas_dataset_info *d) {
    char bytes[MNAS_HUMAN_BYTES];
    mnas_human_bytes(d->cache_bytes, bytes);
    printf("%s: %d classes, images of %dx%dx%d\n\n", d->spec, d->classes, d->height, d->width, d->channels);
    printf("train       %8d images\nvalidation  %8d, not trained on\n", d->n_train, d->n_val);
    if (d->n_test > 0)
        printf("test        %8d, never opened by a search\n", d->n_test);
    else
        printf("test        %s\n", d->n_test == 0 ? "    none" : " unknown: its files cannot be read");
    if (d->n_ignored > 0) printf("ignored     %8d files that are no images\n", d->n_ignored);
    if (d->cache_path[0]) printf("cache       %8s  %s\n", bytes, d->cache_path);
    if (d->in_files) printf("decoded     each time, from their files; the cache is an index of them\n");
}

static int print_classes(const description *d) {
    mnas_table table;
    mnas_table_start(&table, "label|train|validation|<class");
    int n = d->info.classes < MAX_SHOWN_CLASSES ? d->info.classes : MAX_SHOWN_CLASSES;
    for (int k = 0; k < n; k++) {
        mnas_table_cell(&table, "%d", k);
        mnas_table_cell(&table, "%d", d->classes[k].n_train);
        mnas_table_cell(&table, "%d", d->classes[k].n_val);
        mnas_table_cell(&table, "%s", d->classes[k].name);
    }
    putchar('\n');
    int rc = mnas_table_print(&table);
    if (n < d->info.classes) printf("and %d more; --json has all\n", d->info.classes - n);
    return rc;
}

static void print_skipped(const description *d) {
    if (d->info.n_skipped == 0) return;
    printf("\n%d file%s did not decode and %s skipped:\n", d->info.n_skipped,
           d->info.n_skipped > 1 ? "s" : "", d->info.n_skipped > 1 ? "are" : "is");
    char *rest = NULL, *line = strtok_r(d->skipped, "\n", &rest);
    for (int i = 0; line && i < MAX_SHOWN_FILES; i++, line = strtok_r(NULL, "\n", &rest))
        printf("  %s\n", line);
    if (d->info.n_skipped > MAX_SHOWN_FILES)
        printf("  and %d more; --json has all\n", d->info.n_skipped - MAX_SHOWN_FILES);
}

static void print_balance(const description *d) {
    const mnas_class_info *large = &d->classes[d->largest], *small = &d->classes[d->smallest];
    if (!is_unbalanced(d)) return;
    printf("\nunbalanced: class %d (%s) has %d images, class %d (%s) %d. Look at balanced accuracy, the mean "
           "over "
           "classes,\nbeside the accuracy over images: `mnas train` and `mnas eval` show both.\n",
           d->largest, large->name, n_images(large), d->smallest, small->name, n_images(small));
}

static int run(const void *opts, int n_words, char **words) {
    bool json = ((const mnas_cli_common *)opts)->json;
    if (n_words == 0)
        return mnas_cli_print_plugins(&(mnas_cli_plugins){"dataset", "datasets", NULL}, 1, json);
    description d;
    int rc = describe(&d, words[0]);
    if (rc == 0 && json) {
        rc = print_json(&d);
    } else if (rc == 0) {
        print_sizes(&d.info);
        rc = print_classes(&d);
        print_skipped(&d);
        print_balance(&d);
    }
    free(d.classes);
    free(d.skipped);
    return rc;
}

const mnas_cli_command mnas_command_datasets = {
    .name = "datasets",
    .words = "[DATASET]",
    .max_words = 1,
    .summary = "datasets that can be trained on; what one of them holds",
    .about = "Without an argument, list the kinds of datasets and their options. With one, open it (decoding "
             "it into the cache when needed) and show its sizes, splits and classes. A dataset is written "
             "name:key=value,key=value, for example imagefolder:path=photos,size=64.",
    .example = "mnas datasets fashion-mnist",
    .opts = options,
    .opts_bytes = sizeof(mnas_cli_common),
    .run = run};
