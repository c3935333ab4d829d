/* hindrances.c - see hindrances.h. It changes nothing, and looks only into /proc and /sys. */
#include "device/hindrances.h"

#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "device/sysfs.h"

enum { MAX_PROCESSES = 4096 };

/* ---- other programs ---- */

typedef struct process {
    long pid;
    unsigned long long ticks; /* of a core, so far */
    char name[32];
} process;

/* "123 (a name) S 1 2 ...": the times are the 14th and 15th field; a name may hold blanks and parentheses. */
static bool parse_stat(process *out, const char *line) {
    const char *open = strchr(line, '('), *close = strrchr(line, ')');
    unsigned long long user, system;
    if (!open || !close || close < open) return false;
    if (sscanf(close + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
        return false;
    out->ticks = user + system;
    snprintf(out->name, sizeof out->name, "%.*s", (int)(close - open - 1), open + 1);
    mnas_str_make_printable(out->name);
    return true;
}

/* Of all processes but this one, as far as this user may see them. */
static int list_processes(process *list, const char *root) {
    char path[1200], line[1024];
    snprintf(path, sizeof path, "%s/proc", root);
    DIR *folder = opendir(path);
    int n = 0;
    if (!folder) return 0;
    for (struct dirent *entry; n < MAX_PROCESSES && (entry = readdir(folder));) {
        list[n].pid = atol(entry->d_name);
        if (list[n].pid <= 0 || list[n].pid == (long)getpid()) continue;
        snprintf(path, sizeof path, "/proc/%ld/stat", list[n].pid);
        if (mnas_sysfs_line(root, path, line, sizeof line) && parse_stat(&list[n], line)) n++;
    }
    closedir(folder);
    return n;
}

static unsigned long long ticks_before(const process *before, int n, const process *p) {
    for (int i = 0; i < n; i++)
        if (before[i].pid == p->pid) return before[i].ticks;
    return p->ticks; /* new: what it took before is unknown */
}

static void watch(mnas_hindrances *out, process *before, process *after, const char *root, double watch_s) {
    const struct timespec pause = {(time_t)watch_s, (long)(1e9 * (watch_s - floor(watch_s)))};
    const double began_s = mnas_clock_now_s();
    const int n_before = list_processes(before, root);
    nanosleep(&pause, NULL);
    const int n = list_processes(after, root);
    const double passed_s = mnas_clock_now_s() - began_s, per_s = (double)sysconf(_SC_CLK_TCK);
    for (int i = 0; i < n; i++) {
        const double ticks = (double)(after[i].ticks - ticks_before(before, n_before, &after[i])),
                     frac = ticks / per_s / passed_s;
        if (!(frac > out->busiest_frac)) continue;
        out->busiest_frac = frac;
        snprintf(out->busiest, sizeof out->busiest, "%s, process %ld", after[i].name, after[i].pid);
    }
}

/* ---- the clock ---- */

int mnas_hindrances_turbo(const char *root) {
    const double no_turbo = mnas_sysfs_number(root, "/sys/devices/system/cpu/intel_pstate/no_turbo"),
                 boost = mnas_sysfs_number(root, "/sys/devices/system/cpu/cpufreq/boost");
    if (isfinite(no_turbo)) return no_turbo == 0;
    return isfinite(boost) ? boost == 1 : -1;
}

void mnas_hindrances_read(mnas_hindrances *out, const char *root, int core, double watch_s) {
    if (core < 0) core = 0;
    *out = (mnas_hindrances){.load = mnas_sysfs_number(root, "/proc/loadavg"),
                             .turbo = mnas_hindrances_turbo(root)};
    out->cap_mhz = mnas_sysfs_core_number(root, core, "cpufreq/scaling_max_freq") / 1000;
    const double throttled = mnas_sysfs_core_number(root, core, "thermal_throttle/core_throttle_count");
    out->n_throttled = throttled >= 0 && throttled < 1e9 ? (int)throttled : -1;
    process *lists = calloc(2 * (size_t)MAX_PROCESSES, sizeof *lists);
    if (lists) watch(out, lists, lists + MAX_PROCESSES, root, watch_s);
    free(lists);
}
