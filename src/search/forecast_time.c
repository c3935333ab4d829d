/* forecast_time.c - see forecast.h: steps timed in child processes, as a search's trainings are; and the child's side.
 *
 *     -> a trial's request (trial_wire.h)
 *     <- {"step_s", "spread_frac", "eval_s", "timed_s", "n_steps", "peak_rss_bytes"}  or  {"error", "message"}
 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/proc.h"
#include "search/forecast.h"
#include "search/trial_wire.h"

enum { MAX_SIDE_BY_SIDE = 64, WAIT_MS = 50 };

/* ---- the child ---- */

static int print_times(FILE *out, const mnas_step_times *t) {
    fprintf(out,
            "{\"step_s\": %.9g, \"spread_frac\": %.9g, \"eval_s\": %.9g, \"timed_s\": %.9g, \"n_steps\": %d, "
            "\"peak_rss_bytes\": %lld}\n",
            t->step_s, t->spread_frac, t->eval_s, t->timed_s, t->n_steps, (long long)t->peak_rss_bytes);
    return fflush(out) == 0 ? 0 : mnas_error_errno("writing timed steps");
}

int mnas_forecast_worker(FILE *in, FILE *out) {
    char *text = NULL;
    mnas_trial_wire_request request = {0};
    mnas_step_times times;
    int rc = mnas_proc_read_request(&text, in, "timing request");
    if (rc == 0) rc = mnas_trial_wire_parse_request(&request, text);
    if (rc == 0) rc = mnas_train_time_steps(&times, &request.model, &request.options);
    if (rc == 0)
        rc = print_times(out, &times);
    else
        mnas_trial_wire_print_error(out, rc, mnas_error_message());
    mnas_trial_wire_free_request(&request);
    free(text);
    return rc < 0 ? 1 : 0;
}

/* ---- the parent ---- */

static int start(mnas_proc **out, const mnas_forecast_processes *p, const mnas_model *model) {
    const char *const argv[] = {mnas_proc_self(), "worker", "steps", NULL};
    const mnas_job_request request = {.model = model,
                                      .data = p->data,
                                      .recipe = p->recipe,
                                      .epochs = p->epochs,
                                      .max_images = p->max_images,
                                      .threads = p->threads};
    char *text;
    int rc = mnas_trial_wire_print_request(&text, &request);
    if (rc == 0) rc = mnas_proc_start(out, argv, text, 0);
    free(text);
    return rc;
}

static int parse(mnas_timed *out, const char *line, double wall_s) {
    json_t *object = json_loads(line, 0, NULL);
    mnas_step_times *t = &out->times;
    json_int_t peak = 0;
    const char *message = json_string_value(json_object_get(object, "message"));
    int rc = 0;
    if (message)
        rc = mnas_error_set(MNAS_ERR_CHILD, "%s", message);
    else if (json_unpack(object, "{s:F, s:F, s:F, s:F, s:i, s:I}", "step_s", &t->step_s, "spread_frac",
                         &t->spread_frac, "eval_s", &t->eval_s, "timed_s", &t->timed_s, "n_steps",
                         &t->n_steps, "peak_rss_bytes", &peak) < 0 ||
             !(t->step_s > 0) || !(t->eval_s >= 0))
        rc = mnas_error_set(MNAS_ERR_FORMAT, "an unknown answer from a timing process");
    json_decref(object);
    if (rc < 0) {
        t->n_steps = 0;
        return rc;
    }
    t->peak_rss_bytes = peak;
    out->start_s = fmax(0, wall_s - t->timed_s);
    return 0;
}

static int read_answer(mnas_timed *out, mnas_proc *proc) {
    const char *line = mnas_proc_next_line(proc);
    if (!mnas_proc_done(proc))
        return mnas_error_set(MNAS_ERR_TIMEOUT, "timing a network's steps took too long");
    if (!line) return mnas_error_set(MNAS_ERR_CHILD, "a timing process ended without an answer");
    return parse(out, line, mnas_proc_result_of(proc)->wall_s);
}

static bool any_runs(mnas_proc *const *procs, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (procs[i] && !mnas_proc_done(procs[i])) return true;
    return false;
}

int mnas_forecast_time_processes(void *processes, mnas_timed *timed, size_t n) {
    const mnas_forecast_processes *p = processes;
    mnas_proc *procs[MAX_SIDE_BY_SIDE] = {0};
    const double begun_s = mnas_clock_now_s();
    int rc = 0, last = 0, n_good = 0;
    if (n > MAX_SIDE_BY_SIDE) n = MAX_SIDE_BY_SIDE;
    for (size_t i = 0; i < n && rc == 0; i++) rc = start(&procs[i], p, &timed[i].network->model);
    while (rc == 0 && any_runs(procs, n) && mnas_clock_now_s() - begun_s < p->timeout_s)
        rc = mnas_proc_wait(procs, n, WAIT_MS);
    for (size_t i = 0; i < n && rc == 0; i++) {
        if ((last = read_answer(&timed[i], procs[i])) == 0)
            n_good++;
        else
            mnas_log_debug("forecast: %s", mnas_error_message());
    }
    for (size_t i = 0; i < n; i++) mnas_proc_free(procs[i]);
    return rc < 0 ? rc : n_good > 0 ? 0 : last;
}
