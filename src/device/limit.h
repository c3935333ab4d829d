/* limit.h - until when something may take, and what ends it earlier: device.h's limit, as devices keep it. */
#ifndef MNAS_DEVICE_LIMIT_H
#define MNAS_DEVICE_LIMIT_H

#include <stdbool.h>

typedef struct mnas_limit {
    double deadline_s;           /* monotonic; INFINITY: none */
    const volatile bool *cancel; /* or NULL */
} mnas_limit;

/* deadline_s INFINITY or NaN: none. */
mnas_limit mnas_limit_of(double deadline_s, const volatile bool *cancel);
/* 0, or MNAS_ERR_CANCELLED with its message: interrupted, or the time is over. */
int mnas_limit_check(const mnas_limit *limit);

#endif
