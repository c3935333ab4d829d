/* layers.h - at the end of a search: where the milliseconds of its best networks go. */
#ifndef MNAS_SEARCH_LAYERS_H
#define MNAS_SEARCH_LAYERS_H

#include "device/device.h"
#include "store/store.h"

/* Times the layers of those networks of the front that have none yet, a few at most, and stores them in `store`, which is
 * the study at study_path. Stops early when *cancel (may be NULL) or at end_s (mnas_clock_now_s; INFINITY: never). The
 * machine must be quiet. What goes wrong is a warning: a search that has its results does not fail for this. */
void mnas_search_time_layers(mnas_store *store, const char *study_path, mnas_device *device, double end_s,
                             const volatile bool *cancel);

#endif
