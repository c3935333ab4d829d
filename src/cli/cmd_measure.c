/* cmd_measure.c - `mnas measure`: the latency of a network on a device, with the conditions it was taken under, and where the
 * milliseconds go. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/registry.h"
#include "cli/cli.h"
#include "cli/profile_print.h"

typedef struct measure_opts {
    mnas_cli_common common;
    char device[MNAS_OPT_STR], engine[MNAS_OPT_STR], record[MNAS_OPT_STR], html[MNAS_OPT_STR];
    int64_t input, classes;
    bool layers, no_layers;
} measure_opts;

#define AT(field) offsetof(measure_opts, field)
static const mnas_opt options[] = {
    {"device", MNAS_OPT_STRING, AT(device), "local", 0, 0, "DEVICE",
     "where it runs; `mnas devices` lists them", NULL},
    {"engine", MNAS_OPT_STRING, AT(engine), "", 0, 0, "ENGINE",
     "what runs the network there, as the device's own option `engine`", NULL},
    {"input", MNAS_OPT_INT, AT(input), "0", 0, 4096, "pixels", "image size; 0: the model's own", NULL},
    {"classes", MNAS_OPT_INT, AT(classes), "0", 0, 1000000, "classes",
     "width of the classifier; 0: the model's own", NULL},
    {"record", MNAS_OPT_STRING, AT(record), "", 0, 0, "FILE",
     "append the result to a table for --device table:file=FILE", NULL},
    {"html", MNAS_OPT_STRING, AT(html), "", 0, 0, "FILE",
     "write a page: a picture of where the time goes, the table, the conditions", NULL},
    {"layers", MNAS_OPT_BOOL, AT(layers), NULL, 0, 0, NULL,
     "each layer on its own as well, also with --json and --record; an error where the device cannot", NULL},
    {"no-layers", MNAS_OPT_BOOL, AT(no_layers), NULL, 0, 0, NULL, "the latency alone", NULL},
    MNAS_CLI_JSON,
    MNAS_CLI_HELP,
    MNAS_OPT_END};
#undef AT

static int print_json(const char *name, const mnas_profile *p) {
    json_t *result = mnas_json_latency(&p->latency);
    if (result) json_object_set_new(result, "model", mnas_json_text(name));
    if (result && p->n_layers > 0) {
        json_object_set_new(result, "layers", mnas_cli_layers_json(p));
        json_object_set_new(result, "layers_ms", mnas_json_number(p->layers_ms));
        json_object_set_new(result, "peaks", mnas_cli_peaks_json(&p->peaks));
    }
    return mnas_json_print(result);
}

static int print(const char *name, const mnas_profile *p, bool json) {
    if (json) return print_json(name, p);
    mnas_cli_print_latency(name, &p->latency);
    if (p->n_layers > 0) return mnas_cli_print_layers(p);
    if (p->no_layers[0]) printf("\nno layers: %s\n", p->no_layers);
    return 0;
}

/* Before the measurement, which takes its time. */
static int check_writable(const char *path) {
    mnas_file_writer probe;
    int rc = path[0] ? mnas_file_writer_open(&probe, path) : 0;
    if (rc == 0 && path[0]) mnas_file_writer_abort(&probe);
    return rc;
}

/* A table of layers is for reading: who records or reads JSON asks for it. */
static bool wants_layers(const measure_opts *o) {
    return o->layers || o->html[0] || !(o->no_layers || o->common.json || o->record[0]);
}

static int take(mnas_profile *out, const measure_opts *o, const char *name, const mnas_model *model,
                const char *device) {
    mnas_log_live("measuring %s on %s ...", name, device);
    int rc = mnas_profile_take(out, model, device, wants_layers(o));
    mnas_log_live("%s", "");
    if (rc == 0 && o->layers && out->n_layers == 0) {
        rc = mnas_error_set(MNAS_ERR_DEVICE, "%s", out->no_layers);
        mnas_profile_free(out);
    }
    return rc;
}

static int measure(const measure_opts *o, const char *name, const mnas_model *model, const char *device) {
    mnas_profile profile;
    int rc = check_writable(o->record);
    if (rc == 0) rc = check_writable(o->html);
    if (rc == 0) rc = take(&profile, o, name, model, device);
    if (rc < 0) return rc;
    if (o->record[0]) rc = mnas_measure_record(o->record, model, &profile.latency);
    if (rc == 0 && o->html[0]) rc = mnas_profile_html(&profile, name, o->html);
    if (rc == 0) rc = print(name, &profile, o->common.json);
    mnas_profile_free(&profile);
    return rc;
}

/* A list of devices; a farm has its own within double quotes. */
static bool is_list(const char *spec) {
    bool quoted = false;
    for (; *spec; spec++) {
        if (*spec == '"') quoted = !quoted;
        if (!quoted && strncmp(spec, " + ", 3) == 0) return true;
    }
    return false;
}

static int check_options(const measure_opts *o) {
    if (o->no_layers && (o->layers || o->html[0]))
        return mnas_error_set(MNAS_ERR_ARG, "--no-layers and %s contradict each other",
                              o->layers ? "--layers" : "--html");
    if (is_list(o->device))
        return mnas_error_set(
            MNAS_ERR_ARG,
            "--device \"%s\": measure takes one device; several, with \" + \" between them, "
            "belong to search and doctor",
            o->device);
    return 0;
}

static int run(const void *opts, int n_words, char **words) {
    const measure_opts *o = opts;
    (void)n_words;
    mnas_model model;
    char *device = NULL;
    int rc = check_options(o);
    if (rc == 0) rc = mnas_model_open(&model, words[0], (int)o->input);
    if (rc == 0 && o->engine[0]) rc = mnas_registry_add_option(&device, o->device, "engine", o->engine);
    if (rc < 0) return rc;
    if (o->classes > 0) model.classes = (int)o->classes;
    rc = measure(o, words[0], &model, device ? device : o->device);
    free(device);
    return rc;
}

static const char *const plugins[] = {"device", NULL};
const mnas_cli_command mnas_command_measure = {
    .name = "measure",
    .words = "MODEL",
    .min_words = 1,
    .max_words = 1,
    .summary = "latency of a network on a device, with its spread and conditions",
    .about =
        "Run the network on the device, one image at a time, in several rounds of a fresh process each, "
        "and print the median over rounds with its confidence interval. Weights are random: latency "
        "does not depend on them. Each layer is then timed on its own and set against what the device could "
        "do; these times need not add up to the network's. MODEL is a zoo name with an optional @MULTIPLIER, "
        "a model file, or STUDY:TRIAL.",
    .example = "mnas measure mnasnet-b1@0.5 --html b1.html\n"
               "mnas measure mnasnet-b1@0.5 --device local --record latencies.jsonl",
    .opts = options,
    .opts_bytes = sizeof(measure_opts),
    .plugins = plugins,
    .run = run};
