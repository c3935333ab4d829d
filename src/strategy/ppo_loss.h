/* ppo_loss.h - the clipped surrogate of proximal policy optimisation (Schulman et al. 2017, equation 7) with
 * an entropy bonus, over a batch of finished sequences.
 *
 *     loss = - 1/(B T) sum_i sum_t [ min(r A_i, clip(r, 1 - eps, 1 + eps) A_i) + beta H_t ]
 *     r = pi(token_t | tokens before t) / pi_old(token_t | tokens before t)
 *
 * The ratio is per decision, not of the whole sequence: every decision is an action of its own with the
 * sequence's advantage as its return (no discount). A ratio of the whole sequence would leave [1 - eps, 1 +
 * eps] after moving each of 42 decisions by half a percent, and would then stop the gradient of all of them at once.
 */
#ifndef MNAS_STRATEGY_PPO_LOSS_H
#define MNAS_STRATEGY_PPO_LOSS_H

#include "strategy/policy.h"

typedef struct mnas_ppo_batch {
    size_t n_rows;            /* B */
    const int *tokens;        /* [B][T] */
    const double *log_probs;  /* [B][T] of the tokens under the policy that proposed them */
    const double *advantages; /* [B] */
    double clip, entropy;     /* eps, beta */
} mnas_ppo_batch;

/* Returns the loss. Sets grad[n_params] (NULL: not wanted) and *mean_entropy, of the decisions in nats (NULL:
 * not wanted). */
double mnas_ppo_loss(mnas_policy *policy, const mnas_ppo_batch *batch, double *grad, double *mean_entropy);

/* Self-imitation: the loss  - weight/(R T) sum_i sum_t log pi(token_t | tokens before t)  of R good sequences, at most as many
 * as the policy has rows. Adds its gradient to grad[n_params]. */
double mnas_ppo_replay(mnas_policy *policy, size_t n_rows, const int *tokens, double weight, double *grad);

#endif
