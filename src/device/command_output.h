/* command_output.h - the milliseconds in what a program of the user's printed: the last number, or what a pattern finds.
 *
 * Text in, number out: no processes, no files. A program may print anything; what is no time above 0 is an error that quotes
 * the end of what was printed.
 */
#ifndef MNAS_DEVICE_COMMAND_OUTPUT_H
#define MNAS_DEVICE_COMMAND_OUTPUT_H

#include <regex.h>
#include <stdbool.h>

typedef struct mnas_command_reader {
    bool has_pattern;
    regex_t pattern;
    double unit_ms; /* 0.001 where the program prints microseconds */
} mnas_command_reader;

/* `pattern` "": the last number that stands for itself ("took 5.3 ms", "t=5.3", not the 2 of "conv2d"). Else an extended regular
 * expression with one group, whose last match counts. MNAS_ERR_ARG for another. */
int mnas_command_reader_open(mnas_command_reader *out, const char *pattern, double unit_ms);
void mnas_command_reader_close(mnas_command_reader *reader); /* of one that was opened */

/* MNAS_ERR_DEVICE where there is no such number, or none above 0. */
int mnas_command_reader_read(double *ms, const mnas_command_reader *reader, const char *output);

/* The last printable characters of a text, newlines as " | ", for a message. */
enum { MNAS_COMMAND_TAIL = 240 };
void mnas_command_tail(char buf[MNAS_COMMAND_TAIL], const char *output);

#endif
