/* test_simulate_rungs.c - what rungs save, on tables whose accuracies on the way tell everything, or nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "mnas.h"
#include "nas_fixture.h"

#define assert_near(a, b, tol)                                                                               \
    do {                                                                                                     \
        if (!(fabs((a) - (b)) <= (tol)))                                                                     \
            fail_msg(#a " is %.10g, " #b " is %.10g", (double)(a), (double)(b));                             \
    } while (0)

enum { N_ROWS = 243 };

/* acc and ms have nothing to do with each other. Columns on the way: `tells` has acc's order, `silent` none. */
static const char *table_of(const char *name) {
    char *text = NULL;
    size_t n_bytes;
    FILE *out = open_memstream(&text, &n_bytes);
    mnas_rng rng = mnas_rng_stream(5, 0, "test-rungs");
    fputs("a,b,c,acc,ms,tells,silent\n", out);
    for (int i = 0; i < N_ROWS; i++) {
        const double acc = 60 + 30 * mnas_rng_uniform(&rng), ms = exp(mnas_rng_uniform(&rng));
        fprintf(out, "%d,%d,%d,%.9g,%.9g,%.9g,%.9g\n", i % 9, i / 9 % 9, i / 81, acc, ms, acc - 40,
                20 + 30 * mnas_rng_uniform(&rng));
    }
    fclose(out);
    const char *path = nas_file(name, text);
    free(text);
    return path;
}

static mnas_simulate_options options_of(const char *table) {
    return (mnas_simulate_options){.table = table,
                                   .decisions = "a,b,c",
                                   .accuracy = "acc",
                                   .latency = "ms",
                                   .target = 2,
                                   .rungs = "tells,tells",
                                   .rung_epochs = "1,3,9",
                                   .strategies = "random",
                                   .trials = 81,
                                   .seeds = 20};
}

static mnas_simulation *simulate(const mnas_simulate_options *o) {
    mnas_simulation *s;
    if (mnas_simulate(&s, o) < 0) fail_msg("%s", mnas_error_message());
    return s;
}

static void epochs_are_counted(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(table_of("count.csv"));
    mnas_simulation *s = simulate(&o);
    const mnas_simulated_rungs *r = &s->strategies[0].rungs;
    assert_near(r->begun_mean, 81, 0);
    assert_near(r->complete_mean, 9, 0);
    assert_near(r->epochs_mean, 81 * 1 + 27 * 2 + 9 * 6, 1e-9);
    assert_int_equal(s->n_rungs, 3);
    assert_near(s->rung_epochs[2], 9, 0);
    mnas_simulation_free(s);
    o.trials = 75, o.rung_epochs = NULL; /* in whole brackets, of trainings of length 1 */
    s = simulate(&o);
    assert_near(s->strategies[0].rungs.begun_mean, 81, 0);
    assert_near(s->strategies[0].rungs.epochs_mean, 189 / 9.0, 1e-9);
    mnas_simulation_free(s);
    o.rungs = "tells", o.rung_epochs = "2,8", o.rung_factor = 4, o.trials = 40;
    s = simulate(&o);
    assert_near(s->strategies[0].rungs.complete_mean, 10, 0);
    assert_near(s->strategies[0].rungs.epochs_mean, 40 * 2 + 10 * 6, 1e-9);
    mnas_simulation_free(s);
}

static void rungs_that_tell_save_epochs(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(table_of("tell.csv"));
    mnas_simulation *s = simulate(&o);
    const mnas_simulated_rungs *r = &s->strategies[0].rungs;
    const double telling = r->times_fewer;
    assert_near(s->rung_tau[0], 1, 1e-12);
    assert_true(telling > 2);
    assert_true(r->times_low < telling && telling < r->times_high && r->times_low > 1);
    assert_near(r->whole_epochs, telling * r->epochs_mean, 1e-6);
    mnas_simulation_free(s);
    o.rungs = "silent,silent";
    s = simulate(&o);
    assert_true(fabs(s->rung_tau[1]) < 0.15);
    assert_true(s->strategies[0].rungs.times_fewer < telling / 2); /* latencies are known all the same */
    mnas_simulation_free(s);
}

static void nothing_else_changes(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(table_of("same.csv"));
    o.strategies = "evolution,random", o.seeds = 6, o.threads = 1;
    mnas_simulation *with = simulate(&o);
    o.threads = 3;
    mnas_simulation *again = simulate(&o);
    o.rungs = o.rung_epochs = NULL;
    mnas_simulation *without = simulate(&o);
    for (int i = 0; i < 2; i++) {
        const mnas_simulated *a = &with->strategies[i], *b = &without->strategies[i];
        assert_int_equal(a->n_curve, b->n_curve);
        for (int k = 0; k < a->n_curve; k++) assert_near(a->curve[k].chosen_mean, b->curve[k].chosen_mean, 0);
        assert_near(a->rungs.times_fewer, again->strategies[i].rungs.times_fewer, 0);
        assert_near(b->rungs.begun_mean, 0, 0);
    }
    mnas_simulation_free(with);
    mnas_simulation_free(again);
    mnas_simulation_free(without);
}

/* Of 27 networks 81 cannot be tried. */
static void a_table_is_used_up(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(nas_planted("used.csv", 3, 3));
    o.decisions = "arch:chars", o.rungs = "test,test";
    mnas_simulation *s = simulate(&o);
    assert_near(s->strategies[0].rungs.begun_mean, 27, 0);
    assert_near(s->strategies[0].rungs.complete_mean, 3, 0);
    mnas_simulation_free(s);
}

/* Where nearly all that is proposed is no network, and a bracket never fills. */
static void a_bracket_that_never_fills(void **state) {
    (void)state;
    mnas_simulate_options o =
        options_of(nas_file("few.csv", "a,b,c,acc,ms,tells\n0,0,0,70,1,30\n1,5,8,71,2,31\n2,3,4,72,3,32\n"
                                       "3,4,5,73,4,33\n4,2,1,74,5,34\n5,1,2,75,6,35\n6,7,3,76,7,36\n"));
    o.rungs = "tells", o.rung_epochs = "1,9", o.trials = 200, o.seeds = 3;
    mnas_simulation *s = simulate(&o);
    assert_true(s->strategies[0].rungs.begun_mean <= 7 && s->strategies[0].rungs.complete_mean <= 2);
    mnas_simulation_free(s);
}

static void check_refused(const mnas_simulate_options *o, const char *message) {
    mnas_simulation *s;
    assert_int_equal(mnas_simulate(&s, o), MNAS_ERR_ARG);
    if (!strstr(mnas_error_message(), message)) fail_msg("%s", mnas_error_message());
}

static void what_is_wrong_is_told(void **state) {
    (void)state;
    const mnas_simulate_options good = options_of(table_of("wrong.csv"));
    static const char *const epochs[] = {"1,3",   "1,3,9,27", "3,1,9",   "0,1,2",
                                         "1,x,9", "1,3,nan",  "1,3,inf", ","};
    for (size_t i = 0; i < sizeof epochs / sizeof *epochs; i++) {
        mnas_simulate_options o = good;
        o.rung_epochs = epochs[i];
        check_refused(&o, "--rung-epochs");
    }
    mnas_simulate_options o = good;
    o.rungs = NULL;
    check_refused(&o, "--rung-epochs without --rungs");
    o = good, o.latency = NULL, o.target = NAN;
    check_refused(&o, "--latency");
    o = good, o.noise = 1;
    check_refused(&o, "--noise");
    o = good, o.rungs = "tells,nowhere";
    check_refused(&o, "nowhere");
    o = good, o.rungs = "tells,tells,tells,tells,tells,tells";
    check_refused(&o, "more than 5 columns");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs_are_counted),         cmocka_unit_test(rungs_that_tell_save_epochs),
        cmocka_unit_test(nothing_else_changes),       cmocka_unit_test(a_table_is_used_up),
        cmocka_unit_test(a_bracket_that_never_fills), cmocka_unit_test(what_is_wrong_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
