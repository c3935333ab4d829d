/* proc.c - child processes over three pipes, watched with poll.
 *
 * Between fork and exec the child makes only calls that are safe there, on memory prepared before. It does
 * not read a child's stderr for meaning, and starts no threads. PR_SET_PDEATHSIG looks at the thread that
 * forked: start children from a thread that lives as long as they should.
 *
 * Invariants: a proc is `done` exactly when its child has been reaped and what it wrote has been read; until
 * then its pid (perhaps of a zombie) is ours, so that no signal can hit a stranger. All descriptors are close-on-exec.
 */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

#define ERR_KEPT         ((size_t)64 << 10) /* tail of stderr */
#define READ_BYTES       ((size_t)64 << 10)
#define MAX_READS        16 /* per look: no child can keep us reading, and a whole pipe (at most 1 MiB) fits */
#define MAX_UNREAD       ((size_t)64 << 20) /* of stdout that nobody has taken: more is no answer */
#define N_FDS            4
#define NO_PIDFD_POLL_MS 10

struct mnas_proc {
    pid_t pid;
    int in, out, err; /* our ends of the pipes, non-blocking; -1 when closed */
    int pidfd;        /* readable when the child has ended; -1 on kernels without */
    char *program;
    char *input;
    size_t n_input, n_written;
    mnas_str output; /* [0, n_taken) has been handed out, [.., n_scanned) has no newline */
    size_t n_taken, n_scanned;
    char *err_text; /* 2 * ERR_KEPT + 1 bytes */
    size_t n_err;
    int64_t start_ns;
    bool done;
    mnas_proc_result result;
};

static char self_path[4096] = "/proc/self/exe";

void mnas_proc_set_self(const char *path) {
    snprintf(self_path, sizeof self_path, "%s", path);
}

const char *mnas_proc_self(void) {
    return self_path;
}

/* ---- starting ---- */

static void close_fd(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* The child's ends, and the pipe on which it tells why exec failed. */
typedef struct launch {
    int in[2], out[2], err[2], status[2]; /* [0] is read from, [1] written to */
    pid_t parent;
    int64_t memory_bytes;
} launch;

/* A pipe without descriptors 0..2, which the child's dup2 would overwrite where our own were closed. */
static int open_pipe(int fds[2]) {
    int raw[2];
    if (pipe2(raw, O_CLOEXEC) < 0) return -1;
    for (int i = 0; i < 2; i++) {
        fds[i] = raw[i] > 2 ? raw[i] : fcntl(raw[i], F_DUPFD_CLOEXEC, 3);
        if (fds[i] != raw[i]) close(raw[i]);
    }
    return fds[0] < 0 || fds[1] < 0 ? -1 : 0;
}

static int open_pipes(launch *l) {
    int *pipes[] = {l->in, l->out, l->err, l->status};
    for (int i = 0; i < 4; i++) pipes[i][0] = pipes[i][1] = -1;
    for (int i = 0; i < 4; i++) {
        if (open_pipe(pipes[i]) < 0) return mnas_error_errno("pipe for a child process");
    }
    return 0;
}

static void close_pipes(launch *l) {
    int *pipes[] = {l->in, l->out, l->err, l->status};
    for (int i = 0; i < 4; i++) {
        close_fd(&pipes[i][0]);
        close_fd(&pipes[i][1]);
    }
}

/* What the child does up to exec; it comes back only on failure, with errno. */
static void become(const launch *l, const char *const argv[]) {
    setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return;
    if (getppid() != l->parent) _exit(127);            /* the parent died before prctl took effect */
    for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL); /* an ignored SIGPIPE would pass through exec */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (l->memory_bytes > 0) {
        struct rlimit limit = {(rlim_t)l->memory_bytes, (rlim_t)l->memory_bytes};
        if (setrlimit(RLIMIT_DATA, &limit) < 0) return;
    }
    /* what a library or our own parent left open; where the kernel cannot, the child merely inherits it */
    syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC);
    if (dup2(l->in[0], 0) < 0 || dup2(l->out[1], 1) < 0 || dup2(l->err[1], 2) < 0) return;
    execvp(argv[0], (char *const *)(uintptr_t)argv);
}

/* Fork and exec with signals blocked, so that none of our handlers runs in the child. 0, or the errno of the
 * failure. */
static int spawn(mnas_proc *p, launch *l, const char *const argv[]) {
    sigset_t all, old;
    int code = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    p->start_ns = mnas_clock_now_ns();
    p->pid = fork();
    if (p->pid == 0) {
        become(l, argv);
        code = errno;
        while (write(l->status[1], &code, sizeof code) < 0 && errno == EINTR) {
        }
        _exit(127);
    }
    if (p->pid < 0) code = errno;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    close_fd(&l->status[1]);
    if (p->pid < 0) return code;
    ssize_t got; /* end of file: exec has closed it */
    do got = read(l->status[0], &code, sizeof code);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof code) return 0;
    while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    return code;
}

static int take_over(int *fd) {
    int mine = *fd;
    *fd = -1;
    fcntl(mine, F_SETFL,
          fcntl(mine, F_GETFL) | O_NONBLOCK); /* of our end alone: the child's is another description */
    return mine;
}

static void destroy(mnas_proc *p) {
    close_fd(&p->in);
    close_fd(&p->out);
    close_fd(&p->err);
    close_fd(&p->pidfd);
    mnas_str_free(&p->output);
    free(p->program);
    free(p->input);
    free(p->err_text);
    free(p);
}

static mnas_proc *create(const char *program, const char *input) {
    mnas_proc *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->in = p->out = p->err = p->pidfd = -1;
    p->program = strdup(program);
    p->input = strdup(input ? input : "");
    p->err_text = calloc(1, 2 * ERR_KEPT + 1);
    if (p->program && p->input && p->err_text) {
        p->n_input = strlen(p->input);
        return p;
    }
    destroy(p);
    return NULL;
}

/* Writing to a child that has gone must be an error, not our death. */
static void ignore_sigpipe(void) {
    struct sigaction now;
    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) signal(SIGPIPE, SIG_IGN);
}

/* Write what the pipe takes. A child that closed its stdin has read enough. */
static void feed(mnas_proc *p) {
    while (p->in >= 0 && p->n_written < p->n_input) {
        ssize_t n = write(p->in, p->input + p->n_written, p->n_input - p->n_written);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) break;
        p->n_written += (size_t)n;
    }
    close_fd(&p->in);
}

int mnas_proc_start(mnas_proc **out, const char *const argv[], const char *input, int64_t memory_bytes) {
    launch l = {.parent = getpid(), .memory_bytes = memory_bytes};
    *out = NULL;
    ignore_sigpipe();
    mnas_proc *p = create(argv[0], input);
    if (!p) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: process %s", argv[0]);
    int rc = open_pipes(&l);
    if (rc < 0) goto out;
    int code = spawn(p, &l, argv);
    if (code) {
        rc = mnas_error_set(MNAS_ERR_CHILD, "cannot start %s: %s", argv[0], strerror(code));
        goto out;
    }
    p->in = take_over(&l.in[1]);
    p->out = take_over(&l.out[0]);
    p->err = take_over(&l.err[0]);
    p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
    feed(p); /* a child without input sees its end at once */
    *out = p;
out:
    close_pipes(&l);
    if (rc < 0) destroy(p);
    return rc;
}

/* ---- watching ---- */

/* One read: > 0 bytes, 0 when nothing is there now; closes the descriptor at its end. */
static size_t read_some(int *fd, char *buf, size_t n) {
    while (*fd >= 0) {
        ssize_t got = read(*fd, buf, n);
        if (got > 0) return (size_t)got;
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return 0;
        close_fd(fd);
    }
    return 0;
}

static bool drain_output(mnas_proc *p) {
    char buf[READ_BYTES];
    bool any = false;
    size_t n;
    if (p->n_taken > p->output.len / 2) { /* lines handed out are no longer valid: make room */
        p->output.len -= p->n_taken;
        memmove(p->output.data, p->output.data + p->n_taken, p->output.len);
        p->n_scanned -= p->n_taken;
        p->n_taken = 0;
    }
    for (int i = 0; i < MAX_READS && (n = read_some(&p->out, buf, sizeof buf)) > 0; i++) {
        mnas_str_append_n(&p->output, buf, n);
        any = true;
    }
    return any;
}

static void drain_err(mnas_proc *p) {
    char buf[READ_BYTES];
    size_t n;
    for (int i = 0; i < MAX_READS && (n = read_some(&p->err, buf, ERR_KEPT)) > 0; i++) {
        if (p->n_err + n > 2 * ERR_KEPT) {
            memmove(p->err_text, p->err_text + p->n_err - ERR_KEPT, ERR_KEPT);
            p->n_err = ERR_KEPT;
        }
        memcpy(p->err_text + p->n_err, buf, n);
        p->n_err += n;
        p->err_text[p->n_err] = '\0';
    }
}

/* Has the child ended? It stays a zombie: its pid, and so its group's, cannot be given to others yet. */
static bool has_ended(const mnas_proc *p) {
    siginfo_t info = {0};
    int rc = waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    return rc < 0 ? errno == ECHILD : info.si_pid == p->pid;
}

static double seconds(struct timeval t) {
    return (double)t.tv_sec + 1e-6 * (double)t.tv_usec;
}

static int64_t peak_rss_bytes(const struct rusage *use) {
    return (int64_t)use->ru_maxrss * 1024; /* KiB on Linux */
}

/* Reap the child, waiting for its end when it has not come. Whatever it left running in its group goes with it. */
static void reap(mnas_proc *p) {
    struct rusage use = {0};
    int status = 0;
    pid_t got;
    siginfo_t info;
    while (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
    }
    kill(-p->pid, SIGKILL);
    do got = wait4(p->pid, &status, 0, &use);
    while (got < 0 && errno == EINTR);
    mnas_proc_result *r = &p->result;
    r->exit_code = got == p->pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    r->signal = got == p->pid && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    r->wall_s = (double)(mnas_clock_now_ns() - p->start_ns) * 1e-9;
    r->cpu_s = seconds(use.ru_utime) + seconds(use.ru_stime);
    r->peak_rss_bytes = peak_rss_bytes(&use);
}

int64_t mnas_proc_own_peak_rss_bytes(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return peak_rss_bytes(&use);
}

static void finish(mnas_proc *p) {
    reap(p);
    p->result.err = p->err_text + (p->n_err > ERR_KEPT ? p->n_err - ERR_KEPT : 0);
    close_fd(&p->in);
    close_fd(&p->out);
    close_fd(&p->err);
    close_fd(&p->pidfd);
    p->done = true;
}

/* Move data on. True when there is output or the child has ended. */
static bool look(mnas_proc *p) {
    bool ended = has_ended(p); /* before the pipes are drained: then nothing can come later */
    feed(p);
    bool any = drain_output(p);
    drain_err(p);
    if (ended) finish(p);
    return any || ended;
}

/* fds[n * N_FDS] for poll; returns how many procs are still running. */
static size_t collect(mnas_proc *const *procs, size_t n, struct pollfd *fds, int *timeout_ms) {
    size_t live = 0;
    for (size_t i = 0; i < n; i++) {
        const mnas_proc *p = procs[i] && !procs[i]->done ? procs[i] : NULL;
        struct pollfd *f = fds + i * N_FDS;
        for (int k = 0; k < N_FDS; k++) f[k] = (struct pollfd){-1, POLLIN, 0}; /* -1: poll passes over it */
        if (!p) continue;
        live++;
        f[0] = (struct pollfd){p->in, POLLOUT, 0};
        f[1].fd = p->out;
        f[2].fd = p->err;
        f[3].fd = p->pidfd;
        if (p->pidfd < 0 && *timeout_ms > NO_PIDFD_POLL_MS) *timeout_ms = NO_PIDFD_POLL_MS;
    }
    return live;
}

static int check_output(const mnas_proc *p) {
    if (!mnas_str_ok(&p->output))
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: output of %s", p->program);
    if (p->output.len - p->n_taken <= MAX_UNREAD) return 0;
    return mnas_error_set(MNAS_ERR_FORMAT, "%s has written over %zu MiB to stdout, which is no answer",
                          p->program, MAX_UNREAD >> 20);
}

static int wait_with(mnas_proc *const *procs, size_t n, int timeout_ms, struct pollfd *fds) {
    int64_t deadline_ns = mnas_clock_now_ns() + (int64_t)timeout_ms * 1000000;
    for (;;) {
        int64_t left_ns = deadline_ns - mnas_clock_now_ns();
        int left_ms = left_ns > 0 ? (int)((left_ns + 999999) / 1000000) : 0;
        bool happened = false;
        if (collect(procs, n, fds, &left_ms) == 0) return 0;
        int ready = poll(fds, n * N_FDS, left_ms);
        if (ready < 0) return errno == EINTR ? 0 : mnas_error_errno("waiting for child processes");
        for (size_t i = 0; i < n; i++) {
            mnas_proc *p = procs[i];
            if (!p || p->done) continue;
            happened |= look(p);
            int rc = check_output(p);
            if (rc < 0) return rc;
        }
        if (happened || mnas_clock_now_ns() >= deadline_ns) return 0;
    }
}

int mnas_proc_wait(mnas_proc *const *procs, size_t n, int timeout_ms) {
    struct pollfd few[8 * N_FDS], *fds = few;
    if (n > 8 && !(fds = calloc(n, N_FDS * sizeof *fds))) {
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: waiting for %zu processes", n);
    }
    int rc = wait_with(procs, n, timeout_ms > 0 ? timeout_ms : 0, fds);
    if (fds != few) free(fds);
    return rc;
}

const char *mnas_proc_next_line(mnas_proc *p) {
    mnas_str *s = &p->output;
    if (p->n_taken >= s->len) return NULL;
    char *line = s->data + p->n_taken;
    char *end = memchr(s->data + p->n_scanned, '\n', s->len - p->n_scanned);
    if (!end && !p->done) {
        p->n_scanned = s->len;
        return NULL;
    }
    if (!end) end = s->data + s->len; /* a last line without its newline */
    *end = '\0';
    size_t next = (size_t)(end - s->data) + 1;
    p->n_taken = p->n_scanned = next < s->len ? next : s->len;
    return line;
}

bool mnas_proc_done(const mnas_proc *p) {
    return p->done;
}

const mnas_proc_result *mnas_proc_result_of(const mnas_proc *p) {
    return p->done ? &p->result : NULL;
}

/* ---- ending ---- */

/* To the group, and to the child itself should it have left the group. */
static void signal_group(const mnas_proc *p, int signal_number) {
    if (p->done) return;
    kill(-p->pid, signal_number);
    if (getpgid(p->pid) != p->pid) kill(p->pid, signal_number);
}

void mnas_proc_pause(mnas_proc *p) {
    signal_group(p, SIGSTOP);
}
void mnas_proc_resume(mnas_proc *p) {
    signal_group(p, SIGCONT);
}
void mnas_proc_kill(mnas_proc *p) {
    signal_group(p, SIGKILL);
}

void mnas_proc_free(mnas_proc *p) {
    if (!p) return;
    if (!p->done) {
        mnas_proc_kill(p);
        reap(p);
    }
    destroy(p);
}

/* ---- all at once ---- */

/* The last line of stderr that is not blank, copied to buf. */
static void last_line(const char *text, char *buf, size_t n) {
    size_t end = strlen(text);
    while (end && strchr(" \t\r\n", text[end - 1])) end--;
    size_t start = end;
    while (start && text[start - 1] != '\n') start--;
    snprintf(buf, n, "%.*s", (int)(end - start), text + start);
}

static int judge(const mnas_proc *p) {
    const mnas_proc_result *r = &p->result;
    if (r->exit_code == 0) return 0;
    char line[512];
    last_line(r->err, line, sizeof line);
    const char *colon = line[0] ? ": " : "";
    if (r->signal) {
        return mnas_error_set(MNAS_ERR_CHILD, "%s was ended by signal %d (%s)%s%s", p->program, r->signal,
                              strsignal(r->signal), colon, line);
    }
    return mnas_error_set(MNAS_ERR_CHILD, "%s failed with exit code %d%s%s", p->program, r->exit_code, colon,
                          line);
}

static int run_to_end(mnas_proc *p, double timeout_s, const volatile bool *cancel) {
    double deadline_s = mnas_clock_now_s() + timeout_s;
    const double look_ms = cancel ? 50 : 60000;
    while (!p->done) {
        if (cancel && *cancel) return mnas_error_set(MNAS_ERR_CANCELLED, "interrupted");
        double left_ms = ceil((deadline_s - mnas_clock_now_s()) * 1e3);
        if (left_ms <= 0) {
            return mnas_error_set(MNAS_ERR_TIMEOUT, "%s still ran after %g s", p->program, timeout_s);
        }
        int rc = mnas_proc_wait(&p, 1, (int)fmin(left_ms, look_ms));
        if (rc < 0) return rc;
    }
    return judge(p);
}

int mnas_proc_run(const char *const argv[], const char *input, double timeout_s, char **output) {
    return mnas_proc_run_cancel(argv, input, timeout_s, NULL, output);
}

int mnas_proc_run_cancel(const char *const argv[], const char *input, double timeout_s,
                         const volatile bool *cancel, char **output) {
    mnas_proc *p;
    *output = NULL;
    int rc = mnas_proc_start(&p, argv, input, 0);
    if (rc < 0) return rc;
    rc = run_to_end(p, timeout_s, cancel);
    if (rc == 0) {
        mnas_str_append_n(&p->output, "", 0); /* "" rather than NULL for no output */
        *output = p->output.data;
        if (*output) {
            p->output = (mnas_str){0};
        } else {
            rc = MNAS_ERR_MEMORY;
        }
    }
    mnas_proc_free(p);
    return rc;
}

/* ---- the child's side ---- */

int mnas_proc_read_request(char **text, FILE *in, const char *what) {
    mnas_str s = {0};
    char chunk[4096];
    size_t n;
    int rc = 0;
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0 && s.len <= MNAS_PROC_MAX_REQUEST)
        mnas_str_append_n(&s, chunk, n);
    if (ferror(in))
        rc = mnas_error_errno("reading the %s", what);
    else if (s.len > MNAS_PROC_MAX_REQUEST)
        rc = mnas_error_set(MNAS_ERR_FORMAT, "%s is over %d bytes", what, MNAS_PROC_MAX_REQUEST);
    else if (!mnas_str_ok(&s))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %s", what);
    else if (s.len == 0)
        rc = mnas_error_set(MNAS_ERR_FORMAT, "%s is empty", what);
    *text = rc < 0 ? NULL : s.data;
    if (rc < 0) mnas_str_free(&s);
    return rc;
}

FILE *mnas_proc_take_stdout(void) {
    const int fd = dup(STDOUT_FILENO);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (out && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0) return out;
    mnas_error_errno("taking over stdout");
    if (out)
        fclose(out);
    else if (fd >= 0)
        close(fd);
    return NULL;
}
