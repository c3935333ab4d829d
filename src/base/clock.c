/* clock.c - the two system clocks, and times as people read them. */
#include "base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

int64_t mnas_clock_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

double mnas_clock_now_s(void) {
    return (double)mnas_clock_now_ns() * 1e-9;
}

int64_t mnas_clock_unix_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

double mnas_clock_unix_s(void) {
    return (double)mnas_clock_unix_ms() / 1e3;
}

void mnas_clock_iso8601(int64_t unix_ms, char out[32]) {
    int64_t ms = ((unix_ms % 1000) + 1000) % 1000;
    time_t seconds = (time_t)((unix_ms - ms) / 1000);
    struct tm t;
    char text[24] = "";
    if (gmtime_r(&seconds, &t)) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &t);
    snprintf(out, 32, "%s.%03dZ", text, (int)ms);
}

void mnas_clock_sleep_ms(int64_t ms) {
    if (ms <= 0) return;
    struct timespec left = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) < 0 && errno == EINTR) {
    }
}

void mnas_clock_duration(double seconds, char *buf, size_t n) {
    if (!(seconds >= 0) || seconds > 1e15) {
        snprintf(buf, n, "-");
        return;
    }
    long long s = llround(seconds);
    if (s < 60) {
        snprintf(buf, n, "%lld s", s);
    } else if (s < 3600) {
        snprintf(buf, n, "%lld min %02lld s", s / 60, s % 60);
    } else {
        long long minutes = llround(seconds / 60);
        snprintf(buf, n, "%lld h %02lld min", minutes / 60, minutes % 60);
    }
}
