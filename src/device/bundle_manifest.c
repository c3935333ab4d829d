/* bundle_manifest.c - the list of a bundle's files: names that are safe as files and as words of a shell, and nothing else. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "device/bundle.h"

/* A plain name: nothing that leads out of the folder or that a shell would read otherwise. */
static bool is_plain(const char *name) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
    return name[0] && name[0] != '.' && name[0] != '-' && name[strspn(name, allowed)] == '\0';
}

static int parse_line(mnas_bundle *out, const char *line, size_t n) {
    char hash[65], name[MNAS_BUNDLE_NAME], copy[192];
    int end = 0;
    if (out->n_files == MNAS_BUNDLE_MAX_FILES)
        return mnas_error_set(MNAS_ERR_FORMAT, "MANIFEST has more than %d files", MNAS_BUNDLE_MAX_FILES);
    snprintf(copy, sizeof copy, "%.*s", (int)n, line);
    const bool pair = n < sizeof copy && sscanf(copy, "%64[0-9a-f] %63s%n", hash, name, &end) == 2 &&
                      copy[end] == '\0' && is_plain(name);
    if (!pair)
        return mnas_error_set(MNAS_ERR_FORMAT,
                              "MANIFEST has the line \"%.100s\"; allowed: a hash and a plain name", copy);
    memcpy(out->files[out->n_files++], name, sizeof name);
    return 0;
}

int mnas_bundle_parse(mnas_bundle *out, const char *text, size_t n) {
    out->n_files = 0;
    snprintf(out->id, sizeof out->id, "%016" PRIx64, mnas_hash_bytes(MNAS_HASH_INIT, text, n));
    if (memchr(text, '\0', n)) return mnas_error_set(MNAS_ERR_FORMAT, "MANIFEST is no text");
    for (const char *line = text; line < text + n;) {
        const char *end = memchr(line, '\n', (size_t)(text + n - line));
        if (!end) end = text + n;
        const int rc = parse_line(out, line, (size_t)(end - line));
        if (rc < 0) return rc;
        line = end + 1;
    }
    return out->n_files > 0 ? 0 : mnas_error_set(MNAS_ERR_FORMAT, "MANIFEST names no file");
}
