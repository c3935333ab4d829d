/* cmd_measure.c - `mnas measure`: the latency of a network on a device, with the conditions it was taken under, and
 * with --layers where the milliseconds go. */
#include <math.h>
#include <stdio.h>

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/human.h"
#include "base/log.h"
#include "cli/cli.h"
#include "base/json.h"
#include "cli/table.h"

typedef struct measure_opts {
    mnas_cli_common common;
    char device[MNAS_OPT_STR], record[MNAS_OPT_STR];
    int64_t input, classes;
    bool layers;
} measure_opts;

#define AT(field) offsetof(measure_opts, field)
static const mnas_opt options[] = {
    {"device", MNAS_OPT_STRING, AT(device), "local", 0, 0, "DEVICE",
     "where it runs; `mnas devices` lists them", NULL},
    {"input", MNAS_OPT_INT, AT(input), "0", 0, 4096, "pixels", "image size; 0: the model's own", NULL},
    {"classes", MNAS_OPT_INT, AT(classes), "0", 0, 1000000, "classes",
     "width of the classifier; 0: the model's own", NULL},
    {"record", MNAS_OPT_STRING, AT(record), "", 0, 0, "FILE",
     "append the result to a table for --device table:file=FILE", NULL},
    {"layers", MNAS_OPT_BOOL, AT(layers), NULL, 0, 0, NULL,
     "each layer on its own as well: where the milliseconds go", NULL},
    MNAS_CLI_JSON,
    MNAS_CLI_HELP,
    MNAS_OPT_END};
#undef AT

static void print_optional(const char *name, double value, const char *unit) {
    if (isfinite(value)) printf("%-11s %.4g%s\n", name, value, unit);
}

static void print_rounds(const mnas_latency *l) {
    printf("%-11s %d, each a fresh process; spread %.1f %%\n", "rounds", l->rounds, 100 * l->spread_frac);
    printf("%-11s %d timed, %d before to warm up\n", "runs", l->runs, l->warmup_runs);
    printf("%-11s %d", "threads", l->threads);
    printf(l->core >= 0 ? ", pinned to core %d\n" : ", not pinned\n", l->core);
    printf("%-11s %d rounds with other work on the core\n", "disturbed", l->n_disturbed);
    if (l->n_cpu_timed > 0)
        printf("%-11s CPU time in %d of the rounds: nearly all runs there were pushed off the core\n",
               "clock", l->n_cpu_timed);
}

static void print_text(const char *name, const mnas_latency *l) {
    char median[MNAS_HUMAN_BYTES], low[MNAS_HUMAN_BYTES], high[MNAS_HUMAN_BYTES];
    mnas_human_ms(l->median_ms, median);
    mnas_human_number(l->ci_low_ms, low);
    mnas_human_ms(l->ci_high_ms, high);
    if (l->rounds > 0) {
        printf("%s: %s (%.3g %% interval %s to %s)\n\n", name, median, 100 * l->ci_level, low, high);
        print_rounds(l);
    } else {
        printf("%s: %s (not measured)\n\n", name, median);
    }
    printf("%-11s %s\n", "engine", l->engine);
    printf("%-11s %s\n", "device", l->device);
    if (l->cpu[0]) printf("%-11s %s\n", "cpu", l->cpu);
    if (l->governor[0]) printf("%-11s %s\n", "governor", l->governor);
    print_optional("frequency", l->freq_mhz, " MHz");
    print_optional("temperature", l->temp_c, " C");
    print_optional("load before", l->load_before, "");
    if (l->time_utc[0]) printf("%-11s %s\n", "time", l->time_utc);
}

/* ---- layers ---- */

typedef struct layer_times {
    mnas_layer_time *layers;
    int n;
    double sum_ms;
    mnas_cost cost;
} layer_times;

static int take_layers(layer_times *t, const mnas_model *model, const char *device) {
    *t = (layer_times){0};
    int rc = mnas_cost_compute(&t->cost, model, 1);
    if (rc == 0) rc = mnas_measure_layers(&t->layers, &t->n, model, device);
    for (int i = 0; i < t->n; i++) t->sum_ms += t->layers[i].ms;
    return rc;
}

static void free_layers(layer_times *t) {
    free(t->layers);
    mnas_cost_free(&t->cost);
}

/* What the layer is; nothing known where the cost has no layer of that name. */
static mnas_layer_cost cost_of(const layer_times *t, const char *name) {
    for (int i = 0; i < t->cost.n_layers; i++)
        if (strcmp(t->cost.layers[i].name, name) == 0) return t->cost.layers[i];
    return (mnas_layer_cost){.op = "?"};
}

static double gmacs_per_s(const mnas_layer_cost *c, double ms) {
    return c->macs > 0 ? (double)c->macs / ms / 1e6 : (double)NAN;
}

static int print_layers(const layer_times *t, const mnas_latency *latency) {
    mnas_table table;
    mnas_table_start(&table, "<layer|<operator|output|ms|share|million multiply-adds|GMAC/s");
    for (int i = 0; i < t->n; i++) {
        const mnas_layer_cost c = cost_of(t, t->layers[i].name);
        mnas_table_cell(&table, "%s", t->layers[i].name);
        mnas_table_cell(&table, "%s", c.op);
        mnas_table_cell(&table, "%dx%dx%d", c.out_h, c.out_w, c.out_c);
        mnas_table_cell(&table, "%.4f", t->layers[i].ms);
        mnas_table_cell(&table, "%.1f %%", 100 * t->layers[i].ms / t->sum_ms);
        mnas_table_cell(&table, "%.3f", (double)c.macs / 1e6);
        mnas_table_decimals(&table, gmacs_per_s(&c, t->layers[i].ms), 2);
    }
    putchar('\n');
    const int rc = mnas_table_print(&table);
    if (rc < 0) return rc;
    printf("\n%d layers one by one: %.4f ms together, %.0f %% of the network's latency\n", t->n, t->sum_ms,
           100 * t->sum_ms / latency->median_ms);
    return 0;
}

static json_t *layers_json(const layer_times *t) {
    json_t *list = json_array();
    for (int i = 0; i < t->n; i++) {
        const mnas_layer_cost c = cost_of(t, t->layers[i].name);
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:[i, i, i], s:f, s:f, s:I, s:o}", "name", t->layers[i].name, "op",
                            c.op, "out_hwc", c.out_h, c.out_w, c.out_c, "ms", t->layers[i].ms, "share_frac",
                            t->layers[i].ms / t->sum_ms, "macs", (json_int_t)c.macs, "gmacs_per_s",
                            mnas_json_number(gmacs_per_s(&c, t->layers[i].ms))));
    }
    return list;
}

/* ---- the command ---- */

/* `times` is NULL without --layers. */
static int print_json(const char *name, const mnas_latency *latency, const layer_times *times) {
    json_t *result = mnas_json_latency(latency);
    if (result) json_object_set_new(result, "model", mnas_json_text(name));
    if (result && times) {
        json_object_set_new(result, "layers", layers_json(times));
        json_object_set_new(result, "layers_ms", mnas_json_number(times->sum_ms));
    }
    return mnas_json_print(result);
}

static int print(const char *name, const mnas_latency *latency, const layer_times *times, bool json) {
    if (json) return print_json(name, latency, times);
    print_text(name, latency);
    return times ? print_layers(times, latency) : 0;
}

/* Before the measurement, which takes its time. */
static int check_record(const char *path) {
    mnas_file_writer probe;
    int rc = mnas_file_writer_open(&probe, path);
    if (rc == 0) mnas_file_writer_abort(&probe);
    return rc;
}

static int measure(const measure_opts *o, const char *name, const mnas_model *model, layer_times *times) {
    mnas_latency latency;
    int rc = o->record[0] ? check_record(o->record) : 0;
    if (rc < 0) return rc;
    mnas_log_live("measuring %s on %s ...", name, o->device);
    rc = mnas_measure(&latency, model, o->device);
    if (rc == 0 && times) {
        mnas_log_live("measuring the layers of %s on %s ...", name, o->device);
        rc = take_layers(times, model, o->device);
    }
    mnas_log_live("%s", "");
    if (rc == 0 && o->record[0]) rc = mnas_measure_record(o->record, model, &latency);
    return rc < 0 ? rc : print(name, &latency, times, o->common.json);
}

static int run(const void *opts, int n_words, char **words) {
    const measure_opts *o = opts;
    (void)n_words;
    mnas_model model;
    layer_times times = {0};
    int rc = mnas_model_open(&model, words[0], (int)o->input);
    if (rc < 0) return rc;
    if (o->classes > 0) model.classes = (int)o->classes;
    rc = measure(o, words[0], &model, o->layers ? &times : NULL);
    free_layers(&times);
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
        "does not depend on them. With --layers each layer is then timed on its own; these times need not "
        "add up to the network's. MODEL is a zoo name with an optional @MULTIPLIER, a model file, or "
        "STUDY:TRIAL.",
    .example = "mnas measure mnasnet-b1@0.5 --device local --record latencies.jsonl",
    .opts = options,
    .opts_bytes = sizeof(measure_opts),
    .plugins = plugins,
    .run = run};
