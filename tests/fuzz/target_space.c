/* Space files: read, then the first and the last network of the space decoded and encoded back. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mnas.h"

static void check_tokens(const mnas_space *space, const int *tokens, int *back) {
    mnas_model model, again;
    char *arch, *twice;
    if (mnas_space_decode(space, tokens, &model) < 0) return;
    FUZZ_CHECK(mnas_space_encode(space, &model, back) == 0);
    FUZZ_CHECK(mnas_space_decode(space, back, &again) == 0);
    FUZZ_CHECK(mnas_model_arch(&model, &arch) == 0 && mnas_model_arch(&again, &twice) == 0);
    FUZZ_CHECK(strcmp(arch, twice) == 0);
    free(arch);
    free(twice);
}

static void check_space(const mnas_space *space) {
    const int n = mnas_space_n_decisions(space);
    int *tokens = calloc((size_t)n, sizeof *tokens), *back = calloc((size_t)n, sizeof *back);
    mnas_model reference;
    FUZZ_CHECK(tokens && back && n > 0);
    FUZZ_CHECK(strlen(mnas_space_n_encodings(space)) > 0);
    check_tokens(space, tokens, back);
    for (int i = 0; i < n; i++) tokens[i] = mnas_space_decision(space, i)->n_choices - 1;
    check_tokens(space, tokens, back);
    tokens[n - 1]++;
    FUZZ_CHECK(mnas_space_decode(space, tokens, &reference) == MNAS_ERR_ARG);
    FUZZ_CHECK(mnas_space_reference(space, &reference) == 0);
    if (mnas_space_encode(space, &reference, back) == 0) check_tokens(space, back, tokens);
    free(tokens);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    mnas_space *space;
    if (mnas_space_open(&space, fuzz_file("space.yaml", data, n)) < 0) return 0;
    check_space(space);
    mnas_space_close(space);
    return 0;
}
