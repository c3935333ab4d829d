/* findings.h - what is right and what is wrong with something, one finding after another, each with the way to mend it.
 *
 * Whoever examines something adds to the list; `mnas doctor` shows it. A list starts as {0} and is freed with
 * mnas_findings_free. When memory runs out it goes into a failed state, as mnas_str does: one check at the end.
 */
#ifndef MNAS_BASE_FINDINGS_H
#define MNAS_BASE_FINDINGS_H

#include "mnas.h"

typedef struct mnas_findings {
    mnas_finding *items;
    size_t n, cap;
    bool failed;
} mnas_findings;

/* level: "ok", "note" (it works, the results may be worse) or "bad" (it does not work). `topic` is a word or two. */
void mnas_findings_add(mnas_findings *f, const char *level, const char *topic, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* How to mend what was found last, in words; a command where there is one. */
void mnas_findings_fix(mnas_findings *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The message of this thread's last failure, as a bad finding. */
void mnas_findings_add_error(mnas_findings *f, const char *topic);
int mnas_findings_count(const mnas_findings *f, const char *level);
/* Hands the list over, malloc'ed; MNAS_ERR_MEMORY when one was lost. Either way f is empty again. */
int mnas_findings_take(mnas_findings *f, mnas_finding **items, size_t *n);
void mnas_findings_free(mnas_findings *f);

#endif
