/* db.h - SQLite through a keyhole: open, prepare, bind, step, with our errors. The only header that knows SQLite's.
 *
 * Every failure becomes a mnas_status: a full disk MNAS_ERR_FULL, a file that is none of ours
 * MNAS_ERR_FORMAT, a lock that does not come free MNAS_ERR_BUSY. NaN is stored as NULL and read back as NaN.
 */
#ifndef MNAS_STORE_DB_H
#define MNAS_STORE_DB_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct mnas_db {
    sqlite3 *handle;
    char path[1024];
} mnas_db;

/* create = false: MNAS_ERR_MISSING where there is no file, and nothing can be written through the connection. */
int mnas_db_open(mnas_db *db, const char *path, bool create);
void mnas_db_close(mnas_db *db);
/* Before the first write: changes the file, so it must be known to be ours. */
int mnas_db_make_durable(const mnas_db *db);

int mnas_db_exec(const mnas_db *db, const char *sql);
int mnas_db_pragma_int(const mnas_db *db, const char *name, int64_t *value);

/* *stmt is NULL after a failure; release with sqlite3_finalize. */
int mnas_db_prepare(const mnas_db *db, sqlite3_stmt **stmt, const char *sql);
/* Run to the end a statement that gives no rows, and finalize it; `rc` is the status so far, passed through. */
int mnas_db_finish(const mnas_db *db, sqlite3_stmt *stmt, int rc);
/* *row: whether there is one. */
int mnas_db_step(const mnas_db *db, sqlite3_stmt *stmt, bool *row);

/* What is bound stays the caller's and is read by the steps; NULL is allowed. */
void mnas_db_bind_text(sqlite3_stmt *stmt, int index, const char *text);
void mnas_db_bind_blob(sqlite3_stmt *stmt, int index, const void *bytes, size_t n);
void mnas_db_bind_real(sqlite3_stmt *stmt, int index, double value);
double mnas_db_real(sqlite3_stmt *stmt, int column);
/* *text is NULL for NULL. SQLite's own, until the next step; malloc'ed. */
int mnas_db_text_view(sqlite3_stmt *stmt, int column, const char **text);
int mnas_db_text(sqlite3_stmt *stmt, int column, char **text);

#endif
