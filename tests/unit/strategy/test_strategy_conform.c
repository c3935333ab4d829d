/* test_strategy_conform.c - what every class in strategies.def must do, whoever writes it: valid tokens,
 * determinism, saved states that equal an uninterrupted run to the bit, any delay, a sane status whatever the
 * answers, every choice within reach, and no trust in foreign bytes.
 *
 * A new strategy is enrolled by its line in strategies.def. One whose default is slow or large may get a
 * smaller spec in small_spec(). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"
#include "strategy/strategy.h"

enum { T = 5, N = 36, MAX_DELAY = 8, N_PROBS = 3 + 1 + 7 + 2 + 4 };

static const double widths[3] = {0.75, 1, 1.25};
static const char *const words[7] = {"a", "b", "c", "d", "e", "f", "g"};
static const mnas_decision decisions[T] = {
    {.name = "width", .ordinal = true, .n_choices = 3, .choices = words, .values = widths},
    {.name = "forced", .n_choices = 1, .choices = words},
    {.name = "seven", .n_choices = 7, .choices = words},
    {.name = "two", .n_choices = 2, .choices = words},
    {.name = "four", .n_choices = 4, .choices = words},
};

static int describe(void *user, const int *tokens, double *out) {
    (void)user;
    for (int i = 0; i < 2; i++) out[i] = log(1 + tokens[i] + 2.0 * tokens[2 + i]);
    return 0;
}

static const char *small_spec(const char *name) {
    return strcmp(name, "ppo") == 0 ? "ppo:hidden=4,embedding=2" : name;
}

static mnas_problem problem_of(int delay) {
    return (mnas_problem){.n_decisions = T,
                          .decisions = decisions,
                          .n_trials = N,
                          .delay = delay,
                          .n_descriptors = 2,
                          .describe = describe};
}

static mnas_strategy *open_one(const char *spec, int delay, uint64_t seed) {
    mnas_strategy *s = NULL;
    mnas_problem problem = problem_of(delay);
    if (mnas_strategy_open(&s, spec, &problem, seed) < 0) fail_msg("%s: %s", spec, mnas_error_message());
    return s;
}

/* Depends on the tokens and the proposal, as a noisy real trial would; every seventh fails, some are repeats. */
static mnas_outcome outcome_of(int p, const int *tokens) {
    mnas_rng noise = mnas_rng_stream(11, (uint64_t)p, "test");
    double reward = 0.6 + 0.05 * tokens[0] - 0.01 * tokens[2] + 0.02 * (tokens[3] == 1) * tokens[4];
    mnas_outcome out = {
        .reward = reward + 0.02 * mnas_rng_normal(&noise), .failed = p % 7 == 3, .repeat = p % 5 == 2};
    if (out.failed) out.reward = 0;
    return out;
}

static void feed(mnas_strategy *s, int p, const int *tokens) {
    mnas_outcome outcome = outcome_of(p, tokens);
    if (mnas_strategy_feedback(s, tokens, &outcome) < 0) fail_msg("proposal %d: %s", p, mnas_error_message());
}

static void propose(mnas_strategy *s, int *tokens) {
    if (mnas_strategy_propose(s, tokens) < 0) fail_msg("%s", mnas_error_message());
    for (int t = 0; t < T; t++) assert_in_range(tokens[t], 0, decisions[t].n_choices - 1);
}

/* When answers come: `delay` proposals late, and none before proposal `silent` (a search that must calibrate
 * its reward first gives the whole backlog at once). */
typedef struct schedule {
    int delay, silent;
} schedule;
static const schedule schedules[] = {{1, 0}, {3, 0}, {MAX_DELAY, 0}, {1, 12}, {3, 11}};
enum { N_SCHEDULES = sizeof schedules / sizeof *schedules };

/* How many have been answered before proposal p is made. */
static int fed_before(schedule when, int p) {
    int n = p - when.delay + 1;
    return p < when.silent || n < 0 ? 0 : n;
}

/* Before some proposals comes an outcome of what was not proposed. */
static void observe(mnas_strategy *s, int p) {
    mnas_rng rng = mnas_rng_stream(13, (uint64_t)p, "observed");
    int tokens[T];
    if (p % 6 != 2 && p != 3) return;
    for (int t = 0; t < T; t++) tokens[t] = (int)mnas_rng_below(&rng, (uint32_t)decisions[t].n_choices);
    const mnas_outcome outcome = outcome_of(100 + p, tokens);
    if (mnas_strategy_observe(s, tokens, &outcome) < 0) fail_msg("before %d: %s", p, mnas_error_message());
}

/* Proposals [from, to), each after the feedback that is due before it, of which `fed` are given already. */
static void run(mnas_strategy *s, int tokens[][T], schedule when, int from, int to, int fed) {
    for (int p = from; p < to; p++) {
        for (; fed < fed_before(when, p); fed++) feed(s, fed, tokens[fed]);
        observe(s, p);
        propose(s, tokens[p]);
    }
}

static void run_all(mnas_strategy *s, int tokens[][T], schedule when) {
    run(s, tokens, when, 0, N, 0);
}

static mnas_str saved(const mnas_strategy *s) {
    mnas_str bytes = {0};
    if (mnas_strategy_save(s, &bytes) < 0) fail_msg("%s", mnas_error_message());
    return bytes;
}

typedef void check(const char *spec);

static void for_every_class(check *f, bool small) {
    size_t n;
    const mnas_plugin *const *plugins = mnas_strategy_plugins(&n);
    assert_true(n >= 3);
    for (size_t i = 0; i < n; i++) {
        const char *spec = small ? small_spec(plugins[i]->name) : plugins[i]->name;
        char screened[80];
        snprintf(screened, sizeof screened, "%s%cscreen=gp", spec, strchr(spec, ':') ? ',' : ':');
        f(spec);
        if (small) f(screened);
    }
}

/* ---- determinism ---- */

static void check_determinism(const char *spec) {
    for (int d = 0; d < N_SCHEDULES; d++) {
        schedule when = schedules[d];
        int a[N][T], b[N][T], c[N][T];
        mnas_strategy *one = open_one(spec, when.delay, 42), *two = open_one(spec, when.delay, 42),
                      *other = open_one(spec, when.delay, 43);
        run_all(one, a, when);
        double probs[N_PROBS];
        mnas_strategy_status status;
        for (int p = 0; p < N; p++) { /* looking at it and saving it change nothing */
            run(two, b, when, p, p + 1, p ? fed_before(when, p - 1) : 0);
            mnas_str bytes = saved(two);
            mnas_strategy_probabilities(two, probs);
            mnas_strategy_get_status(two, &status);
            mnas_str again = saved(two);
            assert_int_equal(bytes.len, again.len);
            assert_memory_equal(bytes.data, again.data, bytes.len);
            mnas_str_free(&bytes);
            mnas_str_free(&again);
        }
        run_all(other, c, when);
        assert_memory_equal(a, b, sizeof a);
        assert_memory_not_equal(a, c, sizeof a); /* another seed, another search */
        mnas_strategy_close(one);
        mnas_strategy_close(two);
        mnas_strategy_close(other);
    }
}

static void same_seed_same_proposals(void **state) {
    (void)state;
    for_every_class(check_determinism, true);
    for_every_class(check_determinism, false);
}

/* ---- recovery ---- */

/* Save after p proposals and `fed` answers, load into a fresh one, go on to the end. */
static void check_resumed_at(const char *spec, schedule when, int p, int fed, int whole[][T],
                             const mnas_str *end) {
    int tokens[N][T], n_given = p ? fed_before(when, p - 1) : 0;
    mnas_strategy *first = open_one(spec, when.delay, 42), *second = open_one(spec, when.delay, 42);
    run(first, tokens, when, 0, p, 0);
    for (int i = n_given; i < fed; i++) feed(first, i, tokens[i]);
    mnas_str bytes = saved(first);
    if (mnas_strategy_load(second, bytes.data, bytes.len) < 0) fail_msg("%s", mnas_error_message());
    mnas_str_free(&bytes);
    run(second, tokens, when, p, N, fed);
    assert_memory_equal(tokens, whole, sizeof tokens);
    bytes = saved(second);
    assert_int_equal(bytes.len, end->len);
    assert_memory_equal(bytes.data, end->data, end->len); /* the state too, to the bit */
    mnas_str_free(&bytes);
    mnas_strategy_close(first);
    mnas_strategy_close(second);
}

/* At every `stride`-th proposal: before, between and after the answers that come before the next one. */
static void check_recovery_of(const char *spec, schedule when, int stride) {
    int whole[N][T];
    mnas_strategy *s = open_one(spec, when.delay, 42);
    run_all(s, whole, when);
    mnas_str end = saved(s);
    for (int p = 0; p < N; p += stride)
        for (int fed = p ? fed_before(when, p - 1) : 0; fed <= fed_before(when, p); fed++)
            check_resumed_at(spec, when, p, fed, whole, &end);
    mnas_str_free(&end);
    mnas_strategy_close(s);
}

static void check_recovery(const char *spec) {
    const bool screened =
        strstr(spec, "screen=gp") != NULL; /* the same code around every class, and not so quick */
    for (int d = 0; d < N_SCHEDULES; d++) check_recovery_of(spec, schedules[d], screened ? 7 : 1);
}

static void check_recovery_default(const char *spec) {
    check_recovery_of(spec, (schedule){3, 0}, 9);
}

static void a_loaded_state_equals_the_uninterrupted_run(void **state) {
    (void)state;
    for_every_class(check_recovery, true);
    for_every_class(check_recovery_default, false);
}

/* ---- status and probabilities ---- */

static void check_status(const char *spec) {
    mnas_strategy *s = open_one(spec, 1, 7);
    double log_choices = 0, probs[N_PROBS];
    int tokens[N][T], n_updates = 0;
    for (int t = 0; t < T; t++) log_choices += log(decisions[t].n_choices) / T;
    for (int p = 0; p < N; p++) {
        mnas_strategy_status status;
        run(s, tokens, (schedule){1, 0}, p, p + 1, p ? p - 1 : 0);
        mnas_strategy_get_status(s, &status);
        assert_true(status.n_updates >= n_updates);
        n_updates = status.n_updates;
        assert_true(fabs(status.entropy_max - log_choices) < 1e-12);
        assert_true(isnan(status.entropy) || (status.entropy >= 0 && status.entropy <= log_choices + 1e-9));
        assert_true(isnan(status.baseline) || (status.baseline > 0 && status.baseline < 2));
        mnas_strategy_probabilities(s, probs);
        const double *row = probs;
        for (int t = 0; t < T; row += decisions[t].n_choices, t++) {
            double sum = 0;
            for (int k = 0; k < decisions[t].n_choices; k++) {
                assert_true(row[k] >= 0 && row[k] <= 1 + 1e-12);
                sum += row[k];
            }
            assert_true(fabs(sum - 1) < 1e-9);
        }
    }
    mnas_strategy_close(s);
}

static void status_and_probabilities_are_sane(void **state) {
    (void)state;
    for_every_class(check_status, true);
    for_every_class(check_status, false);
}

/* ---- what a search may answer ---- */

enum { LONG = 400, N_MOODS = 6 };

/* Nothing to tell apart, everything fails, everything is known, both by turns, huge, alternating in sign. */
static mnas_outcome mood(int kind, int p) {
    switch (kind) {
    case 0:
        return (mnas_outcome){.reward = 0.5};
    case 1:
        return (mnas_outcome){.failed = true};
    case 2:
        return (mnas_outcome){.reward = 0.5, .repeat = true};
    case 3:
        return (mnas_outcome){.reward = p % 2 ? 0.5 : 0, .failed = p % 2 == 0, .repeat = p % 3 == 0};
    case 4:
        return (mnas_outcome){.reward = 1e100};
    default:
        return (mnas_outcome){.reward = p % 2 ? -1e100 : 1e100};
    }
}

static void assert_sane(const mnas_strategy *s) {
    double probs[N_PROBS];
    mnas_strategy_status status;
    mnas_strategy_probabilities(s, probs);
    for (int i = 0; i < N_PROBS; i++) assert_true(probs[i] >= 0 && probs[i] <= 1 + 1e-9); /* no NaN either */
    mnas_strategy_get_status(s, &status);
    assert_true(status.n_updates >= 0);
    assert_false(isinf(status.entropy) || isinf(status.baseline));
}

/* Whatever the answers: proposals stay valid, numbers stay numbers, and what is saved can be loaded. */
static void check_moods(const char *spec) {
    for (int kind = 0; kind < N_MOODS; kind++) {
        mnas_strategy *s = open_one(spec, 1, 5), *copy = open_one(spec, 1, 5);
        for (int p = 0; p < N; p++) {
            int tokens[T];
            mnas_outcome outcome = mood(kind, p);
            propose(s, tokens);
            if (mnas_strategy_feedback(s, tokens, &outcome) < 0) fail_msg("%s", mnas_error_message());
            assert_sane(s);
        }
        mnas_str bytes = saved(s);
        if (mnas_strategy_load(copy, bytes.data, bytes.len) < 0)
            fail_msg("%s, answers %d: %s", spec, kind, mnas_error_message());
        mnas_str_free(&bytes);
        mnas_strategy_close(s);
        mnas_strategy_close(copy);
    }
}

static void any_answers_are_survived(void **state) {
    (void)state;
    for_every_class(check_moods, true);
}

/* With nothing to learn from, no choice is out of reach, not even long after the start; and what is saved does not
 * grow with the search. */
static void check_long(const char *spec) {
    bool seen[T][7] = {{false}};
    size_t longest[2] = {0};
    mnas_strategy *s = open_one(spec, 1, 9);
    for (int p = 0; p < LONG; p++) {
        int tokens[T];
        const mnas_outcome outcome = {.reward = 0.5};
        propose(s, tokens);
        for (int t = 0; t < T && p >= LONG / 2; t++) seen[t][tokens[t]] = true;
        assert_int_equal(mnas_strategy_feedback(s, tokens, &outcome), 0);
        mnas_str bytes = saved(s);
        size_t *most = &longest[p >= LONG / 2];
        if (bytes.len > *most) *most = bytes.len;
        mnas_str_free(&bytes);
    }
    for (int t = 0; t < T; t++)
        for (int k = 0; k < decisions[t].n_choices; k++)
            if (!seen[t][k]) fail_msg("%s never chose %d of %s", spec, k, decisions[t].name);
    assert_int_equal(longest[0], longest[1]);
    mnas_strategy_close(s);
}

static void every_choice_is_reached_and_states_do_not_grow(void **state) {
    (void)state;
    for_every_class(check_long, true);
}

/* Refused before a strategy sees it, and nothing has changed. */
static void check_refusals(const char *spec) {
    mnas_strategy *s = open_one(spec, 2, 3);
    int tokens[T], other[T];
    propose(s, tokens);
    mnas_str before = saved(s);
    memcpy(other, tokens, sizeof other);
    other[2] = (other[2] + 1) % 7;
    const mnas_outcome fine = {.reward = 0.5}, nan = {.reward = (double)NAN}, inf = {.reward = HUGE_VAL};
    assert_int_equal(mnas_strategy_feedback(s, other, &fine), MNAS_ERR_ARG);
    assert_int_equal(mnas_strategy_feedback(s, tokens, &nan), MNAS_ERR_ARG);
    assert_int_equal(mnas_strategy_feedback(s, tokens, &inf), MNAS_ERR_ARG);
    assert_int_equal(mnas_strategy_observe(s, tokens, &nan), MNAS_ERR_ARG);
    other[2] = 7;
    assert_int_equal(mnas_strategy_observe(s, other, &fine), MNAS_ERR_ARG);
    other[2] = -1;
    assert_int_equal(mnas_strategy_observe(s, other, &fine), MNAS_ERR_ARG);
    mnas_str after = saved(s);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, after.len);
    mnas_str_free(&before);
    mnas_str_free(&after);
    mnas_strategy_close(s);
}

static void wrong_answers_are_refused(void **state) {
    (void)state;
    for_every_class(check_refusals, true);
}

/* The smallest problems: nothing to decide, and one decision of two. */
static void check_tiny(const char *spec) {
    for (int n_choices = 1; n_choices <= 2; n_choices++) {
        const mnas_decision one = {.name = "one", .n_choices = n_choices, .choices = words};
        const mnas_problem problem = {.n_decisions = 1, .decisions = &one, .n_trials = N, .delay = 1};
        mnas_strategy *s = NULL;
        int seen = 0;
        assert_int_equal(mnas_strategy_open(&s, spec, &problem, 1), 0);
        for (int p = 0; p < N; p++) {
            int token;
            const mnas_outcome outcome = {.reward = 0.5};
            assert_int_equal(mnas_strategy_propose(s, &token), 0);
            assert_in_range(token, 0, n_choices - 1);
            assert_int_equal(mnas_strategy_feedback(s, &token, &outcome), 0);
            seen |= 1 << token;
        }
        assert_int_equal(seen, n_choices == 1 ? 1 : 3);
        mnas_strategy_close(s);
    }
}

static void the_smallest_problems(void **state) {
    (void)state;
    for_every_class(check_tiny, true);
}

/* ---- foreign bytes ---- */

static void refuse(mnas_strategy *s, const char *bytes, size_t n, int status) {
    char *exact = malloc(n + !n); /* so that a sanitizer sees every read beyond */
    memcpy(exact, bytes, n);
    assert_int_equal(mnas_strategy_load(s, exact, n), status);
    assert_true(strlen(mnas_error_message()) > 0);
    free(exact);
}

/* The last word is a checksum over all before it: make it right again, to reach the checks behind it. */
static void seal(char *bytes, size_t n) {
    uint64_t hash = mnas_hash_bytes(MNAS_HASH_INIT, bytes, n - 8);
    for (int i = 0; i < 8; i++) bytes[n - 8 + (size_t)i] = (char)(unsigned char)(hash >> (8 * i));
}

/* A forged state may be refused or accepted, and an accepted one may refuse later; it must never be more than that. */
static void survive(const char *spec, char *bytes, size_t n) {
    mnas_strategy *s = open_one(spec, 3, 42);
    char *exact = malloc(n);
    memcpy(exact, bytes, n);
    seal(exact, n);
    int rc = mnas_strategy_load(s, exact, n);
    assert_true(rc == 0 || rc == MNAS_ERR_FORMAT || rc == MNAS_ERR_MISMATCH);
    free(exact);
    for (int p = 0; rc == 0 && p < 2; p++) {
        int tokens[T];
        rc = mnas_strategy_propose(s, tokens);
        for (int t = 0; rc == 0 && t < T; t++) assert_in_range(tokens[t], 0, decisions[t].n_choices - 1);
    }
    mnas_strategy_close(s);
}

/* A word more in the strategy's own part, whose length says so, under a right checksum. */
static void check_one_word_more(mnas_strategy *s, const mnas_str *good, size_t n_open) {
    const size_t length_at =
        8 *
        (11 + n_open * T); /* magic, version, signature, two counts, open tokens, six words of the shadow */
    uint64_t length = 0;
    char *bytes = malloc(good->len + 8);
    memcpy(bytes, good->data, good->len);
    memset(bytes + good->len - 8, 0, 16);
    for (int i = 0; i < 8; i++) length |= (uint64_t)(unsigned char)bytes[length_at + (size_t)i] << (8 * i);
    assert_true(length_at + 8 + length + 8 <= good->len); /* a screening's state may follow */
    length += 8;
    for (int i = 0; i < 8; i++) bytes[length_at + (size_t)i] = (char)(unsigned char)(length >> (8 * i));
    seal(bytes, good->len + 8);
    refuse(s, bytes, good->len + 8, MNAS_ERR_FORMAT);
    free(bytes);
}

static void check_garbage(const char *spec) {
    int tokens[N][T], later[N][T], expected[N][T];
    mnas_strategy *s = open_one(spec, 3, 42), *untouched = open_one(spec, 3, 42);
    const schedule when = {3, 0};
    run(s, tokens, when, 0, 20, 0);
    run_all(untouched, expected, when);
    mnas_str good = saved(s);
    size_t stride = good.len > 16384 ? good.len / 4096 : strstr(spec, "screen=gp") ? 31 : 1;
    for (size_t n = 0; n < good.len; n += stride) refuse(s, good.data, n, MNAS_ERR_FORMAT);
    char *bytes = malloc(good.len + 8);
    for (size_t i = 0; i < good.len; i += stride) {
        memcpy(bytes, good.data, good.len);
        bytes[i] = (char)(bytes[i] ^ (1 << (i % 8)));
        refuse(s, bytes, good.len, MNAS_ERR_FORMAT);
        survive(spec, bytes, good.len);
        bytes[i] = (char)0xff;
        survive(spec, bytes, good.len);
    }
    memcpy(bytes, good.data, good.len);
    memset(bytes + good.len, 0, 8);
    refuse(s, bytes, good.len + 8, MNAS_ERR_FORMAT); /* too long */
    for (size_t n = 32; n + 8 <= good.len; n += 8 * stride)
        survive(spec, bytes, n); /* cut short, then sealed */
    survive(spec, bytes, good.len + 8);
    free(bytes);
    check_one_word_more(s, &good, 20 - (size_t)fed_before(when, 19));

    memcpy(later, tokens, sizeof later); /* after all those refusals it is what it was */
    run(s, later, when, 20, N, fed_before(when, 19));
    assert_memory_equal(later, expected, sizeof later);
    mnas_str_free(&good);
    mnas_strategy_close(s);
    mnas_strategy_close(untouched);
}

static void foreign_bytes_are_refused(void **state) {
    (void)state;
    for_every_class(check_garbage, true);
}

static void check_belongs(const char *spec) {
    int tokens[N][T];
    size_t n;
    const mnas_plugin *const *plugins = mnas_strategy_plugins(&n);
    mnas_strategy *s = open_one(spec, 3, 42), *seed = open_one(spec, 3, 43), *delay = open_one(spec, 2, 42);
    run(s, tokens, (schedule){3, 0}, 0, 10, 0);
    mnas_str bytes = saved(s);
    refuse(seed, bytes.data, bytes.len, MNAS_ERR_MISMATCH);
    refuse(delay, bytes.data, bytes.len, MNAS_ERR_MISMATCH);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(small_spec(plugins[i]->name), spec) == 0) continue;
        mnas_strategy *other = open_one(small_spec(plugins[i]->name), 3, 42);
        refuse(other, bytes.data, bytes.len, MNAS_ERR_MISMATCH);
        mnas_strategy_close(other);
    }
    mnas_str_free(&bytes);
    mnas_strategy_close(s);
    mnas_strategy_close(seed);
    mnas_strategy_close(delay);
}

static void states_of_others_are_refused(void **state) {
    (void)state;
    for_every_class(check_belongs, true);
    mnas_strategy *a = open_one("ppo:hidden=4,embedding=2", 1, 1),
                  *b = open_one("ppo:hidden=4,embedding=2,clip=0.1", 1, 1);
    mnas_str bytes = saved(a);
    refuse(b, bytes.data, bytes.len, MNAS_ERR_MISMATCH); /* other options */
    mnas_str_free(&bytes);
    mnas_strategy_close(a);
    mnas_strategy_close(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_proposals),
        cmocka_unit_test(a_loaded_state_equals_the_uninterrupted_run),
        cmocka_unit_test(status_and_probabilities_are_sane),
        cmocka_unit_test(any_answers_are_survived),
        cmocka_unit_test(every_choice_is_reached_and_states_do_not_grow),
        cmocka_unit_test(wrong_answers_are_refused),
        cmocka_unit_test(the_smallest_problems),
        cmocka_unit_test(foreign_bytes_are_refused),
        cmocka_unit_test(states_of_others_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
