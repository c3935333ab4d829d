/* cmd_export.c - `mnas export`: a network as a file of another program's format. */
#include <stdio.h>

#include "base/error.h"
#include "base/file.h"
#include "base/human.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"

typedef struct export_opts {
    mnas_cli_common common;
    char weights[MNAS_OPT_STR], format[MNAS_OPT_STR], output[MNAS_OPT_STR];
    int64_t input, classes;
} export_opts;

#define AT(field) offsetof(export_opts, field)
static const mnas_opt options[] = {
    {"output", MNAS_OPT_STRING, AT(output), NULL, 0, 0, "FILE", "to write; also -o FILE", NULL},
    {"format", MNAS_OPT_STRING, AT(format), "", 0, 0, "FORMAT",
     "see below; unless given, by the file's extension: .onnx, .tflite, .yaml", NULL},
    {"weights", MNAS_OPT_STRING, AT(weights), "", 0, 0, "FILE",
     "weights of this network (safetensors); random ones unless given", NULL},
    {"input", MNAS_OPT_INT, AT(input), "0", 0, 8192, "pixels", "side of the image; 0: the network's", NULL},
    {"classes", MNAS_OPT_INT, AT(classes), "0", 0, 1000000, "classes",
     "of a classifier with random weights; 0: the network's", NULL},
    MNAS_CLI_JSON,
    MNAS_CLI_HELP,
    MNAS_OPT_END};
#undef AT

static int check_options(const export_opts *o, const char *model) {
    int rc = mnas_cli_check_output(o->output, model);
    if (rc == 0 && mnas_file_same(o->output, o->weights))
        rc = mnas_error_set(MNAS_ERR_ARG, "-o %s would overwrite the weights; allowed: another file",
                            o->output);
    if (rc == 0 && o->weights[0] && o->classes)
        rc = mnas_error_set(MNAS_ERR_ARG,
                            "--classes %lld beside --weights, whose classifier has its own; "
                            "allowed: one of both",
                            (long long)o->classes);
    return rc;
}

static int print_json(const export_opts *o, const mnas_export_result *r) {
    return mnas_json_print(json_pack("{s:s, s:s, s:I, s:i, s:i, s:i, s:s}", "file", o->output, "format",
                                     r->format, "bytes", (json_int_t)r->bytes, "input", r->input_size,
                                     "channels", r->input_channels, "classes", r->classes, "weights",
                                     r->random ? "random" : "trained"));
}

static int run(const void *opts, int n_words, char **words) {
    const export_opts *o = opts;
    (void)n_words;
    mnas_model model;
    mnas_export_result r;
    int rc = check_options(o, words[0]);
    if (rc == 0) rc = mnas_model_open(&model, words[0], (int)o->input);
    if (rc < 0) return rc;
    if (o->classes) model.classes = (int)o->classes;
    rc = mnas_model_export(&r, o->output, &model,
                           &(mnas_export_options){.format = o->format[0] ? o->format : NULL,
                                                  .weights = o->weights[0] ? o->weights : NULL});
    if (rc < 0) return rc;
    if (o->common.json) return print_json(o, &r);
    char size[MNAS_HUMAN_BYTES];
    mnas_human_bytes(r.bytes, size);
    printf("%s: %s, %s; image of %d x %d pixels, %d channel%s; %d classes; %s weights\n", o->output, r.format,
           size, r.input_size, r.input_size, r.input_channels, r.input_channels == 1 ? "" : "s", r.classes,
           r.random ? "random" : "trained");
    if (r.random)
        mnas_log_info("the weights are random: enough to time it, and no use otherwise; --weights FILE gives "
                      "trained ones");
    return 0;
}

static const char *const plugins[] = {"format", NULL};
const mnas_cli_command mnas_command_export = {
    .name = "export",
    .words = "MODEL",
    .min_words = 1,
    .max_words = 1,
    .summary = "write a network as ONNX or TensorFlow Lite file",
    .about =
        "Write a network in another program's format, ready to run: batch-norm is folded into the "
        "convolutions, and the "
        "answer are logits. Without --weights they are random, which the file says, too. With them, classes "
        "and "
        "channels are theirs; the image's size is the network's or --input, and should be what it was "
        "trained "
        "with. MODEL is a zoo name with an optional @MULTIPLIER and @timm, a model file, or STUDY:TRIAL.",
    .example =
        "mnas export mnasnet-a1 -o a1.tflite\nmnas export demo.db:17 --weights best.safetensors -o best.onnx",
    .opts = options,
    .opts_bytes = sizeof(export_opts),
    .plugins = plugins,
    .run = run};
