/* Tables of trained networks: a CSV of any bytes, with the columns of the corpus; what was taken has an index that finds every row. */
#include "fuzz.h"
#include "search/nas_table.h"

static void read_as(const char *path, const mnas_nas_columns *columns) {
    mnas_nas_table t;
    if (mnas_nas_table_read(&t, path, columns) == 0) {
        FUZZ_CHECK(t.n_rows > 0 && t.n_decisions > 0);
        for (size_t row = 0; row < t.n_rows; row++) {
            const int *tokens = t.tokens + row * (size_t)t.n_decisions;
            for (int i = 0; i < t.n_decisions; i++)
                FUZZ_CHECK(tokens[i] >= 0 && tokens[i] < t.decisions[i].n_choices);
            FUZZ_CHECK(mnas_nas_table_find(&t, tokens) == (int64_t)row);
            FUZZ_CHECK(t.accuracy_frac[row] >= 0 && t.accuracy_frac[row] <= 1);
        }
    }
    mnas_nas_table_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    const char *path = fuzz_file("table.csv", data, n);
    read_as(path, &(mnas_nas_columns){.decisions = "arch:chars", .accuracy = "acc", .latency = "ms"});
    read_as(path,
            &(mnas_nas_columns){
                .decisions = "k*,op:nominal", .accuracy = "acc", .report = "test", .features = "ms,acc"});
    return 0;
}
