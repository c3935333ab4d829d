/* job_process.c - a training or a measuring in a child process of our own binary. What it writes to stderr is kept for the
 * case that it fails; how it ends becomes one status, here and nowhere else. It decides no time limit and
 * retries nothing. */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/proc.h"
#include "base/str.h"
#include "search/trial_wire.h"

enum { STDERR_KEPT = 4000, MAX_JOBS = 256 };

struct mnas_job {
    mnas_proc *proc;
    mnas_job_news news;
    const char *what; /* "training", "measuring" */
    int n_wanted;     /* latencies */
    size_t room;      /* for epochs */
    bool has_result, has_error;
    char *error;
};

static void close_job(mnas_job *job) {
    if (!job) return;
    mnas_proc_free(job->proc);
    free(job->news.epoch_accuracy_frac);
    free(job->news.latencies);
    free(job->error);
    free(job);
}

/* `text` is given to `mnas worker KIND`. */
static int start_process(mnas_job **out, const char *kind, const char *what, const char *text,
                         int64_t memory_bytes) {
    const char *const argv[] = {mnas_proc_self(), "worker", kind, NULL};
    mnas_job *job = calloc(1, sizeof *job);
    if (!job) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a %s", what);
    job->news.frac = NAN;
    job->what = what;
    const int rc = mnas_proc_start(&job->proc, argv, text, memory_bytes);
    if (rc < 0)
        close_job(job);
    else
        *out = job;
    return rc;
}

static int start(void *user, mnas_job **out, const mnas_job_request *request) {
    (void)user;
    char *text = NULL;
    *out = NULL;
    int rc = mnas_trial_wire_print_request(&text, request);
    if (rc == 0) rc = start_process(out, "trial", "training", text, request->memory_bytes);
    free(text);
    return rc;
}

static int start_measuring(void *user, mnas_job **out, const mnas_measure_request *request) {
    (void)user;
    char *text = NULL;
    *out = NULL;
    int rc = mnas_trial_wire_print_measure(&text, request);
    if (rc == 0) rc = start_process(out, "measure", "measuring", text, 0);
    free(text);
    if (rc == 0) (*out)->n_wanted = request->n_devices;
    return rc;
}

/* ---- what it says ---- */

static int add_epoch(mnas_job *job, double accuracy_frac) {
    mnas_job_news *news = &job->news;
    if ((size_t)news->n_epochs == job->room) {
        const size_t room = job->room ? 2 * job->room : 8;
        double *grown = realloc(news->epoch_accuracy_frac, room * sizeof *grown);
        if (!grown) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu epochs", room);
        news->epoch_accuracy_frac = grown;
        job->room = room;
    }
    news->epoch_accuracy_frac[news->n_epochs++] = accuracy_frac;
    return 0;
}

static int add_latency(mnas_job *job, const mnas_latency *latency) {
    mnas_job_news *news = &job->news;
    if (news->n_latencies == job->n_wanted) return 0; /* more than was asked: not to be trusted, nor needed */
    mnas_latency *grown = realloc(news->latencies, (size_t)(news->n_latencies + 1) * sizeof *grown);
    if (!grown) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a latency");
    news->latencies = grown;
    grown[news->n_latencies++] = *latency;
    job->has_result = news->n_latencies == job->n_wanted;
    return 0;
}

static void set_error(mnas_job *job, int status, const char *message) {
    mnas_str text = {0};
    const char *tail = mnas_proc_done(job->proc) ? mnas_proc_result_of(job->proc)->err : "";
    const size_t n = strlen(tail);
    mnas_str_append(&text, message);
    if (n > 0) mnas_str_appendf(&text, "\n%s", tail + (n > STDERR_KEPT ? n - STDERR_KEPT : 0));
    free(job->error);
    job->error = text.data;
    job->news.status = status;
    job->news.error = job->error;
}

static int take_line(mnas_job *job, const char *text) {
    mnas_trial_wire_line line;
    int rc = mnas_trial_wire_parse_line(&line, text);
    if (rc < 0) {
        line.kind = MNAS_TRIAL_WIRE_ERROR;
        line.status = rc == MNAS_ERR_NAN ? rc : MNAS_ERR_CHILD;
        snprintf(line.message, sizeof line.message, "%s", mnas_error_message());
    }
    switch (line.kind) {
    case MNAS_TRIAL_WIRE_STEP:
        job->news.frac = line.frac;
        break;
    case MNAS_TRIAL_WIRE_EPOCH:
        return add_epoch(job, line.accuracy_frac);
    case MNAS_TRIAL_WIRE_RESULT:
        job->news.result = line.result;
        job->has_result = true;
        break;
    case MNAS_TRIAL_WIRE_LATENCY:
        return add_latency(job, &line.latency);
    case MNAS_TRIAL_WIRE_ERROR:
        job->has_error = true;
        set_error(job, line.status, line.message);
        break;
    }
    return 0;
}

/* ---- how it ends ---- */

static bool ran_out_of_memory(const mnas_proc_result *r) {
    /* oneDNN is C++ inside; the kernel's own killer leaves nothing but the signal */
    return r->signal == SIGKILL || strstr(r->err, "bad_alloc") || strstr(r->err, "ut of memory");
}

static void end(mnas_job *job) {
    const mnas_proc_result *r = mnas_proc_result_of(job->proc);
    char message[256];
    job->news.done = true;
    if (job->has_error) {
        char *said = job->error;
        job->error = NULL;
        set_error(job, job->news.status, said ? said : "it failed"); /* again, now with stderr */
        free(said);
        return;
    }
    if (job->has_result && r->exit_code == 0) return;
    if (r->signal)
        snprintf(message, sizeof message, "the %s process was ended by signal %d (%s)%s", job->what,
                 r->signal, strsignal(r->signal),
                 r->signal == SIGKILL ? ", most likely for want of memory" : "");
    else
        snprintf(message, sizeof message, "the %s process ended with exit code %d and no result", job->what,
                 r->exit_code);
    set_error(job, ran_out_of_memory(r) ? MNAS_ERR_MEMORY : MNAS_ERR_CHILD, message);
}

static int collect(mnas_job *job) {
    const char *line;
    int rc = 0;
    if (job->news.done) return 0;
    const bool done = mnas_proc_done(job->proc); /* before reading: then all lines are there */
    while (rc == 0 && (line = mnas_proc_next_line(job->proc))) rc = take_line(job, line);
    if (rc == 0 && done) end(job);
    return rc;
}

static int wait_for(void *user, mnas_job *const *jobs, size_t n, int timeout_ms) {
    (void)user;
    mnas_proc *procs[MAX_JOBS] = {0};
    bool any = false;
    if (n > MAX_JOBS) n = MAX_JOBS;
    for (size_t i = 0; i < n; i++) {
        procs[i] = jobs[i] ? jobs[i]->proc : NULL;
        any = any || procs[i];
    }
    if (!any) { /* all await a device: a search that spins would be what disturbs its measurements */
        mnas_clock_sleep_ms(timeout_ms);
        return 0;
    }
    int rc = mnas_proc_wait(procs, n, timeout_ms);
    for (size_t i = 0; i < n && rc == 0; i++)
        if (jobs[i]) rc = collect(jobs[i]);
    return rc;
}

static const mnas_job_news *news_of(mnas_job *job) {
    return &job->news;
}

static void pause_job(mnas_job *job) {
    mnas_proc_pause(job->proc);
}

static void resume_job(mnas_job *job) {
    mnas_proc_resume(job->proc);
}

const mnas_job_runner mnas_job_runner_process = {start,      wait_for,  news_of, pause_job,
                                                 resume_job, close_job, NULL,    start_measuring};
