/* idx_folder.h - a folder with the four files of MNIST: {train,t10k}-images-idx3-ubyte and
 * -labels-idx1-ubyte, plain or .gz, also with a '.' before "idx", and idx4 for images with a channel dimension.
 *
 * Shared by every dataset that comes this way. Only decode(test = true) reads test images; shape looks at no
 * more than the header of the test images, and where that cannot be read n_test is -1.
 */
#ifndef MNAS_DATA_IDX_FOLDER_H
#define MNAS_DATA_IDX_FOLDER_H

#include "data/dataset.h"

/* The four paths, a line each; a file that is not there by its most usual name. */
int mnas_idx_folder_sources(const char *dir, mnas_str *paths);
/* classes = 0: the largest training label + 1. MNAS_ERR_MISSING where the training files are not there. */
int mnas_idx_folder_shape(const char *dir, int classes, mnas_dataset_shape *out);
int mnas_idx_folder_decode(const char *dir, int classes, bool test, const mnas_decode_sink *sink);

#endif
