/* link_adb.c - see link_adb.h. adb's own server keeps the connections; it is started as adb does, and never ended here.
 *
 * Exit codes and a stdin that ends come with adb's second shell protocol (Android 7 and later); older ones are refused.
 */
#include "device/link_adb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "device/link_shell.h"

enum { CONNECT_TRIES = 10, CONNECT_PAUSE_MS = 200 };

typedef struct adb {
    const mnas_adb_options *o;
} adb;

static const char not_there[] = "no phone with that serial is there";
static const mnas_shell_complaint complaints[] = {
    {"unauthorized", "the phone does not trust this computer yet",
     "unlock its screen and answer the question there (\"Allow USB debugging?\"); none comes? "
     "`adb kill-server`, plug it in anew, and look with "},
    {"authorizing", "the phone is asking whether it may trust this computer",
     "unlock its screen and allow it; then look with "},
    {"no permissions", "this user may not open the phone's USB device",
     "install android-sdk-platform-tools-common (udev rules), be in the group plugdev, plug it in anew; then "
     "look with "},
    {"offline", "the phone is offline: adb sees it, and it does not answer",
     "plug it in anew, or `adb reconnect offline`; then look with "},
    {"more than one device", "several phones are there, and which is meant is not said",
     "name one with serial=, of those that are listed by "},
    {"no devices/emulators found", "no phone is there",
     "is it plugged in, and USB debugging on (developer options)? Look with "},
    {"not found", not_there, "is it plugged in, or was it meant otherwise? Look with "},
    {"cannot connect to daemon", "adb's server cannot be started", "see what it says: "},
    {"failed to start daemon", "adb's server cannot be started", "see what it says: "},
    {"failed to check server version", "adb's server is another program or version",
     "`adb kill-server`, then "},
    {"protocol fault", "adb's server went away", "see what it says: "},
    {"closed", "the connection to the phone was lost", "is it still plugged in? Look with "},
};
static const char by_hand[] = "adb devices -l";

static int adb_words(const adb *a, const char *argv[]) {
    int n = 0;
    argv[n++] = "adb";
    if (!a->o->serial[0]) return n;
    argv[n++] = "-s";
    argv[n++] = a->o->serial;
    return n;
}

static int run_words(mnas_shell_done *done, const char *const argv[], const mnas_shell_limit *limit) {
    const int rc = mnas_shell_run(done, argv, NULL, limit);
    if (rc != MNAS_ERR_MISSING) return rc;
    return mnas_error_set(rc, "%s; adb is in Debian's package adb", mnas_error_message());
}

/* `adb WHAT` with our phone. */
static int run_adb(const adb *a, mnas_shell_done *done, const char *what, const mnas_shell_limit *limit) {
    const char *argv[8];
    int n = adb_words(a, argv);
    argv[n++] = what;
    argv[n] = NULL;
    return run_words(done, argv, limit);
}

static int explain_text(const char *text) {
    char line[256];
    const mnas_shell_complaint *c =
        mnas_shell_complaint_in(complaints, sizeof complaints / sizeof *complaints, text);
    if (c) return mnas_error_set(MNAS_ERR_DEVICE, "%s; %s`%s`", c->means, c->mend, by_hand);
    mnas_shell_last_line(text, line, sizeof line);
    return mnas_error_set(MNAS_ERR_DEVICE, "the connection to the phone was lost%s%s; look with `%s`",
                          line[0] ? ": " : "", line, by_hand);
}

/* Says how things stand; a failed state is MNAS_ERR_DEVICE. */
static int check_state(const adb *a, const mnas_shell_limit *limit) {
    mnas_shell_done done;
    int rc = run_adb(a, &done, "get-state", limit);
    if (rc == 0 && (done.exit_code != 0 || strncmp(done.out, "device", 6) != 0))
        rc = explain_text(done.exit_code != 0 ? done.err : done.out);
    free(done.out);
    return rc;
}

/* `adb disconnect` or `adb connect`. `said`: what adb said to it; its exit code tells nothing in older versions. */
static int tell_network(const adb *a, const char *step, char *said, size_t n, const mnas_shell_limit *limit) {
    const char *const argv[] = {"adb", step, a->o->serial, NULL};
    mnas_shell_done done;
    const int rc = run_words(&done, argv, limit);
    if (rc == 0) mnas_shell_last_line(done.out && done.out[0] ? done.out : done.err, said, n);
    free(done.out);
    return rc;
}

static bool is_not_there(int rc) {
    return rc == MNAS_ERR_DEVICE && strncmp(mnas_error_message(), not_there, strlen(not_there)) == 0;
}

/* A phone on the network, HOST:PORT, is one that adb can be told to connect to, also again: one that is offline would stay
 * so. adb's server parts from a phone in its own time, and calls it connected until then. */
static int connect_network(const adb *a, const mnas_shell_limit *limit) {
    char said[256] = "";
    int rc = tell_network(a, "disconnect", said, sizeof said, limit);
    if (rc < 0) return rc;
    for (int i = 0; i < CONNECT_TRIES && rc == 0; i++) {
        if (i > 0) mnas_clock_sleep_ms(CONNECT_PAUSE_MS);
        if ((rc = tell_network(a, "connect", said, sizeof said, limit)) < 0) return rc;
        rc = check_state(a, limit);
        if (!is_not_there(rc))
            return rc; /* one that is there, untrusted or offline, tells more by its state */
        if (strstr(said, "connected to")) rc = 0;
    }
    return mnas_error_set(
        MNAS_ERR_DEVICE,
        "connecting to the phone at %s failed: %s; is it on this network, with debugging over it on at "
        "that port? By hand: `adb connect %s`; look with `%s`",
        a->o->serial, said, a->o->serial, by_hand);
}

static int connect_phone(void *state, const mnas_shell_limit *limit) {
    const adb *a = state;
    mnas_shell_done done;
    int rc = check_state(a, limit);
    if (rc == MNAS_ERR_DEVICE && strchr(a->o->serial, ':')) rc = connect_network(a, limit);
    if (rc < 0) return rc;
    rc = run_adb(a, &done, "features", limit);
    if (rc == 0 && done.exit_code != 0)
        rc = explain_text(done.err);
    else if (rc == 0 && !strstr(done.out, "shell_v2"))
        rc = mnas_error_set(MNAS_ERR_DEVICE,
                            "its adb is too old to run programs as we need it; allowed: Android 7 or later");
    free(done.out);
    return rc;
}

static int words(void *state, const char *argv[MNAS_SHELL_MAX_WORDS], const char *command) {
    int n = adb_words(state, argv);
    argv[n++] = "shell";
    argv[n++] = "-T";
    argv[n++] = command;
    return n;
}

/* adb's own complaints begin so; what runs on the phone has the phone's. */
static bool is_adbs_own(const char *err) {
    return strncmp(err, "error: ", 7) == 0 || strstr(err, "\nerror: ") || strncmp(err, "adb: ", 5) == 0 ||
           strstr(err, "\nadb: ");
}

/* A connection that breaks while a command runs ends adb with a bare exit code. */
static const double look_s = 5;

static int explain(void *state, const mnas_shell_done *done) {
    const mnas_shell_limit limit = {mnas_clock_now_s() + look_s, NULL};
    if (is_adbs_own(done->err)) return explain_text(done->err);
    return check_state(state, &limit) < 0 ? MNAS_ERR_DEVICE : 0;
}

/* All files in one go. */
static int push(void *state, const mnas_bundle *bundle, const char *to, const mnas_shell_limit *limit) {
    enum { PATH_BYTES = sizeof bundle->folder + MNAS_BUNDLE_NAME };
    const char *argv[MNAS_BUNDLE_MAX_FILES + 8];
    char target[700];
    mnas_shell_done done = {0};
    char *paths = malloc((size_t)bundle->n_files * PATH_BYTES);
    if (!paths) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: names of files");
    snprintf(target, sizeof target, "%s/", to);
    int n = adb_words(state, argv);
    argv[n++] = "push";
    for (int i = 0; i < bundle->n_files; i++) {
        char *path = paths + (size_t)i * PATH_BYTES;
        snprintf(path, PATH_BYTES, "%s/%s", bundle->folder, bundle->files[i]);
        argv[n++] = path;
    }
    argv[n++] = target;
    argv[n] = NULL;
    int rc = mnas_shell_run(&done, argv, NULL, limit);
    if (rc == 0 && done.exit_code != 0 && (rc = check_state(state, limit)) == 0) rc = mnas_shell_fail(&done);
    free(done.out);
    free(paths);
    return rc;
}

static void disconnect(void *state) {
    (void)state; /* the connection is the server's */
}

static const mnas_shell_class shell_class = {
    .name = "adb",
    .root = "/data/local/tmp/mnas",
    .connect = connect_phone,
    .words = words,
    .push = push,
    .explain = explain,
    .disconnect = disconnect,
    .close = free,
};

int mnas_link_open_adb(mnas_link *out, const mnas_adb_options *options) {
    const char *serial = options->serial;
    if (serial[0] == '-' || strpbrk(serial, " \t\n'\""))
        return mnas_error_set(MNAS_ERR_ARG, "serial is \"%s\"; allowed: as `adb devices` lists it", serial);
    adb *a = calloc(1, sizeof *a);
    if (!a) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: adb");
    a->o = options;
    return mnas_link_open_shell(out, &shell_class, a, options->agent);
}
