/* test_memory_need.c - what a training is said to hold against what it held: 15 % above at most, and hardly below. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli_fixture.h"

#include "base/file.h"
#include "search/memory_need.h"
#include "train/evaluate.h"

#define DIR MNAS_TEST_TMP "/memory"
enum { N_IMAGES = 300 };

static void put_u32(FILE *f, uint32_t v) {
    for (int shift = 24; shift >= 0; shift -= 8) fputc((int)(v >> shift & 255), f);
}

static void write_images(uint32_t side) {
    FILE *images = fopen(DIR "/train-images-idx3-ubyte", "wb"),
         *labels = fopen(DIR "/train-labels-idx1-ubyte", "wb");
    assert_true(images && labels);
    const uint32_t head[] = {0x803, N_IMAGES, side, side, 0x801, N_IMAGES};
    for (int i = 0; i < 6; i++) put_u32(i < 4 ? images : labels, head[i]);
    for (uint32_t i = 0; i < N_IMAGES; i++) {
        fputc((int)(i % 4), labels);
        for (uint32_t p = 0; p < side * side; p++) fputc((int)((p * (i % 4 + 1) + i) & 255), images);
    }
    assert_int_equal(fclose(images), 0);
    assert_int_equal(fclose(labels), 0);
}

static double needed(const char *name, int batch) {
    static const char data_spec[] = "idx:path=" DIR ",val=20";
    char recipe_spec[64];
    mnas_model model;
    mnas_recipe recipe;
    mnas_dataset *dataset;
    mnas_cost cost;
    snprintf(recipe_spec, sizeof recipe_spec, "proxy:batch=%d", batch);
    assert_int_equal(mnas_model_open(&model, name, 0), 0);
    assert_int_equal(mnas_recipe_open(&recipe, recipe_spec), 0);
    assert_int_equal(mnas_dataset_open(&dataset, data_spec, 0), 0);
    assert_int_equal(mnas_model_fit_dataset(&model, &dataset->info), 0);
    assert_int_equal(mnas_cost_compute(&cost, &model, batch), 0);
    const mnas_memory_need need = mnas_memory_need_of(&cost, &model, &recipe, &dataset->info);
    mnas_cost_free(&cost);
    mnas_dataset_close(dataset);
    return (double)(need.private_bytes + need.mapped_bytes);
}

static void test_need(void **state) {
    (void)state, (void)check_refused; /* of the fixture */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message("skipped: a sanitizer's memory is not a training's\n");
    skip();
#endif
    static const struct {
        const char *model;
        int batch;
        uint32_t side;
    } cases[] = {{"mobilenet-v2@0.35", 8, 28}, {"mnasnet-b1", 32, 28}, {"mobilenet-v1", 128, 28},
                 {"mobilenet-v2", 16, 64},     {"mnasnet-a1", 4, 128}, {"mobilenet-v2@0.35", 16, 128}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[512];
        write_images(cases[i].side);
        snprintf(line, sizeof line,
                 "train %s --data idx:path=" DIR
                 ",val=20 --recipe proxy --batch %d --max-images %d --threads 1 --json",
                 cases[i].model, cases[i].batch, 2 * cases[i].batch);
        json_t *root = run_json(line);
        const double held = (double)integer(root, "peak_rss_bytes"),
                     need = needed(cases[i].model, cases[i].batch);
        json_decref(root);
        print_message("%s, batch %d, %u pixels: held %.1f MiB, said %+.1f %%\n", cases[i].model,
                      cases[i].batch, cases[i].side, held / 1048576, 100 * (need / held - 1));
        if (need > 1.2 * held || need < 0.95 * held) fail_msg("need %.0f, held %.0f", need, held);
    }
}

static int prepare(void **state) {
    (void)state;
    assert_int_equal(mnas_file_mkdirs(DIR "/cache"), 0);
    setenv("MNAS_CACHE_DIR", DIR "/cache", 1);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_need)};
    return cmocka_run_group_tests(tests, prepare, NULL);
}
