/* op_input_xnn.c - the image: the subgraph's external input. */
#include "ops/xnn.h"

int mnas_xnn_lower_input(mnas_xnn_builder *b, int node) {
    return mnas_xnn_output(b, node);
}
