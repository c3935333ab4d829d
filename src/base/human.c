/* human.c - see human.h. It rounds, so nothing that is compared or stored may pass through here. */
#include "base/human.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Decimals that leave three significant digits of a value of this size; small ones keep at most four. */
static int decimals(double size) {
    if (size >= 99.95) return 0;
    if (size >= 9.995) return 1;
    if (size >= 0.9995) return 2;
    return size >= 0.09995 || size == 0 ? 3 : 4;
}

void mnas_human_number(double value, char buf[MNAS_HUMAN_BYTES]) {
    if (!isfinite(value)) {
        memcpy(buf, "-", 2);
        return;
    }
    snprintf(buf, MNAS_HUMAN_BYTES, fabs(value) < 1e15 ? "%.*f" : "%.*g", decimals(fabs(value)), value);
}

/* value / step^k below `step`, with the k-th unit behind it */
static void scaled(int64_t value, double step, const char *const *units, size_t n_units,
                   char buf[MNAS_HUMAN_BYTES]) {
    double x = (double)value;
    size_t unit = 0;
    while (unit + 1 < n_units && fabs(x) >= step * 0.9995) {
        x /= step;
        unit++;
    }
    snprintf(buf, MNAS_HUMAN_BYTES, "%.*f%s", unit ? decimals(fabs(x)) : 0, x, units[unit]);
}

void mnas_human_count(int64_t n, char buf[MNAS_HUMAN_BYTES]) {
    static const char *const units[] = {"", " k", " M", " G", " T"};
    if (n == -1) {
        memcpy(buf, "-", 2);
        return;
    }
    scaled(n, 1000, units, sizeof units / sizeof *units, buf);
}

void mnas_human_bytes(int64_t bytes, char buf[MNAS_HUMAN_BYTES]) {
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB"};
    if (bytes == -1) {
        memcpy(buf, "-", 2);
        return;
    }
    scaled(bytes, 1024, units, sizeof units / sizeof *units, buf);
}

void mnas_human_exact(int64_t n, char buf[MNAS_HUMAN_BYTES]) {
    char digits[MNAS_HUMAN_BYTES];
    if (n == -1) {
        memcpy(buf, "-", 2);
        return;
    }
    int len = snprintf(digits, sizeof digits, "%lld", (long long)n), out = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && digits[i - 1] != '-' && (len - i) % 3 == 0) buf[out++] = ',';
        buf[out++] = digits[i];
    }
    buf[out] = '\0';
}

void mnas_human_ms(double ms, char buf[MNAS_HUMAN_BYTES]) {
    mnas_human_number(ms, buf);
    if (isfinite(ms)) memcpy(buf + strnlen(buf, MNAS_HUMAN_BYTES - 4), " ms", 4);
}

void mnas_human_percent(double frac, char buf[MNAS_HUMAN_BYTES]) {
    if (!isfinite(frac)) {
        memcpy(buf, "-", 2);
        return;
    }
    snprintf(buf, MNAS_HUMAN_BYTES, "%.2f %%", 100 * frac);
}

void mnas_human_reward(double reward, char buf[MNAS_HUMAN_BYTES]) {
    snprintf(buf, MNAS_HUMAN_BYTES, isfinite(reward) ? "%.4f" : "-", reward);
}
