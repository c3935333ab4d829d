/* device_pool_turn.c - a member's turn, while it is leased to us: opened, calibrated, failed; and its time turned into the pool's.
 *
 * The unit of a pool is its reference: the time of the sentinel network on the member that was calibrated first. It stays when
 * that member is calibrated again or leaves, so that latencies of one study stay comparable.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "device/device_pool_farm.h"
#include "model/latency.h"

/* ---- changes of the shared state ---- */

typedef struct note {
    const mnas_farm *farm;
    const char *device;
    const mnas_latency *sentinel; /* of a calibration */
    const char *why;              /* of a failure */
} note;

/* Times of another sentinel network are no measure of this one. */
static void adopt_sentinel(mnas_pool_state *state, const char *key) {
    if (strcmp(state->sentinel, key) == 0) return;
    if (state->sentinel[0])
        mnas_log_warn("the pool was calibrated with another sentinel network: it is calibrated anew, and "
                      "its latencies are of another scale than before");
    snprintf(state->sentinel, sizeof state->sentinel, "%s", key);
    state->reference[0] = '\0';
    state->reference_ms = state->reference_half_frac = NAN;
    for (int i = 0; i < state->n; i++)
        state->records[i].sentinel_ms = state->records[i].calibrated_s = state->records[i].half_frac = NAN;
}

static int out_of_records(const mnas_pool_state *state) {
    return state->n == MNAS_POOL_MAX_MEMBERS ? MNAS_ERR_FORMAT : MNAS_ERR_MEMORY;
}

static int note_calibrated(mnas_pool_state *state, const void *user) {
    const note *n = user;
    const mnas_latency *l = n->sentinel;
    adopt_sentinel(state, n->farm->sentinel_key);
    mnas_pool_record *r = mnas_pool_state_record(state, n->device);
    if (!r) return out_of_records(state);
    r->sentinel_ms = l->median_ms;
    r->half_frac = mnas_latency_half_frac(l);
    r->calibrated_s = mnas_clock_unix_s();
    r->load = l->load_before;
    r->freq_mhz = l->freq_mhz;
    r->temp_c = l->temp_c;
    snprintf(r->governor, sizeof r->governor, "%s", l->governor);
    snprintf(r->engine, sizeof r->engine, "%s", l->engine);
    r->away_s = r->retry_s = r->pause_s = NAN;
    r->why[0] = '\0';
    if (!isnan(state->reference_ms)) return 0;
    snprintf(state->reference, sizeof state->reference, "%s", n->device);
    state->reference_ms = r->sentinel_ms;
    state->reference_half_frac = r->half_frac;
    return 0;
}

static void copy_printable(char *to, size_t n, const char *from) {
    snprintf(to, n, "%s", from);
    mnas_str_make_printable(to);
}

static int note_away(mnas_pool_state *state, const void *user) {
    const note *n = user;
    const double first_s = n->farm->options->retry_s, now_s = mnas_clock_unix_s();
    adopt_sentinel(state, n->farm->sentinel_key);
    mnas_pool_record *r = mnas_pool_state_record(state, n->device);
    if (!r) return out_of_records(state);
    const bool anew = isnan(r->away_s);
    if (anew) r->away_s = now_s;
    r->pause_s = anew ? first_s : fmin(2 * r->pause_s, MNAS_FARM_MAX_PAUSES * first_s);
    r->retry_s = now_s + r->pause_s;
    copy_printable(r->why, sizeof r->why, n->why);
    return 0;
}

/* ---- unfit, or away ---- */

/* It answers, but waiting does not mend it: refused as too unsteady, unknown there, an engine that is not installed. */
static bool is_unfit(int rc) {
    return rc == MNAS_ERR_REFUSED || rc == MNAS_ERR_MISSING || rc == MNAS_ERR_ARG;
}

/* The present message is the reason. */
static void note_unfit(mnas_farm *farm, mnas_farm_member *m, int rc) {
    m->unfit = true;
    farm->unfit_status = rc;
    snprintf(farm->unfit, sizeof farm->unfit, "%.150s: %.350s", m->spec, mnas_error_message());
}

/* The present message is the reason. What was open is opened anew next time: a phone that comes back may have been restarted. */
static int send_away(mnas_farm *farm, mnas_farm_member *m) {
    char why[512];
    snprintf(why, sizeof why, "%.511s", mnas_error_message());
    const note n = {.farm = farm, .device = m->spec, .why = why};
    mnas_device_close(m->device);
    m->device = NULL;
    const int rc = mnas_pool_state_change(&farm->state, farm->path, note_away, &n);
    if (rc < 0) return rc;
    const mnas_pool_record *r = mnas_pool_state_find(&farm->state, m->spec);
    if (r->pause_s == farm->options->retry_s)
        mnas_log_warn("%s is away, tried again in %.3g s: %s", m->spec, r->pause_s, why);
    else
        mnas_log_debug("%s is still away; tried again in %.3g s: %s", m->spec, r->pause_s, why);
    return 0;
}

/* A member that cannot even be calibrated is away, for other processes too. */
static int give_up(mnas_farm *farm, mnas_farm_member *m, int rc) {
    if (is_unfit(rc) && rc != MNAS_ERR_REFUSED) note_unfit(farm, m, rc);
    return send_away(farm, m);
}

/* The network's, or the caller's; anything else is the member's. */
static bool is_not_the_members(int rc) {
    return rc == MNAS_ERR_INVALID || rc == MNAS_ERR_CANCELLED || rc == MNAS_ERR_MEMORY;
}

int mnas_farm_failed(mnas_farm *farm, mnas_farm_member *member, int rc) {
    if (is_not_the_members(rc)) return mnas_error_context(rc, "%s", member->spec);
    if (is_unfit(rc)) {
        note_unfit(farm, member, rc);
        return 0;
    }
    /* it was away since, and came back by measuring the sentinel network */
    if (++member->n_failed > 1)
        return mnas_error_context(MNAS_ERR_DEVICE,
                                  "%s measures the sentinel network, but has failed twice on this one",
                                  member->spec);
    return send_away(farm, member);
}

/* ---- calibrating ---- */

static void tell_calibrated(const mnas_farm *farm, const mnas_farm_member *m, double away_s) {
    const mnas_pool_record *r = mnas_pool_state_find(&farm->state, m->spec);
    const double factor = mnas_farm_factor(farm, m);
    char since[32];
    if (mnas_farm_is_unequal(farm, m)) {
        mnas_log_warn(
            "%s takes %.4g ms for the sentinel network, the pool's reference (%s) %.4g: factor %.3f; "
            "an equal device's is %.3g to %.3g, so it is left out",
            m->spec, r->sentinel_ms, farm->state.reference, farm->state.reference_ms, factor,
            1 - farm->options->differ_frac, 1 + farm->options->differ_frac);
    } else if (!isnan(away_s)) {
        mnas_clock_duration(mnas_clock_unix_s() - away_s, since, sizeof since);
        mnas_log_info("%s is back after %s: calibrated anew, factor %.4f", m->spec, since, factor);
    } else {
        mnas_log_debug("%s is calibrated: sentinel network %.4g ms, factor %.4f", m->spec, r->sentinel_ms,
                       factor);
    }
}

static int calibrate(mnas_farm *farm, mnas_farm_member *m) {
    mnas_latency latency;
    const mnas_pool_record *r = mnas_pool_state_find(&farm->state, m->spec);
    const double away_s = r ? r->away_s : (double)NAN;
    int rc = mnas_device_measure(m->device, &farm->sentinel, &latency);
    if (rc == MNAS_ERR_CANCELLED || rc == MNAS_ERR_MEMORY) return rc;
    if (rc < 0) {
        mnas_error_context(rc, "calibrating");
        return give_up(farm, m, rc);
    }
    const note n = {.farm = farm, .device = m->spec, .sentinel = &latency};
    rc = mnas_pool_state_change(&farm->state, farm->path, note_calibrated, &n);
    if (rc == 0) tell_calibrated(farm, m, away_s);
    return rc;
}

int mnas_farm_prepare(mnas_farm *farm, mnas_farm_member *m, bool layers, bool *ready) {
    *ready = false;
    if (!m->device) {
        const int rc = mnas_device_open(&m->device, m->spec);
        if (rc == MNAS_ERR_MEMORY) return rc;
        if (rc < 0) return give_up(farm, m, rc);
        mnas_device_limit(m->device, farm->limit.deadline_s, farm->limit.cancel);
    }
    if (layers && !mnas_device_can_measure_layers(m->device)) {
        m->unfit = true;
        return 0;
    }
    if (mnas_farm_judge(farm, m) != MNAS_FARM_READY) {
        const int rc = calibrate(farm, m);
        if (rc < 0) return rc;
    }
    const mnas_pool_record *r = mnas_pool_state_find(&farm->state, m->spec);
    /* by the factor, not by age: where calibrations last no time at all, this one is still good for this turn */
    *ready = r && isnan(r->away_s) && !mnas_farm_is_unequal(farm, m);
    return 0;
}

void mnas_farm_return(mnas_farm_member *member) {
    mnas_lease_return(&member->lease);
}

/* ---- from the member's time to the pool's ---- */

static double or_zero(double x) {
    return isnan(x) ? 0 : x;
}

void mnas_farm_scale(const mnas_farm *farm, const mnas_farm_member *member, mnas_latency *l) {
    const mnas_pool_record *r = mnas_pool_state_find(&farm->state, member->spec);
    const double factor = mnas_farm_factor(farm, member), ms = l->median_ms;
    /* factor = reference / sentinel, two measurements with errors of their own; at 1 they are the same one */
    const double own = factor == 1 ? 0 : or_zero(r->half_frac),
                 reference = factor == 1 ? 0 : or_zero(farm->state.reference_half_frac);
    if (isnan(l->raw_ms)) l->raw_ms = ms;
    if (isnan(l->sentinel_ms)) l->sentinel_ms = r->sentinel_ms;
    /* independent errors add as squares; NaN stays NaN */
    const double low_ms = ms - ms * hypot(hypot(1 - l->ci_low_ms / ms, own), reference);
    l->ci_low_ms = low_ms < 0 ? 0 : factor * low_ms;
    l->ci_high_ms = factor * (ms + ms * hypot(hypot(l->ci_high_ms / ms - 1, own), reference));
    l->median_ms = factor * ms;
    snprintf(l->device, sizeof l->device, "%.95s", member->spec);
}
