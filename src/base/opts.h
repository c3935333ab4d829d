/* opts.h - options as data: every command line flag, every `name:key=value` spec and every recipe is one table of these.
 *
 *     typedef struct { char path[MNAS_OPT_STR]; int64_t val; bool shuffle; } idx_opts;
 *     static const mnas_opt idx_table[] = {
 *         {"path", MNAS_OPT_STRING, offsetof(idx_opts, path), NULL, 0, 0, "DIR", "folder with the four IDX files", NULL},
 *         {"val",  MNAS_OPT_INT, offsetof(idx_opts, val), "5000", 1, 1e6, "images", "held out for validation", NULL},
 *         MNAS_OPT_END };
 *
 * A default of NULL makes the option required (strings) or "unset": NaN for a float, INT64_MIN for an int.
 * Errors name the option, the value, the unit and the range, and for an unknown name the nearest known one.
 */
#ifndef MNAS_BASE_OPTS_H
#define MNAS_BASE_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define MNAS_OPT_STR   1024 /* bytes of a string field, NUL included */
#define MNAS_OPT_UNSET INT64_MIN

typedef enum {
    MNAS_OPT_INT,    /* int64_t */
    MNAS_OPT_FLOAT,  /* double */
    MNAS_OPT_STRING, /* char[MNAS_OPT_STR] */
    MNAS_OPT_BOOL,   /* bool; true|false|1|0|yes|no, or the bare name */
    MNAS_OPT_CHOICE, /* int64_t: index into `choices` */
} mnas_opt_type;

typedef struct mnas_opt {
    const char *name; /* as typed: `warmup-epochs` for --warmup-epochs; NULL ends a table */
    mnas_opt_type type;
    size_t offset;              /* of the field in the options struct */
    const char *value;          /* default as text, or NULL: see above */
    double min, max;            /* inclusive range of numbers; min == max == 0: any */
    const char *unit;           /* "ms", "images", "DIR", ... or NULL */
    const char *help;           /* one line */
    const char *const *choices; /* MNAS_OPT_CHOICE: NULL-terminated names */
} mnas_opt;

#define MNAS_OPT_END                                                                                         \
    { NULL, MNAS_OPT_INT, 0, NULL, 0, 0, NULL, NULL, NULL }

/* Fill `dst` with every default. A required string becomes "". */
void mnas_opts_defaults(const mnas_opt *table, void *dst);

/* Set one option from text. `where` names the owner in errors ("device local"). */
int mnas_opts_set(const mnas_opt *table, void *dst, const char *where, const char *name, const char *value);

/* Parse "key=value,key=value" (may be empty or NULL) over the defaults; fails when a required string stays unset. A value
 * may be quoted with double quotes to hold a comma. */
int mnas_opts_parse_pairs(const mnas_opt *table, void *dst, const char *where, const char *pairs);

/* Parse argv[0..argc) flags: `--name value`, `--name=value`, bare `--bool`; `-o` is `--output` where the table has it.
 * Words that are no flags are moved to the front of argv, their count goes to *n_words; "--" ends flags. Defaults must
 * have been filled before. */
int mnas_opts_parse_args(const mnas_opt *table, void *dst, const char *where, int argc, char **argv,
                         int *n_words);

/* Append the table as help text, a line each: name, unit, help, default, range. `prefix` is "--" or "". */
void mnas_opts_help(const mnas_opt *table, const char *prefix, mnas_str *out);

/* Append "key=value,..." of the options that differ from their defaults, in table order (canonical form). */
void mnas_opts_print(const mnas_opt *table, const void *src, mnas_str *out);
/* Append a value of such a pair, within double quotes where it must be. */
void mnas_opts_quote(const char *text, mnas_str *out);

#endif
