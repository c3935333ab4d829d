/* device_command.c - any program of the user's that takes an exported network and prints how long it took.
 *
 * We know nothing of what it runs on: conditions stay unknown, but for those of this machine where the program is said to run
 * here (quiet=true). A round is a fresh run of it; protocol.c judges the rounds. Invariant: the network's file is there, whole,
 * at the beginning of every round, in a folder that nobody else may read and that goes with the measurement.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "device/command_output.h"
#include "device/conditions.h"
#include "device/device.h"
#include "device/limit.h"
#include "device/protocol.h"
#include "exporter/exporter.h"

typedef struct command_opts {
    char run[MNAS_OPT_STR], format[MNAS_OPT_STR], pattern[MNAS_OPT_STR];
    int64_t unit, rounds, max_rounds;
    double ci, timeout_s;
    bool wide, quiet;
} command_opts;

static const char *const units[] = {"ms", "us", "s", NULL};
static const double unit_ms[] = {1, 1e-3, 1e3};

#define FIELD(name) offsetof(command_opts, name)
static const mnas_opt options[] = {
    {"run", MNAS_OPT_STRING, FIELD(run), NULL, 0, 0, "COMMAND",
     "for the shell; {model} stands for the network's file", NULL},
    {"format", MNAS_OPT_STRING, FIELD(format), "tflite", 0, 0, "FORMAT", "of that file: tflite, onnx, mnas",
     NULL},
    {"pattern", MNAS_OPT_STRING, FIELD(pattern), "", 0, 0, "REGEX",
     "with one group: the time in what it prints; none: the last number", NULL},
    {"unit", MNAS_OPT_CHOICE, FIELD(unit), "ms", 0, 0, NULL, "of that number", units},
    {"ci", MNAS_OPT_FLOAT, FIELD(ci), "0.01", 0.0001, 1, "of the median",
     "more rounds until half the interval is so narrow", NULL},
    {"wide", MNAS_OPT_BOOL, FIELD(wide), "false", 0, 0, NULL,
     "a result whose interval stays wider stands, and says so; else it is refused", NULL},
    {"rounds", MNAS_OPT_INT, FIELD(rounds), "5", 3, MNAS_PROTOCOL_MAX_ROUNDS, "runs",
     "of the program at least", NULL},
    {"max-rounds", MNAS_OPT_INT, FIELD(max_rounds), "20", 3, MNAS_PROTOCOL_MAX_ROUNDS, "runs",
     "of it at most", NULL},
    {"quiet", MNAS_OPT_BOOL, FIELD(quiet), "true", 0, 0, NULL,
     "it computes on this machine: trainings pause meanwhile; false: elsewhere", NULL},
    {"timeout", MNAS_OPT_FLOAT, FIELD(timeout_s), "600", 0.01, 86400, "s", "for one round", NULL},
    MNAS_OPT_END};

static const char placeholder[] = "{model}";

typedef struct command_state {
    const command_opts *opts;
    const char *extension;
    mnas_command_reader reader;
    mnas_limit limit;
} command_state;

static int check_options(const command_opts *o) {
    if (o->max_rounds < o->rounds)
        return mnas_error_set(MNAS_ERR_ARG, "max-rounds is %lld; allowed: rounds (%lld) or more",
                              (long long)o->max_rounds, (long long)o->rounds);
    if (strstr(o->run, placeholder)) return 0;
    return mnas_error_set(MNAS_ERR_ARG,
                          "run is \"%s\", without %s; allowed: a command with it where the network's file "
                          "belongs, such as run=\"benchmark_model --graph=%s\"",
                          o->run, placeholder, placeholder);
}

static int command_open(void **state, const void *opts) {
    const command_opts *o = opts;
    command_state *s = calloc(1, sizeof *s);
    if (!s) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: device command");
    *s = (command_state){.opts = o, .limit = mnas_limit_of(INFINITY, NULL)};
    int rc = check_options(o);
    if (rc == 0) rc = mnas_exporter_extension(&s->extension, o->format);
    if (rc == 0) rc = mnas_command_reader_open(&s->reader, o->pattern, unit_ms[o->unit]);
    if (rc < 0)
        free(s);
    else
        *state = s;
    return rc;
}

static void command_traits(const void *state, bool *needs_quiet, bool *layers) {
    *needs_quiet = ((const command_state *)state)->opts->quiet;
    *layers = false;
}

static void command_limit(void *state, double deadline_s, const volatile bool *cancel) {
    ((command_state *)state)->limit = mnas_limit_of(deadline_s, cancel);
}

static void command_close(void *state) {
    command_state *s = state;
    mnas_command_reader_close(&s->reader);
    free(s);
}

/* ---- the network's file ---- */

typedef struct network_file {
    char folder[512], path[600];
    mnas_str bytes;
    struct stat written; /* as we left it */
} network_file;

static int open_file(network_file *f, const command_state *s, const mnas_model *model) {
    const char *tmp = getenv("TMPDIR");
    *f = (network_file){0};
    int rc = mnas_str_format(f->folder, sizeof f->folder, "%s/mnas-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    if (rc == 0 && !mkdtemp(f->folder)) {
        rc = mnas_error_errno("%s: cannot make a folder for the network's file (TMPDIR names another place)",
                              f->folder);
        f->folder[0] = '\0';
    }
    if (rc < 0) return rc;
    snprintf(f->path, sizeof f->path, "%s/network%s", f->folder, s->extension);
    return mnas_exporter_print_model(&f->bytes, s->opts->format, model, NULL);
}

/* Whether nobody has touched it since. */
static bool is_as_written(const network_file *f) {
    struct stat now;
    return stat(f->path, &now) == 0 && now.st_ino == f->written.st_ino && now.st_size == f->written.st_size &&
           now.st_mtim.tv_sec == f->written.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == f->written.st_mtim.tv_nsec;
}

static int provide_file(network_file *f) {
    if (f->written.st_size > 0 && is_as_written(f)) return 0;
    const int rc = mnas_file_write_atomic(f->path, f->bytes.data, f->bytes.len);
    if (rc < 0) return rc;
    return stat(f->path, &f->written) == 0 ? 0 : mnas_error_errno("%s", f->path);
}

/* What the program left beside the file stays, and is told: it is not ours to delete. */
static void close_file(network_file *f) {
    mnas_str_free(&f->bytes);
    if (!f->folder[0]) return;
    unlink(f->path);
    if (rmdir(f->folder) < 0 && errno == ENOTEMPTY)
        mnas_log_warn("%s: the program left files there", f->folder);
}

/* ---- a round ---- */

/* `text` as one word of the shell, whatever is in it. */
static void append_quoted(mnas_str *out, const char *text) {
    mnas_str_append(out, "'");
    for (; *text; text++) mnas_str_append_n(out, *text == '\'' ? "'\\''" : text, *text == '\'' ? 4 : 1);
    mnas_str_append(out, "'");
}

/* Both outputs in one, in their order; programs differ in where they print results. */
static int shell_command(mnas_str *out, const char *run, const char *path) {
    mnas_str_append(out, "exec 2>&1\n");
    for (const char *at; (at = strstr(run, placeholder)); run = at + sizeof placeholder - 1) {
        mnas_str_append_n(out, run, (size_t)(at - run));
        append_quoted(out, path);
    }
    mnas_str_append(out, run);
    return mnas_str_ok(out) ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: command");
}

/* So much of what it prints is kept, from the end. */
enum { KEPT_BYTES = 1 << 18 };

static void keep(mnas_str *text, const char *line) {
    mnas_str_appendf(text, "%s\n", line);
    if (text->len <= 2 * KEPT_BYTES) return;
    memmove(text->data, text->data + text->len - KEPT_BYTES, KEPT_BYTES + 1);
    text->len = KEPT_BYTES;
}

static void keep_lines(mnas_str *text, mnas_proc *proc) {
    for (const char *line; (line = mnas_proc_next_line(proc));) keep(text, line);
}

/* Until it ends, or must. */
static int watch(mnas_proc *proc, const command_state *s, mnas_str *text) {
    const double end_s = mnas_clock_now_s() + s->opts->timeout_s;
    int rc = 0;
    while (rc == 0 && !mnas_proc_done(proc)) {
        if ((rc = mnas_limit_check(&s->limit)) < 0) break;
        if (mnas_clock_now_s() >= end_s)
            return mnas_error_set(MNAS_ERR_DEVICE, "the program did not end within %g s (timeout)",
                                  s->opts->timeout_s);
        rc = mnas_proc_wait(&proc, 1, 50);
        keep_lines(text, proc);
    }
    keep_lines(text, proc);
    return rc;
}

static int check_end(const mnas_proc_result *end, const char *text) {
    char tail[MNAS_COMMAND_TAIL];
    if (end->signal == 0 && end->exit_code == 0) return 0;
    mnas_command_tail(tail, text);
    return mnas_error_set(MNAS_ERR_DEVICE, "the program ended with %s %d; what it printed ends: \"%s\"",
                          end->signal ? "signal" : "exit code", end->signal ? end->signal : end->exit_code,
                          tail);
}

static int run_program(const command_state *s, const char *command, mnas_round *round) {
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    mnas_proc *proc;
    mnas_str text = {0};
    int rc = mnas_proc_start(&proc, argv, NULL, 0);
    if (rc < 0) return rc;
    mnas_str_append(&text, "");
    rc = watch(proc, s, &text);
    if (rc == 0 && !mnas_str_ok(&text))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: the program's output");
    if (rc == 0) rc = check_end(mnas_proc_result_of(proc), text.data);
    if (rc == 0) rc = mnas_command_reader_read(&round->median_ms, &s->reader, text.data);
    if (rc == 0) round->timed_s = mnas_proc_result_of(proc)->wall_s;
    mnas_proc_free(proc);
    mnas_str_free(&text);
    return rc;
}

static int take_round(const command_state *s, network_file *file, mnas_round *round) {
    mnas_str command = {0};
    *round = (mnas_round){
        .p10_ms = NAN, .cpu_frac = NAN, .steal_frac = NAN, .freq_mhz = NAN, .sentinel_ms = NAN, .ratio = NAN};
    int rc = mnas_limit_check(&s->limit);
    if (rc == 0) rc = provide_file(file);
    if (rc == 0) rc = shell_command(&command, s->opts->run, file->path);
    if (rc == 0) rc = run_program(s, command.data, round);
    mnas_str_free(&command);
    return rc;
}

/* ---- a latency ---- */

static int run_rounds(const command_state *s, network_file *file, mnas_protocol_summary *summary,
                      mnas_latency *out) {
    mnas_protocol protocol = mnas_protocol_standard();
    mnas_round rounds[MNAS_PROTOCOL_MAX_ROUNDS];
    mnas_protocol_verdict verdict = MNAS_VERDICT_MORE;
    protocol.min_rounds = (int)s->opts->rounds;
    protocol.max_rounds = (int)s->opts->max_rounds;
    protocol.ci_frac = s->opts->ci;
    int n = 0;
    while (verdict == MNAS_VERDICT_MORE) {
        const int rc = take_round(s, file, &rounds[n]);
        if (rc < 0) return n == 0 ? rc : mnas_error_context(rc, "round %d", n + 1);
        mnas_log_debug("round %d: %.4f ms", n + 1, rounds[n].median_ms);
        verdict = mnas_protocol_judge(summary, &protocol, rounds, ++n);
    }
    out->rounds = n;
    out->n_refused = n - summary->n_used;
    out->wide = verdict == MNAS_VERDICT_GIVE_UP;
    if (!out->wide || s->opts->wide) return 0;
    return mnas_error_set(
        MNAS_ERR_REFUSED,
        "the interval is +-%.1f %% of %.4g ms after %d runs of the program; wanted: %.1f %%. Let it time "
        "longer, calm what it runs on, or allow more (max-rounds=, ci=, wide=true)",
        summary->half_width_frac * 100, summary->median_ms, n, s->opts->ci * 100);
}

/* Nothing is known of what it runs on, unless that is this machine. */
static void describe(const command_state *s, const mnas_protocol_summary *summary, mnas_latency *out) {
    out->median_ms = out->raw_ms = summary->median_ms;
    out->ci_low_ms = summary->ci_low_ms;
    out->ci_high_ms = summary->ci_high_ms;
    out->ci_level = summary->ci_level;
    out->spread_frac = summary->spread_frac;
    snprintf(out->engine, sizeof out->engine, "the user's, %.60s file", s->opts->format);
    snprintf(out->device, sizeof out->device, "command:run=%.80s", s->opts->run);
    if (!s->opts->quiet) return;
    mnas_conditions after;
    mnas_conditions_read(&after, "", -1);
    out->load_after = after.load;
    memcpy(out->cpu, after.cpu, sizeof out->cpu);
}

static int command_measure(void *state, const mnas_model *model, mnas_latency *out) {
    const command_state *s = state;
    const double start_s = mnas_clock_now_s();
    mnas_conditions before;
    mnas_protocol_summary summary;
    network_file file;
    mnas_clock_iso8601(mnas_clock_unix_ms(), out->time_utc);
    mnas_conditions_read(&before, "", -1);
    int rc = open_file(&file, s, model);
    if (rc == 0) rc = run_rounds(s, &file, &summary, out);
    close_file(&file);
    if (rc < 0) return rc;
    describe(s, &summary, out);
    if (s->opts->quiet) out->load_before = before.load;
    out->elapsed_s = mnas_clock_now_s() - start_s;
    return 0;
}

const mnas_device_class mnas_device_class_command = {
    .plugin = {"command", "a program of yours that takes an exported network and prints its time", options,
               sizeof(command_opts)},
    .identity = "run",
    .needs_quiet = true,
    .traits = command_traits,
    .open = command_open,
    .limit = command_limit,
    .measure = command_measure,
    .close = command_close,
};
