/* What a program of the user's printed: the last number in it, or what a pattern finds. The first byte chooses the pattern. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "device/command_output.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const char *const patterns[] = {"",      "t=([0-9.]*)", "^(.*)$",
                                           "(a)|b", "x*(y?)",      "Inference \\(avg\\): ([0-9.e+]+)"};
    static const double units[] = {1, 1e-3, 1e3};
    fuzz_input in = {data, data + n};
    const unsigned choice = fuzz_byte(&in);
    mnas_command_reader reader;
    char tail[MNAS_COMMAND_TAIL];
    double ms = NAN;
    char *text = fuzz_text(in.at, (size_t)(in.end - in.at));
    FUZZ_CHECK(mnas_command_reader_open(&reader, patterns[choice % 6], units[choice / 6 % 3]) == 0);
    if (mnas_command_reader_read(&ms, &reader, text) == 0) FUZZ_CHECK(isfinite(ms) && ms > 0);
    mnas_command_reader_close(&reader);
    mnas_command_tail(tail, text);
    FUZZ_CHECK(strlen(tail) < MNAS_COMMAND_TAIL);
    for (const char *c = tail; *c; c++) FUZZ_CHECK(*c >= ' ' && *c < 127);
    free(text);
    return 0;
}
