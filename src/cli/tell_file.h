/* tell_file.h - results that a user has in a table: `mnas tell STUDY --from FILE.csv`. */
#ifndef MNAS_CLI_TELL_FILE_H
#define MNAS_CLI_TELL_FILE_H

#include "mnas.h"

typedef struct mnas_cli_told_file {
    int n_told, n_known, n_left_out; /* rows: new; told before with the same outcome; without an outcome */
} mnas_cli_told_file;

/* Every row, in order; those before one that is wrong have been told, and the error names its line. */
int mnas_cli_tell_file(mnas_ask_session *session, const char *path, mnas_cli_told_file *out);

#endif
