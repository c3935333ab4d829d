/* plugins.h - lists of plug-ins, from the text mnas_plugins_help gives: a line for each, its options indented below. */
#ifndef MNAS_CLI_PLUGINS_H
#define MNAS_CLI_PLUGINS_H

#include <stdbool.h>

typedef struct mnas_cli_plugins {
    const char *kind, *key; /* "dataset"; its name in JSON, "datasets" */
    const char *title;      /* a line above, or NULL */
} mnas_cli_plugins;

/* Print the plug-ins of each kind, as text or as JSON {key: [{name, help}], ...}. n >= 1. */
int mnas_cli_print_plugins(const mnas_cli_plugins *lists, int n, bool json);

#endif
