/* replay.c - runs a fuzz target over files: its corpus as a test, without libFuzzer and with any compiler.
 *
 *     fuzz_NAME FILE_OR_FOLDER...
 *
 * Each input is handed over in a block of exactly its size, so that the sanitizers see the first byte read beyond it.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "fuzz.h"

static int n_inputs;

static int replay_file(const char *path, const struct stat *st, int type) {
    (void)st;
    char *bytes;
    size_t n;
    if (type != FTW_F) return 0;
    if (mnas_file_read(path, (size_t)1 << 30, &bytes, &n) < 0) {
        fprintf(stderr, "%s\n", mnas_error_message());
        return 1;
    }
    uint8_t *exact = malloc(n ? n : 1);
    if (!exact) return 1;
    memcpy(exact, bytes, n);
    free(bytes);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    n_inputs++;
    return 0;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (ftw(argv[i], replay_file, 8) != 0) {
            fprintf(stderr, "cannot replay %s\n", argv[i]);
            return 1;
        }
    printf("%d inputs\n", n_inputs);
    return n_inputs > 0 ? 0 : 1;
}
