/* profile_print.h - a latency with its conditions, and a network layer by layer, as text and as JSON. */
#ifndef MNAS_CLI_PROFILE_PRINT_H
#define MNAS_CLI_PROFILE_PRINT_H

#include "base/json.h"
#include "mnas.h"

void mnas_cli_print_latency(const char *name, const mnas_latency *latency);
/* The table, what bounds the layers, and the peaks they are set against. */
int mnas_cli_print_layers(const mnas_profile *profile);
json_t *mnas_cli_layers_json(const mnas_profile *profile);
json_t *mnas_cli_peaks_json(const mnas_peaks *peaks);

#endif
