/* Lines of requests to a session of asking and telling: each is answered with an object, whatever it is, and the study that they
 * leave can be opened again and goes on.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "fuzz.h"
#include "mnas.h"

/* It is in memory, and no power fails. */
int fsync(int fd);
int fdatasync(int fd);
int fsync(int fd) {
    return fd < 0 ? -1 : 0;
}
int fdatasync(int fd) {
    return fd < 0 ? -1 : 0;
}

static const char decisions[] = "decisions: {a: [1, 2, 3], b: [x, y, z], c: [0.1, 1]}";

static void remove_study(const char *path) {
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    char name[600];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

static mnas_ask_session *open_session(const char *study, const char *file) {
    mnas_ask_session *s = NULL;
    const mnas_ask_options o = {
        .study = study, .decisions = file, .trials = 12, .parallel = 2, .strategy = "random"};
    FUZZ_CHECK(mnas_ask_open(&s, &o) == 0);
    return s;
}

static void say_lines(mnas_ask_session *s, const char *at, const char *last) {
    for (int i = 0; at < last && i < 64; i++) {
        const char *line_end = memchr(at, '\n', (size_t)(last - at));
        const size_t length = (size_t)((line_end ? line_end : last) - at);
        char *answer = NULL;
        FUZZ_CHECK(mnas_ask_line(s, at, length, &answer) == 0);
        FUZZ_CHECK(answer && !strchr(answer, '\n'));
        json_t *object = json_loads(answer, 0, NULL);
        FUZZ_CHECK(json_is_object(object));
        json_decref(object);
        free(answer);
        at += length + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char study[512], file[512];
    snprintf(file, sizeof file, "%s", fuzz_file("decisions.yaml", decisions, sizeof decisions - 1));
    snprintf(study, sizeof study, "%s", fuzz_path("asked.db"));
    remove_study(study);
    mnas_ask_session *s = open_session(study, file);
    say_lines(s, (const char *)data, (const char *)data + n);
    const int n_trials = mnas_ask_n_trials(s);
    mnas_ask_close(s);
    s = open_session(study, NULL);
    FUZZ_CHECK(mnas_ask_n_trials(s) == n_trials);
    mnas_ask_close(s);
    return 0;
}
