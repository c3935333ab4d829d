/* worker.c - one round of a measurement, in a process of its own: build, warm up, time.
 *
 * It decides nothing about other rounds (protocol.h) and starts no process. Only the invocations of the
 * network are timed: no copy of the image, no clock but the one read on either side of a run.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/stats.h"
#include "device/device.h"
#include "device/worker_job.h"
#include "ops/xnn.h"

#define ENGINE "xnnpack 2022-02 (Debian 12)"
enum { WARMUP_BATCH = 5 };
/* Warm is when two batches of runs in a row have medians this close; a machine that never settles is timed
 * all the same after so many times the wanted warm-up, the rounds then show it. */
static const double warm_frac = 0.02, warmup_limit = 6;

/* One timed run. */
static int run_once(mnas_xnn *net, double *ms) {
    const int64_t start = mnas_clock_now_ns();
    const int rc = mnas_xnn_invoke(net);
    *ms = (double)(mnas_clock_now_ns() - start) / 1e6;
    return rc;
}

static int warm_up(mnas_xnn *net, double at_least_ms, int *n_runs) {
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

/* Runs pushed off the core are repeated, up to this many times the wanted number in all. */
static const int most_tries = 3;

static int take_samples(mnas_xnn *net, const mnas_wire_request *request, mnas_run *runs, mnas_round *round) {
    const int first = mnas_worker_switches();
    const double start_s = mnas_clock_now_s(), cpu_s = thread_cpu_s(),
                 end_s = start_s + request->time_ms / 1e3;
    int n = 0, n_clean = 0;
    for (int before = first, after; n < MNAS_WIRE_MAX_RUNS; before = after, n++) {
        const bool enough = n_clean >= request->runs || n >= most_tries * request->runs;
        if (enough && mnas_clock_now_s() >= end_s) break;
        const double run_cpu_s = thread_cpu_s();
        const int rc = run_once(net, &runs[n].ms);
        if (rc < 0) return rc;
        runs[n].cpu_ms = (thread_cpu_s() - run_cpu_s) * 1e3;
        after = mnas_worker_switches();
        /* of several threads, this one's time on a core says nothing about the others' */
        runs[n].preempted = request->threads == 1 && after != before;
        n_clean += !runs[n].preempted;
    }
    round->timed_s = mnas_clock_now_s() - start_s;
    round->cpu_frac = (thread_cpu_s() - cpu_s) / round->timed_s;
    round->n_switches = mnas_worker_switches() - first;
    return mnas_protocol_reduce_runs(round, runs, n);
}

static int time_network(mnas_xnn *net, const mnas_wire_request *request, mnas_round *round) {
    mnas_run *runs = malloc(MNAS_WIRE_MAX_RUNS * sizeof *runs);
    if (!runs) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: samples");
    memset(runs, 0, MNAS_WIRE_MAX_RUNS * sizeof *runs); /* page faults now, not between two runs */
    int rc = warm_up(net, request->warmup_ms, &round->warmup_runs);
    if (rc == 0) rc = take_samples(net, request, runs, round);
    free(runs);
    return rc;
}

static int measure_round(char **reply_text, FILE *in) {
    mnas_worker_job job = {0};
    mnas_xnn *net = NULL;
    mnas_wire_reply reply = {.engine = ENGINE};
    int rc = mnas_worker_open(&job, in);
    if (rc < 0) goto out;
    if ((rc = mnas_xnn_create_threads(&net, job.graph, job.weights, job.request.threads)) < 0) goto out;
    if ((rc = mnas_xnn_run(net, job.image, job.logits)) < 0) goto out;
    if ((rc = time_network(net, &job.request, &reply.round)) < 0) goto out;
    reply.core = job.request.threads == 1 ? job.request.core : -1;
    rc = mnas_wire_print_reply(reply_text, &reply);
out:
    mnas_xnn_destroy(net);
    mnas_worker_close(&job);
    return rc;
}

int mnas_device_worker_latency(FILE *in, FILE *out) {
    char *reply = NULL;
    const int rc = measure_round(&reply, in);
    return mnas_worker_answer(out, rc, reply);
}
