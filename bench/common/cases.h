/* cases.h - the networks whose training step is measured; peers/nets.py has the same for the other frameworks. */
#ifndef MNAS_BENCH_CASES_H
#define MNAS_BENCH_CASES_H

#include "mnas.h"

typedef struct bench_case {
    const char *name, *model;
    int input_size, stem_stride, batch;
} bench_case;

enum { BENCH_CASES = 4 };
extern const bench_case bench_cases[BENCH_CASES];

/* NULL: unknown, with the known ones printed to stderr. */
const bench_case *bench_case_find(const char *name);
/* Padded as torch pads. */
int bench_case_model(const bench_case *c, mnas_model *out);

#endif
