/* store_trial.c - rows of trials: claimed, finished, read.
 *
 * Fencing: each claim of a running row makes its attempt one larger, and only the outcome of the present
 * attempt counts. Invariant: a finished row changes no more, but for the reward that calibration gives it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "model/latency.h"
#include "store/row.h"
#include "store/store_internal.h"

mnas_trial mnas_trial_empty(void) {
    return (mnas_trial){.state = MNAS_TRIAL_RUNNING,
                        .accuracy_frac = NAN,
                        .latency = mnas_latency_unknown(),
                        .predicted_ms = NAN,
                        .predicted_error_frac = NAN,
                        .reward = NAN,
                        .entropy_nats = NAN,
                        .params = -1,
                        .macs = -1,
                        .train_bytes = -1,
                        .started_unix_ms = -1,
                        .finished_unix_ms = -1,
                        .train_s = NAN,
                        .measure_s = NAN,
                        .overhead_s = NAN,
                        .n_images = -1,
                        .rung = -1,
                        .attempt = 1};
}

int mnas_trial_add_rung(mnas_trial *trial, double accuracy_frac) {
    double *grown = realloc(trial->rung_accuracy_frac, (size_t)(trial->n_rungs + 1) * sizeof *grown);
    if (!grown) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: rungs of trial %d", trial->number);
    trial->rung_accuracy_frac = grown;
    grown[trial->n_rungs++] = accuracy_frac;
    trial->rung++;
    return 0;
}

void mnas_trial_clear(mnas_trial *trial) {
    free(trial->arch);
    free(trial->tokens);
    free(trial->epoch_accuracy_frac);
    free(trial->rung_accuracy_frac);
    free(trial->others);
    free(trial->error);
    *trial = mnas_trial_empty();
}

static void *copy_of(const void *items, size_t bytes, bool *failed) {
    void *copy = items ? malloc(bytes ? bytes : 1) : NULL;
    if (copy) memcpy(copy, items, bytes);
    *failed = *failed || (items && !copy);
    return copy;
}

static char *text_copy(const char *text, bool *failed) {
    return copy_of(text, text ? strlen(text) + 1 : 0, failed);
}

int mnas_trial_copy(mnas_trial *out, const mnas_trial *t) {
    bool failed = false;
    *out = *t;
    out->arch = text_copy(t->arch, &failed);
    out->error = text_copy(t->error, &failed);
    out->tokens = copy_of(t->tokens, (size_t)t->n_tokens * sizeof *t->tokens, &failed);
    out->others = copy_of(t->others, (size_t)t->n_others * sizeof *t->others, &failed);
    out->epoch_accuracy_frac = copy_of(t->epoch_accuracy_frac, (size_t)t->n_epochs * sizeof(double), &failed);
    out->rung_accuracy_frac = copy_of(t->rung_accuracy_frac, (size_t)t->n_rungs * sizeof(double), &failed);
    if (!failed) return 0;
    mnas_trial_clear(out);
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: trial %d", t->number);
}

void mnas_trials_free(mnas_trial *trials, size_t n) {
    for (size_t i = 0; i < n; i++) mnas_trial_clear(&trials[i]);
    free(trials);
}

/* ---- claiming ---- */

static int insert_row(mnas_store *store, const mnas_trial *trial, const char *model_yaml) {
    mnas_str sql = {0};
    sqlite3_stmt *stmt = NULL;
    mnas_str_append(&sql, "INSERT INTO trial (");
    mnas_row_names(&sql, &mnas_row_trial);
    mnas_str_append(&sql, ", model) VALUES (");
    mnas_row_places(&sql, &mnas_row_trial);
    mnas_str_appendf(&sql, ", ?%d)", mnas_row_trial.n_columns + 1);
    int rc = mnas_str_ok(&sql) ? mnas_db_prepare(&store->db, &stmt, sql.data)
                               : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: trial %d", trial->number);
    mnas_str_free(&sql);
    if (rc < 0) return rc;
    rc = mnas_row_bind(stmt, &mnas_row_trial, trial);
    mnas_db_bind_text(stmt, mnas_row_trial.n_columns + 1, model_yaml);
    return mnas_db_finish(&store->db, stmt, rc);
}

/* *attempt 0: there is no such row. */
static int stored_attempt(mnas_store *store, int number, int *attempt, bool *running) {
    sqlite3_stmt *stmt;
    bool row;
    int rc =
        mnas_db_prepare(&store->db, &stmt, "SELECT attempt, state IS 'running' FROM trial WHERE number = ?1");
    if (rc < 0) return rc;
    sqlite3_bind_int(stmt, 1, number);
    rc = mnas_db_step(&store->db, stmt, &row);
    *attempt = rc == 0 && row ? sqlite3_column_int(stmt, 0) : 0;
    *running = *attempt > 0 && sqlite3_column_int(stmt, 1) != 0;
    sqlite3_finalize(stmt);
    return rc;
}

static int take_over(mnas_store *store, const mnas_trial *trial, int attempt) {
    sqlite3_stmt *stmt;
    int rc = mnas_db_prepare(
        &store->db, &stmt,
        "UPDATE trial SET attempt = ?2, started_unix_ms = ?3 WHERE number = ?1 AND state = 'running'");
    if (rc < 0) return rc;
    sqlite3_bind_int(stmt, 1, trial->number);
    sqlite3_bind_int(stmt, 2, attempt);
    sqlite3_bind_int64(stmt, 3, trial->started_unix_ms);
    return mnas_db_finish(&store->db, stmt, 0);
}

static int claim(mnas_store *store, const mnas_trial *trial, const char *model_yaml, int *attempt) {
    bool running;
    int rc = stored_attempt(store, trial->number, attempt, &running);
    if (rc < 0) return rc;
    if (*attempt > 0 && !running)
        return mnas_error_set(MNAS_ERR_MISMATCH, "trial %d is finished already", trial->number);
    ++*attempt;
    if (*attempt > 1) return take_over(store, trial, *attempt);
    mnas_trial first = *trial;
    first.state = MNAS_TRIAL_RUNNING;
    first.attempt = 1;
    return insert_row(store, &first, model_yaml);
}

int mnas_store_claim(mnas_store *store, const mnas_trial *trial, const char *model_yaml, int *attempt) {
    const bool own = !store->begun;
    int rc = own ? mnas_store_begin(store) : 0;
    if (rc == 0) rc = claim(store, trial, model_yaml, attempt);
    if (own && rc == 0) rc = mnas_store_commit(store);
    if (own && rc < 0) mnas_store_rollback(store);
    return rc;
}

/* ---- finishing ---- */

static int update_row(mnas_store *store, const mnas_trial *trial, bool *counted) {
    mnas_str sql = {0};
    sqlite3_stmt *stmt = NULL;
    mnas_str_append(&sql, "UPDATE trial SET (");
    mnas_row_names(&sql, &mnas_row_trial);
    mnas_str_append(&sql, ") = (");
    mnas_row_places(&sql, &mnas_row_trial);
    mnas_str_appendf(&sql, ") WHERE number = ?1 AND state = 'running' AND attempt = ?%d",
                     mnas_row_place(&mnas_row_trial, "attempt"));
    int rc = mnas_str_ok(&sql) ? mnas_db_prepare(&store->db, &stmt, sql.data)
                               : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: trial %d", trial->number);
    mnas_str_free(&sql);
    if (rc < 0) return rc;
    rc = mnas_db_finish(&store->db, stmt, mnas_row_bind(stmt, &mnas_row_trial, trial));
    *counted = rc == 0 && sqlite3_changes(store->db.handle) == 1;
    return rc;
}

/* Accuracies at the ends of epochs and at rungs. These count from 0, those from 1. */
typedef struct numbers {
    const char *table, *insert, *select;
    size_t values, count; /* where they stand in mnas_trial */
    int first, since;     /* number; schema */
} numbers;

#define LIST(table, field, number, schema)                                                                   \
    {                                                                                                        \
#table, "INSERT OR REPLACE INTO " #table " VALUES (?1, ?2, ?3)",                                     \
            "SELECT trial, accuracy_frac FROM " #table " ORDER BY trial, " #table,                           \
            offsetof(mnas_trial, field), offsetof(mnas_trial, n_##table##s), number, schema                  \
    }
static const numbers lists[] = {LIST(epoch, epoch_accuracy_frac, 1, MNAS_STORE_OLDEST),
                                LIST(rung, rung_accuracy_frac, 0, 5)};
enum { N_LISTS = sizeof lists / sizeof lists[0] };

static double **values_of(const numbers *l, const mnas_trial *trial) {
    return (double **)((char *)trial + l->values);
}

static int *count_of(const numbers *l, const mnas_trial *trial) {
    return (int *)((char *)trial + l->count);
}

static int insert_list(mnas_store *store, const numbers *l, const mnas_trial *trial) {
    int rc = 0;
    for (int i = 0; i < *count_of(l, trial) && rc == 0; i++) {
        sqlite3_stmt *stmt;
        rc = mnas_db_prepare(&store->db, &stmt, l->insert);
        if (rc < 0) return rc;
        sqlite3_bind_int(stmt, 1, trial->number);
        sqlite3_bind_int(stmt, 2, i + l->first);
        mnas_db_bind_real(stmt, 3, (*values_of(l, trial))[i]);
        rc = mnas_db_finish(&store->db, stmt, 0);
    }
    return rc;
}

static int insert_lists(mnas_store *store, const mnas_trial *trial) {
    int rc = 0;
    for (int i = 0; i < N_LISTS && rc == 0; i++) rc = insert_list(store, &lists[i], trial);
    return rc;
}

static int insert_late(mnas_store *store, const mnas_trial *trial) {
    sqlite3_stmt *stmt;
    int rc = mnas_db_prepare(&store->db, &stmt,
                             "INSERT INTO late_result (unix_ms, trial, attempt, state, reason, accuracy_frac,"
                             " latency_median_ms, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
    if (rc < 0) return rc;
    sqlite3_bind_int64(stmt, 1, mnas_clock_unix_ms());
    sqlite3_bind_int(stmt, 2, trial->number);
    sqlite3_bind_int(stmt, 3, trial->attempt);
    mnas_db_bind_text(stmt, 4, mnas_trial_state_name(trial->state));
    mnas_db_bind_text(stmt, 5, trial->reason);
    mnas_db_bind_real(stmt, 6, trial->accuracy_frac);
    mnas_db_bind_real(stmt, 7, trial->latency.median_ms);
    mnas_db_bind_text(stmt, 8, trial->error);
    return mnas_db_finish(&store->db, stmt, 0);
}

int mnas_store_finish(mnas_store *store, const mnas_trial *trial, bool *counted) {
    const bool own = !store->begun;
    int rc = own ? mnas_store_begin(store) : 0;
    if (rc == 0) rc = update_row(store, trial, counted);
    if (rc == 0) rc = *counted ? insert_lists(store, trial) : insert_late(store, trial);
    if (rc == 0 && *counted)
        rc = mnas_store_put_others(store, &mnas_row_trial_latency, trial->number, trial->others,
                                   trial->n_others);
    if (own && rc == 0) rc = mnas_store_commit(store);
    if (own && rc < 0) mnas_store_rollback(store);
    return rc;
}

int mnas_store_set_reward(mnas_store *store, int number, double reward) {
    sqlite3_stmt *stmt;
    int rc = mnas_db_prepare(&store->db, &stmt, "UPDATE trial SET reward = ?2 WHERE number = ?1");
    if (rc < 0) return rc;
    sqlite3_bind_int(stmt, 1, number);
    mnas_db_bind_real(stmt, 2, reward);
    return mnas_db_finish(&store->db, stmt, 0);
}

/* ---- reading ---- */

static int read_rows(mnas_store *store, mnas_trial **out, size_t *n) {
    sqlite3_stmt *stmt;
    bool row;
    int rc = mnas_row_select(&store->db, &stmt, &mnas_row_trial, store->schema);
    if (rc < 0) return rc;
    while ((rc = mnas_db_step(&store->db, stmt, &row)) == 0 && row) {
        void *items = *out;
        if ((rc = mnas_store_grow(&items, *n, sizeof **out)) < 0) break;
        *out = items;
        (*out)[*n] = mnas_trial_empty();
        if ((rc = mnas_row_read(stmt, &mnas_row_trial, &(*out)[(*n)++])) < 0) break;
    }
    sqlite3_finalize(stmt);
    return rc;
}

static int append(const numbers *l, mnas_trial *trial, double accuracy_frac) {
    void *items = *values_of(l, trial);
    int *n = count_of(l, trial);
    const int rc = mnas_store_grow(&items, (size_t)*n, sizeof accuracy_frac);
    if (rc < 0) return rc;
    *values_of(l, trial) = items;
    (*values_of(l, trial))[(*n)++] = accuracy_frac;
    return 0;
}

/* All tables come in the order of trials: one pass. */
static int read_list(mnas_store *store, const numbers *l, mnas_trial *trials, size_t n) {
    sqlite3_stmt *stmt;
    bool row;
    size_t i = 0;
    if (store->schema < l->since) return 0;
    int rc = mnas_db_prepare(&store->db, &stmt, l->select);
    if (rc < 0) return rc;
    while ((rc = mnas_db_step(&store->db, stmt, &row)) == 0 && row) {
        const int number = sqlite3_column_int(stmt, 0);
        while (i < n && trials[i].number < number) i++;
        if (i < n && trials[i].number == number) rc = append(l, &trials[i], mnas_db_real(stmt, 1));
        if (rc < 0) break;
    }
    sqlite3_finalize(stmt);
    return rc;
}

typedef struct trials {
    mnas_trial *list;
    size_t n, at;
} trials;

static int take_other(void *user, const mnas_row_latency *row) {
    trials *t = user;
    while (t->at < t->n && t->list[t->at].number < row->number) t->at++;
    if (t->at == t->n || t->list[t->at].number != row->number) return 0;
    return mnas_store_append_other(&t->list[t->at].others, &t->list[t->at].n_others, row);
}

static int read_others(mnas_store *store, mnas_trial *list, size_t n) {
    trials all = {list, n, 0};
    return mnas_store_each_other(store, &mnas_row_trial_latency, take_other, &all);
}

int mnas_store_trials(mnas_store *store, mnas_trial **out, size_t *n) {
    *out = NULL;
    *n = 0;
    const bool own = !store->begun;
    int rc =
        own ? mnas_db_exec(&store->db, "BEGIN") : 0; /* one view of all tables while another process writes */
    if (rc == 0) rc = read_rows(store, out, n);
    for (int i = 0; i < N_LISTS && rc == 0; i++) rc = read_list(store, &lists[i], *out, *n);
    if (rc == 0) rc = read_others(store, *out, *n);
    if (own) sqlite3_exec(store->db.handle, "ROLLBACK", NULL, NULL, NULL);
    if (rc == 0) return 0;
    mnas_trials_free(*out, *n);
    *out = NULL;
    *n = 0;
    return rc;
}

int mnas_store_model_of(mnas_store *store, const char *table, int number, char **yaml) {
    sqlite3_stmt *stmt;
    bool row;
    char sql[80];
    *yaml = NULL;
    snprintf(sql, sizeof sql, "SELECT model FROM %s WHERE number = ?1", table);
    int rc = mnas_db_prepare(&store->db, &stmt, sql);
    if (rc < 0) return rc;
    sqlite3_bind_int(stmt, 1, number);
    rc = mnas_db_step(&store->db, stmt, &row);
    if (rc == 0 && row) rc = mnas_db_text(stmt, 0, yaml);
    sqlite3_finalize(stmt);
    if (rc == 0 && !*yaml)
        rc = mnas_error_set(MNAS_ERR_MISSING, "%s: no %s %d", store->db.path, table, number);
    return rc;
}

int mnas_store_model(mnas_store *store, int number, char **yaml) {
    return mnas_store_model_of(store, "trial", number, yaml);
}

/* ---- layers ---- */

static int insert_layers(mnas_store *store, int trial, const mnas_layer_time *layers, int n) {
    sqlite3_stmt *stmt;
    int rc = mnas_db_prepare(&store->db, &stmt, "DELETE FROM layer WHERE trial = ?1");
    if (rc < 0) return rc;
    sqlite3_bind_int(stmt, 1, trial);
    rc = mnas_db_finish(&store->db, stmt, 0);
    for (int i = 0; i < n && rc == 0; i++) {
        rc = mnas_db_prepare(&store->db, &stmt, "INSERT INTO layer VALUES (?1, ?2, ?3, ?4)");
        if (rc < 0) return rc;
        sqlite3_bind_int(stmt, 1, trial);
        sqlite3_bind_int(stmt, 2, i);
        mnas_db_bind_text(stmt, 3, layers[i].name);
        mnas_db_bind_real(stmt, 4, layers[i].ms);
        rc = mnas_db_finish(&store->db, stmt, 0);
    }
    return rc;
}

int mnas_store_put_layers(mnas_store *store, int trial, const mnas_layer_time *layers, int n) {
    const bool own = !store->begun;
    int rc = own ? mnas_store_begin(store) : 0;
    if (rc == 0) rc = insert_layers(store, trial, layers, n);
    if (own && rc == 0) rc = mnas_store_commit(store);
    if (own && rc < 0) mnas_store_rollback(store);
    return rc;
}

int mnas_store_layers(mnas_store *store, int trial, mnas_layer_time **layers, int *n) {
    sqlite3_stmt *stmt;
    bool row;
    void *items = NULL;
    *layers = NULL;
    *n = 0;
    if (store->schema < 3) return 0;
    int rc =
        mnas_db_prepare(&store->db, &stmt, "SELECT name, ms FROM layer WHERE trial = ?1 ORDER BY position");
    if (rc < 0) return rc;
    sqlite3_bind_int(stmt, 1, trial);
    while ((rc = mnas_db_step(&store->db, stmt, &row)) == 0 && row) {
        if ((rc = mnas_store_grow(&items, (size_t)*n, sizeof **layers)) < 0) break;
        mnas_layer_time *t = (mnas_layer_time *)items + (*n)++;
        const char *name;
        if ((rc = mnas_db_text_view(stmt, 0, &name)) < 0) break;
        snprintf(t->name, sizeof t->name, "%s", name ? name : "");
        t->ms = mnas_db_real(stmt, 1);
    }
    sqlite3_finalize(stmt);
    if (rc < 0) {
        free(items);
        items = NULL;
        *n = 0;
    }
    *layers = items;
    return rc;
}
