/* trial_wire.c - see trial_wire.h. The fields of a result are one table for both directions. */
#include "search/trial_wire.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "device/latency_json.h"
#include "model/model.h"

static const size_t exact = JSON_COMPACT | JSON_REAL_PRECISION(17);

static json_t *number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static double real_of(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* ---- the request ---- */

int mnas_trial_wire_print_request(char **text, const mnas_job_request *r) {
    char *yaml;
    *text = NULL;
    int rc = mnas_model_print(r->model, &yaml);
    if (rc < 0) return rc;
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:o, s:I, s:i, s:I, s:s?, s:f, s:s?, s:s?}", "model", yaml, "data",
                  r->data, "recipe", r->recipe, "epochs", number(r->epochs), "max_images",
                  (json_int_t)r->max_images, "threads", r->threads, "seed", (json_int_t)r->seed, "output",
                  r->output, "stop_epochs", r->stop_epochs, "checkpoint", r->checkpoint, "from", r->from);
    if (object) *text = mnas_json_dumps(object, exact);
    json_decref(object);
    free(yaml);
    return *text ? 0
                 : mnas_error_set(MNAS_ERR_MEMORY,
                                  "cannot write a trial's request: out of memory, or no UTF-8");
}

static const char *text_of(const json_t *object, const char *name) {
    return json_string_value(json_object_get(object, name));
}

static int fill_request(mnas_trial_wire_request *out, json_t *object) {
    const char *yaml, *data, *recipe;
    json_int_t max_images, seed;
    int threads;
    json_error_t error;
    if (json_unpack_ex(object, &error, 0, "{s:s, s:s, s:s, s:I, s:i, s:I}", "model", &yaml, "data", &data,
                       "recipe", &recipe, "max_images", &max_images, "threads", &threads, "seed", &seed) < 0)
        return mnas_error_set(MNAS_ERR_FORMAT, "a trial's request: %s", error.text);
    out->options = (mnas_train_options){.data = data,
                                        .recipe = recipe,
                                        .epochs = real_of(object, "epochs"),
                                        .max_images = max_images,
                                        .threads = threads,
                                        .seed = (uint64_t)seed,
                                        .output = text_of(object, "output"),
                                        .stop_epochs = fmax(0, real_of(object, "stop_epochs")),
                                        .checkpoint = text_of(object, "checkpoint"),
                                        .checkpoint_minutes = INFINITY, /* at the end of a part alone */
                                        .from = text_of(object, "from")};
    return mnas_model_parse(&out->model, yaml, strlen(yaml), "a trial's request");
}

int mnas_trial_wire_parse_request(mnas_trial_wire_request *out, const char *text) {
    json_error_t error;
    out->hold = NULL;
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!object) return mnas_error_set(MNAS_ERR_FORMAT, "a trial's request: %s", error.text);
    const int rc = fill_request(out, object);
    if (rc < 0)
        json_decref(object);
    else
        out->hold = object;
    return rc;
}

void mnas_trial_wire_free_request(mnas_trial_wire_request *trial) {
    json_decref(trial->hold);
    trial->hold = NULL;
}

/* ---- the request to measure ---- */

int mnas_trial_wire_print_measure(char **text, const mnas_measure_request *r) {
    char *yaml;
    *text = NULL;
    int rc = mnas_model_print(r->model, &yaml);
    if (rc < 0) return rc;
    json_t *devices = json_array();
    for (int i = 0; i < r->n_devices; i++) json_array_append_new(devices, json_string(r->devices[i]));
    json_t *object = json_pack("{s:s, s:o}", "model", yaml, "devices", devices);
    if (object && (int)json_array_size(devices) == r->n_devices) *text = mnas_json_dumps(object, exact);
    json_decref(object);
    free(yaml);
    return *text ? 0
                 : mnas_error_set(MNAS_ERR_MEMORY,
                                  "cannot write a request to measure: out of memory, or no UTF-8");
}

static int fill_measure(mnas_trial_wire_measure *out, json_t *object) {
    const char *yaml = json_string_value(json_object_get(object, "model"));
    const json_t *devices = json_object_get(object, "devices");
    const size_t n = json_array_size(devices);
    if (!yaml || n < 1 || n > MNAS_MAX_DEVICES)
        return mnas_error_set(MNAS_ERR_FORMAT,
                              "a request to measure needs a model and 1 to %d devices; it has %zu",
                              MNAS_MAX_DEVICES, n);
    for (size_t i = 0; i < n; i++) {
        out->devices[i] = json_string_value(json_array_get(devices, i));
        if (!out->devices[i])
            return mnas_error_set(MNAS_ERR_FORMAT, "a request to measure: device %zu is no text", i + 1);
    }
    out->n_devices = (int)n;
    return mnas_model_parse(&out->model, yaml, strlen(yaml), "a request to measure");
}

int mnas_trial_wire_parse_measure(mnas_trial_wire_measure *out, const char *text) {
    json_error_t error;
    out->hold = NULL;
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!object) return mnas_error_set(MNAS_ERR_FORMAT, "a request to measure: %s", error.text);
    const int rc = fill_measure(out, object);
    if (rc < 0)
        json_decref(object);
    else
        out->hold = object;
    return rc;
}

void mnas_trial_wire_free_measure(mnas_trial_wire_measure *measure) {
    json_decref(measure->hold);
    measure->hold = NULL;
}

/* ---- lines back ---- */

typedef struct field {
    const char *name;
    enum { REAL, INT, INT64 } type;
    size_t offset;
} field;

#define F(type, name)                                                                                        \
    { #name, type, offsetof(mnas_train_result, name) }
static const field fields[] = {F(REAL, val_accuracy_frac),
                               F(REAL, val_balanced_frac),
                               F(REAL, val_loss),
                               F(REAL, train_loss),
                               F(INT, steps),
                               F(INT64, n_images),
                               F(REAL, train_s),
                               F(REAL, eval_s),
                               F(REAL, earlier_s),
                               F(REAL, images_per_s),
                               F(INT64, slab_bytes),
                               F(INT64, peak_rss_bytes)};
#undef F
enum { N_FIELDS = sizeof fields / sizeof fields[0] };

/* Takes the object over. */
static int print_line(FILE *out, json_t *object) {
    char *text = object ? mnas_json_dumps(object, exact) : NULL;
    json_decref(object);
    if (!text) return mnas_error_set(MNAS_ERR_MEMORY, "cannot write a trial's answer: out of memory");
    const bool written = fprintf(out, "%s\n", text) > 0 && fflush(out) == 0;
    free(text);
    return written ? 0 : mnas_error_errno("writing a trial's answer");
}

int mnas_trial_wire_print_epoch(FILE *out, const mnas_epoch *e) {
    int rc = print_line(out, json_pack("{s:i, s:i}", "step", e->step, "n_steps", e->n_steps));
    if (rc < 0 || isnan(e->val_accuracy_frac)) return rc;
    return print_line(
        out, json_pack("{s:i, s:o}", "epoch", e->epoch, "val_accuracy_frac", number(e->val_accuracy_frac)));
}

int mnas_trial_wire_print_result(FILE *out, const mnas_train_result *result) {
    json_t *object = json_object();
    for (int i = 0; i < N_FIELDS && object; i++) {
        const void *at = (const char *)result + fields[i].offset;
        json_t *value = fields[i].type == REAL  ? number(*(const double *)at)
                        : fields[i].type == INT ? json_integer(*(const int *)at)
                                                : json_integer(*(const int64_t *)at);
        json_object_set_new(object, fields[i].name, value);
    }
    return print_line(out, json_pack("{s:o}", "result", object));
}

int mnas_trial_wire_print_latency(FILE *out, const mnas_latency *latency) {
    json_t *object = json_object();
    const int rc = mnas_latency_to_json(object, latency);
    if (rc < 0) {
        json_decref(object);
        return rc;
    }
    return print_line(out, json_pack("{s:o}", "latency", object));
}

int mnas_trial_wire_print_error(FILE *out, int status, const char *message) {
    /* a message may quote bytes that are no UTF-8 */
    char plain[1024];
    snprintf(plain, sizeof plain, "%s", message);
    for (char *c = plain; *c; c++)
        if ((signed char)*c < ' ') *c = '?';
    return print_line(out, json_pack("{s:s, s:s}", "error", mnas_status_name(status), "message", plain));
}

static int status_named(const char *name) {
#define MNAS_X(id, value, text)                                                                              \
    if (strcmp(mnas_status_name(MNAS_ERR_##id), name) == 0) return MNAS_ERR_##id;
    MNAS_STATUS_LIST(MNAS_X)
#undef MNAS_X
    return MNAS_ERR_CHILD;
}

static int parse_result(mnas_train_result *out, const json_t *object) {
    *out = (mnas_train_result){0};
    for (int i = 0; i < N_FIELDS; i++) {
        const json_t *value = json_object_get(object, fields[i].name);
        void *at = (char *)out + fields[i].offset;
        if (!value) return mnas_error_set(MNAS_ERR_FORMAT, "a trial's answer lacks \"%s\"", fields[i].name);
        if (fields[i].type == REAL)
            *(double *)at = json_is_number(value) ? json_number_value(value) : NAN;
        else if (fields[i].type == INT)
            *(int *)at = (int)json_integer_value(value);
        else
            *(int64_t *)at = json_integer_value(value);
    }
    /* what a reward is made of */
    if (out->val_accuracy_frac >= 0 && out->val_accuracy_frac <= 1) return 0;
    return mnas_error_set(MNAS_ERR_NAN, "validation accuracy is %g; allowed: 0 to 1", out->val_accuracy_frac);
}

static int parse_object(mnas_trial_wire_line *out, const json_t *object) {
    const json_t *result = json_object_get(object, "result"), *latency = json_object_get(object, "latency");
    const char *error = json_string_value(json_object_get(object, "error"));
    if (result) {
        out->kind = MNAS_TRIAL_WIRE_RESULT;
        return parse_result(&out->result, result);
    }
    if (latency) {
        out->kind = MNAS_TRIAL_WIRE_LATENCY;
        return mnas_latency_from_json(&out->latency, latency);
    }
    if (error) {
        const char *message = json_string_value(json_object_get(object, "message"));
        out->kind = MNAS_TRIAL_WIRE_ERROR;
        out->status = status_named(error);
        snprintf(out->message, sizeof out->message, "%s", message ? message : error);
        return 0;
    }
    if (json_object_get(object, "epoch")) {
        out->kind = MNAS_TRIAL_WIRE_EPOCH;
        out->accuracy_frac = real_of(object, "val_accuracy_frac");
        return 0;
    }
    out->kind = MNAS_TRIAL_WIRE_STEP;
    out->frac = real_of(object, "step") / real_of(object, "n_steps");
    return isnan(out->frac) ? mnas_error_set(MNAS_ERR_FORMAT, "an unknown line from a child process") : 0;
}

int mnas_trial_wire_parse_line(mnas_trial_wire_line *out, const char *text) {
    json_error_t error;
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!object) return mnas_error_set(MNAS_ERR_FORMAT, "a line from a child process: %s", error.text);
    const int rc = parse_object(out, object);
    json_decref(object);
    return rc;
}
