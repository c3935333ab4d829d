/* nas_fixture.h - tables of networks for tests, written as they are needed. For programs with cmocka included. */
#ifndef NAS_FIXTURE_H
#define NAS_FIXTURE_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

/* A file of this program's with this text. */
static inline const char *nas_file(const char *name, const char *text) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%d-%s", MNAS_TEST_TMP, (int)getpid(), name);
    assert_int_equal(mnas_file_write_atomic(path, text, strlen(text)), 0);
    return path;
}

/* A complete table of n_decisions digits, 0 to n_choices - 1, in column arch; acc in per cent, 50 and more, worth 1 for each
 * first digit and less for the others: no two are equal, and the best is the last row. `test` is 1 less, and `ms` grows with acc. */
static inline const char *nas_planted(const char *name, int n_decisions, int n_choices) {
    char *text = NULL;
    size_t n_bytes;
    int n_rows = 1;
    FILE *out = open_memstream(&text, &n_bytes);
    fputs("arch,acc,test,ms,images_per_s\n", out);
    for (int t = 0; t < n_decisions; t++) n_rows *= n_choices;
    for (int row = 0; row < n_rows; row++) {
        char arch[16] = "";
        for (int t = n_decisions - 1, rest = row; t >= 0; t--, rest /= n_choices)
            arch[t] = (char)('0' + rest % n_choices);
        const double acc = 50 + 40.0 * row / n_rows, ms = 1 + row;
        fprintf(out, "%s,%.17g,%.17g,%.17g,%.17g\n", arch, acc, acc - 1, ms, 1000 / ms);
    }
    fclose(out);
    const char *path = nas_file(name, text);
    free(text);
    return path;
}

/* 0 .. 1, of a number, without any pattern. */
static inline double nas_rough(uint32_t x) {
    x = x * 2654435761u + 12345;
    x = (x ^ x >> 15) * 2246822519u;
    x = (x ^ x >> 13) * 3266489917u;
    return (x ^ x >> 16) / 4294967296.0;
}

/* A complete table of five decisions a .. e with four choices each: acc is all but smooth, and ms rough by a tenth, so that no guess of
 * it is as sharp as a window of some per cent. */
static inline const char *nas_rough_latencies(const char *name) {
    char *text = NULL;
    size_t n_bytes;
    FILE *out = open_memstream(&text, &n_bytes);
    fputs("a,b,c,d,e,acc,ms\n", out);
    for (int row = 0; row < 1024; row++) {
        const int a = row % 4, b = row / 4 % 4, c = row / 16 % 4, d = row / 64 % 4, e = row / 256;
        const double acc = 60 + a + 1.5 * b - (c - 1) * (c - 1) + 0.5 * d + (d == e ? 1.5 : 0),
                     log_ms = 0.1 * (a + b + c + d - e) + 0.4 * (nas_rough((uint32_t)row) - 0.5);
        fprintf(out, "%d,%d,%d,%d,%d,%.4f,%.5f\n", a, b, c, d, e,
                acc + 0.2 * nas_rough((uint32_t)row + 99999), exp(log_ms));
    }
    fclose(out);
    const char *path = nas_file(name, text);
    free(text);
    return path;
}

#endif
