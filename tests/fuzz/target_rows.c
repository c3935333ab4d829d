/* A study whose file is sound and whose rows say anything: what a damaged page rarely shows.
 *
 * Input: rows, separated by byte 1e; a row is its table's name and its cells, separated by byte 1f; a cell is a letter
 * (n null, i integer, r real, t text, b blob) and its value. Missing cells are null, and a row of no table is nothing.
 * FUZZ_KEEP=FILE in the environment leaves the study there: the seeds of target_study.c are made so.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "fuzz.h"
#include "store/store.h"
#include "study.h"

enum { ROW = 0x1e, CELL = 0x1f };

static void run(sqlite3 *db, const char *sql) {
    FUZZ_CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
}

/* The file of an empty study, made once. */
static const char *empty_study(size_t *n) {
    static char *bytes;
    static size_t n_bytes;
    if (!bytes) {
        mnas_store *store;
        sqlite3 *db;
        char path[512];
        snprintf(path, sizeof path, "%s", fuzz_path("empty.db"));
        FUZZ_CHECK(mnas_store_open(&store, path, MNAS_STORE_WRITE) == 0);
        mnas_store_close(store);
        FUZZ_CHECK(sqlite3_open(path, &db) == SQLITE_OK);
        run(db, "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM");
        sqlite3_close(db);
        FUZZ_CHECK(mnas_file_read(path, 1 << 20, &bytes, &n_bytes) == 0);
    }
    *n = n_bytes;
    return bytes;
}

static int count_columns(sqlite3 *db, const char *table) {
    sqlite3_stmt *stmt;
    FUZZ_CHECK(sqlite3_prepare_v2(db, "SELECT count(*) FROM pragma_table_info(?1)", -1, &stmt, NULL) ==
               SQLITE_OK);
    sqlite3_bind_text(stmt, 1, table, -1, SQLITE_TRANSIENT);
    FUZZ_CHECK(sqlite3_step(stmt) == SQLITE_ROW);
    const int n = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return n;
}

static void bind_cell(sqlite3_stmt *stmt, int i, const char *cell, size_t n) {
    const char *value = n > 0 ? cell + 1 : cell;
    const int n_value = n > 0 ? (int)(n - 1) : 0;
    char number[32];
    snprintf(number, sizeof number, "%.*s", n_value, value);
    switch (n > 0 ? cell[0] : 'n') {
    case 'i':
        sqlite3_bind_int64(stmt, i, strtoll(number, NULL, 10));
        break;
    case 'r':
        sqlite3_bind_double(stmt, i, strtod(number, NULL));
        break;
    case 't':
        sqlite3_bind_text(stmt, i, value, n_value, SQLITE_TRANSIENT);
        break;
    case 'b':
        sqlite3_bind_blob(stmt, i, value, n_value, SQLITE_TRANSIENT);
        break;
    default:
        sqlite3_bind_null(stmt, i);
    }
}

/* The next piece of *at up to `mark` or the end. */
static size_t next_piece(const char **piece, const char **at, const char *end, int mark) {
    *piece = *at;
    const char *stop = *at < end ? memchr(*at, mark, (size_t)(end - *at)) : NULL;
    *at = stop ? stop + 1 : end;
    return (size_t)((stop ? stop : end) - *piece);
}

static void insert_row(sqlite3 *db, const char *row, size_t n) {
    const char *at = row, *cell;
    char table[32], sql[800];
    sqlite3_stmt *stmt;
    const size_t n_name = next_piece(&cell, &at, row + n, CELL);
    snprintf(table, sizeof table, "%.*s", (int)n_name, cell);
    const int n_columns = count_columns(db, table);
    if (n_columns == 0 || n_columns > 128 || strncmp(table, "sqlite_", 7) == 0) return;
    int used = snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO [%s] VALUES (?1", table);
    for (int i = 2; i <= n_columns; i++) used += snprintf(sql + used, sizeof sql - (size_t)used, ",?%d", i);
    snprintf(sql + used, sizeof sql - (size_t)used, ")");
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) return;
    for (int i = 1; i <= n_columns && at < row + n; i++) {
        const size_t n_cell = next_piece(&cell, &at, row + n, CELL);
        bind_cell(stmt, i, cell, n_cell);
    }
    sqlite3_step(stmt); /* what the schema refuses is not there */
    sqlite3_finalize(stmt);
}

static void make_study(const char *path, const char *text, size_t n) {
    sqlite3 *db;
    const char *at = text, *row;
    FUZZ_CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    run(db, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN");
    while (at < text + n) {
        const size_t n_row = next_piece(&row, &at, text + n, ROW);
        insert_row(db, row, n_row);
    }
    run(db, "COMMIT");
    if (getenv("FUZZ_KEEP")) {
        sqlite3_stmt *stmt;
        unlink(getenv("FUZZ_KEEP"));
        FUZZ_CHECK(sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &stmt, NULL) == SQLITE_OK);
        sqlite3_bind_text(stmt, 1, getenv("FUZZ_KEEP"), -1, SQLITE_STATIC);
        FUZZ_CHECK(sqlite3_step(stmt) == SQLITE_DONE);
        sqlite3_finalize(stmt);
    }
    sqlite3_close(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    size_t n_empty;
    char path[512];
    const char *empty = empty_study(&n_empty);
    snprintf(path, sizeof path, "%s", fuzz_file("rows.db", empty, n_empty));
    make_study(path, (const char *)data, n);
    fuzz_read_study(path);
    fuzz_write_study(path);
    return 0;
}
