/* export.c - a study's trials for other programs: JSON with everything, CSV with a row a trial.
 *
 * CSV is RFC 4180's but for its line feeds: a header, commas, quotes around fields that need them and doubled
 * inside, an empty field for what is missing. Columns keep their names and order; new ones come behind.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "mnas.h"
#include "search/pareto.h"

/* ---- JSON ---- */

/* Null where they were not taken. */
static json_t *layers_json(const mnas_study *study, int trial) {
    mnas_layer_time *layers = NULL;
    int n = 0;
    if (mnas_study_layers(study, trial, &layers, &n) < 0 || n == 0) return json_null();
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:o}", "name", layers[i].name, "ms", mnas_json_number(layers[i].ms)));
    free(layers);
    return list;
}

static json_t *trial_json(const mnas_study *study, const mnas_trial *t) {
    char seed[24];
    snprintf(seed, sizeof seed, "%" PRIu64, t->seed);
    bool measured = isfinite(t->latency.median_ms);
    return json_pack(
        "{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o, s:s, s:i, s:o, s:o, s:o, s:b}",
        "trial", t->number, "state", mnas_trial_state_name(t->state), "reason", mnas_json_text(t->reason),
        "arch", mnas_json_text(t->arch), "accuracy_frac", mnas_json_number(t->accuracy_frac), "latency_ms",
        mnas_json_number(t->latency.median_ms), "reward", mnas_json_number(t->reward), "params",
        mnas_json_integer(t->params), "macs", mnas_json_integer(t->macs), "train_bytes",
        mnas_json_integer(t->train_bytes), "key", mnas_json_text(t->key), "tokens",
        mnas_json_integers(t->tokens, t->n_tokens), "epoch_accuracy_frac",
        mnas_json_numbers(t->epoch_accuracy_frac, t->n_epochs), "n_images", mnas_json_integer(t->n_images),
        "entropy_nats", mnas_json_number(t->entropy_nats), "started_utc", mnas_json_time(t->started_unix_ms),
        "finished_utc", mnas_json_time(t->finished_unix_ms), "train_s", mnas_json_number(t->train_s),
        "measure_s", mnas_json_number(t->measure_s), "overhead_s", mnas_json_number(t->overhead_s), "seed",
        seed, "attempt", t->attempt, "latency", measured ? mnas_json_latency(&t->latency) : json_null(),
        "layers", layers_json(study, t->number), "error", mnas_json_text(t->error), "interrupted",
        mnas_study_interrupted(study, t));
}

/* ---- CSV ---- */

static void csv_text(mnas_str *row, const char *text) {
    if (row->len > 0) mnas_str_append(row, ",");
    if (!text) return;
    if (!strpbrk(text, ",\"\r\n")) {
        mnas_str_append(row, text);
        return;
    }
    mnas_str_append(row, "\"");
    for (const char *p = text; *p; p++) mnas_str_append_n(row, *p == '"' ? "\"\"" : p, *p == '"' ? 2 : 1);
    mnas_str_append(row, "\"");
}

static void csv_number(mnas_str *row, double value) {
    char text[32] = "";
    if (isfinite(value)) mnas_str_from_f64(value, text);
    csv_text(row, text);
}

static void csv_integer(mnas_str *row, int64_t value) {
    char text[24] = "";
    if (value != -1) snprintf(text, sizeof text, "%" PRId64, value);
    csv_text(row, text);
}

static void csv_time(mnas_str *row, int64_t unix_ms) {
    char text[32] = "";
    if (unix_ms > 0) mnas_clock_iso8601(unix_ms, text);
    csv_text(row, text);
}

static const char csv_header[] =
    "trial,state,reason,on_front,accuracy_frac,latency_ms,latency_low_ms,latency_high_ms,reward,params,macs,"
    "train_bytes,n_images,entropy_nats,train_s,measure_s,overhead_s,started_utc,finished_utc,attempt,seed,"
    "key,arch,error\n";

static void csv_row(mnas_str *row, const mnas_trial *t, bool on_front) {
    char seed[24];
    snprintf(seed, sizeof seed, "%" PRIu64, t->seed);
    mnas_str_appendf(row, "%d", t->number);
    csv_text(row, mnas_trial_state_name(t->state));
    csv_text(row, t->reason);
    csv_text(row, on_front ? "1" : "0");
    csv_number(row, t->accuracy_frac);
    csv_number(row, t->latency.median_ms);
    csv_number(row, t->latency.ci_low_ms);
    csv_number(row, t->latency.ci_high_ms);
    csv_number(row, t->reward);
    csv_integer(row, t->params);
    csv_integer(row, t->macs);
    csv_integer(row, t->train_bytes);
    csv_integer(row, t->n_images);
    csv_number(row, t->entropy_nats);
    csv_number(row, t->train_s);
    csv_number(row, t->measure_s);
    csv_number(row, t->overhead_s);
    csv_time(row, t->started_unix_ms);
    csv_time(row, t->finished_unix_ms);
    csv_integer(row, t->attempt);
    csv_text(row, seed);
    csv_text(row, t->key);
    csv_text(row, t->arch);
    csv_text(row, t->error);
    mnas_str_append(row, "\n");
}

/* ---- the whole ---- */

static int write_csv(const mnas_study *study, int trial, const int *front, int n_front, FILE *out) {
    bool written = fputs(csv_header, out) >= 0;
    for (int i = 0; i < mnas_study_n_trials(study) && written; i++) {
        const mnas_trial *t = mnas_study_trial(study, i);
        mnas_str row = {0};
        if (trial >= 0 && t->number != trial) continue;
        csv_row(&row, t, mnas_pareto_contains(front, n_front, t->number));
        const bool ok = mnas_str_ok(&row);
        written = ok && fputs(row.data, out) >= 0;
        mnas_str_free(&row);
        if (!ok) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: trial %d as CSV", t->number);
    }
    return written ? 0 : mnas_error_errno("writing CSV");
}

static int write_json(const mnas_study *study, int trial, const int *front, int n_front, FILE *out) {
    json_t *list = json_array();
    for (int i = 0; i < mnas_study_n_trials(study); i++) {
        const mnas_trial *t = mnas_study_trial(study, i);
        if (trial < 0 || t->number == trial) json_array_append_new(list, trial_json(study, t));
    }
    return mnas_json_write(
        out, json_pack("{s:o, s:o}", "front", mnas_json_integers(front, n_front), "trials", list));
}

int mnas_study_export(const mnas_study *study, int trial, mnas_export_format format, FILE *out) {
    int *front = NULL, n_front = 0;
    int rc = mnas_study_front(study, &front, &n_front);
    if (rc == 0) rc = (format == MNAS_EXPORT_CSV ? write_csv : write_json)(study, trial, front, n_front, out);
    free(front);
    return rc;
}
