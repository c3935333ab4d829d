/* past.c - see past.h. The queue is searched from end to end: it is as long as there are workers, some hundred at most. */
#include "strategy/past.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void mnas_past_init(mnas_past *past, const mnas_problem *problem) {
    *past = (mnas_past){.problem = *problem};
    mnas_observations_init(&past->answered, (size_t)problem->n_decisions, 0);
}

void mnas_past_destroy(mnas_past *past) {
    mnas_observations_destroy(&past->answered);
    free(past->open);
    free(past->open_tag);
    past->open = past->open_tag = NULL;
    past->n_open = past->room = 0;
}

static size_t width(const mnas_past *past) {
    return past->answered.n_decisions;
}

static int reserve_open(mnas_past *past, size_t n) {
    if (n <= past->room) return 0;
    size_t room = n > 2 * past->room ? n : 2 * past->room;
    int *open = realloc(past->open, room * width(past) * sizeof *open);
    if (open) past->open = open;
    int *tags = realloc(past->open_tag, room * sizeof *tags);
    if (tags) past->open_tag = tags;
    if (!open || !tags) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for %zu open proposals", room);
    past->room = room;
    return 0;
}

int mnas_past_propose(mnas_past *past, const int *tokens, int tag) {
    int rc = reserve_open(past, past->n_open + 1);
    if (rc < 0) return rc;
    memcpy(past->open + past->n_open * width(past), tokens, width(past) * sizeof *tokens);
    past->open_tag[past->n_open++] = tag;
    return 0;
}

int mnas_past_answer(mnas_past *past, const mnas_outcome *outcome, size_t *index, int *tag) {
    size_t T = width(past), at;
    if (past->n_open == 0)
        return mnas_error_set(MNAS_ERR_FORMAT, "stored state contradicts its open proposals");
    int rc = mnas_observations_tell(&past->answered, past->open, NULL, outcome, &at);
    if (rc < 0) return rc;
    if (index) *index = at;
    if (tag) *tag = past->open_tag[0];
    past->n_open--;
    memmove(past->open, past->open + T, past->n_open * T * sizeof *past->open);
    memmove(past->open_tag, past->open_tag + 1, past->n_open * sizeof *past->open_tag);
    return 0;
}

int mnas_past_observe(mnas_past *past, const int *tokens, const mnas_outcome *outcome, size_t *index) {
    return mnas_observations_tell(&past->answered, tokens, NULL, outcome, index);
}

int mnas_past_knows(const mnas_past *past, int *tokens) {
    const mnas_problem *p = &past->problem;
    int rc = p->project ? p->project(p->user, tokens) : 0;
    if (rc < 0) return rc;
    for (size_t i = 0; i < past->n_open; i++)
        if (memcmp(past->open + i * width(past), tokens, width(past) * sizeof *tokens) == 0) return 1;
    return mnas_observations_find(&past->answered, tokens) >= 0;
}

size_t mnas_past_best(const mnas_past *past, size_t k, size_t *best) {
    const mnas_seen *seen = past->answered.seen;
    size_t n = 0;
    for (size_t i = 0; i < past->answered.n; i++) {
        if (seen[i].state != MNAS_SEEN_COMPLETE) continue;
        size_t at = n;
        while (at > 0 && seen[i].reward > seen[best[at - 1]].reward) at--;
        if (at == k) continue;
        if (n < k) n++;
        memmove(best + at + 1, best + at, (n - 1 - at) * sizeof *best);
        best[at] = i;
    }
    return n;
}

void mnas_past_save(const mnas_past *past, mnas_str *out) {
    mnas_observations_save(&past->answered, out);
    mnas_blob_put_u64(out, past->n_open);
    mnas_blob_put_ints(out, past->open, past->n_open * width(past));
    mnas_blob_put_ints(out, past->open_tag, past->n_open);
}

int mnas_past_load(mnas_past *past, mnas_blob_reader *in) {
    size_t T = width(past);
    int rc = mnas_observations_load(&past->answered, in, past->problem.decisions);
    if (rc < 0) return rc;
    size_t n = (size_t)mnas_blob_get_max(in, (size_t)(in->end - in->at) / (8 * (T + 1)));
    rc = reserve_open(past, n);
    if (rc < 0) return rc;
    mnas_blob_get_ints(in, past->open, n * T);
    for (size_t i = 0; i < n * T; i++)
        if (past->open[i] >= past->problem.decisions[i % T].n_choices) in->bad = true;
    mnas_blob_get_ints(in, past->open_tag, n);
    past->n_open = in->bad ? 0 : n;
    return 0;
}
