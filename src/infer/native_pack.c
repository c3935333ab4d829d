/* native_pack.c - weights from the graph's order into the one in which tiles read them, once, when a network is made.
 *
 * A product's weights are a matrix for each group of blocks, [input, block of the group, lanes], one behind the other.
 */
#include "infer/native.h"

static void pack_product(const mnas_native *net, const mnas_native_product *p) {
    const int lanes = (int)net->tile->lanes;
    float *to = mnas_native_weights(net, p->weight), *bias = mnas_native_weights(net, p->bias);
    for (int n = 0; p->from_bias && n < p->n_outputs; n++) bias[n] = p->from_bias[n];
    for (int block = 0, group; block < p->n_blocks; block += group) {
        group = mnas_native_group(p->n_blocks - block);
        for (int k = 0; k < p->n_inputs; k++)
            for (int n = block * lanes; n < (block + group) * lanes; n++)
                *to++ = n < p->n_outputs ? p->from[(size_t)n * (size_t)p->n_inputs + (size_t)p->order[k]] : 0;
    }
}

/* [c, 1, k, k] to [block, tap, lanes]. */
static void pack_taps(const mnas_native *net, const mnas_native_product *p) {
    const int lanes = (int)net->tile->lanes;
    float *to = mnas_native_weights(net, p->weight), *bias = mnas_native_weights(net, p->bias);
    for (int c = 0; c < p->n_outputs; c++) {
        bias[c] = p->from_bias ? p->from_bias[c] : 0;
        for (int tap = 0; tap < p->n_inputs; tap++)
            to[(c / lanes * p->n_inputs + tap) * lanes + c % lanes] = p->from[c * p->n_inputs + tap];
    }
}

static void pack(const mnas_native *net, const mnas_native_product *p) {
    if (p->n_outputs == 0) return;
    if (p->order)
        pack_product(net, p);
    else
        pack_taps(net, p);
}

static void pack_step(const mnas_native *net, const mnas_native_step *step) {
    if (step->front) pack_step(net, step->front);
    pack(net, &step->product);
    pack(net, &step->second);
    if (step->behind) pack_step(net, step->behind);
}

void mnas_native_pack(const mnas_native *net) {
    for (int i = 0; i < net->n_steps; i++) pack_step(net, &net->steps[i]);
}
