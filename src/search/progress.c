/* progress.c - see progress.h. It counts what is known now, seen or not: people want to see what is there. */
#include "search/progress.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"

static const double live_interval_s = 0.2;

void mnas_progress_open(mnas_progress *out, const mnas_search_options *options,
                        const mnas_measure_context *measure) {
    *out = (mnas_progress){
        .options = options, .measure = measure, .begun_s = mnas_clock_now_s(), .shown_s = -INFINITY};
}

/* Of the trials known: how many, the best reward, the mean time of a complete one. */
typedef struct summary {
    int n_complete, n_failed, n_screened, n_outside, n_refused, n_stopped;
    double best_reward, mean_s;
} summary;

static summary sum_up(const mnas_history *h) {
    summary s = {.best_reward = NAN};
    double total_s = 0;
    for (size_t i = 0; i < h->n_known; i++) {
        const mnas_trial *row = &h->known[i].row;
        s.n_failed += row->state == MNAS_TRIAL_FAILED;
        s.n_screened += mnas_trial_is_pruned_for(row, MNAS_PRUNED_SCREENED);
        s.n_outside += mnas_trial_is_pruned_for(row, MNAS_PRUNED_LATENCY);
        s.n_refused += row->n_refused;
        s.n_stopped += mnas_trial_is_pruned_for(row, MNAS_PRUNED_RUNG);
        if (!mnas_history_has_accuracy(row)) continue;
        s.n_complete += row->state == MNAS_TRIAL_COMPLETE;
        total_s += row->train_s + row->measure_s + row->overhead_s;
        if (row->state == MNAS_TRIAL_COMPLETE && !(row->reward <= s.best_reward))
            s.best_reward = fmax(row->reward, s.best_reward);
    }
    const int n = s.n_complete + s.n_stopped;
    s.mean_s = n > 0 ? total_s / n : NAN;
    return s;
}

static double estimate_s(const mnas_progress *p, const summary *s, const mnas_trial_run *run) {
    const int jobs = p->options->jobs > 1 ? p->options->jobs : 1,
              left = p->options->trials - s->n_complete - s->n_stopped;
    const double gone_s = run ? fmin(s->mean_s, mnas_clock_now_s() - run->begun_s) : 0;
    return left > 0 ? fmax(0, left * s->mean_s - gone_s) / jobs : 0;
}

/* A device that the run waits for. */
static void add_awaited(mnas_search_progress *out, const mnas_progress *p, const mnas_trial_run *run) {
    const mnas_measuring *m = &run->measuring;
    if (run->phase != MNAS_RUN_READY || !m->away[0]) return;
    out->awaited = p->measure->devices->specs.list[m->device];
    out->why = m->away;
    out->awaited_s = mnas_clock_now_s() - (isnan(m->away_since_s) ? m->idle_since_s : m->away_since_s);
    if (isfinite(m->away_since_s)) out->awaited_limit_s = p->measure->wait_s;
}

void mnas_progress_show(mnas_progress *p, const mnas_history *h, const mnas_trial *finished,
                        const mnas_trial_run *run, const char *phase, int n_updates) {
    const double now_s = mnas_clock_now_s();
    const bool training = !finished && strcmp(phase, "training") == 0,
               begins = run && run->phase == MNAS_RUN_READY && strcmp(phase, "measuring") == 0,
               live = !finished && !begins;
    if (!p->options->progress || (live && now_s - p->shown_s < live_interval_s)) return;
    const summary s = sum_up(h);
    mnas_search_progress out = {.trial = finished,
                                .number = finished ? finished->number
                                          : run    ? run->row.number
                                                   : h->n_trials,
                                .n_complete = s.n_complete,
                                .n_failed = s.n_failed,
                                .n_stopped = s.n_stopped,
                                .rung = run        ? run->row.rung + 1
                                        : finished ? finished->rung
                                                   : -1,
                                .n_rungs = h->rungs.plan.n,
                                .n_screened = s.n_screened,
                                .n_outside = s.n_outside,
                                .n_refused = s.n_refused + (run ? run->measuring.n_refused : 0),
                                .n_repeats = h->n_repeats,
                                .n_wanted = p->options->trials,
                                .n_updates = n_updates,
                                .phase = phase,
                                .phase_frac = run && training ? run->frac : NAN,
                                .awaited_s = NAN,
                                .awaited_limit_s = NAN,
                                .best_reward = s.best_reward,
                                .elapsed_s = now_s - p->begun_s,
                                .eta_s = estimate_s(p, &s, run)};
    p->shown_s = now_s;
    if (run) add_awaited(&out, p, run);
    p->options->progress(p->options->user, &out);
}
