/* str.h - a growing string, and the few string questions everybody asks.
 *
 * A mnas_str starts as {0} and is freed with mnas_str_free. When memory runs out it goes into a failed state: further
 * appends do nothing and mnas_str_ok() is false, so that a chain of appends needs one check at its end.
 */
#ifndef MNAS_BASE_STR_H
#define MNAS_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

typedef struct mnas_str {
    char *data; /* NUL-terminated, or NULL while empty */
    size_t len, cap;
    bool failed;
} mnas_str;

void mnas_str_append(mnas_str *s, const char *text);
void mnas_str_append_n(mnas_str *s, const char *bytes, size_t n);
void mnas_str_appendf(mnas_str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool mnas_str_ok(const mnas_str *s);
void mnas_str_free(mnas_str *s);

/* The entry of names[n] nearest to `word` by edit distance, or NULL where none is near enough to be meant
 * (distance > max(2, len / 3)). For "did you mean". */
const char *mnas_str_nearest(const char *word, const char *const *names, size_t n);

/* Whole-string numbers: false when empty, when anything follows, or outside the type. No leading blanks. */
bool mnas_str_to_i64(const char *text, long long *out);
bool mnas_str_to_f64(const char *text, double *out); /* finite only */

/* The shortest text that reads back as the same finite double; whole numbers below 1e15 have no exponent. */
void mnas_str_from_f64(double value, char buf[32]);

/* Append "WHAT 'word'; did you mean 'y'?; allowed: x, y, z" (the middle part where one is near). */
void mnas_str_append_unknown(mnas_str *s, const char *what, const char *word, const char *const *names,
                             size_t n);

/* '?' in place of what is not printable ASCII: what systems and devices say goes into JSON and messages, which are UTF-8. */
void mnas_str_make_printable(char *text);

/* snprintf into buf[n]; MNAS_ERR_ARG with a message when it does not fit. */
int mnas_str_format(char *buf, size_t n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
