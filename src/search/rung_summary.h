/* rung_summary.h - what rungs came to in a study: how many reached each, were stopped there, and how well it told the end. For
 * show, JSON and reports; it decides nothing.
 */
#ifndef MNAS_SEARCH_RUNG_SUMMARY_H
#define MNAS_SEARCH_RUNG_SUMMARY_H

#include "mnas.h"

/* `setting` is a study's `rungs`, NULL where it has none. Returns how many rungs there are, 0 where there are none,
 * or a status. */
int mnas_rung_summary(mnas_rung out[MNAS_MAX_RUNGS_OF_STUDY], const char *setting,
                      const mnas_trial *const *trials, int n);

#endif
