/* store_final.c - rows of stage two's networks. There is one writer, and a row may be written again until stage two is done
 * with it: what must never change (which network was chosen, what was tested) is the business of the one who writes. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "model/latency.h"
#include "store/row.h"
#include "store/store_internal.h"

mnas_final mnas_final_empty(void) {
    return (mnas_final){.trial = -1,
                        .lr = NAN,
                        .state = MNAS_TRIAL_RUNNING,
                        .val_accuracy_frac = NAN,
                        .val_balanced_frac = NAN,
                        .test_accuracy_frac = NAN,
                        .test_balanced_frac = NAN,
                        .latency = mnas_latency_unknown(),
                        .params = -1,
                        .macs = -1,
                        .train_s = NAN};
}

void mnas_final_clear(mnas_final *final) {
    free(final->error);
    free(final->val_correct);
    free(final->test_correct);
    free(final->pass_ms);
    free(final->weights);
    free(final->others);
    free(final->others_pass_ms);
    *final = mnas_final_empty();
}

void mnas_finals_free(mnas_final *finals, size_t n) {
    for (size_t i = 0; i < n; i++) mnas_final_clear(&finals[i]);
    free(finals);
}

static int put_row(mnas_store *store, const mnas_final *final, const char *model_yaml) {
    const int model = mnas_row_final.n_columns + 1;
    mnas_str sql = {0};
    sqlite3_stmt *stmt = NULL;
    mnas_str_append(&sql, "INSERT INTO final (");
    mnas_row_names(&sql, &mnas_row_final);
    mnas_str_append(&sql, ", model) VALUES (");
    mnas_row_places(&sql, &mnas_row_final);
    mnas_str_appendf(&sql, ", ?%d) ON CONFLICT (number) DO UPDATE SET (", model);
    mnas_row_names(&sql, &mnas_row_final);
    mnas_str_append(&sql, ") = (");
    mnas_row_places(&sql, &mnas_row_final);
    mnas_str_appendf(&sql, "), model = coalesce(?%d, model)", model);
    int rc = mnas_str_ok(&sql) ? mnas_db_prepare(&store->db, &stmt, sql.data)
                               : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: final %d", final->number);
    mnas_str_free(&sql);
    if (rc < 0) return rc;
    rc = mnas_row_bind(stmt, &mnas_row_final, final);
    mnas_db_bind_text(stmt, model, model_yaml);
    return mnas_db_finish(&store->db, stmt, rc);
}

int mnas_store_put_final(mnas_store *store, const mnas_final *final, const char *model_yaml) {
    const bool own = !store->begun;
    int rc = own ? mnas_store_begin(store) : 0;
    if (rc == 0) rc = put_row(store, final, model_yaml);
    if (rc == 0)
        rc = mnas_store_put_others(store, &mnas_row_final_latency, final->number, final->others,
                                   final->n_others);
    if (own && rc == 0) rc = mnas_store_commit(store);
    if (own && rc < 0) mnas_store_rollback(store);
    return rc;
}

typedef struct finals {
    mnas_final *list;
    size_t n, at;
} finals;

/* Both tables come in the order of finals. */
static int take_other(void *user, const mnas_row_latency *row) {
    finals *f = user;
    while (f->at < f->n && f->list[f->at].number < row->number) f->at++;
    if (f->at == f->n || f->list[f->at].number != row->number) return 0;
    return mnas_store_append_other(&f->list[f->at].others, &f->list[f->at].n_others, row);
}

int mnas_store_finals(mnas_store *store, mnas_final **out, size_t *n) {
    sqlite3_stmt *stmt;
    bool row;
    void *items = NULL;
    *out = NULL;
    *n = 0;
    if (store->schema < 3) return 0;
    int rc = mnas_row_select(&store->db, &stmt, &mnas_row_final, store->schema);
    if (rc < 0) return rc;
    while ((rc = mnas_db_step(&store->db, stmt, &row)) == 0 && row) {
        if ((rc = mnas_store_grow(&items, *n, sizeof **out)) < 0) break;
        mnas_final *final = (mnas_final *)items + (*n)++;
        *final = mnas_final_empty();
        if ((rc = mnas_row_read(stmt, &mnas_row_final, final)) < 0) break;
    }
    sqlite3_finalize(stmt);
    finals all = {items, *n, 0};
    if (rc == 0) rc = mnas_store_each_other(store, &mnas_row_final_latency, take_other, &all);
    if (rc == 0) {
        *out = items;
        return 0;
    }
    mnas_finals_free(items, *n);
    *n = 0;
    return rc;
}

int mnas_store_final_model(mnas_store *store, int number, char **yaml) {
    *yaml = NULL;
    if (store->schema < 3) return mnas_error_set(MNAS_ERR_MISSING, "%s: no stage two", store->db.path);
    return mnas_store_model_of(store, "final", number, yaml);
}
