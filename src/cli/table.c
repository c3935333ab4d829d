/* table.c - see table.h. It measures bytes, so cells must be ASCII. */
#include "cli/table.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/human.h"

static void put(mnas_table *table, const char *text) {
    mnas_str_append(&table->cells, text);
    mnas_str_append(&table->cells, "\n");
    table->n_cells++;
}

void mnas_table_start(mnas_table *table, const char *titles) {
    *table = (mnas_table){0};
    for (const char *p = titles;; p++) {
        size_t n = strcspn(p, "|");
        char title[64];
        assert(table->n_columns < MNAS_TABLE_COLUMNS && n < sizeof title);
        bool left = *p == '<';
        snprintf(title, sizeof title, "%.*s", (int)n - left, p + left);
        table->left[table->n_columns++] = left;
        put(table, title);
        p += n;
        if (!*p) return;
    }
}

void mnas_table_cell(mnas_table *table, const char *fmt, ...) {
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (char *p = text; *p; p++) {
        if (*p == '\n') *p = ' ';
    }
    put(table, text);
}

void mnas_table_count(mnas_table *table, int64_t n) {
    char text[MNAS_HUMAN_BYTES];
    mnas_human_count(n, text);
    put(table, text);
}

void mnas_table_bytes(mnas_table *table, int64_t bytes) {
    char text[MNAS_HUMAN_BYTES];
    mnas_human_bytes(bytes, text);
    put(table, text);
}

void mnas_table_ms(mnas_table *table, double ms) {
    char text[MNAS_HUMAN_BYTES];
    mnas_human_ms(ms, text);
    put(table, text);
}

void mnas_table_percent(mnas_table *table, double frac) {
    char text[MNAS_HUMAN_BYTES];
    mnas_human_percent(frac, text);
    put(table, text);
}

void mnas_table_decimals(mnas_table *table, double value, int decimals) {
    if (isnan(value)) {
        put(table, "-");
    } else {
        mnas_table_cell(table, "%.*f", decimals, value);
    }
}

static void measure(const mnas_table *table, int *widths) {
    const char *p = table->cells.data;
    for (int i = 0; i < table->n_cells; i++) {
        const char *end = strchr(p, '\n');
        int *width = &widths[i % table->n_columns];
        if (end - p > *width) *width = (int)(end - p);
        p = end + 1;
    }
}

int mnas_table_print(mnas_table *table) {
    if (!mnas_str_ok(&table->cells)) {
        mnas_str_free(&table->cells);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a table of %d cells", table->n_cells);
    }
    assert(table->n_cells % table->n_columns == 0);
    int widths[MNAS_TABLE_COLUMNS] = {0};
    measure(table, widths);
    const char *p = table->cells.data;
    for (int i = 0; i < table->n_cells; i++) {
        int column = i % table->n_columns, n = (int)strcspn(p, "\n");
        bool last = column + 1 == table->n_columns;
        int pad = widths[column] - n;
        if (column > 0 && !(last && n == 0)) fputs("  ", stdout);
        if (!table->left[column]) printf("%*s", pad, "");
        printf("%.*s", n, p);
        if (last) {
            putchar('\n');
        } else if (table->left[column]) {
            printf("%*s", pad, "");
        }
        p += n + 1;
    }
    mnas_str_free(&table->cells);
    return 0;
}
