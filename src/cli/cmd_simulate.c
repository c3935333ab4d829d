/* cmd_simulate.c - `mnas simulate`: strategies on a table of networks that are trained already. The searches and their statistics
 * are mnas.h's; here are options, progress, a table and JSON.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/table.h"

typedef struct simulate_opts {
    mnas_cli_common common;
    char table[MNAS_OPT_STR], landscape[MNAS_OPT_STR], finalists[MNAS_OPT_STR], decisions[MNAS_OPT_STR],
        accuracy[MNAS_OPT_STR], report[MNAS_OPT_STR], latency[MNAS_OPT_STR], maximize[MNAS_OPT_STR],
        features[MNAS_OPT_STR], reward[MNAS_OPT_STR], strategies[MNAS_OPT_STR], train[MNAS_OPT_STR],
        rungs[MNAS_OPT_STR], rung_epochs[MNAS_OPT_STR];
    double target, window, noise;
    bool rows_only, predictor, posterior;
    int64_t trials, seeds, seed, jobs, threads, rung_factor, rung_keep;
} simulate_opts;

#define AT(field) offsetof(simulate_opts, field)
static const mnas_opt options[] = {
    {"table", MNAS_OPT_STRING, AT(table), "", 0, 0, "FILE",
     "CSV with a header: a row for each trained network", NULL},
    {"landscape", MNAS_OPT_STRING, AT(landscape), "", 0, 0, "FILE",
     "in its place: search all combinations of the choices of such a table, by a function fitted to it, as "
     "rough as the "
     "table is",
     NULL},
    {"decisions", MNAS_OPT_STRING, AT(decisions), NULL, 0, 0, "COL,COL,...",
     "columns that make up a network; ordinal where all values are numbers, else nominal. COL:nominal and "
     "COL:ordinal say so, COL:chars takes a nominal decision of each character, * in COL is any text",
     NULL},
    {"accuracy", MNAS_OPT_STRING, AT(accuracy), NULL, 0, 0, "COL",
     "what a search sees; in per cent where a value exceeds 1, else fractions", NULL},
    {"report", MNAS_OPT_STRING, AT(report), "", 0, 0, "COL",
     "what it is scored on, such as test accuracy; default: --accuracy", NULL},
    {"latency", MNAS_OPT_STRING, AT(latency), "", 0, 0, "COL",
     "a second objective, less is better; the reward then joins both", NULL},
    {"maximize", MNAS_OPT_STRING, AT(maximize), "", 0, 0, "COL",
     "in its place one of which more is better, such as throughput: it acts as a latency of 1 / value, with "
     "a "
     "target of 1 / --target",
     NULL},
    {"target", MNAS_OPT_FLOAT, AT(target), NULL, 0, 0, NULL, "of --latency or --maximize, in its unit", NULL},
    {"window", MNAS_OPT_FLOAT, AT(window), "0", 0, 0.9, "FRACTION",
     "hit the target, as of mnas search: outside of it a network's latency is looked at, and nothing "
     "evaluated; 0: off",
     NULL},
    {"reward", MNAS_OPT_STRING, AT(reward), "", 0, 0, "REWARD",
     "of accuracy and latency, soft unless given; mnas search --help lists them", NULL},
    {"features", MNAS_OPT_STRING, AT(features), "", 0, 0, "COL,COL,...",
     "cheap descriptors of a network, such as its multiply-adds, for strategies that predict", NULL},
    {"noise", MNAS_OPT_FLOAT, AT(noise), "0", 0, 100, NULL,
     "standard deviation added to what a search sees, in the unit of --accuracy", NULL},
    {"rows-only", MNAS_OPT_BOOL, AT(rows_only), NULL, 0, 0, NULL,
     "every proposal becomes the nearest row; else one without a row is a failed trial", NULL},
    {"strategies", MNAS_OPT_STRING, AT(strategies), "ppo,evolution,local,random", 0, 0, "STRATEGY,...",
     "at a comma, unless KEY= follows, and at a semicolon a new one begins: ppo:batch=8,clip=0.1,evolution",
     NULL},
    {"trials", MNAS_OPT_INT, AT(trials), "100", 1, 1e6, "networks",
     "that a run evaluates; repeats cost nothing", NULL},
    {"seeds", MNAS_OPT_INT, AT(seeds), "100", 1, 1e5, "runs", "of each strategy", NULL},
    {"seed", MNAS_OPT_INT, AT(seed), "0", 0, 9e15, NULL, "of the first run; the others follow", NULL},
    {"finalists", MNAS_OPT_STRING, AT(finalists), "", 0, 0, "K[,R][,race]",
     "of n evaluations the last K x R go to the K best observed, each R (3) times again; the best mean wins. "
     "race: each "
     "once, the rest one by one to that of the two leaders which has fewer",
     NULL},
    {"posterior", MNAS_OPT_BOOL, AT(posterior), NULL, 0, 0, NULL,
     "choose by the posterior mean of a Gaussian process of all that was seen, too", NULL},
    {"rungs", MNAS_OPT_STRING, AT(rungs), "", 0, 0, "COL,COL,...",
     "accuracies on the way to --accuracy, the shortest training first: every search is run with these "
     "rungs, "
     "too, and epochs to the same hypervolume compared. Not with --landscape, --noise, --finalists, --posterior, --window",
     NULL},
    {"rung-epochs", MNAS_OPT_STRING, AT(rung_epochs), "", 0, 0, "N,N,...",
     "epochs at each rung, and of whole trainings; unless given as --rung-factor divides a training", NULL},
    {"rung-factor", MNAS_OPT_INT, AT(rung_factor), "0", 0, 27, NULL,
     "between the lengths of two rungs, where --rung-epochs does not say; 0: 9 with one column, 3 with more",
     NULL},
    {"rung-keep", MNAS_OPT_INT, AT(rung_keep), "0", 0, 27, NULL,
     "one in so many goes on from a rung; 0: --rung-factor, at most 4", NULL},
    {"jobs", MNAS_OPT_INT, AT(jobs), "1", 1, 1024, "trials",
     "that a search would run side by side: a proposal does not know the last so many outcomes", NULL},
    {"threads", MNAS_OPT_INT, AT(threads), "0", 0, 1024, "threads",
     "0: one for each core; no result depends on it", NULL},
    {"predictor", MNAS_OPT_BOOL, AT(predictor), NULL, 0, 0, NULL,
     "search nothing: how well does PREDICTOR (gp unless given, as strategies use it; ridge, a plain "
     "baseline) rank "
     "networks that it has not seen?",
     NULL},
    {"train", MNAS_OPT_STRING, AT(train), "", 0, 0, "N,N,...",
     "with --predictor: how many networks it is fitted to, drawn at random; 100 unless given", NULL},
    MNAS_CLI_JSON,
    MNAS_CLI_HELP,
    MNAS_OPT_END};
#undef AT

static void show_progress(void *user, int n_done, int n_runs) {
    char text[80];
    (void)user;
    snprintf(text, sizeof text, "%d of %d runs", n_done, n_runs);
    if (mnas_log_is_terminal())
        mnas_cli_live(text);
    else if (n_done % ((n_runs + 9) / 10) == 0)
        mnas_log_info("%s", text);
}

/* ---- JSON ---- */

typedef struct field {
    const char *name;
    size_t offset; /* of a double */
} field;

static void add_numbers(json_t *object, const void *from, const field *fields, size_t n) {
    for (size_t i = 0; i < n; i++)
        json_object_set_new(object, fields[i].name,
                            mnas_json_number(*(const double *)((const char *)from + fields[i].offset)));
}

#define AT(member)                                                                                           \
    { #member, offsetof(mnas_simulated_point, member) }
static const field point_fields[] = {AT(mean),
                                     AT(sd),
                                     AT(regret_mean),
                                     AT(optimum_share),
                                     AT(top2_share),
                                     AT(chosen_mean),
                                     AT(chosen_sd),
                                     AT(chosen_optimum_share),
                                     AT(chosen_accuracy_mean),
                                     AT(chosen_second_mean),
                                     AT(gain),
                                     AT(p_t),
                                     AT(p_wilcoxon),
                                     AT(chosen_gain),
                                     AT(chosen_p_t),
                                     AT(chosen_p_wilcoxon),
                                     AT(finalist_mean),
                                     AT(finalist_gain),
                                     AT(finalist_p_t),
                                     AT(posterior_mean),
                                     AT(posterior_gain),
                                     AT(posterior_p_t),
                                     AT(hypervolume_mean),
                                     AT(hypervolume_share)};
#undef AT

#define AT(member)                                                                                           \
    { #member, offsetof(mnas_simulation, member) }
static const field simulation_fields[] = {AT(residual_sd),      AT(fit_tau),         AT(log10_combinations),
                                          AT(optimum),          AT(second_best),     AT(best_found),
                                          AT(row_mean),         AT(row_sd),          AT(reference_accuracy),
                                          AT(reference_second), AT(hypervolume_all), AT(window_low),
                                          AT(window_high),      AT(window_best),     AT(elapsed_s)};
#undef AT

#define N_OF(array) (sizeof(array) / sizeof *(array))

static json_t *point_json(const mnas_simulated_point *p) {
    json_t *object = json_pack("{s:i, s:i}", "n", p->n, "n_reached", p->n_reached);
    add_numbers(object, p, point_fields, N_OF(point_fields));
    return object;
}

#define AT(member)                                                                                           \
    { #member, offsetof(mnas_simulated_rungs, member) }
static const field rungs_fields[] = {AT(begun_mean),        AT(complete_mean), AT(epochs_mean),
                                     AT(hypervolume_share), AT(whole_epochs),  AT(times_fewer),
                                     AT(times_low),         AT(times_high)};
#undef AT

static json_t *strategy_json(const mnas_simulated *s) {
    json_t *curve = json_array(), *rungs = json_object();
    for (int i = 0; i < s->n_curve; i++) json_array_append_new(curve, point_json(&s->curve[i]));
    json_t *object =
        json_pack("{s:o, s:o, s:b, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", mnas_json_text(s->name),
                  "curve", curve, "exhausted", s->n_exhausted > 0, "n_exhausted", s->n_exhausted,
                  "failed_mean", mnas_json_number(s->failed_mean), "repeats_mean",
                  mnas_json_number(s->repeats_mean), "proposal_ms", mnas_json_number(s->proposal_ms), "looks",
                  mnas_json_number(s->looks_mean), "in_window", mnas_json_number(s->in_window_share),
                  "gap_mean", mnas_json_number(s->gap_mean), "gap_worst", mnas_json_number(s->gap_worst));
    add_numbers(rungs, &s->rungs, rungs_fields, N_OF(rungs_fields));
    if (s->rungs.begun_mean > 0)
        json_object_set_new(object, "rungs", rungs);
    else
        json_decref(rungs);
    return object;
}

static json_t *rungs_json(const mnas_simulation *s) {
    json_t *list = json_array();
    for (int r = 0; r < s->n_rungs; r++)
        json_array_append_new(list,
                              json_pack("{s:o, s:o}", "epochs", mnas_json_number(s->rung_epochs[r]), "tau",
                                        mnas_json_number(r < s->n_rungs - 1 ? s->rung_tau[r] : 1)));
    return list;
}

static json_t *simulation_json(const mnas_simulation *s) {
    json_t *strategies = json_array();
    for (int i = 0; i < s->n_strategies; i++)
        json_array_append_new(strategies, strategy_json(&s->strategies[i]));
    json_t *object =
        json_pack("{s:s, s:i, s:i, s:I, s:I, s:i, s:I, s:o, s:I, s:o, s:s, s:s}", "unit", "per cent points",
                  "trials", s->trials, "seeds", s->seeds, "first_seed", (json_int_t)s->first_seed, "n_rows",
                  (json_int_t)s->n_rows, "n_decisions", s->n_decisions, "n_missing", (json_int_t)s->n_missing,
                  "missing_lines", mnas_json_text(s->missing_lines), "n_duplicates",
                  (json_int_t)s->n_duplicates, "duplicate_lines", mnas_json_text(s->duplicate_lines),
                  "accuracy_unit", s->is_percent ? "per cent" : "fraction", "report_unit",
                  s->report_is_percent ? "per cent" : "fraction");
    add_numbers(object, s, simulation_fields, N_OF(simulation_fields));
    json_object_set_new(object, "n_in_window", json_integer((json_int_t)s->n_in_window));
    if (s->n_rungs > 0) json_object_set_new(object, "rungs", rungs_json(s));
    json_object_set_new(object, "strategies", strategies);
    return object;
}

/* ---- for people ---- */

static void tell_left_out(const mnas_simulation *s) {
    if (s->n_missing > 0)
        mnas_log_warn("%zu rows have a missing value and are left out: lines %s", s->n_missing,
                      s->missing_lines);
    if (s->n_duplicates > 0)
        mnas_log_warn("%zu rows repeat the decisions of an earlier one, which counts: lines %s",
                      s->n_duplicates, s->duplicate_lines);
}

static void print_facts(const mnas_simulation *s) {
    printf("%zu networks of %d decisions (10^%.1f combinations), accuracies in %s\n", s->n_rows,
           s->n_decisions, s->log10_combinations, s->is_percent ? "per cent" : "fractions");
    printf("their values: mean %.3f, sd %.3f", s->row_mean, s->row_sd);
    if (s->is_landscape)
        printf("; of all combinations nobody knows the best, the best found is %.3f\n"
               "fitted: tau %.3f on rows not seen, residual sd %.3f\n",
               s->best_found, s->fit_tau, s->residual_sd);
    else
        printf("; best %.3f, second %.3f\n", s->optimum, s->second_best);
    printf("%d runs of each strategy, seeds %llu to %llu\n", s->seeds, (unsigned long long)s->first_seed,
           (unsigned long long)s->first_seed + (unsigned long long)s->seeds - 1);
    if (isfinite(s->hypervolume_all))
        printf("hypervolume: of all networks %.4g, from accuracy %.3f and %g\n", s->hypervolume_all,
               s->reference_accuracy, s->reference_second);
    putchar('\n');
}

static void share_cell(mnas_table *table, double share) {
    if (isnan(share))
        mnas_table_cell(table, "-");
    else
        mnas_table_cell(table, "%.0f %%", 100 * share);
}

static void p_cell(mnas_table *table, double p) {
    if (isnan(p))
        mnas_table_cell(table, "-");
    else
        mnas_table_cell(table, p < 0.0005 ? "<0.001" : "%.3f", p);
}

typedef struct curve_columns { /* that not every simulation has */
    bool finalists, posterior, two;
} curve_columns;

static void point_row(mnas_table *table, const char *name, const mnas_simulated_point *p,
                      const curve_columns *columns) {
    mnas_table_cell(table, "%s", name);
    mnas_table_cell(table, "%d", p->n);
    mnas_table_decimals(table, p->mean, 3);
    mnas_table_decimals(table, p->sd, 3);
    share_cell(table, p->optimum_share);
    share_cell(table, p->top2_share);
    mnas_table_decimals(table, p->chosen_mean, 3);
    mnas_table_decimals(table, p->gain, 3);
    p_cell(table, p->p_t);
    p_cell(table, p->p_wilcoxon);
    if (columns->finalists) mnas_table_decimals(table, p->finalist_mean, 3);
    if (columns->posterior) mnas_table_decimals(table, p->posterior_mean, 3);
    if (columns->two) share_cell(table, p->hypervolume_share);
}

static void tell_exhausted(const mnas_simulation *s) {
    for (int i = 0; i < s->n_strategies; i++) {
        const mnas_simulated *t = &s->strategies[i];
        if (t->n_exhausted > 0)
            printf("\n%s: %d of %d runs ended early, %s (%.0f repeats, %.0f failures a run)\n", t->name,
                   t->n_exhausted, s->seeds,
                   t->failed_mean > t->repeats_mean
                       ? "by failures: proposals without a row, which --rows-only takes to the nearest one"
                       : "out of new networks",
                   t->repeats_mean, t->failed_mean);
    }
}

static void tell_landing(const mnas_simulation *s) {
    if (isnan(s->window_best)) return;
    printf("\nwindow %g to %g: %zu of %zu networks, the best has %.3f%s\n", s->window_low, s->window_high,
           s->n_in_window, s->n_rows, s->window_best,
           s->is_landscape ? " in the table; what the landscape has there is not known" : "");
    for (int i = 0; i < s->n_strategies; i++) {
        const mnas_simulated *t = &s->strategies[i];
        printf("%s: handed over inside in %.0f %% of runs, ", t->name, 100 * t->in_window_share);
        if (!isnan(t->gap_mean))
            printf("%.3f below that on average, %.3f at worst; ", t->gap_mean, t->gap_worst);
        printf("%.0f looks a run\n", t->looks_mean);
    }
}

static void tell_rungs(const mnas_simulation *s) {
    if (s->n_rungs == 0) return;
    printf("\n%d rungs, with", s->n_rungs);
    for (int r = 0; r < s->n_rungs - 1; r++)
        printf("%s tau %.2f with the end after %.4g epochs of %.4g", r ? "," : "", s->rung_tau[r],
               s->rung_epochs[r], s->rung_epochs[s->n_rungs - 1]);
    putchar('\n');
    for (int i = 0; i < s->n_strategies; i++) {
        const mnas_simulated_rungs *r = &s->strategies[i].rungs;
        printf("%s: %.0f trainings, %.0f of them whole, %.0f epochs, %.1f %% of the hypervolume; ",
               s->strategies[i].name, r->begun_mean, r->complete_mean, r->epochs_mean,
               100 * r->hypervolume_share);
        if (isnan(r->times_fewer))
            printf("%d whole trainings do not come so far\n", s->trials);
        else
            printf("whole ones take %.0f, %.2f times as many (%.2f to %.2f)\n", r->whole_epochs,
                   r->times_fewer, r->times_low, r->times_high);
    }
}

static int print_curves(const mnas_simulation *s, bool finalists, bool posterior) {
    const curve_columns columns = {finalists, posterior, isfinite(s->hypervolume_all)};
    char titles[180];
    mnas_table table;
    print_facts(s);
    snprintf(titles, sizeof titles, "<strategy|n|best|sd|optimum|top 2|chosen|gain|p (t)|p (rank)%s%s%s",
             columns.finalists ? "|finalist" : "", columns.posterior ? "|posterior" : "",
             columns.two ? "|hypervolume" : "");
    mnas_table_start(&table, titles);
    for (int i = 0; i < s->n_strategies; i++)
        for (int k = 0; k < s->strategies[i].n_curve; k++)
            point_row(&table, k ? "" : s->strategies[i].name, &s->strategies[i].curve[k], &columns);
    const int rc = mnas_table_print(&table);
    tell_landing(s);
    tell_rungs(s);
    tell_exhausted(s);
    return rc;
}

/* ---- prediction ---- */

enum { MAX_SIZES = 32 };

/* "100,3000"; returns how many, or a status. */
static int parse_sizes(const char *what, const char *text, int min, int sizes[MAX_SIZES]) {
    char copy[MNAS_OPT_STR], *rest = copy, *word;
    int n = 0;
    snprintf(copy, sizeof copy, "%s", text);
    while ((word = strsep(&rest, ","))) {
        if (n == MAX_SIZES) return mnas_error_set(MNAS_ERR_ARG, "%s: more than %d numbers", what, MAX_SIZES);
        const int rc = mnas_cli_parse_word(&sizes[n++], what, word, min);
        if (rc < 0) return rc;
    }
    return n;
}

static json_t *predictions_json(const char *predictor, const mnas_prediction *p, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:i, s:o, s:o, s:i, s:o}", "train", p[i].train, "tau_mean",
                                              mnas_json_number(p[i].tau_mean), "tau_sd",
                                              mnas_json_number(p[i].tau_sd), "n_test", p[i].n_test, "fit_s",
                                              mnas_json_number(p[i].fit_s)));
    return json_pack("{s:s, s:o}", "predictor", predictor, "predictions", list);
}

static int print_predictions(const mnas_prediction *p, int n) {
    mnas_table table;
    mnas_table_start(&table, "fitted to|tau|sd|tested on|fit");
    for (int i = 0; i < n; i++) {
        mnas_table_cell(&table, "%d", p[i].train);
        mnas_table_decimals(&table, p[i].tau_mean, 3);
        mnas_table_decimals(&table, p[i].tau_sd, 3);
        mnas_table_cell(&table, "%d", p[i].n_test);
        mnas_table_ms(&table, 1000 * p[i].fit_s);
    }
    return mnas_table_print(&table);
}

static int predict(const simulate_opts *o, const char *predictor) {
    int sizes[MAX_SIZES];
    mnas_prediction result[MAX_SIZES];
    const int n = parse_sizes("--train", o->train[0] ? o->train : "100", 2, sizes);
    if (n < 0) return n;
    const mnas_predict_options predict_options = {.table = o->table,
                                                  .decisions = o->decisions,
                                                  .accuracy = o->accuracy,
                                                  .report = o->report,
                                                  .features = o->features,
                                                  .predictor = predictor,
                                                  .train = sizes,
                                                  .n_train = n,
                                                  .seeds = (int)o->seeds,
                                                  .first_seed = (uint64_t)o->seed,
                                                  .threads = (int)o->threads,
                                                  .cancel = mnas_cli_cancel_flag()};
    const int rc = mnas_predict(result, &predict_options);
    if (rc < 0) return rc;
    return o->common.json ? mnas_json_print(predictions_json(predictor, result, n))
                          : print_predictions(result, n);
}

/* ---- simulation ---- */

typedef struct finalists {
    int n, repeats;
    bool race;
} finalists;

/* "5,3,race", "5,3", "5,race" or "5". */
static int parse_finalists(finalists *out, const char *text) {
    static const char race[] = ",race";
    char numbers[MNAS_OPT_STR];
    int sizes[MAX_SIZES] = {0};
    *out = (finalists){0};
    if (!text[0]) return 0;
    snprintf(numbers, sizeof numbers, "%s", text);
    char *tail = strstr(numbers, race);
    out->race = tail && strcmp(tail, race) == 0;
    if (out->race) *tail = '\0';
    const int n = parse_sizes("--finalists", numbers, 1, sizes);
    if (n > 2) return mnas_error_set(MNAS_ERR_ARG, "--finalists %s; allowed: K, K,R or K,R,race", text);
    out->n = sizes[0], out->repeats = sizes[1];
    return n < 0 ? n : 0;
}

static int simulate_and_print(const simulate_opts *o) {
    finalists f;
    int rc = parse_finalists(&f, o->finalists);
    if (rc < 0) return rc;
    const mnas_simulate_options simulate = {.table = o->table,
                                            .landscape = o->landscape,
                                            .posterior = o->posterior,
                                            .finalists = f.n,
                                            .finalist_repeats = f.repeats,
                                            .finalist_race = f.race,
                                            .decisions = o->decisions,
                                            .accuracy = o->accuracy,
                                            .report = o->report,
                                            .latency = o->latency,
                                            .maximize = o->maximize,
                                            .features = o->features,
                                            .target = o->target,
                                            .window_frac = o->window,
                                            .reward = o->reward,
                                            .noise = o->noise,
                                            .rows_only = o->rows_only,
                                            .strategies = o->strategies,
                                            .rungs = o->rungs,
                                            .rung_epochs = o->rung_epochs,
                                            .rung_factor = (int)o->rung_factor,
                                            .rung_keep = (int)o->rung_keep,
                                            .trials = (int)o->trials,
                                            .seeds = (int)o->seeds,
                                            .first_seed = (uint64_t)o->seed,
                                            .jobs = (int)o->jobs,
                                            .threads = (int)o->threads,
                                            .progress = show_progress,
                                            .cancel = mnas_cli_cancel_flag()};
    mnas_simulation *result;
    rc = mnas_simulate(&result, &simulate);
    mnas_log_live("%s", "");
    if (rc < 0) return rc;
    tell_left_out(result);
    rc = o->common.json ? mnas_json_print(simulation_json(result))
                        : print_curves(result, f.n > 0, o->posterior);
    mnas_simulation_free(result);
    return rc;
}

static int run(const void *opts, int n_words, char **words) {
    const simulate_opts *o = opts;
    if (o->predictor) return predict(o, n_words > 0 ? words[0] : "gp");
    if (n_words > 0)
        return mnas_error_set(MNAS_ERR_ARG,
                              "mnas simulate: unexpected argument \"%s\"; a PREDICTOR goes with --predictor",
                              words[0]);
    if (o->train[0])
        return mnas_error_set(MNAS_ERR_ARG, "--train goes with --predictor; a search has --trials");
    return simulate_and_print(o);
}

static const char *const plugins[] = {"strategy", "reward", NULL};

const mnas_cli_command mnas_command_simulate = {
    .name = "simulate",
    .words = "[PREDICTOR]",
    .min_words = 0,
    .max_words = 1,
    .summary = "strategies on a table of trained networks: which suits this space?",
    .about =
        "Run searches without any training: a table says what every network came to. Proposals, rules and "
        "rewards are "
        "those of mnas search, so the curves show what each strategy finds in how many trials, with as many "
        "seeds as it takes to tell them apart. best is the best network so far by --report, chosen the one "
        "that looked best in --accuracy, scored on --report; both in per cent points. gain is the best's "
        "lead over random search with the "
        "same seeds, p from paired tests.",
    .example = "mnas simulate --table networks.csv --decisions 'block*' --accuracy val_top1 --strategies "
               "ppo,evolution,random --trials 200 --seeds 100",
    .opts = options,
    .opts_bytes = sizeof(simulate_opts),
    .plugins = plugins,
    .run = run};
