/* What the processes of a farm know together: read as a file, changed, written, and read again. */
#include <stdlib.h>
#include <string.h>

#include "device/device_pool_state.h"
#include "fuzz.h"

/* A text that was cut within a character of UTF-8 cannot be written; all else stays what it was. */
static void check_printed(const mnas_pool_state *state) {
    mnas_pool_state again;
    char *text, *twice;
    if (mnas_pool_state_print(&text, state) < 0) return;
    FUZZ_CHECK(mnas_pool_state_parse(&again, text, strlen(text)) == 0);
    FUZZ_CHECK(again.n == state->n);
    FUZZ_CHECK(mnas_pool_state_print(&twice, &again) == 0);
    FUZZ_CHECK(strcmp(text, twice) == 0);
    mnas_pool_state_free(&again);
    free(text);
    free(twice);
}

static int add_member(mnas_pool_state *state, const void *user) {
    return mnas_pool_state_record(state, user) ? 0 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    const char *path = fuzz_file("pool.json", data, n);
    mnas_pool_state state;
    if (mnas_pool_state_load(&state, path) == 0) {
        FUZZ_CHECK(state.n <= MNAS_POOL_MAX_MEMBERS);
        for (int i = 0; i < state.n; i++)
            FUZZ_CHECK(mnas_pool_state_find(&state, state.records[i].device) == &state.records[i]);
        check_printed(&state);
    }
    if (mnas_pool_state_change(&state, path, add_member, "phone") == 0)
        FUZZ_CHECK(mnas_pool_state_find(&state, "phone"));
    mnas_pool_state_free(&state);
    return 0;
}
