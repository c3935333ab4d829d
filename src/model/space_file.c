/* space_file.c - a search space from its YAML file (docs/spaces.md).
 *
 * The file gives a reference network and lists of options; here each block gets its own concrete options:
 * scales become filters, r+1 becomes layers, mbconv6 becomes an op with its expansion. A list of one option
 * is no decision: it fixes the value. Every mistake is reported at its line and column.
 */
#include "model/space.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "model/model_file.h"

const char *const mnas_choice_names[] = {"op",  "expand",  "kernel", "se", "skip",
                                         "act", "filters", "layers", NULL};

typedef struct reader {
    const mnas_yaml_doc *doc;
    mnas_space *space;
    int n_kinds;
    mnas_choice_kind kinds[MNAS_N_CHOICE_KINDS];    /* in the order of the file */
    const mnas_yaml *defaults[MNAS_N_CHOICE_KINDS]; /* their lists; NULL: no choice */
    const mnas_yaml *entries[MNAS_MAX_BLOCKS];      /* of `blocks`, for each of the reference's blocks */
} reader;

/* Where one list is being read. */
typedef struct site {
    const reader *r;
    mnas_choice_kind kind;
    int block;
    const mnas_block *ref;
    const mnas_yaml *list;
} site;

static const char *unit_name(const mnas_space *space) {
    return space->per_layer ? "layer" : "block";
}

/* ---- one option of each kind ---- */

/* OP[E][_noskip|_skippool]: conv, sep, mbconv, mbconv6, conv_noskip. */
static int split_op(const site *s, const mnas_yaml *node, mnas_space_option *option) {
    static const char *const suffixes[] = {"_noskip", "_skippool"};
    const char *text = node->text;
    size_t n = strcspn(text, "0123456789_");
    int op = 0;
    while (mnas_conv_op_names[op] &&
           (strlen(mnas_conv_op_names[op]) != n || strncmp(mnas_conv_op_names[op], text, n)))
        op++;
    option->op = (mnas_conv_op)op;
    text += n;
    size_t digits = strspn(text, "0123456789");
    bool known =
        mnas_conv_op_names[op] && digits <= 2 && (digits == 0 || (op == MNAS_OP_MBCONV && *text != '0'));
    option->expand = known && digits ? atoi(text) : 0;
    text += digits;
    option->skip = -1;
    for (int i = 0; i < 2 && *text; i++)
        if (strcmp(text, suffixes[i]) == 0) option->skip = i ? MNAS_SKIP_POOL : MNAS_SKIP_NONE, text = "";
    if (known && !*text && option->expand <= MNAS_MAX_EXPAND) return 0;
    return mnas_yaml_fail(
        s->r->doc, node,
        "op '%.60s' is unknown; allowed: conv, sep, mbconv, mbconv1 to mbconv%d, each with _noskip or "
        "_skippool behind it where skip is no choice",
        node->text, MNAS_MAX_EXPAND);
}

static bool list_sets_expand(const mnas_yaml *list) {
    for (const mnas_yaml *c = list->child; c; c = c->next)
        if (c->kind == MNAS_YAML_SCALAR && c->text[strcspn(c->text, "0123456789")]) return true;
    return false;
}

/* Whatever the op does not say comes from the reference, unless it is a choice of its own. Beside mbconv3 and
 * the like, conv and sep have expansion 1: they have none. */
static int read_op(const site *s, const mnas_yaml *node, mnas_space_option *option) {
    int rc = split_op(s, node, option);
    if (rc < 0) return rc;
    if (option->expand && s->r->defaults[MNAS_CHOICE_EXPAND])
        return mnas_yaml_fail(s->r->doc, node,
                              "op '%s' sets the expansion, which is a choice of its own; allowed: mbconv",
                              node->text);
    if (option->skip >= 0 && s->r->defaults[MNAS_CHOICE_SKIP])
        return mnas_yaml_fail(s->r->doc, node,
                              "op '%s' sets the skip, which is a choice of its own; allowed: %.*s",
                              node->text, (int)strcspn(node->text, "_"), node->text);
    if (!option->expand && !s->r->defaults[MNAS_CHOICE_EXPAND])
        option->expand = option->op == MNAS_OP_MBCONV || !list_sets_expand(s->list) ? s->ref->expand : 1;
    if (option->skip < 0 && !s->r->defaults[MNAS_CHOICE_SKIP]) option->skip = (int)s->ref->skip;
    return 0;
}

static int read_int(const site *s, const mnas_yaml *node, const char *what, int max,
                    mnas_space_option *option) {
    int value = 0;
    int rc = mnas_yaml_int(s->r->doc, node, what, 1, max, &value);
    option->value = value;
    return rc;
}

static int read_kernel(const site *s, const mnas_yaml *node, mnas_space_option *option) {
    static const char *const names[] = {"3", "5", "7"};
    int index = 0;
    int rc = mnas_yaml_choice(s->r->doc, node, "kernel", names, 3, &index);
    option->value = 3 + 2 * index;
    return rc;
}

static int read_skip(const site *s, const mnas_yaml *node, mnas_space_option *option) {
    int index = 0;
    int rc = mnas_yaml_choice(s->r->doc, node, "skip", mnas_skip_names, 3, &index);
    option->value = index;
    return rc;
}

static int read_act(const site *s, const mnas_yaml *node, mnas_space_option *option) {
    int index = 0;
    int rc = mnas_yaml_choice(s->r->doc, node, "act", mnas_act_names + MNAS_ACT_RELU,
                              MNAS_ACT_HSWISH - MNAS_ACT_RELU + 1, &index);
    option->value = MNAS_ACT_RELU + index;
    return rc;
}

/* x0.75: times the reference's filters, truncated as the published space does it; or a number. */
static int read_filters(const site *s, const mnas_yaml *node, mnas_space_option *option) {
    double scale;
    if (node->text[0] != 'x') {
        if (mnas_str_to_f64(node->text, &scale))
            return read_int(s, node, "filters", MNAS_MAX_FILTERS, option);
        scale = -1;
    } else if (!mnas_str_to_f64(node->text + 1, &scale)) {
        scale = -1;
    }
    if (!(scale > 0 && scale <= 16))
        return mnas_yaml_fail(
            s->r->doc, node,
            "filters is '%.60s'; allowed: xSCALE above x0 to x16, e.g. x0.75, or whole numbers from 1 to %d",
            node->text, MNAS_MAX_FILTERS);
    option->value = (int)(scale * s->ref->out);
    if (option->value >= 1 && option->value <= MNAS_MAX_FILTERS) return 0;
    return mnas_yaml_fail(s->r->doc, node, "%s times the %d filters of block %d gives %g; allowed: 1 to %d",
                          node->text, s->ref->out, s->block + 1, option->value, MNAS_MAX_FILTERS);
}

/* r, r-1, r+1: relative to the reference's layers; or a number. */
static int read_layers(const site *s, const mnas_yaml *node, mnas_space_option *option) {
    long long delta = 0, value;
    const char *text = node->text;
    if (text[0] != 'r') {
        if (mnas_str_to_i64(text, &value)) return read_int(s, node, "layers", MNAS_MAX_REPEATS, option);
        delta = MNAS_MAX_REPEATS + 1;
    } else if (text[1] && ((text[1] != '-' && text[1] != '+') || !mnas_str_to_i64(text + 1, &delta))) {
        delta = MNAS_MAX_REPEATS + 1;
    }
    if (delta > MNAS_MAX_REPEATS || delta < -MNAS_MAX_REPEATS)
        return mnas_yaml_fail(s->r->doc, node,
                              "layers is '%.60s'; allowed: r, r-1, r+1, ..., or whole numbers from 1 to %d",
                              text, MNAS_MAX_REPEATS);
    option->value = (double)(s->ref->repeats + delta);
    if (option->value >= 1 && option->value <= MNAS_MAX_REPEATS) return 0;
    return mnas_yaml_fail(
        s->r->doc, node,
        "layers %s gives %g in block %d, whose reference has r%d; allowed: 1 to %d: give that block a "
        "list of its own, e.g. {net: ..., layers: [1, 2]}",
        text, option->value, s->block + 1, s->ref->repeats, MNAS_MAX_REPEATS);
}

static int read_option(const site *s, const mnas_yaml *node, mnas_space_option *option) {
    int rc = mnas_yaml_expect(s->r->doc, node, mnas_choice_names[s->kind], MNAS_YAML_SCALAR);
    if (rc < 0) return rc;
    switch (s->kind) {
    case MNAS_CHOICE_OP:
        return read_op(s, node, option);
    case MNAS_CHOICE_EXPAND:
        return read_int(s, node, "expand", MNAS_MAX_EXPAND, option);
    case MNAS_CHOICE_KERNEL:
        return read_kernel(s, node, option);
    case MNAS_CHOICE_SE:
        return mnas_yaml_number(s->r->doc, node, "se", 0, 1, &option->value);
    case MNAS_CHOICE_SKIP:
        return read_skip(s, node, option);
    case MNAS_CHOICE_ACT:
        return read_act(s, node, option);
    case MNAS_CHOICE_FILTERS:
        return read_filters(s, node, option);
    case MNAS_CHOICE_LAYERS:
        return read_layers(s, node, option);
    case MNAS_N_CHOICE_KINDS:
        break;
    }
    assert(false);
    return 0;
}

/* ---- lists ---- */

static bool same_option(const mnas_space_option *a, const mnas_space_option *b) {
    return a->value == b->value && a->op == b->op && a->expand == b->expand && a->skip == b->skip;
}

static int read_options(const site *s, mnas_space_option *options) {
    int n = 0;
    for (const mnas_yaml *c = s->list->child; c; c = c->next, n++) {
        options[n] = (mnas_space_option){.skip = -1};
        int rc = read_option(s, c, &options[n]);
        if (rc < 0) return rc;
        const mnas_yaml *earlier = s->list->child;
        for (int k = 0; k < n; k++, earlier = earlier->next)
            if (same_option(&options[k], &options[n]))
                return mnas_yaml_fail(
                    s->r->doc, c, "%s: %s and %s are the same in %s %d; allowed: options that differ",
                    mnas_choice_names[s->kind], earlier->text, c->text, unit_name(s->r->space), s->block + 1);
    }
    return 0;
}

static bool is_ordinal(mnas_choice_kind kind) {
    return kind != MNAS_CHOICE_OP && kind != MNAS_CHOICE_SKIP && kind != MNAS_CHOICE_ACT;
}

static const char *option_text(const site *s, const mnas_space_option *option, const mnas_yaml *node) {
    char number[32];
    if (!is_ordinal(s->kind)) return mnas_arena_strdup(s->r->space->arena, node->text);
    mnas_str_from_f64(option->value, number);
    return mnas_arena_strdup(s->r->space->arena, number);
}

static int add_step(const site *s, const mnas_space_option *options) {
    mnas_space *space = s->r->space;
    size_t n = (size_t)s->list->n;
    mnas_space_option *kept = mnas_arena_alloc(space->arena, n * sizeof *kept);
    const char **texts = mnas_arena_alloc(space->arena, n * sizeof *texts);
    double *values = mnas_arena_alloc(space->arena, n * sizeof *values);
    if (!kept || !texts || !values) return MNAS_ERR_MEMORY;
    memcpy(kept, options, n * sizeof *kept);
    const mnas_yaml *node = s->list->child;
    for (size_t k = 0; k < n; k++, node = node->next) {
        if (!(texts[k] = option_text(s, &options[k], node))) return MNAS_ERR_MEMORY;
        values[k] = options[k].value;
    }
    bool ordinal = is_ordinal(s->kind);
    mnas_space_step *step = &space->steps[space->n_steps++];
    *step = (mnas_space_step){.kind = s->kind, .block = s->block, .options = kept};
    step->decision = (mnas_decision){
        .ordinal = ordinal, .n_choices = (int)n, .choices = texts, .values = ordinal ? values : NULL};
    snprintf(step->decision.name, sizeof step->decision.name, "%s%d.%s", unit_name(space), s->block + 1,
             mnas_choice_names[s->kind]);
    return 0;
}

static int check_list(const reader *r, const mnas_yaml *list, mnas_choice_kind kind) {
    int rc = mnas_yaml_expect(r->doc, list, mnas_choice_names[kind], MNAS_YAML_LIST);
    if (rc < 0) return rc;
    if (list->n >= 1 && list->n <= MNAS_MAX_OPTIONS) return 0;
    return mnas_yaml_fail(r->doc, list, "%s has %d options; allowed: 1 to %d", mnas_choice_names[kind],
                          list->n, MNAS_MAX_OPTIONS);
}

/* The options of one choice in one block: its own list where its entry has one, else that of `choices`. */
static int read_choice(const reader *r, int block, mnas_choice_kind kind) {
    const mnas_yaml *entry = r->entries[block], *own = NULL;
    if (entry->kind == MNAS_YAML_MAP) own = mnas_yaml_get(entry, mnas_choice_names[kind]);
    site s = {r, kind, block, &r->space->reference.blocks[block], own ? own : r->defaults[kind]};
    mnas_space_option options[MNAS_MAX_OPTIONS];
    int rc = check_list(r, s.list, kind);
    if (rc == 0) rc = read_options(&s, options);
    if (rc < 0) return rc;
    if (s.list->n > 1) return add_step(&s, options);
    mnas_space_apply(kind, &options[0], &r->space->base[block]);
    return 0;
}

/* ---- the parts of the file ---- */

static int read_choices(reader *r) {
    const mnas_yaml *choices = mnas_yaml_get(r->doc->root, "choices");
    if (!choices)
        return mnas_yaml_fail(r->doc, r->doc->root,
                              "'choices' is missing; allowed: a list such as - kernel: [3, 5]");
    int rc = mnas_yaml_expect(r->doc, choices, "choices", MNAS_YAML_LIST);
    for (const mnas_yaml *c = choices->child; c && rc == 0; c = c->next) {
        rc = mnas_yaml_expect(r->doc, c, "a choice", MNAS_YAML_MAP);
        if (rc == 0) rc = mnas_yaml_check_keys(r->doc, c, mnas_choice_names, MNAS_N_CHOICE_KINDS);
        if (rc < 0) return rc;
        if (c->n != 1)
            return mnas_yaml_fail(
                r->doc, c,
                "a choice has %d keys; allowed: one, e.g. - kernel: [3, 5] (the list's order is the "
                "order of the decisions)",
                c->n);
        int kind = 0;
        while (strcmp(mnas_choice_names[kind], c->child->key) != 0) kind++;
        if (r->defaults[kind])
            return mnas_yaml_fail(r->doc, c, "second '%s'; allowed: each choice once", c->child->key);
        if (r->space->per_layer && kind == MNAS_CHOICE_LAYERS)
            return mnas_yaml_fail(
                r->doc, c, "layers is no choice with per: layer; allowed: per: block, or no layers here");
        r->defaults[kind] = c->child;
        r->kinds[r->n_kinds++] = (mnas_choice_kind)kind;
        rc = check_list(r, c->child, (mnas_choice_kind)kind);
    }
    if (rc == 0 && r->n_kinds == 0)
        rc = mnas_yaml_fail(r->doc, choices, "no choices; allowed: one or more, e.g. - kernel: [3, 5]");
    return rc;
}

/* An entry of `blocks`: a block string, or {net: block string, CHOICE: its own list, ...}. */
static int read_entry(const reader *r, const mnas_yaml *entry, mnas_block *block) {
    const char *allowed[MNAS_N_CHOICE_KINDS + 1] = {"net"};
    if (entry->kind != MNAS_YAML_MAP) return mnas_model_file_block(r->doc, entry, block);
    for (int i = 0; i < r->n_kinds; i++) allowed[i + 1] = mnas_choice_names[r->kinds[i]];
    int rc = mnas_yaml_check_keys(r->doc, entry, allowed, (size_t)r->n_kinds + 1);
    const mnas_yaml *net = mnas_yaml_get(entry, "net");
    if (rc == 0 && !net)
        rc = mnas_yaml_fail(r->doc, entry, "'net' is missing; allowed: the reference's block string");
    return rc < 0 ? rc : mnas_model_file_block(r->doc, net, block);
}

/* Takes one entry into the reference, as layers of their own where choices are per layer. */
static int append_entry(reader *r, const mnas_yaml *entry, const mnas_block *block) {
    mnas_model one = {.n_blocks = 1, .blocks = {*block}};
    mnas_model *ref = &r->space->reference;
    int rc = r->space->per_layer ? mnas_space_split_layers(&one) : 0;
    if (rc < 0) return mnas_yaml_context(r->doc, entry, rc);
    for (int i = 0; i < one.n_blocks; i++) {
        if ((rc = mnas_model_file_append(r->doc, entry, ref, &one.blocks[i])) < 0) return rc;
        r->entries[ref->n_blocks - 1] = entry;
    }
    return 0;
}

static int read_blocks(reader *r) {
    mnas_model *ref = &r->space->reference;
    const mnas_yaml *blocks = mnas_yaml_get(r->doc->root, "blocks");
    if (!blocks)
        return mnas_yaml_fail(r->doc, r->doc->root,
                              "'blocks' is missing; allowed: the reference network, a list");
    int rc = mnas_yaml_expect(r->doc, blocks, "blocks", MNAS_YAML_LIST);
    if (rc == 0 && blocks->n == 0)
        rc = mnas_yaml_fail(r->doc, blocks, "no blocks; allowed: the reference network, a list");
    for (const mnas_yaml *c = blocks->child; c && rc == 0; c = c->next) {
        mnas_block block;
        if ((rc = read_entry(r, c, &block)) < 0) return rc;
        if (c == blocks->child && block.in != ref->stem_filters)
            return mnas_yaml_fail(r->doc, c, "input filters are %d, but the stem puts out %d; allowed: i%d",
                                  block.in, ref->stem_filters, ref->stem_filters);
        rc = append_entry(r, c, &block);
    }
    return rc;
}

/* Decimal product of the numbers of choices, digit by digit from the right. */
static int count_encodings(mnas_space *space) {
    enum { DIGITS = 1024 }; /* 64^(64*7) has 810 */
    char digits[DIGITS];
    memset(digits, '0', sizeof digits);
    digits[DIGITS - 1] = '\0';
    digits[DIGITS - 2] = '1';
    for (int i = 0; i < space->n_steps; i++) {
        int carry = 0;
        for (int d = DIGITS - 2; d >= 0; d--) {
            carry += (digits[d] - '0') * space->steps[i].decision.n_choices;
            digits[d] = (char)('0' + carry % 10);
            carry /= 10;
        }
    }
    space->n_encodings = mnas_arena_strdup(space->arena, digits + strspn(digits, "0"));
    return space->n_encodings ? 0 : MNAS_ERR_MEMORY;
}

static int read_root(reader *r) {
    static const char *const units[] = {"block", "layer"};
    size_t n;
    const char *const *attrs = mnas_model_file_keys(&n);
    const char *allowed[32];
    assert(n + 3 <= sizeof allowed / sizeof *allowed);
    memcpy(allowed, attrs, n * sizeof *attrs);
    allowed[n++] = "per";
    allowed[n++] = "blocks";
    allowed[n++] = "choices";
    int unit = 0, rc = mnas_yaml_check_keys(r->doc, r->doc->root, allowed, n);
    if (rc == 0) rc = mnas_model_file_read(r->doc, &r->space->reference);
    const mnas_yaml *per = mnas_yaml_get(r->doc->root, "per");
    if (rc == 0 && per) rc = mnas_yaml_choice(r->doc, per, "per", units, 2, &unit);
    r->space->per_layer = unit == 1;
    return rc;
}

static int read_space(reader *r) {
    int rc = read_root(r);
    if (rc == 0) rc = read_choices(r);
    if (rc == 0) rc = read_blocks(r);
    if (rc < 0) return rc;
    memcpy(r->space->base, r->space->reference.blocks, sizeof r->space->base);
    for (int b = 0; b < r->space->reference.n_blocks; b++)
        for (int i = 0; i < r->n_kinds; i++)
            if ((rc = read_choice(r, b, r->kinds[i])) < 0) return rc;
    if (r->space->n_steps == 0)
        return mnas_yaml_fail(
            r->doc, mnas_yaml_get(r->doc->root, "choices"),
            "nothing to decide: every choice has one option; allowed: two or more in some block");
    return count_encodings(r->space);
}

int mnas_space_read(mnas_space *space, const char *file, const char *text, size_t n) {
    mnas_yaml_doc *doc = NULL;
    int rc = mnas_yaml_load(&doc, file, text, n);
    if (rc < 0) return rc;
    reader r = {.doc = doc, .space = space};
    rc = read_space(&r);
    if (rc == 0 && !(space->text = mnas_arena_strdup(space->arena, text))) rc = MNAS_ERR_MEMORY;
    mnas_yaml_free(doc);
    return rc;
}
