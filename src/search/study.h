/* study.h - a study opened for reading, as the report sees it beside mnas.h. */
#ifndef MNAS_SEARCH_STUDY_H
#define MNAS_SEARCH_STUDY_H

#include "mnas.h"
#include "store/store.h"

/* The strategy after each of its updates, in order; `loop` and `state` are NULL. Belongs to the study. */
const mnas_snapshot *mnas_study_updates(const mnas_study *study, size_t *n);

/* Whether a network of stage two has accuracies, latencies and passes that can be, in a study of n_devices; sets the message
 * where not. */
int mnas_study_check_final(const mnas_final *final, int n_devices);

#endif
