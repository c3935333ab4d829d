/* cmd_report.c - `mnas report`: a study as one HTML page that opens offline, its trials as CSV and JSON beside it. */
#include "base/log.h"
#include "cli/cli.h"

typedef struct report_opts {
    mnas_cli_common common;
    char output[MNAS_OPT_STR];
} report_opts;

static const mnas_opt options[] = {{"output", MNAS_OPT_STRING, offsetof(report_opts, output), "report.html",
                                    0, 0, "FILE", "the page; also -o FILE", NULL},
                                   MNAS_CLI_HELP,
                                   MNAS_OPT_END};

/* The page and what is written beside it spare the study. */
static int check_outputs(const char *html, char csv[MNAS_OPT_STR], char json[MNAS_OPT_STR],
                         const char *study) {
    int rc = mnas_cli_check_output(html, study);
    if (rc == 0) rc = mnas_report_data_path(csv, MNAS_OPT_STR, html, ".csv");
    if (rc == 0) rc = mnas_report_data_path(json, MNAS_OPT_STR, html, ".json");
    if (rc == 0) rc = mnas_cli_check_output(csv, study);
    return rc < 0 ? rc : mnas_cli_check_output(json, study);
}

static int run(const void *opts, int n_words, char **words) {
    const report_opts *o = opts;
    char csv[MNAS_OPT_STR], json[MNAS_OPT_STR];
    (void)n_words;
    mnas_study *study;
    int rc = check_outputs(o->output, csv, json, words[0]);
    if (rc == 0) rc = mnas_study_open(&study, words[0]);
    if (rc < 0) return rc;
    rc = mnas_report_write(study, o->output);
    mnas_study_close(study);
    if (rc == 0) mnas_log_info("wrote %s, and its trials as %s and %s", o->output, csv, json);
    return rc;
}

const mnas_cli_command mnas_command_report = {
    .name = "report",
    .words = "STUDY",
    .min_words = 1,
    .max_words = 1,
    .summary = "a study as one HTML page that opens offline",
    .about =
        "Write the study as one self-contained HTML file that loads nothing: what its trials can show, the "
        "comparison with baselines where `mnas finalize` made one, the Pareto front, its networks layer by "
        "layer, what the strategy came to prefer, failures, and the exact command and conditions. Beside "
        "it, under the same name, stand the trials as .csv and .json.",
    .example = "mnas report demo.db -o report.html",
    .opts = options,
    .opts_bytes = sizeof(report_opts),
    .run = run};
