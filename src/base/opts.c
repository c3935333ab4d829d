/* opts.c - option tables: defaults, parsing, help and the canonical form, all driven by the same records.
 *
 * It knows nothing of what the options mean; rules between two options belong to their owner. Invariant: a
 * field is written only after its text has been checked, so an error leaves the earlier value.
 */
#include "base/opts.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define MAX_OPTS 128

/* A field of any type, for values on their way. */
typedef union field {
    int64_t i;
    double f;
    bool b;
    char s[MNAS_OPT_STR];
} field;

static size_t field_bytes(const mnas_opt *opt) {
    switch (opt->type) {
    case MNAS_OPT_FLOAT:
        return sizeof(double);
    case MNAS_OPT_BOOL:
        return sizeof(bool);
    case MNAS_OPT_STRING:
        return MNAS_OPT_STR;
    default:
        return sizeof(int64_t);
    }
}

/* ---- numbers as text ---- */

/* Bounds are read by people: 1000000, not 1e+06. */
static void print_bound(double value, char buf[32]) {
    snprintf(buf, 32, fabs(value) < 1e9 && value == floor(value) ? "%.0f" : "%g", value);
}

/* "1 to 1000000 images", or "any whole number" */
static void print_range(const mnas_opt *opt, char *buf, size_t n) {
    char low[32], high[32];
    const char *unit = opt->unit ? opt->unit : "", *gap = opt->unit ? " " : "";
    print_bound(opt->min, low);
    print_bound(opt->max, high);
    if (opt->min == 0 && opt->max == 0) {
        snprintf(buf, n, "any %snumber%s%s", opt->type == MNAS_OPT_INT ? "whole " : "",
                 opt->unit ? " of " : "", unit);
    } else if (isinf(opt->max)) {
        snprintf(buf, n, "%s or more%s%s", low, gap, unit);
    } else if (isinf(opt->min)) {
        snprintf(buf, n, "at most %s%s%s", high, gap, unit);
    } else {
        snprintf(buf, n, "%s to %s%s%s", low, high, gap, unit);
    }
}

static bool in_range(const mnas_opt *opt, double value) {
    return (opt->min == 0 && opt->max == 0) || (value >= opt->min && value <= opt->max);
}

/* ---- text to value ---- */

/* Where a value came from, for messages. */
typedef struct origin {
    const char *where, *prefix; /* "device local", "--" or "" */
} origin;

static int bad_value(const mnas_opt *opt, origin from, const char *value, const char *allowed) {
    return mnas_error_set(MNAS_ERR_ARG, "%s: %s%s is \"%s\"; allowed: %s", from.where, from.prefix, opt->name,
                          value, allowed);
}

static int bad_number(const mnas_opt *opt, origin from, const char *value) {
    char range[160];
    print_range(opt, range, sizeof range);
    return bad_value(opt, from, value, range);
}

static int parse_bool(const mnas_opt *opt, origin from, const char *value, bool *out) {
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes"};
    for (int i = 0; i < 6; i++) {
        if (strcmp(value, words[i]) != 0) continue;
        *out = i % 2;
        return 0;
    }
    return bad_value(opt, from, value, "true, false, 1, 0, yes, no");
}

static int parse_choice(const mnas_opt *opt, origin from, const char *value, int64_t *out) {
    mnas_str all = {0};
    for (int i = 0; opt->choices[i]; i++) {
        if (strcmp(value, opt->choices[i]) == 0) {
            *out = i;
            mnas_str_free(&all);
            return 0;
        }
        mnas_str_appendf(&all, "%s%s", i ? ", " : "", opt->choices[i]);
    }
    int rc = bad_value(opt, from, value, all.data ? all.data : "nothing");
    mnas_str_free(&all);
    return rc;
}

static int parse_string(const mnas_opt *opt, origin from, const char *value, char *out) {
    size_t n = strlen(value);
    if (n >= MNAS_OPT_STR) {
        return mnas_error_set(MNAS_ERR_ARG, "%s: %s%s has %zu bytes; allowed: at most %d", from.where,
                              from.prefix, opt->name, n, MNAS_OPT_STR - 1);
    }
    memset(out, 0, MNAS_OPT_STR); /* equal texts are equal fields */
    memcpy(out, value, n);
    return 0;
}

static int parse_value(const mnas_opt *opt, origin from, const char *value, field *out) {
    long long whole;
    switch (opt->type) {
    case MNAS_OPT_INT:
        if (!mnas_str_to_i64(value, &whole) || !in_range(opt, (double)whole))
            return bad_number(opt, from, value);
        out->i = whole;
        return 0;
    case MNAS_OPT_FLOAT:
        if (!mnas_str_to_f64(value, &out->f) || !in_range(opt, out->f)) return bad_number(opt, from, value);
        return 0;
    case MNAS_OPT_BOOL:
        return parse_bool(opt, from, value, &out->b);
    case MNAS_OPT_CHOICE:
        return parse_choice(opt, from, value, &out->i);
    case MNAS_OPT_STRING:
        return parse_string(opt, from, value, out->s);
    }
    assert(!"option type");
    return MNAS_ERR_ARG;
}

static void default_value(const mnas_opt *opt, field *out) {
    memset(out, 0, sizeof *out);
    if (opt->value) {
        int rc = parse_value(opt, (origin){"default", ""}, opt->value, out);
        assert(rc == 0);
        (void)rc;
    } else if (opt->type == MNAS_OPT_FLOAT) {
        out->f = NAN;
    } else if (opt->type == MNAS_OPT_INT || opt->type == MNAS_OPT_CHOICE) {
        out->i = MNAS_OPT_UNSET;
    }
}

void mnas_opts_defaults(const mnas_opt *table, void *dst) {
    for (const mnas_opt *opt = table; opt->name; opt++) {
        field value;
        default_value(opt, &value);
        memcpy((char *)dst + opt->offset, &value, field_bytes(opt));
    }
}

/* ---- finding an option ---- */

static const mnas_opt *find(const mnas_opt *table, const char *name, size_t n) {
    for (const mnas_opt *opt = table; opt->name; opt++) {
        if (strlen(opt->name) == n && memcmp(opt->name, name, n) == 0) return opt;
    }
    return NULL;
}

static int unknown(const mnas_opt *table, origin from, const char *name) {
    const char *names[MAX_OPTS];
    size_t n = 0;
    mnas_str all = {0};
    for (const mnas_opt *opt = table; opt->name && n < MAX_OPTS; opt++) {
        mnas_str_appendf(&all, "%s%s%s", n ? ", " : "", from.prefix, opt->name);
        names[n++] = opt->name;
    }
    const char *near = mnas_str_nearest(name, names, n);
    if (near) {
        mnas_error_set(MNAS_ERR_ARG, "%s: unknown option %s%s; did you mean %s%s?", from.where, from.prefix,
                       name, from.prefix, near);
    } else {
        mnas_error_set(MNAS_ERR_ARG, "%s: unknown option %s%s; known: %s", from.where, from.prefix, name,
                       all.data ? all.data : "none");
    }
    mnas_str_free(&all);
    return MNAS_ERR_ARG;
}

static int set_found(const mnas_opt *opt, void *dst, origin from, const char *value) {
    field parsed;
    int rc = parse_value(opt, from, value, &parsed);
    if (rc < 0) return rc;
    memcpy((char *)dst + opt->offset, &parsed, field_bytes(opt));
    return 0;
}

/* name[0..n) = value; value NULL: the bare name, which only a bool may be. */
static int set_option(const mnas_opt *table, void *dst, origin from, const char *name, size_t n,
                      const char *value) {
    const mnas_opt *opt = find(table, name, n);
    if (!opt) {
        char copy[64];
        snprintf(copy, sizeof copy, "%.*s", (int)(n < sizeof copy ? n : sizeof copy), name);
        return unknown(table, from, copy);
    }
    if (!value && opt->type != MNAS_OPT_BOOL) {
        return mnas_error_set(MNAS_ERR_ARG, "%s: %s%s needs a value (%s)", from.where, from.prefix, opt->name,
                              opt->unit ? opt->unit : opt->help);
    }
    return set_found(opt, dst, from, value ? value : "true");
}

int mnas_opts_set(const mnas_opt *table, void *dst, const char *where, const char *name, const char *value) {
    return set_option(table, dst, (origin){where, ""}, name, strlen(name), value);
}

/* ---- key=value,key=value ---- */

/* Read a value up to a comma or the end; within double quotes a comma is a comma and "" is one quote. Returns
 * the place behind it, or NULL when a quote is not closed or is followed by text. */
static const char *read_value(const char *p, mnas_str *out) {
    if (*p != '"') {
        size_t n = strcspn(p, ",");
        mnas_str_append_n(out, p, n);
        return p + n;
    }
    for (p++; *p; p++) {
        if (*p == '"' && *++p != '"') return *p == ',' || !*p ? p : NULL;
        mnas_str_append_n(out, p, 1);
    }
    return NULL;
}

/* One "key=value" or "key" at p; *end is behind it. */
static int parse_pair(const mnas_opt *table, void *dst, origin from, const char *p, const char **end) {
    size_t n = strcspn(p, "=,");
    if (n == 0) {
        return mnas_error_set(MNAS_ERR_ARG, "%s: an option name is missing before \"%.40s\"", from.where, p);
    }
    *end = p + n;
    if (p[n] != '=') return set_option(table, dst, from, p, n, NULL);
    mnas_str value = {0};
    mnas_str_append_n(&value, "", 0);
    *end = read_value(p + n + 1, &value);
    int rc = 0;
    if (!mnas_str_ok(&value)) {
        rc = MNAS_ERR_MEMORY;
    } else if (!*end) {
        rc = mnas_error_set(MNAS_ERR_ARG, "%s: %.40s: a quoted value must end with \" before a comma",
                            from.where, p);
    } else {
        rc = set_option(table, dst, from, p, n, value.data);
    }
    mnas_str_free(&value);
    return rc;
}

static int check_required(const mnas_opt *table, const void *dst, const char *where) {
    for (const mnas_opt *opt = table; opt->name; opt++) {
        if (opt->type != MNAS_OPT_STRING || opt->value || ((const char *)dst + opt->offset)[0]) continue;
        return mnas_error_set(MNAS_ERR_ARG, "%s: %s=%s is required (%s)", where, opt->name,
                              opt->unit ? opt->unit : "TEXT", opt->help ? opt->help : "no default");
    }
    return 0;
}

int mnas_opts_parse_pairs(const mnas_opt *table, void *dst, const char *where, const char *pairs) {
    mnas_opts_defaults(table, dst);
    const char *p = pairs ? pairs : "";
    while (*p) {
        int rc = parse_pair(table, dst, (origin){where, ""}, p, &p);
        if (rc < 0) return rc;
        if (*p == ',' && !*++p)
            return mnas_error_set(MNAS_ERR_ARG, "%s: nothing after the last comma", where);
    }
    return check_required(table, dst, where);
}

/* ---- argv ---- */

static bool is_flag(const char *arg) {
    return arg[0] == '-' && arg[1] && !strchr("0123456789.", arg[1]);
}

/* "--name" and "-o"; the latter stands for a long name. NULL for an unknown letter. */
static const char *flag_name(const mnas_opt *table, const char *arg) {
    if (arg[1] == '-') return arg + 2;
    if (strcmp(arg, "-o") == 0 && find(table, "output", 6)) return "output";
    if (strcmp(arg, "-h") == 0 && find(table, "help", 4)) return "help";
    return NULL;
}

/* The flag at argv[*i]; *i moves on to its value where that is a word of its own. */
static int parse_flag(const mnas_opt *table, void *dst, origin from, int argc, char **argv, int *i) {
    const char *name = flag_name(table, argv[*i]);
    if (!name) return mnas_error_set(MNAS_ERR_ARG, "%s: unknown option %s", from.where, argv[*i]);
    const char *equals = strchr(name, '=');
    if (equals) return set_option(table, dst, from, name, (size_t)(equals - name), equals + 1);
    const mnas_opt *opt = find(table, name, strlen(name));
    const char *value = NULL;
    if (opt && opt->type != MNAS_OPT_BOOL && *i + 1 < argc && strncmp(argv[*i + 1], "--", 2) != 0) {
        value = argv[++*i];
    }
    return set_option(table, dst, from, name, strlen(name), value);
}

/* What is given twice was meant once: which of the two, nobody can say. */
static int check_once(const mnas_opt *table, origin from, const char *arg, uint64_t *seen) {
    const char *name = flag_name(table, arg);
    const mnas_opt *opt = name ? find(table, name, strcspn(name, "=")) : NULL;
    if (!opt || opt - table >= 64) return 0;
    const uint64_t bit = UINT64_C(1) << (opt - table);
    if (*seen & bit)
        return mnas_error_set(MNAS_ERR_ARG, "%s: --%s is given twice; allowed: once", from.where, opt->name);
    *seen |= bit;
    return 0;
}

int mnas_opts_parse_args(const mnas_opt *table, void *dst, const char *where, int argc, char **argv,
                         int *n_words) {
    const origin from = {where, "--"};
    uint64_t seen = 0;
    bool flags = true;
    *n_words = 0;
    for (int i = 0; i < argc; i++) {
        if (flags && strcmp(argv[i], "--") == 0) {
            flags = false;
        } else if (flags && is_flag(argv[i])) {
            int rc = check_once(table, from, argv[i], &seen);
            if (rc == 0) rc = parse_flag(table, dst, from, argc, argv, &i);
            if (rc < 0) return rc;
        } else {
            argv[(*n_words)++] = argv[i];
        }
    }
    return 0;
}

/* ---- help and canonical form ---- */

static void append_choices(const mnas_opt *opt, mnas_str *out) {
    for (int i = 0; opt->choices[i]; i++) mnas_str_appendf(out, "%s%s", i ? "|" : "", opt->choices[i]);
}

void mnas_opts_help(const mnas_opt *table, const char *prefix, mnas_str *out) {
    for (const mnas_opt *opt = table; opt->name; opt++) {
        mnas_str left = {0};
        mnas_str_appendf(&left, "%s%s", prefix, opt->name);
        const char *gap = prefix[0] ? " " : "=";
        if (opt->type == MNAS_OPT_CHOICE) {
            mnas_str_append(&left, gap);
            append_choices(opt, &left);
        } else if (opt->type != MNAS_OPT_BOOL) {
            mnas_str_appendf(&left, "%s%s", gap, opt->unit ? opt->unit : "VALUE");
        }
        mnas_str_appendf(out, "  %-26s  %s", left.data ? left.data : "", opt->help ? opt->help : "");
        mnas_str_free(&left);
        bool number = opt->type == MNAS_OPT_INT || opt->type == MNAS_OPT_FLOAT;
        if (opt->value && opt->value[0]) mnas_str_appendf(out, " [%s]", opt->value);
        if (number && (opt->min != 0 || opt->max != 0)) {
            char range[160];
            print_range(opt, range, sizeof range);
            mnas_str_appendf(out, " (%s)", range);
        }
        if (opt->type == MNAS_OPT_STRING && !opt->value && !prefix[0]) mnas_str_append(out, " (required)");
        mnas_str_append(out, "\n");
    }
}

void mnas_opts_quote(const char *text, mnas_str *out) {
    if (text[0] != '"' && !strchr(text, ',')) {
        mnas_str_append(out, text);
        return;
    }
    mnas_str_append(out, "\"");
    for (; *text; text++) mnas_str_append(out, *text == '"' ? "\"\"" : (char[2]){*text, '\0'});
    mnas_str_append(out, "\"");
}

static void append_value(const mnas_opt *opt, const field *value, mnas_str *out) {
    char number[32];
    switch (opt->type) {
    case MNAS_OPT_INT:
        mnas_str_appendf(out, "%lld", (long long)value->i);
        break;
    case MNAS_OPT_FLOAT:
        mnas_str_from_f64(value->f, number);
        mnas_str_append(out, number);
        break;
    case MNAS_OPT_BOOL:
        mnas_str_append(out, value->b ? "true" : "false");
        break;
    case MNAS_OPT_CHOICE:
        mnas_str_append(out, opt->choices[value->i]);
        break;
    case MNAS_OPT_STRING:
        mnas_opts_quote(value->s, out);
        break;
    }
}

/* Whether a value is worth printing: it differs from the default and can be written down at all. */
static bool is_said(const mnas_opt *opt, const field *value) {
    field standard;
    default_value(opt, &standard);
    switch (opt->type) {
    case MNAS_OPT_FLOAT:
        return isfinite(value->f) && value->f != standard.f;
    case MNAS_OPT_BOOL:
        return value->b != standard.b;
    case MNAS_OPT_STRING:
        return strcmp(value->s, standard.s) != 0;
    default:
        return value->i != standard.i && value->i != MNAS_OPT_UNSET;
    }
}

void mnas_opts_print(const mnas_opt *table, const void *src, mnas_str *out) {
    const char *comma = "";
    for (const mnas_opt *opt = table; opt->name; opt++) {
        field value;
        memcpy(&value, (const char *)src + opt->offset, field_bytes(opt));
        if (!is_said(opt, &value)) continue;
        mnas_str_appendf(out, "%s%s=", comma, opt->name);
        append_value(opt, &value, out);
        comma = ",";
    }
}
