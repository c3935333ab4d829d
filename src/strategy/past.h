/* past.h - what a strategy has proposed, answered or not, so that it need not propose it again: a network known already
 * teaches nothing, although its repetition is free.
 *
 * Answers lie in observations.h; before them stands a queue of what is not answered yet, oldest first, each with a number (`tag`)
 * that the strategy wants back with the answer.
 */
#ifndef MNAS_STRATEGY_PAST_H
#define MNAS_STRATEGY_PAST_H

#include "strategy/observations.h"

typedef struct mnas_past {
    mnas_problem problem;
    mnas_observations answered;
    size_t n_open, room;
    int *open;     /* [n_open][n_decisions] */
    int *open_tag; /* [n_open] >= 0 */
} mnas_past;

void mnas_past_init(mnas_past *past, const mnas_problem *problem);
void mnas_past_destroy(mnas_past *past);

int mnas_past_propose(mnas_past *past, const int *tokens, int tag);
/* To the oldest open proposal. *index: its place among the answered; *tag: as proposed. Either may be NULL. */
int mnas_past_answer(mnas_past *past, const mnas_outcome *outcome, size_t *index, int *tag);

/* Of what was never proposed. */
int mnas_past_observe(mnas_past *past, const int *tokens, const mnas_outcome *outcome, size_t *index);

/* Are the tokens known, answered or not? They are projected first, in place, where the problem wants that: 1, 0 or a status. */
int mnas_past_knows(const mnas_past *past, int *tokens);

/* Indices of the k best complete networks, best first, of equals the earlier; returns how many there are, at most k. */
size_t mnas_past_best(const mnas_past *past, size_t k, size_t *best);

void mnas_past_save(const mnas_past *past, mnas_str *out);
int mnas_past_load(mnas_past *past, mnas_blob_reader *in); /* into a fresh one; what is wrong sets in->bad */

#endif
