/* trial_row.h - mnas_trial as columns: one table says each column's name, kind and place in the struct, and
 * everything else (schema, insert, update, read) follows from it. Tokens are a column of text, accuracies per
 * epoch a table of their own. */
#ifndef MNAS_STORE_TRIAL_ROW_H
#define MNAS_STORE_TRIAL_ROW_H

#include "base/str.h"
#include "mnas.h"
#include "store/db.h"

/* Append "number INTEGER PRIMARY KEY, attempt INTEGER, ...". */
void mnas_trial_row_schema(mnas_str *sql);
/* Append the columns' names, comma-separated. */
void mnas_trial_row_names(mnas_str *sql);
/* "?1, ?2, ..." */
void mnas_trial_row_places(mnas_str *sql);
int mnas_trial_row_count(void);
/* 1-based place of a column, for WHERE. */
int mnas_trial_row_place(const char *name);
/* Bind every column to its place. */
int mnas_trial_row_bind(sqlite3_stmt *stmt, const mnas_trial *trial);
/* Read the columns 0 .. count - 1 into *trial (mnas_trial_empty before); clear it also after a failure. */
int mnas_trial_row_read(sqlite3_stmt *stmt, mnas_trial *trial);

#endif
