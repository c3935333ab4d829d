/* worker_latency.c - one round of a measurement, in a process of its own: build, warm up, time.
 *
 * Where there is a sentinel, network and sentinel take turns of a few milliseconds, so that frequency, heat, neighbours and
 * whatever else changes from second to second meet both. It decides nothing about other rounds (protocol.h) and starts no process.
 * Only the invocations of the networks are timed: no copy of the image, no clock but the one read on either side of a run.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/stats.h"
#include "device/worker.h"
#include "device/worker_job.h"

enum { WARMUP_BATCH = 5, N_TURNS = 6 };
/* Warm is when two batches of runs in a row have medians this close; a machine that never settles is timed
 * all the same after so many times the wanted warm-up, the rounds then show it. */
static const double warm_frac = 0.02, warmup_limit = 6;
/* Runs pushed off the core are repeated, up to this many times the wanted number in all. */
static const int most_tries = 3;

/* A network and its runs. */
typedef struct timed {
    mnas_infer *net;
    mnas_run *runs; /* [MNAS_WIRE_MAX_RUNS] */
    int n, n_clean;
} timed;

/* One timed run. */
static int run_once(mnas_infer *net, double *ms) {
    const int64_t start = mnas_clock_now_ns();
    const int rc = mnas_infer_invoke(net);
    *ms = (double)(mnas_clock_now_ns() - start) / 1e6;
    return rc;
}

static int warm_up(mnas_infer *net, double at_least_ms, int *n_runs) {
    const double start_s = mnas_clock_now_s();
    double batch[WARMUP_BATCH], before = NAN;
    for (*n_runs = 0;; *n_runs += WARMUP_BATCH) {
        for (int i = 0; i < WARMUP_BATCH; i++) {
            const int rc = run_once(net, &batch[i]);
            if (rc < 0) return rc;
        }
        const double now = mnas_stats_median(batch, WARMUP_BATCH),
                     spent_ms = (mnas_clock_now_s() - start_s) * 1e3;
        const bool stable = fabs(now - before) <= warm_frac * now;
        if ((spent_ms >= at_least_ms && stable) || spent_ms >= warmup_limit * at_least_ms) break;
        before = now;
    }
    *n_runs += WARMUP_BATCH;
    return 0;
}

static double thread_cpu_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of several threads, this one's time on a core says nothing about the others'. */
static int take_run(timed *t, int turn, bool one_thread) {
    mnas_run *run = &t->runs[t->n];
    const int switches = mnas_worker_switches();
    const double cpu_s = thread_cpu_s();
    const int rc = run_once(t->net, &run->ms);
    run->cpu_ms = (thread_cpu_s() - cpu_s) * 1e3;
    run->preempted = one_thread && mnas_worker_switches() != switches;
    run->turn = turn;
    t->n++;
    t->n_clean += !run->preempted;
    return rc;
}

/* Runs until both `ms` and `n_wanted` calm ones are over. The first after the other network's turn finds the caches full of
 * that, and is no sample. */
static int take_turn(timed *t, int turn, double ms, int n_wanted, const mnas_wire_request *request) {
    double cold_ms;
    const int rc = run_once(t->net, &cold_ms);
    if (rc < 0) return rc;
    const double end_s = mnas_clock_now_s() + ms / 1e3;
    const int first_clean = t->n_clean, most = t->n + most_tries * n_wanted;
    while (t->n < MNAS_WIRE_MAX_RUNS) {
        const bool enough = t->n_clean - first_clean >= n_wanted || t->n >= most;
        if (enough && mnas_clock_now_s() >= end_s) break;
        const int run_rc = take_run(t, turn, request->threads == 1);
        if (run_rc < 0) return run_rc;
    }
    return 0;
}

/* `sentinel` without a network: there is none. */
static int take_turns(timed *net, timed *sentinel, const mnas_wire_request *request, mnas_round *round) {
    const int first = mnas_worker_switches(), n_runs = (request->runs + N_TURNS - 1) / N_TURNS;
    const double start_s = mnas_clock_now_s(), cpu_s = thread_cpu_s(), turn_ms = request->time_ms / N_TURNS;
    for (int turn = 0; turn < N_TURNS; turn++) {
        int rc = take_turn(net, turn, turn_ms, n_runs, request);
        if (rc == 0 && sentinel->net) rc = take_turn(sentinel, turn, turn_ms / 2, 3, request);
        if (rc < 0) return rc;
    }
    round->timed_s = mnas_clock_now_s() - start_s;
    round->cpu_frac = request->threads == 1 ? (thread_cpu_s() - cpu_s) / round->timed_s : (double)NAN;
    round->n_switches = mnas_worker_switches() - first;
    return mnas_protocol_reduce_runs(round, net->runs, net->n, sentinel->runs, sentinel->n);
}

static int make_room(timed *t) {
    t->runs = malloc(MNAS_WIRE_MAX_RUNS * sizeof *t->runs);
    if (!t->runs) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: samples");
    memset(t->runs, 0, MNAS_WIRE_MAX_RUNS * sizeof *t->runs); /* page faults now, not between two runs */
    return 0;
}

static int time_networks(mnas_infer *net, mnas_infer *sentinel, const mnas_wire_request *request,
                         mnas_round *round) {
    timed a = {.net = net}, b = {.net = sentinel};
    int ignored;
    int rc = make_room(&a);
    if (rc == 0) rc = make_room(&b);
    if (rc == 0 && sentinel) rc = warm_up(sentinel, request->warmup_ms / 2, &ignored);
    if (rc == 0) rc = warm_up(net, request->warmup_ms, &round->warmup_runs);
    if (rc == 0) rc = take_turns(&a, &b, request, round);
    free(a.runs);
    free(b.runs);
    return rc;
}

static void describe(mnas_wire_reply *reply, const mnas_worker_job *job, const mnas_infer *net) {
    struct utsname system = {0};
    uname(&system);
    reply->core = job->core;
    reply->emulated = mnas_conditions_emulated();
    snprintf(reply->engine, sizeof reply->engine, "%s", mnas_infer_name(net));
    snprintf(reply->arch, sizeof reply->arch, "%.*s", (int)sizeof reply->arch - 1, system.machine);
}

/* Stolen time comes in ticks: one more or less is none. */
static void note_conditions(mnas_wire_reply *reply) {
    const double tick_s = 1.0 / (double)sysconf(_SC_CLK_TCK),
                 stolen_s = reply->after.steal_s - reply->before.steal_s - tick_s;
    reply->round.steal_frac = isnan(stolen_s) ? stolen_s : fmax(0, stolen_s) / reply->round.timed_s;
    reply->round.freq_mhz = reply->after.freq_mhz;
}

static int measure_round(char **reply_text, FILE *in) {
    mnas_worker_job job = {0};
    mnas_worker_net net = {0}, sentinel = {0};
    mnas_wire_reply reply = {0};
    int rc = mnas_worker_open(&job, in);
    if (rc < 0) goto out;
    mnas_conditions_read(&reply.before, "", job.core);
    if (job.request.sentinel)
        if ((rc = mnas_worker_build(&sentinel, &job, job.request.sentinel, false)) < 0) goto out;
    if ((rc = mnas_worker_build(&net, &job, job.request.model, false)) < 0) goto out;
    if ((rc = time_networks(net.net, sentinel.net, &job.request, &reply.round)) < 0) goto out;
    mnas_conditions_read(&reply.after, "", job.core);
    note_conditions(&reply);
    describe(&reply, &job, net.net);
    rc = mnas_wire_print_reply(reply_text, &reply);
out:
    mnas_worker_unbuild(&net);
    mnas_worker_unbuild(&sentinel);
    mnas_worker_close(&job);
    return rc;
}

int mnas_device_worker_latency(FILE *in, FILE *out) {
    char *reply = NULL;
    const int rc = measure_round(&reply, in);
    return mnas_worker_answer(out, rc, reply);
}
