/* cmd_tell.c - `mnas tell`: the outcome of a trial that `mnas ask` gave out, or results that were there before. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/human.h"
#include "base/json.h"
#include "cli/ask_opts.h"
#include "cli/tell_file.h"

typedef struct tell_opts {
    mnas_cli_common common;
    mnas_cli_ask_opts study;
    double accuracy, latency_ms, value;
    char failed[MNAS_OPT_STR], arch[MNAS_OPT_STR], from[MNAS_OPT_STR];
} tell_opts;

#define AT(field) offsetof(tell_opts, field)
static const mnas_opt options[] = {
    {"accuracy", MNAS_OPT_FLOAT, AT(accuracy), NULL, 0, 0, "FRACTION", "0 to 1, on images not trained on",
     NULL},
    {"latency-ms", MNAS_OPT_FLOAT, AT(latency_ms), NULL, 0, 0, "ms", "needed where the study has a target",
     NULL},
    {"value", MNAS_OPT_FLOAT, AT(value), NULL, 0, 0, NULL,
     "where the study maximizes or minimizes one instead of an accuracy", NULL},
    {"failed", MNAS_OPT_STRING, AT(failed), "", 0, 0, "TEXT", "there is no outcome, and why", NULL},
    {"arch", MNAS_OPT_STRING, AT(arch), "", 0, 0, "NETWORK",
     "instead of TRIAL, what was not asked for: block strings, or name=choice,name=choice,...", NULL},
    {"from", MNAS_OPT_STRING, AT(from), "", 0, 0, "FILE.csv",
     "many of these: columns arch or the decisions' names, and accuracy, latency_ms, value or failed", NULL},
    MNAS_CLI_ASK_OPTIONS(tell_opts),
    MNAS_CLI_JSON,
    MNAS_CLI_HELP,
    MNAS_OPT_END};
#undef AT

static int print(const tell_opts *o, const mnas_trial *t) {
    char reward[MNAS_HUMAN_BYTES];
    if (o->common.json)
        return mnas_json_print(json_pack("{s:b, s:i, s:s, s:o}", "ok", 1, "trial", t->number, "state",
                                         mnas_trial_state_name(t->state), "reward",
                                         mnas_json_number(t->reward)));
    mnas_human_reward(t->reward, reward);
    printf("trial %d %s", t->number, mnas_trial_state_name(t->state));
    if (t->state == MNAS_TRIAL_COMPLETE)
        printf(isfinite(t->reward) ? ", reward %s" : ", its reward comes with the target", reward);
    putchar('\n');
    return 0;
}

static int print_file(const tell_opts *o, const mnas_cli_told_file *n) {
    if (o->common.json)
        return mnas_json_print(json_pack("{s:b, s:i, s:i, s:i}", "ok", 1, "told", n->n_told, "known",
                                         n->n_known, "left_out", n->n_left_out));
    printf("%d told", n->n_told);
    if (n->n_known > 0) printf(", %d known already", n->n_known);
    if (n->n_left_out > 0) printf(", %d rows without an outcome left out", n->n_left_out);
    putchar('\n');
    return 0;
}

/* ---- one result ---- */

static int tell_arch(mnas_ask_session *session, const char *arch, const mnas_told *told, int *number) {
    int *tokens = calloc((size_t)mnas_ask_n_decisions(session), sizeof *tokens);
    if (!tokens) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %s", arch);
    int rc = mnas_ask_find(session, arch, tokens);
    if (rc == 0) rc = mnas_tell_unasked(session, tokens, told, number);
    free(tokens);
    return rc;
}

/* Read before the session ends, to which the trial belongs. */
static int tell(mnas_ask_session *session, const tell_opts *o, int number) {
    const mnas_told told = {.accuracy_frac = o->accuracy,
                            .latency_ms = o->latency_ms,
                            .value = o->value,
                            .failed = o->failed[0] ? o->failed : NULL};
    const int rc =
        o->arch[0] ? tell_arch(session, o->arch, &told, &number) : mnas_tell(session, number, &told);
    return rc < 0 ? rc : print(o, mnas_ask_trial(session, number));
}

static int tell_file(mnas_ask_session *session, const tell_opts *o) {
    mnas_cli_told_file n;
    const int rc = mnas_cli_tell_file(session, o->from, &n);
    return rc < 0 ? rc : print_file(o, &n);
}

/* ---- the command ---- */

/* 0 is a number like others here, and cannot be told from nothing later. */
static int check_outcome(const tell_opts *o) {
    const int n = !isnan(o->accuracy) + !isnan(o->value) + (o->failed[0] != '\0');
    if (o->latency_ms == 0)
        return mnas_error_set(MNAS_ERR_ARG, "--latency-ms is 0; allowed: more than 0, at most 1e9");
    if (o->failed[0] && !isnan(o->latency_ms))
        return mnas_error_set(MNAS_ERR_ARG, "--latency-ms beside --failed; allowed: one of both");
    if (n > 1)
        return mnas_error_set(MNAS_ERR_ARG,
                              "more than one of --accuracy, --value and --failed; allowed: one of "
                              "them");
    if (o->from[0] && (n > 0 || !isnan(o->latency_ms)))
        return mnas_error_set(MNAS_ERR_ARG, "an outcome beside --from %s, which has its own; leave it out",
                              o->from);
    if (n == 0 && !o->from[0])
        return mnas_error_set(MNAS_ERR_ARG,
                              "no outcome; give --accuracy, from 0 to 1, or --value, as the study "
                              "wants it, or --failed TEXT that says why there is none");
    return 0;
}

static int check(const tell_opts *o, int n_words) {
    const int n = (n_words == 2) + (o->arch[0] != '\0') + (o->from[0] != '\0');
    if (n == 1) return check_outcome(o);
    return mnas_error_set(MNAS_ERR_ARG,
                          n == 0 ? "whose outcome it is; allowed: a TRIAL, --arch NETWORK, or --from FILE.csv"
                                 : "TRIAL, --arch and --from say whose outcome it is; give one of them");
}

static int run(const void *opts, int n_words, char **words) {
    const tell_opts *o = opts;
    const mnas_ask_options a = mnas_cli_ask_options(&o->study, words[0]);
    mnas_ask_session *session = NULL;
    int number = -1;
    int rc = check(o, n_words);
    if (rc == 0 && n_words == 2) rc = mnas_cli_parse_word(&number, "TRIAL", words[1], 0);
    if (rc == 0) rc = mnas_ask_open(&session, &a);
    if (rc == 0) rc = o->from[0] ? tell_file(session, o) : tell(session, o, number);
    mnas_ask_close(session);
    return rc;
}

static const char *const plugins[] = {"strategy", "reward", NULL};
const mnas_cli_command mnas_command_tell = {
    .name = "tell",
    .words = "STUDY [TRIAL]",
    .min_words = 1,
    .max_words = 2,
    .summary = "tell the outcome of a trial that `mnas ask` proposed, or results you have already",
    .about = "Store the accuracy and latency, or the value, that you measured of an open trial, or that it "
             "failed. The strategy learns from it. To tell the same twice is no mistake; what was told does "
             "not change. "
             "With --arch or --from, results of networks that were not asked for enter the study as trials "
             "of their "
             "own: the search begins with what you know. They do not count among --trials. A study that is "
             "not there "
             "yet is made, as with `mnas ask`.",
    .example = "mnas tell lab.db 12 --accuracy 0.83 --latency-ms 4.2\n"
               "mnas tell lab.db 13 --failed \"node died\"\n"
               "mnas tell tune.db --arch lr=0.01,optimizer=adam --value 0.31\n"
               "mnas tell new.db --space mnasnet-28 --from results.csv",
    .opts = options,
    .opts_bytes = sizeof(tell_opts),
    .plugins = plugins,
    .run = run};
