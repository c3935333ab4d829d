/* test_schedule.c - the learning rate against its closed form, and the recipes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "data/loader.h"
#include "train/optimizer.h"
#include "train/recipe.h"
#include "train/schedule.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

/* The paper's: batch 4096, lr 0.256, 350 epochs in 109,474 steps. */
static const mnas_schedule paper = {MNAS_SCHEDULE_EXPONENTIAL, 0.256, 109474.0 / 350, 350, 5, 0.97, 2.4};

static void warm_up_is_linear_from_zero(void **state) {
    (void)state;
    assert_true(mnas_schedule_lr(&paper, 0) == 0);
    assert_near(mnas_schedule_lr(&paper, 782), 0.256 * 782 / (5 * paper.steps_per_epoch), 1e-12);
}

static void paper_never_reaches_its_peak(void **state) {
    (void)state;
    int end = (int)ceil(5 * paper.steps_per_epoch);
    assert_near(mnas_schedule_lr(&paper, end), 0.2408704, 1e-9);  /* 0.256 * 0.97^2 */
    assert_near(mnas_schedule_lr(&paper, 109473), 0.00309, 5e-6); /* 0.256 * 0.97^145 */
    for (int step = end; step < 109474; step += 97) assert_true(mnas_schedule_lr(&paper, step) < 0.2409);
}

static void stairs_fall_where_they_should(void **state) {
    (void)state;
    mnas_schedule s = {MNAS_SCHEDULE_EXPONENTIAL, 1, 10, 100, 0, 0.5, 2.4};
    assert_near(mnas_schedule_lr(&s, 23), 1, 1e-12);
    assert_near(mnas_schedule_lr(&s, 24), 0.5, 1e-12);
    assert_near(mnas_schedule_lr(&s, 47), 0.5, 1e-12);
    assert_near(mnas_schedule_lr(&s, 48), 0.25, 1e-12);
    assert_near(mnas_schedule_lr(&s, 72), 0.125, 1e-12);
}

static void cosine_ends_at_zero(void **state) {
    (void)state;
    mnas_schedule s = {MNAS_SCHEDULE_COSINE, 0.4, 100, 2, 0, 1, 1};
    assert_near(mnas_schedule_lr(&s, 0), 0.4, 1e-12);
    assert_near(mnas_schedule_lr(&s, 50), 0.4 * 0.5 * (1 + sqrt(0.5)), 1e-12);
    assert_near(mnas_schedule_lr(&s, 100), 0.2, 1e-12);
    assert_near(mnas_schedule_lr(&s, 200), 0, 1e-12);
    assert_near(mnas_schedule_lr(&s, 300), 0, 1e-12);
}

static void constant_is_constant(void **state) {
    (void)state;
    mnas_schedule s = {MNAS_SCHEDULE_CONSTANT, 0.3, 100, 2, 1, 1, 1};
    assert_near(mnas_schedule_lr(&s, 50), 0.15, 1e-12);
    assert_near(mnas_schedule_lr(&s, 100), 0.3, 1e-12);
    assert_near(mnas_schedule_lr(&s, 10000), 0.3, 1e-12);
}

static void paper_recipe_is_the_papers(void **state) {
    (void)state;
    mnas_recipe r;
    assert_int_equal(mnas_recipe_open(&r, "imagenet-mnasnet"), 0);
    assert_int_equal(r.optimizer, MNAS_OPTIMIZER_RMSPROP);
    assert_int_equal(r.schedule, MNAS_SCHEDULE_EXPONENTIAL);
    assert_true(r.lr == 0.016 && r.lr_per == 256 && r.batch == 4096 && r.group == 128);
    assert_true(r.epochs == 350 && r.warmup_epochs == 5 && r.crop == MNAS_CROP_AREA && r.flip);
    assert_true(r.momentum == 0.9 && r.rms_decay == 0.9 && r.epsilon == 0.001);
    assert_true(r.weight_decay == 1e-5 && r.label_smoothing == 0.1 && r.ema_decay == 0.9999);
    assert_true(r.decay_rate == 0.97 && r.decay_epochs == 2.4 && r.bn_momentum == 0.99 && r.dropout == 0.2);
}

/* The recipe's own schedule at ImageNet's 1,281,167 images, as training makes it: 350 epochs are 109,475 steps of
 * 4096, rounded up; the paper's 109,474 are rounded down. */
static void paper_recipe_has_the_papers_rates(void **state) {
    (void)state;
    static const struct {
        const char *spec;
        double peak;
        int n_steps;
    } cases[] = {{"imagenet-mnasnet", 0.256, 109475},
                 {"imagenet-mnasnet:batch=1024", 0.064, 437899},
                 {"imagenet-mnasnet:batch=128", 0.008, 3503192},
                 {"imagenet-mnasnet:batch=256,group=0", 0.016, 1751596}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mnas_recipe r;
        assert_int_equal(mnas_recipe_open(&r, cases[i].spec), 0);
        const double peak = mnas_recipe_peak_lr(&r), per_epoch = 1281167.0 / (double)r.batch;
        assert_near(peak, cases[i].peak, 1e-12);
        assert_int_equal((int)ceil(350 * per_epoch - 1e-9), cases[i].n_steps);
        const mnas_schedule s = mnas_recipe_schedule(&r, per_epoch);
        const int warm = (int)ceil(5 * per_epoch), last = cases[i].n_steps - 1;
        assert_near(mnas_schedule_lr(&s, warm - 1), peak,
                    peak / per_epoch);                                 /* the warm-up leads to the peak */
        assert_near(mnas_schedule_lr(&s, warm), peak * 0.9409, 1e-12); /* 0.2409 of 0.256 */
        assert_near(mnas_schedule_lr(&s, last), peak * pow(0.97, 145), 1e-12); /* 0.00309 of 0.256 */
        for (int step = warm; step <= last; step += last / 997)
            assert_near(mnas_schedule_lr(&s, step), peak * pow(0.97, floor(step / per_epoch / 2.4)), 1e-12);
    }
}

static void a_batch_is_whole_groups(void **state) {
    (void)state;
    mnas_recipe r;
    assert_int_equal(mnas_recipe_open(&r, "imagenet-mnasnet:batch=200"), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "200 images in groups of 128"));
    assert_int_equal(mnas_recipe_open(&r, "imagenet-mnasnet:batch=200,group=100"), 0);
    assert_int_equal(mnas_recipe_group(&r), 100);
    assert_int_equal(mnas_recipe_open(&r, "imagenet-mnasnet:batch=96"),
                     0); /* less than a group: all at once */
    assert_int_equal(mnas_recipe_group(&r), 96);
    assert_int_equal(mnas_recipe_open(&r, "proxy:batch=200"), 0);
    assert_int_equal(mnas_recipe_group(&r), 200);
    assert_true(mnas_recipe_peak_lr(&r) == 0.1);
    assert_int_equal(mnas_recipe_open(&r, "proxy:lr-per=100,batch=200"), 0);
    assert_true(mnas_recipe_peak_lr(&r) == 0.2);
}

static void equal_recipes_have_equal_texts(void **state) {
    (void)state;
    mnas_recipe a, b;
    mnas_str text[2] = {{0}, {0}};
    assert_int_equal(mnas_recipe_open(&a, "short:epochs=15,warmup-epochs=1,label-smoothing=0.1"), 0);
    assert_int_equal(mnas_recipe_open(&b, "final"), 0);
    mnas_recipe_print(&a, &text[0]);
    mnas_recipe_print(&b, &text[1]);
    assert_string_equal(text[0].data, text[1].data);
    assert_non_null(strstr(text[0].data, "optimizer=nesterov,lr=0.1,lr-per=0,batch=64"));
    assert_null(strstr(text[0].data, "dropout")); /* unset: the model's */
    mnas_str_free(&text[0]);
    mnas_str_free(&text[1]);
}

static void proxy_is_the_default_and_can_be_changed(void **state) {
    (void)state;
    mnas_recipe r, named;
    assert_int_equal(mnas_recipe_open(&r, NULL), 0);
    assert_int_equal(mnas_recipe_open(&named, "proxy"), 0);
    assert_true(r.lr == named.lr && r.epochs == 1 && r.bn_momentum == 0.9 && r.ema_decay == 0);
    assert_int_equal(mnas_recipe_open(&r, "proxy:lr=0.3,optimizer=rmsprop,flip=no,dropout=0.1"), 0);
    assert_true(r.lr == 0.3 && r.optimizer == MNAS_OPTIMIZER_RMSPROP && !r.flip && r.batch == named.batch);
    mnas_model model;
    mnas_model_defaults(&model);
    mnas_recipe_apply(&r, &model);
    assert_true(model.dropout == 0.1 && model.bn_momentum == 0.9);
}

static void wrong_recipes_are_refused_by_name(void **state) {
    (void)state;
    mnas_recipe r;
    assert_int_equal(mnas_recipe_open(&r, "proxi"), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "proxy"));
    assert_int_equal(mnas_recipe_open(&r, "proxy:momentun=0.9"), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "momentum"));
    assert_int_equal(mnas_recipe_open(&r, "short:batch=0"), MNAS_ERR_ARG);
    assert_int_equal(mnas_recipe_open(&r, "short:schedule=steps"), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "cosine"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warm_up_is_linear_from_zero),
        cmocka_unit_test(paper_never_reaches_its_peak),
        cmocka_unit_test(stairs_fall_where_they_should),
        cmocka_unit_test(cosine_ends_at_zero),
        cmocka_unit_test(constant_is_constant),
        cmocka_unit_test(paper_recipe_is_the_papers),
        cmocka_unit_test(paper_recipe_has_the_papers_rates),
        cmocka_unit_test(a_batch_is_whole_groups),
        cmocka_unit_test(equal_recipes_have_equal_texts),
        cmocka_unit_test(proxy_is_the_default_and_can_be_changed),
        cmocka_unit_test(wrong_recipes_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
