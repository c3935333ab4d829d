/* test_pool.c - a farm is one device: calibrated members, one unit, words that are wrong, and what is the network's fault. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "device/lease.h"
#include "fake_phone.h"

#define assert_near(a, b, within) assert_true(fabs((a) - (b)) <= (within))

static void test_one_member_is_itself(void **state) {
    (void)state;
    mnas_device *farm = open_farm("a", "");
    const mnas_model m = network("n");
    mnas_latency l;
    assert_int_equal(mnas_device_measure(farm, &m, &l), 0);
    assert_true(l.median_ms == NETWORK_MS && l.raw_ms == NETWORK_MS && l.sentinel_ms == SENTINEL_MS);
    /* the very calibration that is the reference adds no error */
    assert_near(l.ci_low_ms, 0.99 * NETWORK_MS, 1e-12);
    assert_near(l.ci_high_ms, 1.01 * NETWORK_MS, 1e-12);
    assert_non_null(strstr(l.device, "phone:dir="));
    mnas_device_close(farm);
    assert_int_equal(count_lines("log", "sentinel"), 1);
}

/* What is no time is nobody's latency. */
static void test_no_time(void **state) {
    (void)state;
    char spec[1300];
    mnas_device *device;
    const mnas_model m = network("n");
    mnas_latency l;
    phone_put("a", "ms", "0");
    snprintf(spec, sizeof spec, "phone:dir=%s", phone_path("a", ""));
    assert_int_equal(mnas_device_open(&device, spec), 0);
    assert_int_equal(mnas_device_measure(device, &m, &l), MNAS_ERR_DEVICE);
    assert_non_null(strstr(mnas_error_message(), "says 0 ms"));
    mnas_device_close(device);
}

/* B is a tenth slower with everything: what it measures is said in A's time, with the calibrations' errors in the interval. */
static void test_members_are_calibrated(void **state) {
    (void)state;
    const mnas_model m = network("n");
    mnas_latency l;
    phone_put("b", "ms", "1.1");
    mnas_device *farm = open_farm("ab", "");
    assert_measured_by(farm, "a", NETWORK_MS);
    phone_put("a", "unplugged", "");
    assert_measured_by(farm, "b", NETWORK_MS);
    assert_int_equal(mnas_device_measure(farm, &m, &l), 0);
    assert_near(l.raw_ms, 1.1 * NETWORK_MS, 1e-9);
    assert_near(l.sentinel_ms, 1.1 * SENTINEL_MS, 1e-9);
    /* 1 % of each of three measurements */
    assert_near(l.ci_high_ms, NETWORK_MS * (1 + 0.01 * sqrt(3)), 1e-9);
    assert_near(l.ci_low_ms, NETWORK_MS * (1 - 0.01 * sqrt(3)), 1e-9);
    mnas_device_close(farm);
    assert_int_equal(count_lines("log", "a sentinel"), 1);
    assert_int_equal(count_lines("log", "b sentinel"), 1);
}

/* The next process finds unit and calibrations. */
static void test_calibrations_are_kept(void **state) {
    (void)state;
    phone_put("b", "ms", "0.9");
    phone_put("a", "unplugged", "");
    mnas_device *farm = open_farm("ab", "");
    assert_measured_by(farm, "b", 0.9 * NETWORK_MS);
    mnas_device_close(farm);
    phone_remove("a", "unplugged");
    phone_put("b", "unplugged", "");
    mnas_clock_sleep_ms(60);
    farm = open_farm("ba", "");
    assert_measured_by(farm, "a", 0.9 * NETWORK_MS);
    mnas_device_close(farm);
    assert_int_equal(count_lines("log", "sentinel"), 2);
    farm = open_farm("ab", ",calibrate-minutes=0");
    assert_measured_by(farm, "a", 0.9 * NETWORK_MS);
    assert_measured_by(farm, "a", 0.9 * NETWORK_MS);
    mnas_device_close(farm);
    assert_int_equal(count_lines("log", "sentinel"), 4);
}

/* It became slower with time, and is calibrated anew: the unit stays. */
static void test_old_calibrations_are_renewed(void **state) {
    (void)state;
    mnas_device *farm = open_farm("a", ",calibrate-minutes=0.005"); /* 300 ms */
    assert_measured_by(farm, "a", NETWORK_MS);
    phone_put("a", "ms", "1.2");
    assert_measured_by(farm, "a", 1.2 * NETWORK_MS);
    mnas_clock_sleep_ms(320);
    assert_measured_by(farm, "a", NETWORK_MS);
    mnas_device_close(farm);
    assert_int_equal(count_lines("log", "sentinel"), 2);
}

static int n_with(const mnas_findings *f, const char *text) {
    int n = 0;
    for (size_t i = 0; i < f->n; i++) n += strstr(f->items[i].text, text) != NULL;
    return n;
}

static void test_unequal_is_left_out(void **state) {
    (void)state;
    mnas_findings f = {0};
    mnas_device *farm = open_farm("ab", "");
    phone_put("b", "ms", "1.5");
    assert_measured_by(farm, "a", NETWORK_MS);
    phone_put("a", "unplugged", "");
    const mnas_model m = network("n");
    mnas_latency l;
    volatile bool cancel = false;
    mnas_device_limit(farm, mnas_clock_now_s() + 0.3, &cancel);
    assert_int_equal(mnas_device_measure(farm, &m, &l), MNAS_ERR_CANCELLED); /* a may come back: it waited */
    mnas_device_examine(farm, &f);
    assert_int_equal(n_with(&f, "no equal device"), 1);
    assert_int_equal(n_with(&f, "unplugged at start"), 1);
    assert_int_equal(n_with(&f, "a phone in b"), 1);
    mnas_findings_free(&f);
    mnas_device_close(farm);
    /* alone it is a pool of its own */
    farm = open_farm("b", "");
    assert_measured_by(farm, "b", 1.5 * NETWORK_MS);
    mnas_device_close(farm);
    assert_int_equal(count_lines("log", "b n"), 1);
}

/* Nobody to wait for: nothing is left of the pool. */
static void test_none_is_left(void **state) {
    (void)state;
    const mnas_model m = network("n");
    mnas_latency l;
    mnas_device *farm = open_farm("a", ",calibrate-minutes=0");
    assert_measured_by(farm, "a", NETWORK_MS);
    mnas_device_close(farm);
    phone_put("a", "ms", "2");
    farm = open_farm("a", ",calibrate-minutes=0.05");
    mnas_clock_sleep_ms(10);
    assert_measured_by(farm, "a", 2 * NETWORK_MS); /* not yet due */
    mnas_device_close(farm);
    farm = open_farm("a", ",calibrate-minutes=0.0001");
    mnas_clock_sleep_ms(10);
    mnas_device_limit(farm, mnas_clock_now_s() + 5, NULL);
    phone_put("a", "bad-words", "");
    assert_int_equal(mnas_device_measure(farm, &m, &l), MNAS_ERR_MISSING); /* at once: no waiting mends it */
    assert_non_null(strstr(mnas_error_message(), "no such engine there"));
    mnas_device_close(farm);
}

/* ---- whose fault ---- */

static void test_networks_own_faults(void **state) {
    (void)state;
    mnas_latency l;
    mnas_device *farm = open_farm("ab", "");
    const mnas_model bad = network("invalid"), poison = network("poison");
    assert_measured_by(farm, "a", NETWORK_MS);
    assert_int_equal(mnas_device_measure(farm, &bad, &l), MNAS_ERR_INVALID);
    assert_non_null(strstr(mnas_error_message(), "no such operator"));
    assert_int_equal(count_lines("log", "b"), 0); /* not asked */
    /* Everything it touches seems to die, and measures the sentinel network again afterwards. */
    assert_int_equal(mnas_device_measure(farm, &poison, &l), MNAS_ERR_DEVICE);
    assert_non_null(strstr(mnas_error_message(), "failed twice on this one"));
    assert_non_null(strstr(mnas_error_message(), "crashed at start"));
    mnas_clock_sleep_ms(120);
    assert_measured_by(farm, NULL, NETWORK_MS);
    mnas_device_close(farm);
}

static void test_refused_goes_elsewhere(void **state) {
    (void)state;
    mnas_latency l;
    const mnas_model m = network("n");
    mnas_device *farm = open_farm("ab", "");
    phone_put("a", "noisy", "");
    assert_measured_by(farm, "b", NETWORK_MS);
    phone_put("b", "noisy", "");
    assert_int_equal(mnas_device_measure(farm, &m, &l), MNAS_ERR_REFUSED);
    assert_non_null(strstr(mnas_error_message(), "too unsteady"));
    phone_remove("a", "noisy");
    assert_measured_by(farm, "a", NETWORK_MS);
    /* calibrated, but without what this network needs: the other is asked, and nobody is away */
    phone_put("a", "bad-words", "");
    assert_int_equal(mnas_device_measure(farm, &m, &l), MNAS_ERR_REFUSED);
    phone_remove("b", "noisy");
    assert_measured_by(farm, "b", NETWORK_MS);
    phone_remove("a", "bad-words");
    assert_measured_by(farm, "a", NETWORK_MS);
    assert_int_equal(count_lines("log", "sentinel"), 2);
    mnas_device_close(farm);
}

/* ---- several kinds of members ---- */

static void test_layers_and_quiet(void **state) {
    (void)state;
    char spec[3000];
    mnas_device *farm;
    mnas_layer_time *layers;
    int n;
    const mnas_model m = network("n");
    snprintf(spec, sizeof spec, "pool:devices=\"plain:dir=%s/a + phone:dir=%s/b,threads=2\",retry-s=0.05",
             phones_dir, phones_dir);
    phone_put("b", "ms", "1.1");
    assert_int_equal(mnas_device_open(&farm, spec), 0);
    assert_true(mnas_device_needs_quiet(farm));
    assert_true(mnas_device_can_measure_layers(farm));
    /* the one that can is the first, and so the reference */
    assert_int_equal(mnas_device_measure_layers(farm, &m, &layers, &n), 0);
    assert_int_equal(n, 1);
    assert_near(layers[0].ms, 1.1 * NETWORK_MS, 1e-9);
    free(layers);
    mnas_device_close(farm);

    snprintf(spec, sizeof spec, "pool:devices=\"plain:dir=%s/a\"", phones_dir);
    assert_int_equal(mnas_device_open(&farm, spec), 0);
    assert_false(mnas_device_can_measure_layers(farm));
    assert_int_equal(mnas_device_measure_layers(farm, &m, &layers, &n), MNAS_ERR_DEVICE);
    mnas_device_close(farm);
    farm = open_farm("a", "");
    assert_false(mnas_device_needs_quiet(farm));
    mnas_device_close(farm);
}

/* Other options, same phone: one lease. */
static void test_identity(void **state) {
    (void)state;
    char a[200], b[200];
    assert_int_equal(mnas_device_identity(a, sizeof a, "phone:dir=/x"), 0);
    assert_int_equal(mnas_device_identity(b, sizeof b, "phone:threads=3,dir=/x"), 0);
    assert_string_equal(a, "phone:dir=/x,");
    assert_string_equal(a, b);
    assert_int_equal(mnas_device_identity(a, sizeof a, "plain:dir=/x"), 0);
    assert_string_equal(a, "plain:dir=/x");
}

static void test_wrong_words(void **state) {
    (void)state;
    static const struct {
        const char *spec, *says;
    } cases[] = {
        {"pool", "devices"},
        {"pool:devices=\"phone:dir=/x + \"", "nothing between"},
        {"pool:devices=\" + phone:dir=/x\"", "nothing between"},
        {"pool:devices=\"phone:dir=/x + phone:dir=/x\"", "twice"},
        {"pool:devices=\"phone:dir=/x + fone:dir=/y\"", "did you mean phone"},
        {"pool:devices=\"phone:dir=/x + phone:size=3\"", "size"},
        {"pool:devices=\"pool:devices=x\"", "a pool within a pool"},
        {"pool:devices=phone:dir=/x,retry-s=-1", "retry-s"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mnas_device *farm;
        assert_int_equal(mnas_device_open(&farm, cases[i].spec), MNAS_ERR_ARG);
        assert_null(farm);
        if (!strstr(mnas_error_message(), cases[i].says)) fail_msg("%s", mnas_error_message());
    }
}

/* What is not there yet may come; a plus within quotes or without blanks is part of a name. */
static void test_opened_later(void **state) {
    (void)state;
    char spec[3000];
    mnas_device *farm;
    phone_put("a", "bad-open", "");
    farm = open_farm("ab", "");
    assert_measured_by(farm, "b", NETWORK_MS);
    phone_remove("a", "bad-open");
    phone_put("b", "unplugged", "");
    assert_measured_by(farm, "a", NETWORK_MS);
    mnas_device_close(farm);
    assert_int_equal(mnas_file_mkdirs(phone_path("x + y", "")), 0);
    assert_int_equal(mnas_file_mkdirs(phone_path("x+y", "")), 0);
    snprintf(spec, sizeof spec, "pool:devices=\"phone:dir=\"\"%s/x + y\"\" + phone:dir=%s/x+y\"", phones_dir,
             phones_dir);
    assert_int_equal(mnas_device_open(&farm, spec), 0);
    assert_measured_by(farm, "x + y\"", NETWORK_MS);
    mnas_device_close(farm);
}

/* ---- the list for the doctor ---- */

static void test_examine_tells_who_has_it(void **state) {
    (void)state;
    char who[64], identity[1300];
    mnas_lease lease;
    bool taken;
    mnas_findings f = {0};
    mnas_device *farm = open_farm("ab", "");
    assert_measured_by(farm, "a", NETWORK_MS);
    snprintf(identity, sizeof identity, "phone:dir=%s,", phone_path("b", ""));
    assert_int_equal(mnas_lease_open(&lease, identity), 0);
    assert_int_equal(mnas_lease_ask(&lease, &taken), 0);
    assert_true(taken);
    mnas_device_examine(farm, &f);
    snprintf(who, sizeof who, "in use by process %ld", (long)getpid());
    assert_int_equal(n_with(&f, who), 1);
    assert_int_equal(n_with(&f, "not yet calibrated"), 1);
    assert_int_equal(n_with(&f, "free, the sentinel network takes 10.0000 ms, factor 1.0000"), 1);
    mnas_findings_free(&f);
    mnas_lease_return(&lease);
    mnas_device_close(farm);
}

static int n_bad(const mnas_findings *f) {
    int n = 0;
    for (size_t i = 0; i < f->n; i++) n += strcmp(f->items[i].level, "bad") == 0;
    return n;
}

/* Of a farm that never measured: the doctor asks, and a fault is bad only where nobody measures. */
static void test_examine_asks_each(void **state) {
    (void)state;
    mnas_findings f = {0};
    phone_put("b", "ms", "2");
    phone_put("c", "unplugged", "");
    mnas_device *farm = open_farm("abc", "");
    mnas_device_examine(farm, &f);
    assert_int_equal(n_with(&f, "not yet calibrated"), 0);
    assert_int_equal(n_with(&f, "factor 0.5000"), 1);
    assert_int_equal(n_with(&f, "no equal device"), 1);
    assert_int_equal(n_with(&f, "away for"), 1);
    assert_int_equal(n_bad(&f), 0);
    mnas_findings_free(&f);
    f = (mnas_findings){0};
    phone_put("a", "unplugged", "");
    mnas_device_close(farm);
    farm = open_farm("ac", "");
    mnas_device_examine(farm, &f);
    assert_int_equal(n_bad(&f), 2);
    mnas_findings_free(&f);
    mnas_device_close(farm);
}

/* Without the blanks all of it would be the first one's option. */
static void test_glued_specs(void **state) {
    (void)state;
    mnas_device *device;
    static const char *const wrong[] = {"phone:dir=a+phone:dir=b", "phone:dir=a +pool",
                                        "phone:dir=a+ phone:dir=b",
                                        "pool:devices=\"phone:dir=a+phone:dir=b\""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(mnas_device_open(&device, wrong[i]), MNAS_ERR_ARG);
        if (!strstr(mnas_error_message(), "write blanks around +")) fail_msg("%s", mnas_error_message());
    }
}

/* ---- with devices of every day ---- */

static void test_tables_can_be_a_pool(void **state) {
    (void)state;
    char spec[4000], file[1000];
    const mnas_plugin *const plugins[] = {&mnas_device_class_pool.plugin, &mnas_device_class_table.plugin};
    mnas_device_use_plugins(plugins, 2);
    snprintf(file, sizeof file, "%s/empty", phones_dir);
    assert_int_equal(mnas_file_write_atomic(file, "", 0), 0);
    snprintf(spec, sizeof spec,
             "pool:devices=\"table:file=%s,default-ms=5 + table:file=%s,default-ms=6\",wait-minutes=0", file,
             file);
    const mnas_model m = network("n");
    mnas_latency l;
    assert_int_equal(mnas_measure(&l, &m, spec), 0);
    assert_true(l.median_ms == 5);
    assert_true(isnan(l.ci_low_ms) && isnan(l.spread_frac));
    /* a table without the sentinel network cannot be calibrated */
    snprintf(spec, sizeof spec, "pool:devices=\"table:file=%s\",wait-minutes=0", file);
    assert_true(mnas_measure(&l, &m, spec) < 0); /* _DEVICE or _MISSING: the table's word */
    assert_non_null(strstr(mnas_error_message(), "calibrating"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, phones_set_up, phones_tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_one_member_is_itself),
        TEST(test_no_time),
        TEST(test_members_are_calibrated),
        TEST(test_calibrations_are_kept),
        TEST(test_old_calibrations_are_renewed),
        TEST(test_unequal_is_left_out),
        TEST(test_none_is_left),
        TEST(test_networks_own_faults),
        TEST(test_refused_goes_elsewhere),
        TEST(test_layers_and_quiet),
        TEST(test_identity),
        TEST(test_wrong_words),
        TEST(test_opened_later),
        TEST(test_examine_tells_who_has_it),
        TEST(test_examine_asks_each),
        TEST(test_glued_specs),
        TEST(test_tables_can_be_a_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
