/* test_slab.c - what the engine allocates is what the cost model says it needs: within 5 % for the zoo and
 * for random networks. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "base/rng.h"
#include "blocks/net.h"
#include "model/model.h"
#include "train/engine.h"
#include "train/slab.h"

static void check_model(const mnas_model *model, int batch) {
    mnas_graph *graph;
    mnas_engine *engine;
    mnas_cost cost;
    assert_int_equal(mnas_net_build(&graph, model), 0);
    assert_int_equal(mnas_cost_compute(&cost, model, batch), 0);
    if (mnas_engine_create(&engine, graph, batch, true, MNAS_ENGINE_FAST) < 0)
        fail_msg("%s", mnas_error_message());
    double said = (double)cost.train_bytes, got = (double)mnas_engine_slab_bytes(engine);
    if (fabs(said - got) > 0.05 * got) fail_msg("%s: cost model %g bytes, engine %g", model->name, said, got);
    assert_true(cost.weight_bytes >= (int64_t)(graph->weight_floats * sizeof(float)) * 95 / 100);
    mnas_engine_destroy(engine);
    mnas_cost_free(&cost);
    mnas_graph_destroy(graph);
}

static void zoo_needs_what_is_said(void **state) {
    (void)state;
    size_t n;
    const mnas_zoo_entry *zoo = mnas_zoo_list(&n);
    for (size_t i = 0; i < n; i++) {
        mnas_model model;
        assert_int_equal(mnas_model_open_local(&model, zoo[i].name, 64), 0);
        check_model(&model, 4);
    }
}

static void random_networks_need_what_is_said(void **state) {
    (void)state;
    mnas_space *space;
    assert_int_equal(mnas_space_open(&space, "mnasnet-28"), 0);
    mnas_rng rng = mnas_rng_stream(1, 0, "test");
    for (int i = 0; i < 5; i++) {
        int tokens[256], n = mnas_space_n_decisions(space);
        mnas_model model;
        for (int d = 0; d < n; d++) {
            tokens[d] = (int)mnas_rng_below(&rng, (uint32_t)mnas_space_decision(space, d)->n_choices);
        }
        assert_int_equal(mnas_space_decode(space, tokens, &model), 0);
        check_model(&model, 16);
    }
    mnas_space_close(space);
}

static void slab_is_aligned_and_zeroed(void **state) {
    (void)state;
    mnas_slab slab;
    assert_int_equal(mnas_slab_map(&slab, 3 << 20), 0);
    assert_int_equal((uintptr_t)slab.data % (2 << 20), 0);
    for (size_t i = 0; i < slab.bytes; i += 4096) assert_int_equal(slab.data[i], 0);
    slab.data[slab.bytes - 1] = 1;
    mnas_slab_unmap(&slab);
    mnas_slab_unmap(&slab);
    assert_int_equal(mnas_slab_map(&slab, (size_t)1 << 60), MNAS_ERR_MEMORY);
    assert_int_equal(mnas_slab_map(&slab, 0), 0);
    mnas_slab_unmap(&slab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zoo_needs_what_is_said),
        cmocka_unit_test(random_networks_need_what_is_said),
        cmocka_unit_test(slab_is_aligned_and_zeroed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
