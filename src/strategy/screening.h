/* screening.h - picks proposals by prediction, around any strategy: of some hundred candidates the one from which most improvement is
 * to be expected.
 *
 * Candidates are mutants of the networks believed best, a few draws of the strategy, and a few uniform ones; never one that has
 * been proposed before, as long as others are found. Proposals without an answer yet are believed to be as predicted.
 *
 * Where only a window of latencies can win, the improvement counts for what it costs in looks and trainings, by the probability to hit
 * (aim.h); at first, while it knows latencies and no rewards, proposals are uniform over the window.
 *
 * It knows no files and no clock. Its state is a function of (problem, seed, what was proposed, outcomes); save() holds all.
 */
#ifndef MNAS_STRATEGY_SCREENING_H
#define MNAS_STRATEGY_SCREENING_H

#include "base/rng.h"
#include "strategy/aim.h"
#include "strategy/observations.h"
#include "strategy/surrogate.h"

typedef struct mnas_screening mnas_screening;

/* `problem` and its decisions outlive it. */
int mnas_screening_create(mnas_screening **out, const mnas_problem *problem, uint64_t seed);
void mnas_screening_destroy(mnas_screening *s);

/* Does it know enough to choose? Until then proposals should be uniform. */
bool mnas_screening_is_ready(const mnas_screening *s);

/* A draw of the strategy: a status. */
typedef int mnas_screening_draw(void *user, int *tokens);
/* The next proposal, already projected. `open` are the n_open proposals without an answer. */
int mnas_screening_propose(mnas_screening *s, mnas_screening_draw *draw, void *user, const int *open,
                           size_t n_open, int *tokens);
int mnas_screening_tell(mnas_screening *s, const int *tokens, const mnas_outcome *outcome);

/* Of the complete networks the one believed best, which with noisy rewards need not be the one with the best reward.
 * MNAS_ERR_MISSING before it has seen enough rewards. Changes nothing. */
int mnas_screening_best(const mnas_screening *s, int *tokens);

int mnas_screening_save(const mnas_screening *s, mnas_str *out);
int mnas_screening_load(mnas_screening *s, mnas_blob_reader *in); /* into a fresh one */

#endif
