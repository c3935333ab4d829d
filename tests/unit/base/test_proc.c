/* test_proc.c - children that talk too much, hang, die, cannot start, or lose their parent.
 *
 * Run as `test_proc hold` it is the parent that gets killed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/proc.h"

#define SH(script) ((const char *const[]){"sh", "-c", (script), NULL})

static mnas_proc *start(const char *const argv[], const char *input) {
    mnas_proc *p;
    if (mnas_proc_start(&p, argv, input, 0) < 0) fail_msg("%s", mnas_error_message());
    return p;
}

static const mnas_proc_result *finish(mnas_proc *p) {
    double deadline_s = mnas_clock_now_s() + 20;
    while (!mnas_proc_done(p)) {
        assert_true(mnas_clock_now_s() < deadline_s);
        assert_int_equal(mnas_proc_wait(&p, 1, 1000), 0);
    }
    return mnas_proc_result_of(p);
}

/* The next line within 20 s. */
static const char *line_of(mnas_proc *p) {
    double deadline_s = mnas_clock_now_s() + 20;
    const char *line;
    while (!(line = mnas_proc_next_line(p))) {
        assert_false(mnas_proc_done(p));
        assert_true(mnas_clock_now_s() < deadline_s);
        assert_int_equal(mnas_proc_wait(&p, 1, 1000), 0);
    }
    return line;
}

/* Gone, or a zombie that nobody reaps. */
static bool is_gone(pid_t pid) {
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *f = fopen(path, "r");
    if (!f) return true;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    const char *paren = n ? strrchr(text, ')') : NULL;
    return !paren || paren[2] == 'Z' || paren[2] == 'X';
}

static bool goes_away(pid_t pid) {
    for (int i = 0; i < 500 && !is_gone(pid); i++) mnas_clock_sleep_ms(10);
    return is_gone(pid);
}

static int n_open_files(void) {
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir)) n++;
    closedir(dir);
    return n;
}

/* ---- what comes and goes ---- */

static void lines_come_one_by_one(void **state) {
    (void)state;
    mnas_proc *p = start(SH("echo one; echo; sleep 0.05; printf 'two\\nlast'; echo oops >&2; exit 3"), NULL);
    assert_string_equal(line_of(p), "one");
    assert_string_equal(line_of(p), "");
    assert_string_equal(line_of(p), "two");
    assert_string_equal(line_of(p), "last"); /* has no newline */
    const mnas_proc_result *r = finish(p);
    assert_null(mnas_proc_next_line(p));
    assert_int_equal(r->exit_code, 3);
    assert_int_equal(r->signal, 0);
    assert_string_equal(r->err, "oops\n");
    assert_true(r->wall_s >= 0.05 && r->wall_s < 20);
    mnas_proc_free(p);
}

static char *big_text(size_t n) {
    char *text = malloc(n + 1);
    assert_non_null(text);
    for (size_t i = 0; i < n; i++) text[i] = i % 64 == 63 ? '\n' : (char)('a' + (i / 64 + i) % 26);
    text[n] = '\0';
    return text;
}

static void big_both_ways_does_not_deadlock(void **state) {
    (void)state;
    char *text = big_text(8 << 20), *out;
    const char *const cat[] = {"cat", NULL};
    assert_int_equal(mnas_proc_run(cat, text, 60, &out), 0);
    assert_int_equal(strlen(out), 8 << 20);
    assert_true(strcmp(out, text) == 0);
    free(out);
    /* output first, on both channels, before a byte of the input is read */
    int rc =
        mnas_proc_run(SH("head -c 3000000 /dev/zero | tr '\\0' x | tee /dev/fd/2; wc -c"), text, 60, &out);
    assert_int_equal(rc, 0);
    assert_string_equal(out + 3000000, "8388608\n");
    free(out);
    free(text);
}

static void lines_of_big_output_are_whole(void **state) {
    (void)state;
    mnas_proc *p = start(SH("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"), NULL);
    for (int i = 0; i < 20000; i++) {
        char want[32];
        snprintf(want, sizeof want, "line %d", i);
        const char *line = line_of(p);
        if (strcmp(line, want) != 0) fail_msg("%s instead of %s", line, want);
    }
    assert_int_equal(finish(p)->exit_code, 0);
    assert_null(mnas_proc_next_line(p));
    mnas_proc_free(p);
}

static void unread_input_is_no_failure(void **state) {
    (void)state;
    char *text = big_text(4 << 20), *out;
    assert_int_equal(mnas_proc_run(SH("head -c 5"), text, 60, &out), 0); /* SIGPIPE would end us here */
    assert_string_equal(out, "abcde");
    free(out);
    assert_int_equal(mnas_proc_run(SH("exec 0<&-; sleep 0.05; echo done"), text, 60, &out), 0);
    assert_string_equal(out, "done\n");
    free(out);
    free(text);
}

static void no_input_is_an_empty_one(void **state) {
    (void)state;
    char *out;
    assert_int_equal(mnas_proc_run(SH("wc -c"), NULL, 20, &out), 0);
    assert_int_equal(atoi(out), 0);
    free(out);
    assert_int_equal(mnas_proc_run(SH(":"), "", 20, &out), 0);
    assert_string_equal(out, "");
    free(out);
}

static void the_tail_of_stderr_is_kept(void **state) {
    (void)state;
    mnas_proc *p = start(SH("head -c 1000000 /dev/zero | tr '\\0' y >&2; echo the end >&2"), NULL);
    const mnas_proc_result *r = finish(p);
    size_t n = strlen(r->err);
    assert_int_equal(n, 64 << 10);
    assert_string_equal(r->err + n - 10, "yythe end\n");
    mnas_proc_free(p);
}

static void several_at_once(void **state) {
    (void)state;
    enum { N = 12 };
    mnas_proc *p[N] = {NULL};
    double start_s = mnas_clock_now_s();
    for (int i = 0; i < N; i++) {
        if (i != 5) p[i] = start(SH("sleep 0.2; cat"), "hello\n"); /* one entry stays NULL */
    }
    int n_done = 0;
    while (n_done < N - 1) {
        assert_int_equal(mnas_proc_wait(p, N, 5000), 0);
        n_done = 0;
        for (int i = 0; i < N; i++) n_done += p[i] && mnas_proc_done(p[i]);
        assert_true(mnas_clock_now_s() - start_s < 20);
    }
    for (int i = 0; i < N; i++) {
        if (p[i]) assert_string_equal(mnas_proc_next_line(p[i]), "hello");
    }
    assert_true(mnas_clock_now_s() - start_s < 0.2 * (N - 1)); /* side by side */
    assert_int_equal(mnas_proc_wait(p, N, 60000), 0);          /* nothing left to wait for: at once */
    for (int i = 0; i < N; i++) mnas_proc_free(p[i]);
    assert_true(mnas_clock_now_s() - start_s < 20);
}

static void last_words_are_never_lost(void **state) {
    (void)state;
    const char *const argv[] = {"echo", "words", NULL}; /* ends right after writing */
    for (int i = 0; i < 200; i++) {
        char *out;
        assert_int_equal(mnas_proc_run(argv, NULL, 20, &out), 0);
        assert_string_equal(out, "words\n");
        free(out);
    }
}

static void waiting_is_not_spinning(void **state) {
    (void)state;
    mnas_proc *p = start(SH("sleep 0.5"), NULL);
    int n = 0;
    while (!mnas_proc_done(p)) {
        mnas_proc_wait(&p, 1, 100);
        n++;
    }
    assert_true(n >= 3 && n <= 12);
    mnas_proc_free(p);
}

/* ---- failures ---- */

static void a_missing_program_is_named(void **state) {
    (void)state;
    mnas_proc *p;
    const char *const absent[] = {"no-such-program-here", NULL}, *const dir[] = {"/", NULL};
    int before = n_open_files();
    assert_int_equal(mnas_proc_start(&p, absent, "x", 0), MNAS_ERR_CHILD);
    assert_null(p);
    assert_string_equal(mnas_error_message(), "cannot start no-such-program-here: No such file or directory");
    assert_int_equal(mnas_proc_start(&p, dir, NULL, 0), MNAS_ERR_CHILD);
    assert_string_equal(mnas_error_message(), "cannot start /: Permission denied");
    assert_int_equal(n_open_files(), before);
}

static void exits_and_signals_are_told_apart(void **state) {
    (void)state;
    char *out;
    int rc = mnas_proc_run(SH("echo first >&2; echo disk on fire >&2; echo >&2; exit 7"), NULL, 20, &out);
    assert_int_equal(rc, MNAS_ERR_CHILD);
    assert_string_equal(mnas_error_message(), "sh failed with exit code 7: disk on fire");
    assert_null(out);
    assert_int_equal(mnas_proc_run(SH("kill -SEGV $$"), NULL, 20, &out), MNAS_ERR_CHILD);
    assert_string_equal(mnas_error_message(), "sh was ended by signal 11 (Segmentation fault)");
    mnas_proc *p = start(SH("kill -KILL $$"), NULL);
    const mnas_proc_result *r = finish(p);
    assert_int_equal(r->exit_code, -1);
    assert_int_equal(r->signal, SIGKILL);
    mnas_proc_free(p);
}

static void a_flood_is_no_answer(void **state) {
    (void)state;
    char *out;
    assert_int_equal(mnas_proc_run(SH("cat /dev/zero"), NULL, 120, &out), MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), "64 MiB"));
    assert_null(out);
}

static void a_timeout_ends_the_whole_group(void **state) {
    (void)state;
    char *out;
    double start_s = mnas_clock_now_s();
    assert_int_equal(mnas_proc_run(SH("sleep 100 & sleep 100"), NULL, 0.2, &out), MNAS_ERR_TIMEOUT);
    assert_string_equal(mnas_error_message(), "sh still ran after 0.2 s");
    assert_true(mnas_clock_now_s() - start_s < 10);
    assert_null(out);
    /* one that talks all the time is no exception */
    assert_int_equal(mnas_proc_run(SH("while :; do echo x; sleep 0.01; done"), NULL, 0.2, &out),
                     MNAS_ERR_TIMEOUT);
}

static void kill_reaches_grandchildren(void **state) {
    (void)state;
    mnas_proc *p = start(SH("sleep 100 & echo $!; wait"), NULL);
    pid_t grandchild = (pid_t)atol(line_of(p));
    assert_true(grandchild > 1 && !is_gone(grandchild));
    mnas_proc_kill(p);
    const mnas_proc_result *r = finish(p);
    assert_int_equal(r->signal, SIGKILL);
    assert_true(goes_away(grandchild));
    mnas_proc_kill(p); /* of a done one: nothing */
    mnas_proc_free(p);
}

static void what_outlives_a_child_is_ended(void **state) {
    (void)state;
    double start_s = mnas_clock_now_s();
    mnas_proc *p = start(SH("sleep 100 & echo $!; exit 0"), NULL); /* the pipes stay open in `sleep` */
    pid_t grandchild = (pid_t)atol(line_of(p));
    assert_int_equal(finish(p)->exit_code, 0);
    assert_true(mnas_clock_now_s() - start_s < 10);
    assert_true(goes_away(grandchild));
    mnas_proc_free(p);
}

static void free_ends_a_running_child(void **state) {
    (void)state;
    int before = n_open_files();
    mnas_proc *p = start(SH("echo $$; exec sleep 100"), NULL);
    pid_t child = (pid_t)atol(line_of(p));
    mnas_proc_pause(p); /* even a stopped one */
    mnas_proc_free(p);
    assert_true(kill(child, 0) < 0 && errno == ESRCH); /* and has reaped it */
    assert_int_equal(n_open_files(), before);
    mnas_proc_free(NULL);
}

static void pausing_stops_the_group(void **state) {
    (void)state;
    mnas_proc *p = start(SH("while :; do echo x; sleep 0.01; done"), NULL);
    line_of(p);
    mnas_proc_pause(p);
    mnas_clock_sleep_ms(20);
    mnas_proc_wait(&p, 1, 0);
    while (mnas_proc_next_line(p)) {
    }
    assert_int_equal(mnas_proc_wait(&p, 1, 150), 0);
    assert_null(mnas_proc_next_line(p));
    mnas_proc_resume(p);
    assert_string_equal(line_of(p), "x");
    mnas_proc_free(p);
}

/* ---- what the child is given ---- */

static void signals_are_as_new(void **state) {
    (void)state;
    char *out;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGINT, SIG_IGN);
    int rc = mnas_proc_run(SH("grep -E '^Sig(Blk|Ign)' /proc/self/status"), NULL, 20, &out);
    signal(SIGINT, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    assert_int_equal(rc, 0);
    unsigned long long blocked, ignored;
    assert_int_equal(sscanf(out, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    free(out);
    const unsigned long long libc_own =
        3ULL << 31; /* 32 and 33: no program can set them, some parents ignore them */
    assert_int_equal(blocked, 0);
    assert_int_equal(ignored & ~libc_own, 0);
}

static void only_three_descriptors_are_inherited(void **state) {
    (void)state;
    char *out;
    int extra = open("/dev/null", O_RDONLY); /* not close-on-exec, as a library may leave one */
    assert_true(extra > 2);
    int rc = mnas_proc_run(SH("echo /proc/$$/fd/*"), NULL, 20, &out);
    close(extra);
    assert_int_equal(rc, 0);
    int n = 0;
    for (const char *p = out; (p = strstr(p, "/fd/")); p++) n++;
    assert_true(n >= 3 && n <= 4); /* the fourth is sh looking at its own folder */
    free(out);
}

static void closed_standard_streams_do_no_harm(void **state) {
    (void)state;
    char *out;
    int kept = dup(0);
    close(0);
    int rc = mnas_proc_run(SH("cat; echo err >&2"), "through\n", 20, &out);
    if (kept >= 0) {
        dup2(kept, 0);
        close(kept);
    }
    assert_int_equal(rc, 0);
    assert_string_equal(out, "through\n");
    free(out);
}

static void memory_is_measured(void **state) {
    (void)state;
    mnas_proc *p = start(SH("exec dd if=/dev/zero of=/dev/null bs=150M count=1"), NULL);
    const mnas_proc_result *r = finish(p);
    assert_int_equal(r->exit_code, 0);
    assert_in_range(r->peak_rss_bytes, 150 << 20, 1 << 30);
    assert_true(r->cpu_s > 0 && r->cpu_s < 20);
    mnas_proc_free(p);
}

static void memory_is_limited(void **state) {
    (void)state;
    mnas_proc *p;
    const char *const dd[] = {"dd", "if=/dev/zero", "of=/dev/null", "bs=150M", "count=1", NULL};
    assert_int_equal(mnas_proc_start(&p, dd, NULL, 64 << 20), 0);
    const mnas_proc_result *r = finish(p);
    assert_int_equal(r->exit_code, 1);
    assert_non_null(strstr(r->err, "memory"));
    mnas_proc_free(p);
}

/* ---- the parent's death ---- */

static int hold(void) {
    mnas_proc *p;
    if (mnas_proc_start(&p, SH("echo $$; exec sleep 100"), NULL, 0) < 0) return 1;
    const char *line;
    while (!(line = mnas_proc_next_line(p))) mnas_proc_wait(&p, 1, 1000);
    printf("%s\n", line);
    fflush(stdout);
    for (;;) mnas_proc_wait(&p, 1, 1000);
}

static void children_die_with_their_parent(void **state) {
    (void)state;
    const char *const argv[] = {mnas_proc_self(), "hold", NULL};
    mnas_proc *parent = start(argv, NULL);
    pid_t child = (pid_t)atol(line_of(parent));
    assert_true(child > 1 && !is_gone(child));
    mnas_proc_kill(parent); /* the child is in a group of its own: only its death signal can end it */
    finish(parent);
    assert_true(goes_away(child));
    mnas_proc_free(parent);
}

static void self_can_be_set(void **state) {
    (void)state;
    char path[] = "/bin/true";
    assert_string_equal(mnas_proc_self(), "/proc/self/exe");
    mnas_proc_set_self(path);
    path[0] = 'x';
    assert_string_equal(mnas_proc_self(), "/bin/true");
    mnas_proc_set_self("/proc/self/exe");
}

/* What a child with n bytes on its stdin is given, or told. */
static int read_request(char **text, size_t n) {
    FILE *in = tmpfile();
    assert_non_null(in);
    for (size_t i = 0; i < n; i++) fputc('x', in);
    rewind(in);
    const int rc = mnas_proc_read_request(text, in, "test request");
    fclose(in);
    return rc;
}

static void a_request_has_bounds(void **state) {
    (void)state;
    char *text;
    assert_int_equal(read_request(&text, MNAS_PROC_MAX_REQUEST), 0);
    assert_int_equal(strlen(text), MNAS_PROC_MAX_REQUEST);
    free(text);
    assert_int_equal(read_request(&text, MNAS_PROC_MAX_REQUEST + 1), MNAS_ERR_FORMAT);
    assert_null(text);
    assert_string_equal(mnas_error_message(), "test request is over 1048576 bytes");
    assert_int_equal(read_request(&text, 0), MNAS_ERR_FORMAT);
    assert_string_equal(mnas_error_message(), "test request is empty");
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "hold") == 0) return hold();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_one_by_one),
        cmocka_unit_test(big_both_ways_does_not_deadlock),
        cmocka_unit_test(lines_of_big_output_are_whole),
        cmocka_unit_test(unread_input_is_no_failure),
        cmocka_unit_test(no_input_is_an_empty_one),
        cmocka_unit_test(the_tail_of_stderr_is_kept),
        cmocka_unit_test(several_at_once),
        cmocka_unit_test(last_words_are_never_lost),
        cmocka_unit_test(waiting_is_not_spinning),
        cmocka_unit_test(a_missing_program_is_named),
        cmocka_unit_test(exits_and_signals_are_told_apart),
        cmocka_unit_test(a_flood_is_no_answer),
        cmocka_unit_test(a_timeout_ends_the_whole_group),
        cmocka_unit_test(kill_reaches_grandchildren),
        cmocka_unit_test(what_outlives_a_child_is_ended),
        cmocka_unit_test(free_ends_a_running_child),
        cmocka_unit_test(pausing_stops_the_group),
        cmocka_unit_test(signals_are_as_new),
        cmocka_unit_test(only_three_descriptors_are_inherited),
        cmocka_unit_test(closed_standard_streams_do_no_harm),
        cmocka_unit_test(memory_is_measured),
        cmocka_unit_test(memory_is_limited),
        cmocka_unit_test(children_die_with_their_parent),
        cmocka_unit_test(self_can_be_set),
        cmocka_unit_test(a_request_has_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
