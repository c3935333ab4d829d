/* tell_file.c - see tell_file.h. A row names its network in the column `arch`, or by a column for each decision; its outcome stands
 * in `accuracy` (or `accuracy_frac`, as mnas writes it), `latency_ms`, `value` and `failed`. Other columns are passed over, but for
 * `state`: of what mnas exports only rows that are `complete` have the accuracy of a whole training.
 */
#include "cli/tell_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "base/error.h"
#include "base/str.h"

static const size_t NOT_THERE = SIZE_MAX;
typedef enum { ARCH, ACCURACY, LATENCY, VALUE, FAILED, STATE, N_COLUMNS } column;
static const char *const names[N_COLUMNS][2] = {
    {"arch", "arch"},   {"accuracy", "accuracy_frac"}, {"latency_ms", "latency_ms"},
    {"value", "value"}, {"failed", "failed"},          {"state", "state"}};

typedef struct table {
    mnas_ask_session *session;
    mnas_csv csv;
    size_t at[N_COLUMNS]; /* the columns' places */
    size_t *decisions;    /* [mnas_ask_n_decisions], where there is no `arch` */
    int *tokens;
} table;

/* ---- columns ---- */

static size_t place_of(const mnas_csv *csv, const char *name) {
    for (size_t i = 0; i < csv->n_columns; i++)
        if (strcmp(mnas_csv_name(csv, i), name) == 0) return i;
    return NOT_THERE;
}

static int find_columns(table *t) {
    const mnas_csv *csv = &t->csv;
    int rc = 0;
    for (int c = 0; c < N_COLUMNS; c++) {
        t->at[c] = place_of(csv, names[c][0]);
        if (t->at[c] == NOT_THERE) t->at[c] = place_of(csv, names[c][1]);
    }
    for (int i = 0; i < mnas_ask_n_decisions(t->session) && t->at[ARCH] == NOT_THERE && rc == 0; i++)
        rc = mnas_csv_find(csv, "--from, without a column arch", mnas_ask_decision(t->session, i)->name,
                           &t->decisions[i]);
    if (rc == 0 && t->at[ACCURACY] == NOT_THERE && t->at[VALUE] == NOT_THERE && t->at[FAILED] == NOT_THERE)
        rc = mnas_error_set(MNAS_ERR_ARG, "%s: no outcomes; allowed: a column accuracy, value or failed",
                            csv->path);
    return rc;
}

/* ---- rows ---- */

static const char *cell(const table *t, size_t row, column c) {
    return t->at[c] == NOT_THERE ? "" : mnas_csv_cell(&t->csv, row, t->at[c]);
}

static int read_number(const table *t, size_t row, column c, double *out) {
    const char *text = cell(t, row, c);
    *out = NAN;
    if (!text[0] || mnas_str_to_f64(text, out)) return 0;
    return mnas_error_set(MNAS_ERR_ARG, "%s is '%.60s', no number", names[c][0], text);
}

static int read_told(const table *t, size_t row, mnas_told *told) {
    *told = (mnas_told){.failed = cell(t, row, FAILED)[0] ? cell(t, row, FAILED) : NULL};
    int rc = read_number(t, row, ACCURACY, &told->accuracy_frac);
    if (rc == 0) rc = read_number(t, row, LATENCY, &told->latency_ms);
    if (rc == 0) rc = read_number(t, row, VALUE, &told->value);
    return rc;
}

static bool is_left_out(const table *t, size_t row, const mnas_told *told) {
    const char *state = cell(t, row, STATE);
    if (state[0] && strcmp(state, "complete") != 0) return true;
    return !told->failed && isnan(told->accuracy_frac) && isnan(told->value);
}

static int find_tokens(table *t, size_t row) {
    mnas_str text = {0};
    if (t->at[ARCH] != NOT_THERE) return mnas_ask_find(t->session, cell(t, row, ARCH), t->tokens);
    for (int i = 0; i < mnas_ask_n_decisions(t->session); i++)
        mnas_str_appendf(&text, "%s=%s ", mnas_ask_decision(t->session, i)->name,
                         mnas_csv_cell(&t->csv, row, t->decisions[i]));
    const int rc = mnas_str_ok(&text) ? mnas_ask_find(t->session, text.data, t->tokens)
                                      : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a row");
    mnas_str_free(&text);
    return rc;
}

static int tell_row(table *t, size_t row, mnas_cli_told_file *out) {
    const int before = mnas_ask_n_trials(t->session);
    mnas_told told;
    int number, rc = read_told(t, row, &told);
    if (rc == 0 && is_left_out(t, row, &told)) {
        out->n_left_out++;
        return 0;
    }
    if (rc == 0) rc = find_tokens(t, row);
    if (rc == 0) rc = mnas_tell_unasked(t->session, t->tokens, &told, &number);
    const bool is_new = mnas_ask_n_trials(t->session) > before;
    if (rc == 0 && is_new) out->n_told++;
    if (rc == 0 && !is_new) out->n_known++;
    return rc;
}

static int tell_rows(table *t, mnas_cli_told_file *out) {
    int rc = find_columns(t);
    for (size_t row = 0; row < t->csv.n_rows && rc == 0; row++)
        if ((rc = tell_row(t, row, out)) < 0)
            rc = mnas_error_context(rc, "%s:%d", t->csv.path, mnas_csv_line(&t->csv, row));
    return rc;
}

int mnas_cli_tell_file(mnas_ask_session *session, const char *path, mnas_cli_told_file *out) {
    const size_t n = (size_t)mnas_ask_n_decisions(session);
    table t = {.session = session};
    *out = (mnas_cli_told_file){0};
    int rc = mnas_csv_read(&t.csv, path);
    if (rc < 0) return rc;
    t.decisions = calloc(n, sizeof *t.decisions);
    t.tokens = calloc(n, sizeof *t.tokens);
    rc = t.decisions && t.tokens ? tell_rows(&t, out)
                                 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %s", path);
    free(t.decisions);
    free(t.tokens);
    mnas_csv_free(&t.csv);
    return rc;
}
