/* space_suggest.h - `mnas space suggest`: the part of cmd_space.c that looks at images. */
#ifndef MNAS_CLI_SPACE_SUGGEST_H
#define MNAS_CLI_SPACE_SUGGEST_H

#include <stdbool.h>

/* output: where the space's file goes, or "". */
int mnas_cli_space_suggest(const char *data, const char *output, bool json);

#endif
