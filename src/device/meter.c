/* meter.c - see meter.h. What is decided here is only how rounds follow each other; protocol.c says how many. The caller keeps
 * the device quiet; what still disturbs a round is seen in its context switches, its share of the core and its sentinel. */
#include "device/meter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/stats.h"

/* Less time off the core than that moves a round's median by less than rounds differ. */
static const double min_cpu_frac = 0.97, max_switches_per_s = 50;

struct mnas_meter {
    mnas_link link;
    const mnas_meter_options *options;
    const char *name;
    double deadline_s;           /* monotonic; INFINITY: none */
    const volatile bool *cancel; /* or NULL */
};

int mnas_meter_open(mnas_meter **out, mnas_link link, const mnas_meter_options *options, const char *name) {
    *out = NULL;
    int rc = 0;
    mnas_meter *meter = NULL;
    if (options->max_rounds < options->rounds)
        rc = mnas_error_set(MNAS_ERR_ARG, "max-rounds is %lld; allowed: rounds (%lld) or more",
                            (long long)options->max_rounds, (long long)options->rounds);
    else if (!(meter = calloc(1, sizeof *meter)))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: device %s", name);
    if (rc < 0) {
        link.class->close(link.state);
        return rc;
    }
    *meter = (mnas_meter){.link = link, .options = options, .name = name, .deadline_s = INFINITY};
    *out = meter;
    return 0;
}

void mnas_meter_limit(mnas_meter *meter, double deadline_s, const volatile bool *cancel) {
    meter->deadline_s = deadline_s;
    meter->cancel = cancel;
}

void mnas_meter_close(mnas_meter *meter) {
    if (!meter) return;
    meter->link.class->close(meter->link.state);
    free(meter);
}

/* ---- one question ---- */

/* What is the user's to mend, or the caller's to know, is passed on; a program that gives no sensible answer has failed as a
 * device, whatever the reason. */
static int answer_status(const mnas_meter *meter, int rc) {
    switch (rc) {
    case 0:
    case MNAS_ERR_MEMORY:
    case MNAS_ERR_CANCELLED:
        return rc;
    case MNAS_ERR_INVALID:
    case MNAS_ERR_ARG:
    case MNAS_ERR_MISSING:
        return mnas_error_context(rc, "device %s", meter->name);
    default:
        return mnas_error_context(MNAS_ERR_DEVICE, "device %s: measuring process", meter->name);
    }
}

/* A round that the deadline cuts short is no failure of the device. */
static int ask(mnas_meter *meter, const char *kind, const char *request, char **answer) {
    const double left_s = meter->deadline_s - mnas_clock_now_s();
    *answer = NULL;
    if (meter->cancel && *meter->cancel) return mnas_error_set(MNAS_ERR_CANCELLED, "interrupted");
    int rc = MNAS_ERR_TIMEOUT;
    if (left_s > 0)
        rc = meter->link.class->ask(meter->link.state, kind, request, fmin(meter->options->timeout_s, left_s),
                                    meter->cancel, answer);
    if (rc == MNAS_ERR_TIMEOUT && mnas_clock_now_s() >= meter->deadline_s)
        rc = mnas_error_set(MNAS_ERR_CANCELLED, "the time for measuring is over");
    return rc;
}

static int print_request(char **text, const mnas_meter *meter, const mnas_model *model, int seed) {
    const mnas_meter_options *o = meter->options;
    mnas_wire_request request = {.threads = (int)o->threads,
                                 .core = (int)o->core,
                                 .runs = (int)o->runs,
                                 .time_ms = o->time_ms,
                                 .warmup_ms = o->warmup_ms,
                                 .seed = seed};
    memcpy(request.engine, o->engine, sizeof request.engine);
    *text = NULL;
    int rc = mnas_model_print(model, &request.model);
    if (rc == 0) rc = mnas_wire_print_request(text, &request);
    mnas_wire_free_request(&request);
    return rc;
}

/* ---- a latency ---- */

static int run_round(mnas_meter *meter, mnas_wire_reply *reply, const char *request) {
    char *answer;
    int rc = ask(meter, "latency", request, &answer);
    if (rc == 0) rc = mnas_wire_parse_reply(reply, answer);
    free(answer);
    return answer_status(meter, rc);
}

static void describe(const mnas_wire_reply *first, const mnas_wire_reply *last, mnas_latency *out) {
    out->core = last->core;
    out->emulated = last->emulated;
    out->load_before = first->before.load;
    out->freq_before_mhz = first->before.freq_mhz;
    out->temp_before_c = first->before.temp_c;
    out->load_after = last->after.load;
    out->freq_mhz = last->after.freq_mhz;
    out->temp_c = last->after.temp_c;
    memcpy(out->governor, last->after.governor, sizeof out->governor);
    memcpy(out->cpu, last->after.cpu, sizeof out->cpu);
    memcpy(out->engine, last->engine, sizeof out->engine);
    memcpy(out->arch, last->arch, sizeof out->arch);
}

static void count_round(mnas_latency *out, const mnas_round *round) {
    out->rounds++;
    out->runs += round->runs;
    out->warmup_runs += round->warmup_runs;
    mnas_log_debug(
        "round %d: %.4f ms, p10 %.4f, %d runs, %d preempted, %d switches, %.3f of the core; sentinel %.4f ms",
        out->rounds, round->median_ms, round->p10_ms, round->runs, round->n_preempted, round->n_switches,
        round->cpu_frac, round->sentinel_ms);
}

static int run_rounds(mnas_meter *meter, const char *request, mnas_protocol_summary *summary,
                      mnas_latency *out) {
    const mnas_protocol protocol = {.min_rounds = (int)meter->options->rounds,
                                    .max_rounds = (int)meter->options->max_rounds,
                                    .ci_frac = meter->options->ci,
                                    .ci_level = 0.95,
                                    .max_switches_per_s = max_switches_per_s,
                                    .min_cpu_frac = min_cpu_frac};
    mnas_round rounds[MNAS_PROTOCOL_MAX_ROUNDS];
    mnas_wire_reply first, last;
    mnas_protocol_verdict verdict = MNAS_VERDICT_MORE;
    out->rounds = out->runs = out->warmup_runs = 0;
    for (int n = 0; verdict == MNAS_VERDICT_MORE;
         verdict = mnas_protocol_judge(summary, &protocol, rounds, n)) {
        const int rc = run_round(meter, &last, request);
        if (rc < 0) return rc;
        if (n == 0) first = last;
        rounds[n++] = last.round;
        count_round(out, &last.round);
    }
    describe(&first, &last, out);
    out->wide = verdict == MNAS_VERDICT_GIVE_UP;
    return 0;
}

static int refuse(const mnas_meter *meter, const mnas_protocol_summary *summary, const mnas_latency *out) {
    return mnas_error_set(
        MNAS_ERR_REFUSED,
        "device %s: the interval is +-%.1f %% of %.4f ms after %d rounds, %d of them disturbed; "
        "wanted: %.1f %% from %lld calm ones or more",
        meter->name, summary->half_width_frac * 100, summary->median_ms, out->rounds, summary->n_disturbed,
        meter->options->ci * 100, (long long)meter->options->rounds);
}

static void report(const mnas_meter *meter, const mnas_protocol_summary *summary, mnas_latency *out) {
    out->median_ms = out->raw_ms = summary->median_ms;
    out->ci_low_ms = summary->ci_low_ms;
    out->ci_high_ms = summary->ci_high_ms;
    out->ci_level = summary->ci_level;
    out->spread_frac = summary->spread_frac;
    out->n_disturbed = summary->n_disturbed;
    out->n_cpu_timed = summary->n_cpu_timed;
    out->threads = (int)meter->options->threads;
    if (out->threads == 1)
        snprintf(out->device, sizeof out->device, "%s", meter->name);
    else
        snprintf(out->device, sizeof out->device, "%s%cthreads=%d", meter->name,
                 strchr(meter->name, ':') ? ',' : ':', out->threads);
}

int mnas_meter_measure(mnas_meter *meter, const mnas_model *model, mnas_latency *out) {
    const double start_s = mnas_clock_now_s();
    char *text;
    mnas_protocol_summary summary;
    mnas_clock_iso8601(mnas_clock_unix_ms(), out->time_utc);
    int rc = print_request(&text, meter, model, 0);
    if (rc == 0) rc = run_rounds(meter, text, &summary, out);
    free(text);
    if (rc < 0) return rc;
    report(meter, &summary, out);
    out->elapsed_s = mnas_clock_now_s() - start_s;
    return out->wide && !meter->options->wide ? refuse(meter, &summary, out) : 0;
}

/* ---- layers ---- */

/* One more round: round 0 makes the list, later ones must have the same. */
static int layers_round(mnas_meter *meter, mnas_layer_time **round, int *n, const char *request) {
    char *answer;
    int count = 0;
    int rc = ask(meter, "layers", request, &answer);
    if (rc == 0) rc = mnas_wire_parse_layers(round, &count, answer);
    free(answer);
    if (rc == 0 && *n > 0 && count != *n)
        rc = mnas_error_set(MNAS_ERR_DEVICE, "it has %d layers in one round and %d in another", *n, count);
    *n = count;
    return answer_status(meter, rc);
}

/* Names of the first round, each layer's median over rounds. */
static int layers_median(mnas_layer_time *const *rounds, int n_rounds, int n) {
    double ms[MNAS_PROTOCOL_MAX_ROUNDS];
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < n_rounds; k++) {
            ms[k] = rounds[k][i].ms;
            if (strcmp(rounds[k][i].name, rounds[0][i].name) != 0)
                return mnas_error_set(MNAS_ERR_DEVICE, "layer %d is %s in one round and %s in another", i,
                                      rounds[0][i].name, rounds[k][i].name);
        }
        rounds[0][i].ms = mnas_stats_median(ms, (size_t)n_rounds);
    }
    return 0;
}

/* As many rounds as a latency has at least: a share of it needs no interval of its own. */
int mnas_meter_layers(mnas_meter *meter, const mnas_model *model, mnas_layer_time **layers, int *n) {
    const int n_rounds = (int)meter->options->rounds;
    mnas_layer_time *rounds[MNAS_PROTOCOL_MAX_ROUNDS] = {NULL};
    char *text;
    int rc = print_request(&text, meter, model, 0);
    *n = 0;
    for (int k = 0; k < n_rounds && rc == 0; k++) rc = layers_round(meter, &rounds[k], n, text);
    if (rc == 0) rc = layers_median(rounds, n_rounds, *n);
    if (rc == 0) {
        *layers = rounds[0];
        rounds[0] = NULL;
    }
    for (int k = 0; k < n_rounds; k++) free(rounds[k]);
    free(text);
    return rc;
}

/* ---- other questions ---- */

int mnas_meter_info(mnas_meter *meter, mnas_wire_info *out) {
    char *answer;
    *out = (mnas_wire_info){0};
    int rc = ask(meter, "info", "{}", &answer);
    if (rc == 0) rc = mnas_wire_parse_info(out, answer);
    free(answer);
    return answer_status(meter, rc);
}

int mnas_meter_peaks(mnas_meter *meter, mnas_peaks *out) {
    char none[] = "", *text, *answer = NULL;
    const mnas_wire_request request = {
        .threads = 1, .core = (int)meter->options->core, .runs = 1, .model = none};
    *out = (mnas_peaks){0};
    int rc = mnas_wire_print_request(&text, &request);
    if (rc == 0) rc = ask(meter, "peaks", text, &answer);
    if (rc == 0) rc = mnas_wire_parse_peaks(out, answer);
    free(answer);
    free(text);
    return answer_status(meter, rc);
}

int mnas_meter_logits(mnas_meter *meter, const mnas_model *model, int seed, float **logits, int *n) {
    char *text, *answer = NULL;
    *logits = NULL;
    *n = 0;
    int rc = print_request(&text, meter, model, seed);
    if (rc == 0) rc = ask(meter, "logits", text, &answer);
    if (rc == 0) rc = mnas_wire_parse_logits(logits, n, answer);
    free(answer);
    free(text);
    return answer_status(meter, rc);
}
