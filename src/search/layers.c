/* layers.c - layers' times of the front's networks, taken when a search has ended; see layers.h.
 *
 * It goes by what the study holds, so that a resumed search takes what an earlier one had no time for.
 */
#include "search/layers.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

enum { MAX_NETWORKS = 8 };

static int time_one(mnas_store *store, const mnas_study *study, mnas_device *device, int trial) {
    mnas_model model;
    mnas_layer_time *layers = NULL;
    int n = 0;
    int rc = mnas_study_model(study, trial, &model);
    if (rc == 0) rc = mnas_device_measure_layers(device, &model, &layers, &n);
    if (rc == 0) rc = mnas_store_put_layers(store, trial, layers, n);
    free(layers);
    return rc;
}

static int has_layers(const mnas_study *study, int trial, bool *has) {
    mnas_layer_time *layers = NULL;
    int n = 0;
    const int rc = mnas_study_layers(study, trial, &layers, &n);
    free(layers);
    *has = n > 0;
    return rc;
}

static int time_front(mnas_store *store, const mnas_study *study, mnas_device *device, double end_s,
                      const volatile bool *cancel) {
    int *front = NULL, n_front = 0, n_done = 0;
    int rc = mnas_study_front(study, &front, &n_front);
    for (int i = 0; i < n_front && n_done < MAX_NETWORKS && rc == 0; i++) {
        bool has = false;
        if ((cancel && *cancel) || mnas_clock_now_s() >= end_s) break;
        if ((rc = has_layers(study, front[i], &has)) < 0 || has) continue;
        mnas_log_live("timing the layers of trial %d ...", front[i]);
        rc = time_one(store, study, device, front[i]);
        n_done++;
    }
    mnas_log_live("%s", "");
    free(front);
    return rc;
}

void mnas_search_time_layers(mnas_store *store, const char *study_path, mnas_device *device, double end_s,
                             const volatile bool *cancel) {
    mnas_study *study;
    if (!mnas_device_can_measure_layers(device)) return;
    int rc = mnas_study_open(&study, study_path);
    if (rc == 0) {
        rc = time_front(store, study, device, end_s, cancel);
        mnas_study_close(study);
    }
    if (rc < 0) mnas_log_warn("the layers of the best networks were not all timed: %s", mnas_error_message());
}
