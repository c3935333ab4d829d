/* yaml_fixture.h - what the tests of model files and of space files share. For programs with cmocka included. */
#ifndef MNAS_TESTS_YAML_FIXTURE_H
#define MNAS_TESTS_YAML_FIXTURE_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static inline void write_text(const char *path, const char *text) {
    FILE *f = fopen(path, "w"); /* not atomic: hundreds of these would wait for the disk */
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

/* "path:line:col: what; allowed: ..." */
static inline bool has_form(const char *path, const char *message) {
    int line = 0, col = 0, n = 0;
    size_t file = strlen(path);
    return strncmp(message, path, file) == 0 && sscanf(message + file, ":%d:%d: %n", &line, &col, &n) == 2 &&
           n > 0 && line > 0 && col > 0 && strstr(message + file + (size_t)n, "; allowed: ");
}

#endif
