/* fuzz.c - see fuzz.h. Failures of the harness itself (no memory, no temporary folder) end the process, too. */
#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Noreturn void fuzz_fail(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

char *fuzz_text(const uint8_t *data, size_t n) {
    char *text = malloc(n + 1);
    FUZZ_CHECK(text);
    if (n > 0) memcpy(text, data, n);
    text[n] = '\0';
    return text;
}

/* ---- files ---- */

static char folder[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk) {
    (void)st, (void)type, (void)walk;
    return remove(path);
}

static void remove_folder(void) {
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_folder(void) {
    if (folder[0]) return folder;
    const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%s/mnas-fuzz-XXXXXX", memory);
    FUZZ_CHECK(mkdtemp(folder));
    atexit(remove_folder);
    setenv("MNAS_LOG", "error", 1); /* warnings about bad input are what is expected here */
    return folder;
}

const char *fuzz_path(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    return path;
}

const char *fuzz_file(const char *name, const void *data, size_t n) {
    const char *path = fuzz_path(name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0);
    for (size_t done = 0; done < n;) {
        const ssize_t got = write(fd, (const char *)data + done, n - done);
        FUZZ_CHECK(got > 0);
        done += (size_t)got;
    }
    close(fd);
    return path;
}

/* ---- parts of an input ---- */

unsigned fuzz_byte(fuzz_input *in) {
    return in->at < in->end ? *in->at++ : 0;
}

const uint8_t *fuzz_part(fuzz_input *in, size_t *n) {
    const size_t low = fuzz_byte(in), wanted = low | (size_t)fuzz_byte(in) << 8;
    const size_t left = (size_t)(in->end - in->at);
    const uint8_t *part = in->at;
    *n = wanted < left ? wanted : left;
    in->at += *n;
    return part;
}
