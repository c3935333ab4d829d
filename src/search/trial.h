/* trial.h - one trial from its claim to its outcome, as a small state machine:
 *
 *     NEW --prepare--> READY --measure--> MEASURING --poll--> MEASURED --train--> TRAINING --poll--> ENDED
 *
 * Measuring leads back to READY where a device is awaited (measuring.h says until when), and past MEASURING where all
 * devices are asked in this process.
 * Each step may go straight to ENDED with a failure of the trial (row.state FAILED, row.reason, row.error), or with a trial that
 * is not worth its training (PRUNED, row.reason).
 * With rungs a training ends in AT_RUNG, with a row that runs still, until it is let go on from there:
 *
 *     TRAINING --poll--> AT_RUNG ... go_on --> MEASURED --train--> TRAINING
 *
 * What a step returns below 0 is no failure of the trial but of the search: its environment is wrong, and
 * every other trial would meet the same.
 */
#ifndef MNAS_SEARCH_TRIAL_H
#define MNAS_SEARCH_TRIAL_H

#include "search/measuring.h"
#include "search/rungs.h"
#include "search/screen.h"
#include "search/window.h"
#include "store/store.h"
#include "train/recipe.h"

/* What all trials of a search share. */
typedef struct mnas_trial_context {
    const char *data, *recipe;
    double epochs;                   /* NaN: the recipe's */
    int64_t max_images;              /* 0: all */
    const char *output;              /* file for the weights, or NULL */
    int threads, batch;              /* of a training; batch: images of a pass */
    int jobs;                        /* trials that share the machine's memory */
    const mnas_recipe *training;     /* `recipe` read, and */
    const mnas_dataset_info *images; /* `data` described: what the memory of a training depends on */
    int64_t (*free_bytes)(void);     /* of the machine, for all trials; NULL: mnas_machine_shared_bytes */
    int64_t held_bytes;              /* of it, by trainings that run and have taken their memory */
    mnas_rungs_plan rungs;           /* all 0: none */
    const char *rung_folder;         /* of the states of trainings that have come to a rung */
    double timeout_s;                /* of a training; INFINITY: none */
    mnas_measure_context *measure;   /* NULL where nothing is measured */
    const mnas_screen *screen;       /* NULL: none */
    const mnas_window *window;       /* what lies outside is not trained; NULL: none */
    const mnas_job_runner *runner;
} mnas_trial_context;

typedef enum {
    MNAS_RUN_NEW,
    MNAS_RUN_READY,
    MNAS_RUN_MEASURING,
    MNAS_RUN_MEASURED,
    MNAS_RUN_TRAINING,
    MNAS_RUN_AT_RUNG,
    MNAS_RUN_ENDED,
} mnas_run_phase;

typedef struct mnas_trial_run {
    mnas_run_phase phase;
    mnas_trial row; /* as it will be stored; owns its texts */
    mnas_model model;
    mnas_measuring measuring;
    mnas_job *job;                     /* its training */
    int64_t need_bytes, share_bytes;   /* of memory: what it will hold; what it may */
    double begun_s, train_begun_s;     /* monotonic */
    double earlier_train_s, earlier_s; /* of the row, before this part: of its training; of everything */
    double paused_s;                   /* of what the training process takes for training */
    double away_s;                     /* of everything, while another trial was measured */
    double paused_since_s;             /* NaN while it runs */
    bool paused_training; /* the pause fell into the training, not before it began or after it had ended */
    double frac;          /* of the training; NaN unknown */
} mnas_trial_run;

/* Takes *row over (attempt and start time set); begun_s: since when its time counts. */
void mnas_trial_begin(mnas_trial_run *run, mnas_trial *row, const mnas_model *model, double begun_s);
/* Costs, whether it is expected to be far too slow or outside the window (PRUNED), and whether it fits into memory. */
int mnas_trial_prepare(mnas_trial_run *run, const mnas_trial_context *context);
/* In place of preparing and measuring: a trial whose training has come to a rung. */
int mnas_trial_go_on(mnas_trial_run *run, const mnas_trial_context *context);
/* Removes what is kept of a trial's training at its rungs, but for the last `keep` of them (0, 1). */
void mnas_trial_forget_rungs(const mnas_trial *row, const mnas_trial_context *context, int keep);
/* Asks what is due; the machine is quiet where that is needed. */
int mnas_trial_measure(mnas_trial_run *run, const mnas_trial_context *context);
/* Stage two leaves the measuring out: it goes from READY straight here. */
int mnas_trial_train(mnas_trial_run *run, const mnas_trial_context *context);
/* Take in the news of its training or measuring, and look at the clock. */
int mnas_trial_poll(mnas_trial_run *run, const mnas_trial_context *context);
void mnas_trial_pause(mnas_trial_run *run, const mnas_trial_context *context);
void mnas_trial_resume(mnas_trial_run *run, const mnas_trial_context *context);
/* What it waits for, or NULL. */
mnas_job *mnas_trial_job(const mnas_trial_run *run);
/* It waits for a device, and will not get it. */
bool mnas_trial_is_given_up(const mnas_trial_run *run);
/* Stops what still runs. */
void mnas_trial_release(mnas_trial_run *run, const mnas_trial_context *context);
/* What its training holds of memory: a training that has told of a step has touched all it needs. */
int64_t mnas_trial_held_bytes(const mnas_trial_run *run);
/* Everything but training, measuring, and waiting for a device, up to now. */
double mnas_trial_overhead_s(const mnas_trial_run *run);

#endif
