/* log.c - lines on stderr, each in one write.
 *
 * No files, no timestamps: a line is for the person at the terminal. Safe from several threads as far as
 * write(2) is; the live line belongs to the main thread.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 4096
#define CLEAR_LINE "\r\033[K"

static bool live_shown;

static mnas_log_level threshold(void) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    const char *wanted = getenv("MNAS_LOG");
    for (int i = 0; wanted && i < 4; i++) {
        if (strcmp(wanted, names[i]) == 0) return (mnas_log_level)i;
    }
    return MNAS_LOG_INFO;
}

bool mnas_log_is_terminal(void) {
    return isatty(STDERR_FILENO) == 1;
}

static void put(const char *line, size_t n) {
    ssize_t done = write(STDERR_FILENO, line, n);
    (void)done; /* nobody is left to tell */
}

/* File names and what other programs said must not steer the terminal. */
static void tame(char *text) {
    for (; *text; text++)
        if (((unsigned char)*text < 32 && *text != '\n' && *text != '\t') || *text == 127) *text = '?';
}

void mnas_log(mnas_log_level level, const char *fmt, ...) {
    static const char *const prefix[] = {"debug: ", "", "warning: ", "error: "};
    if (level < threshold()) return;
    char line[LINE_BYTES];
    int n = snprintf(line, sizeof line, "%s%s", live_shown ? CLEAR_LINE : "", prefix[level]);
    size_t used = (size_t)n;
    va_list args;
    va_start(args, fmt);
    n = vsnprintf(line + used, sizeof line - used - 1, fmt, args);
    va_end(args);
    tame(line + used);
    used = strlen(line);
    line[used++] = '\n';
    put(line, used);
    live_shown = false;
}

void mnas_log_live(const char *fmt, ...) {
    if (!mnas_log_is_terminal()) return;
    char line[LINE_BYTES] = CLEAR_LINE;
    size_t used = sizeof CLEAR_LINE - 1;
    va_list args;
    va_start(args, fmt);
    vsnprintf(line + used, sizeof line - used, fmt, args);
    va_end(args);
    tame(line + used);
    put(line, strlen(line));
    live_shown = true;
}
