/* yaml_doc.c - from libyaml's events to a tree with places, and typed readers of its nodes.
 *
 * Events instead of libyaml's own document tree, since that one resolves aliases silently and loses the place
 * of keys. Invariant while loading: stack[depth - 1] is the innermost open list or map.
 */
#include "model/yaml_doc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

typedef struct doc_memory {
    mnas_yaml_doc doc; /* first: freed through it */
    mnas_arena *arena;
} doc_memory;

typedef struct loader {
    mnas_yaml_doc *doc;
    mnas_arena *arena;
    mnas_yaml *root, *stack[MNAS_YAML_MAX_DEPTH], *last[MNAS_YAML_MAX_DEPTH]; /* last child so far */
    mnas_yaml *key;                                                           /* read, its value not yet */
    int depth, n_nodes;
    bool done;
} loader;

int mnas_yaml_fail(const mnas_yaml_doc *doc, const mnas_yaml *node, const char *fmt, ...) {
    char text[800];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return mnas_error_set(MNAS_ERR_FORMAT, "%s:%d:%d: %s", doc->file, node->line, node->col, text);
}

int mnas_yaml_context(const mnas_yaml_doc *doc, const mnas_yaml *node, int status) {
    return mnas_error_context(status, "%s:%d:%d", doc->file, node->line, node->col);
}

static mnas_yaml place_of(yaml_mark_t mark) {
    return (mnas_yaml){.line = (int)mark.line + 1, .col = (int)mark.column + 1};
}

/* ---- building the tree ---- */

static int new_node(loader *l, const yaml_event_t *event, mnas_yaml_kind kind, mnas_yaml **out) {
    mnas_yaml place = place_of(event->start_mark);
    if (++l->n_nodes > MNAS_YAML_MAX_NODES)
        return mnas_yaml_fail(l->doc, &place, "more than %d values; allowed: at most so many in a file",
                              MNAS_YAML_MAX_NODES);
    *out = mnas_arena_alloc(l->arena, sizeof **out);
    if (!*out) return MNAS_ERR_MEMORY;
    **out = place;
    (*out)->kind = kind;
    return 0;
}

/* In a map, scalars are keys and values in turn. */
static int take_key(loader *l, mnas_yaml *node) {
    const mnas_yaml *map = l->stack[l->depth - 1];
    if (node->kind != MNAS_YAML_SCALAR)
        return mnas_yaml_fail(l->doc, node, "a list or map as a key; allowed: a name");
    for (const mnas_yaml *c = map->child; c; c = c->next)
        if (strcmp(c->key, node->text) == 0)
            return mnas_yaml_fail(l->doc, node,
                                  "second '%.60s' (the first is in line %d); allowed: each key once",
                                  node->text, c->key_line);
    l->key = node;
    return 0;
}

static int attach(loader *l, mnas_yaml *node) {
    if (l->depth == 0) {
        l->root = node;
        return 0;
    }
    mnas_yaml *parent = l->stack[l->depth - 1], **last = &l->last[l->depth - 1];
    if (parent->kind == MNAS_YAML_MAP && !l->key) return take_key(l, node);
    if (l->key) {
        node->key = l->key->text;
        node->key_line = l->key->line;
        node->key_col = l->key->col;
        l->key = NULL;
    }
    if (*last)
        (*last)->next = node;
    else
        parent->child = node;
    *last = node;
    parent->n++;
    return 0;
}

static int add_scalar(loader *l, const yaml_event_t *event) {
    mnas_yaml *node = NULL;
    int rc = new_node(l, event, MNAS_YAML_SCALAR, &node);
    if (rc < 0) return rc;
    const char *text = (const char *)event->data.scalar.value;
    if (strlen(text) != event->data.scalar.length)
        return mnas_yaml_fail(l->doc, node, "a NUL character in a text; allowed: any other");
    if (!(node->text = mnas_arena_strdup(l->arena, text))) return MNAS_ERR_MEMORY;
    return attach(l, node);
}

static int open_collection(loader *l, const yaml_event_t *event, mnas_yaml_kind kind) {
    mnas_yaml *node = NULL;
    int rc = new_node(l, event, kind, &node);
    if (rc < 0) return rc;
    if (l->depth == MNAS_YAML_MAX_DEPTH)
        return mnas_yaml_fail(l->doc, node, "nested too deeply; allowed: %d levels", MNAS_YAML_MAX_DEPTH);
    if ((rc = attach(l, node)) < 0) return rc;
    l->stack[l->depth] = node;
    l->last[l->depth++] = NULL;
    return 0;
}

/* Anchors and tags, which this subset has not; NULL when the event has neither. */
static const char *decoration(const yaml_event_t *event) {
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return "an alias (*name) is not supported; allowed: the value written out";
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor, tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor, tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor, tag = event->data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor) return "an anchor (&name) is not supported; allowed: the value written out";
    return tag ? "a tag (!name) is not supported; allowed: the value without it" : NULL;
}

static int take_event(loader *l, const yaml_event_t *event) {
    mnas_yaml place = place_of(event->start_mark);
    const char *unsupported = decoration(event);
    if (unsupported) return mnas_yaml_fail(l->doc, &place, "%s", unsupported);
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return l->root ? mnas_yaml_fail(l->doc, &place, "a second document; allowed: one a file") : 0;
    case YAML_SCALAR_EVENT:
        return add_scalar(l, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(l, event, MNAS_YAML_LIST);
    case YAML_MAPPING_START_EVENT:
        return open_collection(l, event, MNAS_YAML_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        l->depth--;
        return 0;
    case YAML_STREAM_END_EVENT:
        l->done = true;
        return 0;
    default:
        return 0;
    }
}

/* libyaml gives a mark for what it scans, only an offset for bytes that are no UTF-8. */
static int parser_failed(const loader *l, const yaml_parser_t *parser, const char *text, size_t n) {
    if (parser->error == YAML_MEMORY_ERROR)
        return mnas_error_set(MNAS_ERR_MEMORY, "%s: out of memory", l->doc->file);
    mnas_yaml place = place_of(parser->problem_mark);
    if (parser->error == YAML_READER_ERROR) {
        place = (mnas_yaml){.line = 1, .col = 1};
        for (size_t i = 0; i < n && i < parser->problem_offset; i++) {
            place.col = text[i] == '\n' ? 1 : place.col + 1;
            place.line += text[i] == '\n';
        }
    }
    return mnas_yaml_fail(
        l->doc, &place, "not YAML: %s%s%s; allowed: keys and values as in docs/models.md and docs/spaces.md",
        parser->problem ? parser->problem : "unreadable", parser->context ? " " : "",
        parser->context ? parser->context : "");
}

static int run(loader *l, yaml_parser_t *parser, const char *text, size_t n) {
    while (!l->done) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) return parser_failed(l, parser, text, n);
        int rc = take_event(l, &event);
        yaml_event_delete(&event);
        if (rc < 0) return rc;
    }
    mnas_yaml start = {.line = 1, .col = 1};
    if (!l->root)
        return mnas_yaml_fail(l->doc, &start, "the file is empty; allowed: keys and values, e.g. name: mine");
    if (l->root->kind != MNAS_YAML_MAP)
        return mnas_yaml_fail(l->doc, l->root,
                              "no keys at the top; allowed: keys and values, e.g. name: mine");
    l->doc->root = l->root;
    return 0;
}

static int load(loader *l, const char *text, size_t n) {
    yaml_parser_t parser;
    mnas_yaml start = {.line = 1, .col = 1};
    if (n > MNAS_YAML_MAX_BYTES)
        return mnas_yaml_fail(l->doc, &start, "the file has %zu bytes; allowed: at most %d", n,
                              MNAS_YAML_MAX_BYTES);
    if (!yaml_parser_initialize(&parser))
        return mnas_error_set(MNAS_ERR_MEMORY, "%s: out of memory", l->doc->file);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
    int rc = run(l, &parser, text, n);
    yaml_parser_delete(&parser);
    return rc;
}

int mnas_yaml_load(mnas_yaml_doc **out, const char *file, const char *text, size_t n) {
    doc_memory *memory = calloc(1, sizeof *memory);
    mnas_arena *arena = memory ? mnas_arena_create() : NULL;
    int rc = MNAS_ERR_MEMORY;
    if (!arena) {
        mnas_error_set(MNAS_ERR_MEMORY, "%s: out of memory", file);
        goto out;
    }
    memory->arena = arena;
    loader l = {.doc = &memory->doc, .arena = arena};
    if ((memory->doc.file = mnas_arena_strdup(arena, file))) rc = load(&l, text, n);
out:
    if (rc == 0) {
        *out = &memory->doc;
        return 0;
    }
    mnas_arena_destroy(arena);
    free(memory);
    return rc;
}

void mnas_yaml_free(mnas_yaml_doc *doc) {
    doc_memory *memory = (doc_memory *)doc;
    if (!memory) return;
    mnas_arena_destroy(memory->arena);
    free(memory);
}

/* ---- reading nodes ---- */

const mnas_yaml *mnas_yaml_get(const mnas_yaml *map, const char *key) {
    for (const mnas_yaml *c = map->child; c; c = c->next)
        if (strcmp(c->key, key) == 0) return c;
    return NULL;
}

static int unknown_word(const mnas_yaml_doc *doc, const mnas_yaml *node, const char *what, const char *word,
                        const char *const *names, size_t n) {
    mnas_str text = {0};
    mnas_str_append_unknown(&text, what, word, names, n);
    int rc = mnas_str_ok(&text) ? mnas_yaml_fail(doc, node, "%s", text.data) : MNAS_ERR_MEMORY;
    mnas_str_free(&text);
    return rc;
}

int mnas_yaml_check_keys(const mnas_yaml_doc *doc, const mnas_yaml *map, const char *const *allowed,
                         size_t n) {
    for (const mnas_yaml *c = map->child; c; c = c->next) {
        size_t i = 0;
        while (i < n && strcmp(allowed[i], c->key) != 0) i++;
        mnas_yaml place = {.line = c->key_line, .col = c->key_col};
        if (i == n) return unknown_word(doc, &place, "unknown key", c->key, allowed, n);
    }
    return 0;
}

int mnas_yaml_expect(const mnas_yaml_doc *doc, const mnas_yaml *node, const char *what, mnas_yaml_kind kind) {
    static const char *const kinds[] = {"a single value", "a list, e.g. [a, b]",
                                        "keys and values, e.g. {a: 1}"};
    if (node->kind == kind) return 0;
    return mnas_yaml_fail(doc, node, "%s is of the wrong kind; allowed: %s", what, kinds[kind]);
}

int mnas_yaml_int(const mnas_yaml_doc *doc, const mnas_yaml *node, const char *what, int min, int max,
                  int *out) {
    long long value;
    int rc = mnas_yaml_expect(doc, node, what, MNAS_YAML_SCALAR);
    if (rc < 0) return rc;
    if (!mnas_str_to_i64(node->text, &value) || value < min || value > max)
        return mnas_yaml_fail(doc, node, "%s is '%.60s'; allowed: whole numbers from %d to %d", what,
                              node->text, min, max);
    *out = (int)value;
    return 0;
}

int mnas_yaml_number(const mnas_yaml_doc *doc, const mnas_yaml *node, const char *what, double min,
                     double max, double *out) {
    int rc = mnas_yaml_expect(doc, node, what, MNAS_YAML_SCALAR);
    if (rc < 0) return rc;
    double value;
    if (!mnas_str_to_f64(node->text, &value) || !(value >= min && value <= max))
        return mnas_yaml_fail(doc, node, "%s is '%.60s'; allowed: numbers from %g to %g", what, node->text,
                              min, max);
    *out = value == 0 ? 0 : value; /* "-0" is 0 */
    return 0;
}

int mnas_yaml_choice(const mnas_yaml_doc *doc, const mnas_yaml *node, const char *what,
                     const char *const *names, size_t n, int *out) {
    int rc = mnas_yaml_expect(doc, node, what, MNAS_YAML_SCALAR);
    if (rc < 0) return rc;
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], node->text) == 0) {
            *out = (int)i;
            return 0;
        }
    char label[80];
    snprintf(label, sizeof label, "%s is", what);
    return unknown_word(doc, node, label, node->text, names, n);
}
