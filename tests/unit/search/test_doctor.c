/* test_doctor.c - for each fault of a device there is a finding that names it and a way to mend it; a good one has none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "search/doctor.h"

static mnas_wire_core cores[2];

static mnas_wire_info good(void) {
    for (int i = 0; i < 2; i++) cores[i] = (mnas_wire_core){2000, true, "performance"};
    mnas_wire_info info = {.arch = "aarch64",
                           .cpu = "Cortex",
                           .kernel = "Linux 6",
                           .can_raise = true,
                           .memory_bytes = 8e9,
                           .free_bytes = 4e9,
                           .temp_c = 40,
                           .n_zones = 1,
                           .best_core = 1,
                           .n_cores = 2,
                           .cores = cores,
                           .hindrances = {.load = 0.1, .cap_mhz = 2000, .turbo = 0, .n_throttled = 0}};
    snprintf(info.version, sizeof info.version, "%s", mnas_version());
    return info;
}

/* The finding of a topic that is not "ok", or NULL. */
static const mnas_finding *fault(const mnas_findings *f, const char *topic) {
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->items[i].topic, topic) == 0 && strcmp(f->items[i].level, "ok") != 0)
            return &f->items[i];
    return NULL;
}

static void expect(const mnas_wire_info *info, const char *level, const char *topic, const char *text,
                   const char *fix) {
    mnas_findings f = {0};
    mnas_doctor_judge(&f, info);
    const mnas_finding *found = fault(&f, topic);
    if (!found) fail_msg("nothing said of %s", topic);
    assert_string_equal(found->level, level);
    if (!strstr(found->text, text)) fail_msg("%s: \"%s\" lacks \"%s\"", topic, found->text, text);
    if (!strstr(found->fix, fix)) fail_msg("%s: \"%s\" lacks \"%s\"", topic, found->fix, fix);
    mnas_findings_free(&f);
}

static void test_good_device(void **state) {
    (void)state;
    const mnas_wire_info info = good();
    mnas_findings f = {0};
    mnas_doctor_judge(&f, &info);
    assert_int_equal(mnas_findings_count(&f, "ok"), f.n);
    assert_true(f.n >= 5);
    mnas_findings_free(&f);
}

static void test_each_fault(void **state) {
    (void)state;
    mnas_wire_info i = good();
    i.emulated = true;
    expect(&i, "bad", "emulated", "mean nothing", "real device");
    i = good(), snprintf(i.version, sizeof i.version, "0.0.1");
    expect(&i, "note", "program", "0.0.1", "");
    i = good(), i.free_bytes = 50e6;
    expect(&i, "note", "memory", "48 MiB", "");
    i = good(), i.best_core = -1;
    expect(&i, "bad", "cores", "none of the cores", "cpuset");
    i = good(), cores[0] = (mnas_wire_core){2800, false, "performance"};
    expect(&i, "note", "cores", "2800 MHz", "screen on");
    i = good(), i.can_raise = false;
    expect(&i, "note", "priority", "cannot go ahead", "limits.conf");
    i = good(), snprintf(cores[1].governor, sizeof cores[1].governor, "schedutil");
    expect(&i, "note", "governor", "schedutil", "echo performance");
    i = good(), cores[1].governor[0] = '\0';
    expect(&i, "note", "governor", "cannot be read", "");
    i = good(), i.hindrances.cap_mhz = 1200;
    expect(&i, "note", "clock", "1200 MHz, of 2000", "cool");
    i = good(), i.hindrances.turbo = 1;
    expect(&i, "note", "turbo", "depends on how hot", "boost");
    i = good(), i.temp_c = 91;
    expect(&i, "note", "heat", "91 C", "rest");
    i = good(), i.hindrances.n_throttled = 12;
    expect(&i, "note", "heat", "12 times", "");
    i = good(), i.hindrances.busiest_frac = 0.93,
    snprintf(i.hindrances.busiest, sizeof i.hindrances.busiest, "cc1, process 8");
    expect(&i, "note", "load", "93 % of a core is taken by cc1, process 8", "stop it");
    i = good(), i.hindrances.load = 3;
    expect(&i, "note", "load", "3.0", "wait");
}

/* What the system hides is no fault that could be mended, and no number. */
static void test_unknowns(void **state) {
    (void)state;
    mnas_wire_info i = good();
    i.temp_c = i.free_bytes = i.hindrances.load = i.hindrances.cap_mhz = NAN;
    i.hindrances.turbo = i.hindrances.n_throttled = -1;
    cores[0].max_mhz = cores[1].max_mhz = NAN;
    mnas_findings f = {0};
    mnas_doctor_judge(&f, &i);
    assert_int_equal(mnas_findings_count(&f, "ok"), f.n);
    for (size_t k = 0; k < f.n; k++) assert_null(strstr(f.items[k].text, "nan"));
    mnas_findings_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good_device), cmocka_unit_test(test_each_fault),
                                       cmocka_unit_test(test_unknowns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
