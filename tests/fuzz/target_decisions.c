/* Files of plain decisions: what was read is whole, and its own text reads as the same again. */
#include <string.h>

#include "fuzz.h"
#include "model/decisions.h"

static void check_same(const mnas_decisions *a, const mnas_decisions *b) {
    FUZZ_CHECK(a->n == b->n && a->n > 0);
    for (int i = 0; i < a->n; i++) {
        const mnas_decision *x = &a->list[i], *y = &b->list[i];
        FUZZ_CHECK(strcmp(x->name, y->name) == 0 && x->ordinal == y->ordinal && x->n_choices == y->n_choices);
        FUZZ_CHECK(x->n_choices > 0 && (x->values != NULL) == x->ordinal);
        for (int k = 0; k < x->n_choices; k++) {
            FUZZ_CHECK(strcmp(x->choices[k], y->choices[k]) == 0 && strlen(x->choices[k]) > 0);
            if (x->ordinal) FUZZ_CHECK(x->values[k] == y->values[k]);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    mnas_decisions *d, *again;
    if (mnas_decisions_open(&d, fuzz_file("decisions.yaml", data, n)) < 0) return 0;
    FUZZ_CHECK(mnas_decisions_parse(&again, "again", d->text, strlen(d->text)) == 0);
    check_same(d, again);
    mnas_decisions_close(again);
    mnas_decisions_close(d);
    return 0;
}
