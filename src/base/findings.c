/* findings.c - see findings.h. It judges nothing: levels and words are the caller's. */
#include "base/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static mnas_finding *grow(mnas_findings *f) {
    if (f->failed) return NULL;
    if (f->n == f->cap) {
        const size_t cap = f->cap ? 2 * f->cap : 16;
        mnas_finding *items = realloc(f->items, cap * sizeof *items);
        if (!items) {
            f->failed = true;
            return NULL;
        }
        f->items = items;
        f->cap = cap;
    }
    mnas_finding *item = &f->items[f->n++];
    *item = (mnas_finding){0};
    return item;
}

void mnas_findings_add(mnas_findings *f, const char *level, const char *topic, const char *fmt, ...) {
    va_list args;
    mnas_finding *item = grow(f);
    if (!item) return;
    snprintf(item->level, sizeof item->level, "%s", level);
    snprintf(item->topic, sizeof item->topic, "%s", topic);
    va_start(args, fmt);
    vsnprintf(item->text, sizeof item->text, fmt, args);
    va_end(args);
}

void mnas_findings_fix(mnas_findings *f, const char *fmt, ...) {
    va_list args;
    if (f->failed || f->n == 0) return;
    mnas_finding *item = &f->items[f->n - 1];
    va_start(args, fmt);
    vsnprintf(item->fix, sizeof item->fix, fmt, args);
    va_end(args);
}

void mnas_findings_add_error(mnas_findings *f, const char *topic) {
    mnas_findings_add(f, "bad", topic, "%s", mnas_error_message());
}

int mnas_findings_count(const mnas_findings *f, const char *level) {
    int n = 0;
    for (size_t i = 0; i < f->n; i++) n += strcmp(f->items[i].level, level) == 0;
    return n;
}

int mnas_findings_take(mnas_findings *f, mnas_finding **items, size_t *n) {
    *items = NULL;
    *n = 0;
    if (f->failed) {
        mnas_findings_free(f);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: findings");
    }
    *items = f->items;
    *n = f->n;
    *f = (mnas_findings){0};
    return 0;
}

void mnas_findings_free(mnas_findings *f) {
    free(f->items);
    *f = (mnas_findings){0};
}
