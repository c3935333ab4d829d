/* run_keep.c - a training's checkpoint: what it is of, when it is written, and how it is taken up again.
 *
 * The order of writing makes kill -9 harmless: metrics first, then the state that says up to where they hold; the best weights before
 * a state that knows of them. What a killed process had done since the last state is done again, to the bit.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/log.h"
#include "train/run.h"

/* ---- which training it is ---- */

static mnas_str *add_fact(mnas_checkpoint *c, const char *name) {
    c->facts[c->n_facts].name = name;
    mnas_str *text = &c->facts[c->n_facts++].text;
    mnas_str_append(text, "");
    return text;
}

/* What the network is called does not matter. */
static int add_network(mnas_checkpoint *c, const mnas_model *model) {
    mnas_model nameless = *model;
    char *text;
    snprintf(nameless.name, sizeof nameless.name, "network");
    int rc = mnas_model_print(&nameless, &text);
    if (rc < 0) return rc;
    mnas_str_append(add_fact(c, "network"), text);
    free(text);
    return 0;
}

static void add_recipe(mnas_checkpoint *c, const mnas_recipe *recipe) {
    mnas_str *text = add_fact(c, "recipe");
    mnas_recipe_print(recipe, text);
    for (char *p = text->data; p && *p; p++)
        if (*p == ',') *p = '\n';
}

/* Images are told apart by how many there are of which class in which order: cheap, and whatever moves them shows. */
static uint64_t hash_of(const mnas_split *split) {
    uint64_t hash = MNAS_HASH_INIT;
    for (int i = 0; i < split->n; i++) {
        const size_t source = split->index ? split->index[i] : (size_t)i;
        hash = mnas_hash_bytes(hash, &split->labels[source], sizeof *split->labels);
    }
    return hash;
}

static void add_data(mnas_checkpoint *c, const mnas_run *r) {
    const mnas_dataset_info *info = &r->dataset->info;
    const mnas_split *train = &r->dataset->split[MNAS_SPLIT_TRAIN], *val = &r->dataset->split[MNAS_SPLIT_VAL];
    mnas_str_appendf(add_fact(c, "data"),
                     "%s\n%d x %d x %d\n%d classes\n%d training images\n%d validation images\n"
                     "training labels %016llx\nvalidation labels %016llx",
                     info->spec, info->height, info->width, info->channels, info->classes, train->n, val->n,
                     (unsigned long long)hash_of(train), (unsigned long long)hash_of(val));
}

static int add_facts(mnas_run *r) {
    mnas_checkpoint *c = &r->checkpoint;
    int rc = add_network(c, r->model);
    if (rc < 0) return rc;
    add_recipe(c, &r->recipe);
    add_data(c, r);
    mnas_str_appendf(add_fact(c, "number of images"), "%lld", (long long)r->n_images);
    mnas_str_appendf(add_fact(c, "seed"), "%llu", (unsigned long long)r->options->seed);
    mnas_str *initial = add_fact(c, "initial weights");
    mnas_str_append(initial, r->options->init ? r->options->init : "drawn");
    if (r->options->init && r->options->classes) mnas_str_append(initial, "\nall but the classifier's");
    for (int i = 0; i < c->n_facts; i++)
        if (!mnas_str_ok(&c->facts[i].text)) return MNAS_ERR_MEMORY;
    return 0;
}

static void add_slab(mnas_checkpoint *c, const char *prefix, const char *suffix, mnas_weights *weights,
                     bool trainable_only) {
    if (!weights) return;
    c->slabs[c->n_slabs].prefix = prefix;
    c->slabs[c->n_slabs].suffix = suffix;
    c->slabs[c->n_slabs].weights = weights;
    c->slabs[c->n_slabs++].trainable_only = trainable_only;
}

static void add_slabs(mnas_run *r) {
    const mnas_trainer *t = &r->trainer;
    const mnas_optimizer_slots slots = mnas_optimizer_slots_of(t->optimizer);
    r->checkpoint.graph = t->graph;
    add_slab(&r->checkpoint, "model.", "", mnas_trainer_result(t), false);
    if (t->ema.average) add_slab(&r->checkpoint, "", ".trained", t->weights, false);
    add_slab(&r->checkpoint, "", ".momentum", slots.momentum, true);
    add_slab(&r->checkpoint, "", ".mean_square", slots.mean_square, true);
    add_slab(&r->checkpoint, "", ".sum", t->sum, true);
}

/* ---- taking it up ---- */

/* Hostile numbers must not lead to steps that the training does not have. */
static int check_progress(const mnas_run *r, const mnas_progress *p) {
    if (p->step <= r->n_steps && p->epochs_done <= r->n_epochs && p->evaluated_step <= p->step &&
        p->passes_done < r->trainer.n_passes)
        return 0;
    return mnas_error_set(
        MNAS_ERR_FORMAT, "%s: step %lld and %lld epochs; allowed: at most the %d and %d of the training",
        mnas_run_source(r), (long long)p->step, (long long)p->epochs_done, r->n_steps, r->n_epochs);
}

static int take_up(mnas_run *r) {
    const char *path = mnas_run_source(r);
    int rc = mnas_checkpoint_read(&r->checkpoint, path);
    if (rc == MNAS_ERR_MISMATCH)
        return mnas_error_set(rc, "%s; name another file, or remove this one to begin anew",
                              mnas_error_message());
    const mnas_progress *p = &r->checkpoint.progress;
    if (rc == 0) rc = check_progress(r, p);
    if (rc == 0) rc = mnas_loader_seek(r->train, p->loader_step);
    if (rc < 0) return rc;
    r->at = *p;
    r->trainer.step = (int)p->step;
    r->trainer.passes_done = (int)p->passes_done;
    r->trainer.ema.n_updates = p->n_averaged;
    mnas_log_info("%s: going on at step %d of %d", path, r->trainer.step, r->n_steps);
    return 0;
}

const char *mnas_run_source(const mnas_run *run) {
    const char *path = run->options->checkpoint;
    return path && mnas_file_exists(path) ? path : run->options->from;
}

/* A part is one step of its caller's plan, who sees to it that nobody else works on it, and wants no file left. */
static int lock_checkpoint(mnas_run *r, const char *path) {
    char best[1024];
    if (r->options->stop_epochs > 0) return 0;
    int rc = mnas_train_best_path(best, sizeof best, path);
    if (rc < 0) return rc;
    return mnas_lock_take(&r->lock_fd, path,
                          "another training is working on this checkpoint; wait for it or stop it");
}

int mnas_run_open_checkpoint(mnas_run *run) {
    const char *path = run->options->checkpoint;
    run->at = mnas_progress_begin();
    if (!path && !run->options->from) return 0;
    int rc = path ? lock_checkpoint(run, path) : 0;
    if (rc == 0) rc = add_facts(run);
    if (rc < 0) return rc;
    add_slabs(run);
    return mnas_run_source(run) ? take_up(run) : 0;
}

/* ---- keeping it ---- */

static void warn(const char *what, const char *then) {
    mnas_log_warn("%s was not written: %s; %s", what, mnas_error_message(), then);
}

int mnas_run_keep(mnas_run *run) {
    if (!run->options->checkpoint) return 0;
    mnas_progress *at = &run->at;
    at->step = run->trainer.step;
    at->passes_done = run->trainer.passes_done;
    at->loader_step = mnas_loader_step(run->train);
    at->n_averaged = run->trainer.ema.n_updates;
    at->elapsed_s = mnas_clock_now_s() - run->begun_s;
    run->checkpoint.progress = *at;
    int rc = mnas_metrics_sync(run->metrics);
    if (rc == 0) rc = mnas_checkpoint_write(&run->checkpoint, run->options->checkpoint);
    run->kept_s = mnas_clock_now_s();
    if (rc < 0 && !run->keeping_failed) warn("the checkpoint", "training goes on and tries again");
    run->keeping_failed = rc < 0;
    return rc;
}

void mnas_run_keep_when_due(mnas_run *run) {
    const double interval_s = 60 * run->options->checkpoint_minutes;
    if (mnas_clock_now_s() - run->kept_s >= interval_s) mnas_run_keep(run);
}

/* Best is what is stored: where the disk is full, a later epoch has to beat the file that is there. */
void mnas_run_keep_best(mnas_run *run) {
    char path[1024];
    mnas_progress *at = &run->at;
    if (at->val_top1 <= at->best_accuracy) return; /* false for NaN: there is none yet */
    if (run->options->checkpoint && !(run->options->stop_epochs > 0)) {
        int rc = mnas_train_best_path(path, sizeof path, run->options->checkpoint);
        if (rc == 0) rc = mnas_run_save(run, path, at->val_top1);
        if (rc < 0) {
            warn("the file of the best epoch's weights", "training goes on");
            return;
        }
    }
    at->best_accuracy = at->val_top1;
    at->best_epoch = at->epochs_done;
}

int mnas_run_save(const mnas_run *run, const char *path, double accuracy_frac) {
    char *arch, accuracy[32], steps[32];
    int rc = mnas_model_arch(run->model, &arch);
    if (rc < 0) return rc;
    snprintf(accuracy, sizeof accuracy, "%.6f", accuracy_frac);
    snprintf(steps, sizeof steps, "%d", run->trainer.step);
    const char *recipe = run->options->recipe ? run->options->recipe : "proxy";
    const char *metadata[] = {"arch",  arch,  "recipe",       recipe,   "data",   run->dataset->info.spec,
                              "steps", steps, "val_accuracy", accuracy, "format", "pt",
                              NULL};
    rc = mnas_weights_save(mnas_trainer_result(&run->trainer), run->trainer.graph, path, metadata);
    free(arch);
    return rc;
}

int mnas_train_best_path(char *path, size_t n, const char *checkpoint) {
    static const char extension[] = ".ckpt";
    const size_t len = strlen(checkpoint), cut = sizeof extension - 1;
    const bool has = len > cut && strcmp(checkpoint + len - cut, extension) == 0;
    return mnas_str_format(path, n, "%.*s.best.safetensors", (int)(has ? len - cut : len), checkpoint);
}
