/* finalize_run.c - trainings side by side, in the order of a list. Each is a trial's run without its measuring (trial.h), so
 * that memory, time limits and failures are judged as in the search. It stores nothing. */
#include "search/finalize.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "search/trial.h"

enum { POLL_MS = 100 };
/* Networks of one stage differ in size far more than trials of one space. */
static const double min_timeout_s = 3600, timeout_factor = 20;

typedef struct slot {
    const mnas_training *training; /* NULL: free */
    mnas_trial_context context;
    mnas_recipe recipe;
    mnas_dataset_info data;
    mnas_trial_run run;
} slot;

typedef struct pool {
    mnas_stage *stage;
    const char *phase;
    const mnas_training *list;
    size_t n, n_started;
    mnas_training_done *done;
    slot *slots;
    mnas_job **jobs;
    int n_slots;
    double longest_s;           /* of trainings that have ended */
    double work_done, work_all; /* the networks' multiply-adds: of those that have ended, of all */
    double begun_s;
} pool;

static int64_t held_bytes(const pool *p) {
    int64_t bytes = 0;
    for (int i = 0; i < p->n_slots; i++)
        if (p->slots[i].training) bytes += mnas_trial_held_bytes(&p->slots[i].run);
    return bytes;
}

static double timeout_s(const pool *p) {
    return p->longest_s > 0 ? fmax(min_timeout_s, timeout_factor * p->longest_s) : INFINITY;
}

static int fill_context(const pool *p, slot *t) {
    const mnas_stage *s = p->stage;
    int rc = mnas_recipe_open(&t->recipe, t->training->recipe);
    t->data = s->data;
    t->data.height = t->data.width = t->training->model.input_size;
    t->context = (mnas_trial_context){.data = t->training->data,
                                      .recipe = t->training->recipe,
                                      .epochs = t->training->epochs,
                                      .output = t->training->output[0] ? t->training->output : NULL,
                                      .threads = s->options.threads,
                                      .batch = mnas_recipe_group(&t->recipe),
                                      .jobs = s->options.jobs,
                                      .training = &t->recipe,
                                      .images = &t->data,
                                      .held_bytes = held_bytes(p),
                                      .timeout_s = timeout_s(p),
                                      .runner = s->hooks.runner};
    return rc;
}

static int start(pool *p, slot *t, const mnas_training *training) {
    mnas_trial row = mnas_trial_empty();
    t->training = training;
    int rc = fill_context(p, t);
    if (rc < 0) return rc;
    row.number = training->index;
    row.seed = training->seed;
    mnas_trial_begin(&t->run, &row, &training->model, mnas_clock_now_s());
    rc = mnas_trial_prepare(&t->run, &t->context);
    if (rc == 0 && t->run.phase == MNAS_RUN_READY) rc = mnas_trial_train(&t->run, &t->context);
    return rc < 0 ? mnas_error_context(rc, "%s", training->name) : 0;
}

static int start_waiting(pool *p) {
    int rc = 0;
    for (int i = 0; i < p->n_slots && rc == 0 && p->n_started < p->n; i++)
        if (!p->slots[i].training) rc = start(p, &p->slots[i], &p->list[p->n_started++]);
    return rc;
}

/* As if the rest went on at the pace of this list so far. */
static double estimate_s(const pool *p) {
    double done = p->work_done;
    for (int i = 0; i < p->n_slots; i++) {
        const slot *t = &p->slots[i];
        if (t->training && t->run.frac > 0) done += t->run.frac * (double)t->training->macs;
    }
    return done > 0 ? (mnas_clock_now_s() - p->begun_s) * (p->work_all - done) / done : (double)NAN;
}

static int finish(pool *p, slot *t) {
    const mnas_trial *row = &t->run.row;
    if (row->state == MNAS_TRIAL_COMPLETE) p->longest_s = fmax(p->longest_s, row->train_s);
    p->work_done += (double)t->training->macs;
    const int rc = p->done(p->stage, t->training, row);
    mnas_trial_release(&t->run, &t->context);
    t->training = NULL;
    return rc;
}

static int poll_all(pool *p) {
    for (int i = 0; i < p->n_slots; i++)
        p->jobs[i] =
            p->slots[i].training && p->slots[i].run.phase == MNAS_RUN_TRAINING ? p->slots[i].run.job : NULL;
    const mnas_job_runner *runner = p->stage->hooks.runner;
    int rc = runner->wait(runner->user, p->jobs, (size_t)p->n_slots, POLL_MS);
    for (int i = 0; i < p->n_slots && rc == 0; i++) {
        slot *t = &p->slots[i];
        if (!t->training) continue;
        if (t->run.phase == MNAS_RUN_TRAINING) rc = mnas_trial_poll(&t->run, &t->context);
        if (rc == 0 && t->run.phase == MNAS_RUN_ENDED)
            rc = finish(p, t);
        else if (rc == 0)
            mnas_stage_show(p->stage, NULL, p->phase, t->training->name, t->run.frac, estimate_s(p));
    }
    return rc;
}

static bool is_done(const pool *p) {
    bool busy = p->n_started < p->n;
    for (int i = 0; i < p->n_slots; i++) busy = busy || p->slots[i].training;
    return !busy;
}

static int run(pool *p) {
    while (!is_done(p)) {
        int rc = mnas_stage_check_time(p->stage);
        if (rc == 0) rc = start_waiting(p);
        if (rc == 0) rc = poll_all(p);
        if (rc < 0) return rc;
    }
    return 0;
}

int mnas_stage_run(mnas_stage *s, const char *phase, const mnas_training *list, size_t n,
                   mnas_training_done *done) {
    pool p = {.stage = s,
              .phase = phase,
              .list = list,
              .n = n,
              .done = done,
              .n_slots = s->options.jobs,
              .begun_s = mnas_clock_now_s()};
    int rc = 0;
    for (size_t i = 0; i < n; i++) p.work_all += (double)list[i].macs;
    p.slots = calloc((size_t)p.n_slots, sizeof *p.slots);
    p.jobs = calloc((size_t)p.n_slots, sizeof(mnas_job *));
    if (!p.slots || !p.jobs)
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d jobs", p.n_slots);
    else
        rc = run(&p);
    for (int i = 0; p.slots && i < p.n_slots; i++)
        if (p.slots[i].training) mnas_trial_release(&p.slots[i].run, &p.slots[i].context);
    free(p.jobs);
    free(p.slots);
    return rc;
}
