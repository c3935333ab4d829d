/* train_step.c - images per second of a training step (forward, loss, backward, optimiser) of MnasNet-B1; the
 * other half of a pair is train_step.py, and run_train.sh runs pairs of both.
 *
 *     bench_train_step cifar|imagenet THREADS SECONDS [profile]
 *
 * Prints one line: images per second of the median step. Data is random and stays in memory: loading is not measured.
 */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "base/stats.h"
#include "model/model.h"
#include "train/trainer.h"

enum { WARMUP_STEPS = 3, MIN_STEPS = 5, MAX_STEPS = 4096 };

typedef struct bench_case {
    const char *name, *model;
    int input_size, stem_stride, batch;
} bench_case;

static const bench_case cases[] = {
    {"cifar", "mnasnet-b1@0.5", 32, 1, 128}, /* mnasnet0_5 with stem stride 1 */
    {"imagenet", "mnasnet-b1", 224, 2, 32},  /* mnasnet1_0 */
};

typedef struct data {
    float *images;
    int32_t *labels;
} data;

static int open_trainer(mnas_trainer *t, const bench_case *c) {
    mnas_model model;
    mnas_recipe recipe;
    char spec[256];
    int rc = mnas_model_open_local(&model, c->model, c->input_size);
    if (rc < 0) return rc;
    model.stem_stride = c->stem_stride;
    model.padding = MNAS_PAD_SYMMETRIC; /* as torch pads */
    snprintf(spec, sizeof spec,
             "imagenet-mnasnet:batch=%d,lr=0.001,schedule=constant,warmup-epochs=0,ema-decay=0", c->batch);
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

/* Median seconds of a step, or a negative status. */
static double time_steps(mnas_trainer *t, const data *d, double seconds) {
    static double step_s[MAX_STEPS];
    double began_s = mnas_clock_now_s();
    int n = 0;
    for (int i = 0; i < MAX_STEPS && (n < MIN_STEPS || mnas_clock_now_s() - began_s < seconds); i++) {
        mnas_loss loss;
        double before_s = mnas_clock_now_s();
        int rc = mnas_trainer_step(t, d->images, d->labels, &loss);
        if (rc < 0) return rc;
        if (i >= WARMUP_STEPS) step_s[n++] = mnas_clock_now_s() - before_s;
    }
    return mnas_stats_median(step_s, (size_t)n);
}

static int run(const bench_case *c, double seconds, bool profile) {
    mnas_trainer t = {0};
    data d = {0};
    double step_s = -1;
    int rc = open_trainer(&t, c);
    if (rc == 0) rc = draw(&d, c);
    if (rc == 0) step_s = time_steps(&t, &d, seconds);
    if (step_s > 0) {
        if (profile) mnas_engine_describe(t.engine, stderr);
        printf("%.2f\n", c->batch / step_s);
    } else {
        fprintf(stderr, "bench_train_step: %s\n", mnas_error_message());
        rc = -1;
    }
    free(d.labels);
    free(d.images);
    mnas_trainer_close(&t);
    return rc;
}

int main(int argc, char **argv) {
    for (size_t i = 0; argc >= 4 && i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(argv[1], cases[i].name) != 0) continue;
        omp_set_num_threads(atoi(argv[2]));
        return run(&cases[i], atof(argv[3]), argc > 4 && strcmp(argv[4], "profile") == 0) < 0;
    }
    fprintf(stderr, "usage: bench_train_step cifar|imagenet THREADS SECONDS [profile]\n");
    return 2;
}
