/* crop.h - which part of an image a network sees, as the paper's training chose it: pure functions of sizes and random numbers.
 *
 * `size` is the side that the part is brought to.
 */
#ifndef MNAS_DATA_CROP_H
#define MNAS_DATA_CROP_H

#include "base/rng.h"
#include "data/image_file.h"

/* Evaluation: the central square, of side min(height, width) * size / (size + 32). */
mnas_rect mnas_crop_centre(int height, int width, int size);

/* Training: of 8 to 100 % of the area, aspect 3/4 to 4/3; the central square where no such part fits. */
mnas_rect mnas_crop_area(int height, int width, int size, mnas_rng *rng);

#endif
