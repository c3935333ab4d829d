/* limit.c - see limit.h. */
#include "device/limit.h"

#include <math.h>

#include "base/clock.h"
#include "base/error.h"

mnas_limit mnas_limit_of(double deadline_s, const volatile bool *cancel) {
    return (mnas_limit){isnan(deadline_s) ? (double)INFINITY : deadline_s, cancel};
}

int mnas_limit_check(const mnas_limit *limit) {
    if (limit->cancel && *limit->cancel) return mnas_error_set(MNAS_ERR_CANCELLED, "interrupted");
    if (mnas_clock_now_s() < limit->deadline_s) return 0;
    return mnas_error_set(MNAS_ERR_CANCELLED, "the time for measuring is over");
}
