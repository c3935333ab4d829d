/* nas_table.h - a table of networks that were trained once and for all, read from CSV: a row for each, with the decisions that
 * it is made of and what came of it.
 *
 * Which column is what is the caller's: `decisions` names columns, separated by commas. NAME alone is ordinal where every
 * value is a number, else nominal; NAME:nominal and NAME:ordinal say so; NAME:chars makes every character of the column a
 * nominal decision; a * in NAME stands for any text. Choices are sorted, numbers by value, texts by bytes.
 *
 * What always holds: tokens are in range; of equal encodings the first row alone is kept; accuracies are fractions; a row
 * in which a used cell is missing (empty, nan, NA, N/A, null, ?) is left out. Nothing here knows a strategy.
 */
#ifndef MNAS_SEARCH_NAS_TABLE_H
#define MNAS_SEARCH_NAS_TABLE_H

#include "base/arena.h"
#include "mnas.h"

typedef struct mnas_nas_columns {
    const char *decisions, *accuracy; /* required */
    const char *report;               /* NULL or "" in these: none */
    const char *latency;              /* positive, less is better */
    const char *maximize;             /* instead: positive, more is better */
    const char *features;             /* separated by commas */
    const char *rungs;                /* separated by commas: accuracies on the way */
} mnas_nas_columns;

/* Rows that were left out of it: how many, and words on the first few ("lines 3, 17, ..."). */
typedef struct mnas_nas_left_out {
    size_t n;
    char words[200];
} mnas_nas_left_out;

enum { MNAS_MAX_RUNG_COLUMNS = 5 };

typedef struct mnas_nas_table {
    int n_decisions;
    const mnas_decision *decisions;
    size_t n_rows;
    const int *tokens;           /* [n_rows][n_decisions] */
    const double *accuracy_frac; /* [n_rows] */
    const double *report_frac;   /* [n_rows]; accuracy_frac where there is none */
    const double *second;        /* [n_rows]: of the column `latency` or `maximize`; NULL: none */
    int n_rungs;
    const double *rung_frac[MNAS_MAX_RUNG_COLUMNS]; /* [n_rungs][n_rows] */
    int n_features;
    const double *features;             /* [n_rows][n_features]: logarithms where a column is all positive */
    bool is_percent, report_is_percent; /* what the columns hold */
    double log10_combinations;
    mnas_nas_left_out missing, duplicates;
    mnas_arena *arena;
    uint32_t *slots; /* [n_slots] row + 1, or 0: an open hash of encodings */
    size_t n_slots;
} mnas_nas_table;

/* Errors name file, line and column. Free it also after a failure. */
int mnas_nas_table_read(mnas_nas_table *out, const char *path, const mnas_nas_columns *columns);
void mnas_nas_table_free(mnas_nas_table *table);

/* The row of these tokens; -1: none. */
int64_t mnas_nas_table_find(const mnas_nas_table *table, const int *tokens);

/* ---- the nearest row ---- */

/* Distance: 1 for each nominal decision that differs, for an ordinal one the difference of ranks over its largest. Of equally
 * near rows a hash of (tokens, row) chooses, so that no row is favoured. Threads may share it. */
typedef struct mnas_nas_nearest {
    const mnas_nas_table *table;
    struct mnas_nas_group *groups; /* [n_groups] of decisions side by side */
    int n_groups;
} mnas_nas_nearest;

int mnas_nas_nearest_open(mnas_nas_nearest *out, const mnas_nas_table *table);
void mnas_nas_nearest_close(mnas_nas_nearest *nearest);
int64_t mnas_nas_nearest_row(const mnas_nas_nearest *nearest, const int *tokens);

#endif
