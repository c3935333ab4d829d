/* finalize.h - stage two, and what its steps share.
 *
 *     plan     finalize_plan.c      which networks: the best found, baselines (finalize_baselines.c); stored once
 *     random   finalize_random.c    a random search beside, whose best are treated as the found ones are
 *     tune     finalize_tune.c      a learning rate for each family
 *     train    finalize_train.c     all of them, side by side; validation accuracy
 *     measure  finalize_measure.c   latencies, alternately
 *     race     finalize_race.c      the leaders trained again, where that is asked for
 *     choose   finalize_choose.c    the best found one by validation, stored; its repeats are planned
 *     test     finalize_choose.c    the test images, once
 *
 * finalize.c runs them in this order. Each finds in the study what it has done already, so that stage two goes on where it
 * was ended. A network's row is RUNNING until it is trained and evaluated on validation.
 */
#ifndef MNAS_SEARCH_FINALIZE_H
#define MNAS_SEARCH_FINALIZE_H

#include "data/dataset.h"
#include "search/fixed.h"
#include "search/job.h"
#include "search/reward.h"
#include "store/store.h"
#include "train/recipe.h"

/* What tests replace; NULL: the real ones. */
typedef struct mnas_finalize_hooks {
    const mnas_job_runner *runner;
    /* as mnas_eval_correct */
    int (*evaluate)(mnas_eval_result *out, uint8_t **correct, const mnas_model *model, const char *weights,
                    const char *data, const char *split, int threads);
} mnas_finalize_hooks;

int mnas_finalize_with(const mnas_finalize_options *options, const mnas_finalize_hooks *hooks);

enum { MNAS_MAX_PASSES = 99 };

typedef struct mnas_stage {
    mnas_finalize_options options; /* defaults filled in */
    mnas_finalize_hooks hooks;     /* the same */
    mnas_store *store;
    mnas_setting *settings; /* of the study, as they are now */
    size_t n_settings;
    int n_complete; /* trials of the study */
    mnas_fixed_list fixed;
    int n_devices;
    mnas_reward reward;     /* of the study, calibrated */
    mnas_recipe recipe;     /* as given, of all families */
    mnas_dataset_info data; /* the study's */
    char output[1024];      /* folder of weights and models */
    mnas_final *finals;     /* as stored */
    size_t n_finals;
    double begun_s, shown_s;
} mnas_stage;

/* ---- the steps ---- */
int mnas_stage_plan(mnas_stage *s);
int mnas_stage_search_random(mnas_stage *s);
int mnas_stage_tune(mnas_stage *s);
int mnas_stage_train(mnas_stage *s); /* every row that is RUNNING */
int mnas_stage_measure(mnas_stage *s);
int mnas_stage_race(mnas_stage *s);
int mnas_stage_choose(mnas_stage *s);
int mnas_stage_test(mnas_stage *s);

/* Append the baselines that options.baselines names ("auto": that bracket the found ones) to the plan. */
int mnas_stage_plan_baselines(mnas_stage *s);
/* Dropout that baselines have, too. */
double mnas_stage_found_dropout(const mnas_stage *s);
/* Those of another study's stage two, trained and tested already. */
int mnas_stage_borrow_baselines(mnas_stage *s, const char *path);
/* Numbers of the k best networks of a study, numbers[k]: its front by reward, then the others by reward, each network
 * once. */
int mnas_stage_select(const mnas_study *study, const mnas_reward *reward, int k, int *numbers, int *n);
/* Append a trial of a study, the stage's own (found) or its random one. */
int mnas_stage_add_trial(mnas_stage *s, mnas_final_role role, const mnas_study *study, int trial);

/* ---- who leads: finalize_race.c ---- */

int mnas_stage_n_runs(const mnas_stage *s,
                      const mnas_final *final); /* trainings of this network, failed ones, too */
/* Validation accuracy, the mean of a network's complete trainings. */
double mnas_stage_mean_accuracy(const mnas_stage *s, const mnas_final *final);
/* The reward of that; NaN where it is no candidate, or a repeat. */
double mnas_stage_shown(const mnas_stage *s, const mnas_final *final);
/* That shows most, `but` (or NULL) apart; NULL where none is left. */
mnas_final *mnas_stage_best(const mnas_stage *s, mnas_final_role role, const mnas_final *but);
int mnas_stage_repeat(mnas_stage *s, int number); /* one more training of a network is planned */

/* ---- state: finalize_state.c ---- */

const char *mnas_stage_setting(const mnas_stage *s, const char *name); /* or NULL */
/* `missing` where it is not there, or is no such number. */
double mnas_stage_real(const mnas_stage *s, const char *name, double missing);
int mnas_stage_int(const mnas_stage *s, const char *name, int missing);
uint64_t mnas_stage_seed(const mnas_stage *s); /* the study's */
int mnas_stage_set(mnas_stage *s, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int mnas_stage_load(mnas_stage *s); /* settings and rows, anew */
/* Store a new row and append it; *final is taken over. Costs and seed are filled in. */
int mnas_stage_add(mnas_stage *s, mnas_final *final, const mnas_model *model);
int mnas_stage_put(mnas_stage *s, const mnas_final *final);
int mnas_stage_model(const mnas_stage *s, const mnas_final *final, mnas_model *out);
/* The study's data at the size of this network. */
int mnas_stage_data(const mnas_stage *s, const mnas_final *final, char *out, size_t n);
/* Path beside the study: its own without .db, and a tail. */
int mnas_stage_beside(const mnas_stage *s, const char *tail, char *out, size_t n);
/* Path of one of its files in the output folder: "trial-12" and a tail. */
int mnas_stage_path(const mnas_stage *s, const mnas_final *final, const char *tail, char *out, size_t n);
/* MNAS_ERR_CANCELLED or MNAS_ERR_TIMEOUT when stage two is to end. */
int mnas_stage_check_time(const mnas_stage *s);
double mnas_stage_left_minutes(const mnas_stage *s); /* NaN: no limit */
/* A row that has just changed for good, or NULL for a live line. */
void mnas_stage_show(mnas_stage *s, const mnas_final *final, const char *phase, const char *name, double frac,
                     double eta_s);
/* `spec` with option `key` set to `value`, whatever it said of it before. */
int mnas_stage_spec(char *out, size_t n, const char *spec, const char *key, const char *value);
/* Which of n networks is the i-th that a pass measures. */
size_t mnas_stage_turn(size_t i, int pass, size_t n, int n_passes);
/* By the study's reward. */
double mnas_stage_reward(const mnas_reward *reward, double accuracy_frac, const mnas_latency *first,
                         const mnas_latency *others, int n_others);
bool mnas_stage_is_ready(const mnas_final *final); /* complete, and no repeat */

/* ---- trainings side by side: finalize_run.c ---- */

typedef struct mnas_training {
    char name[64];
    mnas_model model;
    char data[1200], recipe[600], output[1200]; /* output "": none */
    double epochs;                              /* NaN: the recipe's */
    uint64_t seed;
    int64_t macs; /* by which the time that is left is told */
    int index;    /* the caller's */
} mnas_training;

/* A training has ended, in *row as a trial's. */
typedef int mnas_training_done(mnas_stage *s, const mnas_training *training, const mnas_trial *row);
int mnas_stage_run(mnas_stage *s, const char *phase, const mnas_training *list, size_t n,
                   mnas_training_done *done);

#endif
