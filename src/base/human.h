/* human.h - numbers as people read them: three significant digits and a unit. For tables, messages and the
 * report; never for files that are read again. NaN, and -1 of counts and bytes (missing), print as "-".
 */
#ifndef MNAS_BASE_HUMAN_H
#define MNAS_BASE_HUMAN_H

#include <stddef.h>
#include <stdint.h>

#define MNAS_HUMAN_BYTES 32 /* a buffer of this size always suffices */

void mnas_human_number(double value, char buf[MNAS_HUMAN_BYTES]);  /* 0.0412, 3.89, 312 */
void mnas_human_count(int64_t n, char buf[MNAS_HUMAN_BYTES]);      /* 950, 1.20 k, 3.89 M, 312 M */
void mnas_human_exact(int64_t n, char buf[MNAS_HUMAN_BYTES]);      /* 3,887,038 */
void mnas_human_bytes(int64_t bytes, char buf[MNAS_HUMAN_BYTES]);  /* 812 B, 1.50 KiB, 12.3 MiB */
void mnas_human_ms(double ms, char buf[MNAS_HUMAN_BYTES]);         /* 0.841 ms */
void mnas_human_percent(double frac, char buf[MNAS_HUMAN_BYTES]);  /* 0.8712 -> 87.12 % */
void mnas_human_reward(double reward, char buf[MNAS_HUMAN_BYTES]); /* 0.7421 */

#endif
