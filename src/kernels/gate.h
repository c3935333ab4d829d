/* gate.h - runs a leaf of leaf_gate.h over all blocks of an image's channels: what se.c and gap.c share. */
#ifndef MNAS_KERNELS_GATE_H
#define MNAS_KERNELS_GATE_H

#include "kernels/norm.h"

static inline void mnas_gate_run(const mnas_isa *isa, void (*leaf)(const mnas_gate *gate, size_t width),
                                 mnas_gate gate) {
    for (size_t width; gate.c < gate.channels; gate.c += width, gate.at += width) {
        width = mnas_isa_width(isa, gate.channels - gate.c);
        leaf(&gate, width);
        if (gate.total) gate.total += width;
    }
}

/* The first of n images or pieces that a share does; the next share's is the end. */
static inline int mnas_gate_share(int n, int share, int n_shares) {
    return (int)((int64_t)n * share / n_shares);
}

#endif
