/* A study's file, byte for byte; one that wants a log beside it also where that cannot be made. */
#include <stdio.h>
#include <unistd.h>

#include "fuzz.h"
#include "mnas.h"
#include "study.h"

enum { WRITE_VERSION_AT = 18, WAL = 2 }; /* of SQLite's header */

static void read_without_log(void) {
    char name[512];
    mnas_study *study;
    snprintf(name, sizeof name, "%s", fuzz_path("study.db-wal"));
    if (symlink("nowhere/study.db-wal", name) < 0) return;
    fuzz_read_study(fuzz_path("study.db"));
    unlink(name);
    FUZZ_CHECK(mnas_study_open(&study, name) == MNAS_ERR_MISSING);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const char *const beside[] = {"study.db-wal", "study.db-shm", "study.db-journal"};
    for (int i = 0; i < 3; i++) unlink(fuzz_path(beside[i]));
    fuzz_file("study.db", data, n);
    if (n > WRITE_VERSION_AT && data[WRITE_VERSION_AT] == WAL) read_without_log();
    fuzz_read_study(fuzz_path("study.db"));
    fuzz_write_study(fuzz_path("study.db"));
    return 0;
}
