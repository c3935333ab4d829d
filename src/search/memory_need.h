/* memory_need.h - how much memory one training process will hold: known before it starts, from the plan that the trainer
 * itself follows. Searches, forecasts and stage two ask here and nowhere else.
 *
 * Both numbers together were up to 11 % above what getrusage reports of seven trainings from 83 MiB to 1.7 GiB.
 */
#ifndef MNAS_SEARCH_MEMORY_NEED_H
#define MNAS_SEARCH_MEMORY_NEED_H

#include "mnas.h"
#include "train/recipe.h"

typedef struct mnas_memory_need {
    int64_t private_bytes; /* of this process alone: what must fit */
    int64_t
        mapped_bytes; /* of the dataset's cache: shared by all trainings, and given back when memory is short */
} mnas_memory_need;

/* cost: at the recipe's group, of `model` fitted to `data`. */
mnas_memory_need mnas_memory_need_of(const mnas_cost *cost, const mnas_model *model,
                                     const mnas_recipe *recipe, const mnas_dataset_info *data);

/* What a process has reserved beyond what it touches (stacks of threads above all), and limits of a process count. */
#define MNAS_MEMORY_RESERVE_BYTES (INT64_C(64) << 20)

/* What one of `jobs` trainings may hold, of all_bytes that they share (INT64_MAX: no limit) and of what a process may. */
int64_t mnas_memory_share(int64_t all_bytes, int jobs);

#endif
