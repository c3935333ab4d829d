/* What a resumed training finds of its metrics: JSON lines, and TensorBoard's records, whose checksums are put right here. The first
 * byte says which, the next two where the training goes on. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "fuzz.h"
#include "train/metrics.h"
#include "train/tfevents.h"

typedef int64_t (*keeper)(const void *user, const uint8_t *bytes, size_t n);

/* What is kept lies within the file, and is kept again. */
static void check_kept(keeper keep, const mnas_metrics_point *point, const uint8_t *bytes, size_t n) {
    const int64_t kept = keep(point, bytes, n);
    if (kept < 0) return;
    FUZZ_CHECK((size_t)kept <= n);
    if (kept > 0) FUZZ_CHECK(keep(point, bytes, (size_t)kept) == kept);
}

static void put_checksum(mnas_str *out, const void *bytes, size_t n) {
    const uint32_t crc = mnas_crc32c(bytes, n), masked = (crc >> 15 | crc << 17) + 0xa282ead8;
    mnas_str_append_n(out, (const char *)&masked, sizeof masked);
}

/* What is written is read. */
static void check_written(int64_t step) {
    const mnas_tf_scalar scalars[] = {{"train/loss", 1}, {"train/lr", 0.5}};
    mnas_str out = {0};
    mnas_tf_record record;
    mnas_tfevents_add(&out, 2, step, scalars, 2);
    FUZZ_CHECK(mnas_str_ok(&out) && mnas_tfevents_read(&record, (const uint8_t *)out.data, out.len));
    FUZZ_CHECK(record.step == step && record.n_record == out.len);
    mnas_str_free(&out);
}

/* Each part an event; what is behind the last is half a record. */
static void check_events(fuzz_input *in, const mnas_metrics_point *point) {
    mnas_str file = {0};
    mnas_tfevents_begin(&file, 1);
    while (in->at < in->end) {
        size_t n;
        const uint8_t *event = fuzz_part(in, &n);
        const uint64_t length = n;
        mnas_str_append_n(&file, (const char *)&length, sizeof length);
        put_checksum(&file, &length, sizeof length);
        mnas_str_append_n(&file, (const char *)event, n);
        put_checksum(&file, event, n);
    }
    FUZZ_CHECK(mnas_str_ok(&file));
    check_kept(mnas_metrics_keep_events, point, (const uint8_t *)file.data, file.len);
    mnas_str_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    fuzz_input in = {data, data + n};
    const unsigned kind = fuzz_byte(&in) % 3;
    mnas_metrics_point point = {.step = fuzz_byte(&in), .evaluated_step = fuzz_byte(&in)};
    if (kind == 0) check_kept(mnas_metrics_keep_lines, &point, in.at, (size_t)(in.end - in.at));
    if (kind == 1) check_kept(mnas_metrics_keep_events, &point, in.at, (size_t)(in.end - in.at));
    if (kind == 2) check_events(&in, &point);
    check_written(point.step);
    return 0;
}
