/* policy.c - see policy.h. It knows no rewards and no optimiser (ppo_loss.c, adam.c) and keeps no random state. */
#include "strategy/policy.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static void lay_out(mnas_policy *p, const mnas_decision *decisions, size_t E, size_t H) {
    size_t T = p->n_decisions, at = E; /* behind the start vector */
    for (size_t t = 0; t < T; t++) {
        p->n_choices[t] = (size_t)decisions[t].n_choices;
        p->probs_at[t] = p->n_probs;
        p->n_probs += p->n_choices[t];
        p->embedding_at[t] = at;
        if (t + 1 < T) at += p->n_choices[t] * E;
    }
    p->lstm_at = at;
    at += mnas_lstm_n_params((mnas_lstm_shape){E, H});
    for (size_t t = 0; t < T; t++) {
        p->head_at[t] = at;
        at += (H + 1) * p->n_choices[t];
    }
    p->n_params = at;
}

int mnas_policy_create(mnas_policy *policy, const mnas_decision *decisions, size_t n_decisions,
                       size_t n_embedding, size_t n_units, double temperature, size_t max_rows) {
    memset(policy, 0, sizeof *policy);
    policy->n_decisions = n_decisions;
    policy->temperature = temperature;
    policy->n_choices = calloc(4 * n_decisions, sizeof *policy->n_choices);
    if (!policy->n_choices) goto no_memory;
    policy->probs_at = policy->n_choices + n_decisions;
    policy->embedding_at = policy->probs_at + n_decisions;
    policy->head_at = policy->embedding_at + n_decisions;
    lay_out(policy, decisions, n_embedding, n_units);

    policy->params = calloc(policy->n_params, sizeof(double));
    policy->log_probs = calloc(max_rows * policy->n_probs, sizeof(double));
    policy->dlogits = calloc(max_rows * policy->n_probs, sizeof(double));
    if (!policy->params || !policy->log_probs || !policy->dlogits) goto no_memory;
    mnas_lstm_shape shape = {n_embedding, n_units};
    int rc = mnas_lstm_run_create(&policy->run, shape, n_decisions, max_rows);
    if (rc < 0) mnas_policy_destroy(policy);
    return rc;
no_memory:
    mnas_policy_destroy(policy);
    return mnas_error_set(MNAS_ERR_MEMORY, "no memory for a controller of %zu decisions", n_decisions);
}

void mnas_policy_destroy(mnas_policy *policy) {
    mnas_lstm_run_destroy(&policy->run);
    free(policy->dlogits);
    free(policy->log_probs);
    free(policy->params);
    free(policy->n_choices);
    memset(policy, 0, sizeof *policy);
}

void mnas_policy_init(mnas_policy *policy, double range, mnas_rng *rng) {
    for (size_t i = 0; i < policy->n_params; i++) policy->params[i] = range * (2 * mnas_rng_uniform(rng) - 1);
}

/* Where step t's input row stands among the parameters; `tokens` are this row's. */
static size_t input_at(const mnas_policy *p, const int *tokens, size_t t) {
    return t == 0 ? 0 : p->embedding_at[t - 1] + (size_t)tokens[t - 1] * p->run.shape.n_inputs;
}

/* in place: logits -> log softmax(logits / temperature) */
static void log_softmax(double *x, size_t n, double temperature) {
    double max = x[0], sum = 0;
    for (size_t i = 1; i < n; i++) max = fmax(max, x[i]);
    for (size_t i = 0; i < n; i++) sum += exp((x[i] - max) / temperature);
    for (size_t i = 0; i < n; i++) x[i] = (x[i] - max) / temperature - log(sum);
}

/* log_probs[row][decision t] from the tokens before t. */
static void step(mnas_policy *p, const int *tokens, size_t t) {
    mnas_lstm_run *run = &p->run;
    size_t T = p->n_decisions, E = run->shape.n_inputs, H = run->shape.n_units, R = run->n_rows,
           n = p->n_choices[t];
    for (size_t r = 0; r < R; r++)
        memcpy(run->x + (t * R + r) * E, p->params + input_at(p, tokens + r * T, t), E * sizeof(double));
    mnas_lstm_step(run, p->params + p->lstm_at, t);
    const double *w = p->params + p->head_at[t], *b = w + H * n;
    for (size_t r = 0; r < R; r++) {
        const double *h = run->h + ((t + 1) * R + r) * H;
        double *out = p->log_probs + r * p->n_probs + p->probs_at[t];
        memcpy(out, b, n * sizeof *out);
        for (size_t j = 0; j < H; j++)
            for (size_t k = 0; k < n; k++) out[k] += h[j] * w[j * n + k];
        log_softmax(out, n, p->temperature);
    }
}

static int draw(const double *log_probs, size_t n, mnas_rng *rng) {
    double u = mnas_rng_uniform(rng), sum = 0;
    for (size_t k = 0; k + 1 < n; k++)
        if (u < (sum += exp(log_probs[k]))) return (int)k;
    return (int)n - 1;
}

void mnas_policy_sample(mnas_policy *p, size_t n_rows, mnas_rng *rng, int *tokens) {
    mnas_lstm_reset(&p->run, n_rows);
    for (size_t t = 0; t < p->n_decisions; t++) {
        step(p, tokens, t);
        for (size_t r = 0; r < n_rows; r++)
            tokens[r * p->n_decisions + t] =
                draw(p->log_probs + r * p->n_probs + p->probs_at[t], p->n_choices[t], rng);
    }
}

void mnas_policy_evaluate(mnas_policy *p, size_t n_rows, const int *tokens) {
    mnas_lstm_reset(&p->run, n_rows);
    for (size_t t = 0; t < p->n_decisions; t++) step(p, tokens, t);
}

double mnas_policy_log_prob(const mnas_policy *p, size_t row, size_t t, int token) {
    assert(token >= 0 && (size_t)token < p->n_choices[t]);
    return p->log_probs[row * p->n_probs + p->probs_at[t] + (size_t)token];
}

double mnas_policy_entropy(const mnas_policy *p, size_t row, size_t t) {
    const double *lp = p->log_probs + row * p->n_probs + p->probs_at[t];
    double sum = 0;
    for (size_t k = 0; k < p->n_choices[t]; k++) sum -= exp(lp[k]) * lp[k];
    return sum;
}

/* Heads: grad of w and b, and d loss / d h of step t. */
static void backward_head(mnas_policy *p, size_t t, double *grad) {
    mnas_lstm_run *run = &p->run;
    size_t H = run->shape.n_units, R = run->n_rows, n = p->n_choices[t];
    const double *w = p->params + p->head_at[t];
    double *dw = grad + p->head_at[t], *db = dw + H * n;
    for (size_t r = 0; r < R; r++) {
        const double *h = run->h + ((t + 1) * R + r) * H;
        const double *dlogits = p->dlogits + r * p->n_probs + p->probs_at[t];
        double *dh = run->dh + (t * R + r) * H;
        for (size_t k = 0; k < n; k++) db[k] += dlogits[k];
        for (size_t j = 0; j < H; j++) {
            dh[j] = 0;
            for (size_t k = 0; k < n; k++) {
                dw[j * n + k] += h[j] * dlogits[k];
                dh[j] += w[j * n + k] * dlogits[k];
            }
        }
    }
}

void mnas_policy_backward(mnas_policy *p, const int *tokens, double *grad) {
    mnas_lstm_run *run = &p->run;
    size_t T = p->n_decisions, E = run->shape.n_inputs, R = run->n_rows;
    for (size_t t = 0; t < T; t++) backward_head(p, t, grad);
    mnas_lstm_backward(run, p->params + p->lstm_at, grad + p->lstm_at);
    for (size_t t = 0; t < T; t++)
        for (size_t r = 0; r < R; r++) {
            double *row = grad + input_at(p, tokens + r * T, t);
            for (size_t e = 0; e < E; e++) row[e] += run->dx[(t * R + r) * E + e];
        }
}
