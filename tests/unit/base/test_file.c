/* test_file.c - bounded reading, gzip that lies, and writing which never leaves half a file. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/error.h"
#include "base/file.h"

static char folder[256];

static const char *at(const char *name) {
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void empty_folder(void) {
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (e->d_name[0] != '.') remove(at(e->d_name));
    }
    if (dir) closedir(dir);
}

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s/file.%ld", MNAS_TEST_TMP, (long)getpid());
    return mnas_file_mkdirs(folder);
}

static int remove_folder(void **state) {
    (void)state;
    empty_folder();
    return rmdir(folder);
}

static void put(const char *name, const void *data, size_t n) {
    FILE *f = fopen(at(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void put_gz(const char *name, const void *data, size_t n, const char *mode) {
    gzFile f = gzopen(at(name), mode);
    assert_non_null(f);
    if (n) assert_int_equal(gzwrite(f, data, (unsigned)n), n);
    assert_int_equal(gzclose(f), Z_OK);
}

static int n_entries(void) {
    int n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; (e = readdir(dir));) n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

/* ---- reading ---- */

static void the_bound_is_exact(void **state) {
    (void)state;
    static char text[100000];
    memset(text, 'q', sizeof text);
    static const size_t sizes[] = {0, 1, 2, 65535, 65536, 65537, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *data;
        size_t n = sizes[i], got;
        put("f", text, n);
        assert_int_equal(mnas_file_read(at("f"), n, &data, &got), 0);
        assert_int_equal(got, n);
        assert_memory_equal(data, text, n);
        assert_int_equal(data[n], 0);
        free(data);
        assert_int_equal(mnas_file_read(at("f"), SIZE_MAX, &data, &got), 0);
        free(data);
        if (n == 0) continue;
        assert_int_equal(mnas_file_read(at("f"), n - 1, &data, &got), MNAS_ERR_FORMAT);
        assert_non_null(strstr(mnas_error_message(), "at most"));
        assert_null(data);
    }
}

static void endless_files_end(void **state) {
    (void)state;
    char *data;
    size_t n;
    assert_int_equal(mnas_file_read("/dev/zero", 1000, &data, &n), MNAS_ERR_FORMAT);
    assert_int_equal(mnas_file_read("/proc/self/status", 100000, &data, &n), 0); /* says it has 0 bytes */
    assert_true(n > 0);
    free(data);
}

static void unreadable_paths(void **state) {
    (void)state;
    char *data;
    size_t n;
    assert_int_equal(mnas_file_read(at("absent"), 10, &data, &n), MNAS_ERR_IO);
    assert_non_null(strstr(mnas_error_message(), "absent: No such file"));
    assert_int_equal(mnas_file_read(folder, 10, &data, &n), MNAS_ERR_IO);
    assert_null(data);
}

static void check_gz(const char *name, size_t max, int want, const char *text, size_t n_text) {
    uint8_t *data;
    size_t n;
    int rc = mnas_file_read_gz(at(name), max, &data, &n);
    if (rc != want) fail_msg("%s: %d instead of %d: %s", name, rc, want, mnas_error_message());
    if (rc == 0) {
        assert_int_equal(n, n_text);
        assert_memory_equal(data, text, n_text);
        assert_int_equal(data[n], 0);
    } else {
        assert_null(data);
        assert_int_equal(n, 0);
        assert_non_null(strstr(mnas_error_message(), name));
    }
    free(data);
}

static void gzip_is_seen_by_its_magic(void **state) {
    (void)state;
    static char text[200000];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)(i * i >> 3);
    put_gz("a.gz", text, sizeof text, "wb9");
    check_gz("a.gz", sizeof text, 0, text, sizeof text);
    check_gz("a.gz", sizeof text - 1, MNAS_ERR_FORMAT, NULL, 0);
    put("plain", text, 1000);
    check_gz("plain", 1000, 0, text, 1000);
    check_gz("plain", 999, MNAS_ERR_FORMAT, NULL, 0);
    put("none", text, 0);
    check_gz("none", 10, 0, text, 0);
    put_gz("none.gz", text, 0, "wb");
    check_gz("none.gz", 0, 0, text, 0);
    put_gz("stored.gz", text, sizeof text, "wb0"); /* larger than its content */
    check_gz("stored.gz", sizeof text, 0, text, sizeof text);
    put_gz("two.gz", text, 70000, "wb");
    put_gz("two.gz", text + 70000, 1000, "ab"); /* members behind each other are one file */
    check_gz("two.gz", 71000, 0, text, 71000);
}

static void damaged_gzip_is_an_error(void **state) {
    (void)state;
    static char text[5000];
    char *packed;
    size_t n;
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)(i * 31 >> 2);
    put_gz("good.gz", text, sizeof text, "wb");
    assert_int_equal(mnas_file_read(at("good.gz"), 100000, &packed, &n), 0);
    for (size_t cut = 2; cut < n; cut += cut + 40 < n ? 7 : 1) { /* every end inside the trailer */
        put("cut.gz", packed, cut);
        check_gz("cut.gz", sizeof text, MNAS_ERR_FORMAT, NULL, 0);
    }
    for (size_t i = 1; i <= 8; i++) { /* a wrong checksum, a lying length */
        packed[n - i] ^= 0x55;
        put("lie.gz", packed, n);
        check_gz("lie.gz", sizeof text, MNAS_ERR_FORMAT, NULL, 0);
        packed[n - i] ^= 0x55;
    }
    packed[n / 2] ^= 0x10;
    put("bit.gz", packed, n);
    check_gz("bit.gz", sizeof text, MNAS_ERR_FORMAT, NULL, 0);
    packed[n / 2] ^= 0x10;
    char *longer = calloc(1, n + 10);
    memcpy(longer, packed, n);
    memcpy(longer + n, "rubbish!", 8);
    put("tail.gz", longer, n + 8);
    check_gz("tail.gz", sizeof text, MNAS_ERR_FORMAT, NULL, 0);
    free(longer);
    free(packed);
}

static void a_bomb_stops_at_the_bound(void **state) {
    (void)state;
    size_t n = 64 << 20;
    char *zeros = calloc(1, n);
    put_gz("bomb.gz", zeros, n, "wb1");
    free(zeros);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    check_gz("bomb.gz", 100000, MNAS_ERR_FORMAT, NULL, 0);
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_maxrss - before.ru_maxrss < 8 << 10); /* KiB */
}

/* ---- writing ---- */

static void check_content(const char *name, const char *want) {
    char *data;
    size_t n;
    assert_int_equal(mnas_file_read(at(name), 1 << 20, &data, &n), 0);
    assert_string_equal(data, want);
    free(data);
}

static void writing_replaces(void **state) {
    (void)state;
    empty_folder();
    assert_int_equal(mnas_file_write_atomic(at("w"), "one", 3), 0);
    check_content("w", "one");
    assert_int_equal(mnas_file_write_atomic(at("w"), "", 0), 0);
    check_content("w", "");
    mnas_file_writer w;
    assert_int_equal(mnas_file_writer_open(&w, at("w")), 0);
    assert_int_equal(mnas_file_writer_write(&w, "ab", 2), 0);
    check_content("w", ""); /* nothing shows before the commit */
    assert_int_equal(mnas_file_writer_write(&w, "cd", 2), 0);
    assert_int_equal(mnas_file_writer_commit(&w), 0);
    mnas_file_writer_abort(&w);
    check_content("w", "abcd");
    assert_int_equal(n_entries(), 1);
}

static void abort_leaves_the_old_file(void **state) {
    (void)state;
    empty_folder();
    put("w", "old", 3);
    mnas_file_writer w;
    assert_int_equal(mnas_file_writer_open(&w, at("w")), 0);
    assert_int_equal(mnas_file_writer_write(&w, "new", 3), 0);
    check_content("w", "old");
    mnas_file_writer_abort(&w);
    mnas_file_writer_abort(&w);
    assert_int_equal(mnas_file_writer_commit(&w), MNAS_ERR_IO);
    check_content("w", "old");
    assert_int_equal(n_entries(), 1);
}

static void a_size_limit_leaves_the_old_file(void **state) {
    (void)state;
    static char big[100000];
    struct rlimit old, small;
    empty_folder();
    put("w", "old", 3);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){5000, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    int rc = mnas_file_write_atomic(at("w"), big, sizeof big);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(rc, MNAS_ERR_IO);
    assert_non_null(strstr(mnas_error_message(), "File too large"));
    check_content("w", "old");
    assert_int_equal(n_entries(), 1);
}

static void a_full_disk_leaves_the_old_file(void **state) {
    (void)state;
    empty_folder();
    put("w", "old", 3);
    mnas_file_writer w;
    assert_int_equal(mnas_file_writer_open(&w, at("w")), 0);
    int full = open("/dev/full", O_WRONLY); /* every write to it fails with ENOSPC */
    assert_true(full >= 0);
    assert_int_equal(dup2(full, w.fd), w.fd);
    close(full);
    assert_int_equal(mnas_file_writer_write(&w, "new", 3), MNAS_ERR_FULL);
    assert_int_equal(mnas_file_writer_write(&w, "", 0), MNAS_ERR_IO); /* no commit of half a file */
    assert_int_equal(mnas_file_writer_commit(&w), MNAS_ERR_IO);
    check_content("w", "old");
    assert_int_equal(n_entries(), 1);
}

static void only_files_are_replaced(void **state) {
    (void)state;
    char link_path[256];
    empty_folder();
    put("w", "old", 3);
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    assert_int_equal(mnas_file_write_atomic(at("pipe"), "new", 3), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "a device or a pipe"));
    assert_int_equal(mnas_file_write_atomic("/dev/full", "new", 3), MNAS_ERR_ARG);
    snprintf(link_path, sizeof link_path, "%s", at("link"));
    assert_int_equal(symlink("w", link_path), 0);
    assert_true(mnas_file_same(link_path, at("w")));
    assert_false(mnas_file_same(at("pipe"), link_path));
    assert_int_equal(mnas_file_write_atomic(link_path, "new", 3),
                     0); /* the target's content, the link stays */
    check_content("w", "new");
    struct stat st;
    assert_int_equal(lstat(link_path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
}

static void a_killed_writer_leaves_nothing(void **state) {
    (void)state;
    empty_folder();
    put("w", "old", 3);
    pid_t child = fork();
    if (child == 0) {
        mnas_file_writer w;
        if (mnas_file_writer_open(&w, at("w")) < 0 || mnas_file_writer_write(&w, "new", 3) < 0) _exit(1);
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    check_content("w", "old");
    int nameless =
        open(folder, O_WRONLY | O_TMPFILE, 0600); /* where the file system has none, a file stays */
    assert_int_equal(n_entries(), nameless >= 0 ? 1 : 2);
    if (nameless >= 0) close(nameless);
    empty_folder();
    char stale[64]; /* of a process that was killed between its two last steps and had our number */
    snprintf(stale, sizeof stale, "w.tmp.%ld", (long)getpid());
    put(stale, "half", 4);
    assert_int_equal(mnas_file_write_atomic(at("w"), "new", 3), 0);
    check_content("w", "new");
    assert_int_equal(n_entries(), 1);
}

static void impossible_targets(void **state) {
    (void)state;
    empty_folder();
    assert_int_equal(mnas_file_write_atomic(at("no/such/folder"), "x", 1), MNAS_ERR_IO);
    assert_int_equal(mkdir(at("dir"), 0777), 0);
    put("dir/x", "", 0);
    assert_int_equal(mnas_file_write_atomic(at("dir"), "x", 1), MNAS_ERR_ARG);
    assert_int_equal(n_entries(), 1);
    remove(at("dir/x"));
    char name[2000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(mnas_file_write_atomic(name, "x", 1), MNAS_ERR_ARG);
    if (geteuid() == 0) return; /* the superuser may write into a read-only folder */
    put("w", "old", 3);
    assert_int_equal(chmod(folder, 0555), 0);
    int rc = mnas_file_write_atomic(at("w"), "new", 3);
    chmod(folder, 0755);
    assert_int_equal(rc, MNAS_ERR_IO);
    check_content("w", "old");
}

/* ---- mapping and folders ---- */

static void mapping(void **state) {
    (void)state;
    const void *data;
    size_t n;
    put("m", "mapped", 6);
    assert_int_equal(mnas_file_map(at("m"), &data, &n), 0);
    assert_int_equal(n, 6);
    assert_memory_equal(data, "mapped", 6);
    mnas_file_unmap(data, n);
    mnas_file_unmap(NULL, 0);
    put("m", "", 0);
    assert_int_equal(mnas_file_map(at("m"), &data, &n), MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), "empty"));
    assert_int_equal(mnas_file_map(folder, &data, &n), MNAS_ERR_IO);
    assert_int_equal(mnas_file_map(at("absent"), &data, &n), MNAS_ERR_IO);
    assert_null(data);
}

static void folders(void **state) {
    (void)state;
    empty_folder();
    assert_int_equal(mnas_file_mkdirs(at("a/b//c/")), 0);
    assert_int_equal(mnas_file_mkdirs(at("a/b/c")), 0);
    assert_true(mnas_file_exists(at("a/b/c")));
    assert_false(mnas_file_exists(at("a/b/d")));
    put("a/file", "", 0);
    assert_int_equal(mnas_file_mkdirs(at("a/file")), MNAS_ERR_IO);
    assert_int_equal(mnas_file_mkdirs(at("a/file/x")), MNAS_ERR_IO);
    assert_int_equal(mnas_file_mkdirs("/"), 0);
    assert_int_equal(mnas_file_mkdirs(""), MNAS_ERR_IO);
    static const char *const parts[] = {"a/file", "a/b/c", "a/b", "a"};
    for (int i = 0; i < 4; i++) assert_int_equal(remove(at(parts[i])), 0);
}

static void cache_folder(void **state) {
    (void)state;
    char buf[512], small[8];
    setenv("MNAS_CACHE_DIR", at("own"), 1);
    setenv("XDG_CACHE_HOME", at("xdg"), 1);
    setenv("HOME", at("home"), 1);
    assert_int_equal(mnas_file_cache_dir(buf, sizeof buf), 0);
    assert_string_equal(buf, at("own"));
    assert_true(mnas_file_exists(buf));
    assert_int_equal(mnas_file_cache_dir(small, sizeof small), MNAS_ERR_ARG);
    unsetenv("MNAS_CACHE_DIR");
    assert_int_equal(mnas_file_cache_dir(buf, sizeof buf), 0);
    assert_string_equal(buf, at("xdg/mnas"));
    unsetenv("XDG_CACHE_HOME");
    assert_int_equal(mnas_file_cache_dir(buf, sizeof buf), 0);
    assert_string_equal(buf, at("home/.cache/mnas"));
    unsetenv("HOME");
    assert_int_equal(mnas_file_cache_dir(buf, sizeof buf), MNAS_ERR_MISSING);
    static const char *const parts[] = {"own", "xdg/mnas", "xdg", "home/.cache/mnas", "home/.cache", "home"};
    for (int i = 0; i < 6; i++) assert_int_equal(remove(at(parts[i])), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_is_exact),
        cmocka_unit_test(endless_files_end),
        cmocka_unit_test(unreadable_paths),
        cmocka_unit_test(gzip_is_seen_by_its_magic),
        cmocka_unit_test(damaged_gzip_is_an_error),
        cmocka_unit_test(a_bomb_stops_at_the_bound),
        cmocka_unit_test(writing_replaces),
        cmocka_unit_test(abort_leaves_the_old_file),
        cmocka_unit_test(a_size_limit_leaves_the_old_file),
        cmocka_unit_test(a_full_disk_leaves_the_old_file),
        cmocka_unit_test(only_files_are_replaced),
        cmocka_unit_test(a_killed_writer_leaves_nothing),
        cmocka_unit_test(impossible_targets),
        cmocka_unit_test(mapping),
        cmocka_unit_test(folders),
        cmocka_unit_test(cache_folder),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
