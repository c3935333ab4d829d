/* test_log.c - thresholds, whole lines, and silence of the live line where there is no terminal. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static int real_stderr, reader;

static int capture(void **state) {
    (void)state;
    int fds[2];
    if (pipe(fds) < 0) return -1;
    reader = fds[0];
    fcntl(reader, F_SETFL, O_NONBLOCK);
    real_stderr = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
    return close(fds[1]);
}

static int release(void **state) {
    (void)state;
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    unsetenv("MNAS_LOG");
    return close(reader);
}

static const char *captured(void) {
    static char buf[16384];
    ssize_t n = read(reader, buf, sizeof buf - 1);
    buf[n > 0 ? n : 0] = '\0';
    return buf;
}

static void levels(void **state) {
    (void)state;
    unsetenv("MNAS_LOG");
    mnas_log_debug("hidden %d", 1);
    mnas_log_info("shown %d", 2);
    mnas_log_warn("careful");
    assert_string_equal(captured(), "shown 2\nwarning: careful\n");
    setenv("MNAS_LOG", "debug", 1);
    mnas_log_debug("seen");
    assert_string_equal(captured(), "debug: seen\n");
    setenv("MNAS_LOG", "error", 1);
    mnas_log_warn("hidden");
    mnas_log(MNAS_LOG_ERROR, "bad");
    assert_string_equal(captured(), "error: bad\n");
    setenv("MNAS_LOG", "nonsense", 1);
    mnas_log_info("default");
    assert_string_equal(captured(), "default\n");
}

/* A file may be called like a command to the terminal. */
static void controls_are_tamed(void **state) {
    (void)state;
    mnas_log_warn("skipped \033[2J\r.png\177:\ttwo\nlines, caf\xc3\xa9");
    assert_string_equal(captured(), "warning: skipped ?[2J?.png?:\ttwo\nlines, caf\xc3\xa9\n");
}

static void long_lines_keep_their_newline(void **state) {
    (void)state;
    static char text[9000];
    memset(text, 'x', sizeof text - 1);
    mnas_log_warn("%s", text);
    const char *out = captured();
    size_t n = strlen(out);
    assert_in_range(n, 4000, 4096);
    assert_int_equal(out[n - 1], '\n');
}

static void a_pipe_gets_no_live_line(void **state) {
    (void)state;
    assert_false(mnas_log_is_terminal());
    mnas_log_live("trial %d", 3);
    assert_string_equal(captured(), "");
    mnas_log_info("plain");
    assert_string_equal(captured(), "plain\n");
}

static void a_terminal_line_replaces_itself(void **state) {
    (void)state;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0) skip();
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    if (terminal < 0) skip();
    int pipe_end = dup(STDERR_FILENO);
    dup2(terminal, STDERR_FILENO);
    mnas_log_live("one");
    mnas_log_live("two");
    mnas_log_info("done");
    mnas_log_info("more");
    dup2(pipe_end, STDERR_FILENO);
    static const char expected[] = "\r\033[Kone\r\033[Ktwo\r\033[Kdone\r\nmore\r\n";
    char buf[256];
    size_t got = 0;
    for (ssize_t n = 1; n > 0 && got<sizeof expected - 1; got += n> 0 ? (size_t)n : 0)
        n = read(master, buf + got, sizeof buf - 1 - got); /* it may come in pieces */
    buf[got] = '\0';
    close(pipe_end);
    close(terminal);
    close(master);
    assert_string_equal(buf, expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(levels, capture, release),
        cmocka_unit_test_setup_teardown(controls_are_tamed, capture, release),
        cmocka_unit_test_setup_teardown(long_lines_keep_their_newline, capture, release),
        cmocka_unit_test_setup_teardown(a_pipe_gets_no_live_line, capture, release),
        cmocka_unit_test_setup_teardown(a_terminal_line_replaces_itself, capture, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
