/* bundle.h - the folder with mnas-agent and all it needs, as scripts/build-agent makes it: which one fits a machine, where it
 * lies, what is in it.
 *
 * Files are named, not read: that they are whole is the builder's word (MANIFEST), that they arrive whole is the link's business.
 */
#ifndef MNAS_DEVICE_BUNDLE_H
#define MNAS_DEVICE_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>

enum { MNAS_BUNDLE_MAX_FILES = 64, MNAS_BUNDLE_NAME = 64 };

typedef struct mnas_bundle {
    char arch[16];                                       /* "aarch64" */
    char folder[1024];                                   /* here */
    char id[17];                                         /* of its content, as hexadecimal digits */
    char files[MNAS_BUNDLE_MAX_FILES][MNAS_BUNDLE_NAME]; /* MANIFEST aside */
    int n_files;
} mnas_bundle;

/* For a machine of which `uname -m` says `machine`. `folder` is the bundle or where bundles lie; "": beside this program, built or
 * installed. MNAS_ERR_MISSING says how to build it; MNAS_ERR_DEVICE: no bundle could run there. */
int mnas_bundle_find(mnas_bundle *out, const char *machine, const char *folder);

/* Sets files and id from the text[n] of a MANIFEST: "HASH  NAME" lines. MNAS_ERR_FORMAT. */
int mnas_bundle_parse(mnas_bundle *out, const char *text, size_t n);

#endif
