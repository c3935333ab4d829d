/* finalize_measure.c - latencies that can be compared: passes over all networks, each measured once a pass and the order turned
 * from pass to pass, so that what the machine does meanwhile (heat, other load) falls on all alike. Nothing trains.
 *
 * A network's latency is the median over its passes, with the interval of that median. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/stats.h"
#include "device/device.h"
#include "search/finalize.h"

static const double level = 0.95;

/* Sums of what is counted, conditions of the last pass, and the statistics over passes. */
static void fold(mnas_final *final, const mnas_latency *now) {
    const mnas_latency before = final->latency;
    mnas_latency *l = &final->latency;
    const size_t n = (size_t) final->n_passes;
    *l = *now;
    if (n == 1) return; /* its own interval over rounds says more than one pass can */
    l->rounds += before.rounds;
    l->runs += before.runs;
    l->n_disturbed += before.n_disturbed;
    l->n_cpu_timed += before.n_cpu_timed;
    l->elapsed_s += before.elapsed_s;
    l->median_ms = mnas_stats_median(final->pass_ms, n);
    mnas_stats_median_ci(final->pass_ms, n, level, &l->ci_low_ms, &l->ci_high_ms, &l->ci_level);
    l->spread_frac = mnas_stats_mad(final->pass_ms, n) / l->median_ms;
}

static int add_pass(mnas_final *final, const mnas_latency *now) {
    double *grown = realloc(final->pass_ms, ((size_t) final->n_passes + 1) * sizeof *grown);
    if (!grown) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d passes", final->n_passes + 1);
    final->pass_ms = grown;
    grown[final->n_passes++] = now->median_ms;
    fold(final, now);
    return 0;
}

static int fail(mnas_final *final, const char *error) {
    final->state = MNAS_TRIAL_FAILED;
    snprintf(final->reason, sizeof final->reason, "device");
    free(final->error);
    final->error = strdup(error);
    return final->error ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %s", final->name);
}

/* Another network that the device has measured, in a pass here or in the search; NULL: none. */
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

/* A failure is the network's where the device still measures another one. Where it does not, hours of training are not to
 * be lost with it: nothing is stored, and stage two ends. */
static int take_failure(const mnas_stage *s, mnas_device *device, mnas_final *final, int status) {
    char why[1024];
    mnas_model model;
    mnas_latency unused;
    snprintf(why, sizeof why, "%s", mnas_error_message());
    if (status == MNAS_ERR_INVALID) return fail(final, why);
    const mnas_final *other = known_to_work(s, final);
    int rc = other ? mnas_stage_model(s, other, &model) : MNAS_ERR_DEVICE;
    if (rc == 0) rc = mnas_device_measure(device, &model, &unused);
    if (rc == 0) return fail(final, why);
    if (rc == MNAS_ERR_CANCELLED) return rc;
    return mnas_error_set(MNAS_ERR_DEVICE, "%s: %s; once the device works the same command goes on",
                          final->name, why);
}

static int take_pass(mnas_stage *s, mnas_device *device, mnas_final *final) {
    mnas_model model;
    mnas_latency now;
    int rc = mnas_stage_model(s, final, &model);
    if (rc < 0) return rc;
    rc = mnas_device_measure_retry(device, &model, final->name, &now);
    if (rc == MNAS_ERR_CANCELLED) return rc;
    rc = rc < 0 ? take_failure(s, device, final, rc) : add_pass(final, &now);
    if (rc == 0) rc = mnas_stage_put(s, final);
    if (rc < 0) return rc;
    const bool over = final->state == MNAS_TRIAL_FAILED || final->n_passes == s->options.n_passes;
    if (over) mnas_stage_show(s, final, "measuring", final->name, NAN, NAN);
    return 0;
}

/* The order of a pass begins elsewhere than the last one's; over all passes the beginnings spread over the list. */
size_t mnas_stage_turn(size_t i, int pass, size_t n, int n_passes) {
    const size_t step = n > (size_t)n_passes ? n / (size_t)n_passes : 1;
    return (i + (size_t)pass * step) % n;
}

static int run_pass(mnas_stage *s, mnas_device *device, int number) {
    const size_t n = s->n_finals;
    for (size_t i = 0; i < n; i++) {
        mnas_final *final = &s->finals[mnas_stage_turn(i, number, n, s->options.n_passes)];
        if (!mnas_stage_is_ready(final) || final->n_passes > number) continue;
        int rc = mnas_stage_check_time(s);
        if (rc < 0) return rc;
        const double frac = (number + (double)i / (double)n) / s->options.n_passes;
        mnas_stage_show(s, NULL, "measuring", final->name, frac, NAN);
        if ((rc = take_pass(s, device, final)) < 0) return rc;
    }
    return 0;
}

static bool is_needed(const mnas_stage *s) {
    for (size_t i = 0; i < s->n_finals; i++)
        if (mnas_stage_is_ready(&s->finals[i]) && s->finals[i].n_passes < s->options.n_passes) return true;
    return false;
}

int mnas_stage_measure(mnas_stage *s) {
    mnas_device *device;
    if (!is_needed(s)) return 0;
    int rc = mnas_device_open(&device, mnas_stage_setting(s, "device"));
    if (rc < 0) return rc;
    mnas_device_limit(device, s->begun_s + 60 * s->options.max_minutes, s->options.cancel); /* NaN: none */
    for (int i = 0; i < s->options.n_passes && rc == 0; i++) rc = run_pass(s, device, i);
    mnas_device_close(device);
    if (rc != MNAS_ERR_CANCELLED) return rc;
    const int over = mnas_stage_check_time(s); /* cut short by that limit */
    return over < 0 ? over : rc;
}
