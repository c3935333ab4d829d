/* strategy_ppo.c - MnasNet's controller: a policy (policy.c) taught by proximal policy optimisation (ppo_loss.c).
 *
 * Every `batch` answered proposals make one update: `epochs` Adam steps on the clipped loss and on the likelihood of the best
 * networks so far (`replay`). Log-probabilities are those of the time of proposing, so that answers which come many
 * proposals late are weighed rightly, whoever drew the proposal. With `fresh` a network known already is drawn again from a
 * hotter policy, and repeats teach nothing; else they are ordinary observations, as in the papers. So a policy that
 * has settled searches the surroundings of what it settled on.
 *
 * Advantage = reward - moving average of the earlier rewards (the first batch uses its own mean), or by `normalize`. A failed trial
 * is a sequence of reward 0 in the paper's way, of a fixed bad advantage in the normalised ones; it enters no average.
 *
 * It does not look at descriptors or at the order of ordinal choices, and uses no threads. Its state is a
 * function of (problem, options, seed, outcomes); save() holds all of it to the bit.
 */
#include "strategy/strategy_ppo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "strategy/blob.h"
#include "strategy/ppo_loss.h"
#include "strategy/strategy.h"

/* Sequences drawn for the report's marginals, in groups of as many rows as the policy has room for. */
enum { MARGINAL_SAMPLES = 64, MIN_ROWS = 8 };

/* Of normalised advantages: a failed trial is some twenty deviations away and must not outweigh its whole batch. */
static const double MAX_ADVANTAGE = 3;
static const double FAILED_ADVANTAGE =
    -1.5; /* normalised: its reward says nothing, and it is among the bad ones */

/* Draws for a network not known yet; each is from a policy hotter by HOTTER than the one before. */
enum { MAX_DRAWS = 100 };
static const double HOTTER = 1.05;

/* ---- memory of sequences ---- */

/* Room for at least n sequences of T tokens. */
static int memory_reserve(mnas_ppo_memory *m, size_t n, size_t T) {
    if (n <= m->room) return 0;
    size_t room = n > 2 * m->room ? n : 2 * m->room;
    int *tokens = realloc(m->tokens, room * T * sizeof *tokens);
    if (tokens) m->tokens = tokens;
    double *log_probs = realloc(m->log_probs, room * T * sizeof *log_probs);
    if (log_probs) m->log_probs = log_probs;
    double *rewards = realloc(m->rewards, room * sizeof *rewards);
    if (rewards) m->rewards = rewards;
    int *failed = realloc(m->failed, room * sizeof *failed);
    if (failed) m->failed = failed;
    if (!tokens || !log_probs || !rewards || !failed)
        return mnas_error_set(MNAS_ERR_MEMORY, "no memory for %zu proposals", room);
    m->room = room;
    return 0;
}

static void memory_destroy(mnas_ppo_memory *m) {
    free(m->tokens);
    free(m->log_probs);
    free(m->rewards);
    free(m->failed);
}

static void memory_drop_first(mnas_ppo_memory *m, size_t T) {
    m->n--;
    memmove(m->tokens, m->tokens + T, m->n * T * sizeof *m->tokens);
    memmove(m->log_probs, m->log_probs + T, m->n * T * sizeof *m->log_probs);
}

/* ---- life ---- */

static void destroy(void *self) {
    mnas_ppo *s = self;
    mnas_policy_destroy(&s->policy);
    memory_destroy(&s->open);
    memory_destroy(&s->batch);
    free(s->adam.m);
    free(s->adam.v);
    free(s->grad);
    free(s->advantages);
    free(s->marginal_tokens);
    mnas_past_destroy(&s->past);
    free(s->best_tokens);
    free(s->best);
}

static int allocate(mnas_ppo *s, const mnas_problem *problem) {
    size_t T = s->n_decisions, B = (size_t)s->config.batch, K = (size_t)s->config.best;
    size_t rows = B > MIN_ROWS ? B : MIN_ROWS;
    if (K > rows) rows = K;
    int rc = mnas_policy_create(&s->policy, problem->decisions, T, (size_t)s->config.embedding,
                                (size_t)s->config.hidden, s->config.temperature, rows);
    if (rc < 0 || (rc = memory_reserve(&s->batch, B, T)) < 0) return rc;
    s->adam.m = calloc(s->policy.n_params, sizeof(double));
    s->adam.v = calloc(s->policy.n_params, sizeof(double));
    s->grad = calloc(s->policy.n_params, sizeof(double));
    s->advantages = calloc(B, sizeof(double));
    s->marginal_tokens = calloc(MIN_ROWS * T, sizeof *s->marginal_tokens);
    s->best_tokens = calloc(K * T, sizeof *s->best_tokens);
    s->best = calloc(K, sizeof *s->best);
    if (s->adam.m && s->adam.v && s->grad && s->advantages && s->marginal_tokens && s->best_tokens && s->best)
        return 0;
    return mnas_error_set(MNAS_ERR_MEMORY, "no memory for a controller of %zu parameters",
                          s->policy.n_params);
}

static int create(void *self, const mnas_problem *problem, const void *opts, uint64_t seed) {
    mnas_ppo *s = self;
    s->config = mnas_ppo_config_resolve(opts, problem->n_trials);
    s->n_decisions = (size_t)problem->n_decisions;
    s->decisions = problem->decisions;
    mnas_past_init(&s->past, problem);
    s->seed = seed;
    s->advantage_sign = 1;
    s->adam = (mnas_adam){.lr = s->config.lr, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    int rc = allocate(s, problem);
    if (rc < 0) {
        destroy(s);
        return rc;
    }
    mnas_rng init = mnas_rng_stream(seed, 0, "ppo-init");
    mnas_policy_init(&s->policy, s->config.init, &init);
    s->rng = mnas_rng_stream(seed, 0, "ppo-sample");
    return 0;
}

/* What the papers did stays what they did. */
static bool prefers_screening(const void *opts) {
    return !mnas_ppo_is_paper(opts);
}

/* ---- proposing ---- */

/* The wrapper keeps the clock, so only a loaded state can be the cause. */
static int inconsistent(void) {
    return mnas_error_set(MNAS_ERR_FORMAT, "stored state of the controller contradicts its open proposals");
}

static double mean_entropy(const mnas_policy *policy, size_t row) {
    double sum = 0;
    for (size_t t = 0; t < policy->n_decisions; t++) sum += mnas_policy_entropy(policy, row, t);
    return sum / (double)policy->n_decisions;
}

static bool remembers(const mnas_ppo *s) {
    return s->config.fresh || s->config.replay > 0;
}

static bool uniform(const void *self) {
    const mnas_ppo *s = self;
    return s->n_begun < (uint64_t)s->config.start;
}

/* Shares the policy's arrays; only what sample() and evaluate() leave behind is written. */
static void draw(mnas_ppo *s, int attempt, int *tokens) {
    mnas_policy hot = s->policy;
    hot.temperature *= pow(HOTTER, attempt);
    if (!uniform(s)) mnas_policy_sample(&hot, 1, &s->rng, tokens);
    for (size_t t = 0; uniform(s) && t < s->n_decisions; t++)
        tokens[t] = (int)mnas_rng_below(&s->rng, (uint32_t)s->decisions[t].n_choices);
}

static int propose(void *self, int *tokens) {
    mnas_ppo *s = self;
    draw(s, 0, tokens);
    for (int attempt = 1; s->config.fresh && attempt < MAX_DRAWS; attempt++) {
        int known = mnas_past_knows(&s->past, tokens);
        if (known <= 0) return known;
        draw(s, attempt, tokens);
    }
    return 0;
}

/* Whoever drew them, and how hot the policy was: what counts is how likely the policy itself finds them. */
static int commit(void *self, const int *tokens, bool own) {
    mnas_ppo *s = self;
    size_t T = s->n_decisions, at = s->open.n * T;
    (void)own;
    int rc = memory_reserve(&s->open, s->open.n + 1, T);
    if (rc == 0 && remembers(s)) rc = mnas_past_propose(&s->past, tokens, 0);
    if (rc < 0) return rc;
    mnas_policy_evaluate(&s->policy, 1, tokens);
    memcpy(s->open.tokens + at, tokens, T * sizeof *tokens);
    for (size_t t = 0; t < T; t++)
        s->open.log_probs[at + t] = mnas_policy_log_prob(&s->policy, 0, t, tokens[t]);
    s->open.rewards[s->open.n] = 0;
    s->open.failed[s->open.n++] = 0;
    s->n_begun++;
    if (s->n_updates == 0) s->entropy = mean_entropy(&s->policy, 0);
    return 0;
}

/* ---- learning ---- */

/* Of the batch's trials that did not fail; 0, 0 where all did. */
static void batch_moments(const mnas_ppo *s, double *mean, double *variance) {
    double n = 0, sum = 0, squares = 0;
    for (size_t i = 0; i < s->batch.n; i++)
        if (!s->batch.failed[i]) n++, sum += s->batch.rewards[i];
    *mean = n > 0 ? sum / n : 0;
    for (size_t i = 0; i < s->batch.n; i++)
        if (!s->batch.failed[i]) squares += pow(s->batch.rewards[i] - *mean, 2);
    *variance = n > 0 ? squares / n : 0;
}

static void average_in(mnas_ppo *s, double reward) {
    double decay = s->config.baseline_decay, distance = reward - s->baseline;
    s->spread = decay * s->spread + (1 - decay) * distance * distance;
    s->baseline = decay * s->baseline + (1 - decay) * reward;
    s->n_averaged++;
}

static double limited(double advantage) {
    return fmax(-MAX_ADVANTAGE, fmin(MAX_ADVANTAGE, advantage));
}

/* Against `mean` in units of `deviation`; of equal rewards that is 0 / 1e-8. */
static void normalise(mnas_ppo *s, double mean, double deviation) {
    for (size_t i = 0; i < s->batch.n; i++)
        s->advantages[i] = s->batch.failed[i] ? FAILED_ADVANTAGE
                                              : limited((s->batch.rewards[i] - mean) / (deviation + 1e-8));
}

/* Against what came before; then the batch joins the moving averages. Failed trials do not: their 0 says nothing about the
 * level or the spread of quality, and would drown both. */
static void compute_advantages(mnas_ppo *s) {
    double mean, variance, baseline;
    batch_moments(s, &mean, &variance);
    if (s->n_averaged == 0) s->baseline = mean, s->spread = variance;
    baseline = s->baseline;
    for (size_t i = 0; i < s->batch.n; i++)
        if (!s->batch.failed[i]) average_in(s, s->batch.rewards[i]);
    if (s->config.advantage == MNAS_PPO_BATCH) normalise(s, mean, sqrt(variance));
    if (s->config.advantage == MNAS_PPO_RUNNING) normalise(s, baseline, sqrt(s->spread));
    for (size_t i = 0; s->config.advantage == MNAS_PPO_RAW && i < s->batch.n; i++)
        s->advantages[i] = s->batch.rewards[i] - baseline;
    for (size_t i = 0; i < s->batch.n; i++) s->advantages[i] *= s->advantage_sign;
}

static size_t gather_best(mnas_ppo *s) {
    size_t T = s->n_decisions, n = mnas_past_best(&s->past, (size_t)s->config.best, s->best);
    for (size_t i = 0; i < n; i++)
        memcpy(s->best_tokens + i * T, s->past.answered.tokens + s->best[i] * T, T * sizeof *s->best_tokens);
    return n;
}

static void update(mnas_ppo *s) {
    compute_advantages(s);
    mnas_ppo_batch batch = {s->batch.n,    s->batch.tokens, s->batch.log_probs,
                            s->advantages, s->config.clip,  s->config.entropy};
    size_t n_best = s->config.replay > 0 ? gather_best(s) : 0;
    double replay = s->config.replay * s->advantage_sign;
    for (int64_t epoch = 0; epoch < s->config.epochs; epoch++) {
        mnas_ppo_loss(&s->policy, &batch, s->grad, NULL);
        if (n_best) mnas_ppo_replay(&s->policy, n_best, s->best_tokens, replay, s->grad);
        mnas_adam_clip_norm(s->grad, s->policy.n_params, s->config.grad_clip);
        mnas_adam_step(&s->adam, s->policy.params, s->grad, s->policy.n_params);
    }
    mnas_ppo_loss(&s->policy, &batch, NULL, &s->entropy); /* of the policy that now proposes */
    s->batch.n = 0;
    s->n_updates++;
}

static int feedback(void *self, const int *tokens, const mnas_outcome *outcome) {
    mnas_ppo *s = self;
    size_t T = s->n_decisions, at = s->batch.n * T;
    if (s->open.n == 0 || memcmp(tokens, s->open.tokens, T * sizeof *tokens) != 0) return inconsistent();
    int rc = remembers(s) ? mnas_past_answer(&s->past, outcome, NULL, NULL) : 0;
    if (rc < 0) return rc;
    if (s->config.fresh && outcome->repeat) {
        memory_drop_first(&s->open, T);
        return 0;
    }
    memcpy(s->batch.tokens + at, s->open.tokens, T * sizeof *tokens);
    memcpy(s->batch.log_probs + at, s->open.log_probs, T * sizeof(double));
    /* where rewards are below 0, a failed trial's 0 would be the best of all: its giver says how bad it is */
    s->batch.rewards[s->batch.n] = outcome->failed ? fmin(0, outcome->reward) : outcome->reward;
    s->batch.failed[s->batch.n++] = outcome->failed;
    memory_drop_first(&s->open, T);
    if (s->batch.n == (size_t)s->config.batch) update(s);
    return 0;
}

/* It is known and may be among the best that are replayed; the policy did not draw it, so that no update rests on it. */
static int observe(void *self, const int *tokens, const mnas_outcome *outcome) {
    mnas_ppo *s = self;
    size_t at;
    s->n_begun += !outcome->failed;
    return remembers(s) ? mnas_past_observe(&s->past, tokens, outcome, &at) : 0;
}

/* ---- looking ---- */

static void status(const void *self, mnas_strategy_status *out) {
    const mnas_ppo *s = self;
    out->n_updates = (int)s->n_updates;
    out->entropy = s->entropy;
    out->baseline = s->n_averaged ? s->baseline : NAN;
}

/* Mean of the conditional probabilities along sampled sequences: an unbiased estimate of the marginals with
 * less noise than counting the tokens. From a stream of its own; the policy's room for activations is scratch
 * between calls. */
static void probabilities(const void *self, double *probs) {
    const mnas_ppo *s = self;
    mnas_policy policy = s->policy; /* shares the arrays; only lstm run and log_probs are written */
    mnas_rng rng = mnas_rng_stream(s->seed, 0, "ppo-marginals");
    memset(probs, 0, policy.n_probs * sizeof *probs);
    int *tokens = s->marginal_tokens;
    for (size_t i = 0; i < MARGINAL_SAMPLES / MIN_ROWS; i++) {
        mnas_policy_sample(&policy, MIN_ROWS, &rng, tokens);
        for (size_t r = 0; r < MIN_ROWS; r++)
            for (size_t k = 0; k < policy.n_probs; k++)
                probs[k] += exp(policy.log_probs[r * policy.n_probs + k]) / MARGINAL_SAMPLES;
    }
}

/* ---- saving ---- */

enum { N_NUMBERS = 16 };

static void config_numbers(const mnas_ppo_config *c, double out[N_NUMBERS]) {
    double numbers[N_NUMBERS] = {(double)c->hidden,
                                 (double)c->embedding,
                                 (double)c->start,
                                 (double)c->batch,
                                 (double)c->epochs,
                                 (double)c->best,
                                 c->lr,
                                 c->clip,
                                 c->entropy,
                                 c->replay,
                                 c->baseline_decay,
                                 c->grad_clip,
                                 c->temperature,
                                 c->init,
                                 (double)c->advantage,
                                 (double)c->fresh};
    memcpy(out, numbers, sizeof numbers);
}

static void save_memory(mnas_str *out, const mnas_ppo_memory *m, size_t T) {
    mnas_blob_put_u64(out, m->n);
    mnas_blob_put_ints(out, m->tokens, m->n * T);
    mnas_blob_put_f64s(out, m->log_probs, m->n * T);
    mnas_blob_put_f64s(out, m->rewards, m->n);
    mnas_blob_put_ints(out, m->failed, m->n);
}

static int save(const void *self, mnas_str *out) {
    const mnas_ppo *s = self;
    double config[N_NUMBERS], averages[3] = {s->baseline, s->spread, s->entropy};
    config_numbers(&s->config, config);
    mnas_blob_put_f64s(out, config, N_NUMBERS);
    mnas_blob_put_u64(out, s->policy.n_params);
    mnas_blob_put_u64(out, s->n_begun);
    mnas_blob_put_u64(out, s->n_updates);
    mnas_blob_put_u64(out, s->n_averaged);
    mnas_blob_put_u64(out, (uint64_t)s->adam.n_steps);
    mnas_blob_put_rng(out, &s->rng);
    mnas_blob_put_f64s(out, averages, 3);
    save_memory(out, &s->open, s->n_decisions);
    save_memory(out, &s->batch, s->n_decisions);
    mnas_past_save(&s->past, out);
    mnas_blob_put_f64s(out, s->policy.params, s->policy.n_params);
    mnas_blob_put_f64s(out, s->adam.m, s->policy.n_params);
    mnas_blob_put_f64s(out, s->adam.v, s->policy.n_params);
    return mnas_str_ok(out) ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "no memory for the controller's state");
}

static void load_memory(mnas_blob_reader *in, mnas_ppo_memory *m, const mnas_policy *p, size_t max) {
    size_t T = p->n_decisions, left = (size_t)(in->end - in->at);
    m->n = (size_t)mnas_blob_get_max(in, max < left / (8 * T) ? max : left / (8 * T)); /* 8 bytes a token */
    if (memory_reserve(m, m->n, T) < 0) in->bad = true;
    if (in->bad) {
        m->n = 0;
        return;
    }
    mnas_blob_get_ints(in, m->tokens, m->n * T);
    for (size_t i = 0; i < m->n * T; i++)
        if ((size_t)m->tokens[i] >= p->n_choices[i % T]) in->bad = true;
    mnas_blob_get_f64s(in, m->log_probs, m->n * T);
    mnas_blob_get_f64s(in, m->rewards, m->n);
    mnas_blob_get_ints(in, m->failed, m->n);
}

static int load(void *self, const char *bytes, size_t n) {
    mnas_ppo *s = self;
    mnas_blob_reader in = mnas_blob_reader_of(bytes, n);
    double config[N_NUMBERS], stored[N_NUMBERS], averages[3];
    config_numbers(&s->config, config);
    mnas_blob_get_f64s(&in, stored, N_NUMBERS);
    if (!in.bad && memcmp(config, stored, sizeof config) != 0)
        return mnas_error_set(MNAS_ERR_MISMATCH, "stored state belongs to a controller of other options");
    if (mnas_blob_get_u64(&in) != s->policy.n_params) in.bad = true;
    s->n_begun = mnas_blob_get_u64(&in);
    s->n_updates = mnas_blob_get_max(&in, INT32_MAX);
    s->n_averaged = mnas_blob_get_u64(&in);
    s->adam.n_steps = (int64_t)mnas_blob_get_max(&in, INT64_C(1) << 53);
    mnas_blob_get_rng(&in, &s->rng);
    mnas_blob_get_f64s(&in, averages, 3);
    load_memory(&in, &s->open, &s->policy, SIZE_MAX);
    load_memory(&in, &s->batch, &s->policy, (size_t)s->config.batch - 1);
    int rc = mnas_past_load(&s->past, &in);
    if (rc < 0) return rc;
    mnas_blob_get_f64s(&in, s->policy.params, s->policy.n_params);
    mnas_blob_get_f64s(&in, s->adam.m, s->policy.n_params);
    mnas_blob_get_f64s(&in, s->adam.v, s->policy.n_params);
    for (size_t i = 0; i < s->policy.n_params; i++)
        if (s->adam.v[i] < 0) in.bad = true;
    if (averages[1] < 0) in.bad = true;
    s->baseline = averages[0];
    s->spread = averages[1];
    s->entropy = averages[2];
    return mnas_blob_done(&in)
               ? 0
               : mnas_error_set(MNAS_ERR_FORMAT, "stored state of the controller is malformed");
}

const mnas_strategy_class mnas_strategy_class_ppo = {
    .plugin = {.name = "ppo",
               .help = "a policy taught by proximal policy optimisation: MnasNet's controller",
               .opts = mnas_ppo_opt_table,
               .opts_bytes = sizeof(mnas_ppo_opts)},
    .common_at = offsetof(mnas_ppo_opts, common),
    .prefers_screening = prefers_screening,
    .self_bytes = sizeof(mnas_ppo),
    .create = create,
    .propose = propose,
    .commit = commit,
    .uniform = uniform,
    .feedback = feedback,
    .observe = observe,
    .status = status,
    .probabilities = probabilities,
    .save = save,
    .load = load,
    .destroy = destroy,
};
