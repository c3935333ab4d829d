/* search_fixture.h - what a search needs, small and made on the spot: 12x12 images of two patterns in IDX
 * files without a test split, a space of 256 networks, a table with a latency for each, and a study as text to compare.
 */
#ifndef MNAS_TEST_SEARCH_FIXTURE_H
#define MNAS_TEST_SEARCH_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "search/loop.h"
#include "store/db.h"
#include "store/store.h"

enum { FIX_IMAGES = 300, FIX_SIDE = 12 };

static char fix_dir[400], fix_space[512], fix_small_space[512], fix_data[512], fix_device[600],
    fix_table[512], fix_study[512];

static int fix_remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static inline void fix_write(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static inline void fix_copy(const char *from, const char *to) {
    char *bytes;
    size_t n;
    assert_int_equal(mnas_file_read(from, 1 << 26, &bytes, &n), 0);
    fix_write(to, bytes, n);
    free(bytes);
}

static inline void fix_images(void) {
    char path[512];
    static uint8_t images[16 + FIX_IMAGES * FIX_SIDE * FIX_SIDE], labels[8 + FIX_IMAGES];
    static const uint8_t image_head[16] = {0, 0, 8,        3, 0, 0, FIX_IMAGES >> 8, FIX_IMAGES & 255, 0,
                                           0, 0, FIX_SIDE, 0, 0, 0, FIX_SIDE};
    static const uint8_t label_head[8] = {0, 0, 8, 1, 0, 0, FIX_IMAGES >> 8, FIX_IMAGES & 255};
    memcpy(images, image_head, sizeof image_head);
    memcpy(labels, label_head, sizeof label_head);
    uint32_t noise = 1;
    for (int i = 0; i < FIX_IMAGES; i++) {
        labels[8 + i] = (uint8_t)(i % 2);
        for (int j = 0; j < FIX_SIDE * FIX_SIDE; j++) {
            noise = noise * 1664525u + 1013904223u;
            const int stripe = (i % 2 ? j % FIX_SIDE : j / FIX_SIDE) / 3 % 2; /* down or across */
            images[16 + i * FIX_SIDE * FIX_SIDE + j] = (uint8_t)(stripe * 60 + (int)(noise >> 25));
        }
    }
    snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", fix_dir);
    fix_write(path, images, sizeof images);
    snprintf(path, sizeof path, "%s/train-labels-idx1-ubyte", fix_dir);
    fix_write(path, labels, sizeof labels);
}

static const char fix_space_text[] =
    "name: tiny\ninput: 12\nchannels: 1\nclasses: 2\nmean: [0.5]\nstd: [0.5]\nstem: 8\n"
    "stem-stride: 2\nper: block\nchoices:\n  - op: [sep, mbconv3]\n  - kernel: [3, 5]\n"
    "  - se: [0, 0.25]\n  - layers: [1, 2]\nblocks:\n  - {net: r1_k3_s11_e1_i8_o8}\n"
    "  - {net: r1_k3_s22_e3_i8_o16}\n";
static const char fix_small_text[] =
    "name: four\ninput: 12\nchannels: 1\nclasses: 2\nmean: [0.5]\nstd: [0.5]\nstem: 8\n"
    "stem-stride: 2\nper: block\nchoices:\n  - kernel: [3, 5]\nblocks:\n"
    "  - {net: r1_k3_s11_e1_i8_o8}\n  - {net: r1_k3_s22_e3_i8_o16}\n";

/* A latency that grows with the multiply-adds, for every network of the space. */
static inline void fix_latencies(void) {
    mnas_dataset_info info = {.height = FIX_SIDE, .width = FIX_SIDE, .channels = 1, .classes = 2};
    mnas_space *space;
    if (mnas_space_open(&space, fix_space) < 0) fail_msg("%s", mnas_error_message());
    FILE *f = fopen(fix_table, "w");
    assert_non_null(f);
    for (int code = 0; code < 256; code++) {
        int tokens[8];
        char key[17];
        mnas_model model;
        mnas_cost cost;
        for (int t = 0; t < 8; t++) tokens[t] = code >> t & 1;
        assert_int_equal(mnas_loop_decode(space, &info, tokens, &model), 0);
        assert_int_equal(mnas_model_key(&model, key), 0);
        assert_int_equal(mnas_cost_compute(&cost, &model, 1), 0);
        fprintf(f, "{\"key\":\"%s\",\"device\":\"toy\",\"median_ms\":%.17g}\n", key, (double)cost.macs / 3e5);
        mnas_cost_free(&cost);
    }
    fclose(f);
    mnas_space_close(space);
}

static inline int fix_setup(void **state) {
    (void)state;
    char cache[500];
    static int n;
    snprintf(fix_dir, sizeof fix_dir, "%s/search-%d-%d", MNAS_TEST_TMP, (int)getpid(), n++);
    snprintf(cache, sizeof cache, "%s/cache", fix_dir);
    assert_int_equal(mnas_file_mkdirs(cache), 0);
    setenv("MNAS_CACHE_DIR", cache, 1);
    if (!getenv("MNAS_LOG")) setenv("MNAS_LOG", "error", 1);
    snprintf(fix_space, sizeof fix_space, "%s/tiny.yaml", fix_dir);
    snprintf(fix_small_space, sizeof fix_small_space, "%s/four.yaml", fix_dir);
    snprintf(fix_data, sizeof fix_data, "idx:path=%s,val=100", fix_dir);
    snprintf(fix_table, sizeof fix_table, "%s/table.jsonl", fix_dir);
    snprintf(fix_device, sizeof fix_device, "table:file=%s", fix_table);
    snprintf(fix_study, sizeof fix_study, "%s/study.db", fix_dir);
    fix_write(fix_space, fix_space_text, strlen(fix_space_text));
    fix_write(fix_small_space, fix_small_text, strlen(fix_small_text));
    fix_images();
    fix_latencies();
    return 0;
}

static inline int fix_teardown(void **state) {
    (void)state;
    nftw(fix_dir, fix_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static inline void fix_remove_study(const char *study) {
    static const char *const tails[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s%s", study, tails[i]);
        unlink(path);
    }
}

static inline mnas_search_options fix_options(const char *study, int trials) {
    return (mnas_search_options){.space = fix_space,
                                 .data = fix_data,
                                 .device = fix_device,
                                 .study = study,
                                 .strategy = "ppo:batch=3,hidden=8,embedding=4",
                                 .recipe = "proxy:batch=16",
                                 .target_ms = 0.5,
                                 .trials = trials,
                                 .epochs = 1,
                                 .seed = 5,
                                 .max_minutes = NAN,
                                 .jobs = 1,
                                 .threads = 1,
                                 .trial_timeout_s = NAN};
}

/* Rows of a query as text, numbers to the last bit. */
static inline void fix_query(mnas_str *out, const char *study, const char *sql) {
    mnas_db db;
    sqlite3_stmt *stmt;
    bool row;
    if (mnas_db_open(&db, study, false) < 0) fail_msg("%s", mnas_error_message());
    if (mnas_db_prepare(&db, &stmt, sql) < 0) fail_msg("%s", mnas_error_message());
    while (mnas_db_step(&db, stmt, &row) == 0 && row) {
        for (int c = 0; c < sqlite3_column_count(stmt); c++) {
            const void *bytes = sqlite3_column_blob(stmt, c);
            const size_t n = (size_t)sqlite3_column_bytes(stmt, c);
            if (sqlite3_column_type(stmt, c) == SQLITE_FLOAT)
                mnas_str_appendf(out, "%a ", sqlite3_column_double(stmt, c));
            else if (sqlite3_column_type(stmt, c) == SQLITE_BLOB)
                mnas_str_appendf(out, "%zu:%016llx ", n,
                                 (unsigned long long)mnas_hash_bytes(MNAS_HASH_INIT, bytes, n));
            else
                mnas_str_appendf(out, "%s ", bytes ? (const char *)bytes : "null");
        }
        mnas_str_append(out, "\n");
    }
    sqlite3_finalize(stmt);
    mnas_db_close(&db);
}

/* Everything of a study that must not depend on how often it was killed or how many jobs it had. */
static inline char *fix_dump(const char *study) {
    mnas_str out = {0};
    fix_query(&out, study,
              "SELECT number, state, reason, tokens, arch, key, seed, accuracy_frac, reward, entropy_nats, "
              "params, macs, "
              "train_bytes, n_images, latency_median_ms, origin, rung FROM trial ORDER BY number");
    fix_query(&out, study, "SELECT * FROM epoch ORDER BY trial, epoch");
    fix_query(&out, study, "SELECT n_updates, entropy, baseline, state FROM snapshot ORDER BY n_updates");
    fix_query(&out, study, "SELECT * FROM setting WHERE name IN ('target_ms', 'w', 'alpha', 'beta')");
    assert_true(mnas_str_ok(&out));
    return out.data;
}

static inline void fix_same(const char *a, const char *b) {
    size_t line = 1, i = 0;
    while (a[i] && a[i] == b[i]) line += a[i++] == '\n';
    if (a[i] != b[i])
        fail_msg("studies differ from line %zu:\n%.300s\n--- and ---\n%.300s", line, a + i, b + i);
}

/* The number that a query gives. */
static inline long long fix_count(const char *study, const char *sql) {
    mnas_str out = {0};
    fix_query(&out, study, sql);
    const long long n = atoll(out.data ? out.data : "-1");
    mnas_str_free(&out);
    return n;
}

static inline void fix_execute(const char *study, const char *sql) {
    sqlite3 *db;
    char *message = NULL;
    assert_int_equal(sqlite3_open(study, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s: %s", sql, message);
    sqlite3_close(db);
}

static inline void fix_expect(int rc, int wanted, const char *words) {
    if (rc != wanted) fail_msg("status %d, expected %d: %s", rc, wanted, mnas_error_message());
    if (words && !strstr(mnas_error_message(), words))
        fail_msg("no \"%s\" in: %s", words, mnas_error_message());
}

#endif
