/* row.h - structs as rows: a table of columns says each column's name, kind and place in the struct, and everything
 * else (schema, insert, update, read) follows from it. row_types.c has the tables.
 *
 * Tokens are a column of text; arrays of numbers are blobs whose length another column says.
 */
#ifndef MNAS_STORE_ROW_H
#define MNAS_STORE_ROW_H

#include "base/str.h"
#include "mnas.h"
#include "store/db.h"

typedef enum mnas_column_kind {
    MNAS_COL_INT,
    MNAS_COL_BOOL,
    MNAS_COL_INT64,
    MNAS_COL_REAL,
    MNAS_COL_CHARS,  /* an array of characters in the struct */
    MNAS_COL_TEXT,   /* malloc'ed, or NULL */
    MNAS_COL_NAMED,  /* an enumeration, stored by its names */
    MNAS_COL_TOKENS, /* int array as text */
    MNAS_COL_BLOB,   /* array of numbers, or NULL; its count is an earlier column */
} mnas_column_kind;

typedef struct mnas_column {
    const char *name;
    mnas_column_kind kind;
    size_t offset, bytes;
    size_t count_offset;      /* of TOKENS and BLOB: where the int stands that counts the items */
    size_t item_bytes;        /* of BLOB */
    const char *const *names; /* of NAMED, NULL-terminated */
    int since;                /* the schema that brought it; 0: there from the table's first day */
} mnas_column;

/* The first column is `number`, an int at the beginning of the struct. The first n_key columns are the primary key. */
typedef struct mnas_row_type {
    const char *table; /* of the database; also what messages call a row */
    const mnas_column *columns;
    int n_columns, n_key;
} mnas_row_type;

/* A latency on a further device of the study; `device` is 1 for the second one. */
typedef struct mnas_row_latency {
    int number, device;
    mnas_latency latency;
} mnas_row_latency;

extern const mnas_row_type mnas_row_trial, mnas_row_final;
/* mnas_row_latency of trials, and of the networks of stage two */
extern const mnas_row_type mnas_row_trial_latency, mnas_row_final_latency;

/* Append "number INTEGER, attempt INTEGER, ..., PRIMARY KEY (number)" of the columns that were there from the first day. */
void mnas_row_schema(mnas_str *sql, const mnas_row_type *type);
/* Append "ALTER TABLE trial ADD COLUMN ...;" for each column that came with this schema. */
void mnas_row_upgrade(mnas_str *sql, const mnas_row_type *type, int schema);
/* Append the columns' names, comma-separated. */
void mnas_row_names(mnas_str *sql, const mnas_row_type *type);
/* "?1, ?2, ..." */
void mnas_row_places(mnas_str *sql, const mnas_row_type *type);
/* 1-based place of a column, for WHERE. */
int mnas_row_place(const mnas_row_type *type, const char *name);
/* Bind every column to its place. */
int mnas_row_bind(sqlite3_stmt *stmt, const mnas_row_type *type, const void *record);
/* All columns of all rows, ordered by key; NULL for those that a file of this schema does not have. */
int mnas_row_select(const mnas_db *db, sqlite3_stmt **stmt, const mnas_row_type *type, int schema);
/* Read what mnas_row_select gives into *record (an empty one before; a later column that is NULL leaves it as it is there);
 * clear it also after a failure. */
int mnas_row_read(sqlite3_stmt *stmt, const mnas_row_type *type, void *record);

#endif
