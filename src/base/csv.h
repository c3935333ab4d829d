/* csv.h - a table as text (RFC 4180): a header of column names, then rows of as many cells. Quoted cells may hold commas,
 * line breaks and doubled quotes; lines end in LF or CRLF; a UTF-8 byte order mark and empty lines are passed over.
 *
 * Blanks around a cell without quotes are no part of it. What a cell means is the caller's affair: nothing here is a number.
 */
#ifndef MNAS_BASE_CSV_H
#define MNAS_BASE_CSV_H

#include <stddef.h>

typedef struct mnas_csv {
    char path[1024]; /* for messages */
    size_t n_columns, n_rows;
    char *text;   /* the file; cells point into it */
    char **cells; /* [1 + n_rows][n_columns], the header first */
    int *lines;   /* [1 + n_rows]: where a row begins, from 1 */
    size_t room_cells, room_rows;
} mnas_csv;

/* A file, which may be gzip-compressed. Errors are "file:line: what". */
int mnas_csv_read(mnas_csv *out, const char *path);
/* `text`[n] with a NUL behind it, malloc'ed: it is released with *out, and on failure at once. */
int mnas_csv_parse(mnas_csv *out, const char *path, char *text, size_t n);
void mnas_csv_free(mnas_csv *csv);

const char *mnas_csv_name(const mnas_csv *csv, size_t column);
const char *mnas_csv_cell(const mnas_csv *csv, size_t row, size_t column);
int mnas_csv_line(const mnas_csv *csv, size_t row);
/* The column of this name; MNAS_ERR_ARG names the nearest one and all. `what` is the option it was given for ("--latency"). */
int mnas_csv_find(const mnas_csv *csv, const char *what, const char *name, size_t *column);

#endif
