/* test_device_conform.c - what every device of devices.def keeps to, whatever stands behind it: this machine, a real sshd, a phone that
 * the real adb reaches, a table, a command, a farm. A new device fails here until it has a row.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/proc.h"
#include "device/device.h"
#include "device/latency_json.h"
#include "model/latency.h"
#include "stand_ins.h"

/* Short rounds: this tests the path, not the precision. */
#define QUICK "rounds=3,max-rounds=3,runs=5,time=1,warmup=1,wide,sentinel=false"
#define SLOW  "rounds=3,max-rounds=3,runs=20000,time=60000,warmup=60000,wide,sentinel=false"

typedef struct row {
    const char *name;
    const char *(*start)(struct row *row); /* fills the specs; why it cannot be tested, or NULL */
    void (*unplug)(void), (*plug)(void);   /* NULL: it cannot be away */
    const char *misspelt;                  /* a spec that is wrong, and ... */
    const char *option;                    /* ... what is to be named */
    bool runs_networks;                    /* mnas-agent does, or mnas */
    char quick[1500], slow[1500];          /* slow: "" where nothing takes long */
    char base[600];                        /* without the meter's options, where it takes those */
    const char *missing;
} row;

static mnas_model small_model(void) {
    mnas_model m;
    mnas_model_defaults(&m);
    assert_int_equal(mnas_model_set_arch(&m, "r1_k3_s22_e3_i8_o16_se0.25"), 0);
    snprintf(m.name, sizeof m.name, "small");
    m.stem_filters = 8;
    m.input_size = 28;
    m.input_channels = 1;
    m.classes = 10;
    return m;
}

static void metered(row *r, char separator) {
    snprintf(r->quick, sizeof r->quick, "%s%c%s", r->base, separator, QUICK);
    snprintf(r->slow, sizeof r->slow, "%s%c%s", r->base, separator, SLOW);
}

static const char *start_local(row *r) {
    snprintf(r->base, sizeof r->base, "local:threads=1");
    metered(r, ',');
    return mnas_file_exists(MNAS_BINARY) ? NULL : MNAS_BINARY " is not built";
}

static const char *start_ssh(row *r) {
    const char *why = machine_start(r->base, NULL);
    metered(r, ',');
    return why;
}

static const char *start_adb(row *r) {
    const char *why = phone_start(r->base, NULL);
    metered(r, ',');
    return why;
}

static const char *start_table(row *r) {
    char path[600];
    const mnas_model m = small_model();
    mnas_latency l = mnas_latency_unknown();
    l.median_ms = l.raw_ms = 2;
    l.ci_low_ms = 1.9;
    l.ci_high_ms = 2.1;
    l.ci_level = 0.95;
    l.rounds = 5;
    l.runs = 100;
    l.threads = 1;
    l.elapsed_s = 1;
    snprintf(l.engine, sizeof l.engine, "some engine");
    snprintf(l.device, sizeof l.device, "table of a device");
    mnas_clock_iso8601(mnas_clock_unix_ms(), l.time_utc);
    snprintf(path, sizeof path, "%s/table.jsonl", stand_in_folder());
    assert_int_equal(mnas_measure_record(path, &m, &l), 0);
    snprintf(r->quick, sizeof r->quick, "table:file=%s", path);
    return NULL;
}

static const char *start_command(row *r) {
    snprintf(r->quick, sizeof r->quick,
             "command:run=\"test -s {model} && echo took 1.5\",format=mnas,rounds=3,max-rounds=3,wide");
    snprintf(r->slow, sizeof r->slow, "command:run=\"sleep 60; echo {model}\",format=mnas");
    return NULL;
}

static const char *start_pool(row *r) {
    snprintf(r->quick, sizeof r->quick, "pool:state=%s/pool,devices=\"local:%s\"", stand_in_folder(), QUICK);
    snprintf(r->slow, sizeof r->slow, "pool:state=%s/pool,devices=\"local:%s\"", stand_in_folder(), SLOW);
    return mnas_file_exists(MNAS_BINARY) ? NULL : MNAS_BINARY " is not built";
}

static row rows[] = {
    {.name = "local",
     .start = start_local,
     .misspelt = "local:rouns=3",
     .option = "rounds",
     .runs_networks = true},
    {.name = "ssh",
     .start = start_ssh,
     .unplug = cable_pull,
     .plug = cable_plug,
     .misspelt = "ssh:host=pi,prot=1",
     .option = "port",
     .runs_networks = true},
    {.name = "adb",
     .start = start_adb,
     .unplug = phone_unplug,
     .plug = phone_plug,
     .misspelt = "adb:timeout=0",
     .option = "timeout",
     .runs_networks = true},
    {.name = "table", .start = start_table, .misspelt = "table:", .option = "file"},
    {.name = "command", .start = start_command, .misspelt = "command:rounds=3", .option = "run"},
    {.name = "pool", .start = start_pool, .misspelt = "pool:differ=2", .option = "differ"},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static int set_up(void **state) {
    (void)state;
    mnas_proc_set_self(MNAS_BINARY);
    stand_in_begin();
    for (row *r = rows; r < rows + N_ROWS; r++) r->missing = r->start(r);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    stand_in_end();
    return 0;
}

static bool is_missing(const row *r) {
    if (r->missing) printf("skipped: %s: %s\n", r->name, r->missing);
    return r->missing != NULL;
}

static mnas_device *open_device(const char *spec) {
    mnas_device *device;
    if (mnas_device_open(&device, spec) < 0) fail_msg("%s", mnas_error_message());
    return device;
}

static void close_device(mnas_device *device) {
    mnas_device_close(device);
    assert_int_equal(n_zombies(), 0);
}

static void measure(mnas_device *device, const row *r, mnas_latency *out) {
    const mnas_model m = small_model();
    if (mnas_device_measure(device, &m, out) < 0) fail_msg("%s: %s", r->name, mnas_error_message());
}

/* ---- the rules ---- */

static void test_every_device_has_a_row(void **state) {
    (void)state;
    size_t n;
    const mnas_plugin *const *list = mnas_device_plugins(&n);
    for (size_t i = 0; i < n; i++) {
        bool found = false;
        for (row *r = rows; r < rows + N_ROWS; r++) found |= strcmp(list[i]->name, r->name) == 0;
        if (!found) fail_msg("device %s has no row here", list[i]->name);
    }
}

static void test_wrong_words_are_named(void **state) {
    (void)state;
    for (const row *r = rows; r < rows + N_ROWS; r++) {
        mnas_device *device;
        const int rc = mnas_device_open(&device, r->misspelt);
        if (rc != MNAS_ERR_ARG || !strstr(mnas_error_message(), r->option))
            fail_msg("%s: %d: %s", r->misspelt, rc, mnas_error_message());
        assert_null(device);
    }
}

static void expect_sensible(const row *r, const mnas_latency *l) {
    if (!(l->median_ms > 0 && l->median_ms < 60000)) fail_msg("%s: %g ms", r->name, l->median_ms);
    assert_true(l->ci_low_ms <= l->median_ms && l->median_ms <= l->ci_high_ms);
    assert_true(l->ci_level > 0 && l->ci_level <= 1);
    const bool unknown = l->runs == -1 && !r->runs_networks; /* what a command does in a round is its own */
    if (l->rounds < 1 || (l->runs < l->rounds && !unknown))
        fail_msg("%s: %d rounds, %d runs", r->name, l->rounds, l->runs);
    assert_true(l->elapsed_s > 0 && l->elapsed_s < 600);
    if (!l->device[0] || strlen(l->time_utc) != 24)
        fail_msg("%s: device \"%s\", time %s", r->name, l->device, l->time_utc);
    if (!r->runs_networks) return;
    assert_int_equal(strncmp(l->device, r->name, strlen(r->name)), 0);
    assert_int_equal(strncmp(l->engine, "xnnpack", 7), 0);
    assert_true(l->threads == 1 && l->core >= 0 && l->raw_ms > 0);
    assert_true(l->warmup_runs > 0 && l->n_disturbed >= 0 && l->n_refused >= 0);
    assert_true(l->load_before >= 0 && l->load_after >= 0 && l->cpu[0] && l->arch[0]);
}

static char *as_json(const mnas_latency *l) {
    json_t *object = json_object();
    assert_int_equal(mnas_latency_to_json(object, l), 0);
    char *text = mnas_json_dumps(object, JSON_SORT_KEYS);
    json_decref(object);
    assert_non_null(text);
    return text;
}

static void test_measures(void **state) {
    (void)state;
    for (const row *r = rows; r < rows + N_ROWS; r++) {
        if (is_missing(r)) continue;
        mnas_latency l, again;
        mnas_device *device = open_device(r->quick);
        for (int i = 0; i < 2; i++) {
            measure(device, r, &l);
            expect_sensible(r, &l);
        }
        char *text = as_json(&l);
        json_t *object = json_loads(text, 0, NULL);
        assert_int_equal(mnas_latency_from_json(&again, object), 0);
        json_decref(object);
        char *text_again = as_json(&again);
        assert_string_equal(text, text_again);
        free(text);
        free(text_again);
        close_device(device);
    }
}

static void test_layers(void **state) {
    (void)state;
    for (const row *r = rows; r < rows + N_ROWS; r++) {
        if (is_missing(r)) continue;
        const mnas_model m = small_model();
        mnas_layer_time *layers;
        int n;
        mnas_device *device = open_device(r->quick);
        const int rc = mnas_device_measure_layers(device, &m, &layers, &n);
        if (!mnas_device_can_measure_layers(device)) {
            assert_int_equal(rc, MNAS_ERR_DEVICE);
        } else {
            if (rc < 0) fail_msg("%s: %s", r->name, mnas_error_message());
            if (n < 5) fail_msg("%s: %d layers", r->name, n);
            assert_string_equal(layers[0].name, "conv_stem");
            for (int i = 0; i < n; i++) assert_true(layers[i].ms > 0);
        }
        free(layers);
        close_device(device);
    }
}

static void test_invalid_network(void **state) {
    (void)state;
    mnas_model m = small_model();
    m.input_size = 8192;
    m.stem_stride = 1;
    m.stem_filters = m.blocks[0].in = 65536;
    for (const row *r = rows; r < rows + N_ROWS; r++) {
        if (is_missing(r)) continue;
        mnas_latency l;
        mnas_device *device = open_device(r->quick);
        const int rc = mnas_device_measure(device, &m, &l);
        if (rc != MNAS_ERR_INVALID) fail_msg("%s: %d: %s", r->name, rc, mnas_error_message());
        measure(device, r, &l); /* and goes on */
        close_device(device);
    }
}

static volatile bool cancelled;
static void *cancel_soon(void *unused) {
    (void)unused;
    mnas_clock_sleep_ms(400);
    cancelled = true;
    return NULL;
}

/* Ended within a second of what ends it. */
static void test_cancel_and_deadline(void **state) {
    (void)state;
    const mnas_model m = small_model();
    for (const row *r = rows; r < rows + N_ROWS; r++) {
        if (is_missing(r) || !r->slow[0]) continue;
        mnas_latency l;
        mnas_device *device = open_device(r->quick);
        pthread_t thread;
        measure(device, r, &l); /* whatever is brought there first is there */
        mnas_device_close(device);
        device = open_device(r->slow);
        for (int by_deadline = 0; by_deadline < 2; by_deadline++) {
            const double start_s = mnas_clock_now_s();
            cancelled = false;
            mnas_device_limit(device, by_deadline ? start_s + 0.4 : INFINITY, &cancelled);
            if (!by_deadline) assert_int_equal(pthread_create(&thread, NULL, cancel_soon, NULL), 0);
            const int rc = mnas_device_measure(device, &m, &l);
            const double took_s = mnas_clock_now_s() - start_s;
            if (rc != MNAS_ERR_CANCELLED || took_s < 0.35 || took_s > 1.4)
                fail_msg("%s: %d after %.2f s: %s", r->name, rc, took_s, mnas_error_message());
            if (!by_deadline) pthread_join(thread, NULL);
        }
        close_device(device);
    }
}

static void test_lost_and_back(void **state) {
    (void)state;
    for (const row *r = rows; r < rows + N_ROWS; r++) {
        if (is_missing(r) || !r->unplug) continue;
        const mnas_model m = small_model();
        mnas_latency l;
        mnas_device *device = open_device(r->quick);
        measure(device, r, &l);
        r->unplug();
        for (int i = 0; i < 2; i++) {
            assert_int_equal(mnas_device_measure(device, &m, &l), MNAS_ERR_DEVICE);
            assert_non_null(strstr(mnas_error_message(), r->name));
        }
        r->plug();
        measure(device, r, &l);
        r->unplug();
        assert_int_equal(mnas_device_measure(device, &m, &l), MNAS_ERR_DEVICE);
        close_device(device); /* after a failure */
        r->plug();
    }
}

static void test_engine_is_passed_on(void **state) {
    (void)state;
    const mnas_model m = small_model();
    for (const row *r = rows; r < rows + N_ROWS; r++) {
        if (is_missing(r) || !r->runs_networks) continue;
        char spec[2200];
        mnas_latency l;
        snprintf(spec, sizeof spec, "%s,engine=nosuch", r->quick);
        mnas_device *device = open_device(spec);
        assert_int_equal(mnas_device_measure(device, &m, &l), MNAS_ERR_ARG);
        assert_non_null(strstr(mnas_error_message(), "nosuch"));
        close_device(device);
    }
}

/* Nothing that was started for a measurement goes on without us: neither here nor there. */
static void test_nothing_is_left(void **state) {
    (void)state;
    char command[900];
    snprintf(command, sizeof command, "ls -A '%s/tmp'", stand_in_folder());
    FILE *f = popen(command, "r");
    char line[200] = "";
    while (fgets(line, sizeof line, f))
        if (!strstr(line, "adb.")) fail_msg("left in TMPDIR: %s", line); /* adb's log */
    pclose(f);
    snprintf(command, sizeof command, "ps -eo args | grep -v grep | grep -F '%s' | grep -F '/program '",
             stand_in_folder());
    for (int i = 0; i < 40 && system(command) == 0; i++) mnas_clock_sleep_ms(100);
    assert_int_not_equal(system(command), 0);
    assert_int_equal(n_zombies(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_device_has_a_row),
        cmocka_unit_test(test_wrong_words_are_named),
        cmocka_unit_test(test_measures),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_invalid_network),
        cmocka_unit_test(test_cancel_and_deadline),
        cmocka_unit_test(test_lost_and_back),
        cmocka_unit_test(test_engine_is_passed_on),
        cmocka_unit_test(test_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
