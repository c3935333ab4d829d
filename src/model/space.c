/* space.c - tokens <-> networks of a search space, and what a strategy needs to know of its decisions.
 *
 * decode is injective on block strings: two token vectors never give the same text. (They may give the same
 * network, where an op ignores a choice; mnas_model_key tells.) Does not read YAML (space_file.c) and knows no costs.
 */
#include "model/space.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/yaml_doc.h"

/* ---- opening ---- */

int mnas_space_parse(mnas_space **out, const char *file, const char *text, size_t n) {
    mnas_space *space = calloc(1, sizeof *space);
    int rc = MNAS_ERR_MEMORY;
    if (!space) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory for a search space");
    if ((space->arena = mnas_arena_create())) rc = mnas_space_read(space, file, text, n);
    if (rc == 0)
        *out = space;
    else
        mnas_space_close(space);
    return rc;
}

static int unknown_space(const char *name) {
    size_t n;
    const char *const *names = mnas_space_builtins(&n);
    mnas_str text = {0};
    mnas_str_append_unknown(&text, "unknown search space", name, names, n);
    mnas_str_append(&text, ", or a file (with a '/' or ending in .yaml)");
    int rc = mnas_str_ok(&text) ? mnas_error_set(MNAS_ERR_ARG, "%s", text.data) : MNAS_ERR_MEMORY;
    mnas_str_free(&text);
    return rc;
}

int mnas_space_open(mnas_space **out, const char *name_or_file) {
    size_t n;
    if (!mnas_model_is_path(name_or_file)) {
        const char *builtin = mnas_space_builtin_text(name_or_file, &n);
        return builtin ? mnas_space_parse(out, name_or_file, builtin, n) : unknown_space(name_or_file);
    }
    char *text = NULL;
    int rc = mnas_file_read(name_or_file, MNAS_YAML_MAX_BYTES, &text, &n);
    if (rc == 0) rc = mnas_space_parse(out, name_or_file, text, n);
    free(text);
    return rc;
}

void mnas_space_close(mnas_space *space) {
    if (!space) return;
    mnas_arena_destroy(space->arena);
    free(space);
}

/* ---- questions ---- */

const char *mnas_space_name(const mnas_space *space) {
    return space->reference.name;
}

const char *mnas_space_text(const mnas_space *space) {
    return space->text;
}

void mnas_space_hash(const mnas_space *space, char out[MNAS_SPACE_HASH_BYTES]) {
    const uint64_t hash = mnas_hash_bytes(MNAS_HASH_INIT, space->text, strlen(space->text));
    snprintf(out, MNAS_SPACE_HASH_BYTES, "%016" PRIx64, hash);
}

const char *mnas_space_n_encodings(const mnas_space *space) {
    return space->n_encodings;
}

int mnas_space_n_decisions(const mnas_space *space) {
    return space->n_steps;
}

const mnas_decision *mnas_space_decision(const mnas_space *space, int i) {
    assert(i >= 0 && i < space->n_steps);
    return &space->steps[i].decision;
}

int mnas_space_reference(const mnas_space *space, mnas_model *out) {
    *out = space->reference;
    return 0;
}

/* ---- tokens -> network ---- */

void mnas_space_apply(mnas_choice_kind kind, const mnas_space_option *option, mnas_block *block) {
    switch (kind) {
    case MNAS_CHOICE_OP:
        block->op = option->op;
        if (option->expand) block->expand = option->expand;
        if (option->skip >= 0) block->skip = (mnas_skip_op)option->skip;
        break;
    case MNAS_CHOICE_EXPAND:
        block->expand = (int)option->value;
        break;
    case MNAS_CHOICE_KERNEL:
        block->kernel = (int)option->value;
        break;
    case MNAS_CHOICE_SE:
        block->se_ratio = option->value;
        break;
    case MNAS_CHOICE_SKIP:
        block->skip = (mnas_skip_op)(int)option->value;
        break;
    case MNAS_CHOICE_ACT:
        block->act = (mnas_act)(int)option->value;
        break;
    case MNAS_CHOICE_FILTERS:
        block->out = (int)option->value;
        break;
    case MNAS_CHOICE_LAYERS:
        block->repeats = (int)option->value;
        break;
    case MNAS_N_CHOICE_KINDS:
        assert(false);
    }
}

int mnas_space_decode(const mnas_space *space, const int *tokens, mnas_model *out) {
    mnas_model model = space->reference;
    memcpy(model.blocks, space->base, sizeof model.blocks);
    for (int i = 0; i < space->n_steps; i++) {
        const mnas_space_step *step = &space->steps[i];
        if (tokens[i] < 0 || tokens[i] >= step->decision.n_choices)
            return mnas_error_set(MNAS_ERR_ARG, "token %d (%s) is %d; allowed: 0 to %d", i,
                                  step->decision.name, tokens[i], step->decision.n_choices - 1);
        mnas_space_apply(step->kind, &step->options[tokens[i]], &model.blocks[step->block]);
    }
    for (int b = 1; b < model.n_blocks; b++) model.blocks[b].in = model.blocks[b - 1].out;
    *out = model;
    return 0;
}

/* ---- network -> tokens ---- */

int mnas_space_split_layers(mnas_model *model) {
    mnas_block split[MNAS_MAX_BLOCKS];
    int n = 0;
    for (int b = 0; b < model->n_blocks; b++)
        for (int layer = 0; layer < model->blocks[b].repeats; layer++) {
            if (n == MNAS_MAX_BLOCKS)
                return mnas_error_set(MNAS_ERR_ARG,
                                      "too many layers, each of which would be a block; allowed: at most %d",
                                      MNAS_MAX_BLOCKS);
            mnas_block *one = &split[n++];
            *one = model->blocks[b];
            one->repeats = 1;
            if (layer == 0) continue;
            one->stride = 1;
            one->in = one->out;
            if (one->skip == MNAS_SKIP_POOL)
                one->skip = MNAS_SKIP_IDENTITY; /* as later layers of a block have it */
        }
    memcpy(model->blocks, split, (size_t)n * sizeof *split);
    model->n_blocks = n;
    return 0;
}

static bool option_matches(mnas_choice_kind kind, const mnas_space_option *option, const mnas_block *block) {
    if (kind == MNAS_CHOICE_OP) {
        bool expand = !option->expand || block->op != MNAS_OP_MBCONV || option->expand == block->expand;
        return option->op == block->op && expand && (option->skip < 0 || option->skip == (int)block->skip);
    }
    mnas_block changed = *block;
    mnas_space_apply(kind, option, &changed);
    return changed.expand == block->expand && changed.kernel == block->kernel && changed.out == block->out &&
           changed.repeats == block->repeats && changed.se_ratio == block->se_ratio &&
           changed.skip == block->skip && changed.act == block->act;
}

/* The block's value of a choice as the user writes it in a space file. */
static void describe(mnas_choice_kind kind, const mnas_block *block, char *buf, size_t n) {
    char number[32];
    switch (kind) {
    case MNAS_CHOICE_OP:
        if (block->op == MNAS_OP_MBCONV)
            snprintf(buf, n, "mbconv%d (skip %s)", block->expand, mnas_skip_names[block->skip]);
        else
            snprintf(buf, n, "%s (skip %s)", mnas_conv_op_names[block->op], mnas_skip_names[block->skip]);
        break;
    case MNAS_CHOICE_EXPAND:
        snprintf(buf, n, "%d", block->expand);
        break;
    case MNAS_CHOICE_KERNEL:
        snprintf(buf, n, "%d", block->kernel);
        break;
    case MNAS_CHOICE_SE:
        mnas_str_from_f64(block->se_ratio, number);
        snprintf(buf, n, "%s", number);
        break;
    case MNAS_CHOICE_SKIP:
        snprintf(buf, n, "%s", mnas_skip_names[block->skip]);
        break;
    case MNAS_CHOICE_ACT:
        snprintf(buf, n, "%s", block->act ? mnas_act_names[block->act] : "the model's");
        break;
    case MNAS_CHOICE_FILTERS:
        snprintf(buf, n, "%d", block->out);
        break;
    case MNAS_CHOICE_LAYERS:
        snprintf(buf, n, "%d", block->repeats);
        break;
    case MNAS_N_CHOICE_KINDS:
        assert(false);
    }
}

static int not_contained(const mnas_space *space, int b, const mnas_block *block, const char *what,
                         const char *has, const char *allowed) {
    char text[96];
    mnas_block_print(block, text, sizeof text);
    return mnas_error_set(MNAS_ERR_ARG, "%s %d (%s) is not in space %s: %s is %s; allowed: %s",
                          space->per_layer ? "layer" : "block", b + 1, text, space->reference.name, what, has,
                          allowed);
}

static int no_option(const mnas_space *space, const mnas_space_step *step, const mnas_block *block) {
    char has[64];
    mnas_str list = {0};
    describe(step->kind, block, has, sizeof has);
    for (int k = 0; k < step->decision.n_choices; k++)
        mnas_str_appendf(&list, "%s%s", k ? ", " : "", step->decision.choices[k]);
    int rc = not_contained(space, step->block, block, mnas_choice_names[step->kind], has,
                           mnas_str_ok(&list) ? list.data : "");
    mnas_str_free(&list);
    return rc;
}

/* What no decision covers must be as in the block that the tokens decode to. */
static int check_fixed(const mnas_space *space, int b, const mnas_block *block, const mnas_block *made) {
    char has[64], allowed[64];
    if (block->stride != made->stride || block->in != made->in) {
        bool stride = block->stride != made->stride;
        snprintf(has, sizeof has, "%d", stride ? block->stride : block->in);
        snprintf(allowed, sizeof allowed, "%d", stride ? made->stride : made->in);
        return not_contained(space, b, block, stride ? "stride" : "input filters", has, allowed);
    }
    for (int kind = 0; kind < MNAS_N_CHOICE_KINDS; kind++) {
        if (kind == MNAS_CHOICE_EXPAND && made->op != MNAS_OP_MBCONV) continue; /* ignored by the op */
        describe((mnas_choice_kind)kind, block, has, sizeof has);
        describe((mnas_choice_kind)kind, made, allowed, sizeof allowed);
        if (strcmp(has, allowed) != 0)
            return not_contained(space, b, block, mnas_choice_names[kind], has, allowed);
    }
    return 0;
}

/* Tokens of the steps from *i on that belong to block b. */
static int encode_block(const mnas_space *space, int b, const mnas_block *block, int first_in, int *i,
                        int *tokens) {
    mnas_block made = space->base[b];
    made.in = first_in;
    for (; *i < space->n_steps && space->steps[*i].block == b; ++*i) {
        const mnas_space_step *step = &space->steps[*i];
        int k = 0;
        while (k < step->decision.n_choices && !option_matches(step->kind, &step->options[k], block)) k++;
        if (k == step->decision.n_choices) return no_option(space, step, block);
        tokens[*i] = k;
        mnas_space_apply(step->kind, &step->options[k], &made);
    }
    return check_fixed(space, b, block, &made);
}

static int check_attribute(const mnas_space *space, const char *what, int has, int wanted) {
    if (has == wanted) return 0;
    return mnas_error_set(MNAS_ERR_ARG, "the network is not in space %s: %s is %d; allowed: %d",
                          space->reference.name, what, has, wanted);
}

int mnas_space_encode(const mnas_space *space, const mnas_model *model, int *tokens) {
    const mnas_model *ref = &space->reference;
    mnas_model split = *model;
    int i = 0, rc = space->per_layer ? mnas_space_split_layers(&split) : 0;
    if (rc == 0) rc = check_attribute(space, "stem", model->stem_filters, ref->stem_filters);
    if (rc == 0) rc = check_attribute(space, "stem-stride", model->stem_stride, ref->stem_stride);
    if (rc == 0) rc = check_attribute(space, "head", model->head_filters, ref->head_filters);
    int n = split.n_blocks < ref->n_blocks ? split.n_blocks : ref->n_blocks;
    for (int b = 0; b < n && rc == 0; b++)
        rc = encode_block(space, b, &split.blocks[b], b ? split.blocks[b - 1].out : ref->blocks[0].in, &i,
                          tokens);
    if (rc == 0 && split.n_blocks != ref->n_blocks)
        rc = check_attribute(space, space->per_layer ? "number of layers" : "number of blocks",
                             split.n_blocks, ref->n_blocks);
    return rc;
}
