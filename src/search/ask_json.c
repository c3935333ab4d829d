/* ask_json.c - asking and telling in lines of JSON: a request, an answer. docs/ask-tell.md lists them.
 *
 * It holds no state of its own. A request that is wrong is answered with what is wrong, and changes nothing.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "search/ask.h"

enum { MAX_AT_ONCE = 1000 };

/* ---- answers ---- */

/* Numbers as numbers: 0.001, 32. */
static json_t *choice_json(const char *text) {
    long long whole;
    double number;
    if (mnas_str_to_i64(text, &whole)) return json_integer(whole);
    return mnas_str_to_f64(text, &number) ? json_real(number) : json_string(text);
}

static json_t *decisions_json(const mnas_ask_session *s, const int *tokens) {
    json_t *object = json_object();
    for (int i = 0; i < s->learner.n_decisions && object; i++)
        json_object_set_new(object, s->decisions[i].name, choice_json(s->decisions[i].choices[tokens[i]]));
    return object;
}

/* What is needed to train and measure it. */
static json_t *asked_json(const mnas_ask_session *s, const mnas_trial *t) {
    json_t *object =
        json_pack("{s:i, s:o, s:o}", "trial", t->number, "tokens", mnas_json_integers(t->tokens, t->n_tokens),
                  "decisions", decisions_json(s, t->tokens));
    char model[1200];
    if (!s->space || !object) return object;
    snprintf(model, sizeof model, "%s:%d", s->path, t->number);
    json_object_set_new(object, "arch", mnas_json_text(t->arch));
    json_object_set_new(object, "model", mnas_json_text(model));
    json_object_set_new(object, "params", mnas_json_integer(t->params));
    json_object_set_new(object, "macs", mnas_json_integer(t->macs));
    return object;
}

/* And what came of it. */
static json_t *told_json(const mnas_ask_session *s, const mnas_trial *t) {
    json_t *object = asked_json(s, t);
    if (!object) return NULL;
    json_object_set_new(object, "state", json_string(mnas_trial_state_name(t->state)));
    if (s->learner.is_value)
        json_object_set_new(
            object, "value",
            mnas_json_number(s->objective == MNAS_OBJECTIVE_MINIMIZE ? 0 - t->reward : t->reward));
    else
        json_object_set_new(object, "accuracy", mnas_json_number(t->accuracy_frac));
    json_object_set_new(object, "latency_ms", mnas_json_number(t->latency.median_ms));
    json_object_set_new(object, "reward", mnas_json_number(t->reward));
    return object;
}

static json_t *failure_json(int status) {
    return json_pack("{s:o, s:s}", "error", mnas_json_text(mnas_error_message()), "status",
                     mnas_status_name(status));
}

/* ---- requests ---- */

typedef struct request {
    mnas_ask_session *session;
    const json_t *object;
    const json_t *word; /* the value of the verb's key */
} request;

static int whole_number(const json_t *value, const char *name, int low, int high, int *out) {
    *out = json_is_true(value) ? 1 : (int)json_integer_value(value);
    if (json_is_true(value) ||
        (json_is_integer(value) && json_integer_value(value) >= low && json_integer_value(value) <= high))
        return 0;
    return mnas_error_set(MNAS_ERR_ARG, "\"%s\" is no number that is allowed; allowed: %d to %d", name, low,
                          high);
}

static int trial_number(const json_t *value, const char *name, int *out) {
    if (json_is_integer(value)) return whole_number(value, name, 0, INT32_MAX, out);
    return mnas_error_set(MNAS_ERR_ARG, "\"%s\" is no trial's number; allowed: a whole number, 0 or more",
                          name);
}

/* NaN where it is not there. */
static int read_number(const json_t *object, const char *name, double *out) {
    const json_t *value = json_object_get(object, name);
    *out = value ? json_number_value(value) : (double)NAN;
    return !value || json_is_number(value) ? 0 : mnas_error_set(MNAS_ERR_ARG, "\"%s\" is no number", name);
}

/* One as itself; of several those that there may be now. */
static int do_ask(const request *r, json_t **answer) {
    int n = 1, rc = whole_number(r->word, "ask", 1, MAX_AT_ONCE, &n);
    const mnas_trial *t;
    if (rc < 0) return rc;
    if (n == 1) return (rc = mnas_ask(r->session, &t)) < 0 ? rc : (*answer = asked_json(r->session, t), 0);
    json_t *list = json_array();
    for (int i = 0; i < n && (rc = mnas_ask(r->session, &t)) == 0; i++)
        json_array_append_new(list, asked_json(r->session, t));
    const bool some =
        json_array_size(list) > 0 && (rc == 0 || rc == MNAS_ERR_BUSY || rc == MNAS_ERR_EXHAUSTED);
    if (some) *answer = json_pack("{s:O}", "trials", list);
    json_decref(list);
    return some ? 0 : rc;
}

static int do_again(const request *r, json_t **answer) {
    int number = 0, rc = trial_number(r->word, "again", &number);
    const mnas_trial *t;
    if (rc == 0) rc = mnas_ask_again(r->session, number, &t);
    if (rc == 0) *answer = asked_json(r->session, t);
    return rc;
}

static int read_told(const json_t *object, mnas_told *told) {
    const json_t *failed = json_object_get(object, "failed");
    int rc = read_number(object, "accuracy", &told->accuracy_frac);
    if (rc == 0) rc = read_number(object, "latency_ms", &told->latency_ms);
    if (rc == 0) rc = read_number(object, "value", &told->value);
    if (rc == 0 && failed && !json_is_string(failed))
        rc = mnas_error_set(MNAS_ERR_ARG, "\"failed\" is no text; allowed: why there is no outcome");
    told->failed = json_string_value(failed);
    if (rc == 0 && !isnan(told->accuracy_frac) + !isnan(told->value) + (failed != NULL) > 1)
        rc = mnas_error_set(
            MNAS_ERR_ARG, "more than one of \"accuracy\", \"value\" and \"failed\"; allowed: one of them (a "
                          "failed trial has no accuracy, latency or value)");
    return rc;
}

/* As in answers: numbers may be numbers. */
static int read_choice(const mnas_ask_session *s, const char *name, const json_t *value, int *token) {
    char *number = json_is_number(value) ? mnas_json_dumps(value, JSON_ENCODE_ANY) : NULL;
    const char *text = number ? number : json_string_value(value);
    const int i = mnas_ask_find_decision(s, name);
    int rc = i < 0  ? i
             : text ? mnas_ask_choice(s, i, text, token)
                    : mnas_error_set(MNAS_ERR_ARG, "\"%s\" is neither a number nor a text", name);
    free(number);
    return rc < 0 ? rc : i;
}

static int read_decisions(const mnas_ask_session *s, const json_t *object, int *tokens) {
    const char *name;
    json_t *value;
    int rc = 0, token;
    bool *chosen = calloc((size_t)s->learner.n_decisions, sizeof *chosen);
    if (!chosen) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: decisions");
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        if ((rc = read_choice(s, name, value, &token)) < 0) break;
        chosen[rc] = true;
        tokens[rc] = token;
    }
    if (rc >= 0) rc = mnas_ask_check_all_chosen(s, chosen);
    free(chosen);
    return rc;
}

static int read_tokens(const mnas_ask_session *s, const json_t *list, int *tokens) {
    const int n = s->learner.n_decisions;
    int rc = 0;
    if (json_array_size(list) != (size_t)n)
        return mnas_error_set(MNAS_ERR_ARG, "%zu tokens; allowed: one of each of the %d decisions",
                              json_array_size(list), n);
    for (int i = 0; i < n && rc == 0; i++)
        rc = whole_number(json_array_get(list, (size_t)i), "tokens", 0, s->decisions[i].n_choices - 1,
                          &tokens[i]);
    return rc;
}

/* {"arch": "..."}, {"decisions": {...}} or {"tokens": [...]}. */
static int read_named(const mnas_ask_session *s, const json_t *named, int *tokens) {
    const json_t *arch = json_object_get(named, "arch"), *decisions = json_object_get(named, "decisions"),
                 *list = json_object_get(named, "tokens");
    if (json_object_size(named) == 1 && json_is_string(arch))
        return mnas_ask_find(s, json_string_value(arch), tokens);
    if (json_object_size(named) == 1 && json_is_object(decisions))
        return read_decisions(s, decisions, tokens);
    if (json_object_size(named) == 1 && json_is_array(list)) return read_tokens(s, list, tokens);
    return mnas_error_set(MNAS_ERR_ARG,
                          "what \"tell\" is of; allowed: a trial's number, or one of {\"arch\": \"...\"}, "
                          "{\"decisions\": {...}}, {\"tokens\": [...]}, with the outcome beside \"tell\"");
}

static int tell_named(const request *r, const mnas_told *told, int *number) {
    int *tokens = calloc((size_t)r->session->learner.n_decisions, sizeof *tokens);
    if (!tokens) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: decisions");
    int rc = read_named(r->session, r->word, tokens);
    if (rc == 0) rc = mnas_tell_unasked(r->session, tokens, told, number);
    free(tokens);
    return rc;
}

static int do_tell(const request *r, json_t **answer) {
    mnas_told told;
    int number = 0, rc = read_told(r->object, &told);
    if (rc == 0 && json_is_object(r->word)) {
        rc = tell_named(r, &told, &number);
    } else if (rc == 0) {
        rc = trial_number(r->word, "tell", &number);
        if (rc == 0) rc = mnas_tell(r->session, number, &told);
    }
    if (rc < 0) return rc;
    const mnas_trial *t = mnas_ask_trial(r->session, number);
    *answer = json_pack("{s:b, s:i, s:o}", "ok", 1, "trial", number, "reward", mnas_json_number(t->reward));
    return 0;
}

static int do_open(const request *r, json_t **answer) {
    json_t *list = json_array();
    for (int i = 0; i < mnas_ask_n_trials(r->session); i++) {
        const mnas_trial *t = mnas_ask_trial(r->session, i);
        if (t->state == MNAS_TRIAL_RUNNING) json_array_append_new(list, asked_json(r->session, t));
    }
    *answer = json_pack("{s:o}", "trials", list);
    return 0;
}

static int do_best(const request *r, json_t **answer) {
    const mnas_trial *best = NULL;
    for (int i = 0; i < mnas_ask_n_trials(r->session); i++) {
        const mnas_trial *t = mnas_ask_trial(r->session, i);
        if (t->state == MNAS_TRIAL_COMPLETE && isfinite(t->reward) && (!best || t->reward > best->reward))
            best = t;
    }
    if (!best) return mnas_error_set(MNAS_ERR_MISSING, "no trial has a reward yet");
    *answer = told_json(r->session, best);
    return 0;
}

/* Of the study as it is on disk. */
static int do_front(const request *r, json_t **answer) {
    mnas_study *study;
    int *front = NULL, n = 0;
    int rc = mnas_study_open(&study, r->session->path);
    if (rc < 0) return rc;
    rc = mnas_study_front(study, &front, &n);
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, told_json(r->session, mnas_ask_trial(r->session, front[i])));
    *answer = json_pack("{s:o}", "front", list);
    free(front);
    mnas_study_close(study);
    return rc;
}

static int do_status(const request *r, json_t **answer) {
    int n[4] = {0}, n_told = 0;
    for (int i = 0; i < mnas_ask_n_trials(r->session); i++) {
        const mnas_trial *t = mnas_ask_trial(r->session, i);
        if (mnas_history_is_told(t))
            n_told++;
        else
            n[t->state]++;
    }
    *answer = json_pack("{s:i, s:i, s:i, s:i, s:i}", "complete", n[MNAS_TRIAL_COMPLETE], "failed",
                        n[MNAS_TRIAL_FAILED], "open", n[MNAS_TRIAL_RUNNING], "told", n_told, "wanted",
                        r->session->trials);
    return 0;
}

typedef struct verb {
    const char *name;
    int (*run)(const request *request, json_t **answer);
} verb;

static const verb verbs[] = {{"ask", do_ask},   {"tell", do_tell},   {"again", do_again},  {"open", do_open},
                             {"best", do_best}, {"front", do_front}, {"status", do_status}};
static const char *const keys[] = {"ask",    "tell",     "again",      "open",  "best",  "front",
                                   "status", "accuracy", "latency_ms", "value", "failed"};
enum { N_VERBS = sizeof verbs / sizeof *verbs, N_KEYS = sizeof keys / sizeof *keys };

static int check_keys(const json_t *object) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        int i = 0;
        while (i < N_KEYS && strcmp(keys[i], key) != 0) i++;
        if (i < N_KEYS) continue;
        mnas_str text = {0};
        mnas_str_append_unknown(&text, "unknown key", key, keys, N_KEYS);
        const int rc = mnas_error_set(MNAS_ERR_ARG, "%s", mnas_str_ok(&text) ? text.data : "unknown key");
        mnas_str_free(&text);
        return rc;
    }
    return 0;
}

static int run_request(mnas_ask_session *s, const json_t *object, json_t **answer) {
    const verb *found = NULL;
    int rc = check_keys(object);
    if (rc < 0) return rc;
    for (int i = 0; i < N_VERBS; i++) {
        if (!json_object_get(object, verbs[i].name)) continue;
        if (found)
            return mnas_error_set(MNAS_ERR_ARG, "\"%s\" and \"%s\" in one request; allowed: one of both",
                                  found->name, verbs[i].name);
        found = &verbs[i];
    }
    if (!found)
        return mnas_error_set(
            MNAS_ERR_ARG, "nothing is asked; allowed: one of ask, tell, again, open, best, front, status");
    if (found->run != do_tell && json_object_size(object) > 1)
        return mnas_error_set(
            MNAS_ERR_ARG, "\"%s\" stands beside another key; allowed: beside \"tell\" alone", found->name);
    const request r = {s, object, json_object_get(object, found->name)};
    return found->run(&r, answer);
}

static int parse(const char *line, size_t n, json_t **object) {
    json_error_t error;
    *object = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(*object)) return 0;
    if (*object) return mnas_error_set(MNAS_ERR_FORMAT, "no JSON object; allowed: {\"ask\": 1} and the like");
    return mnas_error_set(MNAS_ERR_FORMAT, "no JSON: %s (character %d)", error.text, error.position);
}

int mnas_ask_line(mnas_ask_session *s, const char *line, size_t n, char **answer) {
    json_t *object = NULL, *said = NULL;
    int rc = parse(line, n, &object);
    if (rc == 0) rc = run_request(s, object, &said);
    if (rc < 0) {
        json_decref(said);
        said = failure_json(rc);
    }
    json_decref(object);
    *answer = said ? mnas_json_dumps(said, JSON_COMPACT) : NULL;
    json_decref(said);
    if (!*answer) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: an answer");
    mnas_json_shorten(*answer);
    return s->broken ? rc : 0;
}
