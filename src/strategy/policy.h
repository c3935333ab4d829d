/* policy.h - the controller's distribution over token sequences: embeddings, one LSTM layer, one softmax per decision. With no
 * units and no inputs the softmaxes know nothing of each other, and the parameters are their biases alone.
 *
 * Step t reads the embedding of the token chosen at t - 1 (every decision has its own table; step 0 reads a
 * learnt start vector) and its head gives the log-probabilities of decision t's choices,
 *     log softmax((h_t w_t + b_t) / temperature).
 *
 * All parameters stand in one flat array, so that Adam, save() and finite differences see nothing but numbers:
 *     start[E]   embeddings of decisions 0 .. T-2: [n_t][E]   LSTM (lstm.h)   heads of 0 .. T-1: w[H][n_t] b[n_t]
 *
 * Rows are sequences side by side. log_probs and dlogits are [row][n_probs], decision t's choices from probs_at[t] on.
 */
#ifndef MNAS_STRATEGY_POLICY_H
#define MNAS_STRATEGY_POLICY_H

#include "base/rng.h"
#include "mnas.h"
#include "strategy/lstm.h"

typedef struct mnas_policy {
    size_t n_decisions, n_probs, n_params; /* n_probs: choices of all decisions together */
    size_t *n_choices, *probs_at, *embedding_at, *head_at, lstm_at;
    double temperature;
    double *params;
    double *log_probs, *dlogits; /* of the last sample() or evaluate(); for backward() */
    mnas_lstm_run run;
} mnas_policy;

int mnas_policy_create(mnas_policy *policy, const mnas_decision *decisions, size_t n_decisions,
                       size_t n_embedding, size_t n_units, double temperature, size_t max_rows);
void mnas_policy_destroy(mnas_policy *policy);                           /* a zeroed one is allowed */
void mnas_policy_init(mnas_policy *policy, double range, mnas_rng *rng); /* uniform in [-range, range] */

/* Draw tokens[n_rows][T]. log_probs of the choices follow from mnas_policy_log_prob. */
void mnas_policy_sample(mnas_policy *policy, size_t n_rows, mnas_rng *rng, int *tokens);
/* Run given tokens[n_rows][T] through the policy. */
void mnas_policy_evaluate(mnas_policy *policy, size_t n_rows, const int *tokens);
/* Of decision t's `token` in `row`, given the tokens before it. */
double mnas_policy_log_prob(const mnas_policy *policy, size_t row, size_t t, int token);
/* Of decision t in `row`, in nats. */
double mnas_policy_entropy(const mnas_policy *policy, size_t row, size_t t);

/* After evaluate() of the same tokens, with policy->dlogits filled (d loss / d logits before the
 * temperature): adds d loss / d params to grad[n_params]. */
void mnas_policy_backward(mnas_policy *policy, const int *tokens, double *grad);

#endif
