/* ppo_config.c - see ppo_config.h.
 *
 * `paper`: what NASNet's appendix A.2 states (LSTM of 100 units, learning rate 0.00035, entropy 0.00001, baseline
 * 0.95, 20 architectures an update, uniform start in [-0.1, 0.1]) and MnasNet reuses. Clip, epochs and the
 * norm limit are in neither paper: 0.2, 4 and 0.5 are what other tuners with this update use; the embedding is ours.
 *
 * `auto`: for what people can pay, tens to some thousand trials; sizes grow with the root of their number. One softmax a
 * decision in place of the LSTM, which needs more samples than there are; advantages by the mean and deviation of the
 * batch; every step also raises the likelihood of the best five so far; nothing known is proposed again.
 * docs/strategies.md has the figures, with and without each of these.
 */
#include "strategy/ppo_config.h"

#include <math.h>

enum { PRESET_AUTO, PRESET_PAPER };
static const char *const presets[] = {"auto", "paper", NULL};
enum { POLICY_PRESET, POLICY_INDEPENDENT, POLICY_LSTM };
static const char *const policies[] = {"preset", "independent", "lstm", NULL};
enum { NORMALIZE_PRESET, NORMALIZE_NO, NORMALIZE_RUNNING, NORMALIZE_BATCH };
static const char *const normalize[] = {"preset", "no", "running", "batch", NULL};
enum { FRESH_PRESET, FRESH_NO, FRESH_YES };
static const char *const fresh[] = {"preset", "no", "yes", NULL};

#define AT(field) offsetof(mnas_ppo_opts, field)
const mnas_opt mnas_ppo_opt_table[] = {
    {"preset", MNAS_OPT_CHOICE, AT(preset), "auto", 0, 0, NULL,
     "defaults of all below; auto: by the planned trials; paper: NASNet's and MnasNet's constants", presets},
    {"policy", MNAS_OPT_CHOICE, AT(policy), "preset", 0, 0, NULL,
     "one softmax a decision, or an LSTM over them (paper: lstm; auto: independent, unless hidden= or "
     "embedding= is given)",
     policies},
    {"hidden", MNAS_OPT_INT, AT(hidden), NULL, 1, 512, "units", "of the LSTM (paper: 100; auto: 24)", NULL},
    {"embedding", MNAS_OPT_INT, AT(embedding), NULL, 1, 512, "numbers",
     "inputs of the LSTM (paper: 32; auto: 8)", NULL},
    {"start", MNAS_OPT_INT, AT(start), NULL, 0, 100000, "proposals",
     "that are uniform at first (paper: 0; auto: 1.5 sqrt(trials))", NULL},
    {"batch", MNAS_OPT_INT, AT(batch), NULL, 1, 1000, "proposals",
     "an update (paper: 20; auto: 0.8 sqrt(trials), 2 to 64)", NULL},
    {"epochs", MNAS_OPT_INT, AT(epochs), NULL, 1, 1000, "steps", "over each batch (paper: 4; auto: 12)",
     NULL},
    {"lr", MNAS_OPT_FLOAT, AT(lr), NULL, 1e-9, 1, NULL,
     "Adam's learning rate (paper: 0.00035; auto: 0.15, with an LSTM 0.01, less over 100 trials)", NULL},
    {"clip", MNAS_OPT_FLOAT, AT(clip), NULL, 1e-6, 1e6, NULL,
     "PPO's clip of the ratio of probabilities (paper: 0.2; auto: 0.5)", NULL},
    {"entropy", MNAS_OPT_FLOAT, AT(entropy), NULL, 0, 1e3, NULL,
     "weight of the entropy bonus (paper: 0.00001; auto: 0.1)", NULL},
    {"replay", MNAS_OPT_FLOAT, AT(replay), NULL, 0, 1e3, NULL,
     "weight of the likelihood of the best networks so far in every step (paper: 0; auto: 0.1)", NULL},
    {"best", MNAS_OPT_INT, AT(best), NULL, 1, 1000, "networks", "that replay takes (both: 5)", NULL},
    {"baseline-decay", MNAS_OPT_FLOAT, AT(baseline_decay), NULL, 0, 0.9999, NULL,
     "old baseline's share in the moving average of rewards (both: 0.95)", NULL},
    {"grad-clip", MNAS_OPT_FLOAT, AT(grad_clip), NULL, 0, 1e9, NULL,
     "limit of the gradient's norm, 0: none (both: 0.5)", NULL},
    {"temperature", MNAS_OPT_FLOAT, AT(temperature), NULL, 0.01, 100, NULL, "of the softmaxes (both: 1)",
     NULL},
    {"init", MNAS_OPT_FLOAT, AT(init), NULL, 0, 10, NULL,
     "parameters start uniform in [-init, init] (paper: 0.1; auto: 0, with an LSTM 0.1)", NULL},
    {"normalize", MNAS_OPT_CHOICE, AT(normalize), "preset", 0, 0, NULL,
     "advantages over the rewards' running deviation, or by mean and deviation of the batch (paper: no; "
     "auto: batch)",
     normalize},
    {"fresh", MNAS_OPT_CHOICE, AT(fresh), "preset", 0, 0, NULL,
     "draw again, hotter each time, what was proposed before (paper: no; auto: yes)", fresh},
    MNAS_STRATEGY_OPTS(mnas_ppo_opts),
    MNAS_OPT_END};
#undef AT

static const mnas_ppo_config paper = {.hidden = 100,
                                      .embedding = 32,
                                      .batch = 20,
                                      .epochs = 4,
                                      .lr = 0.00035,
                                      .clip = 0.2,
                                      .entropy = 0.00001,
                                      .best = 5,
                                      .baseline_decay = 0.95,
                                      .grad_clip = 0.5,
                                      .temperature = 1,
                                      .init = 0.1,
                                      .advantage = MNAS_PPO_RAW};

static mnas_ppo_config by_trials(int n_trials, bool lstm) {
    mnas_ppo_config c = paper;
    c.hidden = lstm ? 24 : 0;
    c.embedding = lstm ? 8 : 0;
    c.init = lstm ? 0.1 : 0; /* independent softmaxes start uniform */
    c.lr = (lstm ? 0.01 : 0.15) * pow(fmin(1, 100.0 / n_trials), 0.25);
    c.start = (int64_t)(1.5 * sqrt(n_trials));
    c.batch = (int64_t)fmin(64, fmax(2, 0.8 * sqrt(n_trials)));
    c.epochs = 12;
    c.clip = 0.5;
    c.entropy = 0.1;
    c.replay = 0.1;
    c.advantage = MNAS_PPO_BATCH;
    c.fresh = true;
    return c;
}

bool mnas_ppo_is_paper(const mnas_ppo_opts *opts) {
    return opts->preset == PRESET_PAPER;
}

static void take_int(int64_t *field, int64_t given) {
    if (given != MNAS_OPT_UNSET) *field = given;
}

static void take(double *field, double given) {
    if (!isnan(given)) *field = given;
}

static bool is_lstm(const mnas_ppo_opts *o) {
    if (o->policy != POLICY_PRESET) return o->policy == POLICY_LSTM;
    return o->preset == PRESET_PAPER || o->hidden != MNAS_OPT_UNSET || o->embedding != MNAS_OPT_UNSET;
}

/* Independent softmaxes are an LSTM of no units: what is left of a head is its bias. */
static void take_sizes(mnas_ppo_config *c, const mnas_ppo_opts *o) {
    take_int(&c->hidden, o->hidden);
    take_int(&c->embedding, o->embedding);
    if (!is_lstm(o)) c->hidden = c->embedding = 0;
}

mnas_ppo_config mnas_ppo_config_resolve(const mnas_ppo_opts *o, int n_trials) {
    mnas_ppo_config c = o->preset == PRESET_PAPER ? paper : by_trials(n_trials, is_lstm(o));
    take_sizes(&c, o);
    take_int(&c.start, o->start);
    take_int(&c.batch, o->batch);
    take_int(&c.epochs, o->epochs);
    take_int(&c.best, o->best);
    take(&c.lr, o->lr);
    take(&c.clip, o->clip);
    take(&c.entropy, o->entropy);
    take(&c.replay, o->replay);
    take(&c.baseline_decay, o->baseline_decay);
    take(&c.grad_clip, o->grad_clip);
    take(&c.temperature, o->temperature);
    take(&c.init, o->init);
    if (o->normalize != NORMALIZE_PRESET) c.advantage = (mnas_ppo_advantage)(o->normalize - NORMALIZE_NO);
    if (o->fresh != FRESH_PRESET) c.fresh = o->fresh == FRESH_YES;
    return c;
}
