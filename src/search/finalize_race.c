/* finalize_race.c - further trainings before the choice: where each network is trained once, the luckiest training wins.
 *
 * One at a time, for found and random networks alike, that of the two leaders is trained again which was trained less often;
 * what a network shows is the mean of its trainings. Who leads is a function of the stored rows, so that a race that was
 * interrupted goes on as it would have. It chooses nothing. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "search/finalize.h"

static bool same_network(const mnas_final *a, const mnas_final *b) {
    return a->role == b->role && a->trial == b->trial && strcmp(a->name, b->name) == 0;
}

int mnas_stage_n_runs(const mnas_stage *s, const mnas_final *final) {
    int n = 0;
    for (size_t i = 0; i < s->n_finals; i++) n += same_network(&s->finals[i], final);
    return n;
}

double mnas_stage_mean_accuracy(const mnas_stage *s, const mnas_final *final) {
    double sum = 0;
    int n = 0;
    for (size_t i = 0; i < s->n_finals; i++) {
        const mnas_final *f = &s->finals[i];
        if (f->state != MNAS_TRIAL_COMPLETE || !same_network(f, final)) continue;
        sum += f->val_accuracy_frac;
        n++;
    }
    return sum / n;
}

double mnas_stage_shown(const mnas_stage *s, const mnas_final *final) {
    if (!mnas_stage_is_ready(final) || !isfinite(final->latency.median_ms)) return NAN;
    return mnas_stage_reward(&s->reward, mnas_stage_mean_accuracy(s, final), &final->latency, final->others,
                             final->n_others);
}

mnas_final *mnas_stage_best(const mnas_stage *s, mnas_final_role role, const mnas_final *but) {
    mnas_final *best = NULL;
    double most = -INFINITY;
    for (size_t i = 0; i < s->n_finals; i++) {
        mnas_final *f = &s->finals[i];
        if (f == but || f->role != role) continue;
        const double shown = mnas_stage_shown(s, f);
        if (!(shown > most)) continue;
        best = f;
        most = shown;
    }
    return best;
}

/* *like stands in the array that grows. */
int mnas_stage_repeat(mnas_stage *s, int number) {
    const mnas_final *like = &s->finals[number];
    mnas_model model;
    mnas_final f = mnas_final_empty();
    f.role = like->role;
    f.trial = like->trial;
    f.repeat = mnas_stage_n_runs(s, like);
    f.input_size = like->input_size;
    f.lr = like->lr;
    memcpy(f.family, like->family, sizeof f.family);
    memcpy(f.name, like->name, sizeof f.name);
    const int rc = mnas_stage_model(s, like, &model);
    return rc < 0 ? rc : mnas_stage_add(s, &f, &model);
}

static int n_raced(const mnas_stage *s, mnas_final_role role) {
    int n = 0;
    for (size_t i = 0; i < s->n_finals; i++) n += s->finals[i].role == role && s->finals[i].repeat > 0;
    return n;
}

/* Nobody runs alone. */
static int send_next(mnas_stage *s, mnas_final_role role, bool *sent) {
    if (n_raced(s, role) >= s->options.n_race) return 0;
    const mnas_final *first = mnas_stage_best(s, role, NULL), *second = mnas_stage_best(s, role, first);
    if (!first || !second) return 0;
    const bool behind = mnas_stage_n_runs(s, second) < mnas_stage_n_runs(s, first);
    *sent = true;
    return mnas_stage_repeat(s, behind ? second->number : first->number);
}

/* Both or none: their seeds follow from their places among the rows. */
static int send_pair(mnas_stage *s, bool *sent) {
    int rc = mnas_store_begin(s->store);
    if (rc < 0) return rc;
    rc = send_next(s, MNAS_FINAL_FOUND, sent);
    if (rc == 0) rc = send_next(s, MNAS_FINAL_RANDOM, sent);
    if (rc == 0) return mnas_store_commit(s->store);
    mnas_store_rollback(s->store);
    return rc;
}

int mnas_stage_race(mnas_stage *s) {
    bool sent = true;
    int rc = 0;
    if (mnas_stage_setting(s, "final_chosen")) return 0;
    while (sent && rc == 0) {
        sent = false;
        rc = send_pair(s, &sent);
        if (rc == 0 && sent) rc = mnas_stage_train(s);
    }
    return rc;
}
