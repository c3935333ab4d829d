/* test_fault_store.c - a study whose n-th allocation, write, read, sync, lock, ... fails: a message that names it, whole
 * transactions alone are there, and the next run makes what an undisturbed one makes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "fault_loop.h"
#include "store/db.h"
#include "store/row.h"
#include "store/store.h"

enum { N_TRIALS = 3 };

static char dir[400], path[512];

static void remove_study(void) {
    static const char *const tails[] = {"", "-wal", "-shm", ".lock", "-journal"};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        char name[600];
        snprintf(name, sizeof name, "%s%s", path, tails[i]);
        unlink(name);
    }
}

static mnas_trial sample(int number) {
    static int tokens[] = {3, 0, 17};
    static double epochs[] = {0.1, 1.0 / 3};
    mnas_trial t = mnas_trial_empty();
    t.number = number;
    t.arch = (char *)(uintptr_t) "r1_k3_s11_e1_i8_o8";
    snprintf(t.key, sizeof t.key, "%016x", number);
    t.tokens = tokens, t.n_tokens = 3;
    t.epoch_accuracy_frac = epochs, t.n_epochs = 2;
    t.latency.median_ms = 0.5;
    return t;
}

static int write_trial(mnas_store *store, int number) {
    mnas_trial t = sample(number);
    bool counted;
    int rc = mnas_store_claim(store, &t, "name: x", &t.attempt);
    t.state = MNAS_TRIAL_COMPLETE;
    t.accuracy_frac = 0.5 + 0.1 * number;
    if (rc == 0) rc = mnas_store_begin(store);
    if (rc == 0) rc = mnas_store_finish(store, &t, &counted);
    const mnas_snapshot s = {.n_updates = number,
                             .loop = (char *)(uintptr_t) "{}",
                             .state = (char *)(uintptr_t) "state",
                             .n_state = 5};
    if (rc == 0) rc = mnas_store_put_snapshot(store, &s);
    if (rc == 0) rc = mnas_store_set_reward(store, number, 0.25);
    return rc < 0 ? rc : mnas_store_commit(store);
}

static int write_final(mnas_store *store) {
    static char weights[] = "found.safetensors";
    static uint8_t correct[] = {1, 0, 1};
    const mnas_layer_time layers[] = {{"stem", 0.1}, {"head", 0.2}};
    mnas_final f = mnas_final_empty();
    snprintf(f.name, sizeof f.name, "trial 0");
    f.state = MNAS_TRIAL_COMPLETE;
    f.weights = weights, f.val_correct = correct, f.n_val = 3;
    const int rc = mnas_store_put_layers(store, 0, layers, 2);
    return rc < 0 ? rc : mnas_store_put_final(store, &f, "name: x");
}

static int read_final(mnas_store *store) {
    mnas_final *finals;
    mnas_layer_time *layers = NULL;
    char *yaml = NULL;
    size_t n;
    int n_layers = 0;
    int rc = mnas_store_finals(store, &finals, &n);
    if (rc < 0) return rc;
    assert_int_equal(n, 1);
    assert_string_equal(finals->weights, "found.safetensors");
    assert_int_equal(finals->val_correct[2], 1);
    mnas_finals_free(finals, n);
    rc = mnas_store_layers(store, 0, &layers, &n_layers);
    if (rc == 0) rc = mnas_store_final_model(store, 0, &yaml);
    if (rc == 0) assert_int_equal(n_layers, 2);
    if (rc == 0) assert_string_equal(yaml, "name: x");
    free(layers);
    free(yaml);
    return rc;
}

/* As a search does: what is there stays, what is missing follows. */
static int write_study(void) {
    mnas_store *store;
    mnas_trial *trials = NULL;
    size_t n = 0;
    int rc = mnas_store_open(&store, path, MNAS_STORE_WRITE);
    if (rc == 0) rc = mnas_store_set(store, "target_ms", "0.5");
    if (rc == 0) rc = mnas_store_event(store, "start", "once more");
    if (rc == 0) rc = mnas_store_trials(store, &trials, &n);
    for (int i = 0; i < N_TRIALS && rc == 0; i++)
        if ((size_t)i >= n || trials[i].state != MNAS_TRIAL_COMPLETE) rc = write_trial(store, i);
    mnas_trials_free(trials, n);
    if (rc == 0) rc = write_final(store);
    mnas_store_close(store);
    return rc;
}

static int read_study(void) {
    mnas_store *store;
    mnas_trial *trials = NULL;
    mnas_setting *settings = NULL;
    mnas_snapshot last = {0}, *updates = NULL;
    char *yaml = NULL;
    size_t n = 0, n_settings = 0, n_updates = 0;
    int rc = mnas_store_open(&store, path, MNAS_STORE_READ);
    if (rc == 0) rc = mnas_store_settings(store, &settings, &n_settings);
    if (rc == 0) rc = mnas_store_trials(store, &trials, &n);
    if (rc == 0) rc = mnas_store_last_snapshot(store, &last);
    if (rc == 0) rc = mnas_store_updates(store, &updates, &n_updates);
    if (rc == 0) rc = mnas_store_model(store, N_TRIALS - 1, &yaml);
    if (rc == 0) rc = read_final(store);
    if (rc == 0) {
        assert_int_equal(n, N_TRIALS);
        assert_int_equal(n_updates, N_TRIALS);
        assert_string_equal(yaml, "name: x");
        assert_string_equal(mnas_settings_get(settings, n_settings, "target_ms"), "0.5");
        assert_int_equal(last.n_state, 5);
        assert_memory_equal(last.state, "state", 5);
        for (int i = 0; i < N_TRIALS; i++) {
            assert_int_equal(trials[i].state, MNAS_TRIAL_COMPLETE);
            assert_true(trials[i].accuracy_frac == 0.5 + 0.1 * i && trials[i].reward == 0.25);
            assert_int_equal(trials[i].n_epochs, 2);
            assert_int_equal(trials[i].n_tokens, 3);
            assert_string_equal(trials[i].arch, "r1_k3_s11_e1_i8_o8");
        }
    }
    free(yaml);
    mnas_snapshots_free(updates, n_updates);
    mnas_snapshot_clear(&last);
    mnas_settings_free(settings, n_settings);
    mnas_trials_free(trials, n);
    mnas_store_close(store);
    return rc;
}

static void check_written(void) {
    const int rc = read_study();
    if (rc < 0) fail_msg("%s", mnas_error_message());
}

/* Opening to write runs SQLite's integrity check; a trial is complete with its epochs, or none of it is there. */
static void check_whole(void) {
    mnas_store *store;
    mnas_trial *trials;
    size_t n;
    if (mnas_store_open(&store, path, MNAS_STORE_WRITE) < 0) fail_msg("%s", mnas_error_message());
    if (mnas_store_trials(store, &trials, &n) < 0) fail_msg("%s", mnas_error_message());
    for (size_t i = 0; i < n; i++) {
        const bool complete = trials[i].state == MNAS_TRIAL_COMPLETE;
        assert_int_equal(trials[i].n_epochs, complete ? 2 : 0);
        assert_int_equal(isnan(trials[i].reward), !complete);
    }
    mnas_trials_free(trials, n);
    mnas_store_close(store);
}

/* "trial": of a trial's number; all else names the file */
static const char *const words[] = {"study.db",
                                    "out of memory: trial",
                                    " of trial ",
                                    " of final ",
                                    "out of memory: final",
                                    "out of memory: text of a study",
                                    "out of memory: schema of a study",
                                    "of a study",
                                    "out of memory: snapshot",
                                    NULL};
static const char *const kinds[] = {"malloc", "write", "sync", "truncate", "read",
                                    "open",   "lock",  "map",  "unlink"};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static void test_writing(void **state) {
    (void)state;
    const fault_case c = {"write a study", dir,         remove_study, write_study,
                          check_written,   check_whole, words,        0};
    for (int i = 0; i < N_KINDS; i++) fault_loop(&c, kinds[i]);
}

static void test_reading(void **state) {
    (void)state;
    remove_study();
    assert_int_equal(write_study(), 0);
    const fault_case c = {"read a study", dir, NULL, read_study, NULL, check_whole, words, 0};
    for (int i = 0; i < N_KINDS; i++) fault_loop(&c, kinds[i]);
}

static void make_schema_2(void) {
    remove_study();
    assert_int_equal(write_study(), 0);
    mnas_db db;
    assert_int_equal(mnas_db_open(&db, path, true), 0);
    assert_int_equal(
        mnas_db_exec(&db,
                     "DROP TABLE final; DROP TABLE layer; ALTER TABLE snapshot DROP COLUMN "
                     "probabilities; DROP TABLE trial_latency; DROP TABLE final_latency; DROP TABLE rung; "
                     "PRAGMA user_version = 2"),
        0);
    for (int i = 0; i < mnas_row_trial.n_columns; i++) {
        char sql[120];
        snprintf(sql, sizeof sql, "ALTER TABLE trial DROP COLUMN %s", mnas_row_trial.columns[i].name);
        if (mnas_row_trial.columns[i].since > 0) assert_int_equal(mnas_db_exec(&db, sql), 0);
    }
    mnas_db_close(&db);
}

/* To write is to upgrade. */
static void test_upgrading(void **state) {
    (void)state;
    const fault_case c = {"upgrade a study", dir,         make_schema_2, write_study,
                          check_written,     check_whole, words,         40};
    for (int i = 0; i < N_KINDS; i++) fault_loop(&c, kinds[i]);
}

static int setup(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "%s/fault-store-%d", MNAS_TEST_TMP, (int)getpid());
    snprintf(path, sizeof path, "%s/study.db", dir);
    return mnas_file_mkdirs(dir);
}

static int teardown(void **state) {
    (void)state;
    remove_study();
    return rmdir(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_writing), cmocka_unit_test(test_reading),
                                       cmocka_unit_test(test_upgrading)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
