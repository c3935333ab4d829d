/* measuring.c - see measuring.h. It stores nothing, trains nothing, and sleeps never.
 *
 * Invariants: a job is there exactly while RUNS; of `probing` and `suspected` one at most is set.
 */
#include "search/measuring.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

enum { MAX_REFUSED = 3, MAX_REFUSED_FIRST = 5 };
/* Questions to a device that is away come ever rarer: after 1, 2, 4, ... and at last this many pauses. */
static const double longest_pause = 30;

void mnas_measuring_begin(mnas_measuring *m) {
    *m = (mnas_measuring){.away_since_s = NAN, .reason = "device"};
}

void mnas_measuring_end(mnas_measuring *m, const mnas_measure_context *context) {
    if (m->job) context->runner->close(m->job);
    m->job = NULL;
}

bool mnas_measuring_is_due(const mnas_measuring *m) {
    return m->state == MNAS_MEASURING_DUE && mnas_clock_now_s() >= m->retry_at_s;
}

static const char *spec_of(const mnas_measuring *m, const mnas_measure_context *c) {
    return c->devices->specs.list[m->device];
}

/* ---- which devices ---- */

/* A probe is a question to the device that failed. */
static bool is_wanted(const mnas_measuring *m, int d) {
    return m->probing ? d == m->device : !m->has[d];
}

static bool is_asked_here(const mnas_measure_context *c, int d) {
    return !c->runner->measure || mnas_device_needs_quiet(c->devices->list[d]);
}

bool mnas_measuring_needs_quiet(const mnas_measuring *m, const mnas_measure_context *c) {
    for (int d = 0; d < c->devices->n; d++)
        if (is_wanted(m, d) && mnas_device_needs_quiet(c->devices->list[d])) return true;
    return false;
}

/* ---- what comes of a question ---- */

static void fail(mnas_measuring *m, const char *reason) {
    m->state = MNAS_MEASURING_FAILED;
    m->reason = reason;
}

static void again(mnas_measuring *m, double after_s) {
    m->state = MNAS_MEASURING_DUE;
    m->idle_since_s = mnas_clock_now_s();
    m->retry_at_s = m->idle_since_s + after_s;
}

static void note_away(mnas_measuring *m, const mnas_measure_context *c, const char *said) {
    const double now_s = mnas_clock_now_s();
    char limit[32];
    mnas_clock_duration(c->wait_s, limit, sizeof limit);
    snprintf(m->away, sizeof m->away, "%.*s", (int)strcspn(said, "\n"), said);
    m->probing = false;
    if (isnan(m->away_since_s) && c->has_worked && c->wait_s > 0)
        mnas_log_warn("device %s is away: %s; waiting for it, at most %s", spec_of(m, c), m->away, limit);
    if (isnan(m->away_since_s)) m->away_since_s = now_s;
    const double left_s = m->away_since_s + c->wait_s - now_s;
    if (c->has_worked && left_s > 0)
        again(m, fmin(left_s, c->pause_s * fmin(longest_pause, ldexp(1, m->n_away++))));
    else
        m->state = MNAS_MEASURING_GIVEN_UP;
}

/* The first network of all is asked until the fifth refusal: it is not lost for a machine that must first be quieted. */
static void note_refused(mnas_measuring *m, mnas_measure_context *c) {
    m->n_refused++;
    snprintf(m->away, sizeof m->away, "%.*s", (int)strcspn(m->why, "\n"), m->why);
    if (!c->has_worked && ++c->n_refused_first >= MAX_REFUSED_FIRST)
        m->state = MNAS_MEASURING_GIVEN_UP;
    else if (c->has_worked && m->n_refused > MAX_REFUSED && c->keeps_refused)
        m->state = MNAS_MEASURING_GIVEN_UP;
    else if (c->has_worked && m->n_refused > MAX_REFUSED)
        fail(m, "device");
    else
        again(m, c->pause_s * 2 * m->n_refused);
}

/* The probe was answered: the network is asked for the last time. */
static void suspect(mnas_measuring *m) {
    m->probing = false;
    m->suspected = true;
    again(m, 0);
}

/* A table that lacks the network. Elsewhere a library, a program or a bundle is missing, and every network would meet the same. */
static bool lacks_network(const mnas_measure_context *c, int device, int status) {
    return status == MNAS_ERR_MISSING && mnas_device_is_recorded(c->devices->list[device]);
}

static int note_failure(mnas_measuring *m, mnas_measure_context *c, const char *name, int device, int status,
                        const char *said) {
    if (status == MNAS_ERR_CANCELLED) return status;
    m->device = device;
    m->status = status;
    if (m->probing) {
        if (status == MNAS_ERR_REFUSED)
            suspect(m); /* a device that answers, if only to refuse, is not away */
        else
            note_away(m, c, said);
        return 0;
    }
    snprintf(m->why, sizeof m->why, "%s", said);
    if (status == MNAS_ERR_INVALID) {
        fail(m, "invalid");
    } else if (status == MNAS_ERR_REFUSED) {
        note_refused(m, c);
    } else if (m->suspected || (lacks_network(c, device, status) && !c->has_worked)) {
        fail(m, "device"); /* the device answers, though not to this network */
    } else if (status != MNAS_ERR_MISSING && m->n_failed++ == 0) {
        mnas_log_info("%s: measuring again after: %.*s", name, (int)strcspn(said, "\n"), said);
        again(m, 0);
    } else {
        m->probing = true;
        again(m, 0);
    }
    return 0;
}

static void note_latency(mnas_measuring *m, mnas_measure_context *c, const mnas_model *model, int device,
                         const mnas_latency *latency) {
    char away[32];
    if (m->probing) {
        suspect(m);
        return;
    }
    if (isfinite(m->away_since_s)) {
        mnas_clock_duration(mnas_clock_now_s() - m->away_since_s, away, sizeof away);
        mnas_log_info("device %s is back after %s", spec_of(m, c), away);
    }
    m->latency[device] = *latency;
    m->has[device] = true;
    m->n_failed = m->n_away = 0;
    m->suspected = false;
    m->away_since_s = NAN;
    for (int d = 0; d < c->devices->n; d++)
        if (!m->has[d]) return;
    m->state = MNAS_MEASURING_DONE;
    c->probe = *model;
    c->has_worked = true;
}

/* ---- asking ---- */

static int ask_here(mnas_measuring *m, mnas_measure_context *c, const mnas_model *model, const char *name,
                    int device) {
    mnas_latency latency;
    const double begun_s = mnas_clock_now_s();
    const int rc = mnas_device_measure(c->devices->list[device], m->probing ? &c->probe : model, &latency);
    m->measure_s += mnas_clock_now_s() - begun_s;
    if (rc < 0) return note_failure(m, c, name, device, rc, mnas_error_message());
    note_latency(m, c, model, device, &latency);
    return 0;
}

/* The devices of the question that a child is asked, in order. */
static int list_child(const mnas_measuring *m, const mnas_measure_context *c, int devices[MNAS_MAX_DEVICES]) {
    int n = 0;
    for (int d = 0; d < c->devices->n; d++)
        if (is_wanted(m, d) && !is_asked_here(c, d)) devices[n++] = d;
    return n;
}

static int ask_child(mnas_measuring *m, const mnas_measure_context *c, const mnas_model *model) {
    int devices[MNAS_MAX_DEVICES];
    const char *specs[MNAS_MAX_DEVICES];
    const int n = list_child(m, c, devices);
    if (n == 0) return 0;
    for (int i = 0; i < n; i++) specs[i] = c->devices->specs.list[devices[i]];
    const mnas_measure_request request = {m->probing ? &c->probe : model, specs, n};
    m->asked_s = mnas_clock_now_s();
    const int rc = c->runner->measure(c->runner->user, &m->job, &request);
    if (rc == 0) m->state = MNAS_MEASURING_RUNS;
    return rc;
}

int mnas_measuring_ask(mnas_measuring *m, mnas_measure_context *c, const mnas_model *model,
                       const char *name) {
    assert(m->state == MNAS_MEASURING_DUE && !m->job);
    if (m->idle_since_s > 0) m->waited_s += mnas_clock_now_s() - m->idle_since_s;
    m->idle_since_s = m->retry_at_s = 0;
    for (int d = 0; d < c->devices->n; d++) {
        if (m->state != MNAS_MEASURING_DUE || !is_wanted(m, d) || !is_asked_here(c, d)) continue;
        const int rc = ask_here(m, c, model, name, d);
        if (rc < 0) return rc;
        if (m->state == MNAS_MEASURING_DUE && (m->probing || m->retry_at_s > 0)) return 0;
    }
    return m->state == MNAS_MEASURING_DUE ? ask_child(m, c, model) : 0;
}

static int take_news(mnas_measuring *m, mnas_measure_context *c, const mnas_model *model, const char *name,
                     const mnas_job_news *news) {
    int devices[MNAS_MAX_DEVICES];
    const int n = list_child(m, c, devices); /* before what it says changes it */
    int taken = 0;
    m->state = MNAS_MEASURING_DUE;
    for (; taken < n && taken < news->n_latencies; taken++)
        note_latency(m, c, model, devices[taken], &news->latencies[taken]);
    if (taken == n || news->status == 0) return 0;
    return note_failure(m, c, name, devices[taken], news->status,
                        news->error ? news->error : mnas_status_text(news->status));
}

int mnas_measuring_poll(mnas_measuring *m, mnas_measure_context *c, const mnas_model *model,
                        const char *name) {
    assert(m->state == MNAS_MEASURING_RUNS);
    const mnas_job_news *news = c->runner->news(m->job);
    if (!news->done) return 0;
    m->measure_s += mnas_clock_now_s() - m->asked_s;
    const int rc = take_news(m, c, model, name, news);
    mnas_measuring_end(m, c);
    return rc;
}

static int say_refused(const mnas_measuring *m, const mnas_measure_context *c, const char *name) {
    char which[128];
    if (c->has_worked)
        snprintf(which, sizeof which, "%s: %d measurements", name, m->n_refused);
    else
        snprintf(which, sizeof which, "the first %d measurements", c->n_refused_first);
    return mnas_error_set(
        MNAS_ERR_REFUSED,
        "%s on %s were all refused: %s; make the machine quieter (mnas doctor --device tells how), or allow "
        "a wider interval in the device's spec (ci=0.03, or wide); the same command then goes on, with "
        "another device in another --study",
        which, spec_of(m, c), m->away);
}

int mnas_measuring_say(const mnas_measuring *m, const mnas_measure_context *c, const char *name) {
    char waited[32] = "";
    if (m->status == MNAS_ERR_REFUSED) return say_refused(m, c, name);
    if (!c->has_worked && (m->status == MNAS_ERR_MISSING || m->status == MNAS_ERR_ARG))
        return mnas_error_set(m->status,
                              "%s cannot be measured: %s; once that is mended the same command goes on, with "
                              "another device in another --study",
                              name, m->away);
    if (c->has_worked && c->wait_s > 0)
        mnas_clock_duration(mnas_clock_now_s() - m->away_since_s, waited, sizeof waited);
    return mnas_error_set(MNAS_ERR_DEVICE,
                          "%s: device %s is away%s%s: %s; once it is back the same command goes on", name,
                          spec_of(m, c), waited[0] ? ", since " : "", waited, m->away);
}
