/* Latency models: asked for a network, and written and read again with the same answers. */
#include <math.h>
#include <string.h>

#include "fuzz.h"
#include "mnas.h"

static const mnas_model *network(void) {
    static mnas_model model;
    if (model.n_blocks > 0) return &model;
    mnas_model_defaults(&model);
    model.input_size = 32;
    FUZZ_CHECK(mnas_model_set_arch(&model, "r1_k3_s22_e3_i32_o16_se0.25") == 0);
    return &model;
}

static void check_same(const mnas_latency_guess *a, const mnas_latency_guess *b) {
    FUZZ_CHECK(a->ms == b->ms || (isnan(a->ms) && isnan(b->ms)));
    FUZZ_CHECK(a->outside == b->outside && strcmp(a->why, b->why) == 0);
    FUZZ_CHECK(a->outside == (a->why[0] != '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    mnas_latency_model *model, *again;
    mnas_latency_guess guess, second;
    if (mnas_latency_model_load(&model, fuzz_file("model.json", data, n)) < 0) return 0;
    FUZZ_CHECK(mnas_latency_model_predict(&guess, model, network()) == 0);
    FUZZ_CHECK(mnas_latency_model_about(model)->input_size > 0);
    if (mnas_latency_model_save(model, fuzz_path("again.json")) ==
        0) { /* a text that was cut within UTF-8 is not written */
        FUZZ_CHECK(mnas_latency_model_load(&again, fuzz_path("again.json")) == 0);
        FUZZ_CHECK(mnas_latency_model_predict(&second, again, network()) == 0);
        check_same(&guess, &second);
        mnas_latency_model_free(again);
    }
    mnas_latency_model_free(model);
    return 0;
}
