/* db.c - SQLite through a keyhole: see db.h.
 *
 * It knows no table. Durability: WAL with synchronous=FULL, so that a commit is on the disk when it returns,
 * whatever ends this process or the machine. Invariant: a connection opened without `create` never changes
 * the database.
 */
#include "store/db.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

enum { BUSY_MS = 10000 };

/* SQLite knows ENOSPC alone as a full disk, and errno is lost by the time it reports a failed write. */
static bool is_limited(int code) {
    struct rlimit limit;
    return code == SQLITE_IOERR_WRITE && getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
           limit.rlim_cur != RLIM_INFINITY;
}

static int status_of(int code) {
    switch (code & 0xff) {
    case SQLITE_FULL:
        return MNAS_ERR_FULL;
    case SQLITE_NOMEM:
        return MNAS_ERR_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return MNAS_ERR_BUSY;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return MNAS_ERR_FORMAT;
    case SQLITE_IOERR:
        /* the log's index could not be extended: for want of room, and SQLite does not say so */
        return code == SQLITE_IOERR_SHMSIZE || is_limited(code) ? MNAS_ERR_FULL : MNAS_ERR_IO;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return MNAS_ERR_IO;
    default:
        return MNAS_ERR_LIBRARY;
    }
}

/* Status and message of the last SQLite call, which gave `code`; 0 for SQLITE_OK, ROW and DONE. */
static int check(const mnas_db *db, int code, const char *doing) {
    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return 0;
    const int status = status_of(code);
    const char *why = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code);
    if (status == MNAS_ERR_FORMAT)
        return mnas_error_set(status, "%s: no study, or a damaged one (%s)", db->path, why);
    if (status == MNAS_ERR_FULL)
        return mnas_error_set(status,
                              "%s: %s: no room on the disk, or the limit of a file's size is reached (%s)",
                              db->path, doing, why);
    return mnas_error_set(status, "%s: %s: %s", db->path, doing, why);
}

int mnas_db_exec(const mnas_db *db, const char *sql) {
    char doing[64];
    snprintf(doing, sizeof doing, "%.60s", sql);
    return check(db, sqlite3_exec(db->handle, sql, NULL, NULL, NULL), doing);
}

int mnas_db_prepare(const mnas_db *db, sqlite3_stmt **stmt, const char *sql) {
    char doing[64];
    snprintf(doing, sizeof doing, "%.60s", sql);
    return check(db, sqlite3_prepare_v2(db->handle, sql, -1, stmt, NULL), doing);
}

int mnas_db_step(const mnas_db *db, sqlite3_stmt *stmt, bool *row) {
    const int code = sqlite3_step(stmt);
    *row = code == SQLITE_ROW;
    return check(db, code, "reading or writing");
}

int mnas_db_finish(const mnas_db *db, sqlite3_stmt *stmt, int rc) {
    bool row = true;
    while (rc == 0 && row) rc = mnas_db_step(db, stmt, &row);
    sqlite3_finalize(stmt);
    return rc;
}

int mnas_db_pragma_int(const mnas_db *db, const char *name, int64_t *value) {
    char sql[64];
    sqlite3_stmt *stmt;
    bool row;
    snprintf(sql, sizeof sql, "PRAGMA %s", name);
    int rc = mnas_db_prepare(db, &stmt, sql);
    if (rc < 0) return rc;
    rc = mnas_db_step(db, stmt, &row);
    *value = rc == 0 && row ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    return rc;
}

static int open_as(mnas_db *db, const char *name, int flags) {
    const int code = sqlite3_open_v2(name, &db->handle, flags, NULL);
    if (code != SQLITE_OK) {
        const int rc = check(db, code, "opening");
        mnas_db_close(db);
        return rc;
    }
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    return 0;
}

/* A file name may hold what a URI would take for its own. */
static int open_immutable(mnas_db *db) {
    char uri[3 * sizeof db->path + 32];
    size_t n = (size_t)snprintf(uri, sizeof uri, "file:");
    for (const char *c = db->path; *c; c++)
        n +=
            (size_t)snprintf(uri + n, sizeof uri - n, strchr("%?#", *c) ? "%%%02x" : "%c", (unsigned char)*c);
    snprintf(uri + n, sizeof uri - n, "?immutable=1");
    return open_as(db, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
}

/* WAL needs its shared-memory file beside the study even to read; in a folder where it cannot be made, and
 * without a log to recover, the study is a file that nobody changes. */
static int open_reading(mnas_db *db) {
    int64_t unused;
    char wal[sizeof db->path + 8];
    int rc = open_as(db, db->path, SQLITE_OPEN_READWRITE);
    if (rc == 0) rc = mnas_db_pragma_int(db, "schema_version", &unused);
    snprintf(wal, sizeof wal, "%s-wal", db->path);
    if (rc == MNAS_ERR_IO && access(db->path, R_OK) == 0 && !mnas_file_exists(wal)) {
        mnas_db_close(db);
        rc = open_immutable(db);
    }
    if (rc == 0) rc = mnas_db_exec(db, "PRAGMA query_only = 1");
    return rc;
}

int mnas_db_open(mnas_db *db, const char *path, bool create) {
    *db = (mnas_db){0};
    int rc = mnas_str_format(db->path, sizeof db->path, "%s", path);
    if (rc < 0) return rc;
    if (!create && !mnas_file_exists(path))
        return mnas_error_set(MNAS_ERR_MISSING, "%s: no such study", path);
    rc = create ? open_as(db, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) : open_reading(db);
    if (rc < 0) mnas_db_close(db);
    return rc;
}

int mnas_db_make_durable(const mnas_db *db) {
    return mnas_db_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
}

void mnas_db_close(mnas_db *db) {
    sqlite3_close_v2(db->handle);
    db->handle = NULL;
}

/* A copy may find no memory, which the next step forgets: the row would be stored without the text. */
void mnas_db_bind_text(sqlite3_stmt *stmt, int index, const char *text) {
    sqlite3_bind_text(stmt, index, text, -1, SQLITE_STATIC);
}

void mnas_db_bind_blob(sqlite3_stmt *stmt, int index, const void *bytes, size_t n) {
    sqlite3_bind_blob64(stmt, index, bytes, n, SQLITE_STATIC);
}

void mnas_db_bind_real(sqlite3_stmt *stmt, int index, double value) {
    sqlite3_bind_double(stmt, index, value); /* NaN becomes NULL */
}

double mnas_db_real(sqlite3_stmt *stmt, int column) {
    return sqlite3_column_type(stmt, column) == SQLITE_NULL ? NAN : sqlite3_column_double(stmt, column);
}

int mnas_db_text_view(sqlite3_stmt *stmt, int column, const char **text) {
    const bool is_null = sqlite3_column_type(stmt, column) == SQLITE_NULL;
    *text = is_null ? NULL : (const char *)sqlite3_column_text(stmt, column);
    return is_null || *text ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: text of a study");
}

int mnas_db_text(sqlite3_stmt *stmt, int column, char **text) {
    const char *found;
    *text = NULL;
    const int rc = mnas_db_text_view(stmt, column, &found);
    if (rc < 0 || !found) return rc;
    *text = strdup(found);
    return *text ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: text of a study");
}
