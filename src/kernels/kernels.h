/* kernels.h - hand-written training kernels where the libraries have a hole (docs/SPEED.md says where and by how much).
 *
 * Each is a mnas_kernel record in its own file and a line in kernels.def; portable C with vector extensions,
 * cloned for the CPU at hand. All are deterministic for a given number of threads. The reference loops (ops/)
 * define the results.
 */
#ifndef MNAS_KERNELS_KERNELS_H
#define MNAS_KERNELS_KERNELS_H

#include "model/kernel.h"

/* The kernel for a node of operator `op_name`, or NULL. */
const mnas_kernel *mnas_kernels_find(const char *op_name, const mnas_node *node, const mnas_shape *in);

/* What runs a node: its kernel here, oneDNN's, or the reference loops; in a graph of bf16, through adapter.c where that one
 * knows no bf16. Never NULL. */
const mnas_kernel *mnas_kernels_choose(const mnas_node *node, const mnas_shape *in);

#endif
