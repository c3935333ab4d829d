/* ask_open.c - a session from its options and its study: the first one makes the study, later ones take from it what
 * they are not given, and compare the rest.
 *
 * Invariants: a study file appears only after everything that it names could be opened; its settings never change
 * afterwards, but for `trials` and what is calibrated.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/space.h"
#include "search/ask.h"

enum { MAX_TRIALS = 10000000, MAX_PARALLEL = 1000 };
static const double patience_s = 10; /* for another session's lock */

const char *const mnas_objective_names[] = {"accuracy", "maximize", "minimize", NULL};

static bool given(const char *option) {
    return option && option[0];
}

/* ---- options ---- */

static int check_objective(const char *name) {
    if (!given(name)) return 0;
    for (int i = 0; mnas_objective_names[i]; i++)
        if (strcmp(mnas_objective_names[i], name) == 0) return 0;
    return mnas_error_set(MNAS_ERR_ARG, "objective is \"%s\"; allowed: accuracy, maximize, minimize", name);
}

static int check_options(const mnas_ask_options *o) {
    if (!given(o->study)) return mnas_error_set(MNAS_ERR_ARG, "to ask needs a study");
    if (given(o->space) && given(o->decisions))
        return mnas_error_set(MNAS_ERR_ARG, "--space %s beside --decisions %s; allowed: one of both",
                              o->space, o->decisions);
    if (o->trials < 0 || o->trials > MAX_TRIALS)
        return mnas_error_set(MNAS_ERR_ARG, "trials is %d; allowed: 1 to %d", o->trials, MAX_TRIALS);
    if (o->parallel < 0 || o->parallel > MAX_PARALLEL)
        return mnas_error_set(MNAS_ERR_ARG, "parallel is %d; allowed: 1 to %d", o->parallel, MAX_PARALLEL);
    if (!(o->target_ms >= 0 && o->target_ms <= 1e9))
        return mnas_error_set(MNAS_ERR_ARG, "target is %g ms; allowed: more than 0, at most 1e9",
                              o->target_ms);
    return check_objective(o->objective);
}

static int open_named(mnas_ask_session *s) {
    if (given(s->options->space)) return mnas_space_open(&s->space, s->options->space);
    return given(s->options->decisions) ? mnas_decisions_open(&s->plain, s->options->decisions) : 0;
}

/* ---- what a study is made of ---- */

static void print_hash(const mnas_ask_session *s, char out[MNAS_SPACE_HASH_BYTES]) {
    if (s->space) {
        mnas_space_hash(s->space, out);
        return;
    }
    const uint64_t hash = mnas_hash_bytes(MNAS_HASH_INIT, s->plain->text, strlen(s->plain->text));
    snprintf(out, MNAS_SPACE_HASH_BYTES, "%016" PRIx64, hash);
}

/* Those of the options that are given. */
static int fix_given(mnas_ask_session *s) {
    const mnas_ask_options *o = s->options;
    mnas_fixed_list *f = &s->fixed;
    char hash[MNAS_SPACE_HASH_BYTES];
    int rc = 0;
    if (s->space || s->plain) {
        print_hash(s, hash);
        rc = mnas_fixed_add(f, s->space ? "space_hash" : "decisions_hash", s->space ? "space" : "decisions",
                            "%s", hash);
    }
    if (rc == 0 && given(o->objective)) rc = mnas_fixed_add(f, "objective", "objective", "%s", o->objective);
    if (rc == 0 && given(o->reward)) rc = mnas_fixed_add(f, "reward", "reward", "%s", o->reward);
    if (rc == 0 && o->target_ms > 0)
        rc = mnas_fixed_add_number(f, "target_option", "target-ms", o->target_ms, "auto");
    if (rc == 0 && given(o->strategy)) rc = mnas_fixed_add(f, "strategy", "strategy", "%s", o->strategy);
    if (rc == 0 && o->seed > 0) rc = mnas_fixed_add(f, "seed", "seed", "%" PRIu64, o->seed);
    if (rc == 0 && o->parallel > 0) rc = mnas_fixed_add(f, "delay", "parallel", "%d", o->parallel);
    return rc;
}

static const char *fixed_value(const mnas_ask_session *s, const char *name) {
    for (int i = 0; i < s->fixed.n; i++)
        if (strcmp(s->fixed.items[i].name, name) == 0) return s->fixed.items[i].value;
    return NULL;
}

static int fix_default(mnas_ask_session *s, const char *name, const char *value) {
    return fixed_value(s, name) ? 0 : mnas_fixed_add(&s->fixed, name, name, "%s", value);
}

/* Of a study that is to be made: what was not given. */
static int fix_defaults(mnas_ask_session *s) {
    const mnas_ask_options *o = s->options;
    const bool rewarded = given(o->reward) || o->target_ms > 0;
    int rc = fix_default(s, "objective", s->space || rewarded ? "accuracy" : "maximize");
    if (rc < 0) return rc;
    const bool accuracy = strcmp(fixed_value(s, "objective"), "accuracy") == 0;
    if (rewarded && !accuracy)
        return mnas_error_set(MNAS_ERR_ARG,
                              "--%s is for accuracies and latencies, and --objective %s tells a value; "
                              "allowed: one of both",
                              given(o->reward) ? "reward" : "target-ms", o->objective);
    if (rc == 0) rc = fix_default(s, "reward", !accuracy ? "value" : rewarded ? "soft" : "accuracy");
    if (rc == 0) rc = fix_default(s, "target_option", given(o->reward) ? "auto" : "none");
    if (rc == 0) rc = fix_default(s, "strategy", "ppo");
    if (rc == 0) rc = fix_default(s, "seed", "1");
    if (rc == 0) rc = fix_default(s, "delay", "1");
    if (rc == 0) rc = fix_default(s, "data", MNAS_TOLD);
    return rc < 0 ? rc : fix_default(s, "device", MNAS_TOLD);
}

/* ---- an existing study ---- */

static const char *setting(const mnas_ask_session *s, const char *name) {
    return s->n_stored > 0 ? mnas_settings_get(s->stored, s->n_stored, name) : fixed_value(s, name);
}

static int mismatch(const mnas_ask_session *s, const mnas_fixed *f, const char *was) {
    const char *hash = strstr(f->name, "_hash");
    if (hash && was)
        return mnas_error_set(MNAS_ERR_MISMATCH,
                              "--%s is not what %s was made with; leave it out, or ask another study",
                              f->option, s->path);
    return mnas_error_set(MNAS_ERR_MISMATCH,
                          "--%s is %s, but %s was made with %s; leave it out, or ask another study",
                          f->option, hash ? "given" : f->value, s->path, was ? was : "nothing like it");
}

bool mnas_ask_is_told(const mnas_setting *settings, size_t n) {
    const char *data = mnas_settings_get(settings, n, "data");
    return data && strcmp(data, MNAS_TOLD) == 0;
}

static int compare(const mnas_ask_session *s) {
    const char *was;
    if (!mnas_ask_is_told(s->stored, s->n_stored))
        return mnas_error_set(MNAS_ERR_MISMATCH,
                              "%s is a study of `mnas search`, which trains and measures itself; ask another "
                              "study",
                              s->path);
    const mnas_fixed *f = mnas_fixed_differing(&s->fixed, s->stored, s->n_stored, &was);
    return f ? mismatch(s, f, was) : 0;
}

/* What it was made of, whatever has become of the file since. */
static int restore_named(mnas_ask_session *s) {
    const char *space = setting(s, "space_text"), *plain = setting(s, "decisions_text");
    if (s->space || s->plain) return 0;
    if (space) return mnas_space_parse(&s->space, s->path, space, strlen(space));
    if (plain) return mnas_decisions_parse(&s->plain, s->path, plain, strlen(plain));
    return mnas_error_set(MNAS_ERR_FORMAT, "%s: neither a space nor decisions: the study is damaged",
                          s->path);
}

/* Another session ends within moments, where it is one command. */
static int open_store(mnas_ask_session *s) {
    const double begun_s = mnas_clock_now_s();
    int rc = mnas_file_exists(s->path) ? mnas_learner_check_study(s->path) : 0;
    if (rc < 0) return rc;
    while ((rc = mnas_store_open(&s->store, s->path, MNAS_STORE_WRITE)) == MNAS_ERR_BUSY &&
           mnas_clock_now_s() - begun_s < patience_s) {
    }
    if (rc == MNAS_ERR_BUSY)
        return mnas_error_set(rc,
                              "%s is in use by another process: a session of asking (`mnas ask --serve`), or "
                              "a search; waited %g s for it",
                              s->path, patience_s);
    return rc < 0 ? rc : mnas_store_settings(s->store, &s->stored, &s->n_stored);
}

/* ---- a new study ---- */

static int store_names(mnas_ask_session *s) {
    int rc = mnas_fixed_store_making(s->store, s->options->space, s->space);
    if (rc < 0 || !s->plain) return rc;
    rc = mnas_store_set(s->store, "decisions", s->options->decisions);
    return rc < 0 ? rc : mnas_store_set(s->store, "decisions_text", s->plain->text);
}

static int create(mnas_ask_session *s) {
    int rc = mnas_store_begin(s->store);
    if (rc == 0) rc = mnas_fixed_store(&s->fixed, s->store);
    if (rc == 0) rc = store_names(s);
    if (rc == 0) rc = mnas_store_set_int(s->store, "n_trials", s->trials);
    if (rc == 0) rc = mnas_store_set_int(s->store, "n_decisions", s->learner.n_decisions);
    if (rc == 0) rc = mnas_learner_store_reward(s->store, &s->learner.reward);
    if (rc == 0 && s->options->command_line)
        rc = mnas_store_set(s->store, "command_line", s->options->command_line);
    if (rc == 0)
        rc = mnas_store_event(s->store, "start", s->options->command_line ? s->options->command_line : "");
    return rc < 0 ? rc : mnas_store_commit(s->store);
}

/* ---- the learner ---- */

static int number_of(const mnas_ask_session *s, const char *name, int otherwise, int *out) {
    const char *text = setting(s, name);
    long long value;
    *out = otherwise;
    if (!text && otherwise > 0) return 0;
    if (!text || !mnas_str_to_i64(text, &value) || value < 1 || value > INT32_MAX)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: its setting %s is \"%s\": the study is damaged", s->path,
                              name, text ? text : "");
    *out = (int)value;
    return 0;
}

static int take_decisions(mnas_ask_session *s) {
    mnas_learner *l = &s->learner;
    l->n_decisions = s->space ? mnas_space_n_decisions(s->space) : s->plain->n;
    s->decisions = calloc((size_t)l->n_decisions, sizeof *s->decisions);
    if (!s->decisions) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d decisions", l->n_decisions);
    for (int i = 0; i < l->n_decisions; i++) {
        s->decisions[i] = s->space ? *mnas_space_decision(s->space, i) : s->plain->list[i];
        l->n_choices += (size_t)s->decisions[i].n_choices;
    }
    return 0;
}

static double accuracy_alone(const mnas_reward *reward, double accuracy_frac, const double *latency_ms) {
    (void)reward, (void)latency_ms;
    return accuracy_frac;
}

/* Without latencies there is nothing to weigh the accuracy against: a reward on no device. A value is its own reward. */
static const mnas_reward_class alone = {{"accuracy", "the accuracy alone", NULL, 0}, NULL, accuracy_alone};

static int open_reward(mnas_ask_session *s) {
    const char *spec = setting(s, "reward"), *target = setting(s, "target_option");
    const char *objective = setting(s, "objective");
    double target_ms = NAN;
    int i = 0;
    while (objective && mnas_objective_names[i] && strcmp(mnas_objective_names[i], objective) != 0) i++;
    if (!spec || !target || !objective || !mnas_objective_names[i])
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: no objective or reward: the study is damaged", s->path);
    s->objective = (mnas_objective)i;
    s->needs_latency = s->objective == MNAS_OBJECTIVE_ACCURACY && strcmp(spec, "accuracy") != 0;
    s->learner.reward = (mnas_reward){.class = &alone};
    if (!s->needs_latency) return 0;
    if (strcmp(target, "auto") != 0 && !mnas_str_to_f64(target, &target_ms))
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: its target is \"%s\": the study is damaged", s->path,
                              target);
    return mnas_reward_open(&s->learner.reward, spec, &target_ms, 1);
}

static int describe(void *user, const int *tokens, double *out) {
    mnas_model model;
    const int rc = mnas_ask_decode(user, tokens, &model);
    return rc < 0 ? rc : mnas_learner_describe_network(&model, out);
}

static int open_strategy(mnas_ask_session *s, int n_trials) {
    mnas_learner *l = &s->learner;
    const mnas_problem problem = {.n_decisions = l->n_decisions,
                                  .decisions = s->decisions,
                                  .n_trials = n_trials,
                                  .delay = l->delay,
                                  .n_descriptors = s->space ? MNAS_NETWORK_DESCRIPTORS : 0,
                                  .describe = s->space ? describe : NULL,
                                  .user = s};
    return mnas_strategy_open(&l->strategy, setting(s, "strategy"), &problem, l->seed);
}

static int name_plain(const mnas_ask_session *s, const int *tokens, char **arch, char key[17]) {
    mnas_str text = {0};
    for (int i = 0; i < s->learner.n_decisions; i++)
        mnas_str_appendf(&text, "%s%s=%s", i ? " " : "", s->decisions[i].name,
                         s->decisions[i].choices[tokens[i]]);
    *arch = text.data;
    if (!mnas_str_ok(&text)) {
        *arch = NULL;
        mnas_str_free(&text);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a proposal");
    }
    snprintf(key, 17, "%016" PRIx64, mnas_hash_bytes(MNAS_HASH_INIT, text.data, text.len));
    return 0;
}

static int name_proposal(const void *user, const int *tokens, char **arch, char key[17]) {
    const mnas_ask_session *s = user;
    mnas_model model;
    if (s->plain) return name_plain(s, tokens, arch, key);
    const int rc = mnas_ask_decode(s, tokens, &model);
    return rc < 0 ? rc : mnas_learner_name_network(&model, arch, key);
}

static int set_up_learner(mnas_ask_session *s) {
    mnas_learner *l = &s->learner;
    const char *seed = setting(s, "seed");
    int n_trials, rc = take_decisions(s);
    const int wanted = s->options->trials > 0 ? s->options->trials : 100;
    if (rc == 0) rc = number_of(s, "n_trials", s->n_stored > 0 ? 0 : wanted, &n_trials);
    if (rc == 0) rc = number_of(s, "delay", 0, &l->delay);
    if (rc == 0) rc = number_of(s, "trials", n_trials, &s->trials);
    if (rc == 0) rc = open_reward(s);
    if (rc < 0) return rc;
    if (s->options->trials > 0) s->trials = s->options->trials;
    const int n_needed = mnas_reward_n_needed(&l->reward);
    l->n_calibrate = n_needed < n_trials ? n_needed : n_trials;
    l->seed = seed ? strtoull(seed, NULL, 10) : 0;
    l->is_value = s->objective != MNAS_OBJECTIVE_ACCURACY;
    l->name = name_proposal;
    l->user = s;
    return open_strategy(s, n_trials);
}

/* What a damaged file may say instead of a trial's outcome. */
static int check_rows(const mnas_ask_session *s) {
    for (size_t i = 0; i < s->learner.history.n_known; i++) {
        const mnas_trial *t = &s->learner.history.known[i].row;
        const double accuracy = t->accuracy_frac, ms = t->latency.median_ms;
        for (int d = 0; d < t->n_tokens; d++)
            if (t->tokens[d] >= s->decisions[d].n_choices)
                return mnas_error_set(
                    MNAS_ERR_FORMAT,
                    "%s: trial %d has the choice %d of %s, which has %d: the study is damaged", s->path,
                    t->number, t->tokens[d], s->decisions[d].name, s->decisions[d].n_choices);
        if (mnas_history_is_told(t) && t->state != MNAS_TRIAL_COMPLETE && t->state != MNAS_TRIAL_FAILED)
            return mnas_error_set(MNAS_ERR_FORMAT, "%s: trial %d was told, and is %s: the study is damaged",
                                  s->path, t->number, mnas_trial_state_name(t->state));
        if (t->state != MNAS_TRIAL_COMPLETE) continue;
        const bool good = s->learner.is_value ? fabs(t->reward) <= MNAS_LARGEST_VALUE
                                              : accuracy >= 0 && accuracy <= 1 &&
                                                    (!s->needs_latency || (ms > 0 && ms <= 1e9));
        if (!good || t->n_others != 0)
            return mnas_error_set(MNAS_ERR_FORMAT,
                                  "%s: trial %d is complete with accuracy %g, latency %g ms, reward %g: the "
                                  "study is damaged",
                                  s->path, t->number, accuracy, ms, t->reward);
    }
    return 0;
}

static int enter_told(mnas_learner *l) {
    const mnas_history *h = &l->history;
    if (!mnas_history_is_told(&h->known[h->n_trials].row)) return 0;
    int rc = mnas_store_begin(l->store);
    if (rc == 0) rc = mnas_learner_enter_told(l);
    return rc < 0 ? rc : mnas_store_commit(l->store);
}

/* Proposals behind the last snapshot, made again. What was told since the last of them stays for the next one. */
static int replay(mnas_learner *l) {
    mnas_history *h = &l->history;
    int rc = 0;
    while (rc == 0 && mnas_history_is_behind(h)) {
        rc = mnas_learner_advance(l);
        if (rc == 0 &&
            (h->n_seen + l->delay <= h->n_proposals || h->repeats_in_row > MNAS_MAX_REPEATS_IN_ROW))
            return mnas_error_set(MNAS_ERR_FORMAT, "trial %d was proposed too early: the study is damaged",
                                  h->n_trials);
        if (rc == 0) rc = enter_told(l);
        if (rc == 0) rc = mnas_learner_propose(l);
    }
    return rc < 0 ? rc : mnas_learner_advance(l);
}

static int open_learner(mnas_ask_session *s) {
    s->learner.store = s->store;
    int rc = mnas_learner_open(&s->learner);
    if (rc == 0) rc = check_rows(s);
    return rc < 0 ? rc : replay(&s->learner);
}

int mnas_ask_reload(mnas_ask_session *s) {
    mnas_learner *l = &s->learner;
    int n_trials, rc = number_of(s, "n_trials", s->trials, &n_trials);
    mnas_learner_close(l);
    mnas_strategy_close(l->strategy);
    l->strategy = NULL;
    l->n_updates = l->n_stored_updates = l->n_observed = s->n_unsaved = 0;
    if (rc == 0) rc = open_reward(s);
    if (rc == 0) rc = open_strategy(s, n_trials);
    return rc < 0 ? rc : open_learner(s);
}

/* ---- life ---- */

static int open_study(mnas_ask_session *s) {
    int rc = mnas_file_exists(s->path) ? open_store(s) : 0;
    if (rc < 0) return rc;
    if (s->n_stored > 0) return (rc = compare(s)) < 0 ? rc : restore_named(s);
    if (s->space || s->plain) return fix_defaults(s);
    return mnas_error_set(MNAS_ERR_MISSING,
                          "%s: no such study; --space or --decisions with the first `mnas ask` makes it",
                          s->path);
}

/* Somebody else may have made it meanwhile: then this session is a later one, and begins anew. */
static int make_study(mnas_ask_session *s) {
    int rc = s->store ? 0 : open_store(s);
    if (rc < 0) return rc;
    s->made_meanwhile = s->n_stored > 0;
    return s->made_meanwhile
               ? mnas_error_set(MNAS_ERR_BUSY, "%s was made by another process just now; ask again", s->path)
               : create(s);
}

static int open_session(mnas_ask_session *s) {
    int rc = check_options(s->options);
    if (rc == 0 && !(s->path = strdup(s->options->study)))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %s", s->options->study);
    if (rc == 0) rc = open_named(s);
    if (rc == 0) rc = fix_given(s);
    if (rc == 0) rc = open_study(s);
    if (rc == 0) rc = set_up_learner(s);
    if (rc == 0 && s->n_stored == 0) rc = make_study(s);
    if (rc == 0 && s->n_stored > 0 && s->options->trials == 0) return 0;
    return rc < 0 ? rc : mnas_store_set_int(s->store, "trials", s->trials);
}

static int try_open(mnas_ask_session **out, const mnas_ask_options *options, bool *made_meanwhile) {
    mnas_ask_session *s = calloc(1, sizeof *s);
    *out = NULL;
    *made_meanwhile = false;
    if (!s) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: asking %s", options->study);
    s->options = options;
    int rc = open_session(s);
    if (rc == 0) rc = open_learner(s);
    s->options = NULL;
    *made_meanwhile = s->made_meanwhile;
    if (rc < 0) {
        s->broken = true;
        mnas_ask_close(s);
    } else {
        *out = s;
    }
    return rc;
}

int mnas_ask_open(mnas_ask_session **out, const mnas_ask_options *options) {
    bool made_meanwhile;
    const int rc = try_open(out, options, &made_meanwhile);
    return made_meanwhile ? try_open(out, options, &made_meanwhile) : rc;
}

void mnas_ask_close(mnas_ask_session *s) {
    if (!s) return;
    if (s->store && !s->broken && s->n_unsaved > 0)
        (void)mnas_ask_save(s); /* the study is whole without it */
    mnas_learner_close(&s->learner);
    mnas_strategy_close(s->learner.strategy);
    mnas_store_close(s->store);
    mnas_settings_free(s->stored, s->n_stored);
    mnas_fixed_free(&s->fixed);
    mnas_space_close(s->space);
    mnas_decisions_close(s->plain);
    free(s->decisions);
    free(s->path);
    free(s);
}
