/* hindrances.h - what keeps a Linux machine's times from being steady: other programs, a clock that varies or is held down.
 *
 * For whoever sets a device up; rounds are judged by what happened in them (protocol.h). `root` as in conditions.h.
 */
#ifndef MNAS_DEVICE_HINDRANCES_H
#define MNAS_DEVICE_HINDRANCES_H

typedef struct mnas_hindrances {
    double load; /* 1-minute load average */
    char busiest
        [64]; /* what took most of a core just now: "cc1, process 812"; "": nothing was seen to take any */
    double busiest_frac; /* of a core */
    double cap_mhz;      /* the core's clock is not allowed above it; NaN: unknown */
    int turbo;           /* as mnas_hindrances_turbo */
    int n_throttled; /* how often the core was slowed down for heat since the machine started; -1: unknown */
} mnas_hindrances;

/* Watches for watch_s seconds, asleep. Never fails: what is not there is NaN, "" or -1. */
void mnas_hindrances_read(mnas_hindrances *out, const char *root, int core, double watch_s);
/* 1: the clock depends on heat and on the other cores; 0: it does not; -1: unknown. */
int mnas_hindrances_turbo(const char *root);

#endif
