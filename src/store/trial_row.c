/* trial_row.c - the table behind trial_row.h. It runs no statement of its own. Invariant: the order of
 * `columns` is the order of places; `number` is the first. */
#include "store/trial_row.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/store.h"

static const char *const state_names[] = {"running", "complete", "failed", "pruned", NULL};

const char *mnas_trial_state_name(mnas_trial_state state) {
    return state_names[state];
}

typedef enum { COL_INT, COL_INT64, COL_REAL, COL_CHARS, COL_TEXT, COL_STATE, COL_TOKENS } column_kind;

typedef struct column {
    const char *name;
    column_kind kind;
    size_t offset, bytes;
} column;

#define COLUMN(name, kind, field)                                                                            \
    { name, COL_##kind, offsetof(mnas_trial, field), sizeof(((mnas_trial *)0)->field) }
static const column columns[] = {
    COLUMN("number", INT, number),
    COLUMN("attempt", INT, attempt),
    COLUMN("state", STATE, state),
    COLUMN("reason", CHARS, reason),
    COLUMN("tokens", TOKENS, tokens),
    COLUMN("arch", TEXT, arch),
    COLUMN("key", CHARS, key),
    COLUMN("seed", INT64, seed),
    COLUMN("accuracy_frac", REAL, accuracy_frac),
    COLUMN("reward", REAL, reward),
    COLUMN("entropy_nats", REAL, entropy_nats),
    COLUMN("params", INT64, params),
    COLUMN("macs", INT64, macs),
    COLUMN("train_bytes", INT64, train_bytes),
    COLUMN("n_images", INT64, n_images),
    COLUMN("started_unix_ms", INT64, started_unix_ms),
    COLUMN("finished_unix_ms", INT64, finished_unix_ms),
    COLUMN("train_s", REAL, train_s),
    COLUMN("measure_s", REAL, measure_s),
    COLUMN("overhead_s", REAL, overhead_s),
    COLUMN("error", TEXT, error),
    COLUMN("latency_median_ms", REAL, latency.median_ms),
    COLUMN("latency_ci_low_ms", REAL, latency.ci_low_ms),
    COLUMN("latency_ci_high_ms", REAL, latency.ci_high_ms),
    COLUMN("latency_ci_level", REAL, latency.ci_level),
    COLUMN("latency_spread_frac", REAL, latency.spread_frac),
    COLUMN("latency_rounds", INT, latency.rounds),
    COLUMN("latency_runs", INT, latency.runs),
    COLUMN("latency_warmup_runs", INT, latency.warmup_runs),
    COLUMN("latency_threads", INT, latency.threads),
    COLUMN("latency_core", INT, latency.core),
    COLUMN("latency_n_disturbed", INT, latency.n_disturbed),
    COLUMN("latency_n_cpu_timed", INT, latency.n_cpu_timed),
    COLUMN("latency_load_before", REAL, latency.load_before),
    COLUMN("latency_freq_mhz", REAL, latency.freq_mhz),
    COLUMN("latency_temp_c", REAL, latency.temp_c),
    COLUMN("latency_governor", CHARS, latency.governor),
    COLUMN("latency_engine", CHARS, latency.engine),
    COLUMN("latency_device", CHARS, latency.device),
    COLUMN("latency_cpu", CHARS, latency.cpu),
    COLUMN("latency_time_utc", CHARS, latency.time_utc),
    COLUMN("latency_elapsed_s", REAL, latency.elapsed_s),
};
enum { N_COLUMNS = sizeof columns / sizeof columns[0] };

static const char *const sql_types[] = {
    [COL_INT] = "INTEGER", [COL_INT64] = "INTEGER", [COL_REAL] = "REAL",   [COL_CHARS] = "TEXT",
    [COL_TEXT] = "TEXT",   [COL_STATE] = "TEXT",    [COL_TOKENS] = "TEXT",
};

int mnas_trial_row_count(void) {
    return N_COLUMNS;
}

void mnas_trial_row_schema(mnas_str *sql) {
    for (int i = 0; i < N_COLUMNS; i++) {
        mnas_str_appendf(sql, "%s%s %s", i ? ", " : "", columns[i].name, sql_types[columns[i].kind]);
        if (i == 0) mnas_str_append(sql, " PRIMARY KEY");
    }
}

void mnas_trial_row_names(mnas_str *sql) {
    for (int i = 0; i < N_COLUMNS; i++) mnas_str_appendf(sql, "%s%s", i ? ", " : "", columns[i].name);
}

void mnas_trial_row_places(mnas_str *sql) {
    for (int i = 0; i < N_COLUMNS; i++) mnas_str_appendf(sql, "%s?%d", i ? ", " : "", i + 1);
}

int mnas_trial_row_place(const char *name) {
    int i = 0;
    while (i < N_COLUMNS && strcmp(columns[i].name, name) != 0) i++;
    assert(i < N_COLUMNS);
    return i + 1;
}

/* ---- writing ---- */

static int bind_tokens(sqlite3_stmt *stmt, int place, const mnas_trial *trial) {
    mnas_str text = {0};
    for (int i = 0; i < trial->n_tokens; i++) mnas_str_appendf(&text, "%s%d", i ? " " : "", trial->tokens[i]);
    mnas_db_bind_text(stmt, place, text.data ? text.data : "");
    const bool ok = mnas_str_ok(&text);
    mnas_str_free(&text);
    return ok ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: tokens of trial %d", trial->number);
}

int mnas_trial_row_bind(sqlite3_stmt *stmt, const mnas_trial *trial) {
    int rc = 0;
    for (int i = 0; i < N_COLUMNS && rc == 0; i++) {
        const char *at = (const char *)trial + columns[i].offset;
        switch (columns[i].kind) {
        case COL_INT:
            sqlite3_bind_int(stmt, i + 1, *(const int *)at);
            break;
        case COL_INT64:
            sqlite3_bind_int64(stmt, i + 1, *(const int64_t *)at);
            break;
        case COL_REAL:
            mnas_db_bind_real(stmt, i + 1, *(const double *)at);
            break;
        case COL_CHARS:
            mnas_db_bind_text(stmt, i + 1, at);
            break;
        case COL_TEXT:
            mnas_db_bind_text(stmt, i + 1, *(char *const *)at);
            break;
        case COL_STATE:
            mnas_db_bind_text(stmt, i + 1, state_names[trial->state]);
            break;
        case COL_TOKENS:
            rc = bind_tokens(stmt, i + 1, trial);
            break;
        }
    }
    return rc;
}

/* ---- reading ---- */

static int damaged(const mnas_trial *trial, const char *what, const char *text) {
    return mnas_error_set(MNAS_ERR_FORMAT, "trial %d has %s \"%s\": the study is damaged", trial->number,
                          what, text ? text : "");
}

static int read_state(mnas_trial *trial, const char *text) {
    for (int i = 0; text && state_names[i]; i++) {
        if (strcmp(text, state_names[i]) != 0) continue;
        trial->state = (mnas_trial_state)i;
        return 0;
    }
    return damaged(trial, "the unknown state", text);
}

static int read_tokens(mnas_trial *trial, const char *text) {
    size_t n = 0;
    if (!text) return damaged(trial, "no tokens", text);
    for (const char *c = text; *c; c++) n += *c == ' ';
    n += *text != '\0';
    trial->tokens = calloc(n ? n : 1, sizeof *trial->tokens);
    if (!trial->tokens)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: tokens of trial %d", trial->number);
    for (const char *c = text; *c;) {
        char *end;
        const long value = strtol(c, &end, 10);
        if (end == c || (*end != ' ' && *end != '\0') || value < 0 || value > INT32_MAX ||
            (size_t)trial->n_tokens == n)
            return damaged(trial, "the tokens", text);
        trial->tokens[trial->n_tokens++] = (int)value;
        c = *end ? end + 1 : end;
    }
    return 0;
}

int mnas_trial_row_read(sqlite3_stmt *stmt, mnas_trial *trial) {
    int rc = 0;
    for (int i = 0; i < N_COLUMNS && rc == 0; i++) {
        char *at = (char *)trial + columns[i].offset;
        /* asking a number for its text would convert it in place */
        const bool is_text = strcmp(sql_types[columns[i].kind], "TEXT") == 0;
        const char *text = is_text ? (const char *)sqlite3_column_text(stmt, i) : NULL;
        switch (columns[i].kind) {
        case COL_INT:
            *(int *)at = sqlite3_column_int(stmt, i);
            break;
        case COL_INT64:
            *(int64_t *)at = sqlite3_column_int64(stmt, i);
            break;
        case COL_REAL:
            *(double *)at = mnas_db_real(stmt, i);
            break;
        case COL_CHARS:
            snprintf(at, columns[i].bytes, "%s", text ? text : "");
            break;
        case COL_TEXT:
            rc = mnas_db_text(stmt, i, (char **)at);
            break;
        case COL_STATE:
            rc = read_state(trial, text);
            break;
        case COL_TOKENS:
            rc = read_tokens(trial, text);
            break;
        }
    }
    return rc;
}
