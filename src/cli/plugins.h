/* plugins.h - lists of plug-ins, from the text mnas_plugins_help gives: a line for each, its options indented below. */
#ifndef MNAS_CLI_PLUGINS_H
#define MNAS_CLI_PLUGINS_H

#include <stdbool.h>

/* Print the plug-ins of `kind` ("dataset"), as text or as JSON {key: [{name, help}]}. */
int mnas_cli_print_plugins(const char *kind, const char *key, bool json);

#endif
