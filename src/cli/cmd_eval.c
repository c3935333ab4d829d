/* cmd_eval.c - `mnas eval`: accuracy of trained weights on a split that was not trained on. */
#include <stdio.h>

#include "base/error.h"
#include "base/file.h"
#include "base/human.h"
#include "cli/balanced.h"
#include "cli/cli.h"
#include "base/json.h"

typedef struct eval_opts {
    mnas_cli_common common;
    char weights[MNAS_OPT_STR], data[MNAS_OPT_STR], logits[MNAS_OPT_STR];
    int64_t split, threads, classes;
} eval_opts;

static const char *const splits[] = {"val", "test", NULL};

#define AT(field) offsetof(eval_opts, field)
static const mnas_opt options[] = {
    {"weights", MNAS_OPT_STRING, AT(weights), NULL, 0, 0, "FILE", "weights of this network (safetensors)",
     NULL},
    {"data", MNAS_OPT_STRING, AT(data), NULL, 0, 0, "DATASET", "`mnas datasets` lists them", NULL},
    {"split", MNAS_OPT_CHOICE, AT(split), "val", 0, 0, NULL,
     "held out of training (val), or the dataset's own (test)", splits},
    {"classes", MNAS_OPT_INT, AT(classes), "0", 0, 1000000, "classes",
     "of the classifier, where they are more than the dataset's; 0: the dataset's", NULL},
    {"logits", MNAS_OPT_STRING, AT(logits), "", 0, 0, "FILE",
     "write what the network says of each image (safetensors: logits, labels)", NULL},
    {"threads", MNAS_OPT_INT, AT(threads), "0", 0, 1024, "threads",
     "0: one for each core, or OMP_NUM_THREADS", NULL},
    MNAS_CLI_JSON,
    MNAS_CLI_HELP,
    MNAS_OPT_END};
#undef AT

static int run(const void *opts, int n_words, char **words) {
    const eval_opts *o = opts;
    (void)n_words;
    mnas_model model;
    mnas_eval_result r;
    int rc = mnas_cli_check_output(o->logits, words[0]);
    if (rc == 0 && mnas_file_same(o->logits, o->weights))
        rc = mnas_error_set(MNAS_ERR_ARG, "--logits %s would overwrite the weights; allowed: another file",
                            o->logits);
    if (rc == 0) rc = mnas_model_open(&model, words[0], 0);
    if (rc < 0) return rc;
    rc = mnas_eval(&r, &model,
                   &(mnas_eval_options){.weights = o->weights,
                                        .data = o->data,
                                        .split = splits[o->split],
                                        .threads = (int)o->threads,
                                        .classes = (int)o->classes,
                                        .logits = o->logits[0] ? o->logits : NULL});
    if (rc < 0) return rc;
    if (o->common.json) {
        return mnas_json_print(json_pack(
            "{s:I, s:o, s:o, s:o, s:o, s:s}", "n", (json_int_t)r.n, "top1_frac",
            mnas_json_number(r.top1_frac), "balanced_frac", mnas_json_number(r.balanced_frac), "top5_frac",
            mnas_json_number(r.top5_frac), "loss", mnas_json_number(r.loss), "split", splits[o->split]));
    }
    char top1[MNAS_HUMAN_BYTES], top5[MNAS_HUMAN_BYTES], balanced[MNAS_CLI_BALANCED_BYTES];
    mnas_human_percent(r.top1_frac, top1);
    mnas_human_percent(r.top5_frac, top5);
    mnas_cli_balanced(r.top1_frac, r.balanced_frac, balanced);
    printf("top-1 %s%s, top-5 %s, loss %.4f on %lld images of split %s\n", top1, balanced, top5, r.loss,
           (long long)r.n, splits[o->split]);
    return 0;
}

const mnas_cli_command mnas_command_eval = {
    .name = "eval",
    .words = "MODEL",
    .min_words = 1,
    .max_words = 1,
    .summary = "accuracy of trained weights on held-out images",
    .about =
        "Evaluate a network with weights written by `mnas train` or, as a safetensors file, by timm "
        "(docs/weights.md). A search never opens the test split; look at it once, at the end. MODEL is the "
        "network the weights belong to: a zoo name with an optional @MULTIPLIER and, for timm's weights, "
        "@timm; a model file, or STUDY:TRIAL.",
    .example = "mnas eval demo.db:17 --weights best.safetensors --data fashion-mnist --split test",
    .opts = options,
    .opts_bytes = sizeof(eval_opts),
    .run = run};
