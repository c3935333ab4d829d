/* Block strings: one alone, and the space-separated blocks of a whole network. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mnas.h"

static void check_block(const char *text) {
    mnas_block block, again;
    char printed[96], twice[96];
    if (mnas_block_parse(&block, text) < 0) return;
    mnas_block_print(&block, printed, sizeof printed);
    FUZZ_CHECK(mnas_block_parse(&again, printed) == 0);
    mnas_block_print(&again, twice, sizeof twice);
    FUZZ_CHECK(strcmp(printed, twice) == 0);
}

static void check_arch(const char *text) {
    mnas_model model, again;
    char *printed, *twice;
    mnas_model_defaults(&model);
    again = model;
    if (mnas_model_set_arch(&model, text) < 0) return;
    FUZZ_CHECK(mnas_model_arch(&model, &printed) == 0);
    FUZZ_CHECK(mnas_model_set_arch(&again, printed) == 0);
    FUZZ_CHECK(mnas_model_arch(&again, &twice) == 0);
    FUZZ_CHECK(strcmp(printed, twice) == 0);
    free(printed);
    free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char *text = fuzz_text(data, n);
    check_block(text);
    check_arch(text);
    free(text);
    return 0;
}
