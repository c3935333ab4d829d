/* cmd_devices.c - `mnas devices`: where latency can be measured, and by which engine. */
#include "cli/cli.h"
#include "cli/plugins.h"

static const mnas_opt options[] = {MNAS_CLI_JSON, MNAS_CLI_HELP, MNAS_OPT_END};

static int run(const void *opts, int n_words, char **words) {
    (void)n_words, (void)words;
    static const mnas_cli_plugins lists[] = {
        {"device", "devices", NULL},
        {"engine", "engines", "Engines, which run the network on local, ssh and adb (engine=NAME):"}};
    return mnas_cli_print_plugins(lists, 2, ((const mnas_cli_common *)opts)->json);
}

const mnas_cli_command mnas_command_devices = {
    .name = "devices",
    .words = "",
    .summary = "devices that latency can be measured on, and their options",
    .about = "List the devices and the engines with their options. A device is written "
             "name:key=value,key=value, for example "
             "local:core=1 or table:file=latencies.jsonl.",
    .example = "mnas devices",
    .opts = options,
    .opts_bytes = sizeof(mnas_cli_common),
    .run = run};
