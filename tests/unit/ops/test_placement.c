/* Interval placement: no overlap in time and space on random items, alignment, determinism, and no waste
 * where none is due. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/rng.h"
#include "ops/placement.h"

enum { N = 120, STEPS = 60 };

static void random_items(mnas_interval *items, uint64_t seed) {
    mnas_rng rng = mnas_rng_stream(seed, 0, "placement");
    for (int i = 0; i < N; i++) {
        int first = (int)mnas_rng_below(&rng, STEPS), last = first + (int)mnas_rng_below(&rng, 12);
        items[i] = (mnas_interval){mnas_rng_below(&rng, 5) ? mnas_rng_below(&rng, 5000) : 0, first, last, 0};
    }
}

static size_t peak(const mnas_interval *items) {
    size_t most = 0;
    for (int step = 0; step < STEPS + 12; step++) {
        size_t live = 0;
        for (int i = 0; i < N; i++)
            if (items[i].first <= step && step <= items[i].last) live += (items[i].bytes + 63) / 64 * 64;
        if (live > most) most = live;
    }
    return most;
}

static void check(const mnas_interval *items, size_t bytes) {
    for (int i = 0; i < N; i++) {
        const mnas_interval *a = &items[i];
        if (a->bytes == 0) continue;
        assert_int_equal(a->offset % MNAS_PLACE_ALIGN_BYTES, 0);
        assert_true(a->offset + a->bytes <= bytes);
        for (int j = 0; j < i; j++) {
            const mnas_interval *b = &items[j];
            if (b->bytes == 0 || a->first > b->last || b->first > a->last) continue;
            assert_true(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
        }
    }
}

static void random_sets(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        mnas_interval items[N], again[N];
        size_t bytes, bytes_again;
        random_items(items, seed);
        memcpy(again, items, sizeof items);
        assert_int_equal(mnas_placement_assign(items, N, &bytes), 0);
        check(items, bytes);
        assert_true(bytes >= peak(items));
        assert_true((double)bytes <= 1.25 * (double)peak(items));
        assert_int_equal(mnas_placement_assign(again, N, &bytes_again), 0);
        assert_int_equal(bytes, bytes_again);
        assert_memory_equal(items, again, sizeof items);
    }
}

static void small_sets(void **state) {
    (void)state;
    size_t bytes;
    assert_int_equal(mnas_placement_assign(NULL, 0, &bytes), 0);
    assert_int_equal(bytes, 0);
    mnas_interval chain[] = {
        {100, 0, 1, 0}, {200, 1, 2, 0}, {100, 2, 3, 0}}; /* ends may reuse each other's place */
    assert_int_equal(mnas_placement_assign(chain, 3, &bytes), 0);
    assert_int_equal(bytes, 256 + 128);
    assert_int_equal(chain[0].offset, chain[2].offset);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_sets), cmocka_unit_test(small_sets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
