/* cmd_finalize.c - `mnas finalize`: stage two of a study, which trains its best networks fully beside what they are to be
 * compared with. */
#include <math.h>

#include "cli/cli.h"
#include "cli/finals_print.h"

typedef struct finalize_opts {
    mnas_cli_common common;
    char recipe[MNAS_OPT_STR], baselines[MNAS_OPT_STR], output[MNAS_OPT_STR];
    double epochs, max_minutes, device_minutes;
    int64_t top_k, n_random, n_lr, n_race, n_repeats, n_passes, jobs, threads;
} finalize_opts;

#define AT(field) offsetof(finalize_opts, field)
static const mnas_opt options[] = {
    {"top-k", MNAS_OPT_INT, AT(top_k), "3", 1, 64, "networks", "best of the front, by reward", NULL},
    {"recipe", MNAS_OPT_STRING, AT(recipe), "final", 0, 0, "RECIPE",
     "how all of them train; `mnas train --help` explains them", NULL},
    {"epochs", MNAS_OPT_FLOAT, AT(epochs), NULL, 0.001, 100000, "epochs", "the recipe's unless given", NULL},
    {"baselines", MNAS_OPT_STRING, AT(baselines), "auto", 0, 0, "MODELS",
     "auto; none; models with their image size: \"mobilenet-v2@0.5/28 ./mine.yaml\"; study:FILE: those "
     "trained for that one",
     NULL},
    {"random", MNAS_OPT_INT, AT(n_random), "-1", -1, 1e6, "trials",
     "of a random search beside; -1: as many as the study has; 0: none", NULL},
    {"learning-rates", MNAS_OPT_INT, AT(n_lr), "3", 1, 9, "rates",
     "tried for each family of networks; 1: the recipe's", NULL},
    {"race", MNAS_OPT_INT, AT(n_race), "0", 0, 100, "trainings",
     "with other seeds before the choice, each of the one of the two leaders that has fewer; the best mean "
     "is chosen, not "
     "the luckiest training",
     NULL},
    {"repeats", MNAS_OPT_INT, AT(n_repeats), "2", 0, 20, "seeds",
     "more trainings of the chosen network and of the baseline next to it", NULL},
    {"passes", MNAS_OPT_INT, AT(n_passes), "5", 1, 99, "passes", "over all networks to take latencies", NULL},
    {"jobs", MNAS_OPT_INT, AT(jobs), "0", 0, 64, "networks", "trained side by side; 0: as in the search",
     NULL},
    {"threads", MNAS_OPT_INT, AT(threads), "0", 0, 1024, "threads",
     "of each; 0: as in the search, or cores divided by jobs where --jobs is another", NULL},
    {"max-minutes", MNAS_OPT_FLOAT, AT(max_minutes), NULL, 0.001, 1e7, "minutes",
     "stop after this time; no limit unless given", NULL},
    {"device-minutes", MNAS_OPT_FLOAT, AT(device_minutes), "10", 0, 1e7, "minutes",
     "wait so long for a device that has gone away, then end; the same command goes on", NULL},
    {"output", MNAS_OPT_STRING, AT(output), "", 0, 0, "DIR",
     "folder for weights and models; STUDY without .db, with .final, unless given; also -o DIR", NULL},
    MNAS_CLI_JSON,
    MNAS_CLI_HELP,
    MNAS_OPT_END};
#undef AT

static int run(const void *opts, int n_words, char **words) {
    const finalize_opts *o = opts;
    (void)n_words;
    mnas_finalize_options f = {.study = words[0],
                               .top_k = (int)o->top_k,
                               .recipe = o->recipe,
                               .epochs = o->epochs,
                               .baselines = o->baselines,
                               .n_random = (int)o->n_random,
                               .n_lr = (int)o->n_lr,
                               .n_race = (int)o->n_race,
                               .n_repeats = (int)o->n_repeats,
                               .n_passes = (int)o->n_passes,
                               .jobs = (int)o->jobs,
                               .threads = (int)o->threads,
                               .max_minutes = o->max_minutes,
                               .device_minutes = o->device_minutes,
                               .output = o->output};
    return mnas_cli_finalize(&f, o->common.json);
}

const mnas_cli_command mnas_command_finalize = {
    .name = "finalize",
    .words = "STUDY",
    .min_words = 1,
    .max_words = 1,
    .summary = "train the best networks fully, beside baselines; test the chosen one",
    .about =
        "Train the best networks of a study with a longer recipe, and with the same recipe what they are to "
        "be compared with: MobileNetV2 and MnasNet-B1 at several widths, and the best of as many random "
        "networks. Every family's learning rate is tuned alike and all latencies are taken alternately. "
        "Validation chooses one network; only then it and what it is compared with are tested. The same "
        "command resumes an interrupted run and loses nothing that was finished.",
    .example = "mnas finalize demo.db --top-k 3",
    .opts = options,
    .opts_bytes = sizeof(finalize_opts),
    .run = run};
