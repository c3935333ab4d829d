/* cmd_measure.c - `mnas measure`: the latency of a network on a device, with the conditions it was taken under. */
#include <math.h>
#include <stdio.h>

#include "base/human.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/json.h"

typedef struct measure_opts {
    mnas_cli_common common;
    char device[MNAS_OPT_STR], record[MNAS_OPT_STR];
    int64_t input, classes;
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

static int run(const void *opts, int n_words, char **words) {
    const measure_opts *o = opts;
    (void)n_words;
    mnas_model model;
    mnas_latency latency;
    int rc = mnas_model_open(&model, words[0], (int)o->input);
    if (rc < 0) return rc;
    if (o->classes > 0) model.classes = (int)o->classes;
    mnas_log_live("measuring %s on %s ...", words[0], o->device);
    if ((rc = mnas_measure(&latency, &model, o->device)) < 0) return rc;
    mnas_log_live("%s", "");
    if (o->record[0] && (rc = mnas_measure_record(o->record, &model, &latency)) < 0) return rc;
    if (!o->common.json) {
        print_text(words[0], &latency);
        return 0;
    }
    json_t *result = mnas_json_latency(&latency);
    if (result) json_object_set_new(result, "model", mnas_json_text(words[0]));
    return mnas_json_print(result);
}

static const char *const plugins[] = {"device", NULL};
const mnas_cli_command mnas_command_measure = {
    .name = "measure",
    .words = "MODEL",
    .min_words = 1,
    .max_words = 1,
    .summary = "latency of a network on a device, with its spread and conditions",
    .about = "Run the network on the device, one image at a time, in several rounds of a fresh process each, "
             "and print the median over rounds with its confidence interval. Weights are random: latency "
             "does not depend on them. MODEL is a zoo name with an optional @MULTIPLIER, a model file, or "
             "STUDY:TRIAL.",
    .example = "mnas measure mnasnet-b1@0.5 --device local --record latencies.jsonl",
    .opts = options,
    .opts_bytes = sizeof(measure_opts),
    .plugins = plugins,
    .run = run};
