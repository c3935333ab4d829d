/* ask_opts.h - the options that make a study of asking and telling, which `mnas ask` and `mnas tell` share. */
#ifndef MNAS_CLI_ASK_OPTS_H
#define MNAS_CLI_ASK_OPTS_H

#include <math.h>
#include <stddef.h>

#include "cli/cli.h"

typedef struct mnas_cli_ask_opts {
    char space[MNAS_OPT_STR], decisions[MNAS_OPT_STR], objective[MNAS_OPT_STR], reward[MNAS_OPT_STR],
        strategy[MNAS_OPT_STR];
    double target_ms;
    int64_t trials, parallel, seed;
} mnas_cli_ask_opts;

#define MNAS_CLI_ASK_AT(type, field) offsetof(type, study) + offsetof(mnas_cli_ask_opts, field)

/* Of an options struct `type` with a member mnas_cli_ask_opts study. */
/* clang-format off */ /* one option after the other */
#define MNAS_CLI_ASK_OPTIONS(type)                                                                           \
    {"space", MNAS_OPT_STRING, MNAS_CLI_ASK_AT(type, space), "", 0, 0, "SPACE",                              \
     "of a new study: networks of this space, built-in or a file", NULL},                                    \
    {"decisions", MNAS_OPT_STRING, MNAS_CLI_ASK_AT(type, decisions), "", 0, 0, "FILE",                       \
     "of a new study: plain decisions without networks, as YAML", NULL},                                     \
    {"objective", MNAS_OPT_STRING, MNAS_CLI_ASK_AT(type, objective), "", 0, 0, "WORD",                       \
     "what is told: accuracy, or a value to maximize or minimize; unless given, accuracy for networks, "     \
     "maximize for plain decisions", NULL},                                                                  \
    {"target-ms", MNAS_OPT_FLOAT, MNAS_CLI_ASK_AT(type, target_ms), "0", 0, 1e9, "ms",                       \
     "latency aimed at: latencies are told, too; 0: none", NULL},                                            \
    {"reward", MNAS_OPT_STRING, MNAS_CLI_ASK_AT(type, reward), "", 0, 0, "REWARD",                           \
     "accuracy and latency in one number; see below; soft with a target, else the accuracy alone", NULL},    \
    {"strategy", MNAS_OPT_STRING, MNAS_CLI_ASK_AT(type, strategy), "", 0, 0, "STRATEGY",                     \
     "who proposes; see below; ppo unless given", NULL},                                                     \
    {"trials", MNAS_OPT_INT, MNAS_CLI_ASK_AT(type, trials), "0", 0, 1e7, "trials",                           \
     "complete ones wanted; 0: as before, 100 of a new study", NULL},                                        \
    {"parallel", MNAS_OPT_INT, MNAS_CLI_ASK_AT(type, parallel), "0", 0, 1000, "trials",                      \
     "that may be open at once; 0: as the study was made, 1 of a new one", NULL},                            \
    {"seed", MNAS_OPT_INT, MNAS_CLI_ASK_AT(type, seed), "0", 0, INFINITY, NULL,                              \
     "of everything random; 0: the study's, 1 of a new one", NULL}
/* clang-format on */

/* What is not given is NULL or 0: as the study was made. The texts of `o` are pointed to. */
mnas_ask_options mnas_cli_ask_options(const mnas_cli_ask_opts *o, const char *study);

#endif
