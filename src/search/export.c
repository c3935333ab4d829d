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
#include "model/latency.h"
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

/* Of the devices after the first. */
static json_t *others_json(const mnas_trial *t) {
    json_t *list = json_array();
    for (int d = 0; d < t->n_others; d++) json_array_append_new(list, mnas_json_latency(&t->others[d]));
    return list;
}

/* Null where it was not kept. */
static json_t *origin_json(const mnas_trial *t) {
    return t->origin[0] ? mnas_json_text(t->origin) : json_null();
}

static json_t *trial_json(const mnas_study *study, const mnas_trial *t) {
    char seed[24];
    snprintf(seed, sizeof seed, "%" PRIu64, t->seed);
    bool measured = isfinite(t->latency.median_ms);
    return json_pack(
        "{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o, s:s, s:i, s:o, s:o, s:o, s:b, s:o, s:i, s:o, s:o, s:o, s:o}",
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
        mnas_study_interrupted(study, t), "other_latencies", others_json(t), "n_refused", t->n_refused,
        "predicted_ms", mnas_json_number(t->predicted_ms), "predicted_error_frac",
        mnas_json_number(t->predicted_error_frac), "origin", origin_json(t), "rung",
        mnas_json_integer(t->rung));
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
    "key,arch,error,n_refused,predicted_ms,predicted_error_frac,origin,rung";

/* Behind them, for each device after the first: latency_2_ms,latency_2_low_ms,latency_2_high_ms. */
static void csv_head(mnas_str *row, int n_devices) {
    mnas_str_append(row, csv_header);
    for (int d = 2; d <= n_devices; d++)
        mnas_str_appendf(row, ",latency_%d_ms,latency_%d_low_ms,latency_%d_high_ms", d, d, d);
    mnas_str_append(row, "\n");
}

static void csv_others(mnas_str *row, const mnas_trial *t, int n_devices) {
    const mnas_latency unknown = mnas_latency_unknown();
    for (int d = 1; d < n_devices; d++) {
        const mnas_latency *l = mnas_trial_latency_on(t, d);
        if (!l) l = &unknown;
        csv_number(row, l->median_ms);
        csv_number(row, l->ci_low_ms);
        csv_number(row, l->ci_high_ms);
    }
}

static void csv_row(mnas_str *row, const mnas_trial *t, bool on_front, int n_devices) {
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
    csv_integer(row, t->n_refused);
    csv_number(row, t->predicted_ms);
    csv_number(row, t->predicted_error_frac);
    csv_text(row, t->origin);
    csv_integer(row, t->rung);
    csv_others(row, t, n_devices);
    mnas_str_append(row, "\n");
}

/* ---- the whole ---- */

/* Takes the row over. */
static int write_row(mnas_str *row, FILE *out) {
    const bool ok = mnas_str_ok(row), written = ok && fputs(row->data, out) >= 0;
    mnas_str_free(row);
    if (!ok) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: trials as CSV");
    return written ? 0 : mnas_error_errno("writing CSV");
}

static int write_csv(const mnas_study *study, int trial, const int *front, int n_front, FILE *out) {
    const int n_devices = mnas_study_n_devices(study);
    mnas_str row = {0};
    csv_head(&row, n_devices);
    int rc = write_row(&row, out);
    for (int i = 0; i < mnas_study_n_trials(study) && rc == 0; i++) {
        const mnas_trial *t = mnas_study_trial(study, i);
        if (trial >= 0 && t->number != trial) continue;
        csv_row(&row, t, mnas_pareto_contains(front, n_front, t->number), n_devices);
        rc = write_row(&row, out);
    }
    return rc;
}

static json_t *devices_json(const mnas_study *study) {
    json_t *list = json_array();
    for (int d = 0; d < mnas_study_n_devices(study); d++)
        json_array_append_new(list, mnas_json_text(mnas_study_device(study, d)));
    return list;
}

static json_t *group_json(const mnas_shadow_group *g) {
    return json_pack("{s:i, s:i, s:i, s:o, s:o, s:o}", "n", g->n, "n_complete", g->n_complete, "n_failed",
                     g->n_failed, "median_reward", mnas_json_number(g->median), "best_reward",
                     mnas_json_number(g->best), "best_trial", mnas_json_integer(g->best_trial));
}

/* Null where the study has no uniform proposals to compare with. */
static json_t *shadow_json(const mnas_study *study) {
    mnas_shadow s;
    if (mnas_study_shadow(&s, study) < 0 || s.verdict == MNAS_SHADOW_NONE) return json_null();
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:s}", "verdict",
        mnas_shadow_verdict_name(s.verdict), "strategy", group_json(&s.strategy), "strategy_last_half",
        group_json(&s.late), "random", group_json(&s.random), "probability", mnas_json_number(s.share), "p",
        mnas_json_number(s.p), "probability_last_half", mnas_json_number(s.late_share), "p_last_half",
        mnas_json_number(s.late_p), "p_exact", s.exact, "least_probability", mnas_json_number(s.least_share),
        "mean_best_of_as_many", mnas_json_number(s.fair_best), "words", s.words);
}

static int write_json(const mnas_study *study, int trial, const int *front, int n_front, FILE *out) {
    json_t *list = json_array();
    for (int i = 0; i < mnas_study_n_trials(study); i++) {
        const mnas_trial *t = mnas_study_trial(study, i);
        if (trial < 0 || t->number == trial) json_array_append_new(list, trial_json(study, t));
    }
    return mnas_json_write(out, json_pack("{s:o, s:o, s:o, s:o}", "devices", devices_json(study), "shadow",
                                          shadow_json(study), "front", mnas_json_integers(front, n_front),
                                          "trials", list));
}

int mnas_study_export(const mnas_study *study, int trial, mnas_export_format format, FILE *out) {
    int *front = NULL, n_front = 0;
    int rc = mnas_study_front(study, &front, &n_front);
    if (rc == 0) rc = (format == MNAS_EXPORT_CSV ? write_csv : write_json)(study, trial, front, n_front, out);
    free(front);
    return rc;
}
