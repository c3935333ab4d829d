/* strategy.h - search strategies see decisions, not networks.
 *
 * What a strategy knows: per decision its number of choices and whether they are ordinal, on demand a vector of cheap
 * descriptors of a proposal, and the outcome of earlier proposals. It knows nothing of images, phones or files, so a table
 * of finished networks drives the very same code as a real search.
 *
 * The clock is the proposal index p = 0, 1, 2, ... The caller keeps one rule: feedback comes in the order of proposals, each
 * once, and which proposals have been fed before propose(p) is a function of p and the outcomes alone: normally exactly
 * 0 .. p - delay (`delay` >= number of workers, fixed per study), none while the reward is being calibrated, after
 * which the backlog is fed at once. A strategy keeps its pending proposals in a queue of any length. So the proposals are
 * a function of (problem, options, seed, outcomes) alone, whatever the number of workers or restarts.
 *
 * Not every proposal is the strategy's own idea. The random shadow: one proposal in five (`shadow`) is uniform, so that any study
 * can say whether its strategy beat chance; a class whose own start is uniform pays for it with that. `project` moves a
 * proposal to the nearest one that exists. `screen` picks among the strategy's draws and others by prediction. So a class draws
 * with propose(), which changes nothing but its random state and may be called for draws that are never used, is shown with
 * commit() what is proposed in the end, and must take answers to all of it.
 *
 * save() after feedback(p) and load() into a fresh instance of the same spec, problem and seed give bit-identical
 * further proposals: recovery equals replay (tests/unit/strategy/test_strategy_conform.c).
 */
#ifndef MNAS_STRATEGY_STRATEGY_H
#define MNAS_STRATEGY_STRATEGY_H

#include "base/registry.h"
#include "mnas.h"

typedef struct mnas_problem {
    int n_decisions;
    const mnas_decision *decisions; /* outlives the strategy */
    int n_trials;                   /* planned; presets adapt to it */
    int delay;                      /* >= 1 */
    /* Descriptors of a proposal (log MACs, log parameters, predicted log latency): fills out[n_descriptors]. NULL and 0 for
     * plain tables. Returns a status. */
    int n_descriptors;
    int (*describe)(void *user, const int *tokens, double *out);
    /* The nearest proposal that exists, in place (a table that holds part of its space). NULL: all exist. Returns a status. */
    int (*project)(void *user, int *tokens);
    void *user;
    double window_low_ms, window_high_ms; /* only networks within can win; 0, 0: no such window */
} mnas_problem;

typedef struct mnas_outcome {
    double reward; /* of a failed trial 0, or the worst where all are below */
    bool failed;   /* out of memory, diverged, ...: the reward is no observation of quality */
    bool repeat;   /* a network already known: its stored reward, nothing was spent */
    bool
        untried; /* it was not evaluated, because it cannot win: nothing but its latency is known. Classes are told of a failure */
    double latency_ms; /* 0 or NaN: unknown */
} mnas_outcome;

typedef enum {
    MNAS_ORIGIN_STRATEGY,
    MNAS_ORIGIN_RANDOM
} mnas_origin; /* of a proposal; random: uniform over all choices */

/* Numbers for the report; NaN where a strategy has none. */
typedef struct mnas_strategy_status {
    int n_updates;
    double entropy;     /* mean over decisions, in nats */
    double entropy_max; /* of uniform choices */
    double baseline;
} mnas_strategy_status;

typedef struct mnas_strategy mnas_strategy;

/* Options that every strategy has, read by strategy.c. */
typedef enum { MNAS_SCREEN_AUTO, MNAS_SCREEN_NONE, MNAS_SCREEN_GP } mnas_screen_mode;
extern const char *const mnas_screen_names[];

typedef struct mnas_strategy_options {
    int64_t screen;
    double shadow;
} mnas_strategy_options;

#define MNAS_STRATEGY_OPTS(type)                                                                             \
    {"screen",                                                                                               \
     MNAS_OPT_CHOICE,                                                                                        \
     offsetof(type, common.screen),                                                                          \
     "auto",                                                                                                 \
     0,                                                                                                      \
     0,                                                                                                      \
     NULL,                                                                                                   \
     "proposals are picked by prediction: gp, a Gaussian process of the outcomes so far",                    \
     mnas_screen_names},                                                                                     \
    {                                                                                                        \
        "shadow", MNAS_OPT_FLOAT, offsetof(type, common.shadow), "0.2", 0, 1, NULL,                          \
            "share of proposals that are uniform, to see whether the strategy beats chance; 0: none", NULL   \
    }

/* One implementation: a const record in strategy_NAME.c and a line in strategies.def. */
typedef struct mnas_strategy_class {
    mnas_plugin plugin;                          /* first: registry.h */
    size_t common_at;                            /* where a mnas_strategy_options stands in its options */
    bool (*prefers_screening)(const void *opts); /* screen=auto is gp; NULL: never */
    bool is_chance; /* what others are compared with: screen=auto is none, also where a window is to be hit */
    size_t self_bytes; /* of the instance, zeroed before create */
    int (*create)(void *self, const mnas_problem *problem, const void *opts, uint64_t seed);
    int (*propose)(void *self, int *tokens); /* draws; nothing has been proposed yet */
    /* `tokens` are the next proposal; own: just as the last propose() drew them. NULL: the class does not mind */
    int (*commit)(void *self, const int *tokens, bool own);
    bool (*uniform)(const void *self); /* would propose() draw uniformly now? NULL: never */
    int (*feedback)(void *self, const int *tokens, const mnas_outcome *outcome);
    /* of what nobody proposed. NULL: the class learns nothing from it */
    int (*observe)(void *self, const int *tokens, const mnas_outcome *outcome);
    void (*status)(const void *self, mnas_strategy_status *out);
    /* probs[n_decisions] rows of n_choices each, concatenated: the policy's marginal; NULL: uniform */
    void (*probabilities)(const void *self, double *probs);
    int (*save)(const void *self, mnas_str *out);         /* bytes, endian- and version-tagged */
    int (*load)(void *self, const char *bytes, size_t n); /* MNAS_ERR_FORMAT on anything it did not write */
    void (*destroy)(void *self);
} mnas_strategy_class;

/* spec: "ppo", "ppo:preset=paper,clip=0.1", "random". */
int mnas_strategy_open(mnas_strategy **out, const char *spec, const mnas_problem *problem, uint64_t seed);
void mnas_strategy_close(mnas_strategy *strategy);
int mnas_strategy_propose(mnas_strategy *strategy, int *tokens);
mnas_origin mnas_strategy_origin(const mnas_strategy *strategy); /* of the last proposal */
int mnas_strategy_feedback(mnas_strategy *strategy, const int *tokens, const mnas_outcome *outcome);
/* The outcome of what was never proposed, at any time: it is learnt from, and takes no part in the clock of proposals. So the proposals
 * are a function of where among them it came, too. */
int mnas_strategy_observe(mnas_strategy *strategy, const int *tokens, const mnas_outcome *outcome);
/* Of the networks told about, the one believed best when noise is taken out of the rewards. MNAS_ERR_MISSING for a strategy that is
 * not screened, and before its screening has seen enough. */
int mnas_strategy_best(const mnas_strategy *strategy, int *tokens);
void mnas_strategy_get_status(const mnas_strategy *strategy, mnas_strategy_status *out);
void mnas_strategy_probabilities(const mnas_strategy *strategy, double *probs);
int mnas_strategy_save(const mnas_strategy *strategy, mnas_str *out);
int mnas_strategy_load(mnas_strategy *strategy, const char *bytes, size_t n);
/* MNAS_ERR_FORMAT where a saved state is of another version than this mnas writes: whatever else is in it, it cannot be loaded. */
int mnas_strategy_check_version(const char *bytes, size_t n);

/* All classes, in the order of strategies.def. */
const mnas_plugin *const *mnas_strategy_plugins(size_t *n);

#endif
