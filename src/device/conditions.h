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
    double steal_s;    /* since the start of the machine: how long its host ran others in the core's place */
    char governor[32]; /* of the core */
    char cpu[64];      /* model name */
} mnas_conditions;

/* Never fails: what is not there is NaN or "". core -1: of core 0; steal: of all. */
void mnas_conditions_read(mnas_conditions *out, const char *root, int core);

/* Of the cores with allowed[i], the one with the highest maximal frequency; without cpufreq, or among equals,
 * the last (interrupts tend to go to the first). -1 when none is allowed. */
int mnas_conditions_best_core(const char *root, const bool *allowed, int n_cores);

enum {
    MNAS_CORE_BEST = -1, /* as mnas_conditions_best_core has it */
    MNAS_CORE_NOT_PINNED = -2,
};
/* Of this process: *core is `wanted`, or what MNAS_CORE_BEST comes to, or -1 for MNAS_CORE_NOT_PINNED. MNAS_ERR_ARG where the
 * process may not use it. */
int mnas_conditions_choose_core(int wanted, int *core);

double mnas_conditions_max_mhz(const char *root, int core); /* NaN where unknown */
int mnas_conditions_n_zones(const char *root);              /* thermal zones that tell a temperature */
void mnas_conditions_governor(const char *root, int core, char out[32]); /* "" where unknown */

/* Another machine's instructions are interpreted here (qemu-user): times mean nothing. */
bool mnas_conditions_emulated(void);

#endif
