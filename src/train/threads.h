/* threads.h - how many threads this process computes with.
 *
 * OpenMP's setting is the process's. Asked for 0, it is what the process started with: all cores, or OMP_NUM_THREADS.
 */
#ifndef MNAS_TRAIN_THREADS_H
#define MNAS_TRAIN_THREADS_H

void mnas_threads_use(int threads);

#endif
