/* trial.c - see trial.h. It stores nothing and feeds nothing back: it turns a network into a filled row.
 *
 * Invariants: a run that has ended has a state other than running; a failed one has a reason and an error text.
 */
#include "search/trial.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "search/machine.h"
#include "search/memory_need.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool limit_memory = false; /* the sanitizers map terabytes that they never touch */
#else
static const bool limit_memory = true;
#endif

void mnas_trial_begin(mnas_trial_run *run, mnas_trial *row, const mnas_model *model, double begun_s) {
    *run = (mnas_trial_run){.phase = MNAS_RUN_NEW,
                            .row = *row,
                            .model = *model,
                            .begun_s = begun_s,
                            .paused_since_s = NAN,
                            .frac = NAN};
    mnas_measuring_begin(&run->measuring);
    *row = mnas_trial_empty();
}

void mnas_trial_release(mnas_trial_run *run, const mnas_trial_context *context) {
    context->runner->close(run->job);
    if (context->measure) mnas_measuring_end(&run->measuring, context->measure);
    mnas_trial_clear(&run->row);
    *run = (mnas_trial_run){.phase = MNAS_RUN_ENDED};
}

/* ---- endings ---- */

static int fail(mnas_trial_run *run, const char *reason, const char *error) {
    mnas_trial *row = &run->row;
    row->state = MNAS_TRIAL_FAILED;
    row->reward = 0;
    snprintf(row->reason, sizeof row->reason, "%s", reason);
    free(row->error);
    row->error = strdup(error);
    run->phase = MNAS_RUN_ENDED;
    return row->error ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: error of trial %d", row->number);
}

/* Not worth its training. */
static void leave_out(mnas_trial_run *run, const char *reason) {
    run->row.state = MNAS_TRIAL_PRUNED;
    run->row.reward = 0;
    snprintf(run->row.reason, sizeof run->row.reason, "%s", reason);
    run->phase = MNAS_RUN_ENDED;
}

/* The reason of a failed trial, or NULL where the fault is not the network's. */
static const char *reason_of(int status) {
    switch (status) {
    case MNAS_ERR_NAN:
        return "nan";
    case MNAS_ERR_MEMORY:
        return "memory";
    case MNAS_ERR_TIMEOUT:
        return "timeout";
    case MNAS_ERR_INVALID:
        return "invalid";
    case MNAS_ERR_DEVICE:
        return "device";
    case MNAS_ERR_CHILD:
    case MNAS_ERR_LIBRARY:
        return "crash";
    default:
        return NULL;
    }
}

static int fail_with(mnas_trial_run *run, int status, const char *error) {
    const char *reason = reason_of(status);
    if (reason) return fail(run, reason, error);
    mnas_error_set(status, "%s", error);
    return mnas_error_context(status, "trial %d", run->row.number);
}

/* ---- before training ---- */

/* What all may have, trainings under way included, divided by jobs: so that whether a network fits does not depend on
 * what happens to run beside it. The limits of a process are its own. */
static int64_t share_of_memory(const mnas_trial_context *context) {
    const int64_t free_bytes = context->free_bytes ? context->free_bytes() : mnas_machine_shared_bytes();
    return mnas_memory_share(free_bytes == INT64_MAX ? free_bytes : free_bytes + context->held_bytes,
                             context->jobs);
}

static int check_memory(mnas_trial_run *run, const mnas_cost *cost, const mnas_trial_context *context) {
    char text[256];
    run->need_bytes =
        mnas_memory_need_of(cost, &run->model, context->training, context->images).private_bytes;
    run->share_bytes = share_of_memory(context);
    if (run->need_bytes <= run->share_bytes) return 0;
    snprintf(text, sizeof text, "training needs about %lld MiB at batch %d, and %lld MiB are free%s",
             (long long)(run->need_bytes >> 20), context->batch, (long long)(run->share_bytes >> 20),
             context->jobs > 1 ? " for each job" : "");
    return fail(run, "memory", text);
}

int64_t mnas_trial_held_bytes(const mnas_trial_run *run) {
    return run->phase == MNAS_RUN_TRAINING && !isnan(run->frac) ? run->need_bytes : 0;
}

/* Of the training process: beyond its share it would take from others, and ends itself instead. 0: none. */
static int64_t limit_of_memory(const mnas_trial_run *run) {
    const int64_t alone = mnas_machine_process_bytes();
    if (!limit_memory || run->share_bytes == INT64_MAX) return 0;
    const int64_t limit = run->share_bytes + MNAS_MEMORY_RESERVE_BYTES;
    return limit < alone ? limit : alone;
}

/* Left out before it costs anything. */
static int screen(mnas_trial_run *run, const mnas_trial_context *context) {
    bool out;
    if (!context->screen) return 0;
    const int rc = mnas_screen_look(context->screen, &run->model, &run->row, &out);
    if (rc < 0) return fail_with(run, rc, mnas_error_message());
    if (out) leave_out(run, MNAS_PRUNED_SCREENED);
    return 0;
}

int mnas_trial_prepare(mnas_trial_run *run, const mnas_trial_context *context) {
    assert(run->phase == MNAS_RUN_NEW);
    mnas_cost cost;
    int rc = mnas_cost_compute(&cost, &run->model, context->batch);
    if (rc < 0) return fail_with(run, rc, mnas_error_message());
    run->row.params = cost.params;
    run->row.macs = cost.macs;
    run->row.train_bytes = cost.train_bytes;
    run->phase = MNAS_RUN_READY;
    rc = screen(run, context);
    if (rc == 0 && run->phase == MNAS_RUN_READY) rc = check_memory(run, &cost, context);
    mnas_cost_free(&cost);
    return rc;
}

/* ---- measuring ---- */

mnas_job *mnas_trial_job(const mnas_trial_run *run) {
    return run->phase == MNAS_RUN_TRAINING    ? run->job
           : run->phase == MNAS_RUN_MEASURING ? run->measuring.job
                                              : NULL;
}

bool mnas_trial_is_given_up(const mnas_trial_run *run) {
    return run->phase == MNAS_RUN_READY && run->measuring.state == MNAS_MEASURING_GIVEN_UP;
}

static int take_latencies(mnas_trial_run *run, const mnas_trial_context *context) {
    mnas_trial *row = &run->row;
    const int n = context->measure->devices->n;
    row->latency = run->measuring.latency[0];
    if (n > 1 && !(row->others = calloc((size_t)n - 1, sizeof *row->others)))
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: latencies of trial %d", row->number);
    for (int d = 1; d < n; d++) row->others[d - 1] = run->measuring.latency[d];
    row->n_others = n - 1;
    run->phase = MNAS_RUN_MEASURED;
    if (context->window && !mnas_window_holds(context->window, row->latency.median_ms))
        leave_out(run, MNAS_PRUNED_LATENCY);
    return 0;
}

static int take_measuring(mnas_trial_run *run, const mnas_trial_context *context) {
    const mnas_measuring *m = &run->measuring;
    run->row.measure_s = m->measure_s;
    run->row.n_refused = m->n_refused;
    switch (m->state) {
    case MNAS_MEASURING_DUE:
    case MNAS_MEASURING_GIVEN_UP:
        run->phase = MNAS_RUN_READY;
        return 0;
    case MNAS_MEASURING_RUNS:
        run->phase = MNAS_RUN_MEASURING;
        return 0;
    case MNAS_MEASURING_DONE:
        return take_latencies(run, context);
    case MNAS_MEASURING_FAILED:
        break;
    }
    return fail(run, m->reason, m->why);
}

static const char *name_of(const mnas_trial_run *run, char buf[32]) {
    snprintf(buf, 32, "trial %d", run->row.number);
    return buf;
}

int mnas_trial_measure(mnas_trial_run *run, const mnas_trial_context *context) {
    assert(run->phase == MNAS_RUN_READY);
    char name[32];
    const int rc = mnas_measuring_ask(&run->measuring, context->measure, &run->model, name_of(run, name));
    return rc < 0 ? rc : take_measuring(run, context);
}

static int poll_measuring(mnas_trial_run *run, const mnas_trial_context *context) {
    char name[32];
    const int rc = mnas_measuring_poll(&run->measuring, context->measure, &run->model, name_of(run, name));
    return rc < 0 ? rc : take_measuring(run, context);
}

/* ---- rungs ---- */

static bool has_rungs(const mnas_trial_context *context) {
    return context->rungs.n > 0;
}

/* The rung that its training comes to next. */
static int next_rung(const mnas_trial_run *run) {
    return run->row.rung + 1;
}

static int state_path(char *path, size_t n, const mnas_trial_context *context, int trial, int rung) {
    return mnas_str_format(path, n, "%s/trial-%d.rung-%d.ckpt", context->rung_folder, trial, rung);
}

void mnas_trial_forget_rungs(const mnas_trial *row, const mnas_trial_context *context, int keep) {
    char path[1200];
    for (int rung = row->rung + (keep ? -1 : 1); has_rungs(context) && rung >= 0; rung--)
        if (state_path(path, sizeof path, context, row->number, rung) == 0) unlink(path);
}

int mnas_trial_go_on(mnas_trial_run *run, const mnas_trial_context *context) {
    mnas_cost cost;
    const mnas_trial *row = &run->row;
    run->earlier_s = row->train_s + row->measure_s + row->overhead_s;
    int rc = mnas_cost_compute(&cost, &run->model, context->batch);
    if (rc < 0) return fail_with(run, rc, mnas_error_message());
    run->phase = MNAS_RUN_MEASURED;
    rc = check_memory(run, &cost, context);
    mnas_cost_free(&cost);
    return rc;
}

/* Where the state that it goes on from is gone, it begins anew: it comes to the same. */
static int find_state(mnas_trial_run *run, const mnas_trial_context *context, char *path, size_t n) {
    const int rc = state_path(path, n, context, run->row.number, run->row.rung);
    if (rc < 0 || (run->row.rung >= 0 && mnas_file_exists(path))) return rc;
    path[0] = '\0';
    run->row.n_epochs = 0;
    return 0;
}

/* A state that lies where this part's is to be kept is of an attempt that nobody heard of. */
static int divide(mnas_trial_run *run, const mnas_trial_context *context, mnas_job_request *request, char *to,
                  char *from, size_t n) {
    const int rung = next_rung(run);
    const double epochs = isnan(context->epochs) ? context->training->epochs : context->epochs;
    int rc = mnas_file_mkdirs(context->rung_folder);
    if (rc == 0) rc = state_path(to, n, context, run->row.number, rung);
    if (rc == 0) rc = find_state(run, context, from, n);
    if (rc < 0) return rc;
    unlink(to);
    request->from = from[0] ? from : NULL;
    if (rung == context->rungs.n - 1) return 0;
    request->checkpoint = to;
    request->stop_epochs = epochs * mnas_rungs_share(&context->rungs, rung);
    return 0;
}

/* ---- training ---- */

int mnas_trial_train(mnas_trial_run *run, const mnas_trial_context *context) {
    assert(run->phase == MNAS_RUN_MEASURED || run->phase == MNAS_RUN_READY);
    char to[1200], from[1200];
    mnas_job_request request = {.model = &run->model,
                                .data = context->data,
                                .recipe = context->recipe,
                                .epochs = context->epochs,
                                .max_images = context->max_images,
                                .threads = context->threads,
                                .seed = run->row.seed,
                                .output = context->output,
                                .memory_bytes = limit_of_memory(run)};
    int rc = has_rungs(context) ? divide(run, context, &request, to, from, sizeof to) : 0;
    if (rc < 0) return rc;
    run->train_begun_s = mnas_clock_now_s();
    run->earlier_train_s = isnan(run->row.train_s) ? 0 : run->row.train_s;
    rc = context->runner->start(context->runner->user, &run->job, &request);
    if (rc < 0) return rc;
    run->phase = MNAS_RUN_TRAINING;
    return 0;
}

static double training_s(const mnas_trial_run *run) {
    return mnas_clock_now_s() - run->train_begun_s - run->away_s;
}

/* Behind those of earlier parts. */
static int take_epochs(mnas_trial *row, const mnas_job_news *news) {
    const size_t n = (size_t)(row->n_epochs + news->n_epochs);
    if (news->n_epochs == 0) return 0;
    double *grown = realloc(row->epoch_accuracy_frac, n * sizeof *grown);
    if (!grown) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: epochs of trial %d", row->number);
    memcpy(grown + row->n_epochs, news->epoch_accuracy_frac, (size_t)news->n_epochs * sizeof *grown);
    row->epoch_accuracy_frac = grown;
    row->n_epochs = (int)n;
    return 0;
}

static int end_training(mnas_trial_run *run, const mnas_trial_context *context, const mnas_job_news *news) {
    mnas_trial *row = &run->row;
    const mnas_train_result *result = &news->result;
    int rc = take_epochs(row, news);
    if (rc < 0) return rc;
    if (news->status < 0) {
        row->train_s = run->earlier_train_s + training_s(run);
        return fail_with(run, news->status, news->error ? news->error : mnas_status_text(news->status));
    }
    row->accuracy_frac = result->val_accuracy_frac;
    row->n_images = result->n_images;
    /* as the process saw it, which does not know that it was paused */
    const double part_s = result->train_s + result->eval_s - result->earlier_s;
    row->train_s = run->earlier_train_s + fmax(0, part_s - run->paused_s);
    if (has_rungs(context) && (rc = mnas_trial_add_rung(row, row->accuracy_frac)) < 0) return rc;
    const bool is_whole = !has_rungs(context) || row->rung == context->rungs.n - 1;
    if (is_whole) row->state = MNAS_TRIAL_COMPLETE;
    run->phase = is_whole ? MNAS_RUN_ENDED : MNAS_RUN_AT_RUNG;
    return 0;
}

static int poll_training(mnas_trial_run *run, const mnas_trial_context *context) {
    char text[128];
    const mnas_job_news *news = context->runner->news(run->job);
    run->frac = news->frac;
    if (news->done) return end_training(run, context, news);
    if (training_s(run) <= context->timeout_s) return 0;
    context->runner->close(run->job);
    run->job = NULL;
    const double part_s = training_s(run);
    run->row.train_s = run->earlier_train_s + part_s;
    snprintf(text, sizeof text, "training was ended after %.1f s; allowed: %.1f s", part_s,
             context->timeout_s);
    return fail(run, "timeout", text);
}

int mnas_trial_poll(mnas_trial_run *run, const mnas_trial_context *context) {
    assert(run->phase == MNAS_RUN_TRAINING || run->phase == MNAS_RUN_MEASURING);
    return run->phase == MNAS_RUN_TRAINING ? poll_training(run, context) : poll_measuring(run, context);
}

void mnas_trial_pause(mnas_trial_run *run, const mnas_trial_context *context) {
    if (run->phase != MNAS_RUN_TRAINING || !isnan(run->paused_since_s)) return;
    const mnas_job_news *news = context->runner->news(run->job);
    run->paused_training = !isnan(news->frac) && !news->done;
    if (!news->done) context->runner->pause(run->job);
    run->paused_since_s = mnas_clock_now_s();
}

void mnas_trial_resume(mnas_trial_run *run, const mnas_trial_context *context) {
    if (run->phase != MNAS_RUN_TRAINING || isnan(run->paused_since_s)) return;
    const double away_s = mnas_clock_now_s() - run->paused_since_s;
    run->away_s += away_s;
    run->paused_since_s = NAN;
    if (run->paused_training) run->paused_s += away_s;
    if (!context->runner->news(run->job)->done) context->runner->resume(run->job);
}

double mnas_trial_overhead_s(const mnas_trial_run *run) {
    const mnas_trial *row = &run->row;
    const double all_s = run->earlier_s + mnas_clock_now_s() - run->begun_s - run->away_s;
    return fmax(0, all_s - (isnan(row->train_s) ? 0 : row->train_s) -
                       (isnan(row->measure_s) ? 0 : row->measure_s) - run->measuring.waited_s);
}
