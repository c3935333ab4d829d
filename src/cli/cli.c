/* cli.c - what every command goes through: options, help, exit codes, signals, and a stdout that notices lost output.
 *
 * It knows no command. Signals only set a flag or end the process; nothing else happens in a handler.
 */
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

/* ---- signals ---- */

static volatile bool cancelled;
static volatile sig_atomic_t graceful;

static void on_signal(int signal_number) {
    if (!graceful || (cancelled && signal_number == SIGINT)) _exit(EXIT_INTERRUPTED);
    cancelled = true;
}

void mnas_cli_catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error, told like any other */
}

const volatile bool *mnas_cli_cancel_flag(void) {
    graceful = 1;
    return &cancelled;
}

/* ---- the command line as text ---- */

static mnas_str command_line;

static void append_quoted(const char *word, mnas_str *out) {
    static const char plain[] = "-_./:=,@%+";
    bool safe = word[0] != '\0';
    for (const char *p = word; *p && safe; p++) safe = isalnum((unsigned char)*p) || strchr(plain, *p);
    if (safe) {
        mnas_str_append(out, word);
        return;
    }
    mnas_str_append(out, "'");
    for (const char *p = word; *p; p++) {
        if (*p == '\'') {
            mnas_str_append(out, "'\\''");
        } else {
            mnas_str_append_n(out, p, 1);
        }
    }
    mnas_str_append(out, "'");
}

void mnas_cli_set_command_line(int argc, char **argv) {
    mnas_str_free(&command_line);
    for (int i = 0; i < argc; i++) {
        if (i) mnas_str_append(&command_line, " ");
        append_quoted(argv[i], &command_line);
    }
}

const char *mnas_cli_command_line(void) {
    return command_line.data ? command_line.data : "";
}

/* ---- results and failures ---- */

int mnas_cli_flush(void) {
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    if (errno == 0) errno = EIO;
    return mnas_error_errno("stdout: results could not be written");
}

static int exit_code(int status) {
    switch (status) {
    case MNAS_OK:
        return EXIT_DONE;
    case MNAS_ERR_ARG:
    case MNAS_ERR_MISMATCH:
        return EXIT_USAGE;
    case MNAS_ERR_CANCELLED:
        return EXIT_INTERRUPTED;
    default:
        return EXIT_FAILED;
    }
}

int mnas_cli_fail(int status, const char *hint) {
    const char *message = mnas_error_message();
    mnas_log(MNAS_LOG_ERROR, "%s", message[0] ? message : mnas_status_text(status));
    if (hint) mnas_log_info("%s", hint);
    return exit_code(status);
}

/* A study is the work of hours: no -o replaces one. */
static bool is_database(const char *path) {
    static const char magic[] = "SQLite format 3";
    char head[sizeof magic] = "";
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    const size_t n = fread(head, 1, sizeof head, file);
    fclose(file);
    return n == sizeof head && memcmp(head, magic, sizeof head) == 0;
}

int mnas_cli_check_output(const char *output, const char *input) {
    char study[MNAS_OPT_STR];
    const char *colon = strrchr(input, ':');
    snprintf(study, sizeof study, "%.*s", (int)(colon ? colon - input : 0), input);
    if (mnas_file_same(output, input) || mnas_file_same(output, study))
        return mnas_error_set(MNAS_ERR_ARG, "-o %s would overwrite what is read; allowed: another file",
                              output);
    if (is_database(output))
        return mnas_error_set(MNAS_ERR_ARG, "-o %s would overwrite a study; allowed: another file", output);
    return 0;
}

void mnas_cli_live(const char *line) {
    struct winsize size = {0};
    int width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
    mnas_log_live("%.*s", width, line);
}

int mnas_cli_parse_word(int *out, const char *what, const char *word, int min) {
    long long value;
    if (!mnas_str_to_i64(word, &value) || value < min || value > INT32_MAX) {
        return mnas_error_set(MNAS_ERR_ARG, "%s is \"%s\"; allowed: a whole number, %d or more", what, word,
                              min);
    }
    *out = (int)value;
    return 0;
}

/* ---- help ---- */

/* Text broken at 100 columns. */
static void print_paragraph(const char *text) {
    size_t column = 0;
    while (*text) {
        size_t n = strcspn(text, " ");
        if (column > 0 && column + 1 + n > 100) {
            putchar('\n');
            column = 0;
        }
        if (column > 0) putchar(' ');
        fwrite(text, 1, n, stdout);
        column += n + (column > 0);
        text += n;
        while (*text == ' ') text++;
    }
    putchar('\n');
}

static int print_plugins(const char *kind) {
    char *text;
    int rc = mnas_plugins_help(&text, kind);
    if (rc < 0) return rc;
    printf("\n--%s NAME:key=value,key=value where NAME is one of:\n%s", kind, text);
    free(text);
    return 0;
}

static int print_help(const mnas_cli_command *command) {
    mnas_str options = {0};
    mnas_opts_help(command->opts, "--", &options);
    if (!mnas_str_ok(&options)) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: help");
    printf("Usage: mnas %s%s%s [options]\n\n", command->name, command->words[0] ? " " : "", command->words);
    print_paragraph(command->about);
    printf("\nOptions:\n%s", options.data);
    mnas_str_free(&options);
    int rc = 0;
    for (int i = 0; rc == 0 && command->plugins && command->plugins[i]; i++) {
        rc = print_plugins(command->plugins[i]);
    }
    printf("\nExample:\n  %s\n", command->example);
    return rc;
}

/* ---- running a command ---- */

static int check_words(const mnas_cli_command *command, int n_words, char **words) {
    if (n_words > command->max_words) {
        return mnas_error_set(MNAS_ERR_ARG, "mnas %s: unexpected argument \"%s\"; usage: mnas %s %s",
                              command->name, words[command->max_words], command->name, command->words);
    }
    if (n_words < command->min_words) {
        return mnas_error_set(MNAS_ERR_ARG, "mnas %s: an argument is missing; usage: mnas %s %s",
                              command->name, command->name, command->words);
    }
    return 0;
}

/* A string without a default is required. */
static int check_required(const mnas_cli_command *command, const void *opts) {
    for (const mnas_opt *opt = command->opts; opt->name; opt++) {
        if (opt->type != MNAS_OPT_STRING || opt->value || ((const char *)opts + opt->offset)[0]) continue;
        return mnas_error_set(MNAS_ERR_ARG, "mnas %s: --%s %s is required (%s)", command->name, opt->name,
                              opt->unit, opt->help);
    }
    return 0;
}

static int parse_and_run(const mnas_cli_command *command, void *opts, int argc, char **argv) {
    char where[64];
    snprintf(where, sizeof where, "mnas %s", command->name);
    mnas_opts_defaults(command->opts, opts);
    int n_words;
    int rc = mnas_opts_parse_args(command->opts, opts, where, argc, argv, &n_words);
    if (rc < 0) return rc;
    if (((const mnas_cli_common *)opts)->help) return print_help(command);
    if ((rc = check_words(command, n_words, argv)) < 0) return rc;
    if ((rc = check_required(command, opts)) < 0) return rc;
    return command->run(opts, n_words, argv);
}

int mnas_cli_run(const mnas_cli_command *command, int argc, char **argv) {
    void *opts = calloc(1, command->opts_bytes);
    int rc = opts ? parse_and_run(command, opts, argc, argv)
                  : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: options of mnas %s", command->name);
    free(opts);
    if (rc == 0) rc = mnas_cli_flush();
    if (rc == 0) return EXIT_DONE;
    fflush(stdout); /* what there is, is right: a search that ended early still shows its front */
    char hint[96];
    snprintf(hint, sizeof hint, "mnas %s --help tells more", command->name);
    return mnas_cli_fail(rc, rc == MNAS_ERR_ARG ? hint : NULL);
}
