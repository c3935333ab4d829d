/* doctor.c - what this machine offers a search and what it lacks, as findings a person can act on.
 *
 * It repairs nothing and measures no network: its one measurement is how steady the clock of a core is.
 * Invariant: "bad" means that a search cannot work, "note" that its results may be worse.
 */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/findings.h"
#include "base/stats.h"
#include "device/conditions.h"
#include "device/hindrances.h"
#include "ops/onednn.h"
#include "search/machine.h"

enum { NOISE_ROUNDS = 60 };
static const int64_t small_memory_bytes = INT64_C(2) << 30, small_disk_bytes = INT64_C(1) << 30;
static const double noisy_frac = 0.03, busy_load = 0.5;

/* ---- topics ---- */

static void check_cpu(mnas_findings *f) {
    mnas_conditions c;
    mnas_conditions_read(&c, "", -1);
    const int cores = mnas_machine_cores();
    mnas_findings_add(f, "ok", "cpu", "%s, %d core%s for this process", c.cpu[0] ? c.cpu : "unknown model",
                      cores, cores == 1 ? "" : "s");
    if (cores == 1)
        mnas_findings_add(f, "note", "cpu",
                          "one core: training and everything else share it; do not use --jobs above 1");
#ifdef __x86_64__
    if (!__builtin_cpu_supports("avx2"))
        mnas_findings_add(
            f, "note", "cpu",
            "no AVX2: training is several times slower than on a machine of the last ten years");
#endif
    if (c.load > busy_load)
        mnas_findings_add(f, "note", "load",
                          "load average is %.1f: other programs run, latencies will be noisier", c.load);
}

static void check_clock(mnas_findings *f) {
    mnas_conditions c;
    mnas_conditions_read(&c, "", -1);
    if (!c.governor[0])
        mnas_findings_add(
            f, "note", "governor",
            "the frequency governor cannot be read (a virtual machine?): the clock may vary unseen");
    else if (strcmp(c.governor, "performance") == 0)
        mnas_findings_add(f, "ok", "governor", "performance");
    else {
        mnas_findings_add(f, "note", "governor", "%s: clocks follow the load", c.governor);
        mnas_findings_fix(f, "for steadier latencies: sudo cpupower frequency-set -g performance");
    }
    if (mnas_hindrances_turbo("") == 1)
        mnas_findings_add(f, "note", "turbo",
                          "on: the clock depends on how hot the machine is and how many cores work");
}

static void check_memory(mnas_findings *f) {
    const int64_t bytes = mnas_machine_free_bytes();
    if (bytes == INT64_MAX)
        mnas_findings_add(f, "note", "memory", "how much is free cannot be read");
    else
        mnas_findings_add(f, bytes < small_memory_bytes ? "note" : "ok", "memory", "%.1f GiB free%s",
                          (double)bytes / (1 << 30),
                          bytes < small_memory_bytes ? "; large networks will fail with reason memory" : "");
}

static void check_libraries(mnas_findings *f) {
    mnas_findings_add(f, "ok", "oneDNN", "%s: trains the networks", mnas_onednn_version());
    mnas_findings_add(f, "ok", "XNNPACK", "present: runs the networks whose latency is taken");
    mnas_findings_add(
        f, "note", "XNNPACK",
        "Debian's XNNPACK has no fast 7x7 depthwise kernel: networks with kernel 7 are timed slower than "
        "this machine could run them");
    mnas_findings_fix(f,
                      "measure with another engine where your product has it: --device local:engine=native");
    mnas_findings_add(f, "ok", "SQLite", "%s: keeps the studies", sqlite3_libversion());
}

static void check_data(mnas_findings *f) {
    static const char path[] = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz";
    if (mnas_file_exists(path))
        mnas_findings_add(f, "ok", "fashion-mnist", "the Debian package's files are there");
    else {
        mnas_findings_add(f, "note", "fashion-mnist",
                          "not installed, so `--data fashion-mnist` finds nothing");
        mnas_findings_fix(f, "sudo apt-get install dataset-fashion-mnist");
    }
}

static void check_cache(mnas_findings *f) {
    char folder[1024];
    struct statvfs fs;
    if (mnas_file_cache_dir(folder, sizeof folder) < 0) {
        mnas_findings_add_error(f, "cache");
        mnas_findings_fix(f, "set MNAS_CACHE_DIR to a folder that can be written");
        return;
    }
    if (access(folder, W_OK | X_OK) < 0 || statvfs(folder, &fs) < 0) {
        mnas_findings_add(f, "bad", "cache", "%.300s cannot be written", folder);
        mnas_findings_fix(f, "set MNAS_CACHE_DIR to a folder that can be written");
        return;
    }
    const int64_t free_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    mnas_findings_add(f, free_bytes < small_disk_bytes ? "note" : "ok", "cache", "%.300s, %.1f GiB free",
                      folder, (double)free_bytes / (1 << 30));
}

/* A fixed piece of arithmetic again and again: how far its times lie apart is what no measurement here can
 * see below. */
static double spin_ms(void) {
    const int64_t begun_ns = mnas_clock_now_ns();
    volatile double x = 1;
    for (int i = 0; i < 400000; i++) x = x * 0.999999 + 1e-7;
    return (double)(mnas_clock_now_ns() - begun_ns) / 1e6;
}

static void check_noise(mnas_findings *f) {
    double ms[NOISE_ROUNDS];
    for (int i = 0; i < 5; i++) spin_ms();
    for (int i = 0; i < NOISE_ROUNDS; i++) ms[i] = spin_ms();
    const double spread = mnas_stats_mad(ms, NOISE_ROUNDS) / mnas_stats_median(ms, NOISE_ROUNDS);
    mnas_findings_add(f, spread > noisy_frac ? "note" : "ok", "noise",
                      "equal work differs by %.1f %% (median deviation)%s", 100 * spread,
                      spread > noisy_frac ? ": latencies closer than that cannot be told apart" : "");
}

int mnas_doctor(mnas_finding **findings, size_t *n) {
    mnas_findings f = {0};
    check_cpu(&f);
    check_clock(&f);
    check_memory(&f);
    check_libraries(&f);
    check_data(&f);
    check_cache(&f);
    check_noise(&f);
    return mnas_findings_take(&f, findings, n);
}
