/* cmd_pareto.c - `mnas pareto`: the networks of a study that no other beats in both accuracy and latency. */
#include "cli/cli.h"
#include "cli/study_print.h"

static const mnas_opt options[] = {MNAS_CLI_JSON, MNAS_CLI_HELP, MNAS_OPT_END};

static int run(const void *opts, int n_words, char **words) {
    (void)n_words;
    mnas_study *study;
    int rc = mnas_study_open(&study, words[0]);
    if (rc < 0) return rc;
    rc = mnas_cli_print_front(study, ((const mnas_cli_common *)opts)->json);
    mnas_study_close(study);
    return rc;
}

const mnas_cli_command mnas_command_pareto = {
    .name = "pareto",
    .words = "STUDY",
    .min_words = 1,
    .max_words = 1,
    .summary = "the Pareto front of a study: accuracy against latency",
    .about = "Print the complete trials that no other beats in both accuracy and latency, fastest first, and "
             "their networks as block strings. A study may be read while its search runs.",
    .example = "mnas pareto demo.db",
    .opts = options,
    .opts_bytes = sizeof(mnas_cli_common),
    .run = run};
