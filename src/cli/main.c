/* main.c - the table of commands, and the way from argv to one of them. Everything else is elsewhere. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "cli/cli.h"

/* X(NAME) stands for the record mnas_command_NAME in cmd_NAME.c; the order is the one of `mnas help`. */
#define COMMANDS(X)                                                                                          \
    X(search) X(ask) X(tell)                                                                                                \
    X(finalize) X(show) X(pareto) X(report) X(train) X(eval) X(export) X(measure) X(device_model) X(cost) X(zoo)       \
        X(space) X(datasets) X(devices) X(doctor) X(simulate) X(proxy_check)

#define X(name) extern const mnas_cli_command mnas_command_##name;
COMMANDS(X)
#undef X

static const mnas_cli_command *const commands[] = {
#define X(name) &mnas_command_##name,
    COMMANDS(X)
#undef X
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static const mnas_cli_command *find(const char *name) {
    for (int i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    }
    return NULL;
}

static void print_overview(FILE *out) {
    fputs(
        "mnas: platform-aware neural architecture search\n\nUsage: mnas COMMAND [arguments] [--options]\n\n",
        out);
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\nmnas COMMAND --help tells more. stdout carries results, stderr progress and messages.\n"
          "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.\n",
          out);
}

static int unknown(const char *name) {
    const char *names[N_COMMANDS];
    for (int i = 0; i < N_COMMANDS; i++) names[i] = commands[i]->name;
    const char *near = mnas_str_nearest(name, names, N_COMMANDS);
    int rc = near ? mnas_error_set(MNAS_ERR_ARG, "unknown command \"%s\"; did you mean %s?", name, near)
                  : mnas_error_set(MNAS_ERR_ARG, "unknown command \"%s\"", name);
    return mnas_cli_fail(rc, "mnas help lists the commands");
}

/* A text was asked for and has been printed. */
static int printed(void) {
    int rc = mnas_cli_flush();
    return rc == 0 ? 0 : mnas_cli_fail(rc, NULL);
}

static int help(int argc, char **argv) {
    if (argc < 1) {
        print_overview(stdout);
        return printed();
    }
    const mnas_cli_command *command = find(argv[0]);
    char flag[] = "--help", *args[] = {flag};
    return command ? mnas_cli_run(command, 1, args) : unknown(argv[0]);
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "worker") == 0)
        return mnas_worker_main(argc > 2 ? argv[2] : ""); /* of our own child processes */
    mnas_cli_catch_signals();
    mnas_cli_set_command_line(argc, argv);
    if (!name[0]) {
        print_overview(stderr);
        return 2;
    }
    if (strcmp(name, "--version") == 0) {
        printf("mnas %s\n", mnas_version());
        return printed();
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        return help(argc - 2, argv + 2);
    }
    const mnas_cli_command *command = find(name);
    return command ? mnas_cli_run(command, argc - 2, argv + 2) : unknown(name);
}
