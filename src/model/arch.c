/* arch.c - block strings and the attributes of a model: the text everything else is keyed by.
 *
 * One block is keys joined by '_', e.g. r3_k5_s22_e3_i24_o40_se0.25_opsep_noskip. Printing has one order and
 * leaves out what is default; parsing takes any order. Invariant: parse(print(block)) == block for every
 * block within the limits of model.h. Does not judge whether a network can be built: that needs shapes (blocks/net.h).
 */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

const char *const mnas_act_names[] = {"none", "relu", "relu6", "swish", "hswish", "sigmoid", NULL};
const char *const mnas_pad_names[] = {"same", "symmetric", NULL};
const char *const mnas_skip_names[] = {"identity", "none", "pool", NULL};
const char *const mnas_conv_op_names[] = {"mbconv", "conv", "sep", NULL};

#define ALL_KEYS "r k s e i o se opconv opsep noskip skippool act"

/* One key of the string under way; also the bit in the set of keys seen. */
enum { KEY_R, KEY_K, KEY_S, KEY_E, KEY_I, KEY_O, KEY_SE, KEY_OP, KEY_SKIP, KEY_ACT, N_KEYS };
static const char *const key_names[N_KEYS] = {"r", "k", "s", "e", "i", "o", "se", "op", "skip", "act"};

typedef struct token {
    const char *block; /* the whole string, for messages */
    int position;      /* 1-based */
    char text[40];
} token;

#define fail_at(tok, fmt, ...)                                                                               \
    mnas_error_set(MNAS_ERR_FORMAT, "%.120s: position %d: " fmt, (tok)->block, (tok)->position, __VA_ARGS__)

/* A whole number without sign or leading zero; -1 otherwise. At most 9 digits, so that it cannot overflow. */
static int whole_number(const char *text) {
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 9 || text[n] || (n > 1 && text[0] == '0')) return -1;
    return (int)strtol(text, NULL, 10);
}

static int parse_int(const token *tok, const char *what, int min, int max, int *out) {
    int value = whole_number(tok->text + 1);
    if (value < min || value > max)
        return fail_at(tok, "%s is '%s'; allowed: %d to %d", what, tok->text + 1, min, max);
    *out = value;
    return 0;
}

static int parse_kernel(const token *tok, int *out) {
    int value = whole_number(tok->text + 1);
    if (value != 3 && value != 5 && value != 7)
        return fail_at(tok, "kernel is %s; allowed: 3, 5, 7", tok->text + 1);
    *out = value;
    return 0;
}

static int parse_stride(const token *tok, int *out) {
    bool one = strcmp(tok->text + 1, "11") == 0;
    if (!one && strcmp(tok->text + 1, "22") != 0)
        return fail_at(tok, "stride pair is %s; allowed: 11, 22", tok->text + 1);
    *out = one ? 1 : 2;
    return 0;
}

static int parse_se(const token *tok, double *out) {
    const char *text = tok->text + 2;
    double value;
    if (text[strspn(text, "0123456789.e-")] || !mnas_str_to_f64(text, &value) || !(value >= 0 && value <= 1))
        return fail_at(tok, "squeeze-and-excitation ratio is '%s'; allowed: 0 to 1, e.g. 0.25", text);
    *out = value == 0 ? 0 : value; /* "-0" is 0 */
    return 0;
}

static int parse_act(const token *tok, mnas_act *out) {
    for (int act = MNAS_ACT_RELU; act <= MNAS_ACT_HSWISH; act++) /* sigmoid is no block's */
        if (strcmp(tok->text + 3, mnas_act_names[act]) == 0) {
            *out = (mnas_act)act;
            return 0;
        }
    return fail_at(tok, "activation is '%s'; allowed: relu, relu6, swish, hswish", tok->text + 3);
}

/* Which key a token is, or -1. Words are compared whole, numbers by their letters. */
static int key_of(const char *text) {
    if (strcmp(text, "opconv") == 0 || strcmp(text, "opsep") == 0) return KEY_OP;
    if (strcmp(text, "noskip") == 0 || strcmp(text, "skippool") == 0) return KEY_SKIP;
    if (strncmp(text, "act", 3) == 0) return KEY_ACT;
    size_t letters = strcspn(text, "0123456789.-+");
    for (int key = KEY_R; key <= KEY_SE; key++)
        if (strlen(key_names[key]) == letters && strncmp(text, key_names[key], letters) == 0) return key;
    return -1;
}

static int parse_value(const token *tok, int key, mnas_block *block) {
    switch (key) {
    case KEY_R:
        return parse_int(tok, "repeats", 1, MNAS_MAX_REPEATS, &block->repeats);
    case KEY_K:
        return parse_kernel(tok, &block->kernel);
    case KEY_S:
        return parse_stride(tok, &block->stride);
    case KEY_E:
        return parse_int(tok, "expansion", 1, MNAS_MAX_EXPAND, &block->expand);
    case KEY_I:
        return parse_int(tok, "input filters", 1, MNAS_MAX_FILTERS, &block->in);
    case KEY_O:
        return parse_int(tok, "output filters", 1, MNAS_MAX_FILTERS, &block->out);
    case KEY_SE:
        return parse_se(tok, &block->se_ratio);
    case KEY_OP:
        block->op = strcmp(tok->text, "opconv") == 0 ? MNAS_OP_CONV : MNAS_OP_SEP;
        return 0;
    case KEY_ACT:
        return parse_act(tok, &block->act);
    default:
        block->skip = strcmp(tok->text, "noskip") == 0 ? MNAS_SKIP_NONE : MNAS_SKIP_POOL;
        return 0;
    }
}

static int parse_token(token *tok, unsigned *seen, mnas_block *block) {
    int key = key_of(tok->text);
    if (!tok->text[0]) return fail_at(tok, "nothing here; allowed: one of %s", ALL_KEYS);
    if (key < 0) return fail_at(tok, "unknown key '%s'; allowed: %s", tok->text, ALL_KEYS);
    if (*seen & 1u << key)
        return fail_at(tok, "second %s ('%s'); allowed: each key once", key_names[key], tok->text);
    *seen |= 1u << key;
    return parse_value(tok, key, block);
}

static int check_complete(const char *text, unsigned seen) {
    for (int key = KEY_R; key <= KEY_O; key++)
        if (!(seen & 1u << key))
            return mnas_error_set(
                MNAS_ERR_FORMAT,
                "%.120s: position %zu: the string ends without %s; allowed: strings with all of r k s e i o",
                text, strlen(text) + 1, key_names[key]);
    return 0;
}

int mnas_block_parse(mnas_block *out, const char *text) {
    mnas_block block = {.op = MNAS_OP_MBCONV, .skip = MNAS_SKIP_IDENTITY};
    unsigned seen = 0;
    for (const char *start = text;; start++) {
        size_t n = strcspn(start, "_");
        token tok = {.block = text, .position = (int)(start - text) + 1};
        if (n >= sizeof tok.text)
            return fail_at(&tok, "'%.20s...' is too long; allowed: %s", start, ALL_KEYS);
        memcpy(tok.text, start, n);
        int rc = parse_token(&tok, &seen, &block);
        if (rc < 0) return rc;
        start += n;
        if (!*start) break;
    }
    int rc = check_complete(text, seen);
    if (rc == 0) *out = block;
    return rc;
}

void mnas_block_print(const mnas_block *block, char *buf, size_t n) {
    static const char *const op[] = {"", "_opconv", "_opsep"}, *const skip[] = {"", "_noskip", "_skippool"};
    char se[40] = "";
    const char *act = block->act ? mnas_act_names[block->act] : "";
    if (block->se_ratio > 0) {
        memcpy(se, "_se", 3);
        mnas_str_from_f64(block->se_ratio, se + 3);
    }
    snprintf(buf, n, "r%d_k%d_s%d%d_e%d_i%d_o%d%s%s%s%s%s", block->repeats, block->kernel, block->stride,
             block->stride, block->expand, block->in, block->out, se, op[block->op], skip[block->skip],
             *act ? "_act" : "", act);
}

void mnas_model_default_normalisation(mnas_model *model, int channels) {
    static const double mean[] = {0.485, 0.456, 0.406}, std[] = {0.229, 0.224, 0.225}; /* ImageNet's */
    for (int c = 0; c < MNAS_MAX_CHANNELS; c++) {
        bool used = c < channels;
        model->mean[c] = !used ? 0 : channels == 3 ? mean[c] : 0.5;
        model->std[c] = !used ? 0 : channels == 3 ? std[c] : 0.5;
    }
}

void mnas_model_defaults(mnas_model *model) {
    *model = (mnas_model){
        .stem_filters = 32,
        .stem_stride = 2,
        .act = MNAS_ACT_RELU,
        .padding = MNAS_PAD_SAME,
        .bn_epsilon = 1e-3,
        .bn_momentum = 0.99,
        .bn_unbiased = true,
        .classes = 1000,
        .input_size = 224,
        .input_channels = 3,
    };
    mnas_model_default_normalisation(model, 3);
}

int mnas_model_arch(const mnas_model *model, char **text) {
    mnas_str arch = {0};
    mnas_str_append(&arch, ""); /* a text even without blocks */
    for (int i = 0; i < model->n_blocks; i++) {
        char block[96];
        mnas_block_print(&model->blocks[i], block, sizeof block);
        mnas_str_appendf(&arch, "%s%s", i ? " " : "", block);
    }
    if (!mnas_str_ok(&arch)) {
        mnas_str_free(&arch);
        return MNAS_ERR_MEMORY;
    }
    *text = arch.data;
    return 0;
}

/* Parse the n bytes of one block as the next of blocks[i]. */
static int parse_next(mnas_block *blocks, int i, const char *word, size_t n) {
    char text[256];
    if (i >= MNAS_MAX_BLOCKS)
        return mnas_error_set(MNAS_ERR_FORMAT, "too many blocks; allowed: at most %d", MNAS_MAX_BLOCKS);
    if (n >= sizeof text)
        return mnas_error_set(MNAS_ERR_FORMAT, "block %d: '%.40s...' has %zu characters; allowed: %zu", i + 1,
                              word, n, sizeof text - 1);
    memcpy(text, word, n);
    text[n] = '\0';
    int rc = mnas_block_parse(&blocks[i], text);
    if (rc < 0) return mnas_error_context(rc, "block %d", i + 1);
    if (i > 0 && blocks[i].in != blocks[i - 1].out)
        return mnas_error_set(MNAS_ERR_FORMAT,
                              "block %d: %s: input filters are %d, but block %d puts out %d; allowed: i%d",
                              i + 1, text, blocks[i].in, i, blocks[i - 1].out, blocks[i - 1].out);
    return 0;
}

int mnas_model_set_arch(mnas_model *model, const char *arch) {
    static const char blanks[] = " \t\r\n";
    mnas_block blocks[MNAS_MAX_BLOCKS];
    int n_blocks = 0;
    for (const char *word = arch + strspn(arch, blanks); *word; word += strspn(word, blanks)) {
        size_t n = strcspn(word, blanks);
        int rc = parse_next(blocks, n_blocks, word, n);
        if (rc < 0) return rc;
        n_blocks++;
        word += n;
    }
    if (n_blocks == 0)
        return mnas_error_set(MNAS_ERR_FORMAT, "no blocks; allowed: block strings separated by spaces, e.g. "
                                               "r3_k5_s22_e3_i24_o40_se0.25");
    memset(model->blocks, 0, sizeof model->blocks);
    memcpy(model->blocks, blocks, (size_t)n_blocks * sizeof *blocks);
    model->n_blocks = n_blocks;
    return 0;
}
