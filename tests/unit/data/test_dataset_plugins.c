/* test_dataset_plugins.c - the contract of every dataset plug-in: each line of datasets.def is enrolled by itself.
 *
 * One folder holds files of every format, so that path=FOLDER opens each of them.
 */
#include "fixture_tar.h"

enum { N_TRAIN = 40, N_VAL = 7, N_TEST = 10 };

/* Classes in folders, beside the other files; validation images are of the training block. */
static void fill_class_folders(void) {
    char *data;
    size_t n;
    assert_int_equal(mnas_file_read(MNAS_SOURCE_DIR "/tests/unit/data/images/colour.jpg", 1 << 20, &data, &n),
                     0);
    for (int i = 0; i < N_TRAIN + N_TEST; i++) {
        const char *part = i < N_TRAIN - N_VAL ? "train" : i < N_TRAIN ? "val" : "test";
        char name[64], path[1200];
        snprintf(name, sizeof name, "%s/class%d", part, i % 2);
        fix_path(path, name);
        assert_int_equal(mnas_file_mkdirs(path), 0);
        snprintf(name, sizeof name, "%s/class%d/%02d.jpg", part, i % 2, i);
        fix_write(name, data, n);
    }
    free(data);
}

/* The same images in shards. */
static void fill_shards(void) {
    static const char *const names[] = {"train-0.tar", "val-0.tar", "test-0.tar"};
    const int ends[] = {N_TRAIN - N_VAL, N_TRAIN, N_TRAIN + N_TEST};
    char *data;
    size_t n;
    assert_int_equal(mnas_file_read(MNAS_SOURCE_DIR "/tests/unit/data/images/colour.jpg", 1 << 20, &data, &n),
                     0);
    for (int part = 0, i = 0; part < 3; part++) {
        mnas_str tar = {0};
        for (; i < ends[part]; i++) {
            char name[64];
            snprintf(name, sizeof name, "%02d.jpg", i), tar_file(&tar, name, data, n);
            snprintf(name, sizeof name, "%02d.cls", i), tar_text(&tar, name, i % 2 ? "1" : "0");
        }
        tar_write(&tar, names[part]);
    }
    free(data);
}

static int fill_folder(void **state) {
    (void)state;
    fix_reset("plugins");
    fill_class_folders();
    fill_shards();
    fix_write_folder(N_TRAIN, N_TEST, "");
    for (int i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%d.bin", i + 1);
        fix_write_cifar(name, N_TRAIN / 5, i * N_TRAIN / 5);
    }
    fix_write_cifar("test_batch.bin", N_TEST, N_TRAIN);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    fix_remove(fix_dir);
    return 0;
}

static const mnas_dataset_class *class_at(size_t i) {
    size_t n;
    const mnas_plugin *const *list = mnas_dataset_plugins(&n);
    return i < n ? (const mnas_dataset_class *)list[i] : NULL;
}

static bool has_option(const mnas_plugin *plugin, const char *name) {
    for (const mnas_opt *o = plugin->opts; o->name; o++)
        if (strcmp(o->name, name) == 0) return true;
    return false;
}

static void records_are_complete(void **state) {
    (void)state;
    const mnas_dataset_class *cls;
    size_t n = 0;
    for (; (cls = class_at(n)); n++) {
        const char *name = cls->plugin.name;
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(name));
        assert_true(cls->plugin.help && cls->shape && (cls->sources || cls->fingerprint) && cls->decode);
        assert_true(has_option(&cls->plugin, "val") && has_option(&cls->plugin, "val-seed") &&
                    has_option(&cls->plugin, "size"));
    }
    assert_true(n >= 3);
}

static void sources_exist_and_shape_counts(void **state) {
    (void)state;
    const mnas_dataset_class *cls;
    for (size_t i = 0; (cls = class_at(i)); i++) {
        const mnas_plugin *found, *list[] = {&cls->plugin};
        void *opts;
        mnas_str paths = {0};
        mnas_dataset_shape shape;
        assert_int_equal(
            mnas_registry_open(list, 1, "dataset", fix_spec(cls->plugin.name, ""), &found, &opts), 0);
        assert_int_equal((cls->fingerprint ? cls->fingerprint : cls->sources)(opts, &paths), 0);
        assert_int_equal(paths.data[paths.len - 1], '\n');
        for (char *path = strtok(paths.data, "\n"); path && !cls->fingerprint; path = strtok(NULL, "\n"))
            assert_true(mnas_file_exists(path));
        assert_int_equal(cls->shape(opts, &shape), 0);
        assert_int_equal(shape.n_train, N_TRAIN);
        assert_int_equal(shape.n_test, N_TEST);
        mnas_str_free(&shape.class_names);
        mnas_str_free(&paths);
        free(opts);
    }
}

static void opening_twice_gives_the_same(void **state) {
    (void)state;
    const mnas_dataset_class *cls;
    for (size_t i = 0; (cls = class_at(i)); i++) {
        const char *spec = fix_spec(cls->plugin.name, cls->splits ? "" : "val=7");
        mnas_dataset *a = fix_open(spec, MNAS_ALLOW_TEST), *b = fix_open(a->info.spec, MNAS_ALLOW_TEST);
        assert_int_equal(a->info.n_train, N_TRAIN - N_VAL);
        assert_int_equal(a->info.n_test, N_TEST);
        assert_string_equal(a->info.spec, b->info.spec);
        assert_int_equal(a->map_bytes, b->map_bytes);
        assert_memory_equal(a->map, b->map, a->map_bytes);
        assert_memory_equal(a->test_map, b->test_map, a->test_map_bytes);
        for (int k = 0; k < N_TRAIN; k++)
            assert_in_range(a->split[MNAS_SPLIT_TRAIN].labels[k], 0, a->info.classes - 1);
        mnas_dataset_close(a);
        mnas_dataset_close(b);
    }
}

/* Every dataset is resized, into a file of its own beside the one of its stored size. */
static void size_resizes(void **state) {
    (void)state;
    const mnas_dataset_class *cls;
    for (size_t i = 0; (cls = class_at(i)); i++) {
        mnas_dataset *stored = fix_open(fix_spec(cls->plugin.name, ""), 0);
        mnas_dataset *small = fix_open(fix_spec(cls->plugin.name, "size=2"), MNAS_ALLOW_TEST);
        assert_string_not_equal(stored->info.cache_path, small->info.cache_path);
        assert_int_equal(small->info.height, 2);
        assert_int_equal(small->info.width, 2);
        assert_int_equal(small->info.n_train, stored->info.n_train);
        assert_int_equal(small->info.channels, stored->info.channels);
        assert_int_equal(small->info.n_test, N_TEST);
        assert_memory_equal(small->split[0].labels, stored->split[0].labels, N_TRAIN * sizeof(uint16_t));
        assert_memory_equal(small->order, stored->order, N_TRAIN * sizeof *small->order);
        mnas_dataset_close(stored);
        mnas_dataset_close(small);
    }
}

static void nothing_there_is_missing(void **state) {
    (void)state;
    const mnas_dataset_class *cls;
    for (size_t i = 0; (cls = class_at(i)); i++) {
        mnas_dataset *d;
        char spec[1400];
        snprintf(spec, sizeof spec, "%s:path=%s/nowhere", cls->plugin.name, fix_dir);
        assert_int_equal(mnas_dataset_open(&d, spec, 0), MNAS_ERR_MISSING);
        assert_null(d);
        assert_non_null(strstr(mnas_error_message(), "/nowhere"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_complete),         cmocka_unit_test(sources_exist_and_shape_counts),
        cmocka_unit_test(opening_twice_gives_the_same), cmocka_unit_test(size_resizes),
        cmocka_unit_test(nothing_there_is_missing),
    };
    return cmocka_run_group_tests(tests, fill_folder, remove_folder);
}
