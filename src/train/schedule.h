/* schedule.h - the learning rate as a pure function of the step.
 *
 * All lengths are in epochs. Decay is counted from step 0, through the warm-up, as in the official code: at
 * the end of the paper's 5 epochs of warm-up the rate is lr * 0.97^2, and its peak is never used.
 */
#ifndef MNAS_TRAIN_SCHEDULE_H
#define MNAS_TRAIN_SCHEDULE_H

typedef enum { MNAS_SCHEDULE_CONSTANT, MNAS_SCHEDULE_EXPONENTIAL, MNAS_SCHEDULE_COSINE } mnas_schedule_kind;

typedef struct mnas_schedule {
    mnas_schedule_kind kind;
    double lr;                       /* peak */
    double steps_per_epoch;          /* need not be whole */
    double epochs;                   /* length of the training: where the cosine reaches 0 */
    double warmup_epochs;            /* linear from 0 at step 0 */
    double decay_rate, decay_epochs; /* exponential: times decay_rate every decay_epochs, in stairs */
} mnas_schedule;

double mnas_schedule_lr(const mnas_schedule *schedule, int step); /* step 0.. */

#endif
