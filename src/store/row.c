/* row.c - see row.h. It knows no table's meaning. Invariant: the order of a type's columns is the order of places. */
#include "store/row.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const char *const sql_types[] = {
    [MNAS_COL_INT] = "INTEGER", [MNAS_COL_BOOL] = "INTEGER", [MNAS_COL_INT64] = "INTEGER",
    [MNAS_COL_REAL] = "REAL",   [MNAS_COL_CHARS] = "TEXT",   [MNAS_COL_TEXT] = "TEXT",
    [MNAS_COL_NAMED] = "TEXT",  [MNAS_COL_TOKENS] = "TEXT",  [MNAS_COL_BLOB] = "BLOB",
};

static void append_key(mnas_str *sql, const mnas_row_type *type) {
    for (int i = 0; i < type->n_key; i++) mnas_str_appendf(sql, "%s%s", i ? ", " : "", type->columns[i].name);
}

void mnas_row_schema(mnas_str *sql, const mnas_row_type *type) {
    for (int i = 0; i < type->n_columns; i++) {
        const mnas_column *c = &type->columns[i];
        if (c->since > 0) continue;
        mnas_str_appendf(sql, "%s%s %s", i ? ", " : "", c->name, sql_types[c->kind]);
        if (type->n_key == 1 && i == 0) mnas_str_append(sql, " PRIMARY KEY");
    }
    if (type->n_key == 1) return;
    mnas_str_append(sql, ", PRIMARY KEY (");
    append_key(sql, type);
    mnas_str_append(sql, ")");
}

void mnas_row_upgrade(mnas_str *sql, const mnas_row_type *type, int schema) {
    for (int i = 0; i < type->n_columns; i++) {
        const mnas_column *c = &type->columns[i];
        if (c->since == schema)
            mnas_str_appendf(sql, "ALTER TABLE %s ADD COLUMN %s %s;", type->table, c->name,
                             sql_types[c->kind]);
    }
}

void mnas_row_names(mnas_str *sql, const mnas_row_type *type) {
    for (int i = 0; i < type->n_columns; i++)
        mnas_str_appendf(sql, "%s%s", i ? ", " : "", type->columns[i].name);
}

void mnas_row_places(mnas_str *sql, const mnas_row_type *type) {
    for (int i = 0; i < type->n_columns; i++) mnas_str_appendf(sql, "%s?%d", i ? ", " : "", i + 1);
}

int mnas_row_place(const mnas_row_type *type, const char *name) {
    int i = 0;
    while (i < type->n_columns && strcmp(type->columns[i].name, name) != 0) i++;
    assert(i < type->n_columns);
    return i + 1;
}

int mnas_row_select(const mnas_db *db, sqlite3_stmt **stmt, const mnas_row_type *type, int schema) {
    mnas_str sql = {0};
    *stmt = NULL;
    for (int i = 0; i < type->n_columns; i++)
        mnas_str_appendf(&sql, "%s%s", i ? ", " : "SELECT ",
                         type->columns[i].since <= schema ? type->columns[i].name : "NULL");
    mnas_str_appendf(&sql, " FROM %s ORDER BY ", type->table);
    append_key(&sql, type);
    const int rc = mnas_str_ok(&sql)
                       ? mnas_db_prepare(db, stmt, sql.data)
                       : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %ss of a study", type->table);
    mnas_str_free(&sql);
    return rc;
}

/* One field of one record, in either direction. */
typedef struct field {
    const mnas_row_type *type;
    const mnas_column *column;
    char *record, *at;
    int place; /* 1-based */
} field;

static field field_of(const mnas_row_type *type, const void *record, int i) {
    char *at = (char *)(uintptr_t)record;
    return (field){type, &type->columns[i], at, at + type->columns[i].offset, i + 1};
}

static int *count_of(const field *f) {
    return (int *)(void *)(f->record + f->column->count_offset);
}

static int out_of_memory(const field *f) {
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %s of %s %d", f->column->name, f->type->table,
                          *(const int *)(const void *)f->record);
}

/* ---- writing ---- */

static int bind_tokens(sqlite3_stmt *stmt, const field *f) {
    mnas_str text = {0};
    const int *tokens = *(int *const *)(void *)f->at;
    for (int i = 0; i < *count_of(f); i++) mnas_str_appendf(&text, "%s%d", i ? " " : "", tokens[i]);
    if (!mnas_str_ok(&text)) {
        mnas_str_free(&text);
        return out_of_memory(f);
    }
    if (text.data) /* SQLite's from here on */
        sqlite3_bind_text(stmt, f->place, text.data, (int)text.len, free);
    else
        mnas_db_bind_text(stmt, f->place, "");
    return 0;
}

static void bind_blob(sqlite3_stmt *stmt, const field *f) {
    const void *bytes = *(void *const *)(void *)f->at; /* NULL becomes NULL */
    mnas_db_bind_blob(stmt, f->place, bytes, (size_t)*count_of(f) * f->column->item_bytes);
}

static int bind_field(sqlite3_stmt *stmt, const field *f) {
    const void *at = f->at;
    switch (f->column->kind) {
    case MNAS_COL_INT:
        sqlite3_bind_int(stmt, f->place, *(const int *)at);
        return 0;
    case MNAS_COL_BOOL:
        sqlite3_bind_int(stmt, f->place, *(const bool *)at);
        return 0;
    case MNAS_COL_INT64:
        sqlite3_bind_int64(stmt, f->place, *(const int64_t *)at);
        return 0;
    case MNAS_COL_REAL:
        mnas_db_bind_real(stmt, f->place, *(const double *)at);
        return 0;
    case MNAS_COL_CHARS:
        mnas_db_bind_text(stmt, f->place, at);
        return 0;
    case MNAS_COL_TEXT:
        mnas_db_bind_text(stmt, f->place, *(char *const *)at);
        return 0;
    case MNAS_COL_NAMED:
        mnas_db_bind_text(stmt, f->place, f->column->names[*(const int *)at]);
        return 0;
    case MNAS_COL_TOKENS:
        return bind_tokens(stmt, f);
    case MNAS_COL_BLOB:
        bind_blob(stmt, f);
        return 0;
    }
    return 0;
}

int mnas_row_bind(sqlite3_stmt *stmt, const mnas_row_type *type, const void *record) {
    int rc = 0;
    for (int i = 0; i < type->n_columns && rc == 0; i++) {
        const field f = field_of(type, record, i);
        rc = bind_field(stmt, &f);
    }
    return rc;
}

/* ---- reading ---- */

static int damaged(const field *f, const char *text) {
    return mnas_error_set(MNAS_ERR_FORMAT, "%s %d has the %s \"%s\": the study is damaged", f->type->table,
                          *(const int *)(const void *)f->record, f->column->name, text ? text : "");
}

static int read_named(const field *f, const char *text) {
    for (int i = 0; text && f->column->names[i]; i++) {
        if (strcmp(text, f->column->names[i]) != 0) continue;
        *(int *)(void *)f->at = i;
        return 0;
    }
    return damaged(f, text);
}

static int read_tokens(const field *f, const char *text) {
    size_t n = 0;
    int *n_tokens = count_of(f);
    if (!text) return damaged(f, text);
    for (const char *c = text; *c; c++) n += *c == ' ';
    n += *text != '\0';
    int *tokens = calloc(n ? n : 1, sizeof *tokens);
    if (!tokens) return out_of_memory(f);
    *(int **)(void *)f->at = tokens;
    for (const char *c = text; *c;) {
        char *end;
        const long value = strtol(c, &end, 10);
        if (end == c || (*end != ' ' && *end != '\0') || value < 0 || value > INT32_MAX ||
            (size_t)*n_tokens == n)
            return damaged(f, text);
        tokens[(*n_tokens)++] = (int)value;
        c = *end ? end + 1 : end;
    }
    return 0;
}

static int read_blob(sqlite3_stmt *stmt, const field *f) {
    const int column = f->place - 1, count = *count_of(f);
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL) return 0;
    const void *bytes = sqlite3_column_blob(stmt, column);
    const size_t n = (size_t)sqlite3_column_bytes(stmt, column);
    if (count < 0 || n != (size_t)count * f->column->item_bytes) return damaged(f, "wrong length");
    void *copy = malloc(n + 1);
    if (!copy) return out_of_memory(f);
    if (n > 0) memcpy(copy, bytes, n);
    *(void **)(void *)f->at = copy;
    return 0;
}

static int read_field(sqlite3_stmt *stmt, const field *f) {
    const int column = f->place - 1;
    void *at = f->at;
    /* asking a number for its text would convert it in place */
    const bool is_text = strcmp(sql_types[f->column->kind], "TEXT") == 0;
    const char *text = NULL;
    if (f->column->since > 0 && sqlite3_column_type(stmt, column) == SQLITE_NULL) return 0;
    if (is_text && mnas_db_text_view(stmt, column, &text) < 0) return out_of_memory(f);
    switch (f->column->kind) {
    case MNAS_COL_INT:
        *(int *)at = sqlite3_column_int(stmt, column);
        return 0;
    case MNAS_COL_BOOL:
        *(bool *)at = sqlite3_column_int(stmt, column) != 0;
        return 0;
    case MNAS_COL_INT64:
        *(int64_t *)at = sqlite3_column_int64(stmt, column);
        return 0;
    case MNAS_COL_REAL:
        *(double *)at = mnas_db_real(stmt, column);
        return 0;
    case MNAS_COL_CHARS:
        snprintf(at, f->column->bytes, "%s", text ? text : "");
        return 0;
    case MNAS_COL_TEXT:
        return mnas_db_text(stmt, column, (char **)at);
    case MNAS_COL_NAMED:
        return read_named(f, text);
    case MNAS_COL_TOKENS:
        return read_tokens(f, text);
    case MNAS_COL_BLOB:
        return read_blob(stmt, f);
    }
    return 0;
}

int mnas_row_read(sqlite3_stmt *stmt, const mnas_row_type *type, void *record) {
    int rc = 0;
    for (int i = 0; i < type->n_columns && rc == 0; i++) {
        const field f = field_of(type, record, i);
        rc = read_field(stmt, &f);
    }
    return rc;
}
