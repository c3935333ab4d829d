/* The list of files of a program for devices: what is taken names plain files alone. */
#include <string.h>

#include "device/bundle.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    mnas_bundle bundle;
    if (n == 0 || mnas_bundle_parse(&bundle, (const char *)data, n) < 0) return 0;
    FUZZ_CHECK(bundle.n_files >= 1 && bundle.n_files <= MNAS_BUNDLE_MAX_FILES);
    FUZZ_CHECK(strlen(bundle.id) == 16);
    for (int i = 0; i < bundle.n_files; i++) {
        const char *name = bundle.files[i];
        FUZZ_CHECK(name[0] && name[0] != '.' && name[0] != '-' && strlen(name) < MNAS_BUNDLE_NAME);
        FUZZ_CHECK(!strpbrk(name, "/ \\\"'$`;&|<>(){}*?!~#\t\n"));
    }
    return 0;
}
