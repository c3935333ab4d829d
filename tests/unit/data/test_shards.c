/* test_shards.c - tar files of every kind, cut and damaged at every place; samples, patterns, and the order that shards are read in. */
#include "fixture_tar.h"

#include "base/error.h"
#include "data/examples.h"
#include "data/loader.h"
#include "data/order.h"
#include "data/shards.h"
#include "data/tar.h"

static void fresh(void) {
    fix_reset("shards");
}

/* ---- tar ---- */

/* "NAME SIZE first-byte;" of each member, then "end" or the error. */
static char *members(const char *name) {
    char path[1200];
    mnas_tar *tar;
    mnas_tar_member m;
    mnas_str text = {0};
    fix_path(path, name);
    assert_int_equal(mnas_tar_open(&tar, path), 0);
    int rc;
    while ((rc = mnas_tar_next(tar, &m)) > 0) {
        char first = '-';
        if (m.size > 0) assert_int_equal(mnas_tar_read(tar, m.offset, &first, 1), 0);
        mnas_str_appendf(&text, "%s %d %c;", m.name, (int)m.size, first);
    }
    mnas_str_appendf(&text, "%s", rc == 0 ? "end" : mnas_error_message());
    mnas_tar_close(tar);
    return text.data;
}

static void expect_members(const char *name, const char *expected) {
    char *got = members(name);
    if (strcmp(got, expected) != 0) fail_msg("%s\nexpected %s", got, expected);
    free(got);
}

static void every_kind_of_header(void **state) {
    (void)state;
    mnas_str t = {0};
    char big[5000], *long_name = malloc(301);
    fresh();
    memset(big, 'b', sizeof big);
    memset(long_name, 'n', 300), long_name[300] = '\0';
    tar_text(&t, "plain", "p");
    tar_header(&t, "some/folder", "prefixed", '0', 1), tar_data(&t, "q", 1);
    tar_header(&t, "", "folder/", '5', 0);
    tar_header(&t, "", "link", '2', 777); /* a size that means nothing */
    tar_header(&t, "", "binary", '0', -3), tar_data(&t, "rrr", 3);
    tar_file(&t, "big", big, sizeof big);
    tar_text(&t, "empty", "");
    tar_header(&t, "", "././@LongLink", 'L', 301), tar_data(&t, long_name, 301);
    tar_text(&t, "cut off", "l");
    tar_header(&t, "", "pax", 'x', 34), tar_data(&t, "19 path=from/a/pax\n15 comment=xyz\n", 34);
    tar_text(&t, "ignored", "x");
    tar_header(&t, "", "pax", 'x', 10), tar_data(&t, "10 size=2\n", 10);
    tar_header(&t, "", "sized", '0', 0), tar_data(&t, "yy", 2);
    tar_header(&t, "", "global", 'g', 18), tar_data(&t, "18 path=not/this\n\n", 18);
    tar_header(&t, "", "old", '\0', 1), tar_data(&t, "z", 1);
    tar_write(&t, "all.tar");
    mnas_str expected = {0};
    mnas_str_appendf(
        &expected,
        "plain 1 p;some/folder/prefixed 1 q;binary 3 r;big 5000 b;empty 0 -;%s 1 l;from/a/pax 1 x;"
        "sized 2 y;old 1 z;end",
        long_name);
    expect_members("all.tar", expected.data);
    mnas_str_free(&expected);
    free(long_name);
}

static void damage_is_said(void **state) {
    (void)state;
    static const struct {
        int at;
        const char *bytes, *says;
    } kinds[] = {{1024 + 10, "x", "a 1 1;damaged at byte 1024: no header"},
                 {1024 + 124, "9", "damaged at byte 1024: no header"},
                 {0, "", "a 1 1;b 1 2;cut short"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        mnas_str t = {0};
        fresh();
        tar_text(&t, "a", "1"), tar_text(&t, "b", "2");
        if (*kinds[i].bytes) {
            t.data[kinds[i].at] = *kinds[i].bytes;
            tar_write(&t, "bad.tar");
        } else {
            fix_write("bad.tar", t.data, t.len); /* without the end mark */
            mnas_str_free(&t);
        }
        char *got = members("bad.tar");
        if (!strstr(got, kinds[i].says)) fail_msg("%s", got);
        free(got);
    }
}

/* Nobody writes into the pipe: who waited for that would wait for ever. */
static void pipes_and_folders_are_no_shards(void **state) {
    (void)state;
    char path[1200];
    mnas_tar *tar;
    fresh();
    fix_path(path, "pipe.tar");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(mnas_tar_open(&tar, path), MNAS_ERR_FORMAT);
    assert_int_equal(mnas_tar_open(&tar, fix_dir), MNAS_ERR_FORMAT);
    assert_null(tar);
}

/* A size beyond the file, a size that is no number, pax records that lie. */
static void lies_are_refused(void **state) {
    (void)state;
    static const char *const records[] = {"99 path=x\n",  "9 path=xy\n", "x path=y\n\n",
                                          "10 pathxyz\n", "10 size=x\n", "-1 path=x\n"};
    for (size_t i = 0; i < sizeof records / sizeof *records + 2; i++) {
        mnas_str t = {0};
        fresh();
        if (i == 0) {
            tar_header(&t, "", "a", '0', 0777777777LL);
        } else if (i == 1) {
            tar_header(&t, "", "a", '0', 0);
            memcpy(t.data + 124, "12x", 3);
            tar_seal((uint8_t *)t.data);
        } else {
            tar_header(&t, "", "pax", 'x', (long long)strlen(records[i - 2]));
            tar_data(&t, records[i - 2], strlen(records[i - 2]));
            tar_text(&t, "a", "1");
        }
        tar_write(&t, "bad.tar");
        char *got = members("bad.tar");
        if (strstr(got, "end")) fail_msg("%d: %s", (int)i, got);
        free(got);
    }
}

/* ---- samples ---- */

static int list(mnas_listing *l, const char *name) {
    char path[1200];
    int largest = 0;
    fix_path(path, name);
    *l = (mnas_listing){0};
    if (mnas_shards_list(l, path, MNAS_SPLIT_TRAIN, &largest) < 0) fail_msg("%s", mnas_error_message());
    return largest;
}

static void samples_are_grouped(void **state) {
    (void)state;
    mnas_str t = {0};
    fresh();
    tar_text(&t, "./a/000.jpg", "J0"), tar_text(&t, "./a/000.cls", " 3\n");
    tar_text(&t, "001.cls", "1"), tar_text(&t, "001.json", "{\"label\": 9}"), tar_text(&t, "001.PNG", "P1");
    tar_text(&t, "002.json", "{\"text\": \"x\", \"label\": 7}"), tar_text(&t, "002.seg.png", "no"),
        tar_text(&t, "002.jpeg", "J2");
    tar_text(&t, "003.jpg", "J3");                                  /* no label */
    tar_text(&t, "004.jpg", "J4"), tar_text(&t, "004.cls", "four"); /* none that is a number */
    tar_text(&t, "005.jpg", "J5"), tar_text(&t, "005.json", "{\"label\": \"5\"}");
    tar_text(&t, "006.jpg", "J6"), tar_text(&t, "006.cls", "-1");
    tar_text(&t, "007.cls", "2"), tar_text(&t, "README", "hello");
    tar_text(&t, "008.jpg", "J8"), tar_text(&t, "008.cls", "2");
    tar_write(&t, "x.tar");
    mnas_listing l;
    assert_int_equal(list(&l, "x.tar"), 7);
    static const struct {
        const char *name, *bytes;
        int label;
    } expected[] = {
        {"./a/000.jpg", "J0", 3}, {"001.PNG", "P1", 1}, {"002.jpeg", "J2", 7}, {"008.jpg", "J8", 2}};
    if (l.n != 4) fail_msg("%d samples; skipped %s", (int)l.n, l.skipped.data);
    l.classes = 10;
    mnas_examples e;
    mnas_bytes bytes = {0};
    assert_int_equal(mnas_listing_finish(&l, &e), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(e.text + e.list[i].name, expected[i].name);
        assert_int_equal(e.labels[i], expected[i].label);
        assert_int_equal(mnas_examples_read(&e, i, &bytes), 0);
        assert_int_equal(bytes.n, 2);
        assert_memory_equal(bytes.data, expected[i].bytes, 2);
    }
    free(bytes.data);
    assert_int_equal(e.n_skipped, 4);
    assert_int_equal(e.n_ignored, 2);
    assert_non_null(strstr(l.skipped.data, "003: an image without a label"));
    assert_non_null(strstr(l.skipped.data, "006: its label is -1; allowed: 0 to 65534"));
    mnas_listing_free(&l);
}

/* Cut at any byte: what stands before is used, and the shard is named once, with what broke. */
static void cut_shards_give_what_they_have(void **state) {
    (void)state;
    mnas_str t = {0};
    fresh();
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.jpg", i), tar_text(&t, name, "J");
        snprintf(name, sizeof name, "%d.cls", i), tar_text(&t, name, "1");
    }
    for (size_t n = 0; n < t.len; n += 256) {
        fix_write("cut.tar", t.data, n);
        mnas_listing l;
        list(&l, "cut.tar");
        size_t whole = n / 2048; /* a sample has four blocks */
        if (l.n < whole || l.n > whole + 1) fail_msg("%zu bytes: %zu samples", n, l.n);
        assert_int_equal(l.n_skipped, 1);
        assert_non_null(strstr(l.skipped.data, "cut.tar: cut short"));
        mnas_listing_free(&l);
    }
    mnas_str_free(&t);
}

/* ---- patterns ---- */

static void check_pattern(const char *pattern, const char *expected) {
    char path[1300], *shown, *at;
    mnas_str found = {0};
    fix_path(path, pattern);
    int rc = mnas_shards_find(&found, path);
    shown = rc < 0 ? strdup(mnas_error_message()) : strdup(found.data ? found.data : "");
    while ((at = strstr(shown, fix_dir)))
        memmove(at, at + strlen(fix_dir) + 1, strlen(at + strlen(fix_dir) + 1) + 1);
    if (!strstr(shown, expected) || (rc == 0 && strlen(shown) != strlen(expected)))
        fail_msg("%s: %s, expected %s", pattern, shown, expected);
    free(shown);
    mnas_str_free(&found);
}

static void patterns_are_expanded(void **state) {
    (void)state;
    fresh();
    static const char *const names[] = {"t-000.tar", "t-001.tar", "t-002.tar",
                                        "t-9.tar",   "t-10.tar",  "v.tar"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) fix_write(names[i], "", 0);
    check_pattern("v.tar", "v.tar\n");
    check_pattern("t-{000..002}.tar", "t-000.tar\nt-001.tar\nt-002.tar\n");
    check_pattern("t-{9..10}.tar", "t-9.tar\nt-10.tar\n");
    check_pattern("t-{10..9}.tar", "t-10.tar\nt-9.tar\n");
    check_pattern("{v,t-{000..001}}.tar", "");
    check_pattern("{t-9,v}.tar", "t-9.tar\nv.tar\n");
    check_pattern("t-00{0..1}.{tar,tar}", "t-000.tar\nt-000.tar\nt-001.tar\nt-001.tar\n");
    check_pattern("t-00*.tar", "t-000.tar\nt-001.tar\nt-002.tar\n");
    check_pattern("{v,t-?}.tar", "v.tar\nt-9.tar\n");
    check_pattern("t-{000..003}.tar", "t-003.tar: no such file");
    check_pattern("x*.tar", "no such file");
    check_pattern("t-{000.tar", "a { without its }");
    check_pattern("t-{abc}.tar", "allowed: {000..146} or {a,b}");
}

/* ---- the order ---- */

enum { N_SHARDS = 6, N_EACH = 100, N_ALL = N_SHARDS * N_EACH };
static mnas_example table[N_ALL];
static uint32_t order_index[N_ALL];

static mnas_order start(int interleave, int buffer, int n, uint64_t seed) {
    static mnas_examples e;
    static mnas_dataset d;
    mnas_order o;
    for (uint32_t i = 0; i < N_ALL; i++) table[i].place = i / N_EACH, order_index[i] = i;
    e = (mnas_examples){.n = N_ALL, .list = table};
    d = (mnas_dataset){.examples = &e, .interleave = interleave, .buffer = buffer};
    const mnas_split split = {N_ALL, NULL, NULL, order_index};
    assert_int_equal(mnas_order_init(&o, &d, &split, n, true, seed), 0);
    return o;
}

static void check_permutation(const mnas_order *o) {
    bool seen[N_ALL] = {false};
    for (int i = 0; i < o->n; i++) {
        assert_true(o->at[i] < (uint32_t)o->n && !seen[o->at[i]]);
        seen[o->at[i]] = true;
    }
}

static void shards_are_read_side_by_side(void **state) {
    (void)state;
    static const int kinds[][2] = {{1, 1}, {2, 1}, {3, 50}, {64, 1024}, {4, 7}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        uint32_t first[N_ALL];
        mnas_order o = start(kinds[k][0], kinds[k][1], N_ALL, 3);
        for (int epoch = 0; epoch < 3; epoch++) {
            assert_int_equal(mnas_order_start(&o, epoch), 0);
            check_permutation(&o);
            if (epoch == 0) memcpy(first, o.at, sizeof first);
            if (epoch > 0) assert_memory_not_equal(first, o.at, sizeof first);
        }
        assert_int_equal(mnas_order_start(&o, 0), 0);
        assert_memory_equal(first, o.at, sizeof first);
        mnas_order_free(&o);
    }
}

/* Without a buffer: each shard from front to back, no more than so many at a time. */
static void reading_is_sequential(void **state) {
    (void)state;
    mnas_order o = start(2, 1, N_ALL, 5);
    assert_int_equal(mnas_order_start(&o, 0), 0);
    uint32_t next[N_SHARDS] = {0};
    for (int i = 0; i < N_ALL; i++) {
        uint32_t shard = o.at[i] / N_EACH;
        assert_int_equal(o.at[i] % N_EACH, next[shard]++);
        int n_open = 0;
        for (int s = 0; s < N_SHARDS; s++) n_open += next[s] > 0 && next[s] < N_EACH;
        assert_true(n_open <= 2);
    }
    mnas_order_free(&o);
}

/* A subset keeps to its shards too, and is the same for every epoch. */
static void subsets_are_of_shards(void **state) {
    (void)state;
    mnas_order o = start(3, 20, 123, 5), again = start(3, 20, 123, 5);
    assert_memory_equal(o.subset, again.subset, 123 * sizeof *o.subset);
    assert_int_equal(mnas_order_start(&o, 2), 0);
    check_permutation(&o);
    for (int i = 1; i < 123; i++) assert_true(o.subset[i] > o.subset[i - 1]);
    mnas_order_free(&o), mnas_order_free(&again);
}

/* ---- the dataset ---- */

static void write_shard(const char *name, int first, int n, int label_step) {
    static const char *const images[] = {"large.jpg", "rgb.png", "colour.jpg", "grey.jpg"};
    mnas_str t = {0};
    for (int i = first; i < first + n; i++) {
        char path[1200], member[64], label[16], *data;
        size_t bytes;
        snprintf(path, sizeof path, MNAS_SOURCE_DIR "/tests/unit/data/images/%s", images[i % 4]);
        assert_int_equal(mnas_file_read(path, 1 << 20, &data, &bytes), 0);
        snprintf(member, sizeof member, "%04d.%s", i, i % 4 == 1 ? "png" : "jpg"),
            tar_file(&t, member, data, bytes);
        snprintf(member, sizeof member, "%04d.cls", i),
            snprintf(label, sizeof label, "%d", i * label_step % 5);
        tar_text(&t, member, label);
        free(data);
    }
    tar_write(&t, name);
}

static const char *web(const char *pattern, const char *more) {
    static char text[2000];
    snprintf(text, sizeof text, "webdataset:path=%s/%s,size=16,decode=each%s%s", fix_dir, pattern,
             *more ? "," : "", more);
    return text;
}

static uint64_t digest(const mnas_dataset *d, int threads, int64_t from, int n_batches) {
    mnas_loader_options o = {.batch = 7,
                             .shuffle = true,
                             .crop = MNAS_CROP_AREA,
                             .augment = {.flip = true},
                             .std = {1, 1, 1},
                             .threads = threads};
    mnas_loader *l;
    mnas_batch b;
    uint64_t hash = 1469598103934665603u;
    assert_int_equal(mnas_loader_create(&l, d, MNAS_SPLIT_TRAIN, &o), 0);
    assert_int_equal(mnas_loader_seek(l, from), 0);
    for (int i = 0; i < n_batches; i++) {
        assert_int_equal(mnas_loader_next(l, &b), 0);
        assert_int_equal(b.n, 7);
        const uint8_t *bytes = (const uint8_t *)b.images;
        for (size_t k = 0; k < 7 * 16 * 16 * 3 * sizeof(float); k++)
            hash = (hash ^ bytes[k]) * 1099511628211u;
        for (int k = 0; k < 7; k++) hash = (hash ^ (uint64_t)b.labels[k]) * 1099511628211u;
    }
    assert_int_equal(mnas_loader_n_bad(l), 0);
    mnas_loader_destroy(l);
    return hash;
}

static void batches_come_from_shards(void **state) {
    (void)state;
    fresh();
    write_shard("t-0.tar", 0, 20, 1), write_shard("t-1.tar", 20, 20, 1), write_shard("t-2.tar", 40, 15, 1);
    write_shard("v-0.tar", 60, 9, 1);
    char more[700];
    snprintf(more, sizeof more, "val-path=%s/v-*.tar,interleave=2,buffer=9", fix_dir);
    mnas_dataset *d = fix_open(web("t-{0..2}.tar", more), 0);
    assert_int_equal(d->info.classes, 5);
    assert_int_equal(d->info.n_train, 55);
    assert_int_equal(d->info.n_val, 9);
    assert_int_equal(d->info.n_test, 0);
    uint64_t whole = digest(d, 1, 0, 16), later = digest(d, 1, 9, 5);
    for (int threads = 2; threads < 6; threads++) {
        assert_int_equal(digest(d, threads, 0, 16), whole);
        assert_int_equal(digest(d, threads, 9, 5), later);
    }
    mnas_dataset_close(d);
}

static void changes_of_shards_are_noticed(void **state) {
    (void)state;
    mnas_dataset *d;
    fresh();
    write_shard("t-0.tar", 0, 40, 1);
    d = fix_open(web("t-*.tar", ""), 0);
    assert_int_equal(d->info.n_train + d->info.n_val, 40);
    assert_in_range(d->info.n_val, 1, 15); /* a tenth of 40, drawn one by one */
    mnas_dataset_close(d);
    write_shard("t-1.tar", 40, 10, 1);
    d = fix_open(web("t-*.tar", ""), 0);
    assert_int_equal(d->info.n_train + d->info.n_val, 50);
    mnas_dataset_close(d);
    char path[1200];
    fix_path(path, "t-1.tar");
    assert_int_equal(truncate(path, 3000), 0);
    d = fix_open(web("t-*.tar", ""), 0);
    assert_int_equal(d->info.n_skipped, 1);
    assert_in_range(d->info.n_train + d->info.n_val, 40, 43);
    mnas_dataset_close(d);
    assert_int_equal(mnas_dataset_open(&d, web("t-*.tar", "classes=4"), 0), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "the largest label, which is 4"));
    assert_int_equal(mnas_dataset_open(&d, web("t-{0..3}.tar", ""), 0), MNAS_ERR_MISSING);
    assert_int_equal(mnas_dataset_open(&d, web("t-*.tar", ""), MNAS_ALLOW_TEST), MNAS_ERR_MISSING);
    fix_write("t-9.tar", "", 0);
    assert_int_equal(mnas_dataset_open(&d, web("t-9.tar", ""), 0), MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), "no image with a label"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_header),
        cmocka_unit_test(damage_is_said),
        cmocka_unit_test(pipes_and_folders_are_no_shards),
        cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(samples_are_grouped),
        cmocka_unit_test(cut_shards_give_what_they_have),
        cmocka_unit_test(patterns_are_expanded),
        cmocka_unit_test(shards_are_read_side_by_side),
        cmocka_unit_test(reading_is_sequential),
        cmocka_unit_test(subsets_are_of_shards),
        cmocka_unit_test(batches_come_from_shards),
        cmocka_unit_test(changes_of_shards_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, fix_teardown);
}
