/* Stored states of strategies. The first byte chooses the strategy, the second what the rest is:
 *     0  a whole state
 *     1  what stands inside its frame: head and checksum are put around it, so that the fuzzer reaches behind them
 *     2  a number of proposals with a byte of reward each (of 254 observed without being proposed, too), after which the
 *        state is saved; then changes to those bytes, each an offset of two bytes and a value, and the checksum again
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "fuzz.h"
#include "strategy/blob.h"
#include "strategy/strategy.h"

enum { N_DECISIONS = 2, HEAD_BYTES = 24 /* magic, version, signature */ };

static const mnas_decision decisions[N_DECISIONS] = {{.name = "a", .n_choices = 3},
                                                     {.name = "b", .n_choices = 2}};
static const mnas_problem problem = {
    .n_decisions = N_DECISIONS, .decisions = decisions, .n_trials = 20, .delay = 1};

static mnas_strategy *open_strategy(unsigned which) {
    size_t n;
    const mnas_plugin *const *list = mnas_strategy_plugins(&n);
    const char *name = list[which % n]->name;
    mnas_strategy *strategy;
    /* a controller so small that its parameters fit into an input */
    const char *spec = strcmp(name, "ppo") == 0 ? "ppo:hidden=1,embedding=1,batch=2,epochs=1" : name;
    FUZZ_CHECK(mnas_strategy_open(&strategy, spec, &problem, 1) == 0);
    return strategy;
}

static void frame(const mnas_strategy *strategy, const uint8_t *data, size_t n, mnas_str *out) {
    mnas_str own = {0};
    FUZZ_CHECK(mnas_strategy_save(strategy, &own) == 0);
    mnas_str_append_n(out, own.data, HEAD_BYTES);
    mnas_str_append_n(out, (const char *)data, n);
    mnas_blob_put_u64(out, mnas_hash_bytes(MNAS_HASH_INIT, out->data, out->len));
    mnas_str_free(&own);
}

static void learn(mnas_strategy *strategy, fuzz_input *in) {
    int tokens[N_DECISIONS];
    const unsigned n = fuzz_byte(in) % 32;
    for (unsigned i = 0; i < n; i++) {
        FUZZ_CHECK(mnas_strategy_propose(strategy, tokens) == 0);
        const unsigned byte = fuzz_byte(in);
        const mnas_outcome outcome = {.reward = byte / 255.0, .failed = byte == 0};
        if (byte != 255) FUZZ_CHECK(mnas_strategy_feedback(strategy, tokens, &outcome) == 0);
        if (byte == 255) return; /* stays open */
        if (byte == 254) FUZZ_CHECK(mnas_strategy_observe(strategy, tokens, &outcome) == 0);
    }
}

static void change(mnas_strategy *strategy, fuzz_input *in, mnas_str *out) {
    mnas_str saved = {0};
    learn(strategy, in);
    FUZZ_CHECK(mnas_strategy_save(strategy, &saved) == 0);
    const size_t n = saved.len - HEAD_BYTES - 8;
    while (in->at < in->end) {
        const size_t at = (fuzz_byte(in) | (size_t)fuzz_byte(in) << 8) % n;
        saved.data[HEAD_BYTES + at] = (char)fuzz_byte(in);
    }
    frame(strategy, (const uint8_t *)saved.data + HEAD_BYTES, n, out);
    mnas_str_free(&saved);
}

/* What was loaded is worked with: saved, proposed from, fed. Feeding may find the state in contradiction to itself. */
static void use(mnas_strategy *strategy) {
    int tokens[N_DECISIONS];
    double probabilities[5];
    mnas_str saved = {0};
    mnas_strategy_status status;
    FUZZ_CHECK(mnas_strategy_save(strategy, &saved) == 0);
    FUZZ_CHECK(mnas_strategy_load(strategy, saved.data, saved.len) == 0);
    mnas_strategy_get_status(strategy, &status);
    mnas_strategy_probabilities(strategy, probabilities);
    for (int i = 0; i < 3; i++) {
        if (mnas_strategy_propose(strategy, tokens) < 0) break;
        for (int t = 0; t < N_DECISIONS; t++)
            FUZZ_CHECK(tokens[t] >= 0 && tokens[t] < decisions[t].n_choices);
        if (mnas_strategy_feedback(strategy, tokens, &(mnas_outcome){.reward = 0.5 + i}) < 0) break;
    }
    mnas_str_free(&saved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    fuzz_input in = {data, data + n};
    mnas_strategy *strategy = open_strategy(fuzz_byte(&in));
    mnas_str bytes = {0};
    const unsigned what = fuzz_byte(&in);
    const size_t left = (size_t)(in.end - in.at);
    if (what == 0)
        mnas_str_append_n(&bytes, left ? (const char *)in.at : "", left);
    else if (what == 1)
        frame(strategy, in.at, left, &bytes);
    else
        change(strategy, &in, &bytes);
    if (mnas_strategy_load(strategy, bytes.data ? bytes.data : "", bytes.len) == 0) use(strategy);
    mnas_str_free(&bytes);
    mnas_strategy_close(strategy);
    return 0;
}
