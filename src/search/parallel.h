/* parallel.h - independent jobs on the cores of this machine, for what is computed here and not in child processes.
 *
 * Jobs are begun in their order, each once; what they compute must not depend on which thread runs them, nor on what ran
 * before. The first failure (by number, of those that ran) ends it: jobs not yet begun are left.
 */
#ifndef MNAS_SEARCH_PARALLEL_H
#define MNAS_SEARCH_PARALLEL_H

#include <stdbool.h>
#include <stddef.h>

/* n_threads 0: one for each core. Returns the first failure's status, with its message. */
int mnas_parallel_run(int n_threads, size_t n_jobs, int (*job)(void *user, size_t i), void *user);

/* Whether it has become true, seen from any thread; NULL: never. */
bool mnas_parallel_is_cancelled(const volatile bool *cancel);

#endif
