/* test_ask_refused.c - an ask that is refused leaves nothing behind, though it may have proposed known networks before: a result told
 * afterwards without being asked for stands where the study's rows say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "no_fsync.h"
#include "search/ask.h"

#define DIR   MNAS_TEST_TMP "/ask-refused"
#define PLAIN DIR "/plain.yaml"

enum { PARALLEL = 3, N = 16 };
static const char plain_text[] = "decisions:\n  a: [1, 2, 3, 4]\n  b: [1, 2, 3, 4, 5]\n";

static mnas_ask_session *open_one(const char *study, uint64_t seed) {
    const mnas_ask_options o = {.study = study,
                                .decisions = PLAIN,
                                .trials = N,
                                .parallel = PARALLEL,
                                .strategy = "evolution:shadow=0.6,population=3",
                                .seed = seed};
    mnas_ask_session *s = NULL;
    if (mnas_ask_open(&s, &o) < 0) fail_msg("%s", mnas_error_message());
    return s;
}

static void tell(mnas_ask_session *s, const mnas_trial *t) {
    const mnas_told told = {
        .value = 10.0 * t->tokens[0] - t->tokens[1], .accuracy_frac = NAN, .latency_ms = NAN};
    assert_int_equal(mnas_tell(s, t->number, &told), 0);
}

static void tell_oldest(mnas_ask_session *s) {
    for (int i = 0; i < mnas_ask_n_trials(s); i++) {
        const mnas_trial *t = mnas_ask_trial(s, i);
        if (t->state != MNAS_TRIAL_RUNNING) continue;
        tell(s, t);
        return;
    }
}

/* Returns how many asks were refused after a repeat: where nothing is taken back, the last proposals are repeats. */
static int run(mnas_ask_session *s) {
    int n_refused = 0;
    const mnas_history *h = &s->learner.history;
    for (int rc = 0; rc != MNAS_ERR_EXHAUSTED;) {
        const int64_t n_proposals = h->n_proposals;
        const mnas_trial *t;
        if ((rc = mnas_ask(s, &t)) == 0) continue;
        assert_int_equal(h->n_proposals, n_proposals);
        assert_int_equal(h->repeats_in_row, 0);
        n_refused += rc == MNAS_ERR_BUSY && h->n_seen + PARALLEL > n_proposals;
        tell_oldest(s);
    }
    return n_refused;
}

static void test_a_refused_ask_leaves_nothing(void **state) {
    (void)state;
    int n_refused = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        char study[256];
        snprintf(study, sizeof study, DIR "/%d.db", (int)seed);
        mnas_ask_session *s = open_one(study, seed);
        n_refused += run(s);
        mnas_ask_close(s);
    }
    assert_true(n_refused >= 5); /* it was put to the test */
}

static int prepare(void **state) {
    (void)state;
    const int rc = system("rm -rf " DIR);
    assert_int_equal(rc, 0);
    assert_int_equal(mnas_file_mkdirs(DIR), 0);
    return mnas_file_write_atomic(PLAIN, plain_text, strlen(plain_text));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_refused_ask_leaves_nothing)};
    return cmocka_run_group_tests(tests, prepare, NULL);
}
