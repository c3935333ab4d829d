/* load.c - images a second out of a loader: bench_load SPEC THREADS SECONDS [BATCH [CROP]]
 *
 * Batches are taken as fast as they come, nothing else runs. Prints one line: images per second and milliseconds of processor time an
 * image (of all threads; what a busy machine disturbs least), after the first two batches. CROP: area (default), pad, or eval for evaluation's crop of the validation split.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "data/loader.h"

enum { WARMUP_BATCHES = 2 };

static int fail(void) {
    fprintf(stderr, "bench_load: %s\n", mnas_error_message());
    return 1;
}

/* Every value is looked at: what nobody reads might not be there. */
static double look_at(const mnas_batch *batch, size_t image_values) {
    double sum = 0;
    for (size_t i = 0; i < (size_t)batch->n * image_values; i += 16) sum += (double)batch->images[i];
    return sum;
}

static double cpu_s(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: bench_load SPEC THREADS SECONDS [BATCH [area|pad|eval]]\n");
        return 2;
    }
    const char *crop = argc > 5 ? argv[5] : "area";
    const bool eval = strcmp(crop, "eval") == 0;
    const double seconds = atof(argv[3]);
    mnas_dataset *dataset;
    mnas_loader *loader;
    mnas_loader_options options = {.batch = argc > 4 ? atoi(argv[4]) : 64,
                                   .shuffle = !eval,
                                   .crop = strcmp(crop, "pad") == 0 ? MNAS_CROP_PAD : MNAS_CROP_AREA,
                                   .augment = {.flip = true},
                                   .mean = {0.485, 0.456, 0.406},
                                   .std = {0.229, 0.224, 0.225},
                                   .seed = 1,
                                   .threads = atoi(argv[2])};
    if (mnas_dataset_open(&dataset, argv[1], 0) < 0) return fail();
    if (mnas_loader_create(&loader, dataset, eval ? MNAS_SPLIT_VAL : MNAS_SPLIT_TRAIN, &options) < 0)
        return fail();
    const size_t values =
        (size_t)dataset->info.height * (size_t)dataset->info.width * (size_t)dataset->info.channels;
    double start_s = 0, start_cpu_s = 0, now_s = 0, sum = 0;
    int64_t n = 0;
    for (int i = 0; i <= WARMUP_BATCHES || now_s - start_s < seconds; i++) {
        mnas_batch batch;
        if (mnas_loader_next(loader, &batch) < 0) return fail();
        if (i < WARMUP_BATCHES) start_s = mnas_clock_now_s(), start_cpu_s = cpu_s();
        if (i >= WARMUP_BATCHES) n += batch.n;
        sum += look_at(&batch, values);
        now_s = mnas_clock_now_s();
    }
    printf("%.1f %.3f\n", (double)n / (now_s - start_s), 1e3 * (cpu_s() - start_cpu_s) / (double)n);
    mnas_loader_destroy(loader);
    mnas_dataset_close(dataset);
    return sum == sum ? 0 : 1;
}
