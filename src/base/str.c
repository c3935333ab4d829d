/* str.c - the growing string, edit distance, and strict conversion of numbers.
 *
 * Text is bytes: UTF-8 passes through unseen. Invariant of mnas_str: data == NULL or data[len] == '\0' and len < cap.
 */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Make room for n more bytes and the NUL. */
static bool reserve(mnas_str *s, size_t n) {
    if (s->failed) return false;
    if (n < s->cap - s->len) return true; /* both 0 while empty */
    size_t cap = s->cap ? s->cap : 64;
    while (cap - s->len <= n && cap <= SIZE_MAX / 2) cap *= 2;
    char *data = cap - s->len > n ? realloc(s->data, cap) : NULL;
    if (!data) {
        s->failed = true;
        mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a text of %zu bytes cannot grow by %zu", s->len, n);
        return false;
    }
    s->data = data;
    s->cap = cap;
    return true;
}

void mnas_str_append_n(mnas_str *s, const char *bytes, size_t n) {
    if (!reserve(s, n)) return;
    if (n) memcpy(s->data + s->len, bytes, n);
    s->len += n;
    s->data[s->len] = '\0';
}

void mnas_str_append(mnas_str *s, const char *text) {
    mnas_str_append_n(s, text, strlen(text));
}

void mnas_str_appendf(mnas_str *s, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    if (n < 0) s->failed = true;
    if (n >= 0 && reserve(s, (size_t)n)) {
        vsnprintf(s->data + s->len, (size_t)n + 1, fmt, again);
        s->len += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

bool mnas_str_ok(const mnas_str *s) {
    return !s->failed;
}

void mnas_str_free(mnas_str *s) {
    free(s->data);
    *s = (mnas_str){0};
}

/* Words longer than this are never meant to be typed. */
#define WORD_BYTES 64

/* Levenshtein distance, one row at a time; SIZE_MAX for over-long words. */
static size_t distance(const char *a, const char *b) {
    size_t na = strlen(a), nb = strlen(b), row[WORD_BYTES + 1];
    if (na > WORD_BYTES || nb > WORD_BYTES) return SIZE_MAX;
    for (size_t j = 0; j <= nb; j++) row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < step ? change : step;
        }
    }
    return row[nb];
}

const char *mnas_str_nearest(const char *word, const char *const *names, size_t n) {
    const char *best = NULL;
    size_t len = strlen(word), best_d = (len / 3 > 2 ? len / 3 : 2) + 1;
    for (size_t i = 0; i < n; i++) {
        size_t d = distance(word, names[i]);
        if (d >= best_d || d >= strlen(names[i])) continue; /* sharing no letter is not near */
        best = names[i];
        best_d = d;
    }
    return best;
}

bool mnas_str_to_i64(const char *text, long long *out) {
    char *end;
    if (!text[0] || isspace((unsigned char)text[0])) return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end) return false;
    *out = value;
    return true;
}

bool mnas_str_to_f64(const char *text, double *out) {
    char *end;
    if (!text[0] || isspace((unsigned char)text[0])) return false;
    double value = strtod(text, &end); /* a tiny number may round to 0: no error */
    if (end == text || *end || !isfinite(value)) return false;
    *out = value;
    return true;
}

void mnas_str_from_f64(double value, char buf[32]) {
    if (value == floor(value) && fabs(value) < 1e15) { /* %g would make 20 "2e+01" */
        snprintf(buf, 32, "%.0f", value);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(buf, 32, "%.*g", digits, value);
        if (strtod(buf, NULL) == value) return;
    }
}

void mnas_str_append_unknown(mnas_str *s, const char *what, const char *word, const char *const *names,
                             size_t n) {
    const char *near = mnas_str_nearest(word, names, n);
    mnas_str_appendf(s, "%s '%.60s'", what, word);
    if (near) mnas_str_appendf(s, "; did you mean '%s'?", near);
    mnas_str_append(s, "; allowed: ");
    for (size_t i = 0; i < n; i++) mnas_str_appendf(s, "%s%s", i ? ", " : "", names[i]);
}

int mnas_str_format(char *buf, size_t n, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int need = vsnprintf(buf, n, fmt, args);
    va_end(args);
    if (need < 0) return mnas_error_set(MNAS_ERR_ARG, "text cannot be formatted");
    if ((size_t)need < n) return 0;
    return mnas_error_set(MNAS_ERR_ARG, "text of %d bytes is too long; allowed: %zu: %.80s...", need,
                          n ? n - 1 : 0, n ? buf : "");
}

void mnas_str_make_printable(char *text) {
    for (; *text; text++)
        if (*text < ' ' || *text > '~') *text = '?';
}
