/* store_latency.c - latencies on a study's further devices: rows of trial_latency and final_latency, written and read with the
 * row that they belong to. It knows no device. */
#include <stdlib.h>

#include "base/error.h"
#include "model/latency.h"
#include "store/store_internal.h"

static int prepare_insert(mnas_store *store, const mnas_row_type *type, sqlite3_stmt **stmt) {
    mnas_str sql = {0};
    mnas_str_appendf(&sql, "INSERT INTO %s (", type->table);
    mnas_row_names(&sql, type);
    mnas_str_append(&sql, ") VALUES (");
    mnas_row_places(&sql, type);
    mnas_str_append(&sql, ")");
    *stmt = NULL;
    const int rc = mnas_str_ok(&sql) ? mnas_db_prepare(&store->db, stmt, sql.data)
                                     : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %s", type->table);
    mnas_str_free(&sql);
    return rc;
}

static int insert_one(mnas_store *store, const mnas_row_type *type, const mnas_row_latency *row) {
    sqlite3_stmt *stmt;
    const int rc = prepare_insert(store, type, &stmt);
    return rc < 0 ? rc : mnas_db_finish(&store->db, stmt, mnas_row_bind(stmt, type, row));
}

int mnas_store_put_others(mnas_store *store, const mnas_row_type *type, int number,
                          const mnas_latency *others, int n) {
    sqlite3_stmt *stmt;
    char sql[80];
    if (n == 0) return 0; /* a study has as many devices as it has, from its first day */
    snprintf(sql, sizeof sql, "DELETE FROM %s WHERE number = ?1", type->table);
    int rc = mnas_db_prepare(&store->db, &stmt, sql);
    if (rc < 0) return rc;
    sqlite3_bind_int(stmt, 1, number);
    rc = mnas_db_finish(&store->db, stmt, 0);
    for (int i = 0; i < n && rc == 0; i++) {
        const mnas_row_latency row = {number, i + 1, others[i]};
        rc = insert_one(store, type, &row);
    }
    return rc;
}

int mnas_store_each_other(mnas_store *store, const mnas_row_type *type, mnas_store_take_latency *take,
                          void *user) {
    sqlite3_stmt *stmt;
    bool found;
    if (store->schema < 4) return 0;
    int rc = mnas_row_select(&store->db, &stmt, type, store->schema);
    if (rc < 0) return rc;
    while ((rc = mnas_db_step(&store->db, stmt, &found)) == 0 && found) {
        mnas_row_latency row = {.latency = mnas_latency_unknown()};
        if ((rc = mnas_row_read(stmt, type, &row)) < 0) break;
        if ((rc = take(user, &row)) < 0) break;
    }
    sqlite3_finalize(stmt);
    return rc;
}

int mnas_store_append_other(mnas_latency **others, int *n, const mnas_row_latency *row) {
    if (row->device != *n + 1 || *n + 1 >= MNAS_MAX_DEVICES)
        return mnas_error_set(MNAS_ERR_FORMAT,
                              "row %d has a latency on device %d where %d is due: the study is damaged",
                              row->number, row->device, *n + 1);
    mnas_latency *grown = realloc(*others, (size_t)(*n + 1) * sizeof *grown);
    if (!grown) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: latencies of row %d", row->number);
    *others = grown;
    grown[(*n)++] = row->latency;
    return 0;
}
