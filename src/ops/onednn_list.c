/* onednn_list.c - the list of lowerings to oneDNN. It knows none of them in particular: onednn.def does. */
#include <string.h>

#include "ops/op.h"

#define MNAS_ONEDNN(name) extern const mnas_kernel mnas_onednn_op_##name;
#include "ops/onednn.def"
#undef MNAS_ONEDNN

static const struct {
    const mnas_op *op;
    const mnas_kernel *kernel;
} list[] = {
#define MNAS_ONEDNN(name) {&mnas_op_##name, &mnas_onednn_op_##name},
#include "ops/onednn.def"
#undef MNAS_ONEDNN
};

const mnas_kernel *mnas_op_onednn(const mnas_node *node, const mnas_shape *in) {
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i].op == node->op && list[i].kernel->supports(node, in)) return list[i].kernel;
    return NULL;
}
