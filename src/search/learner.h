/* learner.h - what learns in a search: a strategy, its proposals and what came of them (history.h), the reward, and
 * the study that keeps all of it. It is driven from outside: by a search that runs trials (loop.h), or by somebody who
 * runs them elsewhere and tells.
 *
 * It runs no trial and ends no search. Whoever drives it writes outcomes into history.known[].row, finishes their rows in the
 * study, and lets them be taken in. Everything it does is a function of the study's rows, so a learner opened on a study
 * goes on where the last one stopped: from the last snapshot, and by proposing again what lies behind it.
 */
#ifndef MNAS_SEARCH_LEARNER_H
#define MNAS_SEARCH_LEARNER_H

#include "search/history.h"
#include "search/reward.h"
#include "store/store.h"
#include "strategy/strategy.h"

typedef struct mnas_learner {
    /* given */
    mnas_store *store;
    mnas_strategy *strategy; /* fresh */
    mnas_reward reward;      /* as opened from the options */
    int delay;               /* of the study */
    int n_calibrate; /* complete trials before the reward is calibrated; 0: it has its values already */
    bool is_value; /* rewards are any numbers: a failed trial is worth the worst of those before it, not 0 */
    uint64_t seed;
    mnas_rungs_plan rungs; /* all 0: none */
    bool overlap;          /* of brackets: the next one's trials are proposed before this one's are seen */
    int n_decisions;
    size_t n_choices; /* of all decisions together */
    /* What a proposal is called: *arch is malloc'ed, key is "" where it cannot be built. Returns a status. */
    int (*name)(const void *user, const int *tokens, char **arch, char key[17]);
    const void *user;
    /* its own; zero before it is opened */
    mnas_history history;
    int n_observed;                  /* trials before this one, if told, are known to the strategy */
    int n_updates, n_stored_updates; /* of the strategy; snapshots in the study */
} mnas_learner;

/* Before a study is opened for writing, which brings the file of an earlier mnas up to date: MNAS_ERR_FORMAT where its strategy cannot
 * be gone on with. Nothing is changed. */
int mnas_learner_check_study(const char *path);
/* What the study holds, and the last snapshot. Close it also after a failure. */
int mnas_learner_open(mnas_learner *learner);
void mnas_learner_close(mnas_learner *learner);

bool mnas_learner_is_calibrated(const mnas_learner *learner);
/* Of a complete trial; the reward is calibrated. */
double mnas_learner_reward(const mnas_learner *learner, const mnas_trial *row);

/* What a strategy is told of a trial that has ended. */
mnas_outcome mnas_learner_outcome(const mnas_trial *row, bool repeat);

/* A result that nobody asked for, as a running row behind all others: whoever calls finishes it. */
int mnas_learner_add_told(mnas_learner *learner, const int *tokens, int *number);
/* Those told since the last proposal are learnt from: due before the next one, when all that it rests on has been taken in.
 * Within a transaction. */
int mnas_learner_enter_told(mnas_learner *learner);
/* The next proposal, into the history. */
int mnas_learner_propose(mnas_learner *learner);
/* What `name` says where proposals are networks. */
int mnas_learner_name_network(const mnas_model *model, char **arch, char key[17]);

/* What has become known is given to the strategy, after calibrating the reward where that is due. Within a transaction. */
int mnas_learner_take_in(mnas_learner *learner);
/* The same in a transaction of its own, where there is anything: repeats, and outcomes from the study's rows. */
int mnas_learner_advance(mnas_learner *learner);
/* On the first complete trials, seen or not, and at least as many as n_calibrate. Within a transaction. */
int mnas_learner_calibrate(mnas_learner *learner);
/* Rewards of trials that were stopped at a rung and that the search ends without seeing: all of their brackets have ended. They
 * are what they would be if it went on. Within a transaction. */
int mnas_learner_reward_stopped(mnas_learner *learner);

/* A snapshot of this moment, so that the next one opened has nothing to propose again; none before the
 * reward is calibrated. Within a transaction. */
int mnas_learner_save(mnas_learner *learner);

/* What is known of the reward, as the settings target_ms (target_ms_2 for the second device), alpha, beta and w. */
int mnas_learner_store_reward(mnas_store *store, const mnas_reward *reward);
/* The name of the setting of a device's target; 0: the first. */
const char *mnas_learner_target_name(int device, char buf[24]);

/* What a strategy may know of a network before it is tried: logs of multiply-adds and of parameters. 0 where it cannot be built:
 * that is its trial's to find out. */
enum { MNAS_NETWORK_DESCRIPTORS = 2 };
int mnas_learner_describe_network(const mnas_model *model, double out[MNAS_NETWORK_DESCRIPTORS]);

#endif
