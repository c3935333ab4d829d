/* The reference of a device's sentinel network, as it lies in the cache. */
#include <stdlib.h>
#include <string.h>

#include "device/sentinel.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    mnas_sentinel_reference reference, again;
    char *printed, *twice;
    if (mnas_sentinel_parse(&reference, (const char *)data, n) < 0) return 0;
    FUZZ_CHECK(reference.ms > 0 && reference.key.threads >= 1);
    if (mnas_sentinel_print(&printed, &reference) < 0) return 0; /* a text cut within a character */
    FUZZ_CHECK(mnas_sentinel_parse(&again, printed, strlen(printed)) == 0);
    FUZZ_CHECK(mnas_sentinel_print(&twice, &again) == 0 && strcmp(printed, twice) == 0);
    free(printed);
    free(twice);
    return 0;
}
