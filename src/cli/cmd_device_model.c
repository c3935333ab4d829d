/* cmd_device_model.c - `mnas device-model`: fit a latency model to measurements of a device, show one, ask one.
 *
 * What to measure, fitting and checking are mnas.h's; here are options, progress and tables.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/human.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/table.h"

typedef struct model_opts {
    mnas_cli_common common;
    char device[MNAS_OPT_STR], space[MNAS_OPT_STR], record[MNAS_OPT_STR], output[MNAS_OPT_STR];
    int64_t networks, layers, input, seed;
    double target_ms, max_minutes;
} model_opts;

#define AT(field) offsetof(model_opts, field)
static const mnas_opt options[] = {
    {"device", MNAS_OPT_STRING, AT(device), "local", 0, 0, "DEVICE",
     "fit: where networks are measured; `mnas devices` lists them", NULL},
    {"space", MNAS_OPT_STRING, AT(space), "mnasnet", 0, 0, "SPACE", "fit: that networks are drawn from",
     NULL},
    {"networks", MNAS_OPT_INT, AT(networks), "200", 10, 2000, "networks", "fit: to measure", NULL},
    {"layers", MNAS_OPT_INT, AT(layers), "50", 0, 2000, "networks",
     "fit: of so many of them each layer as well, where the device can", NULL},
    {"input", MNAS_OPT_INT, AT(input), "0", 0, 4096, "pixels",
     "image size; 0: the space's, or the model's own", NULL},
    {"seed", MNAS_OPT_INT, AT(seed), "1", 0, 9e15, NULL, "fit: of the networks drawn", NULL},
    {"target-ms", MNAS_OPT_FLOAT, AT(target_ms), NULL, 0.0001, 1e6, "ms",
     "fit: a third of the networks is taken near this latency", NULL},
    {"max-minutes", MNAS_OPT_FLOAT, AT(max_minutes), NULL, 0, 1e6, "minutes",
     "fit: measure no longer; what there is by then is fitted", NULL},
    {"record", MNAS_OPT_STRING, AT(record), "", 0, 0, "FILE",
     "fit: append measurements here, and take up what it holds; default: OUTPUT.jsonl", NULL},
    {"output", MNAS_OPT_STRING, AT(output), "", 0, 0, "FILE", "fit: write the model here; also -o FILE",
     NULL},
    MNAS_CLI_JSON,
    MNAS_CLI_HELP,
    MNAS_OPT_END};
#undef AT

/* ---- what a model says of itself ---- */

static json_t *error_json(const mnas_latency_error *e) {
    return json_pack("{s:s, s:i, s:o, s:i, s:o, s:o, s:o, s:o, s:o}", "way", e->way, "n", e->n, "mean_frac",
                     mnas_json_number(e->mean_frac), "n_near", e->n_near, "near_frac",
                     mnas_json_number(e->near_frac), "within_10_frac", mnas_json_number(e->within_10_frac),
                     "p90_frac", mnas_json_number(e->p90_frac), "worst_frac", mnas_json_number(e->worst_frac),
                     "kendall_tau", mnas_json_number(e->kendall_tau));
}

static json_t *about_json(const mnas_latency_about *a) {
    json_t *baselines = json_array();
    for (int i = 0; i < MNAS_LATENCY_BASELINES; i++)
        json_array_append_new(baselines, error_json(&a->baseline[i]));
    return json_pack("{s:o, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "space", mnas_json_text(a->space),
                     "input_size", a->input_size, "n_networks", a->n_networks, "n_layered", a->n_layered,
                     "target_ms", mnas_json_number(a->target_ms), "low_ms", mnas_json_number(a->low_ms),
                     "high_ms", mnas_json_number(a->high_ms), "conditions", mnas_json_latency(&a->conditions),
                     "error", error_json(&a->error), "baselines", baselines);
}

static void percent_cell(mnas_table *table, double frac) {
    if (isnan(frac))
        mnas_table_cell(table, "-");
    else
        mnas_table_cell(table, "%.1f %%", 100 * frac);
}

static void error_row(mnas_table *table, const mnas_latency_error *e) {
    static const char *const names[][2] = {{"model", "this model"},
                                           {"macs", "multiply-adds alone"},
                                           {"layers", "table of layers' times"},
                                           {"kinds", "ridge on kinds of layers"}};
    const char *name = e->way;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(e->way, names[i][0]) == 0) name = names[i][1];
    mnas_table_cell(table, "%s", name);
    percent_cell(table, e->mean_frac);
    percent_cell(table, e->near_frac);
    percent_cell(table, e->within_10_frac);
    percent_cell(table, e->p90_frac);
    percent_cell(table, e->worst_frac);
    mnas_table_decimals(table, e->kendall_tau, 2);
}

static int print_errors(const mnas_latency_about *a) {
    mnas_table table;
    mnas_table_start(&table,
                     "<guessed by|mean error|near the target|within 10 %|nine of ten|worst|order (tau)");
    error_row(&table, &a->error);
    for (int i = 0; i < MNAS_LATENCY_BASELINES; i++) error_row(&table, &a->baseline[i]);
    return mnas_table_print(&table);
}

static int print_about(const mnas_latency_about *a) {
    const mnas_latency *c = &a->conditions;
    char low[MNAS_HUMAN_BYTES], high[MNAS_HUMAN_BYTES];
    mnas_human_number(a->low_ms, low);
    mnas_human_ms(a->high_ms, high);
    printf("%-9s %s, %s", "device", c->device, c->engine);
    printf(c->cpu[0] ? ", %s\n" : "\n", c->cpu);
    printf("%-9s %d of space %s at %d pixels, %s to %s; layers of %d\n", "networks", a->n_networks,
           a->space[0] ? a->space : "-", a->input_size, low, high, a->n_layered);
    if (isfinite(a->target_ms))
        printf("%-9s %g ms; %d networks lie within 10 %% of it\n", "target", a->target_ms, a->error.n_near);
    puts("error     on networks that the fit had not seen, each guessed once:\n");
    return print_errors(a);
}

/* ---- fit ---- */

static void show_progress(void *user, const mnas_device_model_progress *p) {
    char text[200], eta[32], ms[MNAS_HUMAN_BYTES] = "";
    *(int *)user = p->n_refused;
    mnas_clock_duration(p->eta_s, eta, sizeof eta);
    if (isfinite(p->last_ms)) mnas_human_ms(p->last_ms, ms);
    snprintf(text, sizeof text, "%s %d/%d%s%s, %d refused, %s left", p->phase, p->n_done, p->n_wanted,
             ms[0] ? ", last " : "", ms, p->n_refused, eta);
    if (mnas_log_is_terminal())
        mnas_cli_live(text);
    else if (p->n_done % 10 == 0)
        mnas_log_info("%s", text);
}

static int print_fit(const model_opts *o, const char *record, const mnas_latency_about *about,
                     int n_refused) {
    if (!o->common.json) {
        const int rc = print_about(about);
        printf("\n%d measurements were refused; %s holds the others, %s the model\n", n_refused, record,
               o->output);
        return rc;
    }
    json_t *result = about_json(about);
    if (result) {
        json_object_set_new(result, "output", mnas_json_text(o->output));
        json_object_set_new(result, "record", mnas_json_text(record));
        json_object_set_new(result, "n_refused", json_integer(n_refused));
    }
    return mnas_json_print(result);
}

static int fit(const model_opts *o) {
    char record[MNAS_OPT_STR + 8];
    int n_refused = 0;
    mnas_latency_model *model;
    snprintf(record, sizeof record, "%s%s", o->record[0] ? o->record : o->output,
             o->record[0] ? "" : ".jsonl");
    const mnas_device_model_options options_of_fit = {.device = o->device,
                                                      .space = o->space,
                                                      .record = record,
                                                      .networks = (int)o->networks,
                                                      .layers = (int)o->layers,
                                                      .input_size = (int)o->input,
                                                      .seed = (uint64_t)o->seed,
                                                      .target_ms = o->target_ms,
                                                      .max_minutes = o->max_minutes,
                                                      .progress = show_progress,
                                                      .user = &n_refused,
                                                      .cancel = mnas_cli_cancel_flag()};
    if (!o->output[0])
        return mnas_error_set(MNAS_ERR_ARG,
                              "mnas device-model fit: -o FILE is missing: where to write the model");
    int rc = mnas_device_model_fit(&model, &options_of_fit);
    mnas_log_live("%s", "");
    if (rc == MNAS_ERR_CANCELLED)
        mnas_log_info("the same command goes on where this stopped; %s holds what was measured", record);
    if (rc < 0) return rc;
    if ((rc = mnas_latency_model_save(model, o->output)) == 0)
        rc = print_fit(o, record, mnas_latency_model_about(model), n_refused);
    mnas_latency_model_free(model);
    return rc;
}

/* ---- show and predict ---- */

static int show(const model_opts *o, const char *path) {
    mnas_latency_model *model;
    int rc = mnas_latency_model_load(&model, path);
    if (rc < 0) return rc;
    const mnas_latency_about *about = mnas_latency_model_about(model);
    rc = o->common.json ? mnas_json_print(about_json(about)) : print_about(about);
    mnas_latency_model_free(model);
    return rc;
}

static json_t *guess_json(const char *name, const mnas_latency_guess *g, const mnas_latency_about *a,
                          int64_t macs) {
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:I, s:o, s:s}", "model", mnas_json_text(name),
                     "ms", mnas_json_number(g->ms), "error_frac", mnas_json_number(g->error_frac), "low_ms",
                     mnas_json_number(g->low_ms), "high_ms", mnas_json_number(g->high_ms), "outside",
                     (int)g->outside, "why", mnas_json_text(g->why), "macs", (json_int_t)macs,
                     "macs_error_frac", mnas_json_number(a->baseline[0].mean_frac), "device",
                     a->conditions.device);
}

static void print_guess(const char *name, const mnas_latency_guess *g, const mnas_latency_about *a,
                        int64_t macs) {
    char ms[MNAS_HUMAN_BYTES], low[MNAS_HUMAN_BYTES], high[MNAS_HUMAN_BYTES], count[MNAS_HUMAN_BYTES];
    mnas_human_ms(g->ms, ms);
    mnas_human_number(g->low_ms, low);
    mnas_human_ms(g->high_ms, high);
    mnas_human_count(macs, count);
    if (g->outside)
        printf("%s: %s, of unknown error: %s\n", name, ms, g->why);
    else
        printf("%s: %s, mean error %.1f %%; nine of ten within %s to %s\n", name, ms, 100 * g->error_frac,
               low, high);
    printf("not measured; guessed for %s, %s\n", a->conditions.device, a->conditions.engine);
    printf("it has %s multiply-adds; guessed from these alone, the mean error was %.1f %%\n", count,
           100 * a->baseline[0].mean_frac);
}

static int predict(const model_opts *o, const char *path, const char *name) {
    mnas_model network;
    mnas_cost cost = {0};
    mnas_latency_guess guess;
    mnas_latency_model *model = NULL;
    int rc = mnas_model_open(&network, name, (int)o->input);
    if (rc == 0) rc = mnas_latency_model_load(&model, path);
    if (rc == 0) rc = mnas_cost_compute(&cost, &network, 1);
    if (rc == 0) rc = mnas_latency_model_predict(&guess, model, &network);
    if (rc == 0) {
        const mnas_latency_about *about = mnas_latency_model_about(model);
        if (o->common.json)
            rc = mnas_json_print(guess_json(name, &guess, about, cost.macs));
        else
            print_guess(name, &guess, about, cost.macs);
    }
    mnas_cost_free(&cost);
    mnas_latency_model_free(model);
    return rc;
}

static int run(const void *opts, int n_words, char **words) {
    static const struct {
        const char *name;
        int n_words;
    } verbs[] = {{"fit", 1}, {"show", 2}, {"predict", 3}};
    const model_opts *o = opts;
    for (int i = 0; i < 3; i++) {
        if (strcmp(words[0], verbs[i].name) != 0) continue;
        if (n_words == verbs[i].n_words)
            return i == 0 ? fit(o) : i == 1 ? show(o, words[1]) : predict(o, words[1], words[2]);
        return mnas_error_set(MNAS_ERR_ARG,
                              "mnas device-model %s: %d arguments; expected: fit, show FILE, or "
                              "predict FILE MODEL",
                              words[0], n_words - 1);
    }
    return mnas_error_set(MNAS_ERR_ARG,
                          "mnas device-model: \"%s\"; allowed: fit, show FILE, predict FILE MODEL", words[0]);
}

static const char *const plugins[] = {"device", NULL};
const mnas_cli_command mnas_command_device_model = {
    .name = "device-model",
    .words = "fit | show FILE | predict FILE MODEL",
    .min_words = 1,
    .max_words = 3,
    .summary = "a model of a device's latency: fitted to measured networks, with its error",
    .about =
        "fit measures networks of a space on the device, one by one, and fits a model that guesses the "
        "latency of "
        "others; it states how far off the model was on networks that the fit had not seen, beside simpler "
        "ways. What is measured is kept in a record: interrupted or killed, the same command goes on. show "
        "tells "
        "what a model is of and its error; predict guesses a network's latency, and says where the network "
        "is unlike "
        "those measured. A guess screens; `mnas measure` measures.",
    .example = "mnas device-model fit --space mnasnet --networks 200 -o phone.json\n  "
               "mnas device-model predict phone.json mnasnet-b1",
    .opts = options,
    .opts_bytes = sizeof(model_opts),
    .plugins = plugins,
    .run = run};
