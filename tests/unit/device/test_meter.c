/* test_meter.c - the meter over a link that answers from a script: rounds that add up, drift, a reference taken and kept,
 * noise that is refused with its reason, a link that is lost, slow, or lies.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "device/meter.h"
#include "device/sentinel.h"
#include "model/latency.h"

static const char state_file[] = MNAS_TEST_TMP "/meter-sentinel.json";

/* A device that needs net_ms for any network and sentinel_ms for the sentinel, slowed by what follows. */
typedef struct device {
    double net_ms, sentinel_ms;
    double slow[64];   /* factor of the n-th question; 0: 1 */
    double wobble[64]; /* factor of the network alone; 0: 1 */
    double cpu_frac, load;
    int n_switches;
    bool emulated;
    int fail_at, status; /* the n-th question ends so; -1: none does */
    const char *text;    /* every answer is this */
    const char *
        reference; /* what another process puts into the state file while the third is answered; NULL: nothing */
    int n_asked, n_closed;
    bool with_sentinel; /* the last request had one */
} device;

static double factor_of(const double *factors, int n) {
    return n < 64 && factors[n] > 0 ? factors[n] : 1;
}

static char *reply_of(const device *d, int n, const mnas_wire_request *request) {
    char *answer;
    const double slow = factor_of(d->slow, n);
    const bool sentinel_itself = strstr(request->model, "name: sentinel") != NULL;
    const double ms = (sentinel_itself ? d->sentinel_ms : d->net_ms * factor_of(d->wobble, n)) * slow;
    mnas_wire_reply reply = {
        .round = {.median_ms = ms,
                  .p10_ms = ms,
                  .runs = 20,
                  .warmup_runs = 5,
                  .timed_s = 0.1,
                  .n_switches = d->n_switches,
                  .cpu_frac = d->cpu_frac,
                  .steal_frac = 0,
                  .freq_mhz = NAN,
                  .sentinel_ms = request->sentinel ? d->sentinel_ms * slow : NAN,
                  .ratio = NAN},
        .core = 2,
        .engine = "fake engine",
        .arch = "fake",
        .emulated = d->emulated,
        .before = {.load = 0.25, .freq_mhz = 1000, .temp_c = 40, .steal_s = NAN},
        .after = {.load = d->load, .freq_mhz = 2000, .temp_c = 50, .steal_s = NAN, .cpu = "CPU"}};
    if (request->sentinel) reply.round.ratio = ms / reply.round.sentinel_ms;
    snprintf(reply.after.governor, sizeof reply.after.governor, "powersave");
    assert_int_equal(mnas_wire_print_reply(&answer, &reply), 0);
    return answer;
}

static int ask(void *state, const char *kind, const char *text, double timeout_s, const volatile bool *cancel,
               char **answer) {
    device *d = state;
    mnas_wire_request request;
    const int n = d->n_asked++;
    (void)cancel;
    assert_true(timeout_s > 0);
    if (n == d->fail_at) return d->status;
    if (n == 3 && d->reference)
        assert_int_equal(mnas_file_write_atomic(state_file, d->reference, strlen(d->reference)), 0);
    if (d->text) {
        *answer = strdup(d->text);
        return 0;
    }
    assert_string_equal(kind, "latency");
    assert_int_equal(mnas_wire_parse_request(&request, text), 0);
    d->with_sentinel = request.sentinel != NULL;
    *answer = reply_of(d, n, &request);
    mnas_wire_free_request(&request);
    return 0;
}

static void close_device(void *state) {
    ((device *)state)->n_closed++;
}

static const mnas_link_class fake = {.ask = ask, .close = close_device};

typedef struct holder {
    mnas_meter_options meter;
} holder;

static mnas_meter_options options;

static int set_up(void **state) {
    static const mnas_opt table[] = {MNAS_METER_OPTS(holder), MNAS_OPT_END};
    (void)state;
    holder defaults = {0};
    mnas_opts_defaults(table, &defaults);
    options = defaults.meter;
    snprintf(options.state, sizeof options.state, "%s", state_file);
    unlink(state_file);
    return 0;
}

static device new_device(void) {
    return (device){.net_ms = 2, .sentinel_ms = 0.5, .cpu_frac = 1, .load = 0.5, .fail_at = -1};
}

static mnas_model some_model(void) {
    mnas_model m;
    mnas_model_defaults(&m);
    assert_int_equal(mnas_model_set_arch(&m, "r1_k3_s22_e3_i8_o16"), 0);
    snprintf(m.name, sizeof m.name, "some");
    m.stem_filters = 8;
    m.input_size = 28;
    return m;
}

static mnas_meter *open_meter(device *d) {
    mnas_meter *meter;
    assert_int_equal(mnas_meter_open(&meter, (mnas_link){&fake, d}, &options, "fake:x=1"), 0);
    return meter;
}

/* One measurement by a meter of its own. */
static int measure(device *d, mnas_latency *out) {
    const mnas_model model = some_model();
    mnas_meter *meter = open_meter(d);
    *out = mnas_latency_unknown();
    const int rc = mnas_meter_measure(meter, &model, out);
    mnas_meter_close(meter);
    return rc;
}

/* Of a device that was calibrated when calm. */
static int measure_calibrated(device *d, mnas_latency *out) {
    device calm = new_device();
    assert_int_equal(measure(&calm, out), 0);
    return measure(d, out);
}

static void test_first_use_takes_a_reference(void **state) {
    (void)state;
    device d = new_device();
    mnas_latency l;
    if (measure(&d, &l) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(d.n_asked,
                     10); /* one round says what the device is, five its reference, four more the latency */
    assert_true(mnas_file_exists(state_file));
    assert_true(l.median_ms == 2 && l.raw_ms == 2 && l.sentinel_ms == 0.5 && l.drift_frac == 0);
    assert_int_equal(l.rounds, 5);
    assert_int_equal(l.runs, 100);
    assert_int_equal(l.warmup_runs, 25);
    assert_int_equal(l.n_refused, 0);
    assert_int_equal(l.core, 2);
    assert_true(l.load_before == 0.25 && l.load_after == 0.5);
    assert_true(l.freq_before_mhz == 1000 && l.freq_mhz == 2000 && l.temp_before_c == 40 && l.temp_c == 50);
    assert_false(l.wide || l.emulated);
    assert_string_equal(l.device, "fake:x=1");
    assert_string_equal(l.engine, "fake engine");
    assert_string_equal(l.arch, "fake");
    assert_string_equal(l.governor, "powersave");
    assert_true(strlen(l.time_utc) == strlen("2026-11-22T09:53:00.123Z") && l.elapsed_s > 0);
    device again = new_device();
    assert_int_equal(measure(&again, &l), 0);
    assert_int_equal(again.n_asked, 5); /* the reference is known */
    assert_int_equal(again.n_closed, 1);
}

/* 5 % slower today: the clock says so, the latency does not. */
static void test_drift_rescales(void **state) {
    (void)state;
    device hot = new_device();
    mnas_latency l;
    for (int i = 0; i < 64; i++) hot.slow[i] = 1.05;
    if (measure_calibrated(&hot, &l) < 0) fail_msg("%s", mnas_error_message());
    assert_true(fabs(l.median_ms - 2) < 1e-9 && fabs(l.raw_ms - 2.1) < 1e-9);
    assert_true(fabs(l.drift_frac - 0.05) < 1e-9 && l.ci_high_ms <= 2.0001);
}

/* Two rounds at half the speed are repeated, and counted. */
static void test_great_drift_repeats_the_round(void **state) {
    (void)state;
    device jumpy = new_device();
    mnas_latency l;
    jumpy.slow[0] = jumpy.slow[3] = 2;
    if (measure_calibrated(&jumpy, &l) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(jumpy.n_asked, 7);
    assert_int_equal(l.n_refused, 2);
    assert_int_equal(l.n_disturbed, 2);
    assert_true(l.median_ms == 2);
}

static void test_lasting_drift_is_refused(void **state) {
    (void)state;
    device throttled = new_device();
    mnas_latency l;
    for (int i = 0; i < 64; i++) throttled.slow[i] = 1.4;
    assert_int_equal(measure_calibrated(&throttled, &l), MNAS_ERR_REFUSED);
    assert_int_equal(throttled.n_asked, 10); /* ten in a row: the other thirty are not waited for */
    static const char *const parts[] = {"fake:x=1",         "some",       "10 ran while", "+40.0 %",
                                        "1000 to 2000 MHz", "40 to 50 C", "powersave",    "calibrate=true"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(mnas_error_message(), parts[i]))
            fail_msg("\"%s\" not in %s", parts[i], mnas_error_message());
    options.calibrate = true; /* 0.7 ms is the new truth */
    throttled.n_asked = 0;
    if (measure(&throttled, &l) < 0) fail_msg("%s", mnas_error_message());
    assert_true(fabs(l.median_ms - 2.8) < 1e-9 && l.drift_frac == 0);
    options.calibrate = false;
    throttled.n_asked = 0;
    assert_int_equal(measure(&throttled, &l), 0); /* and was kept */
    assert_int_equal(throttled.n_asked, 5);
}

/* What would help is said, what cannot is not. */
static void test_advice_fits(void **state) {
    (void)state;
    device busy = new_device(), jumpy = new_device();
    mnas_latency l;
    for (int i = 0; i < 64; i++) busy.slow[i] = 1.4;
    busy.load = 3;
    assert_int_equal(measure_calibrated(&busy, &l), MNAS_ERR_REFUSED);
    const char *load = strstr(mnas_error_message(), "A load of 3, other programs"),
               *cool = strstr(mnas_error_message(), "Let it cool");
    if (!load || !cool || load > cool) fail_msg("%s", mnas_error_message());
    assert_null(strstr(mnas_error_message(), "ci="));
    options.max_rounds = 6;
    jumpy.slow[0] = jumpy.slow[3] =
        2; /* the interval is as narrow as can be, but four calm rounds are too few */
    assert_int_equal(measure(&jumpy, &l), MNAS_ERR_REFUSED);
    if (strstr(mnas_error_message(), "cool") || strstr(mnas_error_message(), "ci=") ||
        !strstr(mnas_error_message(), "comes and goes") || !strstr(mnas_error_message(), "wide=true"))
        fail_msg("%s", mnas_error_message());
}

static void test_noise_is_refused_or_marked(void **state) {
    (void)state;
    device noisy = new_device();
    mnas_latency l;
    for (int i = 0; i < 64; i++) noisy.wobble[i] = i % 2 ? 1.2 : 1;
    options.max_rounds = 40;
    assert_int_equal(measure_calibrated(&noisy, &l), MNAS_ERR_REFUSED);
    assert_int_equal(noisy.n_asked, 40);
    assert_non_null(strstr(mnas_error_message(), "ci=0"));
    assert_non_null(strstr(mnas_error_message(), "wide=true"));
    noisy.n_asked = 0;
    options.wide = true;
    options.max_rounds = 12;
    assert_int_equal(measure(&noisy, &l), 0);
    assert_true(l.wide && l.ci_low_ms <= 2.0001 && l.ci_high_ms >= 2.3999);
    noisy.n_asked = 0;
    options.wide = false;
    options.ci = 0.2;
    assert_int_equal(measure(&noisy, &l), 0);
    assert_false(l.wide);
}

/* Another program has half of the core, all the time. */
static void test_a_shared_core_is_refused(void **state) {
    (void)state;
    device shared = new_device();
    mnas_latency l;
    shared.cpu_frac = 0.5;
    shared.n_switches = 30;
    assert_int_equal(measure_calibrated(&shared, &l), MNAS_ERR_REFUSED);
    assert_int_equal(shared.n_asked, 10);
    assert_non_null(strstr(mnas_error_message(), "10 had to share the core"));
    assert_non_null(strstr(mnas_error_message(), "10 were pushed off the core"));
}

/* Neither is a reference taken then; nor kept where the user takes what comes. */
static void test_no_reference_is_made_of_noise(void **state) {
    (void)state;
    device shared = new_device();
    mnas_latency l;
    shared.cpu_frac = 0.5;
    for (int i = 0; i < 64; i++) shared.slow[i] = i % 3 ? 1.2 : 1;
    assert_int_equal(measure(&shared, &l), MNAS_ERR_REFUSED);
    assert_non_null(strstr(mnas_error_message(), "reference"));
    assert_false(mnas_file_exists(state_file));
    shared.n_asked = 0;
    options.wide = true;
    assert_int_equal(measure(&shared, &l), 0);
    assert_true(l.wide);
    assert_false(mnas_file_exists(state_file));
}

/* Two processes use a device for the first time: both count from the reference that was kept first. */
static void test_two_take_a_reference_at_once(void **state) {
    (void)state;
    device d = new_device(), late = new_device();
    mnas_latency l;
    char *text;
    size_t n;
    assert_int_equal(measure(&d, &l), 0);
    assert_int_equal(mnas_file_read(state_file, 65536, &text, &n), 0);
    unlink(state_file);
    for (int i = 0; i < 64; i++) late.slow[i] = 1.02;
    late.reference = text;
    assert_int_equal(measure(&late, &l), 0);
    assert_true(fabs(l.median_ms - 2) < 1e-9 && fabs(l.drift_frac - 0.02) < 1e-9);
    free(text);
}

/* Half of the core, evenly: the interval is narrow, and still it is no reference for later. */
static void test_an_even_disturbance_makes_no_reference(void **state) {
    (void)state;
    device shared = new_device();
    mnas_latency l;
    shared.cpu_frac = 0.5;
    options.wide = true;
    options.max_rounds = 8;
    assert_int_equal(measure(&shared, &l), 0);
    assert_true(l.wide && l.ci_low_ms == l.ci_high_ms);
    assert_false(mnas_file_exists(state_file));
}

/* It was taken while something slowed the device unseen: told so, with the way out. */
static void test_a_reference_of_a_slowed_device(void **state) {
    (void)state;
    device slowed = new_device(), calm = new_device();
    mnas_latency l;
    for (int i = 0; i < 64; i++) slowed.slow[i] = 1.2;
    assert_int_equal(measure(&slowed, &l), 0);
    assert_int_equal(measure(&calm, &l), MNAS_ERR_REFUSED);
    if (!strstr(mnas_error_message(), "10 ran while the device was faster than when it was calibrated") ||
        !strstr(mnas_error_message(), "calibrate=true") || strstr(mnas_error_message(), "ci="))
        fail_msg("%s", mnas_error_message());
    options.calibrate = true;
    assert_int_equal(measure(&calm, &l), 0);
    assert_true(l.median_ms == 2);
}

/* Without a place to keep it each process takes its own. */
static void test_without_a_cache(void **state) {
    (void)state;
    device d = new_device();
    mnas_latency l;
    static const char file[] = MNAS_TEST_TMP "/meter-no-folder";
    options.state[0] = '\0';
    assert_int_equal(mnas_file_write_atomic(file, "x", 1), 0);
    setenv("MNAS_CACHE_DIR", file, 1);
    if (measure(&d, &l) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(d.n_asked, 10);
    assert_true(l.median_ms == 2 && l.drift_frac == 0);
    unsetenv("MNAS_CACHE_DIR");
    unlink(file);
}

/* 1 % is wanted of a reference, up to 3 % are kept. */
static void test_a_reference_may_be_a_little_uncertain(void **state) {
    (void)state;
    device restless = new_device();
    mnas_latency l;
    mnas_sentinel_reference r;
    for (int i = 0; i < 64; i++) restless.slow[i] = i % 2 ? 1.03 : 1;
    options.max_rounds = 40;
    assert_int_equal(measure(&restless, &l), 0);
    assert_int_equal(l.rounds, 5);
    assert_true(mnas_file_exists(state_file));
    char *text;
    size_t n;
    assert_int_equal(mnas_file_read(state_file, 65536, &text, &n), 0);
    assert_int_equal(mnas_sentinel_parse(&r, text, n), 0);
    free(text);
    assert_true(r.half_frac > 0.01 && r.half_frac < 0.03 && r.rounds == 40);
}

static void test_without_sentinel(void **state) {
    (void)state;
    device d = new_device();
    mnas_latency l;
    options.sentinel = false;
    assert_int_equal(measure(&d, &l), 0);
    assert_int_equal(d.n_asked, 5);
    assert_false(d.with_sentinel);
    assert_true(isnan(l.drift_frac) && isnan(l.sentinel_ms) && l.median_ms == 2);
    assert_false(mnas_file_exists(state_file));
}

/* Times of an emulator mean nothing: told, not refused, and no reference is made of them. */
static void test_emulation_is_told(void **state) {
    (void)state;
    device d = new_device();
    mnas_latency l;
    const mnas_model model = some_model();
    d.emulated = true;
    for (int i = 0; i < 64; i++) d.wobble[i] = 1 + 0.1 * (i % 7);
    options.max_rounds = 6;
    mnas_meter *meter = open_meter(&d);
    assert_int_equal(mnas_meter_measure(meter, &model, &l), 0);
    assert_true(l.emulated && l.wide && isnan(l.drift_frac));
    assert_int_equal(mnas_meter_measure(meter, &model, &l), 0);
    assert_false(d.with_sentinel);
    mnas_meter_close(meter);
    assert_false(mnas_file_exists(state_file));
}

/* A reference file of the user's that is damaged, or of another device, is not overwritten. */
static void test_a_strange_reference_is_refused(void **state) {
    (void)state;
    device d = new_device();
    mnas_latency l;
    assert_int_equal(mnas_file_write_atomic(state_file, "{\"schema\":1}", 12), 0);
    assert_int_equal(measure(&d, &l), MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), state_file));
    unlink(state_file);
    d = new_device();
    assert_int_equal(measure(&d, &l), 0);
    options.threads = 2;
    d = new_device();
    assert_int_equal(measure(&d, &l), MNAS_ERR_MISMATCH);
}

static void test_threads_are_part_of_the_name(void **state) {
    (void)state;
    device d = new_device();
    mnas_latency l;
    options.threads = 2;
    assert_int_equal(measure(&d, &l), 0);
    assert_string_equal(l.device, "fake:x=1,threads=2");
    assert_int_equal(l.threads, 2);
}

static void expect(device *d, int status, const char *part) {
    mnas_latency l;
    d->n_asked = 0;
    const int rc = measure_calibrated(d, &l);
    if (rc != status || !strstr(mnas_error_message(), part))
        fail_msg("status %d (%s); expected %d with \"%s\"", rc, mnas_error_message(), status, part);
}

/* At each question the link may fail; what it says keeps its kind where the caller can do something about it. */
static void test_a_link_that_fails(void **state) {
    (void)state;
    device d = new_device();
    for (d.fail_at = 0; d.fail_at < 5; d.fail_at++) {
        d.status = MNAS_ERR_DEVICE;
        expect(&d, MNAS_ERR_DEVICE, "device fake:x=1: measuring process");
        d.status = MNAS_ERR_TIMEOUT;
        expect(&d, MNAS_ERR_DEVICE, "measuring process");
        d.status = MNAS_ERR_CANCELLED;
        expect(&d, MNAS_ERR_CANCELLED, "");
    }
    assert_int_equal(d.n_closed, 15);
}

static void test_a_link_that_lies(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int status;
    } lies[] = {{"", MNAS_ERR_DEVICE},
                {"{\"wire\":2}", MNAS_ERR_DEVICE},
                {"{\"wire\":3}", MNAS_ERR_DEVICE},
                {"Segmentation fault", MNAS_ERR_DEVICE},
                {"{\"wire\":3,\"status\":-10,\"message\":\"map is 0x0\"}", MNAS_ERR_INVALID},
                {"{\"wire\":3,\"status\":-1,\"message\":\"core is 9\"}", MNAS_ERR_ARG},
                {"{\"wire\":3,\"status\":-14,\"message\":\"XNNPACK\"}", MNAS_ERR_DEVICE},
                {"{\"wire\":3,\"status\":5}", MNAS_ERR_DEVICE}};
    device d = new_device();
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        d.text = lies[i].text;
        expect(&d, lies[i].status, "fake:x=1");
    }
}

static void test_time_over_is_no_failure(void **state) {
    (void)state;
    device d = new_device();
    const mnas_model model = some_model();
    mnas_latency l;
    volatile bool cancel = true;
    mnas_meter *meter = open_meter(&d);
    mnas_meter_limit(meter, mnas_clock_now_s() - 1, NULL);
    assert_int_equal(mnas_meter_measure(meter, &model, &l), MNAS_ERR_CANCELLED);
    mnas_meter_limit(meter, INFINITY, &cancel);
    assert_int_equal(mnas_meter_measure(meter, &model, &l), MNAS_ERR_CANCELLED);
    assert_int_equal(d.n_asked, 0);
    cancel = false;
    assert_int_equal(mnas_meter_measure(meter, &model, &l), 0);
    mnas_meter_limit(meter, NAN, &cancel); /* no limit, as options say it */
    assert_int_equal(mnas_meter_measure(meter, &model, &l), 0);
    mnas_meter_close(meter);
}

static void test_layers_are_medians_of_rounds(void **state) {
    (void)state;
    device d = new_device();
    const mnas_model model = some_model();
    mnas_layer_time *layers;
    int n;
    d.text = "{\"wire\":3,\"layers\":[[\"a\",1],[\"b\",2]]}";
    mnas_meter *meter = open_meter(&d);
    assert_int_equal(mnas_meter_layers(meter, &model, &layers, &n), 0);
    assert_int_equal(n, 2);
    assert_true(strcmp(layers[1].name, "b") == 0 && layers[1].ms == 2);
    assert_int_equal(d.n_asked, 5);
    free(layers);
    d.fail_at = 7;
    d.status = MNAS_ERR_DEVICE;
    assert_int_equal(mnas_meter_layers(meter, &model, &layers, &n), MNAS_ERR_DEVICE);
    mnas_meter_close(meter);
}

static void test_rounds_must_fit(void **state) {
    (void)state;
    device d = new_device();
    mnas_meter *meter;
    options.rounds = 9;
    options.max_rounds = 8;
    assert_int_equal(mnas_meter_open(&meter, (mnas_link){&fake, &d}, &options, "fake"), MNAS_ERR_ARG);
    assert_null(meter);
    assert_int_equal(d.n_closed, 1); /* the link was handed over all the same */
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup(f, set_up)
    const struct CMUnitTest tests[] = {
        TEST(test_first_use_takes_a_reference),
        TEST(test_drift_rescales),
        TEST(test_great_drift_repeats_the_round),
        TEST(test_lasting_drift_is_refused),
        TEST(test_advice_fits),
        TEST(test_noise_is_refused_or_marked),
        TEST(test_a_shared_core_is_refused),
        TEST(test_no_reference_is_made_of_noise),
        TEST(test_two_take_a_reference_at_once),
        TEST(test_an_even_disturbance_makes_no_reference),
        TEST(test_a_reference_of_a_slowed_device),
        TEST(test_without_a_cache),
        TEST(test_a_reference_may_be_a_little_uncertain),
        TEST(test_without_sentinel),
        TEST(test_emulation_is_told),
        TEST(test_a_strange_reference_is_refused),
        TEST(test_threads_are_part_of_the_name),
        TEST(test_a_link_that_fails),
        TEST(test_a_link_that_lies),
        TEST(test_time_over_is_no_failure),
        TEST(test_layers_are_medians_of_rounds),
        TEST(test_rounds_must_fit),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
