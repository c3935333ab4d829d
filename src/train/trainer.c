/* trainer.c - the composition of a training step. The order is the official code's: forward, loss, backward,
 * decay and update, then the average.
 */
#include "train/trainer.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "blocks/net.h"
#include "kernels/isa.h"
#include "ops/op.h"
#include "ops/precision.h"
#include "train/init.h"

/* What the recipe asks for, as far as this machine can: the reference engine and other processors keep to f32. */
static void set_precision(mnas_trainer *t, mnas_engine_kind kind) {
    if (t->recipe.precision == MNAS_ELEM_F32) return;
    if (kind == MNAS_ENGINE_FAST && mnas_isa_of(MNAS_ELEM_BF16))
        mnas_precision_set(t->graph, MNAS_ELEM_BF16);
    else
        mnas_log_warn(
            "precision bf16 needs a processor with AVX512-BF16, which this one is not; training in f32");
}

static int open_parts(mnas_trainer *t, const mnas_model *model, mnas_engine_kind kind) {
    const mnas_recipe *r = &t->recipe;
    mnas_model trained = *model;
    mnas_recipe_apply(r, &trained);
    trained.bn_momentum = pow(trained.bn_momentum, 1.0 / t->n_passes);
    mnas_optimizer_options options = {.kind = (mnas_optimizer_kind)r->optimizer,
                                      .momentum = r->momentum,
                                      .rms_decay = r->rms_decay,
                                      .epsilon = r->epsilon,
                                      .weight_decay = r->weight_decay};
    int rc = mnas_net_build(&t->graph, &trained);
    if (rc < 0) return rc;
    set_precision(t, kind);
    if ((rc = mnas_weights_create(&t->weights, t->graph)) < 0) return rc;
    if ((rc = mnas_weights_create(&t->gradients, t->graph)) < 0) return rc;
    if (t->n_passes > 1 && (rc = mnas_weights_create(&t->sum, t->graph)) < 0) return rc;
    if ((rc = mnas_optimizer_create(&t->optimizer, t->graph, &options)) < 0) return rc;
    if ((rc = mnas_engine_create(&t->engine, t->graph, t->group, true, kind)) < 0) return rc;
    mnas_init_weights(t->weights, t->graph, t->seed);
    return r->ema_decay > 0 ? mnas_ema_init(&t->ema, t->graph, t->weights, r->ema_decay) : 0;
}

int mnas_trainer_open(mnas_trainer *out, const mnas_model *model, const mnas_recipe *recipe,
                      double steps_per_epoch, uint64_t seed, mnas_engine_kind kind) {
    *out = (mnas_trainer){.recipe = *recipe, .seed = seed, .group = mnas_recipe_group(recipe)};
    out->n_passes = (int)recipe->batch / out->group;
    out->schedule = mnas_recipe_schedule(recipe, steps_per_epoch);
    return open_parts(out, model, kind);
}

void mnas_trainer_close(mnas_trainer *trainer) {
    mnas_ema_free(&trainer->ema);
    mnas_engine_destroy(trainer->engine);
    mnas_optimizer_destroy(trainer->optimizer);
    mnas_weights_destroy(trainer->sum);
    mnas_weights_destroy(trainer->gradients);
    mnas_weights_destroy(trainer->weights);
    mnas_graph_destroy(trainer->graph);
    *trainer = (mnas_trainer){0};
}

int mnas_trainer_load(mnas_trainer *trainer, const char *path, bool fresh_head) {
    bool taken;
    const mnas_weights *w = trainer->weights;
    int rc = mnas_weights_load_for(trainer->weights, trainer->graph, path,
                                   fresh_head ? MNAS_HEAD_OWN : MNAS_HEAD_IF_FITS, &taken);
    if (rc < 0) return rc;
    if (!taken) {
        mnas_init_calm_classifier(trainer->weights, trainer->graph);
        mnas_log_info("%s: all weights taken but the classifier's, which begins afresh, for %d classes", path,
                      trainer->graph->model.classes);
    }
    if (trainer->ema.average) memcpy(trainer->ema.average->data, w->data, w->n_floats * sizeof(float));
    return 0;
}

double mnas_trainer_lr(const mnas_trainer *trainer) {
    return mnas_schedule_lr(&trainer->schedule, trainer->step);
}

/* sum <- sum + g */
static void add(float *restrict sum, const float *restrict g, size_t n) {
#pragma omp parallel for simd schedule(static)
    for (size_t i = 0; i < n; i++) sum[i] += g[i];
}

/* g <- sum / k;  sum <- 0 */
static void take_mean(float *restrict g, float *restrict sum, size_t n, float k) {
#pragma omp parallel for simd schedule(static)
    for (size_t i = 0; i < n; i++) {
        g[i] = sum[i] / k;
        sum[i] = 0.0F;
    }
}

static void update(mnas_trainer *t) {
    if (t->sum) take_mean(t->gradients->data, t->sum->data, t->sum->n_floats, (float)t->n_passes);
    mnas_optimizer_step(t->optimizer, t->weights, t->gradients, mnas_trainer_lr(t));
    if (t->ema.average) mnas_ema_update(&t->ema, t->weights);
    t->passes_done = 0;
    t->step++;
}

int mnas_trainer_pass(mnas_trainer *trainer, const float *images, const int32_t *labels, mnas_loss *loss) {
    mnas_trainer *t = trainer;
    const uint64_t pass = (uint64_t)t->step * (uint64_t)t->n_passes + (uint64_t)t->passes_done;
    mnas_rng rng = mnas_rng_stream(t->seed, pass, "dropout");
    int rc = mnas_engine_step(t->engine, t->weights, t->gradients, images, labels, t->recipe.label_smoothing,
                              mnas_rng_u64(&rng), loss);
    if (rc < 0) return rc;
    if (!isfinite(loss->loss)) {
        return mnas_error_set(MNAS_ERR_NAN,
                              "the loss is %g at step %d (learning rate %g); allowed: a finite number",
                              loss->loss, t->step + 1, mnas_trainer_lr(t));
    }
    if (t->sum) add(t->sum->data, t->gradients->data, t->sum->n_floats);
    if (++t->passes_done == t->n_passes) update(t);
    return 0;
}

int mnas_trainer_step(mnas_trainer *trainer, const float *images, const int32_t *labels, mnas_loss *loss) {
    const size_t group = (size_t)trainer->group,
                 group_floats = group * mnas_shape_size(trainer->graph->nodes[0].out);
    mnas_loss all = {0};
    for (int i = 0; i < trainer->n_passes; i++) {
        mnas_loss one;
        int rc =
            mnas_trainer_pass(trainer, images + (size_t)i * group_floats, labels + (size_t)i * group, &one);
        if (rc < 0) return rc;
        all.loss += one.loss / trainer->n_passes;
        all.n_top1 += one.n_top1;
        all.n_top5 += one.n_top5;
    }
    *loss = all;
    return 0;
}

mnas_weights *mnas_trainer_result(const mnas_trainer *trainer) {
    return trainer->ema.average ? trainer->ema.average : trainer->weights;
}

int mnas_trainer_check(const mnas_trainer *trainer) {
    const mnas_weights *weights = mnas_trainer_result(trainer);
    for (int p = 0; p < trainer->graph->n_params; p++) {
        const mnas_param *param = &trainer->graph->params[p];
        const float *w = mnas_weights_of(weights, param);
        for (size_t i = 0; i < param->size; i++) {
            if (isfinite(w[i])) continue;
            return mnas_error_set(MNAS_ERR_NAN, "%s holds %g after step %d; allowed: finite numbers",
                                  param->name, (double)w[i], trainer->step);
        }
    }
    return 0;
}

int mnas_trainer_recalibrate(mnas_trainer *trainer, int i, const float *images) {
    mnas_graph *graph = trainer->graph;
    double kept = graph->model.bn_momentum;
    /* A share i / (i + 1) of the old makes the moving statistics a running mean of the batches. */
    for (int n = 0; n < graph->n_nodes; n++) {
        if (graph->nodes[n].op == &mnas_op_bn) graph->nodes[n].momentum = (double)i / (i + 1);
    }
    int rc = mnas_engine_observe(trainer->engine, mnas_trainer_result(trainer), images);
    for (int n = 0; n < graph->n_nodes; n++) {
        if (graph->nodes[n].op == &mnas_op_bn) graph->nodes[n].momentum = kept;
    }
    return rc;
}
