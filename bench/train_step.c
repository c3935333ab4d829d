/* train_step.c - images per second of a training step (forward, loss, backward, optimiser); the other half of a pair is
 * train_step.py, and run_train.sh runs pairs of both.
 *
 *     bench_train_step CASE THREADS SECONDS [profile] [RECIPE OPTIONS, e.g. precision=bf16]
 *
 * Prints one line of JSON, with the keys of peers/clock.py: the median step's images/s, the fastest step's, CPU time of a
 * step, peak memory, the time from process start to the end of the first step. Data is random and stays in
 * memory: loading is not measured. `profile` adds each node's mean time on stderr.
 */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "base/stats.h"
#include "common/cases.h"
#include "train/trainer.h"

enum { WARMUP_STEPS = 3, MIN_STEPS = 5, MAX_STEPS = 65536 };

typedef struct data {
    float *images;
    int32_t *labels;
} data;

typedef struct figures {
    double first_step_s, median_s, fastest_s, cpu_s; /* the first since process start; of a step */
    int n_steps;
} figures;

static int open_trainer(mnas_trainer *t, const bench_case *c, const char *options) {
    mnas_model model;
    mnas_recipe recipe;
    char spec[512];
    int rc = bench_case_model(c, &model);
    if (rc < 0) return rc;
    snprintf(spec, sizeof spec,
             "imagenet-mnasnet:batch=%d,lr=0.001,schedule=constant,warmup-epochs=0,ema-decay=0%s%s", c->batch,
             *options ? "," : "", options);
    if ((rc = mnas_recipe_open(&recipe, spec)) < 0) return rc;
    return mnas_trainer_open(t, &model, &recipe, 1000, 1, MNAS_ENGINE_FAST);
}

static int draw(data *d, const bench_case *c) {
    size_t n = (size_t)c->batch * (size_t)c->input_size * (size_t)c->input_size * 3;
    mnas_rng rng = mnas_rng_stream(1, 0, "bench");
    d->images = malloc(n * sizeof *d->images);
    d->labels = malloc((size_t)c->batch * sizeof *d->labels);
    if (!d->images || !d->labels) return MNAS_ERR_MEMORY;
    for (size_t i = 0; i < n; i++) d->images[i] = (float)(mnas_rng_uniform(&rng) * 2 - 1);
    for (int i = 0; i < c->batch; i++) d->labels[i] = (int32_t)mnas_rng_below(&rng, 1000);
    return 0;
}

/* Field 22 of /proc/self/stat is the start, in ticks since boot; the program's name, in brackets, may hold blanks. */
static double since_process_start_s(void) {
    char text[1024];
    unsigned long long started_ticks = 0;
    struct timespec now;
    FILE *in = fopen("/proc/self/stat", "r");
    size_t n = in ? fread(text, 1, sizeof text - 1, in) : 0;
    if (in) fclose(in);
    text[n] = '\0';
    char *field = strrchr(text, ')');
    for (int i = 2; field && i < 22; i++) field = strchr(field + 1, ' ');
    if (field) started_ticks = strtoull(field, NULL, 10);
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9 -
           (double)started_ticks / (double)sysconf(_SC_CLK_TCK);
}

/* VmHWM: the most this process ever held; VmRSS: what it holds now. */
static double memory_mb(const char *key) {
    char line[256];
    double kb = 0;
    FILE *in = fopen("/proc/self/status", "r");
    while (in && fgets(line, sizeof line, in)) {
        if (strncmp(line, key, strlen(key)) == 0) kb = atof(line + strlen(key) + 1);
    }
    if (in) fclose(in);
    return kb / 1024;
}

static int warm_up(mnas_trainer *t, const data *d, figures *out) {
    mnas_loss loss;
    for (int i = 0; i < WARMUP_STEPS; i++) {
        int rc = mnas_trainer_step(t, d->images, d->labels, &loss);
        if (rc < 0) return rc;
        if (i == 0) out->first_step_s = since_process_start_s();
    }
    return 0;
}

static int time_steps(mnas_trainer *t, const data *d, double seconds, figures *out) {
    static double step_s[MAX_STEPS];
    mnas_loss loss;
    int n = 0, rc = warm_up(t, d, out);
    clock_t cpu = clock();
    double began_s = mnas_clock_now_s();
    while (rc == 0 && n < MAX_STEPS && (n < MIN_STEPS || mnas_clock_now_s() - began_s < seconds)) {
        double before_s = mnas_clock_now_s();
        rc = mnas_trainer_step(t, d->images, d->labels, &loss);
        step_s[n++] = mnas_clock_now_s() - before_s;
    }
    if (rc < 0) return rc;
    out->n_steps = n;
    out->cpu_s = (double)(clock() - cpu) / CLOCKS_PER_SEC / n;
    out->median_s = mnas_stats_median(step_s, (size_t)n);
    out->fastest_s = mnas_stats_quantile(step_s, (size_t)n, 0);
    return 0;
}

static size_t n_trained(const mnas_graph *graph) {
    size_t n = 0;
    for (int i = 0; i < graph->n_params; i++) n += graph->params[i].trainable ? graph->params[i].size : 0;
    return n;
}

static void print(const bench_case *c, const mnas_trainer *t, const figures *f, const char *options,
                  double idle_mb) {
    printf(
        "{\"peer\": \"mnas%s%s\", \"params\": %zu, \"images_per_s\": %.2f, \"fastest\": %.2f, \"cpu_ms\": "
        "%.2f, "
        "\"steps\": %d, \"peak_mb\": %.0f, \"idle_mb\": %.0f, \"first_step_s\": %.2f, \"slab_mb\": %.0f}\n",
        *options ? " " : "", options, n_trained(t->graph), c->batch / f->median_s, c->batch / f->fastest_s,
        f->cpu_s * 1e3, f->n_steps, memory_mb("VmHWM"), idle_mb, f->first_step_s,
        (double)mnas_engine_slab_bytes(t->engine) / 1048576);
}

static int run(const bench_case *c, double seconds, bool profile, const char *options) {
    mnas_trainer t = {0};
    data d = {0};
    figures f = {0};
    double idle_mb = memory_mb("VmRSS");
    int rc = open_trainer(&t, c, options);
    if (rc == 0) rc = draw(&d, c);
    if (rc == 0) rc = time_steps(&t, &d, seconds, &f);
    if (rc == 0 && profile) mnas_engine_describe(t.engine, stderr);
    if (rc == 0)
        print(c, &t, &f, options, idle_mb);
    else
        fprintf(stderr, "bench_train_step: %s\n", mnas_error_message());
    free(d.labels);
    free(d.images);
    mnas_trainer_close(&t);
    return rc;
}

int main(int argc, char **argv) {
    bool profile = argc > 4 && strcmp(argv[4], "profile") == 0;
    const char *options = argc > 4 + profile ? argv[4 + profile] : "";
    int n_threads = argc > 2 ? atoi(argv[2]) : 0;
    if (argc < 4 || argc > 5 + profile || n_threads < 1) {
        fprintf(stderr, "usage: bench_train_step CASE THREADS SECONDS [profile] [RECIPE OPTIONS]\n");
        return 2;
    }
    const bench_case *c = bench_case_find(argv[1]);
    if (!c) return 2;
    omp_set_num_threads(n_threads);
    return run(c, atof(argv[3]), profile, options) < 0;
}
