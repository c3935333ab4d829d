/* table.h - aligned text tables: cells are added row by row, widths are known when it is printed. Cells are ASCII. */
#ifndef MNAS_CLI_TABLE_H
#define MNAS_CLI_TABLE_H

#include <stdint.h>

#include "base/str.h"

#define MNAS_TABLE_COLUMNS 24

typedef struct mnas_table {
    int n_columns, n_cells;
    bool left[MNAS_TABLE_COLUMNS]; /* texts; numbers are aligned right */
    mnas_str cells;                /* each followed by a line feed */
} mnas_table;

/* Titles of the columns separated by '|'; a title starting with '<' makes its column aligned left. */
void mnas_table_start(mnas_table *table, const char *titles);
void mnas_table_cell(mnas_table *table, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Cells in human units (base/human.h). */
void mnas_table_count(mnas_table *table, int64_t n);
void mnas_table_bytes(mnas_table *table, int64_t bytes);
void mnas_table_ms(mnas_table *table, double ms);
void mnas_table_percent(mnas_table *table, double frac);
void mnas_table_decimals(mnas_table *table, double value, int decimals); /* "-" for NaN */
/* Print and free. MNAS_ERR_MEMORY when a cell was lost. */
int mnas_table_print(mnas_table *table);

#endif
