/* registry.c - from a spec `name:key=value,...` to a record and its parsed options.
 *
 * It holds no list of its own: each kind hands in the array that its `.def` file expands to.
 */
#include "base/registry.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define MAX_PLUGINS 64

static int unknown(const mnas_plugin *const *list, size_t n, const char *kind, const char *name) {
    const char *names[MAX_PLUGINS];
    mnas_str all = {0};
    assert(n <= MAX_PLUGINS);
    for (size_t i = 0; i < n; i++) {
        names[i] = list[i]->name;
        mnas_str_appendf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = mnas_str_nearest(name, names, n);
    mnas_error_set(MNAS_ERR_ARG, "unknown %s \"%s\"; %s%s%sknown: %s", kind, name,
                   near ? "did you mean " : "", near ? near : "", near ? "? " : "",
                   all.data ? all.data : "none");
    mnas_str_free(&all);
    return MNAS_ERR_ARG;
}

static int parse_options(const mnas_plugin *plugin, const char *kind, const char *pairs, void **opts) {
    char where[128];
    snprintf(where, sizeof where, "%s %s", kind, plugin->name);
    if (!plugin->opts) {
        if (!pairs[0]) return 0;
        return mnas_error_set(MNAS_ERR_ARG, "%s takes no options, but was given \"%s\"", where, pairs);
    }
    assert(plugin->opts_bytes > 0);
    *opts = calloc(1, plugin->opts_bytes);
    if (!*opts) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: options of %s", where);
    int rc = mnas_opts_parse_pairs(plugin->opts, *opts, where, pairs);
    if (rc == 0) return 0;
    free(*opts);
    *opts = NULL;
    return rc;
}

int mnas_registry_open(const mnas_plugin *const *list, size_t n, const char *kind, const char *spec,
                       const mnas_plugin **found, void **opts) {
    *found = NULL;
    *opts = NULL;
    char name[64];
    size_t len = strcspn(spec, ":");
    snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name), spec);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i]->name, name) != 0) continue;
        int rc = parse_options(list[i], kind, spec + len + (spec[len] == ':'), opts);
        if (rc == 0) *found = list[i];
        return rc;
    }
    return unknown(list, n, kind, name);
}

int mnas_registry_add_option(char **out, const char *spec, const char *name, const char *value) {
    const char *colon = strchr(spec, ':');
    mnas_str s = {0};
    mnas_str_appendf(&s, "%s%s%s=", spec, !colon ? ":" : colon[1] ? "," : "", name);
    mnas_opts_quote(value, &s);
    *out = s.data;
    if (mnas_str_ok(&s)) return 0;
    mnas_str_free(&s);
    *out = NULL;
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %s with %s", spec, name);
}

void mnas_registry_help(const mnas_plugin *const *list, size_t n, mnas_str *out) {
    for (size_t i = 0; i < n; i++) {
        mnas_str_appendf(out, "%-16s  %s\n", list[i]->name, list[i]->help);
        if (list[i]->opts) mnas_opts_help(list[i]->opts, "", out);
    }
}
