/* report_source.c - a study read for the report, and the files that a report is: the page, and the trials beside it
 * as CSV and JSON.
 *
 * Each file is written whole or not at all; the page, which links the others, last. What a study of an older
 * version lacks, or what cannot be read any more (its space, a network's layers), is left out of the page.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "model/space.h"
#include "search/report.h"
#include "search/report_final.h"
#include "search/study.h"

/* What the source points to, for as long as the page is being made. */
typedef struct holdings {
    const mnas_trial **trials;
    int *front;
    mnas_report_entropy *entropy;
    mnas_report_network *networks;
    mnas_space *space;
    const mnas_decision **decisions;
    mnas_policy_point *policy;
    mnas_report_finals finals;
    const char *devices[MNAS_MAX_DEVICES];
    char csv[1024], json[1024]; /* paths */
} holdings;

static const char *study_setting(const void *study, const char *name) {
    return mnas_study_setting(study, name);
}

/* The policy each trial was proposed by; of studies without, the policy after each update. NULL when memory is out. */
static mnas_report_entropy *read_entropy(const mnas_study *study, mnas_report_source *s) {
    size_t n_updates;
    const mnas_snapshot *updates = mnas_study_updates(study, &n_updates);
    mnas_report_entropy *list = malloc((n_updates + (size_t)s->n_trials + 1) * sizeof *list);
    if (!list) return NULL;
    s->entropy_max = n_updates > 0 ? updates[n_updates - 1].entropy_max : (double)NAN;
    for (int i = 0; i < s->n_trials; i++) {
        if (!isfinite(s->trials[i]->entropy_nats)) continue;
        list[s->n_entropy++] = (mnas_report_entropy){s->trials[i]->number, s->trials[i]->entropy_nats};
    }
    for (size_t i = 0; s->n_entropy == 0 && i < n_updates; i++) {
        if (!isfinite(updates[i].entropy)) continue;
        list[s->n_entropy++] = (mnas_report_entropy){updates[i].n_trials, updates[i].entropy};
    }
    return list;
}

/* ---- networks of the front ---- */

static int read_network(mnas_report_network *out, const mnas_study *study, int trial) {
    int rc = mnas_study_model(study, trial, &out->model);
    if (rc == 0) rc = mnas_cost_compute(&out->cost, &out->model, 1);
    if (rc == 0) rc = mnas_study_layers(study, trial, &out->times, &out->n_times);
    return rc;
}

static int read_networks(holdings *h, mnas_report_source *s, const mnas_study *study) {
    h->networks = calloc((size_t)s->n_front + 1, sizeof *h->networks);
    if (!h->networks) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: networks of a report");
    if (mnas_study_setting(study, "decisions_text")) return 0;
    for (int i = 0; i < s->n_front; i++) {
        const int rc = read_network(&h->networks[i], study, s->front[i]);
        if (rc == MNAS_ERR_MEMORY) return rc;
        if (rc == 0) continue;
        mnas_log_warn("the report draws no networks: trial %d: %s", s->front[i], mnas_error_message());
        return 0;
    }
    s->networks = h->networks;
    return 0;
}

static void free_networks(holdings *h, int n) {
    for (int i = 0; h->networks && i < n; i++) {
        mnas_cost_free(&h->networks[i].cost);
        free(h->networks[i].times);
    }
    free(h->networks);
}

/* ---- the policy ---- */

/* NULL where the study does not hold its space, or one that this version does not read. */
static mnas_space *read_space(const mnas_study *study) {
    const char *text = mnas_study_setting(study, "space_text");
    mnas_space *space = NULL;
    if (!text || mnas_space_parse(&space, "the study's space", text, strlen(text)) == 0) return space;
    mnas_log_warn("the report has no policy over time: %s", mnas_error_message());
    return NULL;
}

/* Of several points with as many proposals the last one counts. */
static void take_points(holdings *h, mnas_report_source *s, const mnas_study *study) {
    for (int i = 0; i < mnas_study_n_policy_points(study); i++) {
        const mnas_policy_point p = mnas_study_policy_point(study, i);
        if (!p.probabilities) continue;
        if (s->n_policy > 0 && h->policy[s->n_policy - 1].n_proposals == p.n_proposals) s->n_policy--;
        h->policy[s->n_policy++] = p;
    }
    s->policy = h->policy;
}

static int read_policy(holdings *h, mnas_report_source *s, const mnas_study *study) {
    if (!(h->space = read_space(study))) return 0;
    const int n = mnas_space_n_decisions(h->space);
    h->decisions = calloc((size_t)n + 1, sizeof *h->decisions);
    h->policy = calloc((size_t)mnas_study_n_policy_points(study) + 1, sizeof *h->policy);
    if (!h->decisions || !h->policy)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: policy of a report");
    for (int i = 0; i < n; i++) h->decisions[i] = mnas_space_decision(h->space, i);
    s->decisions = h->decisions;
    s->n_decisions = n;
    take_points(h, s, study);
    return 0;
}

/* ---- the whole ---- */

static int read_all(holdings *h, mnas_report_source *s, const mnas_study *study) {
    h->trials = malloc(((size_t)s->n_trials + 1) * sizeof *h->trials);
    if (!h->trials)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a report of %d trials", s->n_trials);
    for (int i = 0; i < s->n_trials; i++) {
        h->trials[i] = mnas_study_trial(study, i);
        s->is_interrupted = s->is_interrupted || mnas_study_interrupted(study, h->trials[i]);
    }
    s->trials = h->trials;
    s->n_devices = mnas_study_n_devices(study);
    for (int d = 0; d < s->n_devices; d++) h->devices[d] = mnas_study_device(study, d);
    s->devices = h->devices;
    int rc = mnas_study_front(study, &h->front, &s->n_front);
    if (rc < 0) return rc;
    s->front = h->front;
    if (!(s->entropy = h->entropy = read_entropy(study, s)))
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: entropy of a report");
    if ((rc = read_networks(h, s, study)) == 0) rc = read_policy(h, s, study);
    if (rc == 0) rc = mnas_report_finals_read(&h->finals, s, study);
    return rc;
}

static void free_all(holdings *h, const mnas_report_source *s) {
    free_networks(h, s->n_front);
    mnas_report_finals_free(&h->finals);
    mnas_space_close(h->space);
    free(h->policy);
    free(h->decisions);
    free(h->entropy);
    free(h->front);
    free(h->trials);
}

/* ---- files ---- */

int mnas_report_data_path(char *path, size_t n, const char *html_path, const char *extension) {
    static const char *const endings[] = {".html", ".htm", ".xhtml"};
    size_t length = strlen(html_path);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t e = strlen(endings[i]);
        if (length > e && strcmp(html_path + length - e, endings[i]) == 0) {
            length -= e;
            break;
        }
    }
    return mnas_str_format(path, n, "%.*s%s", (int)length, html_path, extension);
}

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int write_export(const mnas_study *study, mnas_export_format format, const char *path) {
    char *text = NULL;
    size_t n = 0;
    FILE *memory = open_memstream(&text, &n);
    if (!memory) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %s", path);
    int rc = mnas_study_export(study, -1, format, memory);
    if (fclose(memory) != 0 && rc == 0) rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %s", path);
    if (rc == 0) rc = mnas_file_write_atomic(path, text, n);
    free(text);
    return rc;
}

static int write_data(holdings *h, mnas_report_source *s, const mnas_study *study, const char *html_path) {
    int rc = mnas_report_data_path(h->csv, sizeof h->csv, html_path, ".csv");
    if (rc == 0) rc = mnas_report_data_path(h->json, sizeof h->json, html_path, ".json");
    if (rc == 0) rc = write_export(study, MNAS_EXPORT_CSV, h->csv);
    if (rc == 0) rc = write_export(study, MNAS_EXPORT_JSON, h->json);
    s->csv_name = file_name(h->csv);
    s->json_name = file_name(h->json);
    return rc;
}

int mnas_report_write(const mnas_study *study, const char *html_path) {
    mnas_report_source s = {.n_trials = mnas_study_n_trials(study),
                            .setting = study_setting,
                            .context = study,
                            .now_unix_ms = mnas_clock_unix_ms()};
    holdings h = {0};
    mnas_str html = {0};
    int rc = read_all(&h, &s, study);
    if (rc == 0) rc = write_data(&h, &s, study, html_path);
    if (rc == 0) rc = mnas_report_render(&s, &html);
    if (rc == 0) rc = mnas_file_write_atomic(html_path, html.data, html.len);
    mnas_str_free(&html);
    free_all(&h, &s);
    return rc;
}
