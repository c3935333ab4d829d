/* store.c - a study in one SQLite file: life of the file, settings, snapshots, events. Trials are store_trial.c's,
 * stage two store_final.c's.
 *
 * It decides nothing about a search. Invariants: a file that it writes to has our application id and schema
 * version; one process at a time writes to it.
 */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "store/row.h"
#include "store/store_internal.h"

enum { APPLICATION_ID = 0x6d6e6173 /* "mnas" */ };

/* ---- the lock ---- */

static int lock_study(mnas_store *store, const char *path) {
    return mnas_lock_take(&store->lock_fd, path,
                          "another search is running on this study; wait for it or stop it");
}

bool mnas_store_is_written(const char *path) {
    return mnas_lock_is_held(path);
}

/* ---- schema ---- */

/* What schema 3 added to schema 2. */
static void append_schema_3(mnas_str *sql) {
    mnas_str_append(sql, "ALTER TABLE snapshot ADD COLUMN probabilities BLOB;"
                         "CREATE TABLE layer (trial INTEGER, position INTEGER, name TEXT, ms REAL,"
                         " PRIMARY KEY (trial, position)) WITHOUT ROWID;"
                         "CREATE TABLE final (");
    mnas_row_schema(sql, &mnas_row_final);
    mnas_str_append(sql, ", model TEXT);");
}

/* What schema 4 added: further devices, screening, refusals, drift. */
static void append_schema_4(mnas_str *sql) {
    static const mnas_row_type *const others[] = {&mnas_row_trial_latency, &mnas_row_final_latency};
    mnas_row_upgrade(sql, &mnas_row_trial, 4);
    mnas_row_upgrade(sql, &mnas_row_final, 4);
    for (int i = 0; i < 2; i++) {
        mnas_str_appendf(sql, "CREATE TABLE %s (", others[i]->table);
        mnas_row_schema(sql, others[i]);
        mnas_str_append(sql, ") WITHOUT ROWID;");
        mnas_row_upgrade(sql, others[i], 4);
    }
}

/* Who proposed a trial, how far it was trained, and what it had come to at each rung. */
static void append_schema_5(mnas_str *sql) {
    mnas_row_upgrade(sql, &mnas_row_trial, 5);
    mnas_str_append(sql,
                    "CREATE TABLE rung (trial INTEGER REFERENCES trial, rung INTEGER, accuracy_frac REAL,"
                    " PRIMARY KEY (trial, rung)) WITHOUT ROWID;");
}

static void append_upgrade(mnas_str *sql, int from) {
    if (from < 3) append_schema_3(sql);
    if (from < 4) append_schema_4(sql);
    if (from < 5) append_schema_5(sql);
    mnas_str_appendf(sql, "PRAGMA user_version = %d;", MNAS_STORE_SCHEMA);
}

/* Whole or not at all. */
static int run_schema(mnas_store *store, mnas_str *sql) {
    int rc = mnas_str_ok(sql) ? mnas_db_exec(&store->db, sql->data)
                              : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: schema of a study");
    if (rc < 0) sqlite3_exec(store->db.handle, "ROLLBACK", NULL, NULL, NULL);
    mnas_str_free(sql);
    store->schema = MNAS_STORE_SCHEMA;
    return rc;
}

static int upgrade_schema(mnas_store *store) {
    mnas_str sql = {0};
    mnas_str_append(&sql, "BEGIN IMMEDIATE;");
    append_upgrade(&sql, store->schema);
    mnas_str_append(&sql, "COMMIT");
    return run_schema(store, &sql);
}

static int create_schema(mnas_store *store) {
    mnas_str sql = {0};
    mnas_str_append(&sql, "BEGIN IMMEDIATE;"
                          "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
                          "CREATE TABLE trial (");
    mnas_row_schema(&sql, &mnas_row_trial);
    mnas_str_append(
        &sql,
        ", model TEXT);"
        "CREATE TABLE epoch (trial INTEGER REFERENCES trial, epoch INTEGER, accuracy_frac REAL,"
        " PRIMARY KEY (trial, epoch)) WITHOUT ROWID;"
        "CREATE TABLE snapshot (n_updates INTEGER PRIMARY KEY, n_proposals INTEGER, n_trials INTEGER,"
        " entropy REAL, entropy_max REAL, baseline REAL, loop TEXT, state BLOB);"
        "CREATE TABLE event (id INTEGER PRIMARY KEY, unix_ms INTEGER, kind TEXT, text TEXT);"
        "CREATE TABLE late_result (id INTEGER PRIMARY KEY, unix_ms INTEGER, trial INTEGER, attempt INTEGER,"
        " state TEXT, reason TEXT, accuracy_frac REAL, latency_median_ms REAL, error TEXT);");
    append_upgrade(&sql, MNAS_STORE_OLDEST);
    mnas_str_appendf(&sql, "PRAGMA application_id = %d; COMMIT", APPLICATION_ID);
    return run_schema(store, &sql);
}

/* *is_new: an empty file, which may become a study. */
static int check_schema(mnas_store *store, bool *is_new) {
    int64_t n_changes, id, version;
    const mnas_db *db = &store->db;
    int rc = mnas_db_pragma_int(db, "schema_version", &n_changes);
    if (rc == 0) rc = mnas_db_pragma_int(db, "application_id", &id);
    if (rc == 0) rc = mnas_db_pragma_int(db, "user_version", &version);
    if (rc < 0) return rc;
    *is_new = n_changes == 0 && id == 0 && version == 0;
    if (*is_new) return 0;
    if (id != APPLICATION_ID)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: no study of mnas, but another program's SQLite file",
                              db->path);
    store->schema = (int)version;
    if (version >= MNAS_STORE_OLDEST && version <= MNAS_STORE_SCHEMA) return 0;
    return mnas_error_set(MNAS_ERR_FORMAT, "%s: schema version is %lld, this mnas knows %d%s", db->path,
                          (long long)version, MNAS_STORE_SCHEMA,
                          version > MNAS_STORE_SCHEMA ? "; use a newer mnas" : "");
}

/* A view may compute for ever, and a trigger writes what nobody asked for: a study of ours has neither. */
static int check_tables(mnas_store *store) {
    sqlite3_stmt *stmt;
    bool row;
    const char *type = NULL, *name = NULL;
    int rc = mnas_db_prepare(&store->db, &stmt,
                             "SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index')"
                             " OR sql LIKE 'CREATE VIRTUAL%' LIMIT 1");
    if (rc < 0) return rc;
    rc = mnas_db_step(&store->db, stmt, &row);
    if (rc == 0 && row) rc = mnas_db_text_view(stmt, 0, &type);
    if (rc == 0 && row) rc = mnas_db_text_view(stmt, 1, &name);
    if (rc == 0 && row)
        rc = mnas_error_set(MNAS_ERR_FORMAT,
                            "%s: it has the %s \"%s\"; a study has tables alone: not written by mnas",
                            store->db.path, type ? type : "?", name ? name : "?");
    sqlite3_finalize(stmt);
    return rc;
}

static int check_integrity(mnas_store *store) {
    sqlite3_stmt *stmt;
    bool row;
    int rc = mnas_db_prepare(&store->db, &stmt, "PRAGMA quick_check(1)");
    if (rc < 0) return rc;
    rc = mnas_db_step(&store->db, stmt, &row);
    const char *verdict = NULL;
    if (rc == 0 && row) rc = mnas_db_text_view(stmt, 0, &verdict);
    if (rc == 0 && (!verdict || strcmp(verdict, "ok") != 0))
        rc = mnas_error_set(MNAS_ERR_FORMAT, "%s: the study is damaged: %s", store->db.path,
                            verdict ? verdict : "no answer");
    sqlite3_finalize(stmt);
    return rc;
}

static int prepare_writing(mnas_store *store, bool is_new) {
    int rc = mnas_db_make_durable(&store->db);
    if (rc == 0) rc = is_new ? create_schema(store) : check_integrity(store);
    return rc == 0 && store->schema < MNAS_STORE_SCHEMA ? upgrade_schema(store) : rc;
}

/* ---- life ---- */

/* A limit on file sizes ends in an error of write, as a full disk does, and not in our death. */
static void ignore_sigxfsz(void) {
    struct sigaction now;
    if (sigaction(SIGXFSZ, NULL, &now) == 0 && now.sa_handler == SIG_DFL) signal(SIGXFSZ, SIG_IGN);
}

int mnas_store_open(mnas_store **out, const char *path, mnas_store_mode mode) {
    *out = NULL;
    mnas_store *store = calloc(1, sizeof *store);
    if (!store) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: study %s", path);
    store->lock_fd = -1;
    struct stat st;
    bool is_new = false;
    int rc = 0;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) /* before a lock is left beside it */
        rc = mnas_error_set(MNAS_ERR_FORMAT, "%s: no study, but a folder or a device", path);
    if (rc == 0 && mode == MNAS_STORE_WRITE) {
        ignore_sigxfsz();
        rc = lock_study(store, path);
    }
    if (rc == 0) rc = mnas_db_open(&store->db, path, mode == MNAS_STORE_WRITE);
    if (rc == 0) rc = check_schema(store, &is_new);
    if (rc == 0) rc = check_tables(store);
    if (rc == 0 && mode == MNAS_STORE_READ && is_new)
        rc = mnas_error_set(MNAS_ERR_FORMAT, "%s: no study (an empty file)", path);
    if (rc == 0 && mode == MNAS_STORE_WRITE) rc = prepare_writing(store, is_new);
    if (rc < 0)
        mnas_store_close(store);
    else
        *out = store;
    return rc;
}

void mnas_store_close(mnas_store *store) {
    if (!store) return;
    mnas_store_rollback(store);
    mnas_db_close(&store->db);
    if (store->lock_fd >= 0) close(store->lock_fd);
    free(store);
}

int mnas_store_begin(mnas_store *store) {
    assert(!store->begun);
    const int rc = mnas_db_exec(&store->db, "BEGIN IMMEDIATE");
    store->begun = rc == 0;
    return rc;
}

int mnas_store_commit(mnas_store *store) {
    assert(store->begun);
    const int rc = mnas_db_exec(&store->db, "COMMIT");
    store->begun = rc < 0;
    return rc;
}

void mnas_store_rollback(mnas_store *store) {
    if (store->begun) sqlite3_exec(store->db.handle, "ROLLBACK", NULL, NULL, NULL);
    store->begun = false;
}

/* ---- settings ---- */

int mnas_store_set(mnas_store *store, const char *name, const char *value) {
    sqlite3_stmt *stmt;
    int rc = mnas_db_prepare(&store->db, &stmt, "INSERT OR REPLACE INTO setting VALUES (?1, ?2)");
    if (rc < 0) return rc;
    mnas_db_bind_text(stmt, 1, name);
    mnas_db_bind_text(stmt, 2, value);
    return mnas_db_finish(&store->db, stmt, 0);
}

int mnas_store_set_int(mnas_store *store, const char *name, int64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    return mnas_store_set(store, name, text);
}

int mnas_store_grow(void **items, size_t n, size_t bytes) {
    if ((n & (n - 1)) == 0) {
        void *grown = realloc(*items, (n ? 2 * n : 1) * bytes);
        if (!grown) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu rows of a study", n);
        *items = grown;
    }
    memset((char *)*items + n * bytes, 0, bytes);
    return 0;
}

int mnas_store_settings(mnas_store *store, mnas_setting **out, size_t *n) {
    sqlite3_stmt *stmt;
    bool row;
    *out = NULL;
    *n = 0;
    int rc = mnas_db_prepare(&store->db, &stmt, "SELECT name, value FROM setting ORDER BY name");
    if (rc < 0) return rc;
    while ((rc = mnas_db_step(&store->db, stmt, &row)) == 0 && row) {
        void *items = *out;
        if ((rc = mnas_store_grow(&items, *n, sizeof **out)) < 0) break;
        *out = items;
        mnas_setting *s = *out + (*n)++;
        if ((rc = mnas_db_text(stmt, 0, &s->name)) < 0) break;
        if ((rc = mnas_db_text(stmt, 1, &s->value)) < 0) break;
    }
    sqlite3_finalize(stmt);
    if (rc == 0) return 0;
    mnas_settings_free(*out, *n);
    *out = NULL;
    *n = 0;
    return rc;
}

void mnas_settings_free(mnas_setting *settings, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(settings[i].name);
        free(settings[i].value);
    }
    free(settings);
}

const char *mnas_settings_get(const mnas_setting *settings, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(settings[i].name, name) == 0) return settings[i].value;
    return NULL;
}

/* ---- snapshots ---- */

void mnas_snapshot_clear(mnas_snapshot *snapshot) {
    free(snapshot->loop);
    free(snapshot->state);
    free(snapshot->probabilities);
    *snapshot = (mnas_snapshot){.n_updates = -1};
}

void mnas_snapshots_free(mnas_snapshot *snapshots, size_t n) {
    for (size_t i = 0; i < n; i++) mnas_snapshot_clear(&snapshots[i]);
    free(snapshots);
}

int mnas_store_put_snapshot(mnas_store *store, const mnas_snapshot *s) {
    sqlite3_stmt *stmt;
    int rc = mnas_db_prepare(&store->db, &stmt,
                             "INSERT OR REPLACE INTO snapshot VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    if (rc < 0) return rc;
    sqlite3_bind_int(stmt, 1, s->n_updates);
    sqlite3_bind_int64(stmt, 2, s->n_proposals);
    sqlite3_bind_int(stmt, 3, s->n_trials);
    mnas_db_bind_real(stmt, 4, s->entropy);
    mnas_db_bind_real(stmt, 5, s->entropy_max);
    mnas_db_bind_real(stmt, 6, s->baseline);
    mnas_db_bind_text(stmt, 7, s->loop);
    mnas_db_bind_blob(stmt, 8, s->state, s->n_state);
    mnas_db_bind_blob(stmt, 9, s->probabilities, s->n_probabilities * sizeof *s->probabilities);
    return mnas_db_finish(&store->db, stmt, 0);
}

static void read_numbers(sqlite3_stmt *stmt, mnas_snapshot *out) {
    *out = (mnas_snapshot){.n_updates = sqlite3_column_int(stmt, 0),
                           .n_proposals = sqlite3_column_int64(stmt, 1),
                           .n_trials = sqlite3_column_int(stmt, 2),
                           .entropy = mnas_db_real(stmt, 3),
                           .entropy_max = mnas_db_real(stmt, 4),
                           .baseline = mnas_db_real(stmt, 5)};
}

static int read_state(sqlite3_stmt *stmt, mnas_snapshot *out) {
    const int rc = mnas_db_text(stmt, 6, &out->loop);
    if (rc < 0) return rc;
    out->n_state = (size_t)sqlite3_column_bytes(stmt, 7);
    out->state = malloc(out->n_state + 1);
    if (!out->state)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: snapshot of %zu bytes", out->n_state);
    if (out->n_state > 0) memcpy(out->state, sqlite3_column_blob(stmt, 7), out->n_state);
    return out->loop ? 0
                     : mnas_error_set(MNAS_ERR_FORMAT, "snapshot %d is incomplete: the study is damaged",
                                      out->n_updates);
}

int mnas_store_last_snapshot(mnas_store *store, mnas_snapshot *out) {
    sqlite3_stmt *stmt;
    bool row;
    *out = (mnas_snapshot){.n_updates = -1};
    int rc =
        mnas_db_prepare(&store->db, &stmt,
                        "SELECT n_updates, n_proposals, n_trials, entropy, entropy_max, baseline, loop, state"
                        " FROM snapshot ORDER BY n_updates DESC LIMIT 1");
    if (rc < 0) return rc;
    rc = mnas_db_step(&store->db, stmt, &row);
    if (rc == 0 && row) {
        read_numbers(stmt, out);
        rc = read_state(stmt, out);
    }
    sqlite3_finalize(stmt);
    if (rc < 0) mnas_snapshot_clear(out);
    return rc;
}

static int read_probabilities(sqlite3_stmt *stmt, mnas_snapshot *out) {
    if (sqlite3_column_type(stmt, 6) == SQLITE_NULL) return 0;
    const void *bytes = sqlite3_column_blob(stmt, 6);
    const size_t n = (size_t)sqlite3_column_bytes(stmt, 6);
    out->probabilities = malloc(n + 1);
    if (!out->probabilities)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: probabilities of %zu bytes", n);
    if (n > 0) memcpy(out->probabilities, bytes, n);
    out->n_probabilities = n / sizeof *out->probabilities;
    return 0;
}

int mnas_store_updates(mnas_store *store, mnas_snapshot **out, size_t *n) {
    sqlite3_stmt *stmt;
    bool row;
    void *items = NULL;
    char sql[160];
    *n = 0;
    snprintf(sql, sizeof sql,
             "SELECT n_updates, n_proposals, n_trials, entropy, entropy_max, baseline, %s FROM snapshot"
             " ORDER BY n_updates",
             store->schema < 3 ? "NULL" : "probabilities");
    int rc = mnas_db_prepare(&store->db, &stmt, sql);
    if (rc < 0) return rc;
    while ((rc = mnas_db_step(&store->db, stmt, &row)) == 0 && row) {
        if ((rc = mnas_store_grow(&items, *n, sizeof **out)) < 0) break;
        mnas_snapshot *s = (mnas_snapshot *)items + (*n)++;
        read_numbers(stmt, s);
        if ((rc = read_probabilities(stmt, s)) < 0) break;
    }
    sqlite3_finalize(stmt);
    if (rc < 0) {
        mnas_snapshots_free(items, *n);
        items = NULL;
        *n = 0;
    }
    *out = items;
    return rc;
}

/* ---- events ---- */

int mnas_store_event(mnas_store *store, const char *kind, const char *text) {
    sqlite3_stmt *stmt;
    int rc =
        mnas_db_prepare(&store->db, &stmt, "INSERT INTO event (unix_ms, kind, text) VALUES (?1, ?2, ?3)");
    if (rc < 0) return rc;
    sqlite3_bind_int64(stmt, 1, mnas_clock_unix_ms());
    mnas_db_bind_text(stmt, 2, kind);
    mnas_db_bind_text(stmt, 3, text);
    return mnas_db_finish(&store->db, stmt, 0);
}

void mnas_store_note_end(mnas_store *store, int status, const char *finished, const char *stopped) {
    char message[1024];
    snprintf(message, sizeof message, "%s", mnas_error_message());
    mnas_store_rollback(store);
    if (mnas_store_event(store, status < 0 ? stopped : finished, status < 0 ? message : "") < 0)
        mnas_log_debug("the end could not be noted in the study: %s", mnas_error_message());
    if (status < 0) mnas_error_set(status, "%s", message);
}
