/* kernels.c - the list of hand-written kernels. It knows none of them in particular: kernels.def does. */
#include "kernels/kernels.h"

#include <string.h>

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
