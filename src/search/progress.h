/* progress.h - what a search tells its caller while it runs: live lines a few times a second, one line a trial. */
#ifndef MNAS_SEARCH_PROGRESS_H
#define MNAS_SEARCH_PROGRESS_H

#include "search/history.h"
#include "search/trial.h"

typedef struct mnas_progress {
    const mnas_search_options *options;
    const mnas_measure_context *measure;
    double begun_s, shown_s;
} mnas_progress;

void mnas_progress_open(mnas_progress *out, const mnas_search_options *options,
                        const mnas_measure_context *measure);
/* finished: the row of a trial that has just ended, or NULL; run: the one that is spoken of, or NULL. */
void mnas_progress_show(mnas_progress *progress, const mnas_history *history, const mnas_trial *finished,
                        const mnas_trial_run *run, const char *phase, int n_updates);

#endif
