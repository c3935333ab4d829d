/* told_print.h - trials of a study that was asked and told, as a table: only what somebody told of them. */
#ifndef MNAS_CLI_TOLD_PRINT_H
#define MNAS_CLI_TOLD_PRINT_H

#include "mnas.h"

/* The trials numbers[n]; NULL: all. */
int mnas_cli_print_told(const mnas_study *study, const int *numbers, int n);

#endif
