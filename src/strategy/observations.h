/* observations.h - what a screening has seen: each network once, in the order of its first answer, found again by its tokens.
 *
 * A network is complete (it has a reward; the mean, where several were told), failed (it was tried and gave none), or untried (of
 * it only the latency is known). What was once complete stays so. Invariant: indices do not change.
 */
#ifndef MNAS_STRATEGY_OBSERVATIONS_H
#define MNAS_STRATEGY_OBSERVATIONS_H

#include "strategy/blob.h"
#include "strategy/strategy.h"

typedef enum { MNAS_SEEN_COMPLETE, MNAS_SEEN_FAILED, MNAS_SEEN_UNTRIED } mnas_seen_state;

typedef struct mnas_seen {
    mnas_seen_state state;
    uint64_t n_rewards;
    double reward;     /* mean of n_rewards */
    double latency_ms; /* 0: unknown */
} mnas_seen;

typedef struct mnas_observations {
    size_t n_decisions, n_descriptors;
    size_t n, room;
    int *tokens;         /* [n, n_decisions] */
    double *descriptors; /* [n, n_descriptors] */
    mnas_seen *seen;     /* [n] */
    size_t *slots;       /* open addressing: index + 1, 0 empty; a power of two of at least 2 room */
    size_t n_slots;
} mnas_observations;

void mnas_observations_init(mnas_observations *o, size_t n_decisions, size_t n_descriptors);
void mnas_observations_destroy(mnas_observations *o);
/* -1: never seen. */
ptrdiff_t mnas_observations_find(const mnas_observations *o, const int *tokens);
/* The answer enters; descriptors are read where the network is new. *index is its place. */
int mnas_observations_tell(mnas_observations *o, const int *tokens, const double *descriptors,
                           const mnas_outcome *outcome, size_t *index);

int mnas_observations_save(const mnas_observations *o, mnas_str *out);
/* Into an empty one; tokens within the decisions' choices. */
int mnas_observations_load(mnas_observations *o, mnas_blob_reader *in, const mnas_decision *decisions);

#endif
