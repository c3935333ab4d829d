/* error.c - the thread-local message behind every status, and the names of the statuses.
 *
 * It allocates nothing, so it works when memory has run out. It does not print: whoever handles the failure
 * does. Invariant: a status passed in is never MNAS_OK; the message is always NUL-terminated.
 */
#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define MESSAGE_BYTES 1024

static _Thread_local char message[MESSAGE_BYTES];

const char *mnas_error_message(void) {
    return message;
}

static int put_message(int status, const char *fmt, va_list args) {
    char text[MESSAGE_BYTES]; /* the arguments may include the present message */
    vsnprintf(text, sizeof text, fmt, args);
    memcpy(message, text, sizeof text);
    return status;
}

/* Append ": <text>", as much of it as fits. */
static void append(const char *text) {
    const char *parts[] = {": ", text};
    size_t used = strlen(message);
    for (int i = 0; i < 2; i++) {
        size_t n = strnlen(parts[i], MESSAGE_BYTES - 1 - used);
        memcpy(message + used, parts[i], n);
        used += n;
    }
    message[used] = '\0';
}

int mnas_error_set(int status, const char *fmt, ...) {
    assert(status < 0);
    va_list args;
    va_start(args, fmt);
    put_message(status, fmt, args);
    va_end(args);
    return status;
}

int mnas_error_context(int status, const char *fmt, ...) {
    assert(status < 0);
    char old[MESSAGE_BYTES];
    memcpy(old, message, sizeof old);
    va_list args;
    va_start(args, fmt);
    put_message(status, fmt, args);
    va_end(args);
    append(old);
    return status;
}

int mnas_error_errno(const char *fmt, ...) {
    int code = errno;
    va_list args;
    va_start(args, fmt);
    put_message(0, fmt, args);
    va_end(args);
    append(strerror(code));
    if (code == ENOSPC || code == EDQUOT) return MNAS_ERR_FULL;
    return code == ENOMEM ? MNAS_ERR_MEMORY : MNAS_ERR_IO;
}

const char *mnas_status_text(int status) {
    switch (status) {
    case MNAS_OK:
        return "ok";
#define MNAS_X(name, value, text)                                                                            \
    case MNAS_ERR_##name:                                                                                    \
        return text;
        MNAS_STATUS_LIST(MNAS_X)
#undef MNAS_X
    default:
        return "unknown status";
    }
}

/* The list's names in small letters, which the preprocessor cannot write. A row per status, so that two
 * results may stand in one message. */
const char *mnas_status_name(int status) {
    static _Thread_local char rows[32][16];
    const char *upper = "UNKNOWN";
    switch (status) {
    case MNAS_OK:
        upper = "OK";
        break;
#define MNAS_X(name, value, text)                                                                            \
    case MNAS_ERR_##name:                                                                                    \
        upper = #name;                                                                                       \
        break;
        MNAS_STATUS_LIST(MNAS_X)
#undef MNAS_X
    default:
        break;
    }
    char *row = rows[(0u - (unsigned)status) % 32];
    size_t i = 0;
    for (; upper[i] && i + 1 < sizeof rows[0]; i++) {
        char c = upper[i];
        row[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    row[i] = '\0';
    return row;
}

const char *mnas_version(void) {
    return MNAS_VERSION;
}
