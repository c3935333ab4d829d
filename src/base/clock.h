/* clock.h - time with its unit in the name. */
#ifndef MNAS_BASE_CLOCK_H
#define MNAS_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t mnas_clock_now_ns(void);                        /* monotonic */
double mnas_clock_now_s(void);                          /* monotonic */
int64_t mnas_clock_unix_ms(void);                       /* wall clock */
double mnas_clock_unix_s(void);                         /* wall clock */
void mnas_clock_iso8601(int64_t unix_ms, char out[32]); /* UTC, "2026-11-22T09:53:00.123Z" */
void mnas_clock_sleep_ms(int64_t ms);
/* "3 s", "4 min 05 s", "2 h 10 min"; "-" when negative or NaN */
void mnas_clock_duration(double seconds, char *buf, size_t n);

#endif
