/* device_local.c - latency on this machine: rounds in fresh processes of our own binary, one core, batch 1.
 *
 * What is decided here is only how to run a round; protocol.c says how many. The caller keeps the machine
 * quiet (needs_quiet); what still disturbs a round is seen in its context switches and its share of the core.
 */
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/stats.h"
#include "device/conditions.h"
#include "device/device.h"
#include "device/protocol.h"
#include "device/wire.h"

typedef struct local_opts {
    int64_t threads, core, rounds, max_rounds, runs;
    double time_ms, warmup_ms, ci, timeout_s;
    bool strict;
} local_opts;

#define FIELD(name) offsetof(local_opts, name)
static const mnas_opt options[] = {
    {"threads", MNAS_OPT_INT, FIELD(threads), "1", 1, 1024, "threads",
     "of the network; more than 1 are not pinned", NULL},
    {"core", MNAS_OPT_INT, FIELD(core), "-1", -1, 1023, "core", "to pin to; -1: the fastest, else the last",
     NULL},
    {"rounds", MNAS_OPT_INT, FIELD(rounds), "5", 3, MNAS_PROTOCOL_MAX_ROUNDS, "processes",
     "calm rounds at least", NULL},
    {"max-rounds", MNAS_OPT_INT, FIELD(max_rounds), "10", 3, MNAS_PROTOCOL_MAX_ROUNDS, "processes",
     "rounds at most, disturbed ones counted", NULL},
    {"runs", MNAS_OPT_INT, FIELD(runs), "20", 5, MNAS_WIRE_MAX_RUNS, "runs", "timed in a round at least",
     NULL},
    {"time", MNAS_OPT_FLOAT, FIELD(time_ms), "100", 1, 60000, "ms",
     "timed in a round at least, or 20000 runs", NULL},
    {"warmup", MNAS_OPT_FLOAT, FIELD(warmup_ms), "50", 1, 60000, "ms",
     "before timing at least; longer until stable", NULL},
    {"ci", MNAS_OPT_FLOAT, FIELD(ci), "0.05", 0.0001, 1, "of the median",
     "more rounds until half the interval is so narrow", NULL},
    {"strict", MNAS_OPT_BOOL, FIELD(strict), "false", 0, 0, NULL,
     "fail where the interval stays wider than ci, or too few rounds are calm", NULL},
    {"timeout", MNAS_OPT_FLOAT, FIELD(timeout_s), "120", 1, 86400, "s", "for one round", NULL},
    MNAS_OPT_END};

/* Less time off the core than that moves a round's median by less than rounds differ. */
static const double min_cpu_frac = 0.97, max_switches_per_s = 50;

typedef struct local_state {
    const local_opts *opts;
    int core;                    /* -1: not pinned */
    double deadline_s;           /* monotonic; INFINITY: none */
    const volatile bool *cancel; /* or NULL */
} local_state;

static int choose_core(int64_t wanted, int *core) {
    cpu_set_t set;
    bool allowed[CPU_SETSIZE];
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return mnas_error_errno("cannot read this process's cores");
    for (int i = 0; i < CPU_SETSIZE; i++) allowed[i] = CPU_ISSET((size_t)i, &set);
    *core = wanted < 0 ? mnas_conditions_best_core("", allowed, CPU_SETSIZE) : (int)wanted;
    if (*core >= 0 && *core < CPU_SETSIZE && allowed[*core]) return 0;
    return mnas_error_set(MNAS_ERR_ARG, "core is %d, which this process may not use; it has %d cores", *core,
                          CPU_COUNT(&set));
}

static int local_open(void **state, const void *opts) {
    const local_opts *o = opts;
    if (o->max_rounds < o->rounds)
        return mnas_error_set(MNAS_ERR_ARG, "max-rounds is %lld; allowed: rounds (%lld) or more",
                              (long long)o->max_rounds, (long long)o->rounds);
    local_state *s = calloc(1, sizeof *s);
    if (!s) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: device local");
    s->opts = o;
    s->core = -1;
    s->deadline_s = INFINITY;
    const int rc = o->threads == 1 ? choose_core(o->core, &s->core) : 0;
    if (rc < 0)
        free(s);
    else
        *state = s;
    return rc;
}

static void local_limit(void *state, double deadline_s, const volatile bool *cancel) {
    local_state *s = state;
    s->deadline_s = deadline_s;
    s->cancel = cancel;
}

static void local_close(void *state) {
    free(state);
}

/* A child that gives no sensible answer has failed as a device, whatever the reason; a failure that it states
 * is passed on. */
static int child_status(int rc) {
    if (rc == 0 || rc == MNAS_ERR_MEMORY || rc == MNAS_ERR_CANCELLED) return rc;
    return mnas_error_context(rc == MNAS_ERR_INVALID ? rc : MNAS_ERR_DEVICE, "measuring process");
}

/* A round that the deadline cuts short is no failure of the device. */
static int ask_child(char **answer, const char *kind, const char *request, const local_state *s) {
    const char *const argv[] = {mnas_proc_self(), "worker", kind, NULL};
    const double left_s = s->deadline_s - mnas_clock_now_s();
    *answer = NULL;
    if (s->cancel && *s->cancel) return mnas_error_set(MNAS_ERR_CANCELLED, "interrupted");
    int rc = left_s <= 0 ? MNAS_ERR_TIMEOUT
                         : mnas_proc_run(argv, request, fmin(s->opts->timeout_s, left_s), answer);
    if (rc == MNAS_ERR_TIMEOUT && mnas_clock_now_s() >= s->deadline_s)
        rc = mnas_error_set(MNAS_ERR_CANCELLED, "the time for measuring is over");
    return rc;
}

static int run_round(mnas_wire_reply *reply, const char *request, const local_state *s) {
    char *answer;
    int rc = ask_child(&answer, "latency", request, s);
    if (rc == 0) rc = mnas_wire_parse_reply(reply, answer);
    free(answer);
    return child_status(rc);
}

static int run_rounds(const local_state *s, const char *request, mnas_wire_reply *last,
                      mnas_protocol_summary *summary, mnas_latency *out) {
    const mnas_protocol protocol = {.min_rounds = (int)s->opts->rounds,
                                    .max_rounds = (int)s->opts->max_rounds,
                                    .ci_frac = s->opts->ci,
                                    .ci_level = 0.95,
                                    .max_switches_per_s = max_switches_per_s,
                                    .min_cpu_frac = min_cpu_frac};
    mnas_round rounds[MNAS_PROTOCOL_MAX_ROUNDS];
    mnas_protocol_verdict verdict = MNAS_VERDICT_MORE;
    out->runs = out->warmup_runs = 0;
    for (int n = 0; verdict == MNAS_VERDICT_MORE;
         verdict = mnas_protocol_judge(summary, &protocol, rounds, n)) {
        const int rc = run_round(last, request, s);
        if (rc < 0) return rc;
        rounds[n++] = last->round;
        out->runs += last->round.runs;
        out->warmup_runs += last->round.warmup_runs;
        out->rounds = n;
        mnas_log_debug("round %d: %.4f ms, p10 %.4f, %d runs, %d preempted, %d switches, %.3f of the core", n,
                       last->round.median_ms, last->round.p10_ms, last->round.runs, last->round.n_preempted,
                       last->round.n_switches, last->round.cpu_frac);
    }
    if (verdict == MNAS_VERDICT_DONE) return 0;
    if (s->opts->strict)
        return mnas_error_set(MNAS_ERR_DEVICE,
                              "the interval is +-%.1f %% of %.4f ms after %d rounds, %d of them disturbed; "
                              "wanted: %.1f %% from %d calm ones or more",
                              summary->half_width_frac * 100, summary->median_ms, out->rounds,
                              summary->n_disturbed, s->opts->ci * 100, protocol.min_rounds);
    mnas_log_debug("interval is +-%.1f %% of %.4f ms after %d rounds, %d disturbed",
                   summary->half_width_frac * 100, summary->median_ms, out->rounds, summary->n_disturbed);
    return 0;
}

static void describe(const local_state *s, const mnas_conditions *before, const mnas_wire_reply *last,
                     const mnas_protocol_summary *summary, mnas_latency *out) {
    out->median_ms = summary->median_ms;
    out->ci_low_ms = summary->ci_low_ms;
    out->ci_high_ms = summary->ci_high_ms;
    out->ci_level = summary->ci_level;
    out->spread_frac = summary->spread_frac;
    out->n_disturbed = summary->n_disturbed;
    out->n_cpu_timed = summary->n_cpu_timed;
    out->threads = (int)s->opts->threads;
    out->core = s->core;
    out->load_before = before->load;
    memcpy(out->cpu, before->cpu, sizeof out->cpu);
    snprintf(out->engine, sizeof out->engine, "%s", last->engine);
    snprintf(out->device, sizeof out->device, s->opts->threads == 1 ? "local" : "local:threads=%d",
             out->threads);
}

static int print_request(char **text, const local_state *s, const mnas_model *model) {
    const mnas_wire_request request = {.threads = (int)s->opts->threads,
                                       .core = s->core,
                                       .runs = (int)s->opts->runs,
                                       .time_ms = s->opts->time_ms,
                                       .warmup_ms = s->opts->warmup_ms};
    char *yaml = NULL;
    *text = NULL;
    int rc = mnas_model_print(model, &yaml);
    if (rc == 0) rc = mnas_wire_print_request(text, &request, yaml);
    free(yaml);
    return rc;
}

static int local_measure(void *state, const mnas_model *model, mnas_latency *out) {
    const local_state *s = state;
    const double start_s = mnas_clock_now_s();
    char *text;
    mnas_conditions before, after;
    mnas_protocol_summary summary;
    mnas_wire_reply last;
    mnas_clock_iso8601(mnas_clock_unix_ms(), out->time_utc);
    mnas_conditions_read(&before, "", s->core);
    int rc = print_request(&text, s, model);
    if (rc == 0) rc = run_rounds(s, text, &last, &summary, out);
    if (rc == 0) {
        describe(s, &before, &last, &summary, out);
        /* frequency and heat as the runs left them: before, the machine was idle */
        mnas_conditions_read(&after, "", s->core);
        out->freq_mhz = after.freq_mhz;
        out->temp_c = after.temp_c;
        memcpy(out->governor, after.governor, sizeof out->governor);
        out->elapsed_s = mnas_clock_now_s() - start_s;
    }
    free(text);
    return rc;
}

/* ---- layers ---- */

/* One more round: round 0 makes the list, later ones must have the same. */
static int layers_round(mnas_layer_time **round, int *n, const char *request, const local_state *s) {
    char *answer;
    int count = 0;
    int rc = ask_child(&answer, "layers", request, s);
    if (rc == 0) rc = mnas_wire_parse_layers(round, &count, answer);
    free(answer);
    if (rc == 0 && *n > 0 && count != *n)
        rc = mnas_error_set(MNAS_ERR_DEVICE, "it has %d layers in one round and %d in another", *n, count);
    *n = count;
    return child_status(rc);
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
static int local_measure_layers(void *state, const mnas_model *model, mnas_layer_time **layers, int *n) {
    const local_state *s = state;
    const int n_rounds = (int)s->opts->rounds;
    mnas_layer_time *rounds[MNAS_PROTOCOL_MAX_ROUNDS] = {NULL};
    char *text;
    int rc = print_request(&text, s, model);
    *n = 0;
    for (int k = 0; k < n_rounds && rc == 0; k++) rc = layers_round(&rounds[k], n, text, s);
    if (rc == 0) rc = layers_median(rounds, n_rounds, *n);
    if (rc == 0) {
        *layers = rounds[0];
        rounds[0] = NULL;
    }
    for (int k = 0; k < n_rounds; k++) free(rounds[k]);
    free(text);
    return rc;
}

const mnas_device_class mnas_device_class_local = {
    .plugin = {"local", "this machine's CPU through XNNPACK, batch 1", options, sizeof(local_opts)},
    .needs_quiet = true,
    .open = local_open,
    .limit = local_limit,
    .measure = local_measure,
    .measure_layers = local_measure_layers,
    .close = local_close,
};
