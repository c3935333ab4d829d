/* test_imagefolder.c - folders of images: layouts, splits that stay, what is ignored, skipped or refused, and the pixels. */
#include "fixture.h"

#include "base/error.h"
#include "base/str.h"
#include "data/folder_list.h"

static void fresh(void) {
    fix_reset("imagefolder");
}

/* n images of a class below `part` ("" or "train/"), numbered from first. */
static void add_class(const char *part, const char *name, int first, int n) {
    char relative[200];
    for (int i = first; i < first + n; i++) {
        snprintf(relative, sizeof relative, "photos/%s%s/%03d.jpg", part, name, i);
        fix_copy_image(i % 2 ? "large.jpg" : "rgb.png", relative);
    }
}

static const char *spec(const char *more) {
    static char text[1000];
    snprintf(text, sizeof text, "imagefolder:path=%s/photos,size=8%s%s", fix_dir, *more ? "," : "", more);
    return text;
}

static mnas_dataset *open_all(const char *more) {
    return fix_open(spec(more), MNAS_ALLOW_TEST);
}

static void expect_error(const char *more, int status, const char *words) {
    mnas_dataset *d;
    assert_int_equal(mnas_dataset_open(&d, spec(more), MNAS_ALLOW_TEST), status);
    if (!strstr(mnas_error_message(), words)) fail_msg("%s", mnas_error_message());
}

static void named_splits_are_kept(void **state) {
    (void)state;
    fresh();
    add_class("train/", "b", 0, 6), add_class("train/", "a", 0, 4), add_class("train/", "c", 0, 5);
    add_class("val/", "a", 0, 2), add_class("val/", "c", 0, 1);
    add_class("test/", "b", 0, 3);
    mnas_dataset *d = open_all("");
    assert_int_equal(d->info.classes, 3);
    assert_int_equal(d->info.n_train, 15);
    assert_int_equal(d->info.n_val, 3);
    assert_int_equal(d->info.n_test, 3);
    assert_int_equal(d->info.height, 8);
    assert_int_equal(d->info.channels, 3);
    for (int i = 0; i < 15; i++)
        assert_int_equal(d->split[MNAS_SPLIT_TRAIN].labels[i], i < 4 ? 0 : i < 10 ? 1 : 2);
    for (int i = 0; i < 3; i++) assert_int_equal(d->split[MNAS_SPLIT_TEST].labels[i], 1);
    const mnas_split *val = &d->split[MNAS_SPLIT_VAL];
    for (int i = 0; i < 3; i++) assert_int_equal(val->labels[val->index[i]], i < 2 ? 0 : 2);
    mnas_dataset_close(d);
    mnas_class_info *classes;
    char *skipped;
    assert_int_equal(mnas_dataset_classes(&classes, &skipped, spec("")), 0);
    assert_string_equal(classes[1].name, "b");
    assert_int_equal(classes[1].n_train, 6);
    assert_int_equal(classes[2].n_val, 1);
    assert_string_equal(skipped, "");
    free(classes), free(skipped);
}

/* Which split every file is in, as one letter each, by name. */
static char *splits_of(const char *part, double val, double test, uint64_t seed) {
    char path[1300];
    mnas_folder_list list;
    mnas_str text = {0};
    snprintf(path, sizeof path, "%s/%s", fix_dir, part);
    if (mnas_folder_read(&list, path, "", true) < 0) fail_msg("%s", mnas_error_message());
    mnas_folder_split(&list, val, test, seed);
    for (size_t i = 0; i < list.n_files; i++)
        mnas_str_appendf(&text, "%s %c\n", mnas_folder_name(&list, &list.files[i]),
                         "tvT"[list.files[i].split]);
    mnas_folder_free(&list);
    return text.data;
}

static int count_char(const char *text, char c) {
    int n = 0;
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) n += strchr(line, '\n')[-1] == c;
    return n;
}

static void drawn_splits_stay(void **state) {
    (void)state;
    fresh();
    char name[64];
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "photos/%s/%04d.jpg", i % 2 ? "x" : "y", i);
        if (i < 2) fix_copy_image("grey.jpg", name);
        fix_write(name, "", 0);
    }
    char *before = splits_of("photos", 0.1, 0.1, 0), *other_seed = splits_of("photos", 0.1, 0.1, 5);
    /* binomial: 200 +- 13, and 180 +- 13 of the rest */
    assert_in_range(count_char(before, 'T'), 140, 260);
    assert_in_range(count_char(before, 'v'), 120, 240);
    for (const char *a = before, *b = other_seed; *a; a = strchr(a, '\n') + 1, b = strchr(b, '\n') + 1)
        assert_int_equal(strchr(a, '\n')[-1] == 'T',
                         strchr(b, '\n')[-1] == 'T'); /* no seed frees a test image */
    assert_string_not_equal(before, other_seed);
    for (int i = 5000; i < 5050; i++) { /* new files, new places in the order */
        snprintf(name, sizeof name, "photos/x/%s%04d.jpg", i % 2 ? "" : "0", i);
        fix_write(name, "", 0);
    }
    fix_copy_image("grey.jpg", "photos/a/new.jpg");
    char *after = splits_of("photos", 0.1, 0.1, 0);
    for (char *line = before, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        *end = '\0';
        if (!strstr(after, line)) fail_msg("moved: %s", line);
    }
    free(before), free(other_seed), free(after);
}

static void whole_folder_is_split(void **state) {
    (void)state;
    fresh();
    add_class("", "cats", 0, 40), add_class("", "dogs", 0, 40);
    mnas_dataset *d = open_all("");
    assert_int_equal(d->info.n_train + d->info.n_val + d->info.n_test, 80);
    assert_true(d->info.n_val > 0 && d->info.n_test > 0 && d->info.n_train > 50);
    mnas_dataset_close(d);
    d = fix_open(spec("test=0"), 0);
    assert_int_equal(d->info.n_train + d->info.n_val, 80);
    assert_int_equal(d->info.n_test, 0);
    mnas_dataset_close(d);
    expect_error("test=0", MNAS_ERR_MISSING, "no test images");
}

static void test_files_stay_closed(void **state) {
    (void)state;
    fresh();
    add_class("", "cats", 0, 40), add_class("", "dogs", 0, 40);
    mnas_dataset *d = fix_open(spec(""), 0);
    assert_int_equal(fix_count_cache(".test"), 0);
    assert_int_equal(d->split[MNAS_SPLIT_TEST].n, 0);
    assert_true(d->info.n_test > 0);
    mnas_dataset_close(d);
}

static void others_are_ignored_and_bad_ones_named(void **state) {
    (void)state;
    fresh();
    add_class("train/", "a", 0, 5), add_class("train/", "b", 0, 5), add_class("val/", "a", 0, 3);
    fix_write("photos/README", "text", 4);
    fix_write("photos/train/labels.csv", "text", 4);
    fix_write("photos/train/a/Thumbs.db", "text", 4);
    fix_write("photos/train/a/.hidden.jpg", "text", 4);
    fix_copy_image("rgb.png", "photos/train/a/.folder/x.png");
    fix_copy_image("wrong_name.png", "photos/train/a/no_extension");
    fix_copy_image("bad_cut.jpg", "photos/train/a/001a.jpg");
    fix_copy_image("bad_text.jpg", "photos/train/b/page.JPG");
    fix_copy_image("bad_gif.jpg", "photos/val/a/002a.png");
    fix_copy_image("bad_huge.png", "photos/train/b/line\nfeed\033[1m.png");
    fix_copy_image("grey.jpg", "photos/train/b/deep/er/x.jpeg");
    mnas_dataset *d = fix_open(spec("test=0"), 0);
    assert_int_equal(d->info.n_train, 5 + 1 + 5 + 1);
    assert_int_equal(d->info.n_val, 3);
    assert_int_equal(d->info.n_skipped, 4);
    assert_int_equal(d->info.n_ignored, 3);
    mnas_dataset_close(d);
    mnas_class_info *classes;
    char *skipped;
    assert_int_equal(mnas_dataset_classes(&classes, &skipped, spec("test=0")), 0);
    assert_non_null(strstr(skipped, "train/a/001a.jpg: JPEG"));
    assert_non_null(strstr(skipped, "train/b/page.JPG: a HTML"));
    assert_non_null(strstr(skipped, "train/b/line?feed?[1m.png: PNG of 15000x15000"));
    assert_non_null(strstr(skipped, "val/a/002a.png: a GIF"));
    assert_int_equal(classes[0].n_train, 6);
    free(classes), free(skipped);
}

static void links_are_followed_once(void **state) {
    (void)state;
    fresh();
    add_class("train/", "a", 0, 4), add_class("train/", "b", 0, 4), add_class("val/", "b", 0, 2);
    char path[1200], elsewhere[1200];
    fix_path(path, "photos/train/a/loop");
    assert_int_equal(symlink("..", path), 0); /* a/loop is train: holds a again */
    fix_copy_image("grey.jpg", "elsewhere/more/x.jpg");
    fix_path(path, "photos/train/b/link"), fix_path(elsewhere, "elsewhere/more");
    assert_int_equal(symlink(elsewhere, path), 0);
    fix_path(path, "photos/train/b/broken.jpg");
    assert_int_equal(symlink("nowhere", path), 0);
    mnas_dataset *d = fix_open(spec("test=0"), 0);
    /* through the loop a sees b's files once more: those 4, b's link, and its broken link */
    assert_int_equal(d->info.n_train, 4 + 4 + 1 + 4 + 1);
    assert_int_equal(d->info.n_skipped, 2);
    mnas_dataset_close(d);
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    fresh();
    add_class("", "a", 0, 4);
    expect_error("", MNAS_ERR_FORMAT, "1 folders of classes; expected 2");
    add_class("", "b", 0, 4);
    char path[1200];
    fresh();
    add_class("", "Train", 0, 4), add_class("", "Test", 0, 4);
    expect_error("", MNAS_ERR_FORMAT, "look like splits");
    fresh();
    add_class("", "a", 0, 4), add_class("", "b", 0, 4);
    fix_path(path, "photos/empty");
    assert_int_equal(mnas_file_mkdirs(path), 0);
    expect_error("", MNAS_ERR_FORMAT, "class \"empty\" has no image");
    fresh();
    add_class("train/", "a", 0, 4), add_class("train/", "b", 0, 4), add_class("val/", "z", 0, 4);
    expect_error("", MNAS_ERR_FORMAT, "no class \"z\"");
    fresh();
    add_class("train/", "a", 0, 4), add_class("train/", "b", 0, 4), add_class("valid/", "a", 0, 4);
    expect_error("", MNAS_ERR_FORMAT, "the folder valid");
    fresh();
    add_class("train/", "a", 0, 4), add_class("train/", "b", 0, 4);
    fix_path(path, "photos/val/a");
    assert_int_equal(mnas_file_mkdirs(path), 0);
    expect_error("", MNAS_ERR_FORMAT, "no image for validation");
    expect_error("channels=2", MNAS_ERR_ARG, "channels");
    add_class("val/", "a", 0, 1);
    fix_path(path, "photos/train/b");
    assert_int_equal(chmod(path, 0), 0);
    if (geteuid() != 0) expect_error("", MNAS_ERR_IO, "train/b");
    assert_int_equal(chmod(path, 0700), 0);
}

/* Another file, another cache; the same files, the same one. Hidden files do not count. */
static void the_key_is_the_files(void **state) {
    (void)state;
    fresh();
    add_class("train/", "a", 0, 4), add_class("train/", "b", 0, 4), add_class("val/", "b", 0, 2);
    mnas_dataset_close(fix_open(spec("test=0"), 0));
    fix_write("photos/train/a/.DS_Store", "x", 1);
    mnas_dataset_close(fix_open(spec("test=0"), 0));
    assert_int_equal(fix_count_cache(".train"), 1);
    mnas_dataset_close(fix_open(spec("channels=1,test=0"), 0));
    assert_int_equal(fix_count_cache(".train"), 2);
    fix_copy_image("grey.jpg", "photos/train/a/new.jpg");
    mnas_dataset *d = fix_open(spec("test=0"), 0);
    assert_int_equal(d->info.n_train, 9);
    assert_int_equal(fix_count_cache(".train"), 3);
    mnas_dataset_close(d);
}

static void expect_near(int value, int expected) {
    if (abs(value - expected) > 8) fail_msg("%d, expected about %d", value, expected);
}

/* large.jpg is 96x64, its red 2 x + y: the ways to make it square differ as they should. */
static void fits_differ(void **state) {
    (void)state;
    static const char *const fits[] = {"test=0,fit=crop", "test=0,fit=stretch", "test=0,fit=pad"};
    /* of 8x8, row 4: the left and right pixel; row 0: the fifth */
    static const int expected[3][3] = {{2 * 20 + 36, 2 * 76 + 36, 2 * 52 + 4},
                                       {2 * 6 + 36, 2 * 90 + 36, 2 * 54 + 4},
                                       {2 * 6 + 38, 2 * 90 + 38, 0}};
    fresh();
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 3; i++) {
            char name[64];
            snprintf(name, sizeof name, "photos/%s/%s/%d.jpg", i ? "train" : "val", k ? "a" : "b", i);
            fix_copy_image("large.jpg", name);
        }
    for (int f = 0; f < 3; f++) {
        mnas_dataset *d = fix_open(spec(fits[f]), 0);
        const uint8_t *p = d->split[0].pixels;
        expect_near(p[3 * (8 * 4 + 0)], expected[f][0]);
        expect_near(p[3 * (8 * 4 + 7)], expected[f][1]);
        expect_near(p[3 * 4], expected[f][2]);
        mnas_dataset_close(d);
    }
}

static void size_is_chosen(void **state) {
    (void)state;
    fresh();
    char text[1000];
    for (int i = 0; i < 8; i++) {
        char name[64];
        snprintf(name, sizeof name, "photos/%s/%s/%d.jpg", i < 4 ? "train" : "val", i % 2 ? "a" : "b", i);
        fix_copy_image("large.jpg", name);
    }
    snprintf(text, sizeof text, "imagefolder:path=%s/photos,test=0", fix_dir);
    mnas_dataset *d = fix_open(text, 0);
    assert_int_equal(d->info.height, 64);
    assert_int_equal(d->info.width, 64);
    mnas_dataset_close(d);
}

static void seventy_classes(void **state) {
    (void)state;
    fresh();
    char name[300], long_name[201];
    memset(long_name, 'n', 200), long_name[200] = '\0';
    for (int k = 0; k < 70; k++)
        for (int i = 0; i < 2; i++) {
            snprintf(name, sizeof name, "photos/%s/%s%03d/x.png", i ? "train" : "val", long_name, k);
            fix_copy_image("one_bit.png", name);
        }
    mnas_class_info *classes;
    char *skipped;
    if (mnas_dataset_classes(&classes, &skipped, spec("test=0")) < 0) fail_msg("%s", mnas_error_message());
    for (int k = 0; k < 70; k++) {
        snprintf(name, sizeof name, "%s%03d", long_name, k);
        assert_string_equal(classes[k].name, name);
        assert_int_equal(classes[k].n_train, 1);
    }
    free(classes), free(skipped);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_splits_are_kept),
        cmocka_unit_test(drawn_splits_stay),
        cmocka_unit_test(whole_folder_is_split),
        cmocka_unit_test(test_files_stay_closed),
        cmocka_unit_test(others_are_ignored_and_bad_ones_named),
        cmocka_unit_test(links_are_followed_once),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(the_key_is_the_files),
        cmocka_unit_test(fits_differ),
        cmocka_unit_test(size_is_chosen),
        cmocka_unit_test(seventy_classes),
    };
    return cmocka_run_group_tests(tests, NULL, fix_teardown);
}
