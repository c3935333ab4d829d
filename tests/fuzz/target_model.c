/* Model files: YAML to a network, printed, and read back to the same. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char *printed, *twice;
    mnas_model model, again;
    const char *path = fuzz_file("model.yaml", data, n);
    if (mnas_model_open_local(&model, path, 0) < 0) return 0;
    FUZZ_CHECK(mnas_model_print(&model, &printed) == 0);
    FUZZ_CHECK(mnas_model_parse(&again, printed, strlen(printed), "printed") == 0);
    FUZZ_CHECK(mnas_model_print(&again, &twice) == 0);
    FUZZ_CHECK(strcmp(printed, twice) == 0);
    free(printed);
    free(twice);
    return 0;
}
