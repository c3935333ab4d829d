/* forecast_print.h - what a search will take, in words and as JSON. */
#ifndef MNAS_CLI_FORECAST_PRINT_H
#define MNAS_CLI_FORECAST_PRINT_H

#include "mnas.h"

/* The forecast as lines (or JSON) to stdout. max_minutes NaN: no limit. */
int mnas_cli_print_forecast(const mnas_forecast *forecast, double max_minutes, bool json);
/* Those lines to stderr, as messages. */
void mnas_cli_log_forecast(const mnas_forecast *forecast, double max_minutes);

#endif
