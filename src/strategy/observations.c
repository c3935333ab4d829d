/* observations.c - see observations.h. */
#include "strategy/observations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"

void mnas_observations_init(mnas_observations *o, size_t n_decisions, size_t n_descriptors) {
    *o = (mnas_observations){.n_decisions = n_decisions, .n_descriptors = n_descriptors};
}

void mnas_observations_destroy(mnas_observations *o) {
    free(o->tokens);
    free(o->descriptors);
    free(o->seen);
    free(o->slots);
    mnas_observations_init(o, o->n_decisions, o->n_descriptors);
}

/* ---- finding ---- */

/* Where these tokens stand among the slots, or the empty slot where they belong. */
static size_t slot_of(const mnas_observations *o, const int *tokens) {
    const size_t bytes = o->n_decisions * sizeof *tokens;
    size_t at = (size_t)mnas_hash_bytes(MNAS_HASH_INIT, tokens, bytes) & (o->n_slots - 1);
    while (o->slots[at] && memcmp(o->tokens + (o->slots[at] - 1) * o->n_decisions, tokens, bytes) != 0)
        at = (at + 1) & (o->n_slots - 1);
    return at;
}

ptrdiff_t mnas_observations_find(const mnas_observations *o, const int *tokens) {
    return o->n == 0 ? -1 : (ptrdiff_t)o->slots[slot_of(o, tokens)] - 1;
}

static int reserve(mnas_observations *o, size_t n) {
    if (n <= o->room) return 0;
    size_t n_slots = 64;
    while (n_slots < 4 * n) n_slots *= 2;
    const size_t room = n_slots / 2;
    int *tokens = realloc(o->tokens, room * o->n_decisions * sizeof *tokens);
    if (tokens) o->tokens = tokens;
    double *descriptors = realloc(o->descriptors, room * (o->n_descriptors + 1) * sizeof *descriptors);
    if (descriptors) o->descriptors = descriptors;
    mnas_seen *seen = realloc(o->seen, room * sizeof *seen);
    if (seen) o->seen = seen;
    size_t *slots = calloc(n_slots, sizeof *slots);
    if (!tokens || !descriptors || !seen || !slots) {
        free(slots);
        return mnas_error_set(MNAS_ERR_MEMORY, "no memory for the outcomes of %zu networks", room);
    }
    free(o->slots);
    o->slots = slots, o->n_slots = n_slots, o->room = room;
    for (size_t i = 0; i < o->n; i++) o->slots[slot_of(o, o->tokens + i * o->n_decisions)] = i + 1;
    return 0;
}

/* ---- answers ---- */

static mnas_seen_state state_of(const mnas_outcome *outcome) {
    return outcome->untried ? MNAS_SEEN_UNTRIED : outcome->failed ? MNAS_SEEN_FAILED : MNAS_SEEN_COMPLETE;
}

static void take_in(mnas_seen *seen, const mnas_outcome *outcome) {
    const mnas_seen_state state = state_of(outcome);
    if (state < seen->state) seen->state = state;
    if (outcome->latency_ms > 0 && isfinite(outcome->latency_ms)) seen->latency_ms = outcome->latency_ms;
    if (state != MNAS_SEEN_COMPLETE || (outcome->repeat && seen->n_rewards > 0))
        return; /* the same once more */
    seen->n_rewards++;
    seen->reward += (outcome->reward - seen->reward) / (double)seen->n_rewards;
}

int mnas_observations_tell(mnas_observations *o, const int *tokens, const double *descriptors,
                           const mnas_outcome *outcome, size_t *index) {
    int rc = reserve(o, o->n + 1);
    if (rc < 0) return rc;
    const size_t slot = slot_of(o, tokens);
    if (!o->slots[slot]) {
        memcpy(o->tokens + o->n * o->n_decisions, tokens, o->n_decisions * sizeof *tokens);
        if (o->n_descriptors)
            memcpy(o->descriptors + o->n * o->n_descriptors, descriptors,
                   o->n_descriptors * sizeof *descriptors);
        o->seen[o->n] = (mnas_seen){.state = MNAS_SEEN_UNTRIED};
        o->slots[slot] = ++o->n;
    }
    *index = o->slots[slot] - 1;
    take_in(&o->seen[*index], outcome);
    return 0;
}

/* ---- saving ---- */

int mnas_observations_save(const mnas_observations *o, mnas_str *out) {
    mnas_blob_put_u64(out, o->n);
    mnas_blob_put_ints(out, o->tokens, o->n * o->n_decisions);
    mnas_blob_put_f64s(out, o->descriptors, o->n * o->n_descriptors);
    for (size_t i = 0; i < o->n; i++) {
        mnas_blob_put_u64(out, o->seen[i].state);
        mnas_blob_put_u64(out, o->seen[i].n_rewards);
        mnas_blob_put_f64s(out, &o->seen[i].reward, 1);
        mnas_blob_put_f64s(out, &o->seen[i].latency_ms, 1);
    }
    return 0;
}

static bool all_different(mnas_observations *o) {
    for (size_t i = 0; i < o->n; i++) {
        const size_t slot = slot_of(o, o->tokens + i * o->n_decisions);
        if (o->slots[slot]) return false;
        o->slots[slot] = i + 1;
    }
    return true;
}

int mnas_observations_load(mnas_observations *o, mnas_blob_reader *in, const mnas_decision *decisions) {
    const size_t left = (size_t)(in->end - in->at), each = 8 * (o->n_decisions + o->n_descriptors + 4);
    const size_t n = (size_t)mnas_blob_get_max(in, left / each);
    int rc = reserve(o, n);
    if (rc < 0 || in->bad) return rc;
    mnas_blob_get_ints(in, o->tokens, n * o->n_decisions);
    for (size_t i = 0; i < n * o->n_decisions; i++)
        if (o->tokens[i] < 0 || o->tokens[i] >= decisions[i % o->n_decisions].n_choices) in->bad = true;
    mnas_blob_get_f64s(in, o->descriptors, n * o->n_descriptors);
    for (size_t i = 0; i < n; i++) {
        mnas_seen *seen = &o->seen[i];
        seen->state = (mnas_seen_state)mnas_blob_get_max(in, MNAS_SEEN_UNTRIED);
        seen->n_rewards = mnas_blob_get_u64(in);
        mnas_blob_get_f64s(in, &seen->reward, 1);
        mnas_blob_get_f64s(in, &seen->latency_ms, 1);
        if ((seen->state == MNAS_SEEN_COMPLETE) != (seen->n_rewards > 0) || seen->latency_ms < 0)
            in->bad = true;
    }
    o->n = in->bad ? 0 : n;
    if (!all_different(o)) in->bad = true;
    return 0;
}
