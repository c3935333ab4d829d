/* meter_words.c - why a measurement was refused, in words: what was wanted, what was seen of the machine, what would mend it. */
#include <math.h>

#include "base/error.h"
#include "base/str.h"
#include "device/meter_internal.h"

typedef struct reason {
    const char *what; /* "N rounds ..." */
    const char *fix;
} reason;

static const reason causes[MNAS_N_CAUSES] = {
    [MNAS_CAUSE_SWITCHES] = {"were pushed off the core",
                             "Stop other programs, or pin to an idle core (core=N)"},
    [MNAS_CAUSE_SHARE] = {"had to share the core", "Stop other programs, or pin to an idle core (core=N)"},
    [MNAS_CAUSE_STEAL] = {"had their core taken by the host of this virtual machine",
                          "Measure at another time, or on a machine of your own"},
    [MNAS_CAUSE_FREQ] = {"ran at a slower clock", "Set the governor to performance, and let the device cool"},
    [MNAS_CAUSE_DRIFT] =
        {"ran while the device was not as fast as when it was calibrated",
         "Let it cool and come to rest; if it stays so, calibrate=true takes a new reference"},
};

/* Drift the other way. */
static const reason too_fast = {
    "ran while the device was faster than when it was calibrated",
    "It was busy or hot then: once it is at rest, calibrate=true takes a new reference"};

/* Drift of single rounds that is none of most: heat does not come and go like that. */
static const reason unsteady = {"ran while the device's speed was not that of its reference",
                                "Its speed comes and goes: stop what else runs there"};

static const reason slow_clock = {"ran at a slower clock", "Set the governor to performance"};

/* Of all that runs: what measures is 1 a thread itself. */
static const double load_of_others = 1.2;

static const reason *cause_of(const mnas_meter_session *session, int c) {
    const double drift_frac = session->summary.drift_frac;
    const bool small = fabs(drift_frac) <= session->protocol.max_drift_frac;
    if (c == MNAS_CAUSE_FREQ && small) return &slow_clock;
    if (c != MNAS_CAUSE_DRIFT) return &causes[c];
    if (small) return &unsteady;
    return drift_frac < 0 ? &too_fast : &causes[c];
}

/* The cause of most rounds; MNAS_N_CAUSES: none had any. */
static int main_cause(const mnas_protocol_summary *s) {
    int most = MNAS_N_CAUSES;
    for (int c = 0; c < MNAS_N_CAUSES; c++)
        if (s->n_caused[c] > (most < MNAS_N_CAUSES ? s->n_caused[most] : 0)) most = c;
    return most;
}

static void say_number(mnas_str *text, const char *what, double before, double after, const char *unit) {
    if (isnan(after)) return;
    if (isnan(before))
        mnas_str_appendf(text, ", %s %.4g%s", what, after, unit);
    else
        mnas_str_appendf(text, ", %s %.4g to %.4g%s", what, before, after, unit);
}

static void say_conditions(mnas_str *text, const mnas_meter_session *session) {
    const mnas_conditions *before = &session->first.before, *after = &session->last.after;
    const mnas_protocol_summary *s = &session->summary;
    mnas_str_appendf(text, "; rounds differ by %.1f %%", s->spread_frac * 100);
    if (!isnan(s->drift_frac))
        mnas_str_appendf(text, ", drift %+.1f %% (sentinel %.4f ms)", s->drift_frac * 100, s->sentinel_ms);
    say_number(text, "load", before->load, after->load, "");
    say_number(text, "clock", before->freq_mhz, after->freq_mhz, " MHz");
    say_number(text, "heat", before->temp_c, after->temp_c, " C");
    if (after->governor[0]) mnas_str_appendf(text, ", governor %s", after->governor);
}

static void say_fix(mnas_str *text, const mnas_meter_session *session) {
    const int cause = main_cause(&session->summary);
    const double load = fmax(session->first.before.load, session->last.after.load);
    const bool may_be_load = cause == MNAS_CAUSE_DRIFT || cause == MNAS_CAUSE_FREQ;
    if (cause == MNAS_N_CAUSES) return;
    if (may_be_load && load > load_of_others * (double)session->meter->options->threads)
        mnas_str_appendf(text, "A load of %.3g, other programs, is the likely cause: stop them first. ",
                         load);
    mnas_str_appendf(text, "%s. ", cause_of(session, cause)->fix);
}

/* A wider interval helps where enough rounds count; else it is their number that is wanting. */
static void say_less(mnas_str *text, const mnas_meter_session *session) {
    const mnas_protocol_summary *s = &session->summary;
    const bool enough = session->n_rounds - s->n_disturbed - s->n_outlying >= session->protocol.min_rounds;
    mnas_str_append(text, "To accept less: ");
    if (enough)
        mnas_str_appendf(text, "ci=%.2g, or ", fmax(session->protocol.ci_frac, s->half_width_frac) * 1.5);
    mnas_str_append(text, "wide=true, which marks such results");
}

int mnas_meter_refuse(const mnas_meter_session *session, const char *what) {
    const mnas_protocol_summary *s = &session->summary;
    mnas_str text = {0};
    mnas_str_appendf(
        &text,
        "device %s: %s refused: +-%.1f %% of %.4f ms after %d rounds, wanted +-%.1f %% from %d calm ones",
        session->meter->name, what, s->half_width_frac * 100, s->median_ms, session->n_rounds,
        session->protocol.ci_frac * 100, session->protocol.min_rounds);
    for (int c = 0; c < MNAS_N_CAUSES; c++)
        if (s->n_caused[c] > 0)
            mnas_str_appendf(&text, "; %d %s", s->n_caused[c], cause_of(session, c)->what);
    if (s->n_outlying > 0) mnas_str_appendf(&text, "; %d lay far from the others", s->n_outlying);
    say_conditions(&text, session);
    mnas_str_append(&text, ". ");
    say_fix(&text, session);
    say_less(&text, session);
    const int rc =
        mnas_error_set(MNAS_ERR_REFUSED, "%s", mnas_str_ok(&text) ? text.data : "measurement refused");
    mnas_str_free(&text);
    return rc;
}
