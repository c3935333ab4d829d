/* weights_read.c - weights from files: ours, timm's, and those of other PyTorch programs.
 *
 * A tensor is told by its name alone; networks that are alike but named otherwise are not recognised. Invariant: a
 * file is taken as a whole or not at all, and then every misfit is counted, and the first of each kind named.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bf16.h"
#include "base/error.h"
#include "base/file.h"
#include "model/safetensors.h"
#include "model/weights.h"

#define MAX_FILE_BYTES (SIZE_MAX > UINT32_MAX ? (size_t)UINT32_MAX + 1 : SIZE_MAX / 2)
#define HEAD           "classifier."

typedef struct reader {
    const mnas_graph *graph;
    mnas_safetensors *file;
    char prefix[128]; /* of the names that are looked at */
    bool head;        /* the classifier is one of the parameters to read */
} reader;

static bool is_head(const char *name) {
    return strncmp(name, HEAD, sizeof HEAD - 1) == 0;
}

static bool wanted(const reader *r, const mnas_param *param) {
    return r->head || !is_head(param->name);
}

static const mnas_tensor *tensor_for(const reader *r, const mnas_param *param) {
    char name[sizeof r->prefix + sizeof param->name];
    snprintf(name, sizeof name, "%s%s", r->prefix, param->name);
    return mnas_safetensors_find(r->file, name);
}

/* ---- values ---- */

/* IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits. */
static float from_f16(uint16_t bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float value;
    if (exponent == 31)
        value = fraction ? NAN : INFINITY;
    else if (exponent == 0)
        value = ldexpf((float)fraction, -24);
    else
        value = ldexpf((float)(1024 + fraction), exponent - 25);
    return bits & 0x8000 ? -value : value;
}

static float read_f32(const uint8_t *at) {
    float value;
    memcpy(&value, at, sizeof value);
    return value;
}

static float read_f64(const uint8_t *at) {
    double value;
    memcpy(&value, at, sizeof value);
    return (float)value;
}

static float read_f16(const uint8_t *at) {
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return from_f16(bits);
}

static float read_bf16(const uint8_t *at) {
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return mnas_bf16_to_float(bits);
}

typedef struct number_type {
    const char *name;
    size_t bytes;
    float (*read)(const uint8_t *at);
} number_type;

static const number_type number_types[] = {
    {"F32", 4, read_f32}, {"F64", 8, read_f64}, {"F16", 2, read_f16}, {"BF16", 2, read_bf16}};

static const number_type *type_of(const mnas_tensor *tensor) {
    for (size_t i = 0; i < sizeof number_types / sizeof *number_types; i++)
        if (strcmp(number_types[i].name, tensor->dtype) == 0) return &number_types[i];
    return NULL;
}

static void read_values(const reader *r, const mnas_param *param, float *out) {
    const mnas_tensor *tensor = tensor_for(r, param);
    const number_type *type = type_of(tensor);
    const uint8_t *at = mnas_safetensors_data(r->file, tensor);
    for (size_t i = 0; i < param->size; i++) out[i] = type->read(at + i * type->bytes);
}

/* ---- what does not fit ---- */

typedef enum { MISSHAPEN, MISSING, UNEXPECTED, N_KINDS } misfit_kind;

typedef struct misfits {
    int n;
    mnas_str text; /* the first of each kind */
    bool told[N_KINDS];
} misfits;

/* `tensor` or `param` is NULL where there is none. */
static void add_misfit(misfits *m, misfit_kind kind, const mnas_tensor *tensor, const mnas_param *param) {
    char has[160] = "missing", wants[160] = "none of this name";
    m->n++;
    if (m->told[kind]) return;
    m->told[kind] = true;
    if (tensor) mnas_tensor_describe(tensor, has, sizeof has);
    if (param) mnas_weights_describe(param, wants, sizeof wants);
    mnas_str_appendf(&m->text, "%s%.120s is %s, expected %s", m->text.len ? "; " : "",
                     param ? param->name : tensor->name, has, wants);
}

static bool fits(const mnas_tensor *tensor, const mnas_param *param) {
    if (!type_of(tensor) || tensor->n_dims != param->n_dims) return false;
    for (int i = 0; i < param->n_dims; i++)
        if (tensor->dims[i] != param->dims[i]) return false;
    return true;
}

static void check_params(const reader *r, misfits *m) {
    for (int i = 0; i < r->graph->n_params; i++) {
        const mnas_param *param = &r->graph->params[i];
        if (!wanted(r, param)) continue;
        const mnas_tensor *tensor = tensor_for(r, param);
        if (!tensor)
            add_misfit(m, MISSING, NULL, param);
        else if (!fits(tensor, param))
            add_misfit(m, MISSHAPEN, tensor, param);
    }
}

static bool ends_in(const char *text, const char *end) {
    const size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

static bool expected(const reader *r, const char *name) {
    return (!r->head && is_head(name)) || ends_in(name, ".num_batches_tracked") ||
           mnas_graph_find_param(r->graph, name) >= 0;
}

static void check_others(const reader *r, misfits *m) {
    const size_t n_prefix = strlen(r->prefix);
    for (size_t i = 0; i < mnas_safetensors_n(r->file); i++) {
        const mnas_tensor *tensor = mnas_safetensors_at(r->file, i);
        if (strncmp(tensor->name, r->prefix, n_prefix) != 0) continue;
        if (!expected(r, tensor->name + n_prefix)) add_misfit(m, UNEXPECTED, tensor, NULL);
    }
}

static int check(const reader *r) {
    misfits m = {0};
    int rc = 0, n_told = 0;
    check_params(r, &m);
    check_others(r, &m);
    for (int k = 0; k < N_KINDS; k++) n_told += m.told[k];
    if (m.n > n_told) mnas_str_appendf(&m.text, "; and %d more", m.n - n_told);
    if (m.n > 0)
        rc = mnas_str_ok(&m.text) ? mnas_error_set(MNAS_ERR_FORMAT, "%d tensor%s not fit this network: %s",
                                                   m.n, m.n == 1 ? " does" : "s do", m.text.data)
                                  : MNAS_ERR_MEMORY;
    mnas_str_free(&m.text);
    return rc;
}

/* ---- reading ---- */

/* What stands in front of the first parameter's name: nothing, or what a wrapper has put there. */
static int find_prefix(reader *r) {
    const char *first = r->graph->n_params > 0 ? r->graph->params[0].name : "";
    char end[sizeof r->graph->params->name + 1];
    const char *found = NULL;
    snprintf(end, sizeof end, ".%s", first);
    if (mnas_safetensors_find(r->file, first)) return 0;
    for (size_t i = 0; i < mnas_safetensors_n(r->file); i++) {
        const char *name = mnas_safetensors_at(r->file, i)->name;
        const size_t n = strlen(name);
        if (!ends_in(name, end) || n - strlen(first) >= sizeof r->prefix) continue;
        if (found)
            return mnas_error_set(MNAS_ERR_FORMAT,
                                  "%.120s and %.120s: weights of two networks; allowed: of one", found, name);
        found = name;
        memcpy(r->prefix, name, n - strlen(first));
    }
    return 0;
}

static bool head_fits(const reader *r) {
    for (int i = 0; i < r->graph->n_params; i++) {
        const mnas_param *param = &r->graph->params[i];
        const mnas_tensor *tensor = is_head(param->name) ? tensor_for(r, param) : NULL;
        if (is_head(param->name) && (!tensor || !fits(tensor, param))) return false;
    }
    return true;
}

static int read_all(reader *r, mnas_weights *weights, mnas_weights_head head) {
    int rc = find_prefix(r);
    if (rc < 0) return rc;
    r->head = head == MNAS_HEAD_NEEDED || (head == MNAS_HEAD_IF_FITS && head_fits(r));
    if ((rc = check(r)) < 0) return rc;
    for (int i = 0; i < r->graph->n_params; i++) {
        const mnas_param *param = &r->graph->params[i];
        if (wanted(r, param)) read_values(r, param, mnas_weights_of(weights, param));
    }
    return 0;
}

static int parse(mnas_weights *weights, const mnas_graph *graph, const uint8_t *bytes, size_t n,
                 mnas_weights_head head, bool *head_taken) {
    reader r = {.graph = graph};
    int rc = mnas_safetensors_parse(&r.file, bytes, n);
    if (rc == 0) rc = read_all(&r, weights, head);
    mnas_safetensors_free(r.file);
    if (rc == 0 && head_taken) *head_taken = r.head;
    return rc;
}

int mnas_weights_parse(mnas_weights *weights, const mnas_graph *graph, const uint8_t *bytes, size_t n) {
    return parse(weights, graph, bytes, n, MNAS_HEAD_NEEDED, NULL);
}

int mnas_weights_load_for(mnas_weights *weights, const mnas_graph *graph, const char *path,
                          mnas_weights_head head, bool *head_taken) {
    char *bytes = NULL;
    size_t n = 0;
    int rc = mnas_file_read(path, MAX_FILE_BYTES, &bytes, &n);
    if (rc < 0) return rc;
    rc = parse(weights, graph, (const uint8_t *)bytes, n, head, head_taken);
    free(bytes);
    return rc < 0 ? mnas_error_context(rc, "%s", path) : 0;
}

int mnas_weights_load(mnas_weights *weights, const mnas_graph *graph, const char *path) {
    return mnas_weights_load_for(weights, graph, path, MNAS_HEAD_NEEDED, NULL);
}
