/* A training's checkpoint: the tensors of a small network and its momentum, what training it is of, how far it is. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "tiny_graph.h"
#include "train/checkpoint.h"

static mnas_checkpoint make(const mnas_graph *graph, mnas_weights **slabs) {
    mnas_checkpoint c = {.graph = graph, .n_slabs = 2, .n_facts = 2, .progress = mnas_progress_begin()};
    for (int s = 0; s < 2; s++) FUZZ_CHECK(mnas_weights_create(&slabs[s], graph) == 0);
    c.slabs[0].prefix = "model.", c.slabs[0].suffix = "", c.slabs[0].weights = slabs[0];
    c.slabs[1].prefix = "", c.slabs[1].suffix = ".momentum", c.slabs[1].weights = slabs[1];
    c.slabs[1].trainable_only = true;
    c.facts[0].name = "recipe", c.facts[1].name = "seed";
    mnas_str_append(&c.facts[0].text, "lr=0.1\nbatch=32");
    mnas_str_append(&c.facts[1].text, "1");
    return c;
}

static void release(mnas_checkpoint *c, mnas_weights **slabs) {
    mnas_checkpoint_free(c);
    for (int s = 0; s < 2; s++) mnas_weights_destroy(slabs[s]);
}

/* What was taken is written and taken again, to the bit. */
static void check_written(const mnas_checkpoint *c, mnas_weights *const *slabs) {
    mnas_weights *again[2];
    mnas_checkpoint read = make(c->graph, again);
    const char *path = fuzz_path("run.ckpt");
    FUZZ_CHECK(mnas_checkpoint_write(c, path) == 0);
    FUZZ_CHECK(mnas_checkpoint_read(&read, path) == 0);
    FUZZ_CHECK(memcmp(&read.progress, &c->progress, sizeof read.progress) == 0);
    for (int s = 0; s < 2; s++)
        FUZZ_CHECK(memcmp(again[s]->data, slabs[s]->data, slabs[s]->n_floats * sizeof(float)) == 0);
    release(&read, again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static mnas_graph *graph; /* of every run */
    mnas_weights *slabs[2];
    if (!graph) graph = tiny_graph();
    mnas_checkpoint c = make(graph, slabs);
    if (mnas_checkpoint_parse(&c, data, n) == 0) check_written(&c, slabs);
    release(&c, slabs);
    return 0;
}
