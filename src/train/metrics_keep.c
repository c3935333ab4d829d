/* metrics_keep.c - what of the files of metrics.c a resumed training leaves standing. It takes them for anybody's: what is none of ours
 * is refused, and what is damaged ends what is kept.
 */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "train/metrics.h"
#include "train/tfevents.h"

static const char first_line[] = "{\"schema\":1,\"step\":"; /* as json_of writes it */

static bool is_kept(const mnas_metrics_point *point, int64_t step, bool evaluation) {
    return step <= (evaluation ? point->evaluated_step : point->step);
}

/* Whether bytes begin like `start`, as far as there are any. */
static bool begins(const uint8_t *bytes, size_t n, const void *start, size_t n_start) {
    return memcmp(bytes, start, n < n_start ? n : n_start) == 0;
}

static bool keeps_line(const mnas_metrics_point *point, const char *line, size_t n) {
    json_t *entry = json_loadb(line, n, 0, NULL);
    const json_t *step = json_object_get(entry, "step");
    const bool kept = json_is_integer(step) &&
                      is_kept(point, json_integer_value(step), json_object_get(entry, "val_loss") != NULL);
    json_decref(entry);
    return kept;
}

int64_t mnas_metrics_keep_lines(const void *user, const uint8_t *bytes, size_t n) {
    size_t at = 0;
    if (!begins(bytes, n, first_line, sizeof first_line - 1))
        return mnas_error_set(MNAS_ERR_ARG,
                              "is there and holds no metrics of ours; allowed: those, or a new file");
    for (const uint8_t *end; at < n && (end = memchr(bytes + at, '\n', n - at));
         at = (size_t)(end - bytes) + 1)
        if (!keeps_line(user, (const char *)bytes + at, (size_t)(end - bytes) - at)) break;
    return (int64_t)at;
}

int64_t mnas_metrics_keep_events(const void *user, const uint8_t *bytes, size_t n) {
    mnas_str ours = {0};
    mnas_tf_record record;
    mnas_tfevents_begin(&ours, 0);
    if (!mnas_str_ok(&ours)) return MNAS_ERR_MEMORY;
    const bool right = begins(bytes, n, ours.data, 12); /* its length and that one's checksum */
    mnas_str_free(&ours);
    if (!right)
        return mnas_error_set(MNAS_ERR_ARG,
                              "is there and is no event file of ours; allowed: that, or a new one");
    size_t at = 0;
    for (; mnas_tfevents_read(&record, bytes + at, n - at); at += record.n_record)
        if (!is_kept(user, record.step, memmem(record.data, record.n, "val/", 4) != NULL)) break;
    return (int64_t)at;
}
