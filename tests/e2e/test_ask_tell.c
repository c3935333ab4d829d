/* test_ask_tell.c - asking and telling through the binary and through mnas.h: it learns, goes on where it was killed, gives
 * two askers different trials, and says what is wrong with a request.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/file.h"
#include "base/rng.h"
#include "ask_fixture.h"
#include "mnas.h"

#define DIR   MNAS_TEST_TMP "/ask-tell"
#define PLAIN DIR "/plain.yaml"

static const char plain_text[] = "decisions:\n"
                                 "  a: [1, 2, 3, 4, 5, 6]\n"
                                 "  b: [0.001, 0.01, 0.1, 1]\n"
                                 "  c: [sgd, momentum, adam]\n"
                                 "  d: {choices: [small, medium, large], ordinal: true}\n"
                                 "  e: [1, 2, 3, 4, 5, 6]\n";

static int prepare(void **state) {
    (void)state;
    const int rc = system("rm -rf " DIR);
    assert_int_equal(rc, 0);
    assert_int_equal(mnas_file_mkdirs(DIR), 0);
    return mnas_file_write_atomic(PLAIN, plain_text, strlen(plain_text));
}

/* ---- an objective that is known ---- */

/* Smallest, 0, at a = 4, b = 0.01, c = adam, d = medium, e = 2. */
static double planted(const json_t *decisions) {
    const char *c = json_string_value(json_object_get(decisions, "c")),
               *d = json_string_value(json_object_get(decisions, "d"));
    return pow(number(decisions, "a") - 4, 2) + pow(log10(number(decisions, "b")) + 2, 2) +
           (strcmp(c, "adam") == 0 ? 0 : 2) + (strcmp(d, "medium") == 0 ? 0 : 1) +
           pow(number(decisions, "e") - 2, 2);
}

static void tell_planted(server *s, const json_t *asked) {
    json_t *told = say(s, "{\"tell\": %d, \"value\": %.17g}", (int)integer(asked, "trial"),
                       planted(json_object_get(asked, "decisions")));
    assert_true(json_is_true(json_object_get(told, "ok")));
    json_decref(told);
}

/* Mean value of the last trials of a loop of 60. */
static double mean_of_last(const char *name, const char *strategy) {
    enum { N = 60, LAST = 20 };
    char line[512];
    double sum = 0;
    snprintf(line, sizeof line,
             DIR "/%s.db --decisions " PLAIN " --objective minimize --trials %d --strategy %s", name, N,
             strategy);
    server s = serve(line);
    for (int i = 0; i < N; i++) {
        json_t *asked = say(&s, "{\"ask\": 1}");
        assert_int_equal(integer(asked, "trial"), i);
        if (i >= N - LAST) sum += planted(json_object_get(asked, "decisions"));
        tell_planted(&s, asked);
        json_decref(asked);
    }
    check_wrong(&s, "{\"ask\": 1}", "exhausted", "all 60 trials are complete");
    assert_int_equal(end(&s, false), 0);
    return sum / LAST;
}

static void test_it_learns(void **state) {
    (void)state;
    const double random = mean_of_last("random", "random:screen=none"),
                 learnt = mean_of_last("learnt", "evolution:screen=none");
    if (!(learnt < 0.6 * random)) fail_msg("evolution %g, random %g", learnt, random);
}

/* ---- killed ---- */

/* The trial that is to be told next: an open one that a killed session gave out, or a new one. */
static json_t *open_or_new(server *s) {
    json_t *asked = say(s, "{\"ask\": 1}");
    if (json_object_get(asked, "trial")) return asked;
    assert_string_equal(json_string_value(json_object_get(asked, "status")), "busy");
    json_decref(asked);
    json_t *open = say(s, "{\"open\": true}");
    json_t *first = json_array_get(json_object_get(open, "trials"), 0);
    assert_non_null(first);
    asked = say(s, "{\"again\": %d}", (int)integer(first, "trial"));
    assert_true(json_equal(json_object_get(asked, "tokens"), json_object_get(first, "tokens")));
    json_decref(open);
    return asked;
}

/* 20 trials, killed between calls now and then. */
static void run_killed(const char *study, const char *strategy, double kills) {
    char line[512];
    snprintf(line, sizeof line,
             "%s --decisions " PLAIN " --objective minimize --trials 20 --parallel 3 --strategy %s", study,
             strategy);
    server s = serve(line);
    mnas_rng rng = mnas_rng_stream(5, 0, "kills");
    for (int done = 0; done < 20;) {
        json_t *asked = open_or_new(&s);
        if (mnas_rng_uniform(&rng) < kills) {
            end(&s, true);
            s = serve(line);
        } else {
            tell_planted(&s, asked);
            done++;
        }
        json_decref(asked);
    }
    end(&s, false);
}

static void test_killed_goes_on(void **state) {
    (void)state;
    static const char *const strategies[] = {"ppo:screen=none", "evolution:screen=gp", "random:screen=none"};
    for (int i = 0; i < 3; i++) {
        char whole[256], killed[256];
        snprintf(whole, sizeof whole, DIR "/whole%d.db", i);
        snprintf(killed, sizeof killed, DIR "/killed%d.db", i);
        run_killed(whole, strategies[i], 0);
        run_killed(killed, strategies[i], 0.3);
        char *a = table_of(whole), *b = table_of(killed);
        assert_string_equal(a, b);
        free(a);
        free(b);
    }
}

/* ---- side by side ---- */

/* Outcomes in another order than trials were given out make the same table. */
static void run_parallel(const char *study, bool backwards) {
    char line[512];
    snprintf(line, sizeof line,
             DIR "/%s --decisions " PLAIN
                 " --objective minimize --trials 24 --parallel 4 --strategy evolution:screen=none",
             study);
    server s = serve(line);
    for (int round = 0; round < 6; round++) {
        json_t *asked = say(&s, "{\"ask\": 4}"), *list = json_object_get(asked, "trials");
        assert_int_equal(json_array_size(list), 4);
        check_wrong(&s, "{\"ask\": 1}", "busy", "open: ");
        for (size_t i = 0; i < 4; i++) tell_planted(&s, json_array_get(list, backwards ? 3 - i : i));
        json_decref(asked);
    }
    assert_int_equal(end(&s, false), 0);
}

static void test_order_of_telling_changes_nothing(void **state) {
    (void)state;
    run_parallel("forwards.db", false);
    run_parallel("backwards.db", true);
    char *a = table_of(DIR "/forwards.db"), *b = table_of(DIR "/backwards.db");
    assert_string_equal(a, b);
    free(a);
    free(b);
}

static void test_two_shells_get_different_trials(void **state) {
    (void)state;
    enum { N = 4 };
    mnas_proc *shells[N];
    bool seen[N] = {false};
    for (int i = 0; i < N; i++)
        shells[i] = start_mnas("ask " DIR "/shells.db --decisions " PLAIN " --parallel 4 --json");
    for (int i = 0; i < N; i++) {
        mnas_str out = {0};
        const char *text;
        while (!mnas_proc_done(shells[i])) assert_int_equal(mnas_proc_wait(&shells[i], 1, 1000), 0);
        while ((text = mnas_proc_next_line(shells[i]))) mnas_str_appendf(&out, "%s\n", text);
        const mnas_proc_result *r = mnas_proc_result_of(shells[i]);
        if (r->exit_code != 0) fail_msg("%s", r->err);
        json_t *asked = json_loads(out.data, 0, NULL);
        const json_int_t trial = integer(asked, "trial");
        assert_in_range(trial, 0, N - 1);
        assert_false(seen[trial]);
        seen[trial] = true;
        json_decref(asked);
        mnas_str_free(&out);
        mnas_proc_free(shells[i]);
    }
}

/* ---- requests that are wrong ---- */

static void test_wrong_requests(void **state) {
    (void)state;
    server s = serve(DIR "/wrong.db --space mnasnet-28 --target-ms 5 --strategy random");
    check_wrong(&s, "{\"tell\": 0, \"accuracy\": 0.5, \"latency_ms\": 5}", "arg", "never asked for");
    json_decref(say(&s, "{\"ask\": true}"));
    check_wrong(&s, "hello", "format", "no JSON");
    check_wrong(&s, "[1]", "format", "no JSON object");
    check_wrong(&s, "{\"ask\": 1, \"ask\": 1}", "format", "duplicate");
    check_wrong(&s, "{\"asc\": 1}", "arg", "did you mean 'ask'");
    check_wrong(&s, "{\"accuracy\": 1}", "arg", "nothing is asked");
    check_wrong(&s, "{\"ask\": 1, \"best\": true}", "arg", "in one request");
    check_wrong(&s, "{\"ask\": 1, \"value\": 3}", "arg", "beside another key");
    check_wrong(&s, "{\"ask\": 0}", "arg", "allowed: 1 to");
    check_wrong(&s, "{\"ask\": 1e300}", "arg", "allowed: 1 to");
    check_wrong(&s, "{\"best\": true}", "missing", "no trial has a reward");
    check_wrong(&s, "{\"tell\": 0}", "arg", "no accuracy");
    check_wrong(&s, "{\"tell\": \"0\", \"accuracy\": 0.5}", "arg", "no trial's number");
    check_wrong(&s, "{\"tell\": 0, \"accuracy\": \"good\"}", "arg", "no number");
    check_wrong(&s, "{\"tell\": 0, \"accuracy\": 83, \"latency_ms\": 5}", "arg",
                "per cent? allowed: 0 to 1, so 0.83");
    check_wrong(&s, "{\"tell\": 0, \"accuracy\": -1, \"latency_ms\": 5}", "arg", "allowed: 0 to 1");
    check_wrong(&s, "{\"tell\": 0, \"accuracy\": 0.5}", "arg", "no latency");
    check_wrong(&s, "{\"tell\": 0, \"accuracy\": 0.5, \"latency_ms\": -5}", "arg", "latency is -5 ms");
    check_wrong(&s, "{\"tell\": 0, \"value\": 5}", "arg", "not a value");
    check_wrong(&s, "{\"tell\": 0, \"accuracy\": 0.5, \"failed\": \"x\"}", "arg", "a failed trial has no");
    check_wrong(&s, "{\"again\": 7}", "arg", "never asked for; open: 0");
    json_t *told = say(&s, "{\"tell\": 0, \"accuracy\": 0.5, \"latency_ms\": 5}");
    assert_true(fabs(number(told, "reward") - 0.5) < 1e-12);
    json_decref(told);
    json_decref(told = say(&s, "{\"tell\": 0, \"accuracy\": 0.5, \"latency_ms\": 5}")); /* once more */
    check_wrong(&s, "{\"tell\": 0, \"accuracy\": 0.6, \"latency_ms\": 5}", "mismatch", "does not change");
    check_wrong(&s, "{\"tell\": 0, \"failed\": \"late\"}", "mismatch", "does not change");
    check_wrong(&s, "{\"again\": 0}", "arg", "trial 0 is complete");
    json_t *front = say(&s, "{\"front\": true}");
    assert_int_equal(json_array_size(json_object_get(front, "front")), 1);
    json_decref(front);
    assert_int_equal(end(&s, false), 0);
}

/* ---- the commands ---- */

static void test_commands_with_networks(void **state) {
    (void)state;
    check_refused("ask " DIR "/n.db", 1, "no such study");
    assert_false(mnas_file_exists(DIR "/n.db"));
    check_refused("ask " DIR "/n.db --space mnasnet-29", 2, "did you mean");
    check_refused("ask " DIR "/n.db --space mnasnet-28 --strategy pro", 2, "ppo");
    assert_false(mnas_file_exists(DIR "/n.db"));
    check_prints("ask " DIR "/n.db --space mnasnet-28 --trials 4 --parallel 2 --seed 7", "\nnetwork       r");
    check_refused("ask " DIR "/n.db --space mnasnet-32", 2, "is not what");
    check_refused("ask " DIR "/n.db --target-ms 4", 2, "--target-ms is 4");
    check_refused("ask " DIR "/n.db --seed 8", 2, "made with 7");
    check_refused("ask " DIR "/n.db --parallel 3", 2, "made with 2");
    check_prints("ask " DIR "/n.db --open", "trial         0\n");
    check_prints("export " DIR "/n.db:0 -o " DIR "/n.yaml", "n.yaml");
    check_prints("cost " DIR "/n.db:0", "stem");
    check_refused("tell " DIR "/n.db 0 --accuracy 83", 2, "per cent?");
    check_refused("tell " DIR "/n.db 3 --accuracy 0.83", 2, "open: 0");
    check_refused("tell " DIR "/n.db 0 --value 3", 2, "--accuracy");
    check_prints("tell " DIR "/n.db 0 --accuracy 0.83", "trial 0 complete, reward 0.83");
    check_prints("ask " DIR "/n.db --n 2", "trial         2\n");
    check_refused("ask " DIR "/n.db", 1, "open: 1, 2");
    check_prints("tell " DIR "/n.db 1 --failed broken", "trial 1 failed");
    check_prints("tell " DIR "/n.db 2 --accuracy 0.85", "complete");
    check_prints("show " DIR "/n.db", "failed: told");
    check_prints("show " DIR "/n.db 2", "85.00 %");
    check_prints("pareto " DIR "/n.db", "85.00 %");
    check_prints("report " DIR "/n.db -o " DIR "/n.html", "");
    check_refused("search --space mnasnet-28 --data fashion-mnist --study " DIR "/n.db", 2, "`mnas ask`");
    check_refused("finalize " DIR "/n.db", 2, "`mnas ask`");
}

static void test_commands_with_plain_decisions(void **state) {
    (void)state;
    check_refused("ask " DIR "/p.db --decisions " PLAIN " --objective minimise", 2, "minimize");
    check_refused("ask " DIR "/p.db --decisions " PLAIN " --objective minimize --target-ms 3", 2,
                  "one of both");
    check_refused("ask " DIR "/p.db --decisions " PLAIN " --space mnasnet-28", 2, "one of both");
    check_prints("ask " DIR "/p.db --decisions " PLAIN " --objective minimize", "\ntokens ");
    check_refused("tell " DIR "/p.db 0 --accuracy 0.5", 2, "--value");
    check_refused("tell " DIR "/p.db 0", 2, "no outcome");
    check_prints("tell " DIR "/p.db 0 --value 12.5", "trial 0 complete");
    check_prints("ask " DIR "/p.db", "decisions     a = ");
    check_prints("tell " DIR "/p.db 1 --value -3", "complete");
    check_prints("ask " DIR "/p.db", "trial         2");
    check_prints("show " DIR "/p.db", "open");
    check_prints("show " DIR "/p.db 1", "value         -3");
    check_prints("pareto " DIR "/p.db", "    1  complete     -3");
    check_prints("report " DIR "/p.db -o " DIR "/p.html", "");
    check_refused("export " DIR "/p.db:1 -o " DIR "/p.yaml", 2, "no networks");
}

/* Some of their convolutions have more than 2^31 weights. */
static const char large_text[] = "name: large\ninput: 28\nchannels: 1\nclasses: 10\nmean: [0.3]\nstd: [0.3]\n"
                                 "stem: 16\nstem-stride: 2\nhead: 128\ndropout: 0\n"
                                 "choices:\n  - op: [conv, mbconv3]\n  - kernel: [3, 7]\n  - filters: [x1]\n"
                                 "blocks:\n  - {net: r1_k3_s11_e1_i16_o16, filters: [16, 9000]}\n"
                                 "  - {net: r1_k3_s22_e1_i16_o24, filters: [24, 9000]}\n"
                                 "  - {net: r1_k3_s22_e1_i24_o24, filters: [24, 9000]}\n";

/* A network that cannot be built is a trial that fails, also where it is looked at by a prediction. */
static void test_what_cannot_be_built_fails(void **state) {
    (void)state;
    assert_int_equal(mnas_file_write_atomic(DIR "/large.yaml", large_text, strlen(large_text)), 0);
    server s = serve(DIR "/large.db --space " DIR "/large.yaml --trials 40 --strategy ppo:screen=gp");
    int n_complete = 0;
    for (json_t *asked = NULL; n_complete < 40; n_complete++) {
        json_decref(asked);
        asked = say(&s, "{\"ask\": 1}");
        if (!json_object_get(asked, "trial")) fail_msg("%s", json_dumps(asked, 0));
        /* the more filters, the better: there are the ones that cannot be built */
        json_decref(say(&s, "{\"tell\": %d, \"accuracy\": %g}", (int)integer(asked, "trial"),
                        0.5 + 0.01 * log(number(asked, "params"))));
        if (n_complete == 39) json_decref(asked);
    }
    json_t *status = say(&s, "{\"status\": true}");
    assert_int_equal(integer(status, "complete"), 40);
    assert_true(integer(status, "failed") >= 2);
    json_decref(status);
    assert_int_equal(end(&s, false), 0);
    check_prints("show " DIR "/large.db", "failed: invalid");
}

/* ---- the loop of mnas.h ---- */

static double my_training(const char *arch) {
    return strstr(arch, "_k5_") ? 0.8 : 0.7;
}

static double my_measuring(const char *arch) {
    return (double)strlen(arch) / 40;
}

static void test_loop_of_the_header(void **state) {
    (void)state;
    mnas_ask_options o = {.study = DIR "/lib.db", .space = "mnasnet-28", .trials = 12, .target_ms = 5};
    mnas_ask_session *s = NULL;
    const mnas_trial *t;
    int rc = mnas_ask_open(&s, &o);
    while (rc == 0 && (rc = mnas_ask(s, &t)) == 0) {
        mnas_told told = {.accuracy_frac = my_training(t->arch), .latency_ms = my_measuring(t->arch)};
        rc = mnas_tell(s, t->number, &told);
    }
    if (rc != MNAS_ERR_EXHAUSTED) fail_msg("%s", mnas_error_message());
    assert_int_equal(mnas_ask_n_trials(s), 12);
    mnas_model model;
    assert_int_equal(mnas_ask_model(s, 3, &model), 0);
    assert_int_equal(mnas_ask_n_decisions(s), mnas_ask_trial(s, 3)->n_tokens);
    assert_null(mnas_ask_decision(s, mnas_ask_n_decisions(s)));
    assert_null(mnas_ask_trial(s, 12));
    mnas_ask_close(s);
    o = (mnas_ask_options){.study = DIR "/lib.db", .trials = 13}; /* more of them, another day */
    assert_int_equal(mnas_ask_open(&s, &o), 0);
    assert_int_equal(mnas_ask(s, &t), 0);
    assert_int_equal(t->number, 12);
    mnas_ask_close(s);
}

/* Each call in a session of its own: the target is the median of the first ten latencies, 1 to 10 ms. */
static void test_target_is_found(void **state) {
    (void)state;
    enum { N = 13 };
    const mnas_ask_options first = {.study = DIR "/found.db",
                                    .space = "mnasnet-28",
                                    .reward = "soft",
                                    .trials = N},
                           later = {.study = DIR "/found.db"};
    for (int i = 0; i < N; i++) {
        mnas_ask_session *s;
        const mnas_trial *t;
        const mnas_told told = {.accuracy_frac = 0.5, .latency_ms = i + 1};
        assert_int_equal(mnas_ask_open(&s, i == 0 ? &first : &later), 0);
        assert_int_equal(mnas_ask(s, &t), 0);
        mnas_ask_close(s);
        assert_int_equal(mnas_ask_open(&s, &later), 0);
        assert_int_equal(mnas_tell(s, i, &told), 0);
        for (int k = 0; k <= i && i >= 9; k++)
            assert_true(fabs(mnas_ask_trial(s, k)->reward - 0.5 * pow((k + 1) / 5.5, -0.07)) < 1e-9);
        mnas_ask_close(s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_learns),
        cmocka_unit_test(test_killed_goes_on),
        cmocka_unit_test(test_order_of_telling_changes_nothing),
        cmocka_unit_test(test_two_shells_get_different_trials),
        cmocka_unit_test(test_wrong_requests),
        cmocka_unit_test(test_commands_with_networks),
        cmocka_unit_test(test_commands_with_plain_decisions),
        cmocka_unit_test(test_what_cannot_be_built_fails),
        cmocka_unit_test(test_loop_of_the_header),
        cmocka_unit_test(test_target_is_found),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
