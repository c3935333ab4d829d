/* proxy_record.c - trainings of a check on disk: a line of JSON each, so that a process that is killed goes on where it was.
 *
 * {"task": 16 hexadecimal digits, "key": ..., "images": 5000 or "epochs": 3, "seed": 0, "accuracy_frac": 0.81 or null, "train_s",
 * "macs", "params"}. It trains nothing and decides nothing.
 */
#include "search/proxy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/jsonl.h"

enum { MAX_BYTES = 64 << 20 };
static const int64_t most = INT64_C(1) << 53;

static int read_digits(char out[17], const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        return mnas_error_set(MNAS_ERR_FORMAT, "\"%s\" is not 16 hexadecimal digits", name);
    memcpy(out, text, 17);
    return 0;
}

static int read_integer(int64_t *out, const json_t *object, const char *name, int64_t low, int64_t high) {
    const json_t *value = json_object_get(object, name);
    *out = json_integer_value(value);
    if (json_is_integer(value) && *out >= low && *out <= high) return 0;
    return mnas_error_set(MNAS_ERR_FORMAT, "\"%s\" is no whole number from %lld to %lld", name,
                          (long long)low, (long long)high);
}

/* Null: diverged. */
static int read_accuracy(double *out, const json_t *object) {
    const json_t *value = json_object_get(object, "accuracy_frac");
    *out = json_is_null(value) ? -INFINITY : json_number_value(value);
    if (json_is_null(value) || (json_is_number(value) && *out >= 0 && *out <= 1)) return 0;
    return mnas_error_set(MNAS_ERR_FORMAT, "\"accuracy_frac\" is neither from 0 to 1 nor null");
}

/* Either. */
static int read_span(mnas_proxy_span *out, const json_t *object) {
    const json_t *epochs = json_object_get(object, "epochs");
    *out = (mnas_proxy_span){0};
    if (!epochs) return read_integer(&out->images, object, "images", 1, most);
    out->epochs = json_number_value(epochs);
    if (!json_object_get(object, "images") && out->epochs >= 0.001 && out->epochs <= 100000) return 0;
    return mnas_error_set(MNAS_ERR_FORMAT,
                          "\"epochs\" is no number from 0.001 to 100000, or beside \"images\"");
}

static int read_training(mnas_proxy_training *out, const json_t *object) {
    int64_t seed = 0;
    *out = (mnas_proxy_training){.train_s = json_number_value(json_object_get(object, "train_s"))};
    int rc = read_digits(out->key, object, "key");
    if (rc == 0) rc = read_span(&out->span, object);
    if (rc == 0) rc = read_integer(&seed, object, "seed", 0, MNAS_PROXY_MAX_SEEDS - 1);
    if (rc == 0) rc = read_accuracy(&out->accuracy_frac, object);
    if (rc == 0) rc = read_integer(&out->macs, object, "macs", 1, most);
    if (rc == 0) rc = read_integer(&out->params, object, "params", 1, most);
    out->seed = (int)seed;
    if (rc == 0 &&
        !(json_is_number(json_object_get(object, "train_s")) && out->train_s >= 0 && out->train_s < 1e9))
        rc = mnas_error_set(MNAS_ERR_FORMAT, "\"train_s\" is no number of seconds");
    return rc;
}

const mnas_proxy_training *mnas_proxy_record_find(const mnas_proxy_record *r, const char *key,
                                                  const mnas_proxy_span *span, int seed) {
    for (int i = 0; i < r->n; i++) {
        const mnas_proxy_training *t = &r->list[i];
        if (mnas_proxy_span_equal(&t->span, span) && t->seed == seed && strcmp(t->key, key) == 0) return t;
    }
    return NULL;
}

static int keep(mnas_proxy_record *r, const mnas_proxy_training *t) {
    if (r->n == r->room) {
        const int room = r->room ? 2 * r->room : 64;
        void *list = realloc(r->list, (size_t)room * sizeof *r->list);
        if (!list) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d trainings", room);
        r->list = list, r->room = room;
    }
    r->list[r->n++] = *t;
    return 0;
}

static int read_line(void *user, const json_t *object, int line) {
    mnas_proxy_record *r = user;
    mnas_proxy_training t;
    char task[17], name[MNAS_PROXY_SPAN_NAME];
    (void)line;
    int rc = read_digits(task, object, "task");
    if (rc == 0) rc = read_training(&t, object);
    if (rc < 0) return rc;
    if (r->n > 0 && strcmp(task, r->task) != 0)
        return mnas_error_set(MNAS_ERR_FORMAT, "it is of another data set or recipe than the lines before");
    memcpy(r->task, task, sizeof task);
    const mnas_proxy_training *known = mnas_proxy_record_find(r, t.key, &t.span, t.seed);
    if (!known) return keep(r, &t);
    if (known->accuracy_frac == t.accuracy_frac) return 0;
    mnas_proxy_span_name(&t.span, name);
    return mnas_error_set(MNAS_ERR_FORMAT, "network %s has two accuracies after %s with seed %d", t.key, name,
                          t.seed);
}

int mnas_proxy_record_read(mnas_proxy_record *out, const char *path, bool mend) {
    *out = (mnas_proxy_record){.task = ""};
    if (!mnas_file_exists(path)) return 0;
    const int rc = mnas_jsonl_read(path, MAX_BYTES, mend, read_line, out);
    if (rc < 0) mnas_proxy_record_free(out);
    return rc;
}

void mnas_proxy_record_free(mnas_proxy_record *record) {
    free(record->list);
    *record = (mnas_proxy_record){.task = ""};
}

static json_t *span_json(const mnas_proxy_span *span) {
    return span->images > 0 ? json_integer((json_int_t)span->images) : json_real(span->epochs);
}

int mnas_proxy_record_append(mnas_proxy_record *r, const char *path, const mnas_proxy_training *t) {
    json_t *line = json_pack("{s:s, s:s, s:o, s:i, s:o, s:f, s:I, s:I}", "task", r->task, "key", t->key,
                             t->span.images > 0 ? "images" : "epochs", span_json(&t->span), "seed", t->seed,
                             "accuracy_frac", mnas_json_number(t->accuracy_frac), "train_s", t->train_s,
                             "macs", (json_int_t)t->macs, "params", (json_int_t)t->params);
    const int rc = mnas_jsonl_append(path, line);
    return rc < 0 ? rc : keep(r, t);
}
