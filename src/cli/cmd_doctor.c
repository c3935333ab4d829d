/* cmd_doctor.c - `mnas doctor`: what this machine offers and lacks. Fails when something needed is missing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "base/json.h"

static const mnas_opt options[] = {MNAS_CLI_JSON, MNAS_CLI_HELP, MNAS_OPT_END};

static int n_bad(const mnas_finding *findings, size_t n) {
    int bad = 0;
    for (size_t i = 0; i < n; i++) bad += strcmp(findings[i].level, "bad") == 0;
    return bad;
}

static int print_json(const mnas_finding *findings, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "level", findings[i].level, "topic",
                                              findings[i].topic, "text", findings[i].text));
    }
    return mnas_json_print(json_pack("{s:b, s:o}", "ok", n_bad(findings, n) == 0, "findings", list));
}

static int run(const void *opts, int n_words, char **words) {
    (void)n_words, (void)words;
    mnas_finding *findings;
    size_t n;
    int rc = mnas_doctor(&findings, &n);
    if (rc < 0) return rc;
    if (((const mnas_cli_common *)opts)->json) {
        rc = print_json(findings, n);
    } else {
        for (size_t i = 0; i < n; i++)
            printf("%-4s  %-12s  %s\n", findings[i].level, findings[i].topic, findings[i].text);
    }
    int bad = n_bad(findings, n);
    if (rc == 0 && bad > 0) rc = mnas_error_set(MNAS_ERR_MISSING, "%d of %zu checks failed", bad, n);
    free(findings);
    return rc;
}

const mnas_cli_command mnas_command_doctor = {
    .name = "doctor",
    .words = "",
    .summary = "what this machine offers and lacks",
    .about = "Check cores, libraries, data and devices, and name known traps of this machine. Exit code 1 "
             "when something that mnas needs is missing.",
    .example = "mnas doctor",
    .opts = options,
    .opts_bytes = sizeof(mnas_cli_common),
    .run = run};
