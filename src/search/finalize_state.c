/* finalize_state.c - what the steps of stage two share: its rows and settings as they stand in the study, its files, its
 * clock, and what it tells its caller. It decides nothing. */
#include "search/finalize.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/str.h"
#include "model/model.h"

static const double live_interval_s = 0.2;

/* ---- settings and rows ---- */

const char *mnas_stage_setting(const mnas_stage *s, const char *name) {
    return mnas_settings_get(s->settings, s->n_settings, name);
}

double mnas_stage_real(const mnas_stage *s, const char *name, double missing) {
    double value;
    const char *text = mnas_stage_setting(s, name);
    return text && mnas_str_to_f64(text, &value) ? value : missing;
}

int mnas_stage_int(const mnas_stage *s, const char *name, int missing) {
    long long value;
    const char *text = mnas_stage_setting(s, name);
    return text && mnas_str_to_i64(text, &value) && value >= INT_MIN && value <= INT_MAX ? (int)value
                                                                                         : missing;
}

uint64_t mnas_stage_seed(const mnas_stage *s) {
    const char *text = mnas_stage_setting(s, "seed");
    return text ? strtoull(text, NULL, 10) : 1;
}

static int load_settings(mnas_stage *s) {
    mnas_settings_free(s->settings, s->n_settings);
    s->settings = NULL;
    s->n_settings = 0;
    return mnas_store_settings(s->store, &s->settings, &s->n_settings);
}

int mnas_stage_set(mnas_stage *s, const char *name, const char *fmt, ...) {
    char text[1200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const int rc = mnas_store_set(s->store, name, text);
    return rc < 0 ? rc : load_settings(s);
}

int mnas_stage_load(mnas_stage *s) {
    mnas_finals_free(s->finals, s->n_finals);
    s->finals = NULL;
    s->n_finals = 0;
    const int rc = mnas_store_finals(s->store, &s->finals, &s->n_finals);
    for (size_t i = 0; rc == 0 && i < s->n_finals; i++)
        if (s->finals[i].number != (int)i) /* numbers are places */
            return mnas_error_set(MNAS_ERR_FORMAT, "%s: final %d stands at place %zu: the study is damaged",
                                  s->options.study, s->finals[i].number, i);
    return rc < 0 ? rc : load_settings(s);
}

/* Below 2^63, as files like it. */
static uint64_t seed_of(const mnas_stage *s, int number) {
    mnas_rng rng = mnas_rng_stream(mnas_stage_seed(s), (uint64_t)number, "final");
    return mnas_rng_u64(&rng) >> 1;
}

/* Borrowed networks bring seeds of another study, whose stream may be this one's. */
static bool is_used(const mnas_stage *s, uint64_t seed) {
    for (size_t i = 0; i < s->n_finals; i++)
        if (s->finals[i].seed == seed) return true;
    return false;
}

static int fill_costs(mnas_final *final, const mnas_model *model) {
    mnas_cost cost;
    const int rc = mnas_cost_compute(&cost, model, 1);
    if (rc < 0) return mnas_error_context(rc, "%s", final->name);
    final->params = cost.params;
    final->macs = cost.macs;
    mnas_cost_free(&cost);
    return 0;
}

int mnas_stage_add(mnas_stage *s, mnas_final *final, const mnas_model *model) {
    char *yaml = NULL;
    mnas_final *grown = realloc(s->finals, (s->n_finals + 1) * sizeof *grown);
    if (!grown) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu networks", s->n_finals + 1);
    s->finals = grown;
    final->number = (int)s->n_finals;
    final->seed = seed_of(s, final->number);
    while (is_used(s, final->seed)) final->seed++;
    int rc = fill_costs(final, model);
    if (rc == 0) rc = mnas_model_print(model, &yaml);
    if (rc == 0) rc = mnas_store_put_final(s->store, final, yaml);
    free(yaml);
    if (rc == 0) s->finals[s->n_finals++] = *final;
    return rc;
}

int mnas_stage_put(mnas_stage *s, const mnas_final *final) {
    return mnas_store_put_final(s->store, final, NULL);
}

int mnas_stage_model(const mnas_stage *s, const mnas_final *final, mnas_model *out) {
    char *yaml;
    int rc = mnas_store_final_model(s->store, final->number, &yaml);
    if (rc < 0) return rc;
    rc = mnas_model_parse(out, yaml, strlen(yaml), final->name);
    free(yaml);
    return rc;
}

double mnas_stage_reward(const mnas_reward *reward, double accuracy_frac, const mnas_latency *first,
                         const mnas_latency *others, int n_others) {
    double ms[MNAS_MAX_DEVICES];
    mnas_reward_latencies(ms, reward->n_devices, first, others, n_others);
    return mnas_reward_value(reward, accuracy_frac, ms);
}

bool mnas_stage_is_ready(const mnas_final *final) {
    return final->state == MNAS_TRIAL_COMPLETE && final->repeat == 0;
}

/* ---- specs and files ---- */

/* Up to the next comma that stands in no quotes. */
static size_t item_length(const char *at) {
    size_t n = 0;
    for (bool quoted = false; at[n] && (quoted || at[n] != ','); n++)
        if (at[n] == '"') quoted = !quoted;
    return n;
}

int mnas_stage_spec(char *out, size_t n, const char *spec, const char *key, const char *value) {
    mnas_str text = {0};
    const size_t n_name = strcspn(spec, ":"), n_key = strlen(key);
    const char *at = spec + n_name;
    mnas_str_append_n(&text, spec, n_name);
    mnas_str_append(&text, ":");
    for (at += *at == ':'; *at;) {
        const size_t n_item = item_length(at);
        if (strncmp(at, key, n_key) != 0 || at[n_key] != '=')
            mnas_str_appendf(&text, "%.*s,", (int)n_item, at);
        at += n_item + (at[n_item] == ',');
    }
    mnas_str_appendf(&text, "%s=%s", key, value);
    const int rc = mnas_str_ok(&text) ? mnas_str_format(out, n, "%s", text.data)
                                      : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %s", spec);
    mnas_str_free(&text);
    return rc;
}

int mnas_stage_data(const mnas_stage *s, const mnas_final *final, char *out, size_t n) {
    char size[16];
    const char *spec = mnas_stage_setting(s, "data");
    if (final->input_size == s->data.height) return mnas_str_format(out, n, "%s", spec);
    snprintf(size, sizeof size, "%d", final->input_size);
    return mnas_stage_spec(out, n, spec, "size", size);
}

int mnas_stage_beside(const mnas_stage *s, const char *tail, char *out, size_t n) {
    const char *study = s->options.study;
    size_t n_stem = strlen(study);
    if (n_stem > 3 && strcmp(study + n_stem - 3, ".db") == 0) n_stem -= 3;
    return mnas_str_format(out, n, "%.*s%s", (int)n_stem, study, tail);
}

int mnas_stage_path(const mnas_stage *s, const mnas_final *final, const char *tail, char *out, size_t n) {
    char name[64], repeat[24] = "";
    snprintf(name, sizeof name, "%s", final->name);
    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("@._-", *c)) *c = '-';
    if (final->repeat > 0) snprintf(repeat, sizeof repeat, "-repeat-%d", final->repeat);
    return mnas_str_format(out, n, "%s/%s%s%s", s->output, name, repeat, tail);
}

/* ---- clock and progress ---- */

double mnas_stage_left_minutes(const mnas_stage *s) {
    return s->options.max_minutes - (mnas_clock_now_s() - s->begun_s) / 60;
}

static void count(const mnas_stage *s, int *n_done, int *n_planned) {
    *n_done = 0;
    *n_planned = (int)s->n_finals;
    for (size_t i = 0; i < s->n_finals; i++) *n_done += s->finals[i].state != MNAS_TRIAL_RUNNING;
}

int mnas_stage_check_time(const mnas_stage *s) {
    int n_done, n_planned;
    if (s->options.cancel && *s->options.cancel)
        return mnas_error_set(MNAS_ERR_CANCELLED, "interrupted; the same command continues");
    if (isnan(s->options.max_minutes) || mnas_stage_left_minutes(s) > 0) return 0;
    count(s, &n_done, &n_planned);
    return mnas_error_set(MNAS_ERR_TIMEOUT, "the %g minutes are over with %d of %d networks trained",
                          s->options.max_minutes, n_done, n_planned);
}

void mnas_stage_show(mnas_stage *s, const mnas_final *final, const char *phase, const char *name, double frac,
                     double eta_s) {
    const double now_s = mnas_clock_now_s();
    if (!s->options.progress || (!final && now_s - s->shown_s < live_interval_s)) return;
    mnas_finalize_progress p = {.final = final,
                                .phase = phase,
                                .name = name,
                                .phase_frac = frac,
                                .elapsed_s = now_s - s->begun_s,
                                .eta_s = eta_s};
    count(s, &p.n_done, &p.n_planned);
    s->shown_s = now_s;
    s->options.progress(s->options.user, &p);
}
