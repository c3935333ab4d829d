/* tiny_graph.h - the network whose tensors the targets of weights read: a stem of one filter and a block. */
#ifndef TINY_GRAPH_H
#define TINY_GRAPH_H

#include "blocks/net.h"
#include "fuzz.h"

static mnas_graph *tiny_graph(void) {
    mnas_model model;
    mnas_graph *graph;
    mnas_model_defaults(&model);
    model.stem_filters = 1, model.classes = 2, model.input_size = 4, model.input_channels = 1;
    FUZZ_CHECK(mnas_model_set_arch(&model, "r1_k3_s11_e1_i1_o1_noskip") == 0);
    FUZZ_CHECK(mnas_net_build(&graph, &model) == 0);
    return graph;
}

#endif
