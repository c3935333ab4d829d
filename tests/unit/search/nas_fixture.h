/* nas_fixture.h - tables of networks for tests, written as they are needed. For programs with cmocka included. */
#ifndef NAS_FIXTURE_H
#define NAS_FIXTURE_H

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

#endif
