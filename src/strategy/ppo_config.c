/* ppo_config.c - see ppo_config.h.
 *
 * `paper`: what NASNet's appendix A.2 states (100 units, learning rate 0.00035, entropy 0.00001, baseline
 * 0.95, 20 architectures an update, uniform start in [-0.1, 0.1]) and MnasNet reuses. Clip, epochs and the
 * norm limit are in neither paper: 0.2, 4 and 0.5 are what other tuners with this update use; the embedding is ours.
 *
 * `short`: for some tens to hundreds of trials, where 20 an update and 0.00035 would end before anything is
 * learnt: smaller batches, a larger step, more epochs over each batch, and advantages in units of the
 * rewards' own spread. Found on synthetic tables of 28 and 42 decisions (tests/unit/strategy/landscape.h) at
 * 40 to 1000 proposals.
 */
#include "strategy/ppo_config.h"

#include <math.h>

enum { PRESET_AUTO, PRESET_PAPER, PRESET_SHORT };
static const char *const presets[] = {"auto", "paper", "short", NULL};
enum { NORMALIZE_PRESET, NORMALIZE_NO, NORMALIZE_YES };
static const char *const normalize[] = {"preset", "no", "yes", NULL};

/* Below this many trials `auto` is `short`: the paper's constants then make too few updates to learn. */
enum { AUTO_PAPER_TRIALS = 2000 };

#define AT(field) offsetof(mnas_ppo_opts, field)
const mnas_opt mnas_ppo_opt_table[] = {
    {"preset", MNAS_OPT_CHOICE, AT(preset), "auto", 0, 0, NULL,
     "defaults of all below; auto: short under 2000 trials, else paper", presets},
    {"hidden", MNAS_OPT_INT, AT(hidden), NULL, 1, 512, "units", "of the LSTM (both presets: 100)", NULL},
    {"embedding", MNAS_OPT_INT, AT(embedding), NULL, 1, 512, "numbers",
     "inputs of the LSTM (both presets: 32)", NULL},
    {"batch", MNAS_OPT_INT, AT(batch), NULL, 1, 1000, "proposals",
     "an update (paper: 20; short: 2 to 8, trials / 8)", NULL},
    {"epochs", MNAS_OPT_INT, AT(epochs), NULL, 1, 1000, "steps", "over each batch (paper: 4; short: 8)",
     NULL},
    {"lr", MNAS_OPT_FLOAT, AT(lr), NULL, 1e-9, 1, NULL,
     "Adam's learning rate (paper: 0.00035; short: 0.003, less over 100 trials)", NULL},
    {"clip", MNAS_OPT_FLOAT, AT(clip), NULL, 1e-6, 1e6, NULL,
     "PPO's clip of the ratio of probabilities (both: 0.2)", NULL},
    {"entropy", MNAS_OPT_FLOAT, AT(entropy), NULL, 0, 1e3, NULL,
     "weight of the entropy bonus (paper: 0.00001; short: 0.03)", NULL},
    {"baseline-decay", MNAS_OPT_FLOAT, AT(baseline_decay), NULL, 0, 0.9999, NULL,
     "old baseline's share in the moving average of rewards (both: 0.95)", NULL},
    {"grad-clip", MNAS_OPT_FLOAT, AT(grad_clip), NULL, 0, 1e9, NULL,
     "limit of the gradient's norm, 0: none (both: 0.5)", NULL},
    {"temperature", MNAS_OPT_FLOAT, AT(temperature), NULL, 0.01, 100, NULL, "of the softmaxes (both: 1)",
     NULL},
    {"init", MNAS_OPT_FLOAT, AT(init), NULL, 0, 10, NULL,
     "parameters start uniform in [-init, init] (both: 0.1)", NULL},
    {"normalize", MNAS_OPT_CHOICE, AT(normalize), "preset", 0, 0, NULL,
     "divide advantages by the rewards' running deviation (paper: no; short: yes)", normalize},
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
                                      .baseline_decay = 0.95,
                                      .grad_clip = 0.5,
                                      .temperature = 1,
                                      .init = 0.1,
                                      .normalize = false};

static mnas_ppo_config short_search(int n_trials) {
    mnas_ppo_config c = paper;
    /* at least eight updates in the planned trials; more than 8 a batch gained nothing */
    c.batch = n_trials < 16 ? 2 : n_trials > 64 ? 8 : n_trials / 8;
    c.epochs = 8;
    /* a longer search can afford to settle later: with the large step it would propose little but repeats */
    c.lr = 0.003 * sqrt(100 / fmax(100, n_trials));
    c.entropy = 0.03;
    c.normalize = true;
    return c;
}

static void take_int(int64_t *field, int64_t given) {
    if (given != MNAS_OPT_UNSET) *field = given;
}

static void take(double *field, double given) {
    if (!isnan(given)) *field = given;
}

mnas_ppo_config mnas_ppo_config_resolve(const mnas_ppo_opts *o, int n_trials) {
    bool is_short = o->preset == PRESET_SHORT || (o->preset == PRESET_AUTO && n_trials < AUTO_PAPER_TRIALS);
    mnas_ppo_config c = is_short ? short_search(n_trials) : paper;
    take_int(&c.hidden, o->hidden);
    take_int(&c.embedding, o->embedding);
    take_int(&c.batch, o->batch);
    take_int(&c.epochs, o->epochs);
    take(&c.lr, o->lr);
    take(&c.clip, o->clip);
    take(&c.entropy, o->entropy);
    take(&c.baseline_decay, o->baseline_decay);
    take(&c.grad_clip, o->grad_clip);
    take(&c.temperature, o->temperature);
    take(&c.init, o->init);
    if (o->normalize != NORMALIZE_PRESET) c.normalize = o->normalize == NORMALIZE_YES;
    return c;
}
