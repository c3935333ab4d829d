/* test_store.c - a study's file: what is written is read back to the bit, crashes leave whole transactions,
 * attempts are fenced, and every file that is no study is refused with its reason. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "model/latency.h"
#include "store/db.h"
#include "store/row.h"
#include "store/store.h"

static char path[512];

static int setup(void **state) {
    (void)state;
    static int n;
    mnas_file_mkdirs(MNAS_TEST_TMP);
    snprintf(path, sizeof path, "%s/store-%d-%d.db", MNAS_TEST_TMP, (int)getpid(), n++);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    static const char *const tails[] = {"", "-wal", "-shm", ".lock", "-journal"};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        char name[600];
        snprintf(name, sizeof name, "%s%s", path, tails[i]);
        unlink(name);
    }
    return 0;
}

static mnas_store *open_writing(void) {
    mnas_store *store;
    const int rc = mnas_store_open(&store, path, MNAS_STORE_WRITE);
    if (rc < 0) fail_msg("%s", mnas_error_message());
    return store;
}

static mnas_trial sample(int number) {
    static int tokens[] = {3, 0, 17};
    static double epochs[] = {0.1, 1.0 / 3};
    mnas_trial t = mnas_trial_empty();
    t.number = number;
    t.state = MNAS_TRIAL_COMPLETE;
    t.arch = (char *)(uintptr_t) "r1_k3_s11_e1_i8_o8";
    snprintf(t.key, sizeof t.key, "0123456789abcdef");
    t.tokens = tokens, t.n_tokens = 3;
    t.epoch_accuracy_frac = epochs, t.n_epochs = 2;
    t.rung_accuracy_frac = epochs + 1, t.n_rungs = 1;
    t.accuracy_frac = 1.0 / 3;
    t.latency.median_ms = 0.1 + 0.2;
    t.latency.core = 1;
    t.latency.freq_mhz = NAN;
    snprintf(t.latency.governor, sizeof t.latency.governor, "performance");
    t.reward = -0.07 / 3;
    t.seed = UINT64_MAX / 2;
    t.macs = INT64_C(1) << 40;
    return t;
}

static void claim(mnas_store *store, const mnas_trial *t, int expected) {
    int attempt;
    assert_int_equal(mnas_store_claim(store, t, "name: x", &attempt), 0);
    assert_int_equal(attempt, expected);
}

static void test_round_trip(void **state) {
    (void)state;
    mnas_store *store = open_writing();
    mnas_trial t = sample(0), *read;
    size_t n;
    bool counted;
    char *yaml;
    claim(store, &t, 1);
    assert_int_equal(mnas_store_finish(store, &t, &counted), 0);
    assert_true(counted);
    assert_int_equal(mnas_store_set(store, "target_ms", "0.5"), 0);
    mnas_store_close(store);

    assert_int_equal(mnas_store_open(&store, path, MNAS_STORE_READ), 0);
    assert_int_equal(mnas_store_trials(store, &read, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(read->state, MNAS_TRIAL_COMPLETE);
    assert_memory_equal(&read->accuracy_frac, &t.accuracy_frac, 8);
    assert_memory_equal(&read->latency.median_ms, &t.latency.median_ms, 8);
    assert_memory_equal(&read->reward, &t.reward, 8);
    assert_true(isnan(read->latency.freq_mhz));
    assert_int_equal(read->latency.core, 1);
    assert_int_equal(read->latency.runs, -1);
    assert_string_equal(read->latency.governor, "performance");
    assert_string_equal(read->arch, t.arch);
    assert_true(read->seed == t.seed && read->macs == t.macs);
    assert_int_equal(read->n_tokens, 3);
    assert_int_equal(read->tokens[2], 17);
    assert_int_equal(read->n_epochs, 2);
    assert_memory_equal(read->epoch_accuracy_frac, t.epoch_accuracy_frac, 16);
    assert_int_equal(read->n_rungs, 1);
    assert_memory_equal(read->rung_accuracy_frac, t.rung_accuracy_frac, 8);
    assert_null(read->error);
    mnas_trials_free(read, n);
    assert_int_equal(mnas_store_model(store, 0, &yaml), 0);
    assert_string_equal(yaml, "name: x");
    free(yaml);
    assert_int_equal(mnas_store_model(store, 1, &yaml), MNAS_ERR_MISSING);
    /* a reader cannot write */
    assert_true(mnas_store_set(store, "target_ms", "1") < 0);
    mnas_store_close(store);
}

static void test_fencing(void **state) {
    (void)state;
    mnas_store *store = open_writing();
    mnas_trial t = sample(0), *read;
    size_t n;
    bool counted;
    int attempt;
    claim(store, &t, 1);
    claim(store, &t, 2);
    t.attempt = 1;
    assert_int_equal(mnas_store_finish(store, &t, &counted), 0);
    assert_false(counted);
    assert_int_equal(mnas_store_trials(store, &read, &n), 0);
    assert_int_equal(read->state, MNAS_TRIAL_RUNNING);
    assert_int_equal(read->attempt, 2);
    assert_int_equal(read->n_epochs, 0);
    mnas_trials_free(read, n);
    t.attempt = 2;
    assert_int_equal(mnas_store_finish(store, &t, &counted), 0);
    assert_true(counted);
    assert_int_equal(mnas_store_finish(store, &t, &counted), 0); /* twice: late, too */
    assert_false(counted);
    assert_int_equal(mnas_store_claim(store, &t, "", &attempt), MNAS_ERR_MISMATCH);
    mnas_store_close(store);

    mnas_db db;
    int64_t n_late = 0;
    sqlite3_stmt *stmt;
    bool row;
    assert_int_equal(mnas_db_open(&db, path, false), 0);
    assert_int_equal(mnas_db_prepare(&db, &stmt, "SELECT count(*) FROM late_result WHERE attempt IN (1, 2)"),
                     0);
    assert_int_equal(mnas_db_step(&db, stmt, &row), 0);
    n_late = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    mnas_db_close(&db);
    assert_int_equal(n_late, 2);
}

static void test_transaction_is_whole_or_absent(void **state) {
    (void)state;
    const pid_t child = fork();
    if (child == 0) {
        mnas_store *store;
        bool counted;
        int attempt;
        mnas_trial t = sample(0);
        if (mnas_store_open(&store, path, MNAS_STORE_WRITE) < 0) _exit(1);
        if (mnas_store_claim(store, &t, "", &attempt) < 0 || mnas_store_begin(store) < 0) _exit(2);
        if (mnas_store_finish(store, &t, &counted) < 0 || mnas_store_set(store, "x", "1") < 0) _exit(3);
        raise(SIGKILL);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    mnas_store *store = open_writing(); /* the lock went with the process */
    mnas_trial *read;
    mnas_setting *settings;
    size_t n, n_settings;
    assert_int_equal(mnas_store_trials(store, &read, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(read->state, MNAS_TRIAL_RUNNING);
    assert_int_equal(read->n_epochs, 0);
    assert_int_equal(mnas_store_settings(store, &settings, &n_settings), 0);
    assert_int_equal(n_settings, 0);
    mnas_settings_free(settings, n_settings);
    mnas_trials_free(read, n);
    mnas_store_close(store);
}

static void test_one_writer(void **state) {
    (void)state;
    mnas_store *store = open_writing(), *second;
    assert_int_equal(mnas_store_open(&second, path, MNAS_STORE_WRITE), MNAS_ERR_BUSY);
    assert_non_null(strstr(mnas_error_message(), "another search"));
    assert_null(second);
    assert_int_equal(mnas_store_open(&second, path, MNAS_STORE_READ), 0);
    mnas_store_close(second);
    assert_true(mnas_store_is_written(path));
    char link[600];
    snprintf(link, sizeof link, "%s.link", path);
    assert_int_equal(symlink(path, link), 0); /* the same study by another name */
    assert_int_equal(mnas_store_open(&second, link, MNAS_STORE_WRITE), MNAS_ERR_BUSY);
    assert_true(mnas_store_is_written(link));
    unlink(link);
    mnas_store_close(store);
    assert_false(mnas_store_is_written(path));
    mnas_store_close(open_writing());
}

static void write_file(const char *bytes, size_t n) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void refuse(int status, const char *words) {
    mnas_store *store;
    for (int mode = MNAS_STORE_READ; mode <= MNAS_STORE_WRITE; mode++) {
        assert_int_equal(mnas_store_open(&store, path, (mnas_store_mode)mode), status);
        assert_null(store);
        if (!strstr(mnas_error_message(), words)) fail_msg("no \"%s\" in: %s", words, mnas_error_message());
    }
}

static void execute(const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_foreign_files(void **state) {
    (void)state;
    mnas_store *store;
    assert_int_equal(mnas_store_open(&store, path, MNAS_STORE_READ), MNAS_ERR_MISSING);
    char text[4096];
    memset(text, 'x', sizeof text);
    write_file(text, sizeof text);
    refuse(MNAS_ERR_FORMAT, "no study");
    write_file("", 0);
    assert_int_equal(mnas_store_open(&store, path, MNAS_STORE_READ), MNAS_ERR_FORMAT);
    unlink(path);
    execute("CREATE TABLE notes (x)");
    char *before, *after;
    size_t n_before, n_after;
    assert_int_equal(mnas_file_read(path, 1 << 20, &before, &n_before), 0);
    refuse(MNAS_ERR_FORMAT, "another program");
    assert_int_equal(mnas_file_read(path, 1 << 20, &after, &n_after), 0);
    assert_int_equal(n_after, n_before);
    assert_memory_equal(after, before, n_before); /* what is not ours stays as it was */
    free(before);
    free(after);
}

/* A view in a table's place could compute for ever, a trigger write for itself. */
static void test_views_and_triggers(void **state) {
    (void)state;
    mnas_store_close(open_writing());
    execute("ALTER TABLE setting RENAME TO kept; CREATE VIEW setting AS WITH RECURSIVE c(n) AS"
            " (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n AS name, n AS value FROM c");
    refuse(MNAS_ERR_FORMAT, "the view \"setting\"");
    execute("DROP VIEW setting; ALTER TABLE kept RENAME TO setting");
    mnas_store_close(open_writing());
    execute("CREATE TRIGGER more AFTER INSERT ON trial BEGIN DELETE FROM trial; END");
    refuse(MNAS_ERR_FORMAT, "the trigger \"more\"");
}

static void test_schema_version(void **state) {
    (void)state;
    mnas_store_close(open_writing());
    execute("PRAGMA user_version = 99");
    refuse(MNAS_ERR_FORMAT, "schema version is 99");
}

static void test_damaged_pages(void **state) {
    (void)state;
    mnas_store *store = open_writing();
    mnas_trial t = sample(0);
    for (int i = 0; i < 50; i++) {
        t.number = i;
        claim(store, &t, 1);
    }
    mnas_store_close(store);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > 3 * 4096);
    const int fd = open(path, O_WRONLY);
    char junk[4096];
    memset(junk, 0xa5, sizeof junk);
    for (off_t at = 2 * 4096; at + 4096 <= st.st_size; at += 4096)
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), 4096);
    close(fd);
    assert_int_equal(mnas_store_open(&store, path, MNAS_STORE_WRITE), MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), "damaged"));
    /* cut in the middle of the header */
    assert_int_equal(truncate(path, 50), 0);
    refuse(MNAS_ERR_FORMAT, "no study");
}

/* In a child: its limits cannot be raised again. */
static int fill_disk(void) {
    mnas_store *store;
    if (mnas_store_open(&store, path, MNAS_STORE_WRITE) < 0) return 1;
    mnas_snapshot s = {.n_updates = 1, .loop = (char *)(uintptr_t) "{}"};
    s.n_state = 100000;
    s.state = calloc(1, s.n_state);
    const struct rlimit limit = {400000, 400000};
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0) return 2;
    int rc = 0;
    for (s.n_updates = 1; s.n_updates < 50 && rc == 0; s.n_updates++) rc = mnas_store_put_snapshot(store, &s);
    const int written = s.n_updates - 2;
    free(s.state);
    if (rc != MNAS_ERR_FULL) {
        fprintf(stderr, "status %d: %s\n", rc, mnas_error_message());
        return 3;
    }
    mnas_store_close(store);
    return 100 + written;
}

static void test_full_disk(void **state) {
    (void)state;
    const pid_t child = fork();
    if (child == 0) _exit(fill_disk());
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_in_range(WEXITSTATUS(status), 101, 110); /* some were written before */
    mnas_store *store = open_writing();
    mnas_snapshot *updates;
    size_t n;
    assert_int_equal(mnas_store_updates(store, &updates, &n), 0);
    assert_int_equal(n, WEXITSTATUS(status) - 100); /* exactly those of which success was said */
    mnas_snapshots_free(updates, n);
    mnas_store_close(store);
}

static void test_snapshots(void **state) {
    (void)state;
    mnas_store *store = open_writing();
    mnas_snapshot read;
    assert_int_equal(mnas_store_last_snapshot(store, &read), 0);
    assert_int_equal(read.n_updates, -1);
    for (int i = 1; i <= 12; i++) {
        char loop[16], bytes[3] = {0, (char)i, (char)-1};
        snprintf(loop, sizeof loop, "{%d}", i);
        mnas_snapshot s = {
            .n_updates = i, .n_proposals = 5 * i, .entropy = i == 3 ? NAN : 1.0 / i, .loop = loop};
        s.state = bytes, s.n_state = sizeof bytes;
        assert_int_equal(mnas_store_put_snapshot(store, &s), 0);
        assert_int_equal(mnas_store_put_snapshot(store, &s), 0);
    }
    assert_int_equal(mnas_store_last_snapshot(store, &read), 0);
    assert_int_equal(read.n_updates, 12);
    assert_string_equal(read.loop, "{12}");
    assert_int_equal(read.n_state, 3);
    assert_memory_equal(read.state, ((char[]){0, 12, -1}), 3);
    mnas_snapshot_clear(&read);
    mnas_snapshot *updates;
    size_t n;
    assert_int_equal(mnas_store_updates(store, &updates, &n), 0);
    assert_int_equal(n, 12);
    assert_true(isnan(updates[2].entropy));
    assert_true(updates[11].n_proposals == 60);
    mnas_snapshots_free(updates, n);
    mnas_store_close(store);
}

static void test_read_only_folder(void **state) {
    (void)state;
    mnas_store *store = open_writing();
    mnas_trial t = sample(0), *read;
    size_t n;
    claim(store, &t, 1);
    mnas_store_close(store);
    char folder[600], copy[700];
    snprintf(folder, sizeof folder, "%s.d#1?", path); /* as no URI would have it */
    snprintf(copy, sizeof copy, "%s/study.db", folder);
    assert_int_equal(mkdir(folder, 0755), 0);
    assert_int_equal(rename(path, copy), 0);
    assert_int_equal(chmod(copy, 0444), 0);
    assert_int_equal(chmod(folder, 0555), 0);
    const int rc = mnas_store_open(&store, copy, MNAS_STORE_READ);
    if (rc < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(mnas_store_trials(store, &read, &n), 0);
    assert_int_equal(n, 1);
    mnas_trials_free(read, n);
    mnas_store_close(store);
    chmod(folder, 0755);
    unlink(copy);
    rmdir(folder);
}

/* ---- stage two ---- */

static mnas_final sample_final(int number) {
    static uint8_t right[] = {1, 0, 1};
    static double passes[] = {0.25, 1.0 / 3};
    mnas_final f = mnas_final_empty();
    f.number = number;
    f.role = MNAS_FINAL_BASELINE;
    snprintf(f.family, sizeof f.family, "mobilenet-v2");
    snprintf(f.name, sizeof f.name, "mobilenet-v2@0.35/28");
    f.repeat = 2, f.input_size = 28, f.lr = 0.1, f.seed = UINT64_MAX / 3;
    f.val_accuracy_frac = 2.0 / 3;
    f.n_val = 3, f.val_correct = right;
    f.n_passes = 2, f.pass_ms = passes;
    f.latency.median_ms = 0.3;
    f.macs = INT64_C(1) << 40;
    return f;
}

static void test_finals(void **state) {
    (void)state;
    mnas_store *store = open_writing();
    mnas_final f = sample_final(1), *read;
    size_t n;
    char *yaml;
    assert_int_equal(mnas_store_put_final(store, &f, "name: x"), 0);
    f = sample_final(0);
    assert_int_equal(mnas_store_put_final(store, &f, "name: y"), 0);
    f = sample_final(1);
    f.state = MNAS_TRIAL_FAILED, f.chosen = true;
    f.error = (char *)(uintptr_t) "why";
    f.val_correct = NULL; /* unknown, though their number is known */
    assert_int_equal(mnas_store_put_final(store, &f, NULL), 0);
    assert_int_equal(mnas_store_finals(store, &read, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(read[0].role, MNAS_FINAL_BASELINE);
    assert_int_equal(read[0].state, MNAS_TRIAL_RUNNING);
    assert_string_equal(read[0].name, f.name);
    assert_int_equal(read[0].repeat, 2);
    assert_true(read[0].seed == f.seed && read[0].macs == f.macs && read[0].lr == f.lr);
    assert_memory_equal(read[0].val_correct, ((uint8_t[]){1, 0, 1}), 3);
    assert_memory_equal(read[0].pass_ms, f.pass_ms, 16);
    assert_null(read[0].test_correct);
    assert_true(isnan(read[0].test_accuracy_frac) && read[0].latency.median_ms == 0.3);
    assert_int_equal(read[1].state, MNAS_TRIAL_FAILED);
    assert_string_equal(read[1].error, "why");
    assert_true(read[1].chosen && !read[0].chosen);
    assert_null(read[1].val_correct);
    mnas_finals_free(read, n);
    assert_int_equal(mnas_store_final_model(store, 1, &yaml), 0);
    assert_string_equal(yaml, "name: x");
    free(yaml);
    assert_int_equal(mnas_store_final_model(store, 2, &yaml), MNAS_ERR_MISSING);
    mnas_store_close(store);

    execute("UPDATE final SET n_val = 4 WHERE number = 0");
    assert_int_equal(mnas_store_open(&store, path, MNAS_STORE_READ), 0);
    assert_int_equal(mnas_store_finals(store, &read, &n), MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), "final 0"));
    assert_null(read);
    mnas_store_close(store);
}

static void test_layers(void **state) {
    (void)state;
    const mnas_layer_time times[] = {{"conv_stem", 0.125}, {"blocks.0.0.conv_dw", 1.0 / 3}};
    mnas_store *store = open_writing();
    mnas_layer_time *read;
    int n;
    assert_int_equal(mnas_store_layers(store, 7, &read, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(mnas_store_put_layers(store, 7, times, 2), 0);
    assert_int_equal(mnas_store_put_layers(store, 7, times + 1, 1), 0); /* replaces */
    assert_int_equal(mnas_store_put_layers(store, 8, times, 2), 0);
    assert_int_equal(mnas_store_layers(store, 7, &read, &n), 0);
    assert_int_equal(n, 1);
    assert_string_equal(read[0].name, "blocks.0.0.conv_dw");
    assert_true(read[0].ms == times[1].ms);
    free(read);
    mnas_store_close(store);
}

static void test_probabilities(void **state) {
    (void)state;
    double probabilities[] = {0.25, 0.75, 1.0 / 3};
    mnas_store *store = open_writing();
    mnas_snapshot s = {.n_updates = 1, .loop = (char *)(uintptr_t) "{}"}, *read;
    size_t n;
    assert_int_equal(mnas_store_put_snapshot(store, &s), 0);
    s.n_updates = 2, s.probabilities = probabilities, s.n_probabilities = 3;
    assert_int_equal(mnas_store_put_snapshot(store, &s), 0);
    assert_int_equal(mnas_store_updates(store, &read, &n), 0);
    assert_int_equal(n, 2);
    assert_null(read[0].probabilities);
    assert_int_equal(read[1].n_probabilities, 3);
    assert_memory_equal(read[1].probabilities, probabilities, sizeof probabilities);
    mnas_snapshots_free(read, n);
    mnas_store_close(store);
}

/* ---- further devices ---- */

static mnas_latency latency_of(double ms) {
    mnas_latency l = mnas_latency_unknown();
    l.median_ms = ms, l.rounds = 7;
    snprintf(l.device, sizeof l.device, "phone");
    return l;
}

/* Written with the outcome of a trial, and only where that counts. */
static void test_other_latencies(void **state) {
    (void)state;
    mnas_store *store = open_writing();
    mnas_latency others[] = {latency_of(1.0 / 3), latency_of(12)};
    mnas_trial *read;
    size_t n;
    bool counted;
    for (int i = 0; i < 3; i++) {
        mnas_trial t = sample(i);
        claim(store, &t, 1);
        if (i == 1) claim(store, &t, 2); /* taken over: the outcome of attempt 1 is late */
        t.others = others, t.n_others = 2, t.n_refused = 3, t.predicted_ms = 0.7;
        assert_int_equal(mnas_store_finish(store, &t, &counted), 0);
        assert_int_equal(counted, i != 1);
    }
    mnas_store_close(store);
    assert_int_equal(mnas_store_open(&store, path, MNAS_STORE_READ), 0);
    assert_int_equal(mnas_store_trials(store, &read, &n), 0);
    assert_int_equal(n, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(read[i].n_others, i == 1 ? 0 : 2);
        if (i == 1) continue;
        assert_true(read[i].others[0].median_ms == 1.0 / 3 && read[i].others[1].median_ms == 12);
        assert_string_equal(read[i].others[1].device, "phone");
        assert_true(read[i].others[0].rounds == 7 && isnan(read[i].others[0].temp_c));
        assert_true(read[i].n_refused == 3 && read[i].predicted_ms == 0.7 &&
                    isnan(read[i].predicted_error_frac));
    }
    mnas_trials_free(read, n);
    mnas_store_close(store);
    execute("DELETE FROM trial_latency WHERE number = 2 AND device = 1");
    assert_int_equal(mnas_store_open(&store, path, MNAS_STORE_READ), 0);
    assert_int_equal(mnas_store_trials(store, &read, &n), MNAS_ERR_FORMAT); /* a device is missing between */
    mnas_store_close(store);
}

static void test_other_latencies_of_finals(void **state) {
    (void)state;
    mnas_store *store = open_writing();
    mnas_latency others[] = {latency_of(5)};
    double passes[] = {4, 6};
    mnas_final f = sample_final(0), *read;
    size_t n;
    assert_int_equal(mnas_store_put_final(store, &f, "name: x"), 0);
    f.others = others, f.n_others = 1, f.others_pass_ms = passes, f.n_others_pass_ms = 2;
    for (int again = 0; again < 2; again++) assert_int_equal(mnas_store_put_final(store, &f, NULL), 0);
    assert_int_equal(mnas_store_finals(store, &read, &n), 0);
    assert_true(n == 1 && read[0].n_others == 1 && read[0].others[0].median_ms == 5);
    assert_int_equal(read[0].n_others_pass_ms, 2);
    assert_memory_equal(read[0].others_pass_ms, passes, sizeof passes);
    mnas_finals_free(read, n);
    mnas_store_close(store);
}

/* ---- older schemas ---- */

static void drop_columns(const mnas_row_type *type, int schema) {
    char sql[200];
    for (int i = 0; i < type->n_columns; i++) {
        if (type->columns[i].since != schema) continue;
        snprintf(sql, sizeof sql, "ALTER TABLE %s DROP COLUMN %s", type->table, type->columns[i].name);
        execute(sql);
    }
}

/* What schema 5 brought is gone. */
static void make_schema_4(void) {
    drop_columns(&mnas_row_trial, 5);
    execute("DROP TABLE rung; PRAGMA user_version = 4");
}

/* And what schema 4 did. */
static void make_schema_3(void) {
    make_schema_4();
    drop_columns(&mnas_row_trial, 4);
    drop_columns(&mnas_row_final, 4);
    execute("DROP TABLE trial_latency; DROP TABLE final_latency; PRAGMA user_version = 3");
}

static void make_schema_2(void) {
    mnas_store *store = open_writing();
    mnas_trial t = sample(0);
    mnas_snapshot s = {.n_updates = 1, .entropy = 0.5, .loop = (char *)(uintptr_t) "{}"};
    claim(store, &t, 1);
    assert_int_equal(mnas_store_put_snapshot(store, &s), 0);
    mnas_store_close(store);
    make_schema_3();
    execute("DROP TABLE final; DROP TABLE layer; ALTER TABLE snapshot DROP COLUMN probabilities;"
            "PRAGMA user_version = 2");
}

static void check_old_rows(mnas_store *store) {
    mnas_trial *trials;
    mnas_snapshot *updates;
    mnas_final *finals;
    mnas_layer_time *layers;
    size_t n;
    int n_layers;
    assert_int_equal(mnas_store_trials(store, &trials, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(trials[0].tokens[2], 17);
    mnas_trials_free(trials, n);
    assert_int_equal(mnas_store_updates(store, &updates, &n), 0);
    assert_int_equal(n, 1);
    assert_true(updates[0].entropy == 0.5 && !updates[0].probabilities);
    mnas_snapshots_free(updates, n);
    assert_int_equal(mnas_store_finals(store, &finals, &n), 0);
    assert_int_equal(n, 0);
    mnas_finals_free(finals, n);
    assert_int_equal(mnas_store_layers(store, 0, &layers, &n_layers), 0);
    assert_int_equal(n_layers, 0);
    free(layers);
}

static int64_t schema_version(void) {
    mnas_db db;
    int64_t version;
    assert_int_equal(mnas_db_open(&db, path, false), 0);
    assert_int_equal(mnas_db_pragma_int(&db, "user_version", &version), 0);
    mnas_db_close(&db);
    return version;
}

static void test_older_schema(void **state) {
    (void)state;
    mnas_store *store;
    char *yaml;
    make_schema_2();
    assert_int_equal(mnas_store_open(&store, path, MNAS_STORE_READ), 0);
    check_old_rows(store);
    assert_int_equal(mnas_store_final_model(store, 0, &yaml), MNAS_ERR_MISSING);
    mnas_store_close(store);
    assert_int_equal(schema_version(), 2); /* a reader changes nothing */

    store = open_writing();
    check_old_rows(store);
    const mnas_final f = sample_final(0);
    assert_int_equal(mnas_store_put_final(store, &f, "name: x"), 0);
    mnas_store_close(store);
    assert_int_equal(schema_version(), MNAS_STORE_SCHEMA);
    mnas_store_close(open_writing());
    execute("PRAGMA user_version = 1");
    refuse(MNAS_ERR_FORMAT, "schema version is 1");
}

/* What schema 3 has is kept, what came later is unknown; once written to, it has all. */
static void test_schema_3(void **state) {
    (void)state;
    mnas_store *store = open_writing();
    mnas_trial t = sample(0), *trials;
    const mnas_final f = sample_final(0);
    mnas_final *finals;
    bool counted;
    size_t n;
    claim(store, &t, 1);
    assert_int_equal(mnas_store_finish(store, &t, &counted), 0);
    assert_int_equal(mnas_store_put_final(store, &f, "name: x"), 0);
    mnas_store_close(store);
    make_schema_3();
    for (int writing = 0; writing < 2; writing++) {
        assert_int_equal(mnas_store_open(&store, path, writing ? MNAS_STORE_WRITE : MNAS_STORE_READ), 0);
        assert_int_equal(mnas_store_trials(store, &trials, &n), 0);
        assert_true(n == 1 && trials[0].latency.median_ms == 0.1 + 0.2 && trials[0].n_others == 0);
        assert_true(trials[0].n_refused == 0 && isnan(trials[0].predicted_ms));
        mnas_trials_free(trials, n);
        assert_int_equal(mnas_store_finals(store, &finals, &n), 0);
        assert_true(n == 1 && finals[0].n_passes == 2 && !finals[0].others_pass_ms);
        mnas_finals_free(finals, n);
        mnas_store_close(store);
        assert_int_equal(schema_version(), writing ? MNAS_STORE_SCHEMA : 3);
    }
    store = open_writing();
    mnas_latency others[] = {latency_of(5)};
    t = sample(1);
    claim(store, &t, 1);
    t.others = others, t.n_others = 1;
    assert_int_equal(mnas_store_finish(store, &t, &counted), 0);
    assert_int_equal(mnas_store_trials(store, &trials, &n), 0);
    assert_true(n == 2 && trials[1].n_others == 1);
    mnas_trials_free(trials, n);
    mnas_store_close(store);
}

/* Who proposed a trial and how far it was trained is unknown of one from before; later ones tell. */
static void test_schema_4(void **state) {
    (void)state;
    mnas_store *store = open_writing();
    mnas_trial t = sample(0), *trials;
    bool counted;
    size_t n;
    claim(store, &t, 1);
    t.rung = 1;
    assert_int_equal(mnas_store_finish(store, &t, &counted), 0);
    mnas_store_close(store);
    make_schema_4();
    for (int writing = 0; writing < 2; writing++) {
        assert_int_equal(mnas_store_open(&store, path, writing ? MNAS_STORE_WRITE : MNAS_STORE_READ), 0);
        assert_int_equal(mnas_store_trials(store, &trials, &n), 0);
        assert_true(n == 1 && trials[0].latency.median_ms == 0.1 + 0.2);
        assert_string_equal(trials[0].origin, "");
        assert_int_equal(trials[0].rung, -1);
        mnas_trials_free(trials, n);
        mnas_store_close(store);
        assert_int_equal(schema_version(), writing ? MNAS_STORE_SCHEMA : 4);
    }
    store = open_writing();
    t = sample(1);
    snprintf(t.origin, sizeof t.origin, "random");
    claim(store, &t, 1);
    t.rung = 2;
    assert_int_equal(mnas_store_finish(store, &t, &counted), 0);
    assert_int_equal(mnas_store_trials(store, &trials, &n), 0);
    assert_string_equal(trials[1].origin, "random");
    assert_int_equal(trials[1].rung, 2);
    mnas_trials_free(trials, n);
    mnas_store_close(store);
}

/* An upgrade that cannot end leaves the study as it was. */
static void test_failed_upgrade(void **state) {
    (void)state;
    mnas_store *store;
    make_schema_2();
    execute("CREATE TABLE final (x)");
    assert_true(mnas_store_open(&store, path, MNAS_STORE_WRITE) < 0);
    assert_int_equal(schema_version(), 2);
    execute("DROP TABLE final");
    store = open_writing();
    check_old_rows(store);
    mnas_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_finals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_layers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_probabilities, setup, teardown),
        cmocka_unit_test_setup_teardown(test_older_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(test_schema_3, setup, teardown),
        cmocka_unit_test_setup_teardown(test_schema_4, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_upgrade, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_latencies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_latencies_of_finals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fencing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_transaction_is_whole_or_absent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_writer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_views_and_triggers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_schema_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_snapshots, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_only_folder, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
