/* conditions.h - the state of a Linux machine while it is measured: what /proc and /sys tell, NaN and "" for
 * what they hide.
 *
 * `root` stands before every path: "" on the machine itself, a folder with a copy of the files in tests.
 */
#ifndef MNAS_DEVICE_CONDITIONS_H
#define MNAS_DEVICE_CONDITIONS_H

#include <stdbool.h>

typedef struct mnas_conditions {
    double load;       /* 1-minute load average */
    double freq_mhz;   /* of the core, now */
    double temp_c;     /* hottest thermal zone */
    char governor[32]; /* of the core */
    char cpu[64];      /* model name */
} mnas_conditions;

/* Never fails: what is not there is NaN or "". core -1: of core 0. */
void mnas_conditions_read(mnas_conditions *out, const char *root, int core);

/* Of the cores with allowed[i], the one with the highest maximal frequency; without cpufreq, or among equals,
 * the last (interrupts tend to go to the first). -1 when none is allowed. */
int mnas_conditions_best_core(const char *root, const bool *allowed, int n_cores);

#endif
