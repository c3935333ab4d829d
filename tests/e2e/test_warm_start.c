/* test_warm_start.c - results that were there before: told without being asked for, through the binary and mnas.h. The study goes on
 * where it was killed, strategies learn from them, and what is wrong with them is said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "ask_fixture.h"
#include "base/file.h"
#include "base/rng.h"
#include "mnas.h"

/* No power fails here. */
int fsync(int fd);
int fdatasync(int fd);
int fsync(int fd) {
    return fd < 0 ? -1 : 0;
}
int fdatasync(int fd) {
    return fd < 0 ? -1 : 0;
}

#define DIR   MNAS_TEST_TMP "/warm-start"
#define PLAIN DIR "/plain.yaml"
#define SMALL DIR "/small.yaml"

enum { N_DECISIONS = 5 };
static const char plain_text[] = "decisions:\n"
                                 "  a: [1, 2, 3, 4, 5, 6]\n"
                                 "  b: [0.001, 0.01, 0.1, 1]\n"
                                 "  c: [sgd, momentum, adam]\n"
                                 "  d: {choices: [small, medium, large], ordinal: true}\n"
                                 "  e: [1, 2, 3, 4, 5, 6]\n",
                  small_text[] = "decisions:\n  a: [1, 2, 3, 4, 5]\n  b: [1, 2, 3, 4, 5, 6]\n";

static int prepare(void **state) {
    (void)state;
    const int rc = system("rm -rf " DIR);
    assert_int_equal(rc, 0);
    assert_int_equal(mnas_file_mkdirs(DIR), 0);
    assert_int_equal(mnas_file_write_atomic(SMALL, small_text, strlen(small_text)), 0);
    return mnas_file_write_atomic(PLAIN, plain_text, strlen(plain_text));
}

/* ---- killed ---- */

enum { N_ROWS = 22 };

/* These rows of the study are told without being asked for, the others asked and told. */
static bool is_unasked(int row) {
    return row < 3 || row % 3 == 2 || row == 9;
}

static double loss(double a, double b) {
    return (a - 4) * (a - 4) + (b - 2) * (b - 2);
}

/* No two alike, though asked ones may be like them: then they are told as those are. */
static void tell_unasked(server *s, int row) {
    const double a = 1 + row % 5, b = 1 + row % 6;
    json_t *told = row == 9 ? say(s, "{\"tell\": {\"arch\": \"a=%g, b=%g\"}, \"failed\": \"old\"}", a, b)
                            : say(s, "{\"tell\": {\"decisions\": {\"a\": %g, \"b\": \"%g\"}}, \"value\": %g}",
                                  a, b, loss(a, b));
    if (!json_is_true(json_object_get(told, "ok"))) { /* asked for and open, or failed: no row, in any run */
        assert_string_equal(json_string_value(json_object_get(told, "status")), "mismatch");
    }
    json_decref(told);
}

static void tell_asked(server *s, const json_t *asked) {
    const json_t *d = json_object_get(asked, "decisions");
    json_decref(say(s, "{\"tell\": %d, \"value\": %g}", (int)integer(asked, "trial"),
                    loss(number(d, "a"), number(d, "b"))));
}

/* The oldest open trial is told. */
static void tell_oldest(server *s) {
    json_t *open = say(s, "{\"open\": true}");
    const json_t *first = json_array_get(json_object_get(open, "trials"), 0);
    if (first) tell_asked(s, first);
    json_decref(open);
}

static int n_rows(server *s) {
    json_t *status = say(s, "{\"status\": true}");
    const int n = (int)(integer(status, "complete") + integer(status, "failed") + integer(status, "open") +
                        integer(status, "told"));
    json_decref(status);
    return n;
}

/* The study grows row by row. When asked ones are told is a matter of chance, as the kills are: in no two runs the same. */
static void run_study(const char *study, const char *strategy, double kills, uint64_t seed) {
    char line[512];
    snprintf(line, sizeof line,
             "%s --decisions " SMALL " --objective minimize --trials 18 --parallel 3 --strategy %s", study,
             strategy);
    server s = serve(line);
    mnas_rng rng = mnas_rng_stream(seed, 0, "kills");
    bool tried[N_ROWS + 1] = {false};
    for (int n = n_rows(&s); n < N_ROWS; n = n_rows(&s)) {
        if (is_unasked(n) && !tried[n]) {
            tell_unasked(&s, n);
            tried[n] = true;
        } else {
            json_t *asked = say(&s, "{\"ask\": 1}");
            if (!json_object_get(asked, "trial") || mnas_rng_uniform(&rng) < 0.5) tell_oldest(&s);
            json_decref(asked);
        }
        if (mnas_rng_uniform(&rng) >= kills) continue;
        end(&s, true);
        s = serve(line);
    }
    for (int i = 0; i < 3; i++) tell_oldest(&s);
    assert_int_equal(end(&s, false), 0);
}

static void check_killed(const char *strategy, int i) {
    const uint64_t seed = 2 + (uint64_t)i;
    char whole[256], killed[256];
    snprintf(whole, sizeof whole, DIR "/whole%d.db", i);
    snprintf(killed, sizeof killed, DIR "/killed%d.db", i);
    run_study(whole, strategy, 0, 100 + seed);
    run_study(killed, strategy, 0.4, seed);
    char *a = table_of(whole), *b = table_of(killed);
    assert_non_null(strstr(a, "\"told\""));
    if (strcmp(a, b) != 0) fail_msg("%s:\n%s\n%s", strategy, a, b);
    free(a);
    free(b);
}

/* In 30 combinations of choices many proposals repeat others. */
static void test_killed_goes_on(void **state) {
    (void)state;
    static const char *const strategies[] = {"ppo", "ppo:preset=paper", "evolution:shadow=0.6", "local",
                                             "random:screen=none"};
    enum { N = sizeof strategies / sizeof *strategies };
    for (int i = 0; i < N; i++) check_killed(strategies[i], i);
}

/* ---- it helps ---- */

static double planted(const int *t) {
    return (t[0] - 3) * (t[0] - 3) + (t[1] - 1) * (t[1] - 1) + 2 * (t[2] != 2) + abs(t[3] - 1) +
           (t[4] - 1) * (t[4] - 1);
}

static mnas_ask_session *open_plain(const char *study, const char *strategy, uint64_t seed) {
    const mnas_ask_options o = {.study = study,
                                .decisions = PLAIN,
                                .objective = "minimize",
                                .trials = 200,
                                .strategy = strategy,
                                .seed = seed};
    mnas_ask_session *s = NULL;
    if (mnas_ask_open(&s, &o) < 0) fail_msg("%s", mnas_error_message());
    return s;
}

static mnas_told told_value(double value) {
    return (mnas_told){.value = value, .accuracy_frac = NAN, .latency_ms = NAN};
}

/* Drawn at random, none of them within 3 of the optimum. */
static void tell_what_is_known(mnas_ask_session *s, int n) {
    mnas_rng rng = mnas_rng_stream(4, 0, "known");
    for (int i = 0, number; i < n;) {
        int tokens[N_DECISIONS];
        for (int t = 0; t < N_DECISIONS; t++)
            tokens[t] = (int)mnas_rng_below(&rng, (uint32_t)mnas_ask_decision(s, t)->n_choices);
        const mnas_told told = told_value(planted(tokens));
        if (told.value < 3) continue;
        if (mnas_tell_unasked(s, tokens, &told, &number) < 0) fail_msg("%s", mnas_error_message());
        i = number + 1;
    }
}

/* Asks until the optimum is asked for, of 200. */
static int asks_needed(const char *strategy, uint64_t seed, int n_known) {
    char study[256];
    snprintf(study, sizeof study, DIR "/%.3s-%d-%d.db", strategy, (int)seed, n_known);
    mnas_ask_session *s = open_plain(study, strategy, seed);
    const mnas_trial *t;
    int n = 0;
    tell_what_is_known(s, n_known);
    for (bool found = false; !found && n < 200; n++) {
        if (mnas_ask(s, &t) < 0) fail_msg("%s", mnas_error_message());
        const mnas_told told = told_value(planted(t->tokens));
        found = told.value == 0;
        assert_int_equal(mnas_tell(s, t->number, &told), 0);
    }
    mnas_ask_close(s);
    return n;
}

/* Means of 12 seeds: 30 results that are not good save asks. */
static void check_helps(const char *strategy, double share) {
    int cold = 0, warm = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        cold += asks_needed(strategy, seed, 0);
        warm += asks_needed(strategy, seed, 30);
    }
    print_message("%s: %.1f asks, %.1f after 30 known results\n", strategy, cold / 12.0, warm / 12.0);
    if (!(warm < share * cold)) fail_msg("%s: %d asks, warm %d", strategy, cold, warm);
}

static void test_what_was_known_helps(void **state) {
    (void)state;
    check_helps("ppo", 0.8);
    check_helps("evolution:screen=none", 0.95);
    check_helps("local", 0.95);
}

/* ---- rewards ---- */

/* They make up the target: the median of the first ten latencies, and count with their rewards at once. */
static void test_the_target_comes_from_what_was_told(void **state) {
    (void)state;
    const mnas_ask_options o = {
        .study = DIR "/target.db", .space = "mnasnet-28", .reward = "soft", .trials = 20};
    mnas_ask_session *s, *other;
    const mnas_trial *t;
    assert_int_equal(mnas_ask_open(&other, &(mnas_ask_options){.study = DIR "/other.db",
                                                               .space = "mnasnet-28",
                                                               .strategy = "random"}),
                     0);
    assert_int_equal(mnas_ask_open(&s, &o), 0);
    for (int i = 0, number; i < 12; i++) {
        const mnas_told told = {.accuracy_frac = 0.5, .latency_ms = i + 1};
        assert_int_equal(mnas_ask(other, &t), 0);
        assert_int_equal(mnas_tell(other, t->number, &told), 0);
        assert_int_equal(mnas_tell_unasked(s, t->tokens, &told, &number), 0);
        assert_int_equal(number, i);
        assert_true(isnan(mnas_ask_trial(s, i)->reward));
    }
    mnas_ask_close(other);
    assert_int_equal(mnas_ask(s, &t), 0);
    assert_int_equal(t->number, 12);
    for (int i = 0; i < 12; i++)
        assert_true(fabs(mnas_ask_trial(s, i)->reward - 0.5 * pow((i + 1) / 5.5, -0.07)) < 1e-9);
    mnas_ask_close(s);
}

/* ---- requests and commands ---- */

static void test_wrong_requests(void **state) {
    (void)state;
    server s = serve(DIR "/wrong.db --decisions " SMALL " --objective minimize");
    check_wrong(&s, "{\"tell\": {}, \"value\": 1}", "arg", "allowed: a trial's number, or one of");
    check_wrong(&s, "{\"tell\": {\"arch\": \"a=1,b=1\", \"tokens\": [0, 0]}, \"value\": 1}", "arg", "one of");
    check_wrong(&s, "{\"tell\": {\"arch\": \"a=1\"}, \"value\": 1}", "arg", "no choice of b");
    check_wrong(&s, "{\"tell\": {\"arch\": \"a=1,a=1\"}, \"value\": 1}", "arg", "a is given twice");
    check_wrong(&s, "{\"tell\": {\"arch\": \"a=1,b\"}, \"value\": 1}", "arg", "unknown choice of a '1,b'");
    check_wrong(&s, "{\"tell\": {\"arch\": \"a=1,b=\"}, \"value\": 1}", "arg", "unknown choice of b ''");
    check_wrong(&s, "{\"tell\": {\"arch\": \"r1_k3\"}, \"value\": 1}", "arg", "has no networks");
    check_wrong(&s, "{\"tell\": {\"decisions\": {\"a\": 1}}, \"value\": 1}", "arg", "no choice of b");
    check_wrong(&s, "{\"tell\": {\"decisions\": {\"a\": 1, \"c\": 1}}, \"value\": 1}", "arg",
                "unknown decision 'c'");
    check_wrong(&s, "{\"tell\": {\"decisions\": {\"a\": 1, \"b\": [1]}}, \"value\": 1}", "arg", "neither");
    check_wrong(&s, "{\"tell\": {\"tokens\": [0]}, \"value\": 1}", "arg", "1 tokens");
    check_wrong(&s, "{\"tell\": {\"tokens\": [0, 6]}, \"value\": 1}", "arg", "allowed: 0 to 5");
    check_wrong(&s, "{\"tell\": {\"tokens\": [0, 5]}}", "arg", "no value");
    check_wrong(&s, "{\"tell\": {\"tokens\": [0, 5]}, \"value\": 1, \"accuracy\": 0}", "arg",
                "more than one");
    check_wrong(&s, "{\"tell\": {\"tokens\": [0, 5]}, \"failed\": \"\"}", "arg", "not empty");
    json_t *asked = say(&s, "{\"ask\": 1}"), *tokens = json_object_get(asked, "tokens");
    char line[128], *text = json_dumps(tokens, JSON_COMPACT);
    assert_int_equal(integer(asked, "trial"), 0);
    snprintf(line, sizeof line, "{\"tell\": {\"tokens\": %s}, \"value\": 1}", text);
    check_wrong(&s, line, "mismatch", "trial 0 asks for");
    json_decref(say(&s, "{\"tell\": 0, \"value\": 1}"));
    json_t *told = say(&s, "%s", line); /* the same once more */
    assert_int_equal(integer(told, "trial"), 0);
    json_decref(told);
    snprintf(line, sizeof line, "{\"tell\": {\"tokens\": %s}, \"value\": 2}", text);
    check_wrong(&s, line, "mismatch", "does not change");
    free(text);
    json_decref(asked);
    assert_int_equal(end(&s, false), 0);
}

static void test_commands(void **state) {
    (void)state;
    static const char
        csv[] = "number,a,b,value,failed\n7,1,1,3,\n8,2,x2,4,\n", /* its second row is wrong */
        good[] = "number,a,b,value,failed\n7,1,1,3,\n8,2,2,4,\n9,3,3,,oom\n10,4,4,,\n",
        states[] =
            "state,a,b,value\npruned,4,4,9\nrunning,4,4,8\ncomplete,2,2,4\n"; /* of rungs two are no end */
    assert_int_equal(mnas_file_write_atomic(DIR "/states.csv", states, strlen(states)), 0);
    assert_int_equal(mnas_file_write_atomic(DIR "/wrong.csv", csv, strlen(csv)), 0);
    assert_int_equal(mnas_file_write_atomic(DIR "/good.csv", good, strlen(good)), 0);
    check_refused("tell " DIR "/t.db --arch a=1,b=1 --value 1", 1, "no such study");
    check_refused("tell " DIR "/t.db --decisions " SMALL, 2, "whose outcome it is");
    check_refused("tell " DIR "/t.db 0 --arch a=1,b=1 --value 1", 2, "give one of them");
    check_refused("tell " DIR "/t.db --decisions " SMALL " --arch a=1,b=1", 2, "no outcome");
    check_refused("tell " DIR "/t.db --decisions " SMALL " --arch a=1,b=1 --value 1 --accuracy 0", 2,
                  "more than one");
    check_refused("tell " DIR "/t.db --decisions " SMALL " --arch a=1,b=1 --failed x --accuracy 0", 2,
                  "more than one");
    check_refused("tell " DIR "/t.db --decisions " SMALL " --from " DIR "/good.csv --value 1", 2,
                  "leave it out");
    assert_false(mnas_file_exists(DIR "/t.db"));
    check_prints("tell " DIR "/t.db --decisions " SMALL " --objective minimize --arch a=5,b=5 --value 2",
                 "trial 0 complete");
    check_prints("tell " DIR "/t.db 0 --value 2", "trial 0 complete"); /* the same, by its number */
    check_refused("tell " DIR "/t.db --from " DIR "/wrong.csv", 2, "wrong.csv:3");
    check_prints("tell " DIR "/t.db --from " DIR "/good.csv",
                 "2 told, 1 known already, 1 rows without an outcome left out");
    check_prints("tell " DIR "/t.db --from " DIR "/states.csv",
                 "0 told, 1 known already, 2 rows without an outcome left out");
    check_refused("tell " DIR "/t.db --from " DIR "/none.csv", 1, "none.csv");
    check_prints("ask " DIR "/t.db", "trial         4\n");
    check_prints("show " DIR "/t.db 0", "nobody: told without being asked for");
    check_prints("pareto " DIR "/t.db", "    0  complete");
    check_prints("report " DIR "/t.db -o " DIR "/t.html", "");
    check_refused("search --space mnasnet-28 --data fashion-mnist --study " DIR "/t.db", 2, "`mnas ask`");
}

static void test_commands_with_networks(void **state) {
    (void)state;
    check_prints("ask " DIR "/n.db --space mnasnet-28 --seed 3 --strategy random", "network");
    json_t *open = run_json("ask " DIR "/n.db --open --json");
    const char *arch =
        json_string_value(json_object_get(json_array_get(json_object_get(open, "trials"), 0), "arch"));
    char text[2048];
    snprintf(text, sizeof text, "arch,accuracy_frac,latency_ms\n%s,0.5,1.5\n", arch);
    assert_int_equal(mnas_file_write_atomic(DIR "/n.csv", text, strlen(text)), 0);
    check_refused("tell " DIR "/n.db --from " DIR "/n.csv", 2, "trial 0 asks for");
    check_prints("tell " DIR "/m.db --space mnasnet-28 --target-ms 2 --from " DIR "/n.csv", "1 told\n");
    check_refused("tell " DIR "/m.db --arch r1_k3 --accuracy 0.5 --latency-ms 1", 1, "block 1");
    check_refused("tell " DIR "/m.db --arch r1_k3_s11_e3_i16_o24 --accuracy 0.5 --latency-ms 1", 2,
                  "mnasnet-28");
    check_prints("show " DIR "/m.db 0", "reward        0.51");
    check_prints("pareto " DIR "/m.db", "50.00 %");
    check_prints("ask " DIR "/m.db", "trial         1\n");
    json_decref(open);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_goes_on),
        cmocka_unit_test(test_what_was_known_helps),
        cmocka_unit_test(test_the_target_comes_from_what_was_told),
        cmocka_unit_test(test_wrong_requests),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_commands_with_networks),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
