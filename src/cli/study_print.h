/* study_print.h - what several commands print of a study: its front, and a trial's outcome in a word. */
#ifndef MNAS_CLI_STUDY_PRINT_H
#define MNAS_CLI_STUDY_PRINT_H

#include "cli/cli.h"

/* The trial numbered `number`, or NULL. */
const mnas_trial *mnas_cli_find_trial(const mnas_study *study, int number);
/* "complete", "failed: nan", ... */
const char *mnas_cli_trial_outcome(const mnas_trial *trial, char buf[64]);
/* The Pareto front as a table, or as JSON {front: [...]}. */
int mnas_cli_print_front(const mnas_study *study, bool json);

#endif
