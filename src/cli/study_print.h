/* study_print.h - what several commands print of a study: its front, and a trial's outcome in a word. */
#ifndef MNAS_CLI_STUDY_PRINT_H
#define MNAS_CLI_STUDY_PRINT_H

#include "base/human.h"
#include "cli/cli.h"
#include "cli/table.h"

enum { MNAS_CLI_LATENCIES = MNAS_MAX_DEVICES * (MNAS_HUMAN_BYTES + 3) };

/* The trial numbered `number`, or NULL. */
const mnas_trial *mnas_cli_find_trial(const mnas_study *study, int number);
/* "complete", "failed: nan", ... */
const char *mnas_cli_trial_outcome(const mnas_trial *trial, char buf[64]);
/* NaN of one that was left untrained: its row says 0, which nobody gave it. */
double mnas_cli_reward(const mnas_trial *trial);

/* The Pareto front as a table, or as JSON {front: [...]}. */
int mnas_cli_print_front(const mnas_study *study, bool json);

/* Of a study that was to hit a latency: what was looked at, what is handed over. Nothing for others. */
void mnas_cli_print_landing(const mnas_study *study);
/* Of a study with rungs: who came to them, and how well they told the end. Nothing for others. */
void mnas_cli_print_rungs(const mnas_study *study);

/* The latencies of trials in a table: a column for each device, whose numbers the lines behind the table explain. */
void mnas_cli_latency_titles(const mnas_study *study, char *buf, size_t n);
void mnas_cli_latency_cells(const mnas_study *study, const mnas_trial *trial, mnas_table *table);
void mnas_cli_print_devices(const mnas_study *study); /* nothing where there is one */
/* "0.512 ms + 12.1 ms": the latencies of a trial on all devices. */
const char *mnas_cli_latencies(const mnas_trial *trial, char buf[MNAS_CLI_LATENCIES]);

#endif
