/* decisions.c - see decisions.h. What a proposal of them is good for is the business of whoever asked.
 *
 * Invariant: the choices of a decision differ, as texts and, where it is ordinal, as values.
 */
#include "model/decisions.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "model/yaml_doc.h"

enum { MAX_DECISIONS = 1000, MAX_CHOICES = 1000, MAX_TEXT = 63 };

/* ---- one decision ---- */

/* In one word of a line, and apart from others in a table. */
static bool is_word(const char *text) {
    const size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if (isspace((unsigned char)text[i]) || iscntrl((unsigned char)text[i]) || text[i] == '=')
            return false;
    return n >= 1 && n <= MAX_TEXT;
}

static int check_word(const mnas_yaml_doc *doc, const mnas_yaml *node, const char *what, const char *text) {
    return is_word(text)
               ? 0
               : mnas_yaml_fail(doc, node, "%s '%.80s'; allowed: 1 to %d characters without blanks and '='",
                                what, text, MAX_TEXT);
}

static int check_choices(const mnas_yaml_doc *doc, const mnas_yaml *list, const char *name) {
    int rc = mnas_yaml_expect(doc, list, name, MNAS_YAML_LIST);
    if (rc < 0) return rc;
    if (list->n < 1 || list->n > MAX_CHOICES)
        return mnas_yaml_fail(doc, list, "%s has %d choices; allowed: 1 to %d", name, list->n, MAX_CHOICES);
    for (const mnas_yaml *c = list->child; c && rc == 0; c = c->next) {
        rc = mnas_yaml_expect(doc, c, name, MNAS_YAML_SCALAR);
        if (rc == 0) rc = check_word(doc, c, "choice", c->text);
        for (const mnas_yaml *b = list->child; b != c && rc == 0; b = b->next)
            if (strcmp(b->text, c->text) == 0)
                rc = mnas_yaml_fail(doc, c, "%s has the choice '%s' twice; allowed: choices that differ",
                                    name, c->text);
    }
    return rc;
}

/* Whether all are numbers. */
static bool read_numbers(const mnas_yaml *list, double *values) {
    bool all = true;
    for (const mnas_yaml *c = list->child; c; c = c->next) all = mnas_str_to_f64(c->text, values++) && all;
    return all;
}

/* A step along them is a step in one direction. */
static int check_order(const mnas_yaml_doc *doc, const mnas_yaml *list, const char *name,
                       const double *values) {
    for (int i = 1; i < list->n; i++)
        if (!(values[1] > values[0] ? values[i] > values[i - 1] : values[i] < values[i - 1]))
            return mnas_yaml_fail(doc, list,
                                  "the numbers of %s neither rise nor fall; order them, or give {choices: "
                                  "[...], ordinal: false}",
                                  name);
    return 0;
}

/* A list, or {choices: list, ordinal: true|false}. The choices themselves say it where *ordinal stays as it is. */
static int open_entry(const mnas_yaml_doc *doc, const mnas_yaml *entry, const mnas_yaml **list,
                      int *ordinal) {
    static const char *const keys[] = {"choices", "ordinal"}, *const words[] = {"false", "true"};
    if (entry->kind != MNAS_YAML_MAP) return 0;
    int rc = mnas_yaml_check_keys(doc, entry, keys, 2);
    if (rc < 0) return rc;
    const mnas_yaml *word = mnas_yaml_get(entry, "ordinal");
    if (!(*list = mnas_yaml_get(entry, "choices")))
        return mnas_yaml_fail(doc, entry, "'choices' is missing; allowed: a list such as [0.001, 0.01]");
    return word ? mnas_yaml_choice(doc, word, "ordinal", words, 2, ordinal) : 0;
}

static int take_texts(mnas_decisions *d, const mnas_yaml *list, const char **texts) {
    for (const mnas_yaml *c = list->child; c; c = c->next)
        if (!(*texts++ = mnas_arena_strdup(d->arena, c->text))) return MNAS_ERR_MEMORY;
    return 0;
}

static int read_decision(mnas_decisions *d, const mnas_yaml_doc *doc, const mnas_yaml *entry) {
    const mnas_yaml *list = entry;
    int asked = -1, rc = check_word(doc, entry, "decision", entry->key);
    if (rc == 0) rc = open_entry(doc, entry, &list, &asked);
    if (rc == 0) rc = check_choices(doc, list, entry->key);
    if (rc < 0) return rc;
    const size_t n = (size_t)list->n;
    double *values = mnas_arena_alloc(d->arena, n * sizeof *values);
    const char **texts = mnas_arena_alloc(d->arena, n * sizeof *texts);
    if (!values || !texts) return MNAS_ERR_MEMORY;
    const bool numbers = read_numbers(list, values), ordinal = asked < 0 ? numbers : asked > 0;
    for (int i = 0; !numbers && i < list->n; i++) values[i] = i;
    if (ordinal) rc = check_order(doc, list, entry->key, values);
    if (rc == 0) rc = take_texts(d, list, texts);
    mnas_decision *out = &d->list[d->n++];
    *out = (mnas_decision){
        .ordinal = ordinal, .n_choices = list->n, .choices = texts, .values = ordinal ? values : NULL};
    snprintf(out->name, sizeof out->name, "%s", entry->key);
    return rc;
}

/* ---- the file ---- */

static int read_all(mnas_decisions *d, const mnas_yaml_doc *doc) {
    static const char *const keys[] = {"decisions"};
    int rc = mnas_yaml_check_keys(doc, doc->root, keys, 1);
    if (rc < 0) return rc;
    const mnas_yaml *map = mnas_yaml_get(doc->root, "decisions");
    if (!map)
        return mnas_yaml_fail(doc, doc->root,
                              "'decisions' is missing; allowed: a map such as {lr: [0.001, 0.01]}");
    rc = mnas_yaml_expect(doc, map, "decisions", MNAS_YAML_MAP);
    if (rc < 0) return rc;
    if (map->n < 1 || map->n > MAX_DECISIONS)
        return mnas_yaml_fail(doc, map, "%d decisions; allowed: 1 to %d", map->n, MAX_DECISIONS);
    d->list = mnas_arena_alloc(d->arena, (size_t)map->n * sizeof *d->list);
    if (!d->list) return MNAS_ERR_MEMORY;
    for (const mnas_yaml *entry = map->child; entry && rc == 0; entry = entry->next)
        rc = read_decision(d, doc, entry);
    return rc;
}

int mnas_decisions_parse(mnas_decisions **out, const char *file, const char *text, size_t n) {
    mnas_yaml_doc *doc = NULL;
    mnas_decisions *d = calloc(1, sizeof *d);
    *out = NULL;
    if (!d) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: decisions");
    int rc = (d->arena = mnas_arena_create()) ? mnas_yaml_load(&doc, file, text, n) : MNAS_ERR_MEMORY;
    if (rc == 0) rc = read_all(d, doc);
    if (rc == 0 && !(d->text = mnas_arena_strdup(d->arena, text))) rc = MNAS_ERR_MEMORY;
    mnas_yaml_free(doc);
    if (rc < 0)
        mnas_decisions_close(d);
    else
        *out = d;
    return rc;
}

int mnas_decisions_open(mnas_decisions **out, const char *path) {
    char *text = NULL;
    size_t n;
    *out = NULL;
    int rc = mnas_file_read(path, MNAS_YAML_MAX_BYTES, &text, &n);
    if (rc == 0) rc = mnas_decisions_parse(out, path, text, n);
    free(text);
    return rc;
}

void mnas_decisions_close(mnas_decisions *d) {
    if (!d) return;
    mnas_arena_destroy(d->arena);
    free(d);
}
