/* norm.h - batch-norm's passes over a piece of a tensor, for its own kernel (bn.c) and for every kernel that does them
 * in passing (model/kernel.h says who does what).
 *
 * A piece is n pixels of `channels` elements (norm->elem), dense, whatever tensor they are from. Any n is right; multiples of
 * norm->repeat are fast. Pieces are small against a cache: the caller cuts the work, and each of its shares adds up
 * sums of its own.
 */
#ifndef MNAS_KERNELS_NORM_H
#define MNAS_KERNELS_NORM_H

#include "kernels/isa.h"

/* Tables and sums for a bn node over `channels`, by_producer and by_consumer false; closes with mnas_norm_close, which is safe on {0}. */
int mnas_norm_open(mnas_norm *out, const mnas_node *bn, int channels);
void mnas_norm_close(mnas_norm *norm);

/* Where the sums of a share begin: first of x - shift or of g, then, `columns` later, of the squares or of g (x - mean). */
static inline double *mnas_norm_share(const mnas_norm *norm, int share) {
    return norm->sums + 2 * norm->columns * (size_t)share;
}
void mnas_norm_clear(const mnas_norm *norm, int share);
/* The sums of all shares, added in their order and folded to [2, channels] at the front of `sums`; returned. */
double *mnas_norm_total(const mnas_norm *norm);
/* value of channel c into a table. */
void mnas_norm_set(const mnas_norm *norm, float *table, size_t c, double value);

/* Forward. A share's sums go on from what they are. */
void mnas_norm_add_sums(const mnas_norm *norm, const void *x, size_t n, int share);
void mnas_norm_apply(const mnas_norm *norm, const void *x, size_t n, void *y);
/* The same past the cache, for a result that no cache can hold until it is read. */
void mnas_norm_apply_stream(const mnas_norm *norm, const void *x, size_t n, void *y);

/* Backward: the sums of g = dy act'; g itself is written where it is not NULL, and may be dy. */
void mnas_norm_add_gradient_sums(const mnas_norm *norm, const void *x, const void *dy, size_t n, void *g,
                                 int share);
/* The gradient through the norm; dx may be dy. dy is g already where norm->by_consumer. */
void mnas_norm_gradient(const mnas_norm *norm, const void *x, const void *dy, size_t n, void *dx);

#endif
