/* fuzz.h - what the fuzz targets share: texts and files made of the input, and a check that ends the process.
 *
 * A target is one file target_NAME.c with LLVMFuzzerTestOneInput. With clang, libFuzzer drives it; everywhere else
 * replay.c runs it over its corpus, as a test. A target reads its input as a stranger's file and says nothing about
 * which error is right: it wants no crash, no leak, no byte read outside, and what was read to survive being written
 * and read again.
 */
#ifndef MNAS_TESTS_FUZZ_H
#define MNAS_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Ends the process, so that the input is kept as a finding. */
#define FUZZ_CHECK(condition)                                                                                \
    do {                                                                                                     \
        if (!(condition)) fuzz_fail(__FILE__, __LINE__, #condition);                                         \
    } while (0)
_Noreturn void fuzz_fail(const char *file, int line, const char *what);

/* The input as a text with a NUL behind it; free() it. */
char *fuzz_text(const uint8_t *data, size_t n);

/* A folder of this process in memory, removed when it ends. */
const char *fuzz_folder(void);
/* Write a file there and return its path, valid until the next call. Existing ones are replaced. */
const char *fuzz_file(const char *name, const void *data, size_t n);
/* The path alone. */
const char *fuzz_path(const char *name);

/* Takes the input apart from its front. What is not there reads as 0 or as empty. */
typedef struct fuzz_input {
    const uint8_t *at, *end;
} fuzz_input;
unsigned fuzz_byte(fuzz_input *in);
/* A part with its length, two bytes little-endian, in front; *n is what is really there. */
const uint8_t *fuzz_part(fuzz_input *in, size_t *n);

#endif
