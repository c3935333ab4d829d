/* cmd_proxy_check.c - `mnas proxy-check`: does the short training of a search rank networks as the full one would?
 *
 * The trainings and statistics are mnas.h's; here are options, progress, a table and JSON.
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
#include "base/str.h"
#include "cli/cli.h"
#include "cli/table.h"

typedef struct check_opts {
    mnas_cli_common common;
    char table[MNAS_OPT_STR], proxy[MNAS_OPT_STR], full[MNAS_OPT_STR], macs[MNAS_OPT_STR],
        params[MNAS_OPT_STR], noise_columns[MNAS_OPT_STR], images[MNAS_OPT_STR];
    char space[MNAS_OPT_STR], data[MNAS_OPT_STR], lengths[MNAS_OPT_STR], record[MNAS_OPT_STR],
        recipe[MNAS_OPT_STR];
    int64_t networks, seeds, seed, threads;
    double max_minutes;
    bool dry_run;
} check_opts;

#define AT(field) offsetof(check_opts, field)
static const mnas_opt options[] = {
    {"table", MNAS_OPT_STRING, AT(table), "", 0, 0, "FILE",
     "table: CSV with a header, a row for each trained network; nothing is trained then", NULL},
    {"proxy", MNAS_OPT_STRING, AT(proxy), "", 0, 0, "COL,COL,...",
     "table: accuracies after short trainings, shortest first; an empty cell is unknown, nan diverged", NULL},
    {"full", MNAS_OPT_STRING, AT(full), "", 0, 0, "COL|LENGTH",
     "table: accuracy after the full training; else its length, as of --lengths", NULL},
    {"macs", MNAS_OPT_STRING, AT(macs), "", 0, 0, "COL", "table: multiply-adds", NULL},
    {"params", MNAS_OPT_STRING, AT(params), "", 0, 0, "COL", "table: parameters", NULL},
    {"noise-columns", MNAS_OPT_STRING, AT(noise_columns), "", 0, 0, "COL,COL,...",
     "table: full accuracies with several seeds, a column each", NULL},
    {"images", MNAS_OPT_STRING, AT(images), "", 0, 0, "N,N,...",
     "table: length of each --proxy and of --full in images, or 1ep in epochs; told in the answer", NULL},
    {"space", MNAS_OPT_STRING, AT(space), "", 0, 0, "SPACE", "that networks are drawn from", NULL},
    {"data", MNAS_OPT_STRING, AT(data), "", 0, 0, "DATA", "to train on; `mnas datasets` lists what there is",
     NULL},
    {"networks", MNAS_OPT_INT, AT(networks), "16", 10, 1000, "networks",
     "to train, from small to large ones alike; 30 and more give useful intervals", NULL},
    {"lengths", MNAS_OPT_STRING, AT(lengths), "5000,10000,20000", 0, 0, "N,N,...",
     "of the short trainings, shortest first, each with its own schedule: so many images (as --max-images of "
     "a search), or "
     "3ep, epochs of all images (as --epochs)",
     NULL},
    {"seeds", MNAS_OPT_INT, AT(seeds), "1", 1, 16, "seeds",
     "each after the first trains a third of the networks again, at every length", NULL},
    {"seed", MNAS_OPT_INT, AT(seed), "1", 0, 9e15, NULL, "of the networks drawn and of their trainings",
     NULL},
    {"recipe", MNAS_OPT_STRING, AT(recipe), "proxy", 0, 0, "RECIPE", "of all trainings", NULL},
    {"record", MNAS_OPT_STRING, AT(record), "", 0, 0, "FILE",
     "append trainings here as JSON lines, and take up what it holds", NULL},
    {"threads", MNAS_OPT_INT, AT(threads), "0", 0, 1024, "threads", "of a training; 0: one for each core",
     NULL},
    {"max-minutes", MNAS_OPT_FLOAT, AT(max_minutes), NULL, 0, 1e6, "minutes",
     "stop then; the same command goes on", NULL},
    {"dry-run", MNAS_OPT_BOOL, AT(dry_run), NULL, 0, 0, NULL,
     "train nothing: how many trainings are left, and by those in the record how long they take", NULL},
    MNAS_CLI_JSON,
    MNAS_CLI_HELP,
    MNAS_OPT_END};
#undef AT

/* ---- JSON ---- */

static json_t *estimate_json(const mnas_estimate *e) {
    if (isnan(e->value)) return json_null();
    return json_pack("{s:o, s:o, s:o}", "value", mnas_json_number(e->value), "low", mnas_json_number(e->low),
                     "high", mnas_json_number(e->high));
}

static json_t *length_json(const mnas_proxy *p) {
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:i, s:o}", "name", p->name, "n_images",
                     mnas_json_integer(p->n_images), "epochs", mnas_json_number(p->epochs), "minutes",
                     mnas_json_number(p->minutes), "seed_sd", mnas_json_number(p->seed_sd_frac),
                     "n_seed_networks", p->n_seed_networks, "told_apart", mnas_json_number(p->apart_frac));
}

static json_t *proxy_json(const mnas_proxy *p) {
    json_t *object = length_json(p);
    json_t *more = json_pack("{s:i, s:i, s:o, s:o, s:o, s:o, s:b}", "n", p->n, "n_diverged", p->n_diverged,
                             "tau", estimate_json(&p->tau), "tau_top", estimate_json(&p->tau_top),
                             "tau_beyond_size", estimate_json(&p->tau_beyond_size), "next_longer_gains",
                             estimate_json(&p->behind), "ranks_well", p->ranks_well);
    json_object_update(object, more);
    json_decref(more);
    return object;
}

static json_t *check_json(const mnas_proxy_check *c) {
    json_t *proxies = json_array(), *full = length_json(&c->proxies[c->n_proxies]);
    for (int i = 0; i < c->n_proxies; i++) json_array_append_new(proxies, proxy_json(&c->proxies[i]));
    json_object_set_new(full, "tau_between_seeds", estimate_json(&c->proxies[c->n_proxies].tau));
    return json_pack("{s:i, s:s, s:o, s:o, s:o, s:o}", "networks", c->n_networks, "accuracy_unit",
                     c->is_percent ? "per cent" : "fraction", "proxies", proxies, "full", full, "chosen",
                     mnas_json_text(c->chosen >= 0 ? c->proxies[c->chosen].name : ""), "words",
                     mnas_json_text(c->words));
}

/* ---- for people ---- */

static void estimate_cell(mnas_table *table, const mnas_estimate *e) {
    if (isnan(e->value))
        mnas_table_cell(table, "-");
    else
        mnas_table_cell(table, "%.2f (%.2f to %.2f)", e->value, e->low, e->high);
}

static void length_cells(mnas_table *table, const mnas_proxy *p) {
    char time[32] = "-";
    if (isfinite(p->minutes)) mnas_clock_duration(60 * p->minutes, time, sizeof time);
    mnas_table_cell(table, "%s", p->name);
    if (p->n_images > 0)
        mnas_table_cell(table, "%lld", (long long)p->n_images);
    else
        mnas_table_cell(table, "-");
    mnas_table_cell(table, "%s", time);
    if (p->n > 0)
        mnas_table_cell(table, "%d", p->n);
    else
        mnas_table_cell(table, "-"); /* a full training without seeds to compare */
}

static int print_check(const mnas_proxy_check *c) {
    const double unit = c->is_percent ? 1 : 100;
    mnas_table table;
    mnas_table_start(&table,
                     "<training|images|takes|networks|tau|in the top 20 %|beyond size|next gains|seeds' sd");
    for (int i = 0; i <= c->n_proxies; i++) {
        const mnas_proxy *p = &c->proxies[i];
        length_cells(&table, p);
        estimate_cell(&table, &p->tau);
        estimate_cell(&table, &p->tau_top);
        estimate_cell(&table, &p->tau_beyond_size);
        estimate_cell(&table, &p->behind);
        mnas_table_decimals(&table, unit * p->seed_sd_frac, 2);
    }
    const int rc = mnas_table_print(&table);
    if (rc == 0) printf("\n%s\n", c->words);
    return rc;
}

/* ---- running ---- */

typedef struct told {
    int last; /* trainings done when it was told last */
    mnas_proxy_progress progress;
} told;

static void show_progress(void *user, const mnas_proxy_progress *p) {
    told *t = user;
    char text[200], eta[32];
    t->progress = *p;
    if (p->n_done == p->n_planned || !p->name[0]) return;
    mnas_clock_duration(p->eta_s, eta, sizeof eta);
    snprintf(text, sizeof text, "%d/%d trainings, %s %.0f %%, %s left", p->n_done, p->n_planned, p->name,
             p->frac > 0 ? 100 * p->frac : 0, eta);
    if (mnas_log_is_terminal())
        mnas_cli_live(text);
    else if (p->n_done != t->last)
        mnas_log_info("%s", text);
    t->last = p->n_done;
}

static int print_plan(const check_opts *o, const mnas_proxy_progress *p) {
    char eta[32];
    if (o->common.json)
        return mnas_json_print(json_pack("{s:i, s:i, s:o}", "n_done", p->n_done, "n_planned", p->n_planned,
                                         "eta_s", mnas_json_number(p->n_done < p->n_planned ? p->eta_s : 0)));
    mnas_clock_duration(p->eta_s, eta, sizeof eta);
    printf("%d of %d trainings are in %s", p->n_done, p->n_planned, o->record);
    if (p->n_done == 0)
        puts("; how long the others take is known once a few are");
    else
        printf("; the others take about %s\n", eta);
    return 0;
}

static int print_result(const check_opts *o, mnas_proxy_check *check) {
    const int rc = o->common.json ? mnas_json_print(check_json(check)) : print_check(check);
    mnas_proxy_check_free(check);
    return rc;
}

static int from_table(const check_opts *o) {
    const mnas_proxy_table table = {.path = o->table,
                                    .proxies = o->proxy,
                                    .full = o->full,
                                    .macs = o->macs,
                                    .parameters = o->params,
                                    .noise = o->noise_columns,
                                    .images = o->images};
    mnas_proxy_check check;
    const int rc = mnas_proxy_check_table(&check, &table);
    return rc < 0 ? rc : print_result(o, &check);
}

static int by_training(const check_opts *o) {
    told t = {.last = -1};
    mnas_proxy_check check;
    if (!o->space[0] || !o->data[0] || !o->record[0])
        return mnas_error_set(MNAS_ERR_ARG,
                              "give --table FILE, or --space, --data and --record to train networks");
    if (!o->full[0])
        return mnas_error_set(MNAS_ERR_ARG,
                              "--full is missing: the length of the full training, such as 9ep");
    const mnas_proxy_options run = {.space = o->space,
                                    .data = o->data,
                                    .record = o->record,
                                    .recipe = o->recipe,
                                    .lengths = o->lengths,
                                    .full = o->full,
                                    .networks = (int)o->networks,
                                    .seeds = (int)o->seeds,
                                    .seed = (uint64_t)o->seed,
                                    .threads = (int)o->threads,
                                    .max_minutes = o->max_minutes,
                                    .plan_only = o->dry_run,
                                    .progress = show_progress,
                                    .user = &t,
                                    .cancel = mnas_cli_cancel_flag()};
    const int rc = mnas_proxy_check_run(&check, &run);
    mnas_log_live("%s", "");
    if (rc < 0) return rc;
    if (!o->dry_run) return print_result(o, &check);
    mnas_proxy_check_free(&check);
    return print_plan(o, &t.progress);
}

static int run(const void *opts, int n_words, char **words) {
    const check_opts *o = opts;
    (void)n_words, (void)words;
    return o->table[0] ? from_table(o) : by_training(o);
}

static const char *const plugins[] = {"dataset", "recipe", NULL};

const mnas_cli_command mnas_command_proxy_check = {
    .name = "proxy-check",
    .words = "",
    .min_words = 0,
    .max_words = 0,
    .summary = "does the short training of a search rank networks as the full one does?",
    .about =
        "A search trains every network briefly and trusts the order that this gives. Here the order is set "
        "against the "
        "one after full training, by Kendall's tau: of all networks, of the best 20 %, and beyond what their "
        "size says "
        "already, with 95 % intervals; with the noise between seeds; and the shortest training that ranks "
        "well enough. "
        "Either from the columns of a table (--table), or by training a sample of a space at every length.",
    .example =
        "mnas proxy-check --space mnasnet-28 --data fashion-mnist --networks 30 --lengths 5000,10000,20000 "
        "--full "
        "3ep --seeds 2 --record check.jsonl\n"
        "mnas proxy-check --table networks.csv --proxy acc_1,acc_3 --full acc_9 --macs macs --params params",
    .opts = options,
    .opts_bytes = sizeof(check_opts),
    .plugins = plugins,
    .run = run};
