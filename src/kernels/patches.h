/* patches.h - a k x k convolution of an image as a matrix: each output pixel's window becomes a row.
 *
 * A row is [ky, kx, C], then anything up to whole vectors (`columns`), for which the weights are zero; windows are zero
 * outside the image. Only a convolution of few channels gains by it, which is the first one of a network.
 */
#ifndef MNAS_KERNELS_PATCHES_H
#define MNAS_KERNELS_PATCHES_H

#include "model/kernel.h"

enum { MNAS_PATCHES_SLACK = 64 }; /* bytes behind the rows that may be written */

typedef struct mnas_patches {
    mnas_shape in, out;
    int kernel, stride, pad_top, pad_left;
    size_t columns, elem_bytes, images_bytes; /* of a row, in elements; of an element; of all images */
} mnas_patches;

mnas_patches mnas_patches_of(const mnas_node *node, mnas_shape in, int batch);
/* Rows of output pixels [first, first + n) of all images. `rows` must hold finite numbers, as the columns behind a window
 * may keep them; MNAS_PATCHES_SLACK bytes behind the rows are written to. */
void mnas_patches_gather(const mnas_patches *p, const void *images, size_t first, size_t n, void *rows);
/* Weights [K, C, k, k] to [K, columns], and back (the zeros' gradient is dropped). */
void mnas_patches_arrange(const mnas_patches *p, const float *weight, float *rows);
void mnas_patches_restore(const mnas_patches *p, const float *rows, float *weight);

#endif
