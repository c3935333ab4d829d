/* finalize_plan.c - which networks stage two is about, decided once: the best of the front and the baselines.
 *
 * Invariant: the plan, the options it was made with and the reward it was made by are stored in one transaction; nothing of
 * it is decided anew later. */
#include "search/finalize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "search/learner.h"
#include "search/pareto.h"

/* ---- the best of a study ---- */

typedef struct candidate {
    const mnas_trial *trial;
    double reward;
    bool on_front;
} candidate;

static int compare(const void *left, const void *right) {
    const candidate *a = left, *b = right;
    if (a->on_front != b->on_front) return a->on_front ? -1 : 1;
    if (a->reward != b->reward) return a->reward > b->reward ? -1 : 1;
    return a->trial->number < b->trial->number ? -1 : 1;
}

static size_t collect(candidate *out, const mnas_study *study, const mnas_reward *reward, const int *front,
                      int n_front) {
    size_t n = 0;
    for (int i = 0; i < mnas_study_n_trials(study); i++) {
        const mnas_trial *t = mnas_study_trial(study, i);
        if (t->state != MNAS_TRIAL_COMPLETE) continue;
        out[n++] =
            (candidate){t, mnas_stage_reward(reward, t->accuracy_frac, &t->latency, t->others, t->n_others),
                        mnas_pareto_contains(front, n_front, t->number)};
    }
    return n;
}

static bool is_new(const candidate *list, size_t i) {
    for (size_t j = 0; j < i; j++)
        if (strcmp(list[j].trial->key, list[i].trial->key) == 0) return false;
    return true;
}

int mnas_stage_select(const mnas_study *study, const mnas_reward *reward, int k, int *numbers, int *n) {
    int *front, n_front;
    *n = 0;
    int rc = mnas_study_front(study, &front, &n_front);
    if (rc < 0) return rc;
    candidate *list = calloc((size_t)mnas_study_n_trials(study) + 1, sizeof *list);
    if (!list) {
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d trials", mnas_study_n_trials(study));
    } else {
        const size_t n_list = collect(list, study, reward, front, n_front);
        qsort(list, n_list, sizeof *list, compare);
        for (size_t i = 0; i < n_list && *n < k; i++)
            if (is_new(list, i)) numbers[(*n)++] = list[i].trial->number;
    }
    free(list);
    free(front);
    return rc;
}

/* ---- the plan ---- */

int mnas_stage_add_trial(mnas_stage *s, mnas_final_role role, const mnas_study *study, int trial) {
    mnas_model model;
    mnas_final f = mnas_final_empty();
    f.role = role;
    f.trial = trial;
    f.input_size = s->data.height;
    snprintf(f.family, sizeof f.family, "%s", mnas_final_role_name(role));
    snprintf(f.name, sizeof f.name, "%s %d", role == MNAS_FINAL_FOUND ? "trial" : "random", trial);
    const int rc = mnas_study_model(study, trial, &model);
    return rc < 0 ? rc : mnas_stage_add(s, &f, &model);
}

static int plan_found(mnas_stage *s, const mnas_study *study) {
    int n, *numbers = calloc((size_t)s->options.top_k, sizeof *numbers);
    if (!numbers) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d networks", s->options.top_k);
    int rc = mnas_stage_select(study, &s->reward, s->options.top_k, numbers, &n);
    for (int i = 0; i < n && rc == 0; i++) rc = mnas_stage_add_trial(s, MNAS_FINAL_FOUND, study, numbers[i]);
    free(numbers);
    const int n_random = s->options.n_random < 0 ? s->n_complete : s->options.n_random;
    return rc < 0 ? rc : mnas_stage_set(s, "final_random_trials", "%d", n_random);
}

static int plan_targets(mnas_stage *s) {
    char name[24], setting[32];
    int rc = 0;
    for (int d = 0; d < s->n_devices && rc == 0; d++) {
        snprintf(setting, sizeof setting, "final_%s", mnas_learner_target_name(d, name));
        rc = mnas_stage_set(s, setting, "%.17g", s->reward.target_ms[d]);
    }
    return rc;
}

static int plan_all(mnas_stage *s, const mnas_study *study) {
    int rc = mnas_fixed_store(&s->fixed, s->store);
    if (rc == 0) rc = plan_targets(s);
    if (rc == 0) rc = mnas_stage_set(s, "final_alpha", "%.17g", s->reward.alpha);
    if (rc == 0) rc = mnas_stage_set(s, "final_beta", "%.17g", s->reward.beta);
    if (rc == 0) rc = plan_found(s, study);
    if (rc == 0) rc = mnas_stage_plan_baselines(s);
    if (rc == 0 && s->options.command_line)
        rc = mnas_stage_set(s, "final_command_line", "%s", s->options.command_line);
    return rc < 0 ? rc : mnas_stage_set(s, "final_planned", "1");
}

int mnas_stage_plan(mnas_stage *s) {
    mnas_study *study;
    if (mnas_stage_setting(s, "final_planned")) return 0;
    int rc = mnas_study_open(&study, s->options.study);
    if (rc < 0) return rc;
    rc = mnas_store_begin(s->store);
    if (rc == 0) rc = plan_all(s, study);
    if (rc == 0) rc = mnas_store_commit(s->store);
    mnas_study_close(study);
    return rc;
}
