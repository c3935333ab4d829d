/* machine.c - see machine.h. Linux only; what cannot be read limits nothing. */
#include "search/machine.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

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
static int64_t cgroup_number(const char *name) {
    char path[128];
    long long value = -1;
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s", name);
    FILE *f = fopen(path, "re");
    if (!f) return -1;
    if (fscanf(f, "%lld", &value) != 1) value = -1;
    fclose(f);
    return value;
}

static int64_t cgroup_bytes(void) {
    const int64_t limit = cgroup_number("memory.max"), used = cgroup_number("memory.current");
    if (limit < 0 || used < 0) return INT64_MAX;
    return limit > used ? limit - used : 0;
}

static int64_t min_of(int64_t a, int64_t b) {
    return a < b ? a : b;
}

int64_t mnas_machine_free_bytes(void) {
    struct rlimit limit;
    const int64_t free_bytes = min_of(available_bytes(), cgroup_bytes());
    if (getrlimit(RLIMIT_DATA, &limit) < 0 || limit.rlim_cur > (rlim_t)INT64_MAX) return free_bytes;
    return min_of(free_bytes, (int64_t)limit.rlim_cur);
}

int mnas_machine_cores(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) < 0) return 1;
    return CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
}
