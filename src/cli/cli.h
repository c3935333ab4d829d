/* cli.h - what the commands share: their record, the common options, and how results reach stdout.
 *
 * A command is one const record in cmd_NAME.c and one line in main.c. It computes first and prints last, so
 * that a failure leaves stdout empty; it returns a status and leaves the message to main. stdout carries
 * results only; progress and messages go to stderr (base/log.h). The layers below are reached through mnas.h alone.
 */
#ifndef MNAS_CLI_CLI_H
#define MNAS_CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "base/opts.h"
#include "mnas.h"

/* The first member of every command's options. */
typedef struct mnas_cli_common {
    bool help, json;
} mnas_cli_common;

#define MNAS_CLI_HELP                                                                                        \
    { "help", MNAS_OPT_BOOL, offsetof(mnas_cli_common, help), NULL, 0, 0, NULL, "print this text", NULL }
#define MNAS_CLI_JSON                                                                                        \
    {                                                                                                        \
        "json", MNAS_OPT_BOOL, offsetof(mnas_cli_common, json), NULL, 0, 0, NULL,                            \
            "print the results as JSON", NULL                                                                \
    }

typedef struct mnas_cli_command {
    const char *name;
    const char *words; /* of the usage line, e.g. "STUDY [TRIAL]"; "" for none */
    int min_words, max_words;
    const char *summary; /* one line */
    const char *about;   /* a paragraph */
    const char *example; /* command lines, one a line */
    const mnas_opt *opts;
    size_t opts_bytes;
    /* kinds whose specs --help explains (mnas_plugins_help); NULL-terminated, or NULL */
    const char *const *plugins;
    int (*run)(const void *opts, int n_words, char **words);
} mnas_cli_command;

/* Parse argv[0..argc) behind the command's name and run it; returns the exit code. */
int mnas_cli_run(const mnas_cli_command *command, int argc, char **argv);

/* Exit code of a status; prints the message. `hint` may be NULL. */
int mnas_cli_fail(int status, const char *hint);

/* Flush stdout; MNAS_ERR_IO when something could not be written (a closed pipe, a full disk). */
int mnas_cli_flush(void);

/* From now on the first SIGINT or SIGTERM only sets the flag returned; a second SIGINT ends the process at once. */
const volatile bool *mnas_cli_cancel_flag(void);
/* Before that: either signal ends the process with exit code 130. */
void mnas_cli_catch_signals(void);

/* The whole command line, quoted for a shell; set by main. */
const char *mnas_cli_command_line(void);
void mnas_cli_set_command_line(int argc, char **argv);

/* MNAS_ERR_ARG where -o names a study, the file that `input` is or that, as STUDY:TRIAL, it lies in. */
int mnas_cli_check_output(const char *output, const char *input);

/* mnas_log_live, cut where the terminal ends: a longer line would not be replaced but pile up. */
void mnas_cli_live(const char *line);

/* A whole number in a word ("TRIAL"), min or more. */
int mnas_cli_parse_word(int *out, const char *what, const char *word, int min);

#endif
