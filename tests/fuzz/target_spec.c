/* Specs `name:key=value,...` of every kind, words of a command line, and names of the zoo. The first byte chooses. */
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "device/device.h"
#include "fuzz.h"
#include "model/model.h"
#include "search/reward.h"
#include "strategy/strategy.h"
#include "train/recipe.h"

enum { MAX_WORDS = 32 };

static const struct {
    const char *kind;
    const mnas_plugin *const *(*list)(size_t *n);
} kinds[] = {{"dataset", mnas_dataset_plugins},
             {"device", mnas_device_plugins},
             {"strategy", mnas_strategy_plugins},
             {"reward", mnas_reward_plugins},
             {"recipe", mnas_recipe_plugins}};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* The canonical form of what was read reads back to itself. */
static void check_spec(unsigned kind, const char *spec) {
    size_t n;
    const mnas_plugin *found;
    const mnas_plugin *const *list = kinds[kind].list(&n);
    void *opts, *again;
    if (mnas_registry_open(list, n, kinds[kind].kind, spec, &found, &opts) < 0) return;
    if (opts) {
        mnas_str printed = {0}, twice = {0};
        again = calloc(1, found->opts_bytes);
        FUZZ_CHECK(again);
        mnas_opts_print(found->opts, opts, &printed);
        FUZZ_CHECK(mnas_opts_parse_pairs(found->opts, again, "again", printed.data) == 0);
        mnas_opts_print(found->opts, again, &twice);
        FUZZ_CHECK(strcmp(printed.data ? printed.data : "", twice.data ? twice.data : "") == 0);
        mnas_str_free(&printed);
        mnas_str_free(&twice);
        free(again);
    }
    free(opts);
}

/* A word a line, as the flags of the first recipe. */
static void check_words(char *text) {
    char *words[MAX_WORDS], *rest = NULL;
    int n = 0, n_words;
    mnas_recipe recipe;
    size_t n_recipes;
    const mnas_plugin *plugin = mnas_recipe_plugins(&n_recipes)[0];
    for (char *w = strtok_r(text, "\n", &rest); w && n < MAX_WORDS; w = strtok_r(NULL, "\n", &rest))
        words[n++] = w;
    mnas_opts_defaults(plugin->opts, &recipe);
    if (mnas_opts_parse_args(plugin->opts, &recipe, "words", n, words, &n_words) == 0)
        FUZZ_CHECK(n_words >= 0 && n_words <= n);
}

/* "mobilenet-v2@0.35" */
static void check_name(const char *text) {
    mnas_model model;
    char *printed;
    if (mnas_model_is_path(text) || mnas_model_open_local(&model, text, 0) < 0) return;
    FUZZ_CHECK(mnas_model_print(&model, &printed) == 0);
    free(printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n == 0) return 0;
    char *text = fuzz_text(data + 1, n - 1);
    if (data[0] < N_KINDS)
        check_spec(data[0], text);
    else if (data[0] == N_KINDS)
        check_words(text);
    else
        check_name(text);
    free(text);
    return 0;
}
