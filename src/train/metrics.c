/* metrics.c - see metrics.h. Invariant: both files hold the same entries, in the order of steps. */
#include "train/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "train/append_log.h"
#include "train/tfevents.h"

struct mnas_metrics {
    mnas_append_log lines, events; /* fd -1: not asked for */
    bool warned;
};

/* TensorBoard takes every file with "tfevents" in its name; one name for a training lets it find its own again. */
static const char events_name[] = "events.out.tfevents.mnas";

/* ---- opening ---- */

static int open_events(mnas_metrics *m, const char *folder, const mnas_metrics_point *from) {
    char path[1024];
    mnas_str first = {0};
    int rc = mnas_file_mkdirs(folder);
    if (rc == 0) rc = mnas_str_format(path, sizeof path, "%s/%s", folder, events_name);
    if (rc == 0) rc = mnas_append_log_open(&m->events, path, mnas_metrics_keep_events, from);
    if (rc < 0 || m->events.written > 0) return rc;
    mnas_tfevents_begin(&first, mnas_clock_unix_s());
    rc = mnas_str_ok(&first) ? mnas_append_log_add(&m->events, first.data, first.len) : MNAS_ERR_MEMORY;
    mnas_str_free(&first);
    return rc;
}

int mnas_metrics_open(mnas_metrics **out, const char *jsonl, const char *tensorboard,
                      const mnas_metrics_point *from) {
    mnas_metrics *m = calloc(1, sizeof *m);
    if (!m) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: metrics");
    m->lines.fd = m->events.fd = -1;
    int rc = jsonl ? mnas_append_log_open(&m->lines, jsonl, mnas_metrics_keep_lines, from) : 0;
    if (rc == 0 && tensorboard) rc = open_events(m, tensorboard, from);
    if (rc < 0) {
        mnas_metrics_close(m);
        return rc;
    }
    *out = m;
    return 0;
}

void mnas_metrics_close(mnas_metrics *metrics) {
    if (!metrics) return;
    mnas_append_log_close(&metrics->lines);
    mnas_append_log_close(&metrics->events);
    free(metrics);
}

/* ---- writing ---- */

static json_t *json_of(const mnas_metrics_entry *e) {
    json_t *line =
        json_pack("{s:i, s:I, s:i, s:o, s:o, s:o, s:o, s:o}", "schema", MNAS_JSON_SCHEMA, "step",
                  (json_int_t)e->step, "epoch", e->epoch, "loss", mnas_json_number(e->loss), "accuracy_frac",
                  mnas_json_number(e->accuracy_frac), "lr", mnas_json_number(e->lr), "images_per_s",
                  mnas_json_number(e->images_per_s), "elapsed_s", mnas_json_number(e->elapsed_s));
    if (!e->val || !line) return line;
    json_t *val = json_pack("{s:o, s:o, s:o, s:o}", "val_loss", mnas_json_number(e->val->loss),
                            "val_accuracy_frac", mnas_json_number(e->val->top1_frac), "val_balanced_frac",
                            mnas_json_number(e->val->balanced_frac), "val_top5_frac",
                            mnas_json_number(e->val->top5_frac));
    if (json_object_update(line, val) < 0) {
        json_decref(line);
        line = NULL;
    }
    json_decref(val);
    return line;
}

static int add_line(mnas_append_log *log, const mnas_metrics_entry *e) {
    if (log->fd < 0) return 0;
    json_t *object = json_of(e);
    char *text = object ? mnas_json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    const size_t n = text ? strlen(text) : 0;
    json_decref(object);
    if (!text) return mnas_error_set(MNAS_ERR_MEMORY, "%s: out of memory: a line", log->path);
    text[n] = '\n'; /* in place of the NUL */
    int rc = mnas_append_log_add(log, text, n + 1);
    free(text);
    return rc;
}

static int add_event(mnas_append_log *log, const mnas_metrics_entry *e) {
    if (log->fd < 0) return 0;
    mnas_str record = {0};
    const double now_s = mnas_clock_unix_s();
    if (e->val) {
        const mnas_tf_scalar scalars[] = {{"val/loss", e->val->loss},
                                          {"val/accuracy", e->val->top1_frac},
                                          {"val/balanced_accuracy", e->val->balanced_frac}};
        mnas_tfevents_add(&record, now_s, e->step, scalars, sizeof scalars / sizeof *scalars);
    } else {
        const mnas_tf_scalar scalars[] = {{"train/loss", e->loss},
                                          {"train/accuracy", e->accuracy_frac},
                                          {"train/lr", e->lr},
                                          {"train/images_per_s", e->images_per_s}};
        mnas_tfevents_add(&record, now_s, e->step, scalars, sizeof scalars / sizeof *scalars);
    }
    int rc = mnas_str_ok(&record) ? mnas_append_log_add(log, record.data, record.len) : MNAS_ERR_MEMORY;
    mnas_str_free(&record);
    return rc;
}

int mnas_metrics_add(mnas_metrics *metrics, const mnas_metrics_entry *entry) {
    mnas_metrics *m = metrics;
    int rc = add_line(&m->lines, entry);
    if (rc == MNAS_ERR_MEMORY) return rc;
    const int events_rc = add_event(&m->events, entry);
    if (events_rc < 0) rc = events_rc;
    if (rc == MNAS_ERR_MEMORY) return rc;
    if (rc < 0 && !m->warned)
        mnas_log_warn("%s; metrics are kept until they can be written", mnas_error_message());
    m->warned = rc < 0;
    return 0;
}

int mnas_metrics_sync(mnas_metrics *metrics) {
    if (!metrics) return 0;
    const int rc = mnas_append_log_sync(&metrics->lines), events_rc = mnas_append_log_sync(&metrics->events);
    return rc < 0 ? rc : events_rc;
}
