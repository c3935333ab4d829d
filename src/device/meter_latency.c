/* meter_latency.c - a latency over a link: rounds until protocol.h is content, with the sentinel beside, and what the sentinel
 * should take from a file or, on the first use of a device, from rounds of its own. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "device/meter_internal.h"

/* Of a reference, half the interval: wanted, and the most that is kept for later. */
static const double reference_ci_frac = 0.01, reference_max_frac = 0.03;

typedef mnas_meter_session session;

static void open_session(session *s, mnas_meter *meter, const char *request, double ci_frac) {
    *s = (session){.meter = meter, .request = request, .protocol = mnas_protocol_standard()};
    s->protocol.min_rounds = (int)meter->options->rounds;
    s->protocol.max_rounds = (int)meter->options->max_rounds;
    s->protocol.ci_frac = ci_frac;
}

static int take_round(session *s) {
    char *answer;
    int rc = mnas_meter_ask(s->meter, "latency", s->request, &answer);
    if (rc == 0) rc = mnas_wire_parse_reply(&s->last, answer);
    free(answer);
    if (rc < 0) return mnas_meter_status(s->meter, rc);
    if (s->n_rounds == 0) s->first = s->last;
    const mnas_round *r = &s->last.round;
    s->rounds[s->n_rounds++] = *r;
    mnas_log_debug(
        "round %d: %.4f ms, p10 %.4f, %d runs, %d preempted, %d switches, %.3f of the core; sentinel "
        "%.4f ms, ratio %.4f",
        s->n_rounds, r->median_ms, r->p10_ms, r->runs, r->n_preempted, r->n_switches, r->cpu_frac,
        r->sentinel_ms, r->ratio);
    return 0;
}

static mnas_protocol_verdict judge(session *s) {
    return mnas_protocol_judge(&s->summary, &s->protocol, s->rounds, s->n_rounds);
}

/* ---- the sentinel's reference ---- */

static int make_key(mnas_sentinel_key *key, const mnas_meter *meter, const mnas_wire_reply *reply) {
    mnas_model sentinel;
    mnas_sentinel_model(&sentinel);
    *key = (mnas_sentinel_key){.threads = (int)meter->options->threads, .core = reply->core};
    snprintf(key->device, sizeof key->device, "%s", meter->name);
    memcpy(key->engine, reply->engine, sizeof key->engine);
    memcpy(key->cpu, reply->after.cpu, sizeof key->cpu);
    memcpy(key->arch, reply->arch, sizeof key->arch);
    return mnas_model_key(&sentinel, key->network);
}

/* From enough rounds that nothing disturbed, and narrow: what disturbs all alike makes a narrow interval, too. */
static bool is_good(const session *s) {
    const int n_good = s->n_rounds - s->summary.n_disturbed - s->summary.n_outlying;
    return n_good >= s->protocol.min_rounds && s->summary.half_width_frac <= reference_max_frac;
}

/* The sentinel is measured in its own role beside itself: in turns, as it always will be. */
static int time_sentinel(mnas_meter *meter, session *s) {
    mnas_protocol_verdict verdict = MNAS_VERDICT_MORE;
    while (verdict == MNAS_VERDICT_MORE) {
        const int rc = take_round(s);
        if (rc < 0) return rc;
        mnas_round *r = &s->rounds[s->n_rounds - 1];
        r->median_ms = isnan(r->sentinel_ms) ? r->median_ms : r->sentinel_ms;
        verdict = judge(s);
    }
    if (is_good(s) || meter->options->wide) return 0;
    return mnas_meter_refuse(s, "the reference of the sentinel network");
}

static int take_reference(mnas_meter *meter, const mnas_sentinel_key *key, bool *good) {
    mnas_model sentinel;
    session s;
    char *request;
    mnas_sentinel_reference *r = &meter->reference;
    mnas_sentinel_model(&sentinel);
    int rc = mnas_meter_request(&request, meter, &sentinel, &sentinel, 0);
    open_session(&s, meter, request, reference_ci_frac);
    if (rc == 0) rc = time_sentinel(meter, &s);
    free(request);
    if (rc < 0) return rc;
    *r = (mnas_sentinel_reference){.key = *key,
                                   .ms = s.summary.median_ms,
                                   .half_frac = s.summary.half_width_frac,
                                   .rounds = s.summary.n_used};
    *good = is_good(&s);
    mnas_clock_iso8601(mnas_clock_unix_ms(), r->time_utc);
    mnas_log_info("%s: the sentinel network takes %.4f ms (+-%.1f %%); drift is counted from there",
                  meter->name, r->ms, r->half_frac * 100);
    return 0;
}

/* One that is too uncertain serves this process alone: another may find the device calm. `path` "": nowhere to keep it. */
static int take_and_keep(mnas_meter *meter, const mnas_sentinel_key *key, const char *path) {
    bool good;
    const int rc = take_reference(meter, key, &good);
    if (rc < 0 || !path[0]) return rc;
    mnas_sentinel_reference first; /* another process may have been quicker: then both count from its one */
    if (!meter->options->calibrate && mnas_sentinel_load(&first, path, key) == 0) {
        meter->reference = first;
        return 0;
    }
    if (good) return mnas_sentinel_save(path, &meter->reference);
    mnas_log_warn(
        "%s: the sentinel's reference is too uncertain to be kept (+-%.1f %%, or too few calm rounds)",
        meter->name, meter->reference.half_frac * 100);
    return 0;
}

/* The file that the user named: one that is damaged, or cannot be written, is an error. */
static int find_named(mnas_meter *meter, const mnas_sentinel_key *key) {
    const char *path = meter->options->state;
    const int rc =
        meter->options->calibrate ? MNAS_ERR_MISSING : mnas_sentinel_load(&meter->reference, path, key);
    return rc == MNAS_ERR_MISSING ? take_and_keep(meter, key, path) : rc;
}

/* The cache's is ours to replace. Where there is no cache, or none that can be written, this process does without. */
static int find_cached(mnas_meter *meter, const mnas_sentinel_key *key) {
    char path[MNAS_OPT_STR];
    int rc = MNAS_ERR_MISSING;
    if (mnas_sentinel_path(path, sizeof path, key) < 0) {
        mnas_log_warn("%s; the sentinel's reference is not kept", mnas_error_message());
        path[0] = '\0';
    } else if (!meter->options->calibrate && (rc = mnas_sentinel_load(&meter->reference, path, key)) < 0 &&
               rc != MNAS_ERR_MISSING) {
        mnas_log_warn("%s; it is taken anew", mnas_error_message());
    }
    if (rc == 0) return 0;
    rc = take_and_keep(meter, key, path);
    if (rc != MNAS_ERR_IO && rc != MNAS_ERR_FULL) return rc;
    mnas_log_warn("%s; the sentinel's reference is not kept", mnas_error_message());
    return 0;
}

static int find_reference(mnas_meter *meter, const mnas_sentinel_key *key) {
    return meter->options->state[0] ? find_named(meter, key) : find_cached(meter, key);
}

/* Once the first round has told what the device is. */
static int need_reference(session *s) {
    mnas_meter *meter = s->meter;
    meter->emulated = s->last.emulated;
    if (isnan(s->last.round.sentinel_ms) || meter->emulated) return 0;
    mnas_sentinel_key key;
    int rc = meter->has_reference ? 0 : make_key(&key, meter, &s->last);
    if (rc == 0 && !meter->has_reference) rc = find_reference(meter, &key);
    if (rc < 0) return rc;
    meter->has_reference = true;
    s->protocol.reference_ms = meter->reference.ms;
    return 0;
}

/* ---- a latency ---- */

static void describe_conditions(const session *s, mnas_latency *out) {
    const mnas_wire_reply *last = &s->last;
    out->core = last->core;
    out->emulated = last->emulated;
    out->load_before = s->first.before.load;
    out->freq_before_mhz = s->first.before.freq_mhz;
    out->temp_before_c = s->first.before.temp_c;
    out->load_after = last->after.load;
    out->freq_mhz = last->after.freq_mhz;
    out->temp_c = last->after.temp_c;
    memcpy(out->governor, last->after.governor, sizeof out->governor);
    memcpy(out->cpu, last->after.cpu, sizeof out->cpu);
    memcpy(out->engine, last->engine, sizeof out->engine);
    memcpy(out->arch, last->arch, sizeof out->arch);
}

static void describe_device(const mnas_meter *meter, mnas_latency *out) {
    out->threads = (int)meter->options->threads;
    if (out->threads == 1)
        snprintf(out->device, sizeof out->device, "%s", meter->name);
    else
        snprintf(out->device, sizeof out->device, "%s%cthreads=%d", meter->name,
                 strchr(meter->name, ':') ? ',' : ':', out->threads);
}

static void describe(const session *s, mnas_latency *out) {
    const mnas_protocol_summary *summary = &s->summary;
    out->median_ms = summary->median_ms;
    out->ci_low_ms = summary->ci_low_ms;
    out->ci_high_ms = summary->ci_high_ms;
    out->ci_level = summary->ci_level;
    out->spread_frac = summary->spread_frac;
    out->raw_ms = summary->raw_ms;
    out->sentinel_ms = summary->sentinel_ms;
    out->drift_frac = summary->drift_frac;
    out->n_disturbed = summary->n_disturbed;
    out->n_cpu_timed = summary->n_cpu_timed;
    out->rounds = s->n_rounds;
    out->n_refused = s->n_rounds - summary->n_used;
    out->runs = out->warmup_runs = 0;
    for (int i = 0; i < s->n_rounds; i++) {
        out->runs += s->rounds[i].runs;
        out->warmup_runs += s->rounds[i].warmup_runs;
    }
    describe_conditions(s, out);
    describe_device(s->meter, out);
}

/* All rounds, the first of which says what device it is. */
static int run_rounds(session *s, mnas_protocol_verdict *verdict) {
    int rc = take_round(s);
    if (rc == 0) rc = need_reference(s);
    while (rc == 0 && (*verdict = judge(s)) == MNAS_VERDICT_MORE) rc = take_round(s);
    return rc;
}

int mnas_meter_measure(mnas_meter *meter, const mnas_model *model, mnas_latency *out) {
    const double start_s = mnas_clock_now_s();
    const bool with_sentinel = meter->options->sentinel && !meter->emulated;
    char *request;
    session s;
    mnas_model sentinel;
    mnas_protocol_verdict verdict = MNAS_VERDICT_MORE;
    mnas_sentinel_model(&sentinel);
    mnas_clock_iso8601(mnas_clock_unix_ms(), out->time_utc);
    int rc = mnas_meter_request(&request, meter, model, with_sentinel ? &sentinel : NULL, 0);
    open_session(&s, meter, request, meter->options->ci);
    if (rc == 0) rc = run_rounds(&s, &verdict);
    free(request);
    if (rc < 0) return rc;
    describe(&s, out);
    out->elapsed_s = mnas_clock_now_s() - start_s;
    out->wide = verdict == MNAS_VERDICT_GIVE_UP;
    return out->wide && !meter->options->wide && !meter->emulated ? mnas_meter_refuse(&s, model->name) : 0;
}
