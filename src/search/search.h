/* search.h - mnas_search_run with the parts that tests replace. */
#ifndef MNAS_SEARCH_SEARCH_H
#define MNAS_SEARCH_SEARCH_H

#include "search/job.h"

typedef struct mnas_search_hooks {
    const mnas_job_runner *runner; /* NULL: child processes */
    int delay;                     /* of a new study; 0: its jobs, at least 1 */
    int64_t (*free_bytes)(void);   /* of memory, for all trials; NULL: the machine's */
    double pause_s;                /* between two questions to a device that is away; 0: a second */
} mnas_search_hooks;

int mnas_search_run_with(const mnas_search_options *options, const mnas_search_hooks *hooks);

#endif
