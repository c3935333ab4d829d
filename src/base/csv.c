/* csv.c - see csv.h. One pass over the text; cells are cut out of it in place, since none is longer than what it was written as.
 *
 * Invariant: what has been written of cells never lies behind what has been read.
 */
#include "base/csv.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

enum { MAX_COLUMNS = 10000 };
static const size_t max_bytes = (size_t)1 << 29;

typedef struct cursor {
    const char *at, *end;
    char *out; /* where the next byte of a cell goes */
    int line;
} cursor;

/* What stands behind a cell. */
typedef enum { BEHIND_COMMA, BEHIND_LINE, BEHIND_NOTHING } behind;

static int no_memory(const mnas_csv *csv) {
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: table %s", csv->path);
}

static int wrong(const mnas_csv *csv, const cursor *c, const char *what) {
    return mnas_error_set(MNAS_ERR_FORMAT, "%s:%d: %s", csv->path, c->line, what);
}

/* ---- cells ---- */

static bool at_line_end(const cursor *c) {
    return *c->at == '\n' || (c->at[0] == '\r' && c->at[1] == '\n');
}

static behind pass_delimiter(cursor *c) {
    if (c->at == c->end) return BEHIND_NOTHING;
    if (*c->at == ',') {
        c->at++;
        return BEHIND_COMMA;
    }
    c->at += *c->at == '\r' ? 2 : 1;
    c->line++;
    return BEHIND_LINE;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static void plain_cell(cursor *c) {
    char *start = c->out;
    while (c->at < c->end && *c->at != ',' && !at_line_end(c)) *c->out++ = *c->at++;
    while (c->out > start && is_blank(c->out[-1])) c->out--;
}

/* Behind the first quote. */
static int quoted_cell(const mnas_csv *csv, cursor *c) {
    const int first_line = c->line;
    for (;; c->at++) {
        if (c->at == c->end)
            return mnas_error_set(MNAS_ERR_FORMAT, "%s:%d: a quote (\") is never closed", csv->path,
                                  first_line);
        if (c->at[0] == '"' && c->at[1] != '"') break;
        if (c->at[0] == '"') c->at++;
        c->line += *c->at == '\n';
        *c->out++ = *c->at;
    }
    for (c->at++; is_blank(*c->at);) c->at++;
    if (c->at < c->end && *c->at != ',' && !at_line_end(c))
        return wrong(csv, c, "text behind a closing quote; a quote within quotes is doubled (\"\")");
    return 0;
}

/* *end is written only when the delimiter has been read: it may stand where the delimiter was. */
static int take_cell(const mnas_csv *csv, cursor *c, char **cell, behind *next) {
    while (is_blank(*c->at)) c->at++;
    *cell = c->out;
    if (*c->at == '"') {
        c->at++;
        const int rc = quoted_cell(csv, c);
        if (rc < 0) return rc;
    } else {
        plain_cell(c);
    }
    char *end = c->out++;
    *next = pass_delimiter(c);
    *end = '\0';
    return 0;
}

/* ---- rows ---- */

static int push_cell(mnas_csv *csv, size_t n_cells, char *cell) {
    if (n_cells == csv->room_cells) {
        const size_t room = csv->room_cells ? 2 * csv->room_cells : 256;
        char **cells = realloc(csv->cells, room * sizeof *cells);
        if (!cells) return no_memory(csv);
        csv->cells = cells;
        csv->room_cells = room;
    }
    csv->cells[n_cells] = cell;
    return 0;
}

static int push_line(mnas_csv *csv, size_t n_lines, int line) {
    if (n_lines == csv->room_rows) {
        const size_t room = csv->room_rows ? 2 * csv->room_rows : 64;
        int *lines = realloc(csv->lines, room * sizeof *lines);
        if (!lines) return no_memory(csv);
        csv->lines = lines;
        csv->room_rows = room;
    }
    csv->lines[n_lines] = line;
    return 0;
}

/* The cells of one line, behind the first n_before; returns how many, or a status. */
static int take_line(mnas_csv *csv, cursor *c, size_t n_before) {
    behind next = BEHIND_COMMA;
    int n = 0;
    while (next == BEHIND_COMMA) {
        char *cell;
        if (n == MAX_COLUMNS) return wrong(csv, c, "more than 10000 columns");
        int rc = take_cell(csv, c, &cell, &next);
        if (rc == 0) rc = push_cell(csv, n_before + (size_t)n, cell);
        if (rc < 0) return rc;
        n++;
    }
    return n;
}

static bool pass_empty_line(cursor *c) {
    if (!at_line_end(c)) return false;
    pass_delimiter(c);
    return true;
}

static int take_rows(mnas_csv *csv, cursor *c) {
    size_t n_rows = 0; /* the header included */
    while (c->at < c->end) {
        if (pass_empty_line(c)) continue;
        const int line = c->line, n = take_line(csv, c, n_rows * csv->n_columns);
        if (n < 0) return n;
        if (n_rows == 0) csv->n_columns = (size_t)n;
        if ((size_t)n != csv->n_columns)
            return mnas_error_set(MNAS_ERR_FORMAT, "%s:%d: %d cells, where the header has %zu columns",
                                  csv->path, line, n, csv->n_columns);
        const int rc = push_line(csv, n_rows++, line);
        if (rc < 0) return rc;
    }
    if (n_rows == 0) return mnas_error_set(MNAS_ERR_FORMAT, "%s: no header: the table is empty", csv->path);
    csv->n_rows = n_rows - 1;
    return 0;
}

static int check_names(const mnas_csv *csv) {
    for (size_t i = 0; i < csv->n_columns; i++) {
        for (size_t j = 0; j < i; j++) {
            if (csv->cells[i][0] && strcmp(csv->cells[i], csv->cells[j]) == 0)
                return mnas_error_set(MNAS_ERR_FORMAT, "%s:%d: columns %zu and %zu are both named \"%s\"",
                                      csv->path, csv->lines[0], j + 1, i + 1, csv->cells[i]);
        }
    }
    return 0;
}

/* ---- the whole ---- */

int mnas_csv_parse(mnas_csv *out, const char *path, char *text, size_t n) {
    cursor c = {text, text + n, text, 1};
    *out = (mnas_csv){.text = text};
    int rc = mnas_str_format(out->path, sizeof out->path, "%s", path);
    if (rc == 0 && memchr(text, '\0', n))
        rc = mnas_error_set(MNAS_ERR_FORMAT, "%s: a byte of 0: this is no text", path);
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) c.at += 3;
    if (rc == 0) rc = take_rows(out, &c);
    if (rc == 0) rc = check_names(out);
    if (rc < 0) mnas_csv_free(out);
    return rc;
}

int mnas_csv_read(mnas_csv *out, const char *path) {
    uint8_t *bytes;
    size_t n;
    *out = (mnas_csv){0};
    const int rc = mnas_file_read_gz(path, max_bytes, &bytes, &n);
    return rc < 0 ? rc : mnas_csv_parse(out, path, (char *)bytes, n);
}

void mnas_csv_free(mnas_csv *csv) {
    free(csv->text);
    free(csv->cells);
    free(csv->lines);
    *csv = (mnas_csv){0};
}

const char *mnas_csv_name(const mnas_csv *csv, size_t column) {
    return csv->cells[column];
}

const char *mnas_csv_cell(const mnas_csv *csv, size_t row, size_t column) {
    return csv->cells[(1 + row) * csv->n_columns + column];
}

int mnas_csv_line(const mnas_csv *csv, size_t row) {
    return csv->lines[1 + row];
}

static int unknown(const mnas_csv *csv, const char *what, const char *name) {
    mnas_str text = {0};
    mnas_str_append_unknown(&text, "unknown column", name, (const char *const *)csv->cells, csv->n_columns);
    const int rc = mnas_error_set(MNAS_ERR_ARG, "%s:%d: %s: %s", csv->path, csv->lines[0], what,
                                  mnas_str_ok(&text) ? text.data : name);
    mnas_str_free(&text);
    return rc;
}

int mnas_csv_find(const mnas_csv *csv, const char *what, const char *name, size_t *column) {
    for (size_t i = 0; i < csv->n_columns; i++) {
        if (strcmp(csv->cells[i], name) == 0) {
            *column = i;
            return 0;
        }
    }
    return unknown(csv, what, name);
}
