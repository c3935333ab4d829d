/* Weight files: the safetensors container, and the tensors of a small network in it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "model/safetensors.h"
#include "model/weights.h"
#include "tiny_graph.h"

static void read_container(const uint8_t *data, size_t n) {
    mnas_safetensors *file;
    if (mnas_safetensors_parse(&file, data, n) < 0) return;
    mnas_safetensors_metadata(file, "arch");
    const mnas_tensor *tensor = mnas_safetensors_find(file, "x");
    if (tensor) {
        unsigned sum = 0;
        const uint8_t *bytes = mnas_safetensors_data(file, tensor);
        for (size_t i = 0; i < tensor->end - tensor->begin; i++) sum += bytes[i];
        FUZZ_CHECK(sum < UINT32_MAX);
    }
    mnas_safetensors_free(file);
}

/* What was taken is written and taken again, to the bit. */
static void check_saved(const mnas_weights *weights, const mnas_graph *graph) {
    mnas_weights *again;
    const char *path = fuzz_path("weights.safetensors");
    FUZZ_CHECK(mnas_weights_create(&again, graph) == 0);
    FUZZ_CHECK(mnas_weights_save(weights, graph, path, NULL) == 0);
    FUZZ_CHECK(mnas_weights_load(again, graph, path) == 0);
    FUZZ_CHECK(memcmp(weights->data, again->data, weights->n_floats * sizeof(float)) == 0);
    mnas_weights_destroy(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static mnas_graph *graph; /* of every run */
    mnas_weights *weights;
    if (!graph) graph = tiny_graph();
    read_container(data, n);
    FUZZ_CHECK(mnas_weights_create(&weights, graph) == 0);
    if (mnas_weights_parse(weights, graph, data, n) == 0) check_saved(weights, graph);
    mnas_weights_destroy(weights);
    return 0;
}
