/* told_print.c - see told_print.h. Columns that no trial has anything for are left out. */
#include "cli/told_print.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/study_print.h"
#include "cli/table.h"

typedef struct columns {
    bool value, accuracy, latency, reward, cost, text;
} columns;

static columns find_columns(const mnas_study *study) {
    const bool networks = mnas_study_setting(study, "space") != NULL;
    const char *objective = mnas_study_setting(study, "objective");
    columns c = {.cost = networks, .text = !networks};
    c.value = objective && strcmp(objective, "accuracy") != 0;
    c.accuracy = !c.value;
    for (int i = 0; i < mnas_study_n_trials(study); i++) {
        const mnas_trial *t = mnas_study_trial(study, i);
        c.latency = c.latency || isfinite(t->latency.median_ms);
    }
    c.reward = c.accuracy && c.latency;
    return c;
}

static void print_row(mnas_table *table, const mnas_study *study, const mnas_trial *t, const columns *c) {
    char outcome[64];
    mnas_table_cell(table, "%d", t->number);
    mnas_table_cell(table, "%s",
                    t->state == MNAS_TRIAL_RUNNING ? "open" : mnas_cli_trial_outcome(t, outcome));
    const double value = mnas_study_value(study, t);
    if (c->value) mnas_table_cell(table, isfinite(value) ? "%.6g" : "-", value);
    if (c->accuracy) mnas_table_percent(table, t->accuracy_frac);
    if (c->latency) mnas_table_ms(table, t->latency.median_ms);
    if (c->reward) mnas_table_decimals(table, t->reward, 4);
    if (c->cost) mnas_table_count(table, t->params);
    if (c->cost) mnas_table_count(table, t->macs);
    if (c->text) mnas_table_cell(table, "%s", t->arch ? t->arch : "");
}

int mnas_cli_print_told(const mnas_study *study, const int *numbers, int n) {
    const columns c = find_columns(study);
    mnas_table table;
    char titles[160];
    snprintf(titles, sizeof titles, "trial|<state%s%s%s%s%s%s", c.value ? "|value" : "",
             c.accuracy ? "|accuracy" : "", c.latency ? "|latency" : "", c.reward ? "|reward" : "",
             c.cost ? "|parameters|multiply-adds" : "", c.text ? "|<decisions" : "");
    mnas_table_start(&table, titles);
    if (!numbers) n = mnas_study_n_trials(study);
    for (int i = 0; i < n; i++) {
        const mnas_trial *t = numbers ? mnas_cli_find_trial(study, numbers[i]) : mnas_study_trial(study, i);
        print_row(&table, study, t, &c);
    }
    return mnas_table_print(&table);
}
