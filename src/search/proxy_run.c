/* proxy_run.c - mnas_proxy_check_run: networks of a space trained at every length, and what that shows.
 *
 * The plan is a function of space, data and options: networks stratified by multiply-adds among uniform draws; all of them
 * once, then a third of them with each further seed. Its order is such that a stop at any time leaves whole networks. Each
 * training is a trial's run without its measuring (trial.h), in a child process, one after the other.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/rng.h"
#include "base/str.h"
#include "data/dataset.h"
#include "search/loop.h"
#include "search/machine.h"
#include "search/proxy.h"
#include "search/trial.h"

enum { DRAWN_FOR_EACH = 20, SEED_PART = 3, POLL_MS = 200, N_SAMPLES = 1000, MAX_MISSES = 200 };

typedef struct network {
    mnas_model model;
    char key[17];
    int64_t macs, params;
} network;

typedef struct run {
    const mnas_proxy_options *options;
    const mnas_job_runner *runner;
    mnas_space *space;
    mnas_dataset_info data;
    mnas_recipe recipe;
    mnas_proxy_record record;
    network *networks;
    int n_networks;
    mnas_proxy_span lengths[MNAS_PROXY_MAX_LENGTHS]; /* the last one full */
    int n_lengths, n_done, n_planned;
    double begun_s, work_begun, work_done, work_all; /* multiply-adds times images */
} run;

static const char *recipe_of(const mnas_proxy_options *o) {
    return o->recipe && o->recipe[0] ? o->recipe : "proxy";
}

/* ---- options ---- */

static int check_options(const mnas_proxy_options *o) {
    if (o->networks < 10 || o->networks > MNAS_PROXY_MAX_NETWORKS)
        return mnas_error_set(MNAS_ERR_ARG, "--networks is %d; allowed: 10 to %d", o->networks,
                              MNAS_PROXY_MAX_NETWORKS);
    if (o->seeds < 1 || o->seeds > MNAS_PROXY_MAX_SEEDS)
        return mnas_error_set(MNAS_ERR_ARG, "--seeds is %d; allowed: 1 to %d", o->seeds,
                              MNAS_PROXY_MAX_SEEDS);
    return 0;
}

static mnas_proxy_task task_of(const run *r) {
    return (mnas_proxy_task){r->data.n_train, r->recipe.epochs};
}

static int read_lengths(run *r) {
    const int n = mnas_proxy_spans_read(r->lengths, r->options->lengths, r->options->full);
    if (n > 0) r->n_lengths = n;
    return n < 0 ? n : 0;
}

static int check_lengths(const run *r) {
    const mnas_proxy_task task = task_of(r);
    return mnas_proxy_spans_check(r->lengths, r->n_lengths, &task);
}

/* What all trainings of a record share, as a number. */
static void name_task(const run *r, char task[17]) {
    uint64_t hash = MNAS_HASH_INIT;
    const char *const parts[] = {r->data.spec, recipe_of(r->options)};
    for (size_t i = 0; i < 2; i++) hash = mnas_hash_bytes(hash, parts[i], strlen(parts[i]) + 1);
    snprintf(task, 17, "%016llx", (unsigned long long)hash);
}

static int open_record(run *r) {
    char task[17];
    int rc = mnas_proxy_record_read(&r->record, r->options->record, !r->options->plan_only);
    name_task(r, task);
    if (rc == 0 && r->record.n > 0 && strcmp(task, r->record.task) != 0)
        return mnas_error_set(MNAS_ERR_MISMATCH,
                              "%s is a record of other --data or another --recipe; give another --record",
                              r->options->record);
    memcpy(r->record.task, task, sizeof task);
    return rc;
}

/* ---- networks ---- */

static bool is_known(const network *list, int n, const char *key) {
    for (int i = 0; i < n; i++)
        if (strcmp(list[i].key, key) == 0) return true;
    return false;
}

static int draw(const run *r, mnas_rng *rng, int *tokens, network *out) {
    mnas_cost cost;
    for (int i = 0; i < mnas_space_n_decisions(r->space); i++)
        tokens[i] = (int)mnas_rng_below(rng, (uint32_t)mnas_space_decision(r->space, i)->n_choices);
    int rc = mnas_loop_decode(r->space, &r->data, tokens, &out->model);
    if (rc == 0) rc = mnas_model_key(&out->model, out->key);
    if (rc == 0) rc = mnas_cost_compute(&cost, &out->model, 1);
    if (rc < 0) return rc;
    out->macs = cost.macs, out->params = cost.params;
    mnas_cost_free(&cost);
    return 0;
}

static int by_macs(const void *a, const void *b) {
    const network *p = a, *q = b;
    if (p->macs != q->macs) return p->macs < q->macs ? -1 : 1;
    return strcmp(p->key, q->key);
}

/* Different ones; fewer than wanted in a small space. */
static int draw_pool(const run *r, network *pool, int n_wanted, int *n) {
    mnas_rng rng = mnas_rng_stream(r->options->seed, 0, "proxy-check");
    int *tokens = calloc((size_t)mnas_space_n_decisions(r->space) + 1, sizeof *tokens);
    int rc = tokens ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a network");
    *n = 0;
    for (int misses = 0; misses < MAX_MISSES && *n < n_wanted && rc == 0;) {
        rc = draw(r, &rng, tokens, &pool[*n]);
        const bool is_new = rc == 0 && !is_known(pool, *n, pool[*n].key);
        *n += is_new;
        misses = is_new ? 0 : misses + 1;
        if (rc == MNAS_ERR_INVALID) rc = 0;
    }
    free(tokens);
    return rc;
}

/* The pool is cut into as many ranges of log multiply-adds as networks are wanted; of each range the one nearest to its middle
 * that is left, so that small and large networks are there alike. Then shuffled: any part of the work is a fair part. */
static void stratify(run *r, network *pool, int n_pool) {
    const int n = r->n_networks;
    const double low = log((double)pool[0].macs), high = log((double)pool[n_pool - 1].macs);
    mnas_rng rng = mnas_rng_stream(r->options->seed, 1, "proxy-check");
    for (int i = 0; i < n; i++) {
        const double middle = low + (high - low) * (i + 0.5) / n;
        int best = -1;
        for (int k = 0; k < n_pool; k++) {
            if (pool[k].key[0] == '\0') continue;
            if (best < 0 ||
                fabs(log((double)pool[k].macs) - middle) < fabs(log((double)pool[best].macs) - middle))
                best = k;
        }
        r->networks[i] = pool[best];
        pool[best].key[0] = '\0'; /* taken */
    }
    for (int i = n - 1; i > 0; i--) {
        const int k = (int)mnas_rng_below(&rng, (uint32_t)i + 1);
        const network swapped = r->networks[i];
        r->networks[i] = r->networks[k], r->networks[k] = swapped;
    }
}

static int choose_networks(run *r) {
    const int wanted = r->options->networks * DRAWN_FOR_EACH;
    int n_pool = 0;
    network *pool = calloc((size_t)wanted, sizeof *pool);
    r->networks = calloc((size_t)r->options->networks, sizeof *r->networks);
    int rc = pool && r->networks ? draw_pool(r, pool, wanted, &n_pool)
                                 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d networks", wanted);
    r->n_networks = n_pool < r->options->networks ? n_pool : r->options->networks;
    if (rc == 0 && r->n_networks < 10)
        rc = mnas_error_set(MNAS_ERR_ARG, "the space has %d different networks; at least 10 are needed",
                            r->n_networks);
    if (rc == 0) {
        qsort(pool, (size_t)n_pool, sizeof *pool, by_macs);
        stratify(r, pool, n_pool);
    }
    free(pool);
    return rc;
}

/* ---- the plan ---- */

typedef struct training {
    const network *network;
    int number, length, seed;
} training;

/* Network by network with the first seed, then with the others. False behind the last one. */
static bool plan_at(const run *r, int i, training *out) {
    const int n_seeded = (r->n_networks + SEED_PART - 1) / SEED_PART, first = r->n_networks * r->n_lengths;
    const int later = i - first, each = n_seeded * r->n_lengths;
    if (i < first)
        *out = (training){.number = i / r->n_lengths, .length = i % r->n_lengths};
    else if (later < each * (r->options->seeds - 1))
        *out = (training){
            .number = later % each / r->n_lengths, .length = later % r->n_lengths, .seed = 1 + later / each};
    else
        return false;
    out->network = &r->networks[out->number];
    return true;
}

static const mnas_proxy_training *done_as(const run *r, const training *t) {
    return mnas_proxy_record_find(&r->record, t->network->key, &r->lengths[t->length], t->seed);
}

static double work_of(const run *r, const training *t) {
    const mnas_proxy_task task = task_of(r);
    return (double)t->network->macs * mnas_proxy_span_seen(&r->lengths[t->length], &task);
}

static int count_work(run *r) {
    training t;
    int n_known = 0;
    for (r->n_planned = 0; plan_at(r, r->n_planned, &t); r->n_planned++) {
        r->work_all += work_of(r, &t);
        if (!done_as(r, &t)) continue;
        n_known++;
        r->work_done += work_of(r, &t);
    }
    r->n_done = n_known;
    r->work_begun = r->work_done;
    if (n_known == r->record.n) return 0;
    return mnas_error_set(
        MNAS_ERR_MISMATCH,
        "%s has %d trainings that are not of this plan (--space, --networks, --lengths, --full, --seeds or "
        "--seed differ); give those, or another --record",
        r->options->record, r->record.n - n_known);
}

/* As if the rest went on at the pace since the start, or without one at the pace of the record. */
static double estimate_s(const run *r, double work_now, double now_s) {
    double seconds = now_s - r->begun_s, work = work_now - r->work_begun;
    if (work <= 0) {
        seconds = 0, work = r->work_begun;
        for (int i = 0; i < r->record.n; i++) seconds += r->record.list[i].train_s;
    }
    return work > 0 ? seconds / work * (r->work_all - work_now) : (double)NAN;
}

static void show(const run *r, const training *t, double frac) {
    char name[96] = "", length[MNAS_PROXY_SPAN_NAME];
    const double now_s = mnas_clock_now_s(), part = t && frac > 0 ? frac * work_of(r, t) : 0;
    if (t) {
        mnas_proxy_span_name(&r->lengths[t->length], length);
        snprintf(name, sizeof name, "network %d, %s, seed %d", t->number, length, t->seed);
    }
    const mnas_proxy_progress p = {.n_done = r->n_done,
                                   .n_planned = r->n_planned,
                                   .frac = frac,
                                   .name = name,
                                   .elapsed_s = now_s - r->begun_s,
                                   .eta_s = estimate_s(r, r->work_done + part, now_s)};
    if (r->options->progress) r->options->progress(r->options->user, &p);
}

/* ---- training ---- */

static int look_at_the_clock(const run *r) {
    const mnas_proxy_options *o = r->options;
    if (o->cancel && *o->cancel)
        return mnas_error_set(MNAS_ERR_CANCELLED,
                              "interrupted; the same command goes on with %d of %d trainings done", r->n_done,
                              r->n_planned);
    if (!isnan(o->max_minutes) && mnas_clock_now_s() - r->begun_s >= 60 * o->max_minutes)
        return mnas_error_set(MNAS_ERR_TIMEOUT,
                              "--max-minutes %g are over; the same command goes on with %d of %d trainings "
                              "done",
                              o->max_minutes, r->n_done, r->n_planned);
    return 0;
}

static int follow(const run *r, mnas_trial_run *trial, const mnas_trial_context *context, const training *t) {
    int rc = 0;
    while (rc == 0 && trial->phase == MNAS_RUN_TRAINING) {
        mnas_job *job = mnas_trial_job(trial);
        rc = context->runner->wait(context->runner->user, &job, 1, POLL_MS);
        if (rc == 0) rc = mnas_trial_poll(trial, context);
        if (rc == 0) rc = look_at_the_clock(r);
        show(r, t, trial->frac);
    }
    return rc;
}

/* A training that fails by itself is worth nothing as a network: as one that diverged. A crash or want of memory says nothing
 * of it, and ends the check. */
static int take(run *r, const training *t, const mnas_trial *row) {
    const bool complete = row->state == MNAS_TRIAL_COMPLETE;
    char length[MNAS_PROXY_SPAN_NAME];
    mnas_proxy_span_name(&r->lengths[t->length], length);
    if (!complete && strcmp(row->reason, "nan") != 0)
        return mnas_error_set(MNAS_ERR_CHILD, "network %d, %s: %s: %s", t->number, length, row->reason,
                              row->error ? row->error : "");
    mnas_proxy_training done = {.span = r->lengths[t->length],
                                .seed = t->seed,
                                .accuracy_frac = complete ? row->accuracy_frac : -INFINITY,
                                .train_s = row->train_s >= 0 ? row->train_s : 0,
                                .macs = t->network->macs,
                                .params = t->network->params};
    memcpy(done.key, t->network->key, sizeof done.key);
    return mnas_proxy_record_append(&r->record, r->options->record, &done);
}

/* Another for each length: trainings that share a seed share their luck. */
static uint64_t seed_of(const run *r, const training *t) {
    const int index = (t->number * MNAS_PROXY_MAX_LENGTHS + t->length) * MNAS_PROXY_MAX_SEEDS + t->seed;
    mnas_rng rng = mnas_rng_stream(r->options->seed, (uint64_t)index, "trial");
    return mnas_rng_u64(&rng) >> 1;
}

static int train_one(run *r, const training *t) {
    const int threads = r->options->threads;
    const mnas_proxy_span *span = &r->lengths[t->length];
    const mnas_trial_context context = {.data = r->options->data,
                                        .recipe = recipe_of(r->options),
                                        .epochs = span->images > 0 ? (double)NAN : span->epochs,
                                        .max_images = span->images,
                                        .threads = threads ? threads : mnas_machine_threads_each(1),
                                        .batch = mnas_recipe_group(&r->recipe),
                                        .jobs = 1,
                                        .training = &r->recipe,
                                        .images = &r->data,
                                        .timeout_s = INFINITY,
                                        .runner = r->runner};
    mnas_trial row = mnas_trial_empty();
    mnas_trial_run trial = {0};
    row.number = t->number;
    row.seed = seed_of(r, t);
    mnas_trial_begin(&trial, &row, &t->network->model, mnas_clock_now_s());
    int rc = mnas_trial_prepare(&trial, &context);
    if (rc == 0 && trial.phase == MNAS_RUN_READY) rc = mnas_trial_train(&trial, &context);
    if (rc == 0) rc = follow(r, &trial, &context, t);
    if (rc == 0) rc = take(r, t, &trial.row);
    mnas_trial_release(&trial, &context);
    if (rc < 0) return rc;
    r->n_done++;
    r->work_done += work_of(r, t);
    return 0;
}

static int train_all(run *r) {
    training t;
    int rc = 0;
    for (int i = 0; plan_at(r, i, &t) && rc == 0; i++) {
        if (done_as(r, &t)) continue;
        rc = look_at_the_clock(r);
        if (rc == 0) rc = train_one(r, &t);
    }
    show(r, NULL, NAN);
    return rc;
}

/* ---- what it shows ---- */

static void fill_length(const run *r, mnas_proxy_data *d, int length) {
    const mnas_proxy_task task = task_of(r);
    const mnas_proxy_span *span = &r->lengths[length];
    mnas_proxy_length *to = &d->lengths[length];
    double seconds = 0;
    int n = 0;
    mnas_proxy_span_name(span, to->name);
    to->n_images = span->images > 0 ? span->images : llround(mnas_proxy_span_seen(span, &task));
    if (span->images == 0) to->epochs = span->epochs;
    for (int i = 0; i < r->n_networks; i++) {
        for (int s = 0; s < r->options->seeds; s++) {
            const training wanted = {&r->networks[i], i, length, s};
            const mnas_proxy_training *t = done_as(r, &wanted);
            if (!t) continue;
            to->noise[i * to->n_noise + s] = t->accuracy_frac;
            if (s == 0) to->accuracy[i] = t->accuracy_frac;
            seconds += t->train_s, n++;
        }
    }
    if (n > 0) to->minutes = seconds / n / 60;
}

static int conclude(const run *r, mnas_proxy_check *out) {
    mnas_proxy_data d;
    int rc = mnas_proxy_data_init(&d, r->n_networks, r->n_lengths, r->options->seeds, true);
    if (rc < 0) return rc;
    for (int l = 0; l < r->n_lengths; l++) fill_length(r, &d, l);
    for (int i = 0; i < r->n_networks; i++) {
        d.macs[i] = (double)r->networks[i].macs;
        d.params[i] = (double)r->networks[i].params;
    }
    rc = mnas_proxy_compute(out, &d, N_SAMPLES);
    mnas_proxy_data_free(&d);
    return rc;
}

/* ---- the whole ---- */

static int prepare(run *r) {
    int rc = check_options(r->options);
    if (rc == 0) rc = read_lengths(r);
    if (rc == 0) rc = mnas_space_open(&r->space, r->options->space);
    if (rc == 0) rc = mnas_recipe_open(&r->recipe, recipe_of(r->options));
    if (rc == 0) rc = mnas_dataset_describe(&r->data, r->options->data);
    if (rc == 0) rc = check_lengths(r);
    if (rc == 0) rc = choose_networks(r);
    if (rc == 0) rc = open_record(r);
    return rc < 0 ? rc : count_work(r);
}

int mnas_proxy_check_run(mnas_proxy_check *out, const mnas_proxy_options *options) {
    return mnas_proxy_run_with(out, options, &mnas_job_runner_process);
}

int mnas_proxy_run_with(mnas_proxy_check *out, const mnas_proxy_options *options,
                        const mnas_job_runner *runner) {
    run r = {.options = options, .runner = runner, .begun_s = mnas_clock_now_s()};
    int lock = -1;
    *out = (mnas_proxy_check){.chosen = -1};
    int rc = options->plan_only
                 ? 0
                 : mnas_lock_take(&lock, options->record, "another check writes to this record");
    if (rc == 0) rc = prepare(&r);
    if (rc == 0) show(&r, NULL, NAN);
    if (rc == 0 && !options->plan_only) rc = train_all(&r);
    if (rc == 0 && (!options->plan_only || r.n_done == r.n_planned)) rc = conclude(&r, out);
    mnas_proxy_record_free(&r.record);
    mnas_space_close(r.space);
    free(r.networks);
    if (lock >= 0) close(lock);
    return rc;
}
