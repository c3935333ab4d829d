/* finals_print.h - what stage two of a study has come to, for `mnas finalize` and `mnas search --top-k`. */
#ifndef MNAS_CLI_FINALS_PRINT_H
#define MNAS_CLI_FINALS_PRINT_H

#include "cli/cli.h"

/* Run stage two with progress on stderr, and print what it came to. Time that is up is a normal end. */
int mnas_cli_finalize(mnas_finalize_options *options, bool json);
/* Table and words, or JSON {finals: [...]}. */
int mnas_cli_print_finals(const mnas_study *study, bool json);

#endif
