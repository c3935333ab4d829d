/* machine.c - see machine.h. Linux only; what cannot be read limits nothing. */
#include "search/machine.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int64_t available_bytes(void) {
    char line[256];
    long long kib = -1;
    FILE *f = fopen("/proc/meminfo", "re");
    if (!f) return INT64_MAX;
    while (kib < 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %lld kB", &kib) != 1) kib = -1;
    fclose(f);
    return kib < 0 ? INT64_MAX : kib * 1024;
}

/* "max", or a number; -1 where there is none. */
static int64_t number_in(const char *folder, const char *name) {
    char path[600];
    long long value = -1;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "re");
    if (!f) return -1;
    if (fscanf(f, "%lld", &value) != 1) value = -1;
    fclose(f);
    return value;
}

/* Files that were read and are no longer in use count as used, and are given back when memory is short. */
static int64_t cached_bytes(const char *folder) {
    char path[600], line[128];
    long long bytes = 0;
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "inactive_file %lld", &bytes) == 1) break;
    fclose(f);
    return bytes;
}

static int64_t group_bytes(const char *folder, const char *limit_name, const char *used_name) {
    const int64_t limit = number_in(folder, limit_name), used = number_in(folder, used_name);
    if (limit < 0 || used < 0) return INT64_MAX;
    const int64_t held = used - cached_bytes(folder);
    return limit > held ? limit - held : 0;
}

/* This process's control group: "0::/user.slice/a/b". */
static void group_of_self(char path[400]) {
    char line[512];
    path[0] = '\0';
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f) return;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "0::%399s", path) == 1) break;
    fclose(f);
}

static int64_t min_of(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* The narrowest of the group and all that hold it; and of version 1, which containers on old systems have. */
static int64_t cgroup_bytes(void) {
    char group[400], folder[500];
    int64_t least = group_bytes("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes");
    group_of_self(group);
    for (;;) {
        snprintf(folder, sizeof folder, "/sys/fs/cgroup%s", group);
        least = min_of(least, group_bytes(folder, "memory.max", "memory.current"));
        char *slash = strrchr(group, '/');
        if (!slash) return least;
        *slash = '\0';
    }
}

int64_t mnas_machine_shared_bytes(void) {
    return min_of(available_bytes(), cgroup_bytes());
}

static int64_t limit_of(int resource) {
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) < 0 || limit.rlim_cur > (rlim_t)INT64_MAX)
        return INT64_MAX;
    return (int64_t)limit.rlim_cur;
}

/* Of the address space the program and its libraries take as much in a child as here. */
static int64_t mapped_bytes(void) {
    long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f) return 0;
    if (fscanf(f, "%lld", &pages) != 1) pages = 0;
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

int64_t mnas_machine_process_bytes(void) {
    const int64_t space = limit_of(RLIMIT_AS), data = limit_of(RLIMIT_DATA);
    if (space == INT64_MAX) return data;
    const int64_t mapped = mapped_bytes();
    return min_of(data, space > mapped ? space - mapped : 0);
}

int64_t mnas_machine_free_bytes(void) {
    return min_of(mnas_machine_shared_bytes(), mnas_machine_process_bytes());
}

int mnas_machine_cores(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) < 0) return 1;
    return CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
}

int mnas_machine_threads_each(int jobs) {
    const int each = mnas_machine_cores() / jobs;
    return each > 0 ? each : 1;
}
