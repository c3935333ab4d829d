/* doctor.c - what this machine offers a search and what it lacks, as findings a person can act on.
 *
 * It repairs nothing and measures no network: its one measurement is how steady the clock of a core is.
 * Invariant: "bad" means that a search cannot work, "note" that its results may be worse.
 */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/stats.h"
#include "device/conditions.h"
#include "ops/onednn.h"
#include "search/machine.h"

enum { MAX_FINDINGS = 32, NOISE_ROUNDS = 60 };
static const int64_t small_memory_bytes = INT64_C(2) << 30, small_disk_bytes = INT64_C(1) << 30;
static const double noisy_frac = 0.03, busy_load = 0.5;

typedef struct report {
    mnas_finding *findings;
    size_t n;
} report;

static void say(report *r, const char *level, const char *topic, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void say(report *r, const char *level, const char *topic, const char *fmt, ...) {
    va_list args;
    if (r->n == MAX_FINDINGS) return;
    mnas_finding *f = &r->findings[r->n++];
    snprintf(f->level, sizeof f->level, "%s", level);
    snprintf(f->topic, sizeof f->topic, "%s", topic);
    va_start(args, fmt);
    vsnprintf(f->text, sizeof f->text, fmt, args);
    va_end(args);
}

/* The first line of a small file; false where it cannot be read. */
static bool read_line(const char *path, char *buf, size_t n) {
    FILE *f = fopen(path, "re");
    if (!f) return false;
    const bool found = fgets(buf, (int)n, f) != NULL;
    fclose(f);
    if (found) buf[strcspn(buf, "\n")] = '\0';
    return found;
}

/* ---- topics ---- */

static void check_cpu(report *r) {
    mnas_conditions c;
    mnas_conditions_read(&c, "", -1);
    const int cores = mnas_machine_cores();
    say(r, "ok", "cpu", "%s, %d core%s for this process", c.cpu[0] ? c.cpu : "unknown model", cores,
        cores == 1 ? "" : "s");
    if (cores == 1)
        say(r, "note", "cpu", "one core: training and everything else share it; do not use --jobs above 1");
#ifdef __x86_64__
    if (!__builtin_cpu_supports("avx2"))
        say(r, "note", "cpu",
            "no AVX2: training is several times slower than on a machine of the last ten years");
#endif
    if (c.load > busy_load)
        say(r, "note", "load", "load average is %.1f: other programs run, latencies will be noisier", c.load);
}

static void check_clock(report *r) {
    mnas_conditions c;
    char line[64];
    mnas_conditions_read(&c, "", -1);
    if (!c.governor[0])
        say(r, "note", "governor",
            "the frequency governor cannot be read (a virtual machine?): the clock may vary unseen");
    else if (strcmp(c.governor, "performance") == 0)
        say(r, "ok", "governor", "performance");
    else
        say(r, "note", "governor",
            "%s: clocks follow the load; for steadier latencies: sudo cpupower frequency-set -g performance",
            c.governor);
    const bool intel = read_line("/sys/devices/system/cpu/intel_pstate/no_turbo", line, sizeof line);
    if (intel ? line[0] == '0'
              : read_line("/sys/devices/system/cpu/cpufreq/boost", line, sizeof line) && line[0] == '1')
        say(r, "note", "turbo", "on: the clock depends on how hot the machine is and how many cores work");
}

static void check_memory(report *r) {
    const int64_t bytes = mnas_machine_free_bytes();
    if (bytes == INT64_MAX)
        say(r, "note", "memory", "how much is free cannot be read");
    else
        say(r, bytes < small_memory_bytes ? "note" : "ok", "memory", "%.1f GiB free%s",
            (double)bytes / (1 << 30),
            bytes < small_memory_bytes ? "; large networks will fail with reason memory" : "");
}

static void check_libraries(report *r) {
    say(r, "ok", "oneDNN", "%s: trains the networks", mnas_onednn_version());
    say(r, "ok", "XNNPACK", "present: runs the networks whose latency is taken");
    say(r, "note", "XNNPACK",
        "Debian's XNNPACK has no fast 7x7 depthwise kernel: networks with kernel 7 are timed slower than "
        "this machine could run them");
    say(r, "ok", "SQLite", "%s: keeps the studies", sqlite3_libversion());
}

static void check_data(report *r) {
    static const char path[] = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz";
    if (mnas_file_exists(path))
        say(r, "ok", "fashion-mnist", "the Debian package's files are there");
    else
        say(r, "note", "fashion-mnist",
            "not installed; for `--data fashion-mnist`: sudo apt-get install dataset-fashion-mnist");
}

static void check_cache(report *r) {
    char folder[1024];
    struct statvfs fs;
    if (mnas_file_cache_dir(folder, sizeof folder) < 0) {
        say(r, "bad", "cache", "%.300s; set MNAS_CACHE_DIR to a folder that can be written",
            mnas_error_message());
        return;
    }
    if (access(folder, W_OK | X_OK) < 0 || statvfs(folder, &fs) < 0) {
        say(r, "bad", "cache", "%.300s cannot be written; set MNAS_CACHE_DIR to a folder that can", folder);
        return;
    }
    const int64_t free_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    say(r, free_bytes < small_disk_bytes ? "note" : "ok", "cache", "%.300s, %.1f GiB free", folder,
        (double)free_bytes / (1 << 30));
}

/* A fixed piece of arithmetic again and again: how far its times lie apart is what no measurement here can
 * see below. */
static double spin_ms(void) {
    const int64_t begun_ns = mnas_clock_now_ns();
    volatile double x = 1;
    for (int i = 0; i < 400000; i++) x = x * 0.999999 + 1e-7;
    return (double)(mnas_clock_now_ns() - begun_ns) / 1e6;
}

static void check_noise(report *r) {
    double ms[NOISE_ROUNDS];
    for (int i = 0; i < 5; i++) spin_ms();
    for (int i = 0; i < NOISE_ROUNDS; i++) ms[i] = spin_ms();
    const double spread = mnas_stats_mad(ms, NOISE_ROUNDS) / mnas_stats_median(ms, NOISE_ROUNDS);
    say(r, spread > noisy_frac ? "note" : "ok", "noise", "equal work differs by %.1f %% (median deviation)%s",
        100 * spread, spread > noisy_frac ? ": latencies closer than that cannot be told apart" : "");
}

int mnas_doctor(mnas_finding **findings, size_t *n) {
    report r = {.findings = calloc(MAX_FINDINGS, sizeof *r.findings)};
    *findings = NULL;
    *n = 0;
    if (!r.findings) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: findings");
    check_cpu(&r);
    check_clock(&r);
    check_memory(&r);
    check_libraries(&r);
    check_data(&r);
    check_cache(&r);
    check_noise(&r);
    *findings = r.findings;
    *n = r.n;
    return 0;
}
