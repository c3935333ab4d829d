/* test_verdict.c - what stage two shows: curves in closed form, the bootstrap's coverage on simulated data, pairing, the
 * kinds of comparison, what is degenerate, and that the sentences follow the numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "final_fixture.h"
#include "search/curve.h"
#include "search/resample.h"
#include "search/verdict.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static void judge(mnas_verdict *v, const finals *f, int n_samples) {
    assert_int_equal(mnas_verdict_compute(v, f->list, f->n, n_samples), 0);
    assert_non_null(v->words);
}

static const mnas_comparison *with(const mnas_verdict *v, const char *family, const char *split) {
    const mnas_comparison *c = mnas_verdict_find(v, family, split);
    assert_non_null(c);
    return c;
}

static bool says(const mnas_verdict *v, const char *words) {
    return strstr(v->words, words) != NULL;
}

/* Accuracy and latency as said, to the last bit. */
static void set_exactly(mnas_final *row, double ms, double accuracy) {
    row->val_accuracy_frac = accuracy;
    row->test_accuracy_frac = NAN;
    row->latency.median_ms = ms;
    free(row->val_correct);
    free(row->test_correct);
    free(row->pass_ms);
    row->val_correct = row->test_correct = NULL;
    row->pass_ms = NULL;
    row->n_passes = 0;
}

static mnas_final *add_exactly(finals *f, mnas_final_role role, const char *family, double ms,
                               double accuracy) {
    mnas_final *row = finals_add(f, role, family, family, ms, 0.5);
    set_exactly(row, ms, accuracy);
    return row;
}

/* ---- curves ---- */

/* Accuracy 0.80 at 1 ms, 0.04 more at each doubling; a network that is beaten, and one that has no number. */
static void test_curve(void **state) {
    (void)state;
    const double accuracy[] = {0.88, 0.80, 0.79, NAN, 0.84}, ms[] = {4, 1, 3, 2, 2};
    size_t room[5];
    mnas_curve c;
    assert_int_equal(mnas_curve_fit(&c, accuracy, ms, 5, room), 0);
    assert_int_equal(c.n, 3);
    assert_near(mnas_curve_ms_at(&c, 0.82), sqrt(2), 1e-12);
    assert_near(mnas_curve_ms_at(&c, 0.86), 2 * sqrt(2), 1e-12);
    assert_near(mnas_curve_ms_at(&c, 0.84), 2, 1e-12);
    assert_near(mnas_curve_accuracy_at(&c, 2 * sqrt(2)), 0.86, 1e-12);
    assert_near(mnas_curve_accuracy_at(&c, 1.5), 0.80 + 0.04 * log2(1.5), 1e-12);
    assert_int_equal(mnas_curve_side(&c, 0.7999), -1);
    assert_int_equal(mnas_curve_side(&c, 0.80), 0);
    assert_int_equal(mnas_curve_side(&c, 0.88), 0);
    assert_int_equal(mnas_curve_side(&c, 0.8801), 1);
    assert_near(mnas_curve_ms_at(&c, 0.5), 1, 0); /* no extrapolation */
    assert_near(mnas_curve_ms_at(&c, 0.99), 4, 0);
    assert_near(mnas_curve_accuracy_at(&c, 0.5), 0.80, 0);
    assert_near(mnas_curve_accuracy_at(&c, 9), 0.88, 0);
}

static void test_curve_of_one(void **state) {
    (void)state;
    const double accuracy[] = {0.9, 0.9, 0.8}, ms[] = {1, 1, 1};
    size_t room[3];
    mnas_curve c;
    assert_int_equal(mnas_curve_fit(&c, accuracy, ms, 3, room), 0);
    assert_int_equal(c.n, 1);
    assert_int_equal(mnas_curve_side(&c, 0.9), 0);
    assert_near(mnas_curve_ms_at(&c, 0.9), 1, 0);
    assert_near(mnas_curve_accuracy_at(&c, 7), 0.9, 0);
}

/* ---- resampling ---- */

static void test_resample_moments(void **state) {
    (void)state;
    finals *f = finals_create(3, 400, 0);
    f->jitter = 0.05;
    mnas_final *a = finals_add(f, MNAS_FINAL_FOUND, "found", "a", 1, 0.9),
               *b = finals_add(f, MNAS_FINAL_BASELINE, "b", "b", 2, 0.88);
    const mnas_resample_net nets[] = {
        {a->val_accuracy_frac, 1, a->val_correct, 400, a->pass_ms, a->n_passes},
        {b->val_accuracy_frac, 2, b->val_correct, 400, b->pass_ms, b->n_passes}};
    mnas_resample *r;
    assert_int_equal(mnas_resample_open(&r, nets, 2, 0), 0);
    double sum = 0, sum2 = 0, difference2 = 0, accuracy[2], ms[2], both = 0;
    const int n = 4000;
    for (int i = 0; i < n; i++) {
        mnas_resample_draw(r, accuracy, ms);
        double d = accuracy[0] - a->val_accuracy_frac;
        double e = accuracy[0] - accuracy[1] - (a->val_accuracy_frac - b->val_accuracy_frac);
        sum += d, sum2 += d * d, difference2 += e * e;
        assert_near(log(ms[1] / ms[0] / 2), 0, 0.04); /* a slow pass is slow for both */
    }
    for (int i = 0; i < 400; i++) both += a->val_correct[i] != b->val_correct[i];
    double p = a->val_accuracy_frac, variance = p * (1 - p) / 400;
    double gap = a->val_accuracy_frac - b->val_accuracy_frac;
    assert_near(sum / n, 0, 4 * sqrt(variance / n));
    assert_near(sum2 / n / variance, 1, 0.1);
    assert_near(difference2 / n / ((both / 400 - gap * gap) / 400), 1, 0.1); /* McNemar's variance */
    mnas_resample_close(r);
    finals_free(f);
}

/* ---- comparisons ---- */

static void add_line(finals *f) {
    static const char *const names[] = {"mobilenet-v2@0.5/28", "mobilenet-v2@0.75/28", "mobilenet-v2@1/28"};
    for (int i = 0; i < 3; i++) {
        mnas_final *row = add_exactly(f, MNAS_FINAL_BASELINE, "mobilenet-v2", 1 << i, 0.80 + 0.04 * i);
        snprintf(row->name, sizeof row->name, "%s", names[i]);
    }
}

static void test_kinds(void **state) {
    (void)state;
    static const struct {
        double ms, accuracy;
        mnas_compare_kind kind;
        double family_ms, gain;
    } cases[] = {
        {1, 0.84, MNAS_COMPARE_WITHIN, 2, 0.04},  {2, 0.86, MNAS_COMPARE_WITHIN, 2.8284271247461903, 0.02},
        {2, 0.80, MNAS_COMPARE_WITHIN, 1, -0.04}, {0.5, 0.88, MNAS_COMPARE_WITHIN, 4, NAN},
        {2, 0.90, MNAS_COMPARE_ABOVE, 4, 0.06},   {8, 0.90, MNAS_COMPARE_ABOVE, 4, NAN},
        {0.5, 0.70, MNAS_COMPARE_BELOW, 1, NAN}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        finals *f = finals_create(1, 1000, 0);
        add_exactly(f, MNAS_FINAL_FOUND, "found", cases[i].ms, cases[i].accuracy);
        add_line(f);
        mnas_verdict v;
        judge(&v, f, 200);
        const mnas_comparison *c = with(&v, "mobilenet-v2", "val");
        assert_int_equal(c->kind, cases[i].kind);
        assert_int_equal(c->n_points, 3);
        assert_near(c->family_ms, cases[i].family_ms, 1e-12);
        assert_near(c->ratio, cases[i].family_ms / cases[i].ms, 1e-12);
        assert_true(isnan(cases[i].gain) ? isnan(c->accuracy_gain_frac)
                                         : fabs(c->accuracy_gain_frac - cases[i].gain) < 1e-12);
        assert_true(c->ratio_low <= c->ratio && c->ratio <= c->ratio_high);
        assert_null(mnas_verdict_find(&v, "mobilenet-v2", "test"));
        assert_null(mnas_verdict_find(&v, "baselines", "val")); /* one family is all there is */
        mnas_verdict_free(&v);
        finals_free(f);
    }
}

/* At the top of the curve half of the samples lie above it: the ratio may be anything more, and is never claimed to be. */
static void test_end_of_curve(void **state) {
    (void)state;
    finals *f = finals_create(1, 1000, 0);
    add_exactly(f, MNAS_FINAL_FOUND, "found", 16, 0.88);
    add_line(f);
    mnas_verdict v;
    judge(&v, f, 400);
    const mnas_comparison *c = with(&v, "mobilenet-v2", "val");
    assert_int_equal(c->kind, MNAS_COMPARE_WITHIN);
    assert_true(isinf(c->ratio_high));
    assert_near(c->faster_share, 0,
                0); /* slower than the most accurate: not shown to be faster by being above */
    assert_true(says(&v, "more than") && says(&v, "not shown to be faster or slower"));
    mnas_verdict_free(&v);
    set_exactly(&f->rows[0], 0.1, 0.80);
    judge(&v, f, 400);
    c = with(&v, "mobilenet-v2", "val");
    assert_near(c->ratio_low, 0, 0); /* below the curve nothing is known at equal accuracy */
    mnas_verdict_free(&v);
    finals_free(f);
}

/* A network of the family that others beat changes nothing; a repeat and a failed one are no points. */
static void test_what_is_no_point(void **state) {
    (void)state;
    finals *f = finals_create(1, 1000, 0);
    add_exactly(f, MNAS_FINAL_FOUND, "found", 1, 0.86);
    add_line(f);
    mnas_verdict plain, more;
    judge(&plain, f, 0);
    add_exactly(f, MNAS_FINAL_BASELINE, "mobilenet-v2", 3, 0.81);
    add_exactly(f, MNAS_FINAL_BASELINE, "mobilenet-v2", 0.1, 0.99)->repeat = 1;
    mnas_final *failed = add_exactly(f, MNAS_FINAL_BASELINE, "mobilenet-v2", NAN, NAN);
    failed->state = MNAS_TRIAL_FAILED;
    add_exactly(f, MNAS_FINAL_FOUND, "found", 0.1, 0.99); /* not chosen */
    judge(&more, f, 0);
    assert_near(with(&more, "mobilenet-v2", "val")->ratio, with(&plain, "mobilenet-v2", "val")->ratio, 0);
    assert_int_equal(with(&more, "mobilenet-v2", "val")->n_points, 4);
    assert_true(says(&more, "1 of the 8 trainings failed and counts nowhere."));
    assert_false(says(&plain, "failed"));
    mnas_verdict_free(&plain);
    mnas_verdict_free(&more);
    finals_free(f);
}

static void test_families(void **state) {
    (void)state;
    finals *f = finals_create(5, 800, 600);
    finals_add(f, MNAS_FINAL_FOUND, "found", "trial 12", 1.2, 0.9);
    finals_add_family(f, "mobilenet-v2", 4, 1, 0.86, 0.02);
    finals_add_family(f, "mnasnet-b1", 4, 1, 0.87, 0.02);
    finals_add(f, MNAS_FINAL_RANDOM, "random", "random 31", 1.5, 0.89);
    f->rows[3].test_accuracy_frac = NAN; /* one of the baselines was not tested */
    mnas_verdict v;
    judge(&v, f, 100);
    assert_int_equal(v.n_comparisons, 8);
    assert_int_equal(with(&v, "mobilenet-v2", "val")->n_points, 4);
    assert_int_equal(with(&v, "mobilenet-v2", "test")->n_points, 3);
    assert_int_equal(with(&v, "baselines", "val")->n_points, 8);
    const mnas_comparison *random = with(&v, "random", "test");
    assert_int_equal(random->kind, MNAS_COMPARE_NOT);
    assert_near(random->accuracy_gain_frac, f->rows[0].test_accuracy_frac - f->rows[9].test_accuracy_frac,
                1e-12);
    assert_near(random->ratio, 1.5 / 1.2, 1e-9);
    assert_true(random->gain_low_frac < random->accuracy_gain_frac &&
                random->accuracy_gain_frac < random->gain_high_frac);
    assert_true(says(
        &v, "Of random search one network is there to compare with, random 31: on the test images it is"));
    assert_near(v.binomial_test_frac,
                sqrt(f->rows[0].test_accuracy_frac * (1 - f->rows[0].test_accuracy_frac) / 600), 1e-12);
    mnas_verdict_free(&v);
    finals_free(f);
}

static void test_seed_noise(void **state) {
    (void)state;
    finals *f = finals_create(1, 1000, 0);
    const double runs[] = {0.86, 0.87, 0.88}, others[] = {0.80, 0.81};
    for (int i = 0; i < 3; i++) {
        mnas_final *row = add_exactly(f, MNAS_FINAL_FOUND, "found", 1, runs[i]);
        row->trial = 7, row->repeat = i;
    }
    for (int i = 0; i < 2; i++) add_exactly(f, MNAS_FINAL_BASELINE, "mobilenet-v2", 1, others[i])->repeat = i;
    add_exactly(f, MNAS_FINAL_BASELINE, "mnasnet-b1", 1, 0.5);
    mnas_verdict v;
    judge(&v, f, 0);
    assert_int_equal(v.n_seed_runs, 5);
    assert_near(v.seed_sd_frac, sqrt((2 * 1e-4 + 0.5e-4) / 3), 1e-9);
    assert_true(says(&v, "pooled over 5 runs"));
    mnas_verdict_free(&v);
    f->rows[1].state = f->rows[2].state = f->rows[4].state = MNAS_TRIAL_FAILED;
    judge(&v, f, 0);
    assert_true(isnan(v.seed_sd_frac));
    assert_true(says(&v, "the noise between seeds is not known"));
    mnas_verdict_free(&v);
    finals_free(f);
}

static void test_degenerate(void **state) {
    (void)state;
    mnas_verdict v;
    finals *f = finals_create(1, 1, 0);
    judge(&v, f, 100);
    assert_int_equal(v.chosen, -1);
    mnas_verdict_free(&v);
    finals_add(f, MNAS_FINAL_FOUND, "found", "trial 3", 1, 1); /* one image, no baseline */
    judge(&v, f, 100);
    assert_int_equal(v.chosen, 0);
    assert_int_equal(v.n_comparisons, 0);
    assert_true(says(&v, "There is no curve of a baseline"));
    mnas_verdict_free(&v);
    finals_add(f, MNAS_FINAL_BASELINE, "mobilenet-v2", "a", 1,
               1); /* the same network again: ties in both numbers */
    finals_add(f, MNAS_FINAL_BASELINE, "mobilenet-v2", "b", 1, 1);
    judge(&v, f, 100);
    const mnas_comparison *c = with(&v, "mobilenet-v2", "val");
    assert_int_equal(c->kind, MNAS_COMPARE_WITHIN);
    assert_near(c->ratio, 1, 0);
    assert_near(c->accuracy_gain_frac, 0, 0);
    assert_near(c->faster_share, 0, 0);
    mnas_verdict_free(&v);
    f->rows[0].chosen = false; /* nothing chosen yet */
    judge(&v, f, 100);
    assert_int_equal(v.n_comparisons, 0);
    assert_string_equal(v.words,
                        "Stage two has not chosen a network yet: 3 of its 3 trainings are complete.");
    mnas_verdict_free(&v);
    f->rows[0].chosen = true;
    f->rows[0].state = MNAS_TRIAL_FAILED;
    judge(&v, f, 100);
    assert_int_equal(v.n_comparisons, 0);
    mnas_verdict_free(&v);
    finals_free(f);
}

/* ---- intervals ---- */

/* Same networks, images in another order for each: as good, no longer paired. */
static void unpair(finals *f) {
    for (int k = 0; k < f->n; k++) {
        mnas_rng rng = mnas_rng_stream(99, (uint64_t)k, "unpair");
        uint8_t *x = f->rows[k].val_correct;
        for (int i = f->n_val; i > 1; i--) {
            int j = (int)mnas_rng_below(&rng, (uint32_t)i);
            uint8_t swap = x[i - 1];
            x[i - 1] = x[j], x[j] = swap;
        }
    }
}

static void test_pairing_matters(void **state) {
    (void)state;
    finals *f = finals_create(11, 2000, 0);
    f->shared = 0.95;
    finals_add(f, MNAS_FINAL_FOUND, "found", "trial 1", 2, 0.91);
    finals_add_family(f, "mobilenet-v2", 6, 1, 0.86, 0.04);
    mnas_verdict paired, mixed;
    judge(&paired, f, 600);
    unpair(f);
    judge(&mixed, f, 600);
    const mnas_comparison *a = with(&paired, "mobilenet-v2", "val"), *b = with(&mixed, "mobilenet-v2", "val");
    assert_near(a->ratio, b->ratio, 1e-12);
    assert_true(log(a->ratio_high / a->ratio_low) < 0.8 * log(b->ratio_high / b->ratio_low));
    assert_true(a->gain_high_frac - a->gain_low_frac < 0.8 * (b->gain_high_frac - b->gain_low_frac));
    mnas_verdict_free(&paired);
    mnas_verdict_free(&mixed);
    finals_free(f);
}

static void test_reproducible(void **state) {
    (void)state;
    finals *f = finals_create(11, 300, 200);
    f->jitter = 0.03;
    finals_add(f, MNAS_FINAL_FOUND, "found", "trial 1", 2, 0.91);
    finals_add_family(f, "mobilenet-v2", 6, 1, 0.86, 0.04);
    mnas_verdict a, b;
    judge(&a, f, 300);
    judge(&b, f, 300);
    assert_int_equal(a.n_comparisons, b.n_comparisons);
    for (int i = 0; i < a.n_comparisons; i++) {
        assert_near(a.comparisons[i].ratio_low, b.comparisons[i].ratio_low, 0);
        assert_near(a.comparisons[i].ratio_high, b.comparisons[i].ratio_high, 0);
        assert_near(a.comparisons[i].gain_low_frac, b.comparisons[i].gain_low_frac, 0);
    }
    assert_string_equal(a.words, b.words);
    mnas_verdict_free(&a);
    mnas_verdict_free(&b);
    finals_free(f);
}

/* 200 stage twos of the same networks on other images and in other passes: the interval holds the true ratio, which is that
 * of the line the family was made on, about as often as it says. */
static void test_coverage(void **state) {
    (void)state;
    const int n_sets = 200;
    const double p = 0.90, ms = 1.6, family_ms = pow(2, (p - 0.84) / 0.04);
    int n_held = 0, n_gain = 0;
    for (int i = 0; i < n_sets; i++) {
        finals *f = finals_create(1000 + (uint64_t)i, 500, 0);
        f->jitter = 0.02;
        finals_add(f, MNAS_FINAL_FOUND, "found", "trial 1", ms, p);
        finals_add_family(f, "mobilenet-v2", 7, 1, 0.84, 0.04);
        mnas_verdict v;
        judge(&v, f, 300);
        const mnas_comparison *c = with(&v, "mobilenet-v2", "val");
        double gain = p - (0.84 + 0.04 * log2(ms));
        n_held += c->ratio_low <= family_ms / ms && family_ms / ms <= c->ratio_high;
        n_gain += c->gain_low_frac <= gain && gain <= c->gain_high_frac;
        mnas_verdict_free(&v);
        finals_free(f);
    }
    print_message("the 95 %% interval held the ratio %d times of %d, the gain %d times\n", n_held, n_sets,
                  n_gain);
    assert_in_range(n_held, n_sets * 90 / 100, n_sets * 99 / 100);
    assert_in_range(n_gain, n_sets * 90 / 100, n_sets * 99 / 100);
}

/* ---- words ---- */

static void test_words_follow_the_interval(void **state) {
    (void)state;
    static const struct {
        double ms;
        const char *has, *lacks;
    } cases[] = {
        {1, "times as fast as MobileNetV2 at equal test accuracy (95 % interval", "not shown"},
        {2.8, "not shown to be faster or slower than MobileNetV2 at equal test accuracy", "is slower"},
        {6, "is slower than MobileNetV2 at equal test accuracy", "not shown"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        finals *f = finals_create(21, 3000, 3000);
        finals_add(f, MNAS_FINAL_FOUND, "found", "trial 9", cases[i].ms, 0.90);
        finals_add_family(f, "mobilenet-v2", 7, 1, 0.84, 0.04);
        mnas_verdict v;
        judge(&v, f, 300);
        if (!says(&v, cases[i].has) || says(&v, cases[i].lacks))
            fail_msg("at %g ms: %s", cases[i].ms, v.words);
        assert_true(strncmp(v.words, "The best network found, trial 9, is ", 36) == 0);
        assert_true(says(&v, "used once, after the choice"));
        mnas_verdict_free(&v);
        finals_free(f);
    }
}

static void test_words_outside_the_curve(void **state) {
    (void)state;
    finals *f = finals_create(1, 1000, 0);
    add_exactly(f, MNAS_FINAL_FOUND, "found", 2, 0.89);
    add_line(f);
    mnas_final *again = add_exactly(f, MNAS_FINAL_FOUND, "found", 2, 0.86);
    again->repeat = 1;
    again->trial = f->rows[0].trial;
    mnas_verdict v;
    judge(&v, f, 100);
    assert_true(says(
        &v,
        "more accurate on the validation images than every network on the curve of MobileNetV2; it is 2.00 "
        "times as fast as the most accurate of them, mobilenet-v2@1/28 (95 % interval"));
    assert_true(says(
        &v, "which is 1.00 points less accurate, less than the 3.00 points by which two runs of one network "
            "typically differ."));
    assert_true(says(&v, "No test images were used"));
    mnas_verdict_free(&v);
    set_exactly(&f->rows[0], 0.5, 0.5);
    judge(&v, f, 100);
    assert_true(says(
        &v,
        "less accurate on the validation images than every network on the curve of MobileNetV2; it is 2.00 "
        "times as fast as the fastest of them, mobilenet-v2@0.5/28 ("));
    mnas_verdict_free(&v);
    finals_free(f);
}

/* A gain may end at 0 exactly, which is no open end. */
static void test_words_of_no_gain(void **state) {
    (void)state;
    finals *f = finals_create(1, 1000, 0);
    add_exactly(f, MNAS_FINAL_FOUND, "found", 2, 0.5)->n_val = 0;
    add_exactly(f, MNAS_FINAL_BASELINE, "mobilenet-v2", 4, 0.5)->n_val = 0;
    mnas_verdict v;
    judge(&v, f, 100);
    if (!says(&v, "(95 % interval 0.00 to 0.00)")) fail_msg("%s", v.words);
    mnas_verdict_free(&v);
    finals_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_curve),
        cmocka_unit_test(test_curve_of_one),
        cmocka_unit_test(test_resample_moments),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_end_of_curve),
        cmocka_unit_test(test_what_is_no_point),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_seed_noise),
        cmocka_unit_test(test_degenerate),
        cmocka_unit_test(test_pairing_matters),
        cmocka_unit_test(test_reproducible),
        cmocka_unit_test(test_coverage),
        cmocka_unit_test(test_words_follow_the_interval),
        cmocka_unit_test(test_words_outside_the_curve),
        cmocka_unit_test(test_words_of_no_gain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
