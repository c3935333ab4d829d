/* bundle.c - see bundle.h. */
#include "device/bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/str.h"

enum { MAX_MANIFEST_BYTES = 1 << 16 };

/* What uname says, and the bundle that runs there: 32-bit ARM is one, and a 64-bit processor in 32-bit dress says armv8l. */
static const char *arch_of(const char *machine) {
    static const char *const pairs[][2] = {{"x86_64", "x86_64"}, {"aarch64", "aarch64"}, {"arm64", "aarch64"},
                                           {"armv7l", "armv7"},  {"armv7", "armv7"},     {"armv8l", "armv7"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (strcmp(machine, pairs[i][0]) == 0) return pairs[i][1];
    return NULL;
}

static int check_files(const mnas_bundle *b) {
    char path[sizeof b->folder + MNAS_BUNDLE_NAME];
    for (int i = 0; i < b->n_files; i++) {
        snprintf(path, sizeof path, "%s/%s", b->folder, b->files[i]);
        if (!mnas_file_exists(path))
            return mnas_error_set(MNAS_ERR_MISSING,
                                  "%s is not there, which MANIFEST names; build it anew: make agent-%s", path,
                                  b->arch);
    }
    return 0;
}

/* 0 read, MNAS_ERR_MISSING: not in that folder, anything else: it is there and broken. */
static int read_folder(mnas_bundle *out, const char *folder) {
    char path[1100];
    char *text;
    size_t n;
    int rc = mnas_str_format(out->folder, sizeof out->folder, "%s", folder);
    if (rc < 0) return rc;
    snprintf(path, sizeof path, "%s/MANIFEST", folder);
    if (!mnas_file_exists(path)) return MNAS_ERR_MISSING;
    if ((rc = mnas_file_read(path, MAX_MANIFEST_BYTES, &text, &n)) < 0) return rc;
    rc = mnas_bundle_parse(out, text, n);
    free(text);
    if (rc < 0) return mnas_error_context(rc, "%s", folder);
    return check_files(out);
}

/* The bundle itself, or where bundles lie. */
static int find_in(mnas_bundle *out, const char *folder) {
    char path[1000];
    int rc = mnas_str_format(path, sizeof path, "%s/mnas-agent-%s", folder, out->arch);
    if (rc == 0) rc = read_folder(out, path);
    if (rc != MNAS_ERR_MISSING) return rc;
    const char *name = strrchr(folder, '/');
    name = name ? name + 1 : folder;
    char own[64];
    snprintf(own, sizeof own, "mnas-agent-%s", out->arch);
    return strcmp(name, own) == 0 ? read_folder(out, folder) : MNAS_ERR_MISSING;
}

/* Beside the program, as built (build/mnas and build-agent-ARCH/), or as installed (bin/mnas and lib/mnas/). */
static int find_beside(mnas_bundle *out) {
    static const char *const places[] = {".", "../build-agent-", "../lib/mnas"};
    char self[1024], path[1100];
    const char *program = mnas_proc_self();
    if (strcmp(program, "/proc/self/exe") == 0) {
        const ssize_t n = readlink(program, self, sizeof self - 1);
        if (n < 0) return mnas_error_errno("where this program lies");
        self[n] = '\0';
        program = self;
    }
    const char *slash = strrchr(program, '/');
    const int n_folder = slash ? (int)(slash - program) : 1;
    int rc = MNAS_ERR_MISSING;
    for (size_t i = 0; i < sizeof places / sizeof *places && rc == MNAS_ERR_MISSING; i++) {
        const bool by_arch = places[i][strlen(places[i]) - 1] == '-';
        snprintf(path, sizeof path, "%.*s/%s%s", n_folder, slash ? program : ".", places[i],
                 by_arch ? out->arch : "");
        rc = find_in(out, path);
    }
    return rc;
}

int mnas_bundle_find(mnas_bundle *out, const char *machine, const char *folder) {
    const char *arch = arch_of(machine);
    *out = (mnas_bundle){0};
    if (!arch)
        return mnas_error_set(MNAS_ERR_DEVICE,
                              "its processor is \"%.40s\"; there are programs for x86_64, aarch64 and armv7",
                              machine);
    snprintf(out->arch, sizeof out->arch, "%s", arch);
    const int rc = folder[0] ? find_in(out, folder) : find_beside(out);
    if (rc != MNAS_ERR_MISSING || out->n_files > 0) return rc;
    if (folder[0])
        return mnas_error_set(rc, "no mnas-agent-%s in agent=%s; build it with `make agent-%s`", arch, folder,
                              arch);
    return mnas_error_set(
        rc, "no program for %s is built; build it with `make agent-%s`, or name its folder with agent=DIR",
        arch, arch);
}
