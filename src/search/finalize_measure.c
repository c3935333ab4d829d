/* finalize_measure.c - latencies that can be compared: passes over all networks, each measured once a pass and the order turned
 * from pass to pass, so that what the machine does meanwhile (heat, other load) falls on all alike. Nothing trains.
 *
 * A network's latency is the median over its passes, with the interval of that median. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/stats.h"
#include "search/devices.h"
#include "search/finalize.h"
#include "search/measuring.h"

enum { POLL_MS = 100 };
static const double level = 0.95, pause_s = 1;

/* What the passes over one network share: devices, and the failures of all. */
typedef struct passes {
    mnas_stage *s;
    mnas_devices devices;
    mnas_measure_context context;
} passes;

/* ---- folding ---- */

/* -1, as each of them, where it is not known. */
static int total(int a, int b) {
    return a < 0 || b < 0 ? -1 : a + b;
}

/* Sums of what is counted, conditions of the last pass, and the statistics over passes[n]. */
static void fold(mnas_latency *l, const mnas_latency *now, const double *pass_ms, size_t n) {
    const mnas_latency before = *l;
    *l = *now;
    if (n == 1) return; /* its own interval over rounds says more than one pass can */
    l->rounds = total(l->rounds, before.rounds);
    l->runs = total(l->runs, before.runs);
    l->n_disturbed = total(l->n_disturbed, before.n_disturbed);
    l->n_cpu_timed = total(l->n_cpu_timed, before.n_cpu_timed);
    l->n_refused = total(l->n_refused, before.n_refused);
    l->wide = l->wide || before.wide;
    l->elapsed_s += before.elapsed_s;
    l->median_ms = mnas_stats_median(pass_ms, n);
    mnas_stats_median_ci(pass_ms, n, level, &l->ci_low_ms, &l->ci_high_ms, &l->ci_level);
    l->spread_frac = mnas_stats_mad(pass_ms, n) / l->median_ms;
}

static int grow(double **list, size_t n) {
    double *grown = realloc(*list, n * sizeof *grown);
    if (!grown) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu passes", n);
    *list = grown;
    return 0;
}

static int make_room(mnas_final *final, int n_others) {
    const size_t n = (size_t) final->n_passes + 1;
    int rc = grow(&final->pass_ms, n);
    if (rc < 0 || n_others == 0) return rc;
    if (!final->others && !(final->others = calloc((size_t)n_others, sizeof *final->others)))
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: latencies of %s", final->name);
    final->n_others = n_others;
    return grow(&final->others_pass_ms, n * (size_t)n_others);
}

static int add_pass(mnas_final *final, const mnas_latency *now, int n_devices) {
    double of_one[MNAS_MAX_PASSES + 1];
    const int n_others = n_devices - 1;
    const int rc = make_room(final, n_others);
    if (rc < 0) return rc;
    const int n = ++final->n_passes;
    final->pass_ms[n - 1] = now[0].median_ms;
    fold(&final->latency, &now[0], final->pass_ms, (size_t)n);
    for (int d = 0; d < n_others; d++) {
        final->others_pass_ms[(n - 1) * n_others + d] = now[d + 1].median_ms;
        for (int i = 0; i < n; i++) of_one[i] = final->others_pass_ms[i * n_others + d];
        fold(&final->others[d], &now[d + 1], of_one, (size_t)n);
    }
    final->n_others_pass_ms = n * n_others;
    return 0;
}

static int fail(mnas_final *final, const char *reason, const char *error) {
    final->state = MNAS_TRIAL_FAILED;
    snprintf(final->reason, sizeof final->reason, "%s", reason);
    free(final->error);
    final->error = strdup(error);
    return final->error ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %s", final->name);
}

/* ---- one network ---- */

/* Another network that the devices have measured, in a pass here or in the search; NULL: none. */
static const mnas_final *known_to_work(const mnas_stage *s, const mnas_final *but) {
    const mnas_final *known = NULL;
    for (size_t i = 0; i < s->n_finals; i++) {
        const mnas_final *f = &s->finals[i];
        if (f == but || !mnas_stage_is_ready(f)) continue;
        if (f->n_passes > 0) return f;
        if (!known && f->role != MNAS_FINAL_BASELINE) known = f;
    }
    return known;
}

static int choose_probe(passes *p, const mnas_final *final) {
    const mnas_final *known = known_to_work(p->s, final);
    p->context.has_worked = known != NULL;
    return known ? mnas_stage_model(p->s, known, &p->context.probe) : 0;
}

/* Until it is measured, has failed, or the device is given up: hours of training are not to be lost with it. */
static int measure(passes *p, const mnas_final *final, const mnas_model *model, mnas_measuring *m) {
    const mnas_job_runner *runner = p->context.runner;
    int rc = 0;
    while (rc == 0 && (m->state == MNAS_MEASURING_DUE || m->state == MNAS_MEASURING_RUNS)) {
        if ((rc = mnas_stage_check_time(p->s)) < 0) break;
        if (m->state == MNAS_MEASURING_RUNS) {
            rc = runner->wait(runner->user, &m->job, 1, POLL_MS);
            if (rc == 0) rc = mnas_measuring_poll(m, &p->context, model, final->name);
        } else if (mnas_measuring_is_due(m)) {
            rc = mnas_measuring_ask(m, &p->context, model, final->name);
        } else {
            mnas_clock_sleep_ms(POLL_MS);
            mnas_stage_show(p->s, NULL, "awaiting the device for", final->name, NAN, NAN);
        }
    }
    mnas_measuring_end(m, &p->context);
    return rc;
}

/* Nothing is stored of a network whose device is given up. */
static int take_pass(passes *p, mnas_final *final) {
    mnas_measuring m;
    mnas_model model;
    int rc = mnas_stage_model(p->s, final, &model);
    if (rc == 0) rc = choose_probe(p, final);
    if (rc < 0) return rc;
    mnas_measuring_begin(&m);
    if ((rc = measure(p, final, &model, &m)) < 0) return rc;
    if (m.state == MNAS_MEASURING_GIVEN_UP) return mnas_measuring_say(&m, &p->context, final->name);
    rc = m.state == MNAS_MEASURING_FAILED ? fail(final, m.reason, m.why)
                                          : add_pass(final, m.latency, p->devices.n);
    if (rc == 0) rc = mnas_stage_put(p->s, final);
    if (rc < 0) return rc;
    const bool over = final->state == MNAS_TRIAL_FAILED || final->n_passes == p->s->options.n_passes;
    if (over) mnas_stage_show(p->s, final, "measuring", final->name, NAN, NAN);
    return 0;
}

/* ---- all of them ---- */

/* The order of a pass begins elsewhere than the last one's; over all passes the beginnings spread over the list. */
size_t mnas_stage_turn(size_t i, int pass, size_t n, int n_passes) {
    const size_t step = n > (size_t)n_passes ? n / (size_t)n_passes : 1;
    return (i + (size_t)pass * step) % n;
}

static int run_pass(passes *p, int number) {
    mnas_stage *s = p->s;
    const size_t n = s->n_finals;
    for (size_t i = 0; i < n; i++) {
        mnas_final *final = &s->finals[mnas_stage_turn(i, number, n, s->options.n_passes)];
        if (!mnas_stage_is_ready(final) || final->n_passes > number) continue;
        int rc = mnas_stage_check_time(s);
        if (rc < 0) return rc;
        const double frac = (number + (double)i / (double)n) / s->options.n_passes;
        mnas_stage_show(s, NULL, "measuring", final->name, frac, NAN);
        if ((rc = take_pass(p, final)) < 0) return rc;
    }
    return 0;
}

static bool is_needed(const mnas_stage *s) {
    for (size_t i = 0; i < s->n_finals; i++)
        if (mnas_stage_is_ready(&s->finals[i]) && s->finals[i].n_passes < s->options.n_passes) return true;
    return false;
}

static double deadline_s(const mnas_stage *s) {
    const double minutes = s->options.max_minutes;
    return isnan(minutes) ? (double)INFINITY : s->begun_s + 60 * minutes;
}

int mnas_stage_measure(mnas_stage *s) {
    passes p = {.s = s};
    if (!is_needed(s)) return 0;
    int rc = mnas_devices_open(&p.devices, mnas_stage_setting(s, "device"));
    if (rc < 0) return rc;
    p.context = (mnas_measure_context){.devices = &p.devices,
                                       .runner = s->hooks.runner,
                                       .keeps_refused = true,
                                       .wait_s = 60 * s->options.device_minutes,
                                       .pause_s = pause_s};
    mnas_devices_limit(&p.devices, deadline_s(s), s->options.cancel);
    for (int i = 0; i < s->options.n_passes && rc == 0; i++) rc = run_pass(&p, i);
    mnas_devices_close(&p.devices);
    if (rc != MNAS_ERR_CANCELLED) return rc;
    const int over = mnas_stage_check_time(s); /* cut short by that limit */
    return over < 0 ? over : rc;
}
