/* cmd_datasets.c - `mnas datasets`: what can be trained on, or the facts of one dataset. */
#include <stdio.h>

#include "base/human.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/plugins.h"

static const mnas_opt options[] = {MNAS_CLI_JSON, MNAS_CLI_HELP, MNAS_OPT_END};

static json_t *class_names(const mnas_dataset_info *info) {
    json_t *list = json_array();
    for (int i = 0; i < info->classes && i < 64; i++)
        json_array_append_new(list, mnas_json_text(info->class_names[i]));
    return list;
}

static int print_json(const mnas_dataset_info *d) {
    return mnas_json_print(json_pack("{s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o}", "data",
                                     mnas_json_text(d->spec), "height", d->height, "width", d->width,
                                     "channels", d->channels, "classes", d->classes, "n_train", d->n_train,
                                     "n_val", d->n_val, "n_test", mnas_json_integer(d->n_test), "cache_bytes",
                                     mnas_json_integer(d->cache_bytes), "cache_path",
                                     mnas_json_text(d->cache_path), "class_names", class_names(d)));
}

static void print_text(const mnas_dataset_info *d) {
    char bytes[MNAS_HUMAN_BYTES];
    mnas_human_bytes(d->cache_bytes, bytes);
    printf("%s: %d classes, images of %dx%dx%d\n\n", d->spec, d->classes, d->height, d->width, d->channels);
    printf("train       %8d images\nvalidation  %8d, held out of the training set\n", d->n_train, d->n_val);
    if (d->n_test >= 0)
        printf("test        %8d, never opened by a search\n", d->n_test);
    else
        printf("test         unknown: its files cannot be read\n");
    if (d->cache_path[0]) printf("cache       %8s  %s\n", bytes, d->cache_path);
    if (d->class_names[0][0]) {
        printf("classes     ");
        for (int i = 0; i < d->classes && i < 64; i++)
            printf("%s%s", d->class_names[i], i + 1 < d->classes ? ", " : "\n");
    }
}

static int run(const void *opts, int n_words, char **words) {
    bool json = ((const mnas_cli_common *)opts)->json;
    if (n_words == 0) return mnas_cli_print_plugins("dataset", "datasets", json);
    mnas_dataset_info info;
    int rc = mnas_dataset_describe(&info, words[0]);
    if (rc < 0) return rc;
    if (json) return print_json(&info);
    print_text(&info);
    return 0;
}

const mnas_cli_command mnas_command_datasets = {
    .name = "datasets",
    .words = "[DATASET]",
    .max_words = 1,
    .summary = "datasets that can be trained on; what one of them holds",
    .about = "Without an argument, list the kinds of datasets and their options. With one, open it (decoding "
             "it into the cache when needed) and show its sizes, splits and classes. A dataset is written "
             "name:key=value,key=value, for example idx:path=photos.",
    .example = "mnas datasets fashion-mnist",
    .opts = options,
    .opts_bytes = sizeof(mnas_cli_common),
    .run = run};
