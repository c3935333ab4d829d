/* test_metrics.c - JSON lines and event files: checksums against known vectors, records taken apart by the test itself, and what
 * is left of both files where a training goes on from an earlier step. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "train/metrics.h"
#include "train/tfevents.h"

#define DIR    MNAS_TEST_TMP "/metrics"
#define LINES  DIR "/m.jsonl"
#define EVENTS DIR "/board/events.out.tfevents.mnas"

/* RFC 3720, appendix B.4, and the check value of the catalogue of CRCs. */
static void checksums_are_castagnolis(void **state) {
    (void)state;
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];
    for (int i = 0; i < 32; i++) ones[i] = 0xff, up[i] = (uint8_t)i, down[i] = (uint8_t)(31 - i);
    assert_int_equal(mnas_crc32c(zeros, 32), 0x8a9136aa);
    assert_int_equal(mnas_crc32c(ones, 32), 0x62a8ab43);
    assert_int_equal(mnas_crc32c(up, 32), 0x46dd794e);
    assert_int_equal(mnas_crc32c(down, 32), 0x113fdb5c);
    assert_int_equal(mnas_crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(mnas_crc32c("", 0), 0);
}

/* The record that TensorFlow begins a file with, here at 1.5 s; it leaves out the step 0. */
static void records_have_their_bytes(void **state) {
    (void)state;
    static const uint8_t event[] = {0x09, 0,   0,   0,   0,   0,   0,   0xf8, 0x3f, 0x10, 0,   0x1a, 13,
                                    'b',  'r', 'a', 'i', 'n', '.', 'E', 'v',  'e',  'n',  't', ':',  '2'};
    mnas_str out = {0};
    mnas_tfevents_begin(&out, 1.5);
    assert_true(mnas_str_ok(&out));
    assert_int_equal(out.len, sizeof event + 16);
    assert_memory_equal(out.data, ((const uint8_t[]){sizeof event, 0, 0, 0, 0, 0, 0, 0}), 8);
    assert_memory_equal(out.data + 12, event, sizeof event);
    const uint32_t crc = mnas_crc32c(event, sizeof event), masked = (crc >> 15 | crc << 17) + 0xa282ead8;
    assert_memory_equal(out.data + 12 + sizeof event, &masked, 4);
    mnas_str_free(&out);
}

static void scalars_are_read_back(void **state) {
    (void)state;
    static const uint8_t summary[] = {0x2a, 11, 0x0a, 9, 0x0a, 2, 'x', '/', 0x15, 0, 0, 0x40, 0xc0}; /* -3 */
    const mnas_tf_scalar scalar = {"x/", -3};
    mnas_str out = {0};
    mnas_tf_record r;
    mnas_tfevents_add(&out, 2, 300, &scalar, 1);
    assert_true(mnas_tfevents_read(&r, (const uint8_t *)out.data, out.len));
    assert_int_equal(r.step, 300);
    assert_int_equal(r.n_record, out.len);
    assert_int_equal(r.n, 9 + 3 + sizeof summary);
    assert_memory_equal(r.data + 9, ((const uint8_t[]){0x10, 0xac, 0x02}), 3); /* 300 as a varint */
    assert_memory_equal(r.data + 12, summary, sizeof summary);
    for (size_t n = 0; n < out.len; n++) { /* cut short, or with one bit turned */
        assert_false(mnas_tfevents_read(&r, (const uint8_t *)out.data, n));
        out.data[n] ^= 4;
        assert_false(mnas_tfevents_read(&r, (const uint8_t *)out.data, out.len));
        out.data[n] ^= 4;
    }
    mnas_str_free(&out);
}

/* ---- files ---- */

static void add(mnas_metrics *m, int64_t step, const mnas_eval_result *val) {
    const mnas_metrics_entry e = {step, 1, 0.5, 0.25, 0.1, NAN, 3, val};
    assert_int_equal(mnas_metrics_add(m, &e), 0);
}

/* Steps 2, 4, 6 and evaluations after 4 and 6. */
static void write_six(const mnas_metrics_point *from) {
    static const mnas_eval_result val = {
        .n = 7, .top1_frac = 0.5, .top5_frac = 0.75, .loss = 1.25, .balanced_frac = 0.625};
    mnas_metrics *m;
    if (mnas_metrics_open(&m, LINES, DIR "/board", from) < 0) fail_msg("%s", mnas_error_message());
    for (int64_t step = 2; step <= 6; step += 2) {
        if (step > from->step) add(m, step, NULL);
        if (step >= 4 && step > from->evaluated_step) add(m, step, &val);
    }
    assert_int_equal(mnas_metrics_sync(m), 0);
    mnas_metrics_close(m);
}

static void read_both(mnas_str *lines, mnas_str *steps) {
    char *text;
    uint8_t *bytes;
    size_t n;
    assert_int_equal(mnas_file_read(LINES, 1 << 20, &text, &n), 0);
    mnas_str_append_n(lines, text, n);
    free(text);
    assert_int_equal(mnas_file_read(EVENTS, 1 << 20, (char **)&bytes, &n), 0);
    mnas_tf_record r;
    for (size_t at = 0; at < n; at += r.n_record) {
        assert_true(mnas_tfevents_read(&r, bytes + at, n - at));
        mnas_str_appendf(steps, "%lld%s ", (long long)r.step, memmem(r.data, r.n, "val/loss", 8) ? "v" : "");
    }
    free(bytes);
}

static void entries_are_lines_and_events(void **state) {
    (void)state;
    const mnas_metrics_point start = {0, 0};
    mnas_str lines = {0}, steps = {0};
    write_six(&start);
    read_both(&lines, &steps);
    assert_string_equal(steps.data, "0 2 4 4v 6 6v ");
    static const char first[] =
        "{\"schema\":1,\"step\":2,\"epoch\":1,\"loss\":0.5,\"accuracy_frac\":0.25,\"lr\":0.1,"
        "\"images_per_s\":null,\"elapsed_s\":3.0}\n";
    assert_memory_equal(lines.data, first, sizeof first - 1);
    assert_non_null(
        strstr(lines.data,
               "\"step\":4,\"epoch\":1,\"loss\":0.5,\"accuracy_frac\":0.25,\"lr\":0.1,\"images_per_s\":null,"
               "\"elapsed_s\":3.0,\"val_loss\":1.25,\"val_accuracy_frac\":0.5,"
               "\"val_balanced_frac\":0.625,\"val_top5_frac\":0.75}\n"));
    mnas_str_free(&lines);
    mnas_str_free(&steps);
}

/* Wherever a training goes on, both files end up as if it had never stopped; half an entry behind what is kept is no harm. */
static void files_go_on_without_doubles_or_gaps(void **state) {
    (void)state;
    static const mnas_metrics_point points[] = {{0, 0}, {2, 0}, {3, 0}, {4, 0},
                                                {4, 4}, {5, 4}, {6, 4}, {6, 6}};
    const mnas_metrics_point start = {0, 0};
    mnas_str lines = {0}, steps = {0};
    write_six(&start);
    read_both(&lines, &steps);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        for (int cut = 0; cut < 2; cut++) { /* whole, and with half an entry more */
            mnas_str again = {0}, again_steps = {0};
            write_six(&start);
            if (cut == 1)
                for (int k = 0; k < 2; k++) {
                    FILE *f = fopen(k ? EVENTS : LINES, "a");
                    assert_true(f && fputs("{\"schema\":1,\"st", f) >= 0 && fclose(f) == 0);
                }
            write_six(&points[i]);
            read_both(&again, &again_steps);
            assert_string_equal(again.data, lines.data);
            assert_string_equal(again_steps.data, steps.data);
            mnas_str_free(&again);
            mnas_str_free(&again_steps);
        }
    }
    mnas_str_free(&lines);
    mnas_str_free(&steps);
}

static void foreign_files_are_left_alone(void **state) {
    (void)state;
    static const char *const foreign[] = {"a letter to my aunt", "{\"schema\":2", "{}", "x"};
    const mnas_metrics_point start = {0, 0};
    mnas_metrics *m;
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        char *text;
        size_t n;
        assert_int_equal(mnas_file_write_atomic(DIR "/letter", foreign[i], strlen(foreign[i])), 0);
        assert_int_equal(mnas_metrics_open(&m, DIR "/letter", NULL, &start), MNAS_ERR_ARG);
        assert_non_null(strstr(mnas_error_message(), "letter"));
        assert_int_equal(mnas_file_read(DIR "/letter", 1000, &text, &n), 0);
        assert_string_equal(text, foreign[i]);
        free(text);
        assert_int_equal(mnas_file_write_atomic(EVENTS, foreign[i], strlen(foreign[i])), 0);
        assert_int_equal(mnas_metrics_open(&m, NULL, DIR "/board", &start), MNAS_ERR_ARG);
        assert_int_equal(mnas_file_read(EVENTS, 1000, &text, &n), 0);
        assert_string_equal(text, foreign[i]);
        free(text);
    }
    unlink(EVENTS);
    assert_int_equal(mnas_metrics_open(&m, "/dev/null", NULL, &start), MNAS_ERR_ARG);
}

static int setup(void **state) {
    (void)state;
    return mnas_file_mkdirs(DIR "/board");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_are_castagnolis),
        cmocka_unit_test(records_have_their_bytes),
        cmocka_unit_test(scalars_are_read_back),
        cmocka_unit_test(entries_are_lines_and_events),
        cmocka_unit_test(files_go_on_without_doubles_or_gaps),
        cmocka_unit_test(foreign_files_are_left_alone),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
