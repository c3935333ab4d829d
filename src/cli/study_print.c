/* study_print.c - see study_print.h. */
#include "cli/study_print.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "cli/table.h"

const mnas_trial *mnas_cli_find_trial(const mnas_study *study, int number) {
    for (int i = 0; i < mnas_study_n_trials(study); i++) {
        const mnas_trial *trial = mnas_study_trial(study, i);
        if (trial->number == number) return trial;
    }
    return NULL;
}

const char *mnas_cli_trial_outcome(const mnas_trial *trial, char buf[64]) {
    snprintf(buf, 64, "%s%s%s", mnas_trial_state_name(trial->state), trial->reason[0] ? ": " : "",
             trial->reason);
    return buf;
}

static int front_json(const mnas_study *study, const int *front, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        const mnas_trial *t = mnas_cli_find_trial(study, front[i]);
        json_array_append_new(
            list, json_pack("{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "trial", t->number, "arch",
                            t->arch, "accuracy_frac", mnas_json_number(t->accuracy_frac), "latency_ms",
                            mnas_json_number(t->latency.median_ms), "reward", mnas_json_number(t->reward),
                            "params", mnas_json_integer(t->params), "macs", mnas_json_integer(t->macs),
                            "ci_low_ms", mnas_json_number(t->latency.ci_low_ms), "ci_high_ms",
                            mnas_json_number(t->latency.ci_high_ms)));
    }
    return mnas_json_print(json_pack("{s:o}", "front", list));
}

static int front_text(const mnas_study *study, const int *front, int n) {
    mnas_table table;
    mnas_table_start(&table, "trial|accuracy|latency|reward|parameters|multiply-adds");
    for (int i = 0; i < n; i++) {
        const mnas_trial *t = mnas_cli_find_trial(study, front[i]);
        mnas_table_cell(&table, "%d", t->number);
        mnas_table_percent(&table, t->accuracy_frac);
        mnas_table_ms(&table, t->latency.median_ms);
        mnas_table_decimals(&table, t->reward, 4);
        mnas_table_count(&table, t->params);
        mnas_table_count(&table, t->macs);
    }
    int rc = mnas_table_print(&table);
    if (rc < 0) return rc;
    putchar('\n'); /* block strings are too long for a column */
    for (int i = 0; i < n; i++) printf("%5d  %s\n", front[i], mnas_cli_find_trial(study, front[i])->arch);
    return 0;
}

int mnas_cli_print_front(const mnas_study *study, bool json) {
    int *front, n;
    int rc = mnas_study_front(study, &front, &n);
    if (rc < 0) return rc;
    if (json) {
        rc = front_json(study, front, n);
    } else if (n > 0) {
        rc = front_text(study, front, n);
    } else {
        puts("no complete trial yet");
    }
    free(front);
    return rc;
}
