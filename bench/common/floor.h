/* floor.h - the least time a training step can take: one walk over the graph with the machine's peaks (peak.h).
 *
 * What is moved. Batch-norm in training needs a convolution's whole output before its first value can be used, so each
 * convolution (and the dense layer) must write its raw output and read its inputs; all else can happen in passing, in
 * registers, while that is done (normalising, activation, dropout, squeeze-and-excitation image by image, batch-norm's sums):
 *
 *     forward    conv      read x_in, weights; write x_out
 *                add       read both terms, write the sum; the convolution behind it has it from there
 *                gap       read its input
 *     backward   conv      read g_out, x_out, x_in, weights; write g_in (not towards the images), the weights' gradient
 *                add       read g_out once more, for the branch that goes round
 *                gap       read its input (batch-norm's sums in front of it); its own gradient is one value a map
 *     update     each parameter: read weight, gradient, momentum, mean square; write all but the gradient
 *
 * How fast. A read comes from the smallest level that holds all that was touched since the tensor was last touched (in the step
 * before, if need be); a write goes to the level of the farthest read of that tensor. A byte read costs 1 / read, a byte
 * written what it adds to a copy, 2 / copy - 1 / read, but not less than a byte read. Arithmetic is 2 FLOP for a multiply-add, once forward, twice backward
 * (once in front of the images), at the peak of multiply-adds. Each operator's forward and each one's backward takes the longer of
 * its memory and its arithmetic; the step is their sum.
 *
 * bf16: x and g of 2 bytes, convolutions and dense at bf16's peak, depthwise at f32's; weights and update stay f32, and the
 * passes read weights of 2 bytes.
 */
#ifndef MNAS_BENCH_FLOOR_H
#define MNAS_BENCH_FLOOR_H

#include "common/peak.h"
#include "model/graph.h"

typedef struct step_floor {
    double step_s;
    double memory_s, arithmetic_s; /* each alone */
    double bytes, flops;
} step_floor;

/* 0 or a negative status. */
int floor_of(step_floor *out, const mnas_graph *graph, int batch, const peak *p, bool bf16);

#endif
