/* cmd_tell.c - `mnas tell`: the outcome of a trial that `mnas ask` gave out. */
#include <math.h>

#include "base/error.h"
#include "base/human.h"
#include "base/json.h"
#include "cli/cli.h"

typedef struct tell_opts {
    mnas_cli_common common;
    double accuracy, latency_ms, value;
    char failed[MNAS_OPT_STR];
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

/* Read before the session ends, to which the trial belongs. */
static int tell(mnas_ask_session *session, const tell_opts *o, int number) {
    const mnas_told told = {.accuracy_frac = o->accuracy,
                            .latency_ms = o->latency_ms,
                            .value = o->value,
                            .failed = o->failed[0] ? o->failed : NULL};
    const int rc = mnas_tell(session, number, &told);
    return rc < 0 ? rc : print(o, mnas_ask_trial(session, number));
}

static int run(const void *opts, int n_words, char **words) {
    const tell_opts *o = opts;
    const mnas_ask_options a = {.study = words[0]};
    mnas_ask_session *session = NULL;
    int number;
    (void)n_words;
    int rc = mnas_cli_parse_word(&number, "TRIAL", words[1], 0);
    if (rc == 0 && o->latency_ms == 0)
        rc = mnas_error_set(MNAS_ERR_ARG, "--latency-ms is 0; allowed: more than 0, at most 1e9");
    if (rc == 0) rc = mnas_ask_open(&session, &a);
    if (rc == 0) rc = tell(session, o, number);
    mnas_ask_close(session);
    return rc;
}

const mnas_cli_command mnas_command_tell = {
    .name = "tell",
    .words = "STUDY TRIAL",
    .min_words = 2,
    .max_words = 2,
    .summary = "tell the outcome of a trial that `mnas ask` proposed",
    .about =
        "Store the accuracy and latency, or the value, that you measured of an open trial, or that it "
        "failed. "
        "The strategy learns from it. To tell the same twice is no mistake; what was told does not change.",
    .example = "mnas tell lab.db 12 --accuracy 0.83 --latency-ms 4.2\n"
               "mnas tell lab.db 13 --failed \"node died\"",
    .opts = options,
    .opts_bytes = sizeof(tell_opts),
    .run = run};
