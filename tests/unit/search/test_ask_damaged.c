/* test_ask_damaged.c - what a study of asking may hold that no session has written: refused where it is opened. */
#include "no_fsync.h"
#include "search_fixture.h"

static const char plain_text[] = "decisions:\n  a: [1, 2, 3, 4, 5]\n  b: [x, y, z]\n";

/* Three trials open, and a snapshot behind them. */
static void make_study(void) {
    char path[600];
    snprintf(path, sizeof path, "%s/plain.yaml", fix_dir);
    fix_write(path, plain_text, strlen(plain_text));
    fix_remove_study(fix_study);
    const mnas_ask_options o = {.study = fix_study, .decisions = path, .strategy = "random", .parallel = 3};
    mnas_ask_session *session;
    const mnas_trial *trial;
    fix_expect(mnas_ask_open(&session, &o), 0, NULL);
    for (int i = 0; i < 3; i++) fix_expect(mnas_ask(session, &trial), 0, NULL);
    mnas_ask_close(session);
}

static void refuses(const char *sql, const char *part) {
    const mnas_ask_options o = {.study = fix_study};
    mnas_ask_session *session;
    make_study();
    fix_execute(fix_study, sql);
    fix_expect(mnas_ask_open(&session, &o), part ? MNAS_ERR_FORMAT : 0, part);
    if (!part) mnas_ask_close(session);
}

static void test_damaged(void **state) {
    (void)state;
    refuses("UPDATE trial SET reward = NULL", NULL);
    refuses("UPDATE trial SET tokens = '99 0' WHERE number = 1",
            "trial 1 has the choice 99 of a, which has 5");
    refuses("UPDATE trial SET tokens = '4 3' WHERE number = 2", "trial 2 has the choice 3 of b, which has 3");
    refuses("UPDATE snapshot SET loop = replace(loop, '\"n_repeats\":0', '\"n_repeats\":2147483647')",
            "contradict");
    refuses("UPDATE snapshot SET loop = replace(replace(replace(replace(loop, '\"n_proposals\":3', "
            "'\"n_proposals\":9223372036854775807'), '\"n_seen\":0', '\"n_seen\":9223372036854775804'), "
            "'\"n_sorted\":0', '\"n_sorted\":9223372036854775804'), '\"n_fed\":0', "
            "'\"n_fed\":9223372036854775804')",
            "contradict");
}

/* ---- begun with an earlier mnas ---- */

static const char make_schema_4[] =
    "ALTER TABLE trial DROP COLUMN origin; ALTER TABLE trial DROP COLUMN rung; DROP TABLE rung;"
    "PRAGMA user_version = 4",
                  make_version_1[] =
                      "UPDATE snapshot SET state = CAST(substr(state, 1, 8) || x'0100000000000000' || "
                      "substr(state, 17) AS BLOB)";

/* Refused before the file is brought up to date; it can be looked at as before. */
static void test_of_an_earlier_mnas(void **state) {
    (void)state;
    mnas_study *study;
    refuses(make_version_1, "another version of mnas");
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM event WHERE kind = 'resume'"), 0);
    refuses(make_schema_4, "another version of mnas");
    assert_int_equal(fix_count(fix_study, "PRAGMA user_version"), 4);
    fix_execute(fix_study, make_version_1);
    fix_expect(mnas_ask_open(&(mnas_ask_session *){NULL}, &(mnas_ask_options){.study = fix_study}),
               MNAS_ERR_FORMAT, "nothing was changed");
    assert_int_equal(fix_count(fix_study, "PRAGMA user_version"), 4);
    fix_expect(mnas_study_open(&study, fix_study), 0, NULL);
    assert_int_equal(mnas_study_n_trials(study), 3);
    mnas_study_close(study);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_damaged),
                                       cmocka_unit_test(test_of_an_earlier_mnas)};
    return cmocka_run_group_tests(tests, fix_setup, fix_teardown);
}
