/* memory_need.c - see memory_need.h. What the machine has is machine.h's business. */
#include "search/memory_need.h"

#include "search/machine.h"
#include "train/optimizer.h"

/* The program, its libraries and their generated code, found by subtracting everything else from trainings. */
static const int64_t process_bytes = INT64_C(24) << 20;
/* loader.c: batches under way, of a training and of a validation loader */
enum { LOADER_SLOTS = 2 * 2 };

/* optimizer_bytes of a cost holds gradients, two slots and an average; most recipes keep less. */
static int64_t optimizer_bytes(const mnas_cost *cost, const mnas_recipe *recipe) {
    const int64_t trained = cost->params * (int64_t)sizeof(float);
    const int n_slots = recipe->optimizer == MNAS_OPTIMIZER_RMSPROP ? 2 : 1;
    const int64_t sum = recipe->batch > mnas_recipe_group(recipe) ? cost->weight_bytes : 0;
    return (1 + n_slots) * trained + sum + (recipe->ema_decay > 0 ? cost->weight_bytes : 0);
}

/* A shuffled part of the images touches nearly all pages that hold them. */
static int64_t touched_bytes(const mnas_dataset_info *data) {
    return ((int64_t)data->n_train + data->n_val) * data->height * data->width * data->channels;
}

mnas_memory_need mnas_memory_need_of(const mnas_cost *cost, const mnas_model *model,
                                     const mnas_recipe *recipe, const mnas_dataset_info *data) {
    const int64_t image_bytes =
        (int64_t)model->input_size * model->input_size * model->input_channels * (int64_t)sizeof(float);
    mnas_memory_need need = {.private_bytes = process_bytes};
    need.private_bytes += cost->train_bytes + cost->weight_bytes + optimizer_bytes(cost, recipe);
    need.private_bytes += LOADER_SLOTS * mnas_recipe_group(recipe) * image_bytes;
    need.mapped_bytes = touched_bytes(data);
    return need;
}

int64_t mnas_memory_share(int64_t all_bytes, int jobs) {
    const int64_t limit = mnas_machine_process_bytes(),
                  share = all_bytes == INT64_MAX ? all_bytes : all_bytes / jobs;
    if (limit == INT64_MAX) return share;
    const int64_t alone = limit > MNAS_MEMORY_RESERVE_BYTES ? limit - MNAS_MEMORY_RESERVE_BYTES : 0;
    return share < alone ? share : alone;
}
