/* inject.c - see inject.h. Each function below is libc's with one question in front of it.
 *
 * It must not allocate, and asks dlsym for the real functions only where that is safe: allocations have names of
 * their own in glibc. Invariant: a call that does not fail is passed on unchanged, but for the short write of a full disk.
 */
#include "inject.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum kind {
    NONE,
#define X(name, code) KIND_##name,
    FAULT_KINDS(X)
#undef X
};

static const struct {
    const char *name;
    int code;
} kinds[] = {{"none", 0},
#define X(name, code) {#name, code},
             FAULT_KINDS(X)
#undef X
};

static const struct {
    const char *name;
    int code;
} codes[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO},       {"ENOMEM", ENOMEM},
             {"EINTR", EINTR},   {"EAGAIN", EAGAIN}, {"EDQUOT", EDQUOT}};

static struct {
    enum kind kind;
    long first;
    bool on;
    int code;
} plan;

static fault_state own_state, *state = &own_state;

/* ---- whose calls count ---- */

enum { MAX_RANGES = 64 };
static struct { uintptr_t begin, end; } ranges[MAX_RANGES];
static int n_ranges;

static bool is_counted(const char *object) {
    static const char *const names[] = {"libsqlite3.", "libjansson.", "libyaml-", "libz.",
                                        "libjpeg.",    "libpng",      "libc.so"};
    if (object[0] == '\0') return true; /* the program */
    const char *slash = strrchr(object, '/');
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slash && strncmp(slash + 1, names[i], strlen(names[i])) == 0) return true;
    return false;
}

static int add_object(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)size, (void)unused;
    for (int i = 0; i < info->dlpi_phnum && is_counted(info->dlpi_name); i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) || n_ranges == MAX_RANGES) continue;
        ranges[n_ranges].begin = info->dlpi_addr + p->p_vaddr;
        ranges[n_ranges++].end = info->dlpi_addr + p->p_vaddr + p->p_memsz;
    }
    return 0;
}

static bool counts(const void *caller) {
    for (int i = 0; i < n_ranges; i++)
        if ((uintptr_t)caller >= ranges[i].begin && (uintptr_t)caller < ranges[i].end) return true;
    return false;
}

static bool fails(enum kind kind, const void *caller) {
    if (plan.kind != kind || !counts(caller)) return false;
    const long n = atomic_fetch_add(&state->n_calls, 1) + 1;
    if (n != plan.first && !(plan.on && n > plan.first)) return false;
    atomic_fetch_add(&state->n_fired, 1);
    errno = plan.code;
    return true;
}
#define FAILS(kind) fails(KIND_##kind, __builtin_return_address(0))

/* ---- arming ---- */

static void give_up(const char *what, const char *spec) {
    fprintf(stderr, "inject: %s: %s\n", what, spec);
    abort();
}

void fault_arm(const char *spec) {
    char name[16] = "", code[16] = "", plus[2] = "";
    long first;
    if (sscanf(spec, "%15[a-z]:%ld%1[+]:%15s", name, &first, plus, code) < 3)
        if (sscanf(spec, "%15[a-z]:%ld:%15s", name, &first, code) < 2) give_up("not understood", spec);
    enum kind kind = NONE;
    for (int i = 1; i < (int)(sizeof kinds / sizeof *kinds); i++)
        if (strcmp(kinds[i].name, name) == 0) kind = (enum kind)i;
    if (kind == NONE) give_up("unknown kind", spec);
    plan.code = kinds[kind].code;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(codes[i].name, code) == 0) plan.code = codes[i].code;
    n_ranges = 0;
    dl_iterate_phdr(add_object, NULL);
    plan.first = first;
    plan.on = plus[0] != '\0';
    state->n_calls = 0;
    state->n_fired = 0;
    state->n_bytes = 0;
    plan.kind = kind;
}

bool fault_disarm(void) {
    plan.kind = NONE;
    return state->n_fired > 0;
}

/* The state is shared before anything can fail; a file's counts go on where another process of the run has left them. */
__attribute__((constructor)) static void begin(int argc, char **argv) {
    const char *path = getenv("MNAS_FAULT_STATE"), *spec = getenv("MNAS_FAULT"),
               *in = getenv("MNAS_FAULT_IN");
    const bool worker = argc > 1 && strcmp(argv[1], "worker") == 0;
    const int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (path && (fd < 0 || ftruncate(fd, sizeof *state) < 0)) give_up(strerror(errno), path);
    void *map = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE,
                     fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) give_up(strerror(errno), "shared state");
    if (fd >= 0) close(fd);
    state = map;
    if (!spec || (in && strcmp(in, worker ? "worker" : "main") != 0)) return;
    const long calls = state->n_calls, fired = state->n_fired, bytes = state->n_bytes;
    fault_arm(spec);
    state->n_calls = calls;
    state->n_fired = fired;
    state->n_bytes = bytes;
}

/* ---- allocations ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ALLOC(name) __wrap_##name
#define REAL(name)  __real_##name
#else
#define ALLOC(name) name
#define REAL(name)  __libc_##name
#endif
void *REAL(malloc)(size_t n);
void *REAL(calloc)(size_t n, size_t size);
void *REAL(realloc)(void *old, size_t n);
void *ALLOC(malloc)(size_t n);
void *ALLOC(calloc)(size_t n, size_t size);
void *ALLOC(realloc)(void *old, size_t n);
void *ALLOC(aligned_alloc)(size_t align, size_t n);
int ALLOC(posix_memalign)(void **out, size_t align, size_t n);

void *ALLOC(malloc)(size_t n) {
    return FAILS(malloc) ? NULL : REAL(malloc)(n);
}
void *ALLOC(calloc)(size_t n, size_t size) {
    return FAILS(malloc) ? NULL : REAL(calloc)(n, size);
}
void *ALLOC(realloc)(void *old, size_t n) {
    return FAILS(malloc) ? NULL : REAL(realloc)(old, n);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
void *REAL(aligned_alloc)(size_t align, size_t n);
int REAL(posix_memalign)(void **out, size_t align, size_t n);
char *REAL(strdup)(const char *text);
char *ALLOC(strdup)(const char *text);

char *ALLOC(strdup)(const char *text) {
    return FAILS(malloc) ? NULL : REAL(strdup)(text);
}
void *ALLOC(aligned_alloc)(size_t align, size_t n) {
    return FAILS(malloc) ? NULL : REAL(aligned_alloc)(align, n);
}
int ALLOC(posix_memalign)(void **out, size_t align, size_t n) {
    return FAILS(malloc) ? ENOMEM : REAL(posix_memalign)(out, align, n);
}
#else
void *__libc_memalign(size_t align, size_t n);

void *ALLOC(aligned_alloc)(size_t align, size_t n) {
    return FAILS(malloc) ? NULL : __libc_memalign(align, n);
}
int ALLOC(posix_memalign)(void **out, size_t align, size_t n) {
    if (FAILS(malloc)) return ENOMEM;
    void *memory = __libc_memalign(align, n);
    if (!memory) return ENOMEM;
    *out = memory;
    return 0;
}
#endif

/* ---- everything else: NEXT finds the real function ---- */

#define NEXT(type, name)                                                                                     \
    static __typeof__(type) *next;                                                                           \
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, name)

/* Room for a write of n bytes at `at` (-1: where the file stands): n, less, or 0 with ENOSPC. */
static size_t disk_room(int fd, size_t n, off_t at) {
    struct stat st;
    if (plan.kind != KIND_disk || n == 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) return n;
    if (at < 0) at = fcntl(fd, F_GETFL) & O_APPEND ? st.st_size : lseek(fd, 0, SEEK_CUR);
    const off_t end = at + (off_t)n, growth = end > st.st_size ? end - st.st_size : 0;
    const long left = plan.first - atomic_fetch_add(&state->n_bytes, growth);
    if (growth <= left) return n;
    atomic_fetch_sub(&state->n_bytes, growth - (left > 0 ? left : 0));
    atomic_fetch_add(&state->n_fired, 1);
    const off_t room = (off_t)n - growth + (left > 0 ? left : 0);
    errno = ENOSPC;
    return room > 0 ? (size_t)room : 0;
}

#define WRITE(name, args, at, call)                                                                          \
    ssize_t name args {                                                                                      \
        NEXT(ssize_t args, #name);                                                                           \
        if (FAILS(write)) return -1;                                                                         \
        const size_t room = disk_room(fd, n, at);                                                            \
        if (room == 0 && n > 0) return -1;                                                                   \
        n = room;                                                                                            \
        return next call;                                                                                    \
    }
WRITE(write, (int fd, const void *data, size_t n), -1, (fd, data, n))
WRITE(pwrite, (int fd, const void *data, size_t n, off_t at), at, (fd, data, n, at))
WRITE(pwrite64, (int fd, const void *data, size_t n, off64_t at), at, (fd, data, n, at))

/* RESULT is what the function gives where it fails. */
#define PLAIN(kind, result, type, name, args, call)                                                          \
    type name args {                                                                                         \
        NEXT(type args, #name);                                                                              \
        return FAILS(kind) ? result : next call;                                                             \
    }
PLAIN(write, EOF, int, fflush, (FILE * f), (f))
PLAIN(write, 0, size_t, fwrite, (const void *p, size_t size, size_t n, FILE *f), (p, size, n, f))

/* No power fails in these tests, and a disk may take 10 ms for each. */
int fsync(int fd) {
    return fd < 0 || FAILS(sync) ? -1 : 0;
}
int fdatasync(int fd) {
    return fd < 0 || FAILS(sync) ? -1 : 0;
}
PLAIN(truncate, -1, int, ftruncate, (int fd, off_t n), (fd, n))
PLAIN(truncate, -1, int, ftruncate64, (int fd, off64_t n), (fd, n))
PLAIN(read, -1, ssize_t, read, (int fd, void *data, size_t n), (fd, data, n))
PLAIN(read, -1, ssize_t, pread, (int fd, void *data, size_t n, off_t at), (fd, data, n, at))
PLAIN(read, -1, ssize_t, pread64, (int fd, void *data, size_t n, off64_t at), (fd, data, n, at))
PLAIN(read, NULL, char *, fgets, (char *text, int n, FILE *f), (text, n, f))
PLAIN(open, NULL, FILE *, fopen, (const char *path, const char *mode), (path, mode))
PLAIN(open, NULL, FILE *, fopen64, (const char *path, const char *mode), (path, mode))
PLAIN(open, NULL, FILE *, fdopen, (int fd, const char *mode), (fd, mode))
PLAIN(open, NULL, DIR *, opendir, (const char *path), (path))
PLAIN(map, MAP_FAILED, void *, mmap, (void *a, size_t n, int prot, int flags, int fd, off_t at),
      (a, n, prot, flags, fd, at))
PLAIN(map, MAP_FAILED, void *, mmap64, (void *a, size_t n, int prot, int flags, int fd, off64_t at),
      (a, n, prot, flags, fd, at))
PLAIN(pipe, -1, int, pipe2, (int fds[2], int flags), (fds, flags))
PLAIN(fork, -1, pid_t, fork, (void), ())
PLAIN(exec, -1, int, execvp, (const char *path, char *const argv[]), (path, argv))
PLAIN(rename, -1, int, rename, (const char *from, const char *to), (from, to))
PLAIN(rename, -1, int, linkat, (int a, const char *from, int b, const char *to, int flags),
      (a, from, b, to, flags))
PLAIN(unlink, -1, int, unlink, (const char *path), (path))
PLAIN(mkdir, -1, int, mkdir, (const char *path, mode_t mode), (path, mode))
PLAIN(lock, -1, int, flock, (int fd, int what), (fd, what))
PLAIN(thread, EAGAIN, int, pthread_create,
      (pthread_t * t, const pthread_attr_t *a, void *(*run)(void *), void *user), (t, a, run, user))
PLAIN(poll, -1, int, poll, (struct pollfd * fds, nfds_t n, int timeout_ms), (fds, n, timeout_ms))

/* Closed all the same. */
int fclose(FILE *f) {
    NEXT(int(FILE *), "fclose");
    const bool failed = FAILS(write);
    const int rc = next(f);
    return failed ? (errno = plan.code, EOF) : rc;
}

#define OPEN(name)                                                                                           \
    int name(const char *path, int flags, ...) {                                                             \
        NEXT(int(const char *, int, ...), #name);                                                            \
        va_list args;                                                                                        \
        va_start(args, flags);                                                                               \
        const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;                        \
        va_end(args);                                                                                        \
        return FAILS(open) ? -1 : next(path, flags, mode);                                                   \
    }
OPEN(open)
OPEN(open64)
