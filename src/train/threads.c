/* threads.c - see threads.h. Invariant: the number at the start is read before anything has changed it. */
#include "train/threads.h"

#include <omp.h>

void mnas_threads_use(int threads) {
    static int at_start;
    if (at_start == 0) at_start = omp_get_max_threads();
    omp_set_num_threads(threads > 0 ? threads : at_start);
}
