/* cmd_ask.c - `mnas ask`: a trial for somebody else to train and measure; --serve asks and tells in lines of JSON.
 *
 * A session on the study is open for the length of the command. What it prints is in the study already.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/human.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/ask_opts.h"
#include "cli/study_print.h"

typedef struct ask_opts {
    mnas_cli_common common;
    mnas_cli_ask_opts study;
    int64_t n, again;
    bool open, serve;
} ask_opts;

#define AT(field) offsetof(ask_opts, field)
static const mnas_opt options[] = {
    MNAS_CLI_ASK_OPTIONS(ask_opts),
    {"n", MNAS_OPT_INT, AT(n), "1", 1, 1000, "trials", "asked for at once", NULL},
    {"again", MNAS_OPT_INT, AT(again), "-1", -1, INT32_MAX, "TRIAL", "give this open one out once more",
     NULL},
    {"open", MNAS_OPT_BOOL, AT(open), NULL, 0, 0, NULL, "list the open trials, ask for none", NULL},
    {"serve", MNAS_OPT_BOOL, AT(serve), NULL, 0, 0, NULL,
     "read requests from stdin and answer them on stdout, a line of JSON each, until its end", NULL},
    MNAS_CLI_JSON,
    MNAS_CLI_HELP,
    MNAS_OPT_END};
#undef AT

/* ---- one request ---- */

/* What a line of JSON is answered with. An answer that says "error" is MNAS_ERR_ARG here: it cannot come, since
 * the calls before have succeeded. */
static int answer(mnas_ask_session *session, const char *request, json_t **out) {
    char *text = NULL;
    int rc = mnas_ask_line(session, request, strlen(request), &text);
    *out = rc == 0 ? json_loads(text, 0, NULL) : NULL;
    free(text);
    if (rc == 0 && !*out) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: an answer");
    return rc;
}

static int asked(mnas_ask_session *session, const ask_opts *o, json_t **out) {
    char request[64];
    if (o->again >= 0)
        snprintf(request, sizeof request, "{\"again\": %lld}", (long long)o->again);
    else
        snprintf(request, sizeof request, o->open ? "{\"open\": true}" : "{\"ask\": %lld}", (long long)o->n);
    return answer(session, request, out);
}

static int status_named(const char *name) {
    int status = -1;
    while (strcmp(mnas_status_name(status), name) != 0 && status > -64) status--;
    return status;
}

/* ---- as text ---- */

static void print_decisions(const json_t *decisions) {
    const char *name, *title = "decisions";
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)decisions, name, value) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        printf("%-13s %s = %s\n", title, name,
               json_is_string(value) ? json_string_value(value)
               : text                ? text
                                     : "?");
        free(text);
        title = "";
    }
}

static void print_blocks(const char *arch) {
    const char *title = "network";
    while (*arch) {
        const int n = (int)strcspn(arch, " ");
        printf("%-13s %.*s\n", title, n, arch);
        arch += n + (int)strspn(arch + n, " ");
        title = "";
    }
}

static void print_tokens(const json_t *tokens) {
    size_t i;
    json_t *token;
    printf("%-13s", "tokens");
    json_array_foreach((json_t *)(uintptr_t)tokens, i, token) {
        printf(" %lld", (long long)json_integer_value(token));
    }
    putchar('\n');
}

static void print_asked(const json_t *trial) {
    const char *arch = json_string_value(json_object_get(trial, "arch"));
    const char *model = json_string_value(json_object_get(trial, "model"));
    printf("%-13s %lld\n", "trial", (long long)json_integer_value(json_object_get(trial, "trial")));
    print_decisions(json_object_get(trial, "decisions"));
    if (arch) print_blocks(arch);
    print_tokens(json_object_get(trial, "tokens"));
    if (model) printf("%-13s %s, as of `mnas export %s -o network.yaml`\n", "model", model, model);
}

static void print_all(const json_t *list) {
    size_t i;
    json_t *trial;
    json_array_foreach((json_t *)(uintptr_t)list, i, trial) {
        if (i > 0) putchar('\n');
        print_asked(trial);
    }
    if (json_array_size(list) == 0) puts("no trial is open");
}

/* Takes the object over. */
static int print(const ask_opts *o, json_t *object) {
    const json_t *list = json_object_get(object, "trials"), *error = json_object_get(object, "error");
    int rc = 0;
    if (error)
        rc = mnas_error_set(status_named(json_string_value(json_object_get(object, "status"))), "%s",
                            json_string_value(error));
    if (rc == 0 && o->common.json) return mnas_json_print(object);
    if (rc == 0 && list) print_all(list);
    if (rc == 0 && !list) print_asked(object);
    if (rc == 0 && list && !o->open && (int64_t)json_array_size(list) < o->n)
        mnas_log_info("%zu of %lld: more need some of them told first", json_array_size(list),
                      (long long)o->n);
    json_decref(object);
    return rc;
}

/* ---- serving ---- */

/* Without its end; MNAS_ERR_MISSING at the end of all. */
static int read_line(char **line, size_t *room, size_t *n) {
    const ssize_t got = getline(line, room, stdin);
    if (got < 0 && ferror(stdin)) return mnas_error_errno("stdin");
    if (got < 0) return MNAS_ERR_MISSING;
    *n = (size_t)got;
    while (*n > 0 && ((*line)[*n - 1] == '\n' || (*line)[*n - 1] == '\r')) --*n;
    return 0;
}

static bool is_blank(const char *line, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (line[i] != ' ' && line[i] != '\t') return false;
    return true;
}

static int serve(mnas_ask_session *session) {
    char *line = NULL, *said;
    size_t room = 0, n = 0;
    int rc;
    while ((rc = read_line(&line, &room, &n)) == 0) {
        if (is_blank(line, n)) continue;
        said = NULL;
        rc = mnas_ask_line(session, line, n, &said);
        if (said) puts(said);
        free(said);
        if (rc == 0) rc = mnas_cli_flush();
        if (rc < 0) break;
    }
    free(line);
    return rc == MNAS_ERR_MISSING ? 0 : rc;
}

/* ---- the command ---- */

static int check(const ask_opts *o) {
    const int n_ways = o->serve + o->open + (o->again >= 0) + (o->n != 1);
    if (n_ways > 1)
        return mnas_error_set(MNAS_ERR_ARG, "--serve, --open, --again and --n are ways to ask; give one");
    return 0;
}

static int run(const void *opts, int n_words, char **words) {
    const ask_opts *o = opts;
    mnas_ask_session *session = NULL;
    json_t *object = NULL;
    (void)n_words;
    int rc = check(o);
    const mnas_ask_options a = mnas_cli_ask_options(&o->study, words[0]);
    if (rc == 0) rc = mnas_ask_open(&session, &a);
    if (rc < 0) return rc;
    if (o->serve)
        rc = serve(session);
    else
        rc = asked(session, o, &object);
    mnas_ask_close(session);
    return rc < 0 || o->serve ? rc : print(o, object);
}

static const char *const plugins[] = {"strategy", "reward", NULL};
const mnas_cli_command mnas_command_ask = {
    .name = "ask",
    .words = "STUDY",
    .min_words = 1,
    .max_words = 1,
    .summary = "propose a trial for you to train and measure; `mnas tell` tells its outcome",
    .about =
        "The same search where you train and measure yourself, with whatever you have: ask for a trial, "
        "tell its outcome, ask for the next. The first ask makes the study and says what is chosen, networks "
        "of a space or plain decisions; later ones need the study alone. Up to --parallel trials may be "
        "open at once. What is proposed depends on what was told, not on when.",
    .example = "mnas ask lab.db --space mnasnet-28 --trials 200 --target-ms 5\n"
               "mnas tell lab.db 0 --accuracy 0.83 --latency-ms 4.2\n"
               "mnas ask lab.db",
    .opts = options,
    .opts_bytes = sizeof(ask_opts),
    .plugins = plugins,
    .run = run};
