/* command_output.c - see command_output.h. */
#include "device/command_output.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

int mnas_command_reader_open(mnas_command_reader *out, const char *pattern, double unit_ms) {
    *out = (mnas_command_reader){.has_pattern = pattern[0] != '\0', .unit_ms = unit_ms};
    if (!out->has_pattern) return 0;
    const int code = regcomp(&out->pattern, pattern, REG_EXTENDED | REG_NEWLINE);
    if (code) {
        char why[128];
        regerror(code, &out->pattern, why, sizeof why);
        return mnas_error_set(MNAS_ERR_ARG, "pattern is \"%s\": %s; allowed: an extended regular expression",
                              pattern, why);
    }
    if (out->pattern.re_nsub == 1) return 0;
    const size_t n = out->pattern.re_nsub;
    regfree(&out->pattern);
    return mnas_error_set(MNAS_ERR_ARG, "pattern is \"%s\", with %zu groups; allowed: one, around the number",
                          pattern, n);
}

void mnas_command_reader_close(mnas_command_reader *reader) {
    if (reader->has_pattern) regfree(&reader->pattern);
}

/* From the end backwards, so that the beginning of a long text is left out. */
void mnas_command_tail(char buf[MNAS_COMMAND_TAIL], const char *output) {
    size_t n = strlen(output), at = 0;
    while (n > 0 && isspace((unsigned char)output[n - 1])) n--;
    const size_t room = MNAS_COMMAND_TAIL / 2;
    for (size_t i = n > room ? n - room : 0; i < n && at + 4 < MNAS_COMMAND_TAIL; i++) {
        const unsigned char c = (unsigned char)output[i];
        if (c == '\n' && at > 0) {
            memcpy(buf + at, " | ", 3);
            at += 3;
        } else if (c != '\n') {
            buf[at++] = c >= ' ' && c < 127 ? (char)c : '?';
        }
    }
    buf[at] = '\0';
}

static int no_number(const char *what, const char *output) {
    char tail[MNAS_COMMAND_TAIL];
    mnas_command_tail(tail, output);
    return mnas_error_set(MNAS_ERR_DEVICE, "%s in what the program printed, which ends: \"%s\"", what, tail);
}

/* ---- the last number ---- */

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* The number at `at`, where one begins there, and its end; a sign counts only behind no word: "a-5" ends in a 5. */
static bool number_at(const char *text, const char *at, double *value, const char **end) {
    char *stop;
    const char *digits = at + (*at == '-' || *at == '+');
    if (digits[0] == '.' ? !isdigit((unsigned char)digits[1]) : !isdigit((unsigned char)digits[0]))
        return false;
    if (at > text && is_word(at[-1])) return false;
    if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) return false; /* an address */
    *value = strtod(at, &stop);
    *end = stop;
    return true;
}

/* The unit behind a number, in ms, where one stands there: "5.3ms", "12 us". 0: none. */
static double unit_at(const char *text) {
    static const struct {
        const char *name;
        double ms;
    } units[] = {
        {"ns", 1e-6},          {"us", 1e-3}, {"\xc2\xb5s", 1e-3}, {"usec", 1e-3},   {"ms", 1},
        {"msec", 1},           {"s", 1e3},   {"sec", 1e3},        {"seconds", 1e3}, {"milliseconds", 1},
        {"microseconds", 1e-3}};
    text += strspn(text, " \t");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        const size_t n = strlen(units[i].name);
        if (strncmp(text, units[i].name, n) == 0 && !isalnum((unsigned char)text[n]) && text[n] != '_')
            return units[i].ms;
    }
    return 0;
}

/* Nothing is glued to its front: a time of day, a date, a fraction and a name end in numbers as well. */
static bool begins_word(const char *text, const char *number) {
    if (number == text) return true;
    if (strchr("/-+", number[-1])) return false;
    const bool behind_digit = number - text >= 2 && isdigit((unsigned char)number[-2]);
    return !(behind_digit && strchr(":,", number[-1]));
}

/* Behind a number without unit: the end of its line, or a mark that ends what was said. */
static bool ends_word(const char *behind) {
    const char *next = behind + strspn(behind, " \t");
    if (*next == '\0' || *next == '\n' || *next == '\r') return true;
    return strchr(".,;:)]}|\"'", *next) && (next > behind || !is_word(next[1]));
}

/* Quotes the number with the words it stands among. */
static int refuse_number(const char *text, const char *number) {
    char line[80], quoted[MNAS_COMMAND_TAIL];
    while (number > text && !isspace((unsigned char)number[-1])) number--;
    snprintf(line, sizeof line, "%.*s", (int)strcspn(number, "\r\n"), number);
    mnas_command_tail(quoted, line);
    return mnas_error_set(MNAS_ERR_DEVICE,
                          "the last number the program printed is in \"%s\", which may be no time; print it "
                          "alone or with its unit behind it, or say with pattern= which number it is",
                          quoted);
}

/* What could be silently wrong is refused: "12,5" is 12.5 or two numbers, "5300 us" are no ms, "12.5 fps" no time at all. */
static int last_number(double *value, double unit_ms, const char *output) {
    const char *last = NULL, *behind = NULL;
    for (const char *at = output; *at;) {
        const char *end = at + 1;
        if (number_at(output, at, value, &end)) {
            last = at;
            behind = end;
        }
        at = end;
    }
    if (!last) return no_number("no number", output);
    if (last - output >= 2 && last[-1] == ',' && isdigit((unsigned char)last[-2]))
        return no_number("a comma between digits, which may mean two things (pattern= says which number),",
                         output);
    const double said_ms = unit_at(behind);
    if (said_ms > 0 && fabs(said_ms / unit_ms - 1) > 1e-6)
        return no_number("a number in another unit (unit= says which)", output);
    if (!begins_word(output, last) || (said_ms == 0 && !ends_word(behind)))
        return refuse_number(output, last);
    return 0;
}

/* ---- a pattern ---- */

static int last_match(double *value, const mnas_command_reader *reader, const char *output) {
    regmatch_t match[2], last = {-1, -1};
    const char *from = output, *found = NULL;
    char text[64];
    while (regexec(&reader->pattern, from, 2, match, from == output ? 0 : REG_NOTBOL) == 0) {
        if (match[1].rm_so >= 0) {
            found = from;
            last = match[1];
        }
        if (from[match[0].rm_eo] == '\0') break;
        from +=
            match[0].rm_eo + (match[0].rm_eo == match[0].rm_so); /* an empty match must not be found again */
    }
    if (!found) return no_number("pattern matches nothing", output);
    snprintf(text, sizeof text, "%.*s", (int)(last.rm_eo - last.rm_so), found + last.rm_so);
    if (mnas_str_to_f64(text, value)) return 0;
    char what[160];
    snprintf(what, sizeof what, "pattern's group holds \"%.60s\", which is no number,", text);
    return no_number(what, output);
}

int mnas_command_reader_read(double *ms, const mnas_command_reader *reader, const char *output) {
    double value = NAN;
    const int rc = reader->has_pattern ? last_match(&value, reader, output)
                                       : last_number(&value, reader->unit_ms, output);
    if (rc < 0) return rc;
    *ms = value * reader->unit_ms;
    if (isfinite(*ms) && *ms > 0) return 0;
    char what[64];
    snprintf(what, sizeof what, "%g is no time above 0,", value);
    return no_number(what, output);
}
