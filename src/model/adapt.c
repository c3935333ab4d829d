/* adapt.c - published networks on small images.
 *
 * They were made for 224 pixels: five halvings, and 1280 filters before 1000 classes. On 28 pixels that leaves maps of
 * 1x1, where kernels see padding alone, and a head that costs more than all blocks together. As a baseline such a network
 * would be a straw man. So a halving is kept while it leaves at least 4x4, counted from the input, and later ones become
 * stride 1; and the head is scaled like the blocks. Kernels, expansions, depths and widths of the blocks stay as published.
 */
#include "model/model.h"

enum { LARGE = 64, SMALLEST_MAP = 4, SMALLEST_HEAD = 128 };

/* Keeps or drops a stride; returns the side of the map behind it (padding is "same": ceil). */
static int keep_or_drop(int *stride, int side) {
    const int smaller = (side + 1) / 2;
    if (*stride == 2 && smaller < SMALLEST_MAP) *stride = 1;
    return *stride == 2 ? smaller : side;
}

void mnas_model_adapt_to_size(mnas_model *model, double multiplier) {
    if (model->input_size >= LARGE) return;
    int side = keep_or_drop(&model->stem_stride, model->input_size);
    for (int i = 0; i < model->n_blocks; i++) side = keep_or_drop(&model->blocks[i].stride, side);
    if (model->head_filters == 0 || multiplier >= 1) return;
    const int head = mnas_model_round_filters(model->head_filters, multiplier);
    model->head_filters = head < SMALLEST_HEAD ? SMALLEST_HEAD : head;
}
