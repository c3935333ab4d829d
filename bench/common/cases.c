/* cases.c - the table of measured networks. Images with 3 channels, 1000 classes. */
#include "common/cases.h"

#include <stdio.h>
#include <string.h>

#include "model/model.h"

const bench_case bench_cases[BENCH_CASES] = {
    {"b1-224", "mnasnet-b1", 224, 2, 32},     /* mnasnet1_0 */
    {"b1-32", "mnasnet-b1@0.5", 32, 1, 128},  /* mnasnet0_5 with stem stride 1 */
    {"a1-224", "mnasnet-a1", 224, 2, 32},     /* with squeeze-and-excitation */
    {"mbv2-224", "mobilenet-v2", 224, 2, 32}, /* ReLU6 */
};

const bench_case *bench_case_find(const char *name) {
    for (int i = 0; i < BENCH_CASES; i++) {
        if (strcmp(name, bench_cases[i].name) == 0) return &bench_cases[i];
    }
    fprintf(stderr, "unknown case '%s'; known:", name);
    for (int i = 0; i < BENCH_CASES; i++) fprintf(stderr, " %s", bench_cases[i].name);
    fprintf(stderr, "\n");
    return NULL;
}

int bench_case_model(const bench_case *c, mnas_model *out) {
    int rc = mnas_model_open_local(out, c->model, c->input_size);
    if (rc < 0) return rc;
    out->stem_stride = c->stem_stride;
    out->padding = MNAS_PAD_SYMMETRIC;
    return 0;
}
