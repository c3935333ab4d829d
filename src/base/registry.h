/* registry.h - the one shape of every extension point: operators, datasets, devices, strategies, rewards, recipes.
 *
 * Each implementation is one `const` record in its own file, whose FIRST member is a mnas_plugin, and one line in a
 * `.def` list. Specs read `name:key=value,key=value`. docs/ARCHITECTURE.md, "The one
 * pattern of extension", says how to add one of each kind.
 */
#ifndef MNAS_BASE_REGISTRY_H
#define MNAS_BASE_REGISTRY_H

#include "base/opts.h"

typedef struct mnas_plugin {
    const char *name;     /* as typed in a spec */
    const char *help;     /* one line */
    const mnas_opt *opts; /* option table, or NULL */
    size_t opts_bytes;    /* size of the options struct */
} mnas_plugin;

/* Find `spec`'s record in list[n] and parse its options. *opts is allocated with calloc (free() it), NULL where the record
 * has no options. `kind` ("device") is for messages. An unknown name fails with the nearest and the list of known ones. */
int mnas_registry_open(const mnas_plugin *const *list, size_t n, const char *kind, const char *spec,
                       const mnas_plugin **found, void **opts);

/* `spec` with one more option, its value quoted where it must be: "local" and engine=E give "local:engine=E". *out is malloc'ed.
 * Whether the plug-in has such an option is told by whoever opens it. */
int mnas_registry_add_option(char **out, const char *spec, const char *name, const char *value);

/* Append `name  help` and the options of each record, for --help and `mnas datasets`, `mnas devices`. */
void mnas_registry_help(const mnas_plugin *const *list, size_t n, mnas_str *out);

#endif
