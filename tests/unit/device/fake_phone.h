/* fake_phone.h - phones for tests of pools: devices of a class of their own, whose plug is a file. For programs with cmocka
 * included.
 *
 * A phone is a folder. `unplugged` in it: nothing answers. `noisy`: what it measures is refused. `bad-words`: its options are
 * wrong there. `ms`: how much slower than another it is. A hook sees every stage of a measurement and may pull the plug just
 * then. Two measurements on one phone at once are written down in `overlap`, every one that ended well in `log`, both in the
 * folder above.
 */
#ifndef MNAS_TEST_FAKE_PHONE_H
#define MNAS_TEST_FAKE_PHONE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "device/device.h"
#include "model/latency.h"

#define SENTINEL_MS  10.0 /* of the sentinel network on a phone whose `ms` is 1 */
#define NETWORK_MS   3.0
#define PHONE_ROUNDS 5

typedef struct phone {
    char dir[MNAS_OPT_STR];
    int64_t threads;
} phone;

static char phones_dir[900];

/* stage: "open", "start", "round 0" ... "round 4", "end"; sentinel: it is being calibrated. */
static void (*phone_hook)(const char *name, const char *stage, bool sentinel);

static inline const char *phone_path(const char *name, const char *file) {
    static char paths[8][1200];
    static int at;
    char *path = paths[at++ % 8];
    snprintf(path, 1200, "%s/%s%s%s", phones_dir, name, file[0] ? "/" : "", file);
    return path;
}

static inline void phone_put(const char *name, const char *file, const char *text) {
    FILE *f = fopen(phone_path(name, file), "w");
    assert_true(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static inline void phone_remove(const char *name, const char *file) {
    unlink(phone_path(name, file));
}

static inline const char *phone_name(const phone *p) {
    return strrchr(p->dir, '/') + 1;
}

static inline bool phone_has(const phone *p, const char *file) {
    return mnas_file_exists(phone_path(phone_name(p), file));
}

static inline void phone_stage(const phone *p, const char *stage, bool sentinel) {
    if (phone_hook) phone_hook(phone_name(p), stage, sentinel);
}

static inline void phone_note(const char *file, const char *fmt, const char *name, const char *network) {
    char line[300];
    const int n = snprintf(line, sizeof line, fmt, (long)getpid(), name, network);
    const int fd = open(phone_path(file, ""), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, line, (size_t)n) != n) abort();
    close(fd);
}

static inline int phone_open(void **state, const void *opts) {
    const phone *p = opts;
    phone_stage(p, "open", false);
    if (phone_has(p, "bad-open")) return mnas_error_set(MNAS_ERR_DEVICE, "no such phone yet");
    phone *copy = malloc(sizeof *copy);
    if (!copy) return MNAS_ERR_MEMORY;
    *copy = *p;
    *state = copy;
    return 0;
}

static inline void phone_close(void *state) {
    free(state);
}

static inline int phone_check(const phone *p, const char *stage, bool sentinel, const mnas_model *model) {
    phone_stage(p, stage, sentinel);
    if (phone_has(p, "unplugged")) return mnas_error_set(MNAS_ERR_DEVICE, "unplugged at %s", stage);
    if (phone_has(p, "bad-words")) return mnas_error_set(MNAS_ERR_MISSING, "no such engine there");
    if (sentinel) return 0;
    if (strcmp(model->name, "invalid") == 0) return mnas_error_set(MNAS_ERR_INVALID, "no such operator");
    if (strcmp(model->name, "poison") == 0) return mnas_error_set(MNAS_ERR_DEVICE, "crashed at %s", stage);
    if (phone_has(p, "noisy")) return mnas_error_set(MNAS_ERR_REFUSED, "too unsteady");
    return 0;
}

static inline double phone_slowness(const phone *p) {
    char *text;
    size_t n;
    if (mnas_file_read(phone_path(phone_name(p), "ms"), 100, &text, &n) < 0) return 1;
    const double ms = atof(text);
    free(text);
    return ms;
}

static inline int phone_measure(void *state, const mnas_model *model, mnas_latency *out) {
    const phone *p = state;
    const bool sentinel = strcmp(model->name, "sentinel") == 0;
    const int busy = open(phone_path(phone_name(p), "busy"), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (flock(busy, LOCK_EX | LOCK_NB) < 0) phone_note("overlap", "%ld %s %s\n", phone_name(p), model->name);
    int rc = phone_check(p, "start", sentinel, model);
    for (int i = 0; i < PHONE_ROUNDS && rc == 0; i++) {
        char stage[20];
        snprintf(stage, sizeof stage, "round %d", i);
        mnas_clock_sleep_ms(1);
        rc = phone_check(p, stage, sentinel, model);
    }
    if (rc == 0) {
        const double ms = phone_slowness(p) * (sentinel ? SENTINEL_MS : NETWORK_MS);
        out->median_ms = ms;
        out->ci_low_ms = 0.99 * ms;
        out->ci_high_ms = 1.01 * ms;
        snprintf(out->device, sizeof out->device, "phone");
        snprintf(out->governor, sizeof out->governor, "steady");
        phone_note("log", "%ld %s %s\n", phone_name(p), sentinel ? "sentinel" : model->name);
        phone_stage(p, "end", sentinel);
    }
    close(busy);
    return rc;
}

static inline int phone_layers(void *state, const mnas_model *model, mnas_layer_time **layers, int *n) {
    mnas_latency whole;
    const int rc = phone_measure(state, model, &whole);
    if (rc < 0) return rc;
    *layers = calloc(1, sizeof **layers);
    (*layers)[0].ms = whole.median_ms;
    *n = 1;
    return 0;
}

static inline void phone_examine(void *state, mnas_findings *findings) {
    mnas_findings_add(findings, "ok", "plug", "a phone in %s", phone_name(state));
}

static const mnas_opt phone_options[] = {
    {"dir", MNAS_OPT_STRING, offsetof(phone, dir), NULL, 0, 0, "DIR", "its folder", NULL},
    {"threads", MNAS_OPT_INT, offsetof(phone, threads), "1", 1, 8, "threads", "of nothing", NULL},
    MNAS_OPT_END};

static const mnas_device_class phone_class = {.plugin = {"phone", "for tests", phone_options, sizeof(phone)},
                                              .identity = "dir",
                                              .open = phone_open,
                                              .measure = phone_measure,
                                              .measure_layers = phone_layers,
                                              .examine = phone_examine,
                                              .close = phone_close};

/* The same without layers, and to be left in quiet. */
static const mnas_device_class plain_class = {.plugin = {"plain", "for tests", phone_options, sizeof(phone)},
                                              .needs_quiet = true,
                                              .open = phone_open,
                                              .measure = phone_measure,
                                              .close = phone_close};

static const mnas_plugin *const phone_plugins[] = {&mnas_device_class_pool.plugin, &phone_class.plugin,
                                                   &plain_class.plugin};

/* ---- tests' set-up ---- */

static const char *const phone_names[] = {"a", "b", "c"};

/* A farm of three phones, plugged in and equal, of which nothing is known. */
static inline int phones_set_up(void **state) {
    (void)state;
    static int n;
    mnas_device_use_plugins(phone_plugins, sizeof phone_plugins / sizeof *phone_plugins);
    snprintf(phones_dir, sizeof phones_dir, "%s/farm-%ld-%d", MNAS_TEST_TMP, (long)getpid(), n++);
    setenv("MNAS_CACHE_DIR", phones_dir, 1);
    for (int i = 0; i < 3; i++) assert_int_equal(mnas_file_mkdirs(phone_path(phone_names[i], "")), 0);
    phone_hook = NULL;
    return 0;
}

/* rm -r, of our own folder alone. */
static inline int phones_tear_down(void **state) {
    (void)state;
    char command[1000];
    assert_non_null(strstr(phones_dir, "/farm-"));
    snprintf(command, sizeof command, "rm -r '%s'", phones_dir);
    return system(command) == 0 ? 0 : -1;
}

/* "pool:devices="phone:dir=.../a + phone:dir=.../b",MORE" of the phones named by the letters. */
static inline const char *farm_spec(const char *letters, const char *more) {
    static char spec[4000];
    size_t used = (size_t)snprintf(spec, sizeof spec, "pool:devices=\"");
    for (const char *p = letters; *p; p++)
        used += (size_t)snprintf(spec + used, sizeof spec - used, "%sphone:dir=%s/%c",
                                 p > letters ? " + " : "", phones_dir, *p);
    snprintf(spec + used, sizeof spec - used, "\",retry-s=0.05%s", more);
    return spec;
}

static inline mnas_device *open_farm(const char *letters, const char *more) {
    mnas_device *farm;
    const int rc = mnas_device_open(&farm, farm_spec(letters, more));
    if (rc < 0) fail_msg("%s", mnas_error_message());
    return farm;
}

static inline mnas_model network(const char *name) {
    mnas_model m;
    mnas_model_defaults(&m);
    assert_int_equal(mnas_model_set_arch(&m, "r1_k3_s11_e1_i32_o16_noskip"), 0);
    snprintf(m.name, sizeof m.name, "%s", name);
    return m;
}

/* Lines of a file of the farm that hold `text`. */
static inline int count_lines(const char *file, const char *text) {
    char line[400];
    int n = 0;
    FILE *f = fopen(phone_path(file, ""), "r");
    while (f && fgets(line, sizeof line, f)) n += strstr(line, text) != NULL;
    if (f) fclose(f);
    return n;
}

static inline void assert_measured_by(mnas_device *farm, const char *name, double ms) {
    const mnas_model m = network("n");
    mnas_latency l;
    if (mnas_device_measure(farm, &m, &l) < 0) fail_msg("%s", mnas_error_message());
    if (ms > 0) assert_true(l.median_ms > 0.999999 * ms && l.median_ms < 1.000001 * ms);
    if (name) assert_string_equal(strrchr(l.device, '/') + 1, name);
    assert_int_equal(count_lines("overlap", ""), 0);
}

#endif
