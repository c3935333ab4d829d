/* row_types.c - the tables behind row.h: trials, and the networks of stage two. They run no statement. */
#include "store/row.h"

#include <stddef.h>

static const char *const state_names[] = {"running", "complete", "failed", "pruned", NULL};
static const char *const role_names[] = {"found", "random", "baseline", NULL};

const char *mnas_trial_state_name(mnas_trial_state state) {
    return state_names[state];
}

const char *mnas_final_role_name(mnas_final_role role) {
    return role_names[role];
}

/* clang-format off */ /* one column a line */
#define PLACE(type, field) .offset = offsetof(type, field), .bytes = sizeof(((type *)0)->field)
#define COLUMN(type, name_, kind_, field) {.name = name_, .kind = MNAS_COL_##kind_, PLACE(type, field)}
#define NAMED(type, field, names_) {.name = #field, .kind = MNAS_COL_NAMED, PLACE(type, field), .names = names_}
#define TOKENS(type, field, count) \
    {.name = #field, .kind = MNAS_COL_TOKENS, PLACE(type, field), .count_offset = offsetof(type, count)}
#define BLOB(type, field, count) \
    {.name = #field, .kind = MNAS_COL_BLOB, PLACE(type, field), .count_offset = offsetof(type, count), \
     .item_bytes = sizeof *((type *)0)->field}
#define LATENCY(type) \
    COLUMN(type, "latency_median_ms", REAL, latency.median_ms), \
    COLUMN(type, "latency_ci_low_ms", REAL, latency.ci_low_ms), \
    COLUMN(type, "latency_ci_high_ms", REAL, latency.ci_high_ms), \
    COLUMN(type, "latency_ci_level", REAL, latency.ci_level), \
    COLUMN(type, "latency_spread_frac", REAL, latency.spread_frac), \
    COLUMN(type, "latency_rounds", INT, latency.rounds), \
    COLUMN(type, "latency_runs", INT, latency.runs), \
    COLUMN(type, "latency_warmup_runs", INT, latency.warmup_runs), \
    COLUMN(type, "latency_threads", INT, latency.threads), \
    COLUMN(type, "latency_core", INT, latency.core), \
    COLUMN(type, "latency_n_disturbed", INT, latency.n_disturbed), \
    COLUMN(type, "latency_n_cpu_timed", INT, latency.n_cpu_timed), \
    COLUMN(type, "latency_load_before", REAL, latency.load_before), \
    COLUMN(type, "latency_freq_mhz", REAL, latency.freq_mhz), \
    COLUMN(type, "latency_temp_c", REAL, latency.temp_c), \
    COLUMN(type, "latency_governor", CHARS, latency.governor), \
    COLUMN(type, "latency_engine", CHARS, latency.engine), \
    COLUMN(type, "latency_device", CHARS, latency.device), \
    COLUMN(type, "latency_cpu", CHARS, latency.cpu), \
    COLUMN(type, "latency_time_utc", CHARS, latency.time_utc), \
    COLUMN(type, "latency_elapsed_s", REAL, latency.elapsed_s)


#define SINCE(schema, type, name_, kind_, field) \
    {.name = name_, .kind = MNAS_COL_##kind_, PLACE(type, field), .since = schema}
#define LATER(type, name_, kind_, field) SINCE(4, type, name_, kind_, field)
#define LATER_LATENCY(type) \
    LATER(type, "latency_raw_ms", REAL, latency.raw_ms), \
    LATER(type, "latency_sentinel_ms", REAL, latency.sentinel_ms), \
    LATER(type, "latency_drift_frac", REAL, latency.drift_frac), \
    LATER(type, "latency_n_refused", INT, latency.n_refused), \
    LATER(type, "latency_wide", BOOL, latency.wide), \
    LATER(type, "latency_emulated", BOOL, latency.emulated), \
    LATER(type, "latency_load_after", REAL, latency.load_after), \
    LATER(type, "latency_freq_before_mhz", REAL, latency.freq_before_mhz), \
    LATER(type, "latency_temp_before_c", REAL, latency.temp_before_c), \
    LATER(type, "latency_arch", CHARS, latency.arch)

static const mnas_column trial_columns[] = {
    COLUMN(mnas_trial, "number", INT, number),
    COLUMN(mnas_trial, "attempt", INT, attempt),
    NAMED(mnas_trial, state, state_names),
    COLUMN(mnas_trial, "reason", CHARS, reason),
    TOKENS(mnas_trial, tokens, n_tokens),
    COLUMN(mnas_trial, "arch", TEXT, arch),
    COLUMN(mnas_trial, "key", CHARS, key),
    COLUMN(mnas_trial, "seed", INT64, seed),
    COLUMN(mnas_trial, "accuracy_frac", REAL, accuracy_frac),
    COLUMN(mnas_trial, "reward", REAL, reward),
    COLUMN(mnas_trial, "entropy_nats", REAL, entropy_nats),
    COLUMN(mnas_trial, "params", INT64, params),
    COLUMN(mnas_trial, "macs", INT64, macs),
    COLUMN(mnas_trial, "train_bytes", INT64, train_bytes),
    COLUMN(mnas_trial, "n_images", INT64, n_images),
    COLUMN(mnas_trial, "started_unix_ms", INT64, started_unix_ms),
    COLUMN(mnas_trial, "finished_unix_ms", INT64, finished_unix_ms),
    COLUMN(mnas_trial, "train_s", REAL, train_s),
    COLUMN(mnas_trial, "measure_s", REAL, measure_s),
    COLUMN(mnas_trial, "overhead_s", REAL, overhead_s),
    COLUMN(mnas_trial, "error", TEXT, error),
    LATENCY(mnas_trial),
    LATER(mnas_trial, "predicted_ms", REAL, predicted_ms),
    LATER(mnas_trial, "predicted_error_frac", REAL, predicted_error_frac),
    LATER(mnas_trial, "n_refused", INT, n_refused),
    LATER_LATENCY(mnas_trial),
    SINCE(5, mnas_trial, "origin", CHARS, origin),
    SINCE(5, mnas_trial, "rung", INT, rung),
};

static const mnas_column final_columns[] = {
    COLUMN(mnas_final, "number", INT, number),
    NAMED(mnas_final, role, role_names),
    COLUMN(mnas_final, "family", CHARS, family),
    COLUMN(mnas_final, "name", CHARS, name),
    COLUMN(mnas_final, "trial", INT, trial),
    COLUMN(mnas_final, "repeat", INT, repeat),
    COLUMN(mnas_final, "input_size", INT, input_size),
    COLUMN(mnas_final, "lr", REAL, lr),
    COLUMN(mnas_final, "seed", INT64, seed),
    NAMED(mnas_final, state, state_names),
    COLUMN(mnas_final, "reason", CHARS, reason),
    COLUMN(mnas_final, "error", TEXT, error),
    COLUMN(mnas_final, "val_accuracy_frac", REAL, val_accuracy_frac),
    COLUMN(mnas_final, "val_balanced_frac", REAL, val_balanced_frac),
    COLUMN(mnas_final, "test_accuracy_frac", REAL, test_accuracy_frac),
    COLUMN(mnas_final, "test_balanced_frac", REAL, test_balanced_frac),
    COLUMN(mnas_final, "n_val", INT, n_val),
    COLUMN(mnas_final, "n_test", INT, n_test),
    COLUMN(mnas_final, "n_passes", INT, n_passes),
    COLUMN(mnas_final, "params", INT64, params),
    COLUMN(mnas_final, "macs", INT64, macs),
    COLUMN(mnas_final, "train_s", REAL, train_s),
    COLUMN(mnas_final, "weights", TEXT, weights),
    COLUMN(mnas_final, "chosen", BOOL, chosen),
    LATENCY(mnas_final),
    BLOB(mnas_final, val_correct, n_val),
    BLOB(mnas_final, test_correct, n_test),
    BLOB(mnas_final, pass_ms, n_passes),
    LATER(mnas_final, "n_others_pass_ms", INT, n_others_pass_ms),
    {.name = "others_pass_ms", .kind = MNAS_COL_BLOB, PLACE(mnas_final, others_pass_ms), .since = 4,
     .count_offset = offsetof(mnas_final, n_others_pass_ms), .item_bytes = sizeof(double)},
    LATER_LATENCY(mnas_final),
};

static const mnas_column latency_columns[] = {
    COLUMN(mnas_row_latency, "number", INT, number),
    COLUMN(mnas_row_latency, "device", INT, device),
    LATENCY(mnas_row_latency),
    LATER_LATENCY(mnas_row_latency),
};
/* clang-format on */

#define TYPE(table, columns, n_key)                                                                          \
    { table, columns, sizeof columns / sizeof *columns, n_key }
const mnas_row_type mnas_row_trial = TYPE("trial", trial_columns, 1);
const mnas_row_type mnas_row_final = TYPE("final", final_columns, 1);
const mnas_row_type mnas_row_trial_latency = TYPE("trial_latency", latency_columns, 2);
const mnas_row_type mnas_row_final_latency = TYPE("final_latency", latency_columns, 2);
