/* cmd_doctor.c - `mnas doctor`: what this machine, or a device, offers and lacks, and how to mend it. Fails when
 * something needed is missing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "base/json.h"

typedef struct doctor_opts {
    mnas_cli_common common;
    char device[MNAS_OPT_STR];
} doctor_opts;

static const mnas_opt options[] = {{"device", MNAS_OPT_STRING, offsetof(doctor_opts, device), "", 0, 0,
                                    "DEVICE", "examine this device's set-up instead of this machine", NULL},
                                   MNAS_CLI_JSON,
                                   MNAS_CLI_HELP,
                                   MNAS_OPT_END};

static int n_bad(const mnas_finding *findings, size_t n) {
    int bad = 0;
    for (size_t i = 0; i < n; i++) bad += strcmp(findings[i].level, "bad") == 0;
    return bad;
}

static int print_json(const mnas_finding *findings, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "level", findings[i].level, "topic",
                                              findings[i].topic, "text", findings[i].text, "fix",
                                              mnas_json_text(findings[i].fix)));
    }
    return mnas_json_print(json_pack("{s:b, s:o}", "ok", n_bad(findings, n) == 0, "findings", list));
}

static void print_text(const mnas_finding *findings, size_t n) {
    for (size_t i = 0; i < n; i++) {
        printf("%-4s  %-13s  %s\n", findings[i].level, findings[i].topic, findings[i].text);
        if (findings[i].fix[0]) printf("%-4s  %-13s    -> %s\n", "", "", findings[i].fix);
    }
}

static int run(const void *opts, int n_words, char **words) {
    (void)n_words, (void)words;
    const doctor_opts *o = opts;
    mnas_finding *findings;
    size_t n;
    int rc = o->device[0] ? mnas_doctor_device(&findings, &n, o->device) : mnas_doctor(&findings, &n);
    if (rc < 0) return rc;
    if (o->common.json)
        rc = print_json(findings, n);
    else
        print_text(findings, n);
    int bad = n_bad(findings, n);
    if (rc == 0 && bad > 0) rc = mnas_error_set(MNAS_ERR_MISSING, "%d of %zu checks failed", bad, n);
    free(findings);
    return rc;
}

static const char *const plugins[] = {"device", NULL};
const mnas_cli_command mnas_command_doctor = {
    .name = "doctor",
    .words = "",
    .summary = "what this machine, or a device, offers and lacks",
    .about =
        "Check cores, libraries and data, and name known traps of this machine. With --device: whether the "
        "device is reached and runs the program, and how steady its times are; what is wrong is said with "
        "the way to mend it. Exit code 1 when something that is needed is missing.",
    .example = "mnas doctor\nmnas doctor --device local",
    .opts = options,
    .opts_bytes = sizeof(doctor_opts),
    .plugins = plugins,
    .run = run};
