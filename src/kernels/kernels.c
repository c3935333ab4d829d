/* kernels.c - the list of hand-written kernels. It knows none of them in particular: kernels.def does. */
#include "kernels/kernels.h"

#include <string.h>

#include "ops/op.h"

extern const mnas_kernel mnas_kernel_adapter;
#define MNAS_KERNEL(op, name) extern const mnas_kernel mnas_kernel_##name;
#include "kernels/kernels.def"
#undef MNAS_KERNEL

static const struct {
    const char *op_name;
    const mnas_kernel *kernel;
} list[] = {
#define MNAS_KERNEL(op, name) {op, &mnas_kernel_##name},
#include "kernels/kernels.def"
#undef MNAS_KERNEL
};

const mnas_kernel *mnas_kernels_find(const char *op_name, const mnas_node *node, const mnas_shape *in) {
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (strcmp(list[i].op_name, op_name) == 0 && list[i].kernel->supports(node, in))
            return list[i].kernel;
    return NULL;
}

const mnas_kernel *mnas_kernels_choose(const mnas_node *node, const mnas_shape *in) {
    const mnas_kernel *kernel = mnas_kernels_find(node->op->plugin.name, node, in);
    if (!kernel) kernel = mnas_op_onednn(node, in);
    if (!kernel) kernel = &mnas_op_reference;
    return node->elem == MNAS_ELEM_BF16 && !kernel->bf16 ? &mnas_kernel_adapter : kernel;
}
