/* conditions.c - small reads of /proc and /sys; it changes nothing. */
#include "device/conditions.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { MAX_ZONES = 64 };

/* First line of root/path without its newline; false when it cannot be read. Files here say a size of 4096
 * whatever they hold, so they are read as streams. */
static bool read_line(const char *root, const char *path, char *line, int n) {
    char full[1200];
    snprintf(full, sizeof full, "%s%s", root, path);
    FILE *file = fopen(full, "re");
    if (!file) return false;
    const bool ok = fgets(line, n, file) != NULL;
    fclose(file);
    if (ok) line[strcspn(line, "\n")] = '\0';
    return ok;
}

static double read_number(const char *root, const char *path) {
    char line[64];
    double value;
    if (!read_line(root, path, line, sizeof line)) return NAN;
    line[strcspn(line, " ")] = '\0';
    return mnas_str_to_f64(line, &value) ? value : NAN;
}

static double read_cpufreq(const char *root, int core, const char *name) {
    char path[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/%s", core, name);
    return read_number(root, path);
}

static double read_hottest(const char *root) {
    double hottest = NAN;
    for (int i = 0; i < MAX_ZONES; i++) {
        char path[64];
        snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/temp", i);
        hottest = fmax(hottest, read_number(root, path) / 1000); /* fmax: the other one where one is NaN */
    }
    return hottest;
}

static void read_cpu_name(const char *root, char *name, size_t n) {
    char path[1200], line[256];
    name[0] = '\0';
    snprintf(path, sizeof path, "%s/proc/cpuinfo", root);
    FILE *file = fopen(path, "re");
    if (!file) return;
    while (!name[0] && fgets(line, sizeof line, file)) {
        /* x86 has "model name : X"; arm kernels "Hardware : X" or nothing */
        if (strncmp(line, "model name", 10) != 0 && strncmp(line, "Hardware", 8) != 0) continue;
        const char *value = strchr(line, ':');
        if (!value) continue;
        value += 1 + strspn(value + 1, " \t");
        snprintf(name, n, "%.*s", (int)strcspn(value, "\n"), value);
    }
    fclose(file);
}

void mnas_conditions_read(mnas_conditions *out, const char *root, int core) {
    char path[128];
    if (core < 0) core = 0;
    out->load = read_number(root, "/proc/loadavg");
    out->freq_mhz = read_cpufreq(root, core, "scaling_cur_freq") / 1000;
    out->temp_c = read_hottest(root);
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", core);
    if (!read_line(root, path, out->governor, sizeof out->governor)) out->governor[0] = '\0';
    read_cpu_name(root, out->cpu, sizeof out->cpu);
}

int mnas_conditions_best_core(const char *root, const bool *allowed, int n_cores) {
    int best = -1;
    double best_freq = 0;
    for (int i = 0; i < n_cores; i++) {
        if (!allowed[i]) continue;
        const double freq = read_cpufreq(root, i, "cpuinfo_max_freq");
        const double known = isnan(freq) ? 0 : freq;
        if (best >= 0 && known < best_freq) continue;
        best = i;
        best_freq = known;
    }
    return best;
}
