/* yaml_doc.h - a YAML document as a tree whose every node knows its line and column, for model and space files.
 *
 * A deliberate subset of YAML: scalars, lists, maps with scalar keys, comments. Anchors, aliases, tags and
 * further documents are refused, as are duplicate keys, over-deep nesting and over-long files, so that what a
 * person reads is what is meant and no small file can become a large tree. Every error reads "file:line:col:
 * what; allowed: ...", both counted from 1.
 */
#ifndef MNAS_MODEL_YAML_DOC_H
#define MNAS_MODEL_YAML_DOC_H

#include <stdbool.h>
#include <stddef.h>

typedef enum { MNAS_YAML_SCALAR, MNAS_YAML_LIST, MNAS_YAML_MAP } mnas_yaml_kind;

typedef struct mnas_yaml {
    mnas_yaml_kind kind;
    int line, col;
    const char *text; /* of a scalar */
    const char *key;  /* where the parent is a map */
    int key_line, key_col;
    int n;                   /* children */
    struct mnas_yaml *child; /* the first, in the file's order */
    struct mnas_yaml *next;  /* of the same parent */
} mnas_yaml;

typedef struct mnas_yaml_doc {
    const char *file;      /* as it stands in messages */
    const mnas_yaml *root; /* always a map */
} mnas_yaml_doc;

enum { MNAS_YAML_MAX_BYTES = 1 << 20, MNAS_YAML_MAX_DEPTH = 16, MNAS_YAML_MAX_NODES = 10000 };

/* Parse text[n]; `file` is copied. */
int mnas_yaml_load(mnas_yaml_doc **out, const char *file, const char *text, size_t n);
void mnas_yaml_free(mnas_yaml_doc *doc); /* NULL is allowed */

/* MNAS_ERR_FORMAT with "file:line:col: " and the message; returns it. */
int mnas_yaml_fail(const mnas_yaml_doc *doc, const mnas_yaml *node, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts the place in front of the present message. */
int mnas_yaml_context(const mnas_yaml_doc *doc, const mnas_yaml *node, int status);

const mnas_yaml *mnas_yaml_get(const mnas_yaml *map, const char *key); /* or NULL */
/* Every key of the map must be in allowed[n]: "unknown key 'steam'; did you mean 'stem'?; allowed: ...". */
int mnas_yaml_check_keys(const mnas_yaml_doc *doc, const mnas_yaml *map, const char *const *allowed,
                         size_t n);

/* Readers of one node; `what` names it in messages. Ranges are inclusive. */
int mnas_yaml_expect(const mnas_yaml_doc *doc, const mnas_yaml *node, const char *what, mnas_yaml_kind kind);
int mnas_yaml_int(const mnas_yaml_doc *doc, const mnas_yaml *node, const char *what, int min, int max,
                  int *out);
int mnas_yaml_number(const mnas_yaml_doc *doc, const mnas_yaml *node, const char *what, double min,
                     double max, double *out);
/* Index of the scalar in names[n]. */
int mnas_yaml_choice(const mnas_yaml_doc *doc, const mnas_yaml *node, const char *what,
                     const char *const *names, size_t n, int *out);

#endif
