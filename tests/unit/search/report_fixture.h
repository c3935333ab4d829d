/* report_fixture.h - a study that never ran: trials with plausible numbers, the same at every call, for tests
 * of the report. */
#ifndef REPORT_FIXTURE_H
#define REPORT_FIXTURE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "search/pareto.h"
#include "search/report.h"

#define FIXTURE_MAX 600

typedef struct fixture {
    mnas_trial trials[FIXTURE_MAX];
    const mnas_trial *pointers[FIXTURE_MAX];
    int front[FIXTURE_MAX];
    mnas_report_entropy entropy[FIXTURE_MAX];
    const char *strategy;
    mnas_report_source source;
} fixture;

static const char *fixture_setting(const void *context, const char *name) {
    const char *const rows[][2] = {
        {"space", "mnasnet-28"},
        {"data", "fashion-mnist"},
        {"device", "local"},
        {"recipe", "proxy"},
        {"strategy", ((const fixture *)context)->strategy},
        {"reward", "soft:w=auto"},
        {"target_ms", "0.22"},
        {"w", "-0.0213"},
        {"seed", "1"},
        {"n_val", "5000"},
        {"trials", "44"},
        {"max_images", "12000"},
        {"version", "0.1.0"},
        {"command_line",
         "mnas search --space mnasnet-28 --data fashion-mnist --device local --reward soft:w=auto "
         "--target-ms 0.22 --trials 44 --seed 1 --study 'a <b> & \"c\".db'"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i][0], name) == 0) return rows[i][1];
    }
    return NULL;
}

static const char fixture_arch[] =
    "r1_k3_s11_e1_i16_o16_opsep r2_k5_s22_e6_i16_o24_se0.25 r3_k3_s11_e3_i24_o32_skippool "
    "r2_k5_s22_e6_i32_o48 r1_k3_s11_e6_i48_o64_noskip";

/* `gain`: how much better the last trials are than the first, in shares of accuracy. */
static mnas_trial fixture_trial(int number, int n, double gain) {
    mnas_rng rng = mnas_rng_stream(7, (uint64_t)number, "fixture");
    double size = exp(0.55 * mnas_rng_normal(&rng)), progress = n > 1 ? (double)number / (n - 1) : 0;
    double latency = 0.21 * pow(size, 0.9) * (1 + 0.08 * mnas_rng_normal(&rng));
    double accuracy = 0.868 + 0.018 * log(size) + 0.006 * mnas_rng_normal(&rng) + gain * progress;
    mnas_trial t = {.number = number,
                    .state = MNAS_TRIAL_COMPLETE,
                    .accuracy_frac = fmin(accuracy, 0.94),
                    .params = (int64_t)(146e3 * size),
                    .macs = (int64_t)(4.2e6 * size),
                    .train_bytes = 30000000,
                    .n_images = 12000,
                    .train_s = 5.1 + size,
                    .measure_s = 1.9,
                    .overhead_s = 0.07,
                    .attempt = 1,
                    .entropy_nats = NAN,
                    .started_unix_ms = 1795000000000 + number * 9000,
                    .finished_unix_ms = 1795000008500 + number * 9000};
    t.latency = (mnas_latency){.median_ms = latency,
                               .ci_low_ms = latency * 0.985,
                               .ci_high_ms = latency * 1.02,
                               .ci_level = 0.94,
                               .spread_frac = 0.012,
                               .rounds = 5,
                               .runs = 250,
                               .warmup_runs = 50,
                               .threads = 1,
                               .core = 1,
                               .load_before = NAN,
                               .freq_mhz = NAN,
                               .temp_c = NAN};
    strcpy(t.latency.engine, "XNNPACK (Debian 12)");
    strcpy(t.latency.cpu, "some processor");
    t.reward = t.accuracy_frac * pow(latency / 0.22, -0.0213);
    t.arch = (char *)(uintptr_t)fixture_arch;
    return t;
}

static void fixture_fail(mnas_trial *t, const char *reason, const char *error) {
    t->state = MNAS_TRIAL_FAILED;
    strcpy(t->reason, reason);
    t->error = (char *)(uintptr_t)error;
    t->accuracy_frac = t->latency.median_ms = t->reward = NAN;
}

static void fixture_find_front(fixture *f) {
    double accuracy[FIXTURE_MAX], latency[FIXTURE_MAX];
    size_t indices[FIXTURE_MAX], n;
    for (int i = 0; i < f->source.n_trials; i++) {
        accuracy[i] = f->trials[i].accuracy_frac;
        latency[i] = f->trials[i].latency.median_ms;
    }
    mnas_pareto_front(accuracy, latency, (size_t)f->source.n_trials, indices, &n);
    for (size_t i = 0; i < n; i++) f->front[i] = f->trials[indices[i]].number;
    f->source.n_front = (int)n;
}

/* n trials, some of them failed where n is large enough, one at chance; `strategy` as in a setting. */
static fixture *fixture_create(int n, double gain, const char *strategy) {
    fixture *f = calloc(1, sizeof *f);
    f->strategy = strategy;
    for (int i = 0; i < n; i++) {
        f->trials[i] = fixture_trial(i, n, gain);
        f->pointers[i] = &f->trials[i];
    }
    if (n >= 20) {
        f->trials[5].accuracy_frac = 0.1, f->trials[5].reward = 0.1;
        fixture_fail(&f->trials[9], "nan", "training diverged: loss is nan at step 14\nmore");
        fixture_fail(&f->trials[17], "nan", "training diverged: loss is nan at step 3");
        fixture_fail(&f->trials[18], "timeout", "took longer than 600 s <script>");
    }
    f->source = (mnas_report_source){.trials = f->pointers,
                                     .n_trials = n,
                                     .front = f->front,
                                     .entropy = f->entropy,
                                     .entropy_max = 0.97,
                                     .setting = fixture_setting,
                                     .context = f,
                                     .now_unix_ms = 1795000500000};
    for (int i = 0; i < n; i += 5) {
        f->entropy[f->source.n_entropy++] = (mnas_report_entropy){i, 0.968 - 0.002 * gain * i - 0.0003 * i};
    }
    fixture_find_front(f);
    return f;
}

#endif
