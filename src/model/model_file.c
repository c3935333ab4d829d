/* model_file.c - a network as a commented YAML file, read and written (docs/models.md), and MODEL arguments.
 *
 * The attributes are one table: reading, printing, ranges and the comments of printed files all come from it.
 * Invariant: loading what mnas_model_print wrote gives the same model. Does not know the blocks' syntax
 * (arch.c) nor YAML's (yaml_doc.c).
 */
#include "model/model_file.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

typedef enum { ATTR_NAME, ATTR_INT, ATTR_NUMBER, ATTR_CHOICE, ATTR_BOOL, ATTR_PIXELS } attr_type;

typedef struct attr {
    const char *key;
    attr_type type;
    size_t offset;
    double min, max;
    const char *const *names; /* of ATTR_CHOICE, from value (int)min on; of ATTR_BOOL: false, true */
    const char *comment;
} attr;

static const char *const variance_names[] = {"biased", "unbiased", NULL};

#define AT(field) offsetof(mnas_model, field)
static const attr attrs[] = {
    {"name", ATTR_NAME, AT(name), 0, 0, NULL, NULL},
    {"input", ATTR_INT, AT(input_size), 1, MNAS_MAX_INPUT, NULL, "pixels: height and width of the images"},
    {"channels", ATTR_INT, AT(input_channels), 1, MNAS_MAX_CHANNELS, NULL, "3 colour, 1 grey"},
    {"classes", ATTR_INT, AT(classes), 1, MNAS_MAX_CLASSES, NULL, NULL},
    {"mean", ATTR_PIXELS, AT(mean), -1e6, 1e6, NULL, "per channel, of pixels in 0..1"},
    {"std", ATTR_PIXELS, AT(std), 1e-6, 1e6, NULL, "the network sees (pixel - mean) / std"},
    {"stem", ATTR_INT, AT(stem_filters), 1, MNAS_MAX_FILTERS, NULL, "filters of the first 3x3 convolution"},
    {"stem-stride", ATTR_INT, AT(stem_stride), 1, 2, NULL, NULL},
    {"head", ATTR_INT, AT(head_filters), 0, MNAS_MAX_FILTERS, NULL,
     "filters of the 1x1 convolution before pooling; 0: absent"},
    {"activation", ATTR_CHOICE, AT(act), MNAS_ACT_RELU, MNAS_ACT_HSWISH, mnas_act_names + MNAS_ACT_RELU,
     "relu, relu6, swish or hswish; a block's own _act... goes before it"},
    {"padding", ATTR_CHOICE, AT(padding), MNAS_PAD_SAME, MNAS_PAD_SYMMETRIC, mnas_pad_names,
     "same (TensorFlow's) or symmetric (PyTorch's kernel/2)"},
    {"bn-epsilon", ATTR_NUMBER, AT(bn_epsilon), 1e-12, 1, NULL, "added to the variance"},
    {"bn-momentum", ATTR_NUMBER, AT(bn_momentum), 0, 1, NULL,
     "share of the old moving statistics kept at a step"},
    {"bn-variance", ATTR_BOOL, AT(bn_unbiased), 0, 1, variance_names,
     "of the moving statistics: unbiased or biased"},
    {"dropout", ATTR_NUMBER, AT(dropout), 0, 0.99, NULL, "share dropped before the classifier"},
};
enum { N_ATTRS = sizeof attrs / sizeof attrs[0] };

const char *const *mnas_model_file_keys(size_t *n) {
    static const char *keys[N_ATTRS + 1];
    for (size_t i = 0; i < N_ATTRS; i++) keys[i] = attrs[i].key;
    *n = N_ATTRS;
    return keys;
}

/* ---- reading ---- */

static int read_name(const mnas_yaml_doc *doc, const mnas_yaml *node, char name[64]) {
    int rc = mnas_yaml_expect(doc, node, "name", MNAS_YAML_SCALAR);
    if (rc < 0) return rc;
    size_t n = strlen(node->text);
    if (n == 0 || n > 63) return mnas_yaml_fail(doc, node, "name has %zu bytes; allowed: 1 to 63", n);
    for (const char *c = node->text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return mnas_yaml_fail(doc, node, "name has a control character; allowed: printable text");
    memset(name, 0, 64);
    memcpy(name, node->text, n);
    return 0;
}

static int read_pixels(const mnas_yaml_doc *doc, const mnas_yaml *node, const attr *a, int channels,
                       double *out) {
    int i = 0, rc = mnas_yaml_expect(doc, node, a->key, MNAS_YAML_LIST);
    if (rc < 0) return rc;
    if (node->n != channels)
        return mnas_yaml_fail(doc, node, "%s has %d values; allowed: one for each of the %d channels", a->key,
                              node->n, channels);
    for (const mnas_yaml *c = node->child; c && rc == 0; c = c->next)
        rc = mnas_yaml_number(doc, c, a->key, a->min, a->max, &out[i++]);
    return rc;
}

static size_t count(const attr *a) {
    return (size_t)(a->max - a->min) + 1;
}

static int read_attr(const mnas_yaml_doc *doc, const mnas_yaml *node, const attr *a, mnas_model *model) {
    void *field = (char *)model + a->offset;
    int index = 0, rc = 0;
    switch (a->type) {
    case ATTR_NAME:
        return read_name(doc, node, field);
    case ATTR_INT:
        return mnas_yaml_int(doc, node, a->key, (int)a->min, (int)a->max, field);
    case ATTR_NUMBER:
        return mnas_yaml_number(doc, node, a->key, a->min, a->max, field);
    case ATTR_PIXELS:
        return read_pixels(doc, node, a, model->input_channels, field);
    case ATTR_CHOICE:
    case ATTR_BOOL:
        rc = mnas_yaml_choice(doc, node, a->key, a->names, count(a), &index);
        break;
    }
    if (rc < 0) return rc;
    if (a->type == ATTR_BOOL)
        *(bool *)field = index == 1;
    else
        *(int *)field = index + (int)a->min; /* enumerations are stored as int: asserted below */
    return 0;
}
_Static_assert(sizeof(mnas_act) == sizeof(int) && sizeof(mnas_pad) == sizeof(int),
               "read_attr stores them as int");

static void default_name(const mnas_yaml_doc *doc, mnas_model *model) {
    const char *slash = strrchr(doc->file, '/'), *base = slash ? slash + 1 : doc->file;
    size_t n = strlen(base);
    if (n > 5 && strcmp(base + n - 5, ".yaml") == 0) n -= 5;
    if (n > 63)
        for (n = 63; n > 0 && ((unsigned char)base[n] & 0xc0) == 0x80;) n--; /* no half character of UTF-8 */
    snprintf(model->name, sizeof model->name, "%.*s", (int)n, base);
}

int mnas_model_file_read(const mnas_yaml_doc *doc, mnas_model *model) {
    mnas_model_defaults(model);
    default_name(doc, model);
    const mnas_yaml *channels =
        mnas_yaml_get(doc->root, "channels"); /* lists and defaults below depend on it */
    int rc =
        channels ? mnas_yaml_int(doc, channels, "channels", 1, MNAS_MAX_CHANNELS, &model->input_channels) : 0;
    if (rc < 0) return rc;
    mnas_model_default_normalisation(model, model->input_channels);
    for (size_t i = 0; i < N_ATTRS && rc == 0; i++) {
        const mnas_yaml *node = mnas_yaml_get(doc->root, attrs[i].key);
        if (node) rc = read_attr(doc, node, &attrs[i], model);
    }
    return rc;
}

int mnas_model_file_block(const mnas_yaml_doc *doc, const mnas_yaml *node, mnas_block *block) {
    int rc = mnas_yaml_expect(doc, node, "a block", MNAS_YAML_SCALAR);
    if (rc < 0) return rc;
    rc = mnas_block_parse(block, node->text);
    return rc < 0 ? mnas_yaml_context(doc, node, rc) : 0;
}

int mnas_model_file_append(const mnas_yaml_doc *doc, const mnas_yaml *node, mnas_model *model,
                           const mnas_block *block) {
    int n = model->n_blocks;
    if (n == MNAS_MAX_BLOCKS)
        return mnas_yaml_fail(doc, node, "too many blocks; allowed: at most %d", MNAS_MAX_BLOCKS);
    if (n > 0 && block->in != model->blocks[n - 1].out)
        return mnas_yaml_fail(doc, node,
                              "input filters are %d, but the block before puts out %d; allowed: i%d",
                              block->in, model->blocks[n - 1].out, model->blocks[n - 1].out);
    model->blocks[model->n_blocks++] = *block;
    return 0;
}

static int read_model(const mnas_yaml_doc *doc, mnas_model *model) {
    size_t n;
    const char *const *keys = mnas_model_file_keys(&n);
    const char *allowed[N_ATTRS + 1];
    memcpy(allowed, keys, sizeof(char *) * n);
    allowed[n] = "blocks";
    int rc = mnas_yaml_check_keys(doc, doc->root, allowed, n + 1);
    if (rc == 0) rc = mnas_model_file_read(doc, model);
    if (rc < 0) return rc;
    const mnas_yaml *blocks = mnas_yaml_get(doc->root, "blocks");
    if (!blocks)
        return mnas_yaml_fail(doc, doc->root, "'blocks' is missing; allowed: a list of block strings");
    if ((rc = mnas_yaml_expect(doc, blocks, "blocks", MNAS_YAML_LIST)) < 0) return rc;
    if (blocks->n == 0) return mnas_yaml_fail(doc, blocks, "no blocks; allowed: a list of block strings");
    for (const mnas_yaml *c = blocks->child; c && rc == 0; c = c->next) {
        mnas_block block;
        rc = mnas_model_file_block(doc, c, &block);
        if (rc == 0) rc = mnas_model_file_append(doc, c, model, &block);
    }
    return rc;
}

int mnas_model_parse(mnas_model *out, const char *text, size_t n, const char *name) {
    mnas_yaml_doc *doc = NULL;
    mnas_model model;
    int rc = mnas_yaml_load(&doc, name, text, n);
    if (rc == 0) rc = read_model(doc, &model);
    if (rc == 0) *out = model;
    mnas_yaml_free(doc);
    return rc;
}

int mnas_model_load_file(mnas_model *out, const char *path) {
    char *text = NULL;
    size_t n;
    int rc = mnas_file_read(path, MNAS_YAML_MAX_BYTES, &text, &n);
    if (rc < 0) return rc;
    rc = mnas_model_parse(out, text, n, path);
    free(text);
    return rc;
}

/* ---- printing ---- */

/* Plain where YAML leaves no doubt, else in single quotes, which double themselves inside. */
static void print_text(mnas_str *out, const char *text) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@/-";
    if (text[0] && !text[strspn(text, plain)] && !strchr("._@/-", text[0])) {
        mnas_str_append(out, text);
        return;
    }
    mnas_str_append(out, "'");
    for (; *text; text++) mnas_str_appendf(out, *text == '\'' ? "''" : "%c", *text);
    mnas_str_append(out, "'");
}

static void print_number(mnas_str *out, double value) {
    char text[32];
    mnas_str_from_f64(value, text);
    mnas_str_append(out, text);
}

static void print_attr(mnas_str *out, const attr *a, const mnas_model *model) {
    const void *field = (const char *)model + a->offset;
    size_t start = out->len;
    mnas_str_appendf(out, "%s: ", a->key);
    switch (a->type) {
    case ATTR_NAME:
        print_text(out, model->name[0] ? model->name : "unnamed");
        break;
    case ATTR_INT:
        mnas_str_appendf(out, "%d", *(const int *)field);
        break;
    case ATTR_NUMBER:
        print_number(out, *(const double *)field);
        break;
    case ATTR_CHOICE:
        mnas_str_append(out, a->names[*(const int *)field - (int)a->min]);
        break;
    case ATTR_BOOL:
        mnas_str_append(out, a->names[*(const bool *)field]);
        break;
    case ATTR_PIXELS:
        for (int c = 0; c < model->input_channels; c++) {
            mnas_str_append(out, c ? ", " : "[");
            print_number(out, ((const double *)field)[c]);
        }
        mnas_str_append(out, "]");
        break;
    }
    if (a->comment)
        mnas_str_appendf(out, "%*s # %s", (int)(out->len - start < 28 ? 28 + start - out->len : 0), "",
                         a->comment);
    mnas_str_append(out, "\n");
}

int mnas_model_print(const mnas_model *model, char **text) {
    mnas_str out = {0};
    mnas_str_append(&out, "# A network for mnas; docs/models.md describes the format. Absent keys have the "
                          "defaults named there.\n");
    for (size_t i = 0; i < N_ATTRS; i++) print_attr(&out, &attrs[i], model);
    mnas_str_append(&out, "\n# r repeats, k kernel, s stride pair of the first layer, e expansion, i input "
                          "and o output filters,\n"
                          "# se squeeze-and-excitation ratio; opconv, opsep (default: mbconv); noskip, "
                          "skippool (default: identity).\n"
                          "blocks:\n");
    for (int i = 0; i < model->n_blocks; i++) {
        char block[96];
        mnas_block_print(&model->blocks[i], block, sizeof block);
        mnas_str_appendf(&out, "  - %s\n", block);
    }
    if (!mnas_str_ok(&out)) {
        mnas_str_free(&out);
        return MNAS_ERR_MEMORY;
    }
    *text = out.data;
    return 0;
}

/* ---- MODEL arguments ---- */

bool mnas_model_is_path(const char *arg) {
    size_t n = strlen(arg);
    return strchr(arg, '/') || (n >= 5 && strcmp(arg + n - 5, ".yaml") == 0);
}

int mnas_model_open_local(mnas_model *out, const char *arg, int input_size) {
    mnas_model model;
    if (input_size < 0 || input_size > MNAS_MAX_INPUT)
        return mnas_error_set(MNAS_ERR_ARG, "input size is %d pixels; allowed: 1 to %d", input_size,
                              MNAS_MAX_INPUT);
    int rc = mnas_model_is_path(arg) ? mnas_model_load_file(&model, arg) : mnas_zoo_open(&model, arg);
    if (rc < 0) return rc;
    if (input_size > 0) model.input_size = input_size;
    *out = model;
    return 0;
}
