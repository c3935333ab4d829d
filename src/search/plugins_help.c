/* plugins_help.c - help of everything that a spec can name, from the lists of each kind. */
#include <string.h>

#include "base/error.h"
#include "base/registry.h"
#include "data/dataset.h"
#include "device/device.h"
#include "exporter/exporter.h"
#include "infer/engine.h"
#include "search/reward.h"
#include "strategy/strategy.h"
#include "train/recipe.h"

static const struct {
    const char *kind;
    const mnas_plugin *const *(*list)(size_t *n);
} kinds[] = {
    {"dataset", mnas_dataset_plugins}, {"device", mnas_device_plugins}, {"strategy", mnas_strategy_plugins},
    {"reward", mnas_reward_plugins},   {"recipe", mnas_recipe_plugins}, {"format", mnas_exporter_plugins},
    {"engine", mnas_infer_plugins},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

int mnas_plugins_help(char **text, const char *kind) {
    mnas_str out = {0};
    size_t n;
    int i = 0;
    *text = NULL;
    while (i < N_KINDS && strcmp(kinds[i].kind, kind) != 0) i++;
    if (i == N_KINDS)
        return mnas_error_set(MNAS_ERR_ARG,
                              "unknown kind \"%s\"; known: dataset, device, strategy, reward, recipe, "
                              "format, engine",
                              kind);
    const mnas_plugin *const *list = kinds[i].list(&n);
    mnas_registry_help(list, n, &out);
    if (mnas_str_ok(&out) && out.data) {
        *text = out.data;
        return 0;
    }
    mnas_str_free(&out);
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: help of kind %s", kind);
}
