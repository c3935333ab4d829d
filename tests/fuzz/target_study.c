/* A study's file, byte for byte. */
#include <unistd.h>

#include "fuzz.h"
#include "study.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const char *const beside[] = {"study.db-wal", "study.db-shm", "study.db-journal"};
    for (int i = 0; i < 3; i++) unlink(fuzz_path(beside[i]));
    fuzz_file("study.db", data, n);
    fuzz_read_study(fuzz_path("study.db"));
    fuzz_write_study(fuzz_path("study.db"));
    return 0;
}
