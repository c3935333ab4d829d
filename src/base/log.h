/* log.h - progress and messages for people, on stderr. Results never go here; stdout belongs to them.
 *
 * Lines are written whole with one write(2), so that several processes can share a terminal. MNAS_LOG=debug|info|warn|
 * error in the environment sets the threshold (info).
 */
#ifndef MNAS_BASE_LOG_H
#define MNAS_BASE_LOG_H

#include <stdbool.h>

typedef enum { MNAS_LOG_DEBUG, MNAS_LOG_INFO, MNAS_LOG_WARN, MNAS_LOG_ERROR } mnas_log_level;

void mnas_log(mnas_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define mnas_log_debug(...) mnas_log(MNAS_LOG_DEBUG, __VA_ARGS__)
#define mnas_log_info(...)  mnas_log(MNAS_LOG_INFO, __VA_ARGS__)
#define mnas_log_warn(...)  mnas_log(MNAS_LOG_WARN, __VA_ARGS__)

/* One line that replaces itself on a terminal ("\r"); where stderr is no terminal nothing is printed. A following
 * mnas_log() line clears it first. */
void mnas_log_live(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool mnas_log_is_terminal(void);

#endif
