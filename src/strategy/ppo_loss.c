/* ppo_loss.c - see ppo_loss.h. Where both branches of min() are equal the gradient is that of the unclipped one. */
#include "strategy/ppo_loss.h"

#include <math.h>
#include <string.h>

/* exp() of more would overflow; of a ratio this far out only the sign of the slope says something. */
static const double MAX_LOG_RATIO = 20;

/* Surrogate of one decision; *slope is its derivative by the log-probability: d r / d log pi = r. */
static double surrogate(double log_ratio, double advantage, double clip, double *slope) {
    double ratio = exp(fmin(log_ratio, MAX_LOG_RATIO));
    double clipped = fmin(fmax(ratio, 1 - clip), 1 + clip);
    bool open = ratio * advantage <= clipped * advantage;
    *slope = open ? ratio * advantage : 0;
    return open ? ratio * advantage : clipped * advantage;
}

/* d/d logit_k of  -scale [slope log p_token + beta H]:
 *     d log p_token / d logit_k = ((k == token) - p_k) / temperature
 *     d H / d logit_k           = - p_k (log p_k + H) / temperature */
static void fill_dlogits(mnas_policy *p, size_t row, size_t t, int token, double slope, double beta,
                         double scale) {
    size_t at = row * p->n_probs + p->probs_at[t];
    double entropy = mnas_policy_entropy(p, row, t);
    for (size_t k = 0; k < p->n_choices[t]; k++) {
        double log_prob = p->log_probs[at + k], prob = exp(log_prob);
        double d = slope * (((int)k == token) - prob) - beta * prob * (log_prob + entropy);
        p->dlogits[at + k] = -scale * d / p->temperature;
    }
}

double mnas_ppo_loss(mnas_policy *policy, const mnas_ppo_batch *batch, double *grad, double *mean_entropy) {
    size_t B = batch->n_rows, T = policy->n_decisions;
    double objective = 0, entropy = 0, scale = 1 / (double)(B * T);
    mnas_policy_evaluate(policy, B, batch->tokens);
    for (size_t i = 0; i < B; i++)
        for (size_t t = 0; t < T; t++) {
            int token = batch->tokens[i * T + t];
            double log_ratio = mnas_policy_log_prob(policy, i, t, token) - batch->log_probs[i * T + t], slope;
            objective += surrogate(log_ratio, batch->advantages[i], batch->clip, &slope);
            entropy += mnas_policy_entropy(policy, i, t);
            if (grad) fill_dlogits(policy, i, t, token, slope, batch->entropy, scale);
        }
    if (grad) {
        memset(grad, 0, policy->n_params * sizeof *grad);
        mnas_policy_backward(policy, batch->tokens, grad);
    }
    if (mean_entropy) *mean_entropy = scale * entropy;
    return -scale * (objective + batch->entropy * entropy);
}

double mnas_ppo_replay(mnas_policy *policy, size_t n_rows, const int *tokens, double weight, double *grad) {
    size_t T = policy->n_decisions;
    double sum = 0, scale = weight / (double)(n_rows * T);
    mnas_policy_evaluate(policy, n_rows, tokens);
    for (size_t i = 0; i < n_rows; i++)
        for (size_t t = 0; t < T; t++) {
            sum += mnas_policy_log_prob(policy, i, t, tokens[i * T + t]);
            fill_dlogits(policy, i, t, tokens[i * T + t], 1, 0, scale);
        }
    mnas_policy_backward(policy, tokens, grad);
    return -scale * sum;
}
