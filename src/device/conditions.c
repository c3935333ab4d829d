/* conditions.c - small reads of /proc and /sys; it changes nothing. */
#include "device/conditions.h"

#include <elf.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"
#include "device/sysfs.h"

enum { MAX_ZONES = 64 };

static double read_zone(const char *root, int i) {
    char path[64];
    snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/temp", i);
    return mnas_sysfs_number(root, path) / 1000;
}

static double read_hottest(const char *root) {
    double hottest = NAN;
    for (int i = 0; i < MAX_ZONES; i++) /* fmax: the other one where one is NaN */
        hottest = fmax(hottest, read_zone(root, i));
    return hottest;
}

int mnas_conditions_n_zones(const char *root) {
    int n = 0;
    for (int i = 0; i < MAX_ZONES; i++) n += !isnan(read_zone(root, i));
    return n;
}

/* The eighth number behind "cpuN", in ticks; core -1: "cpu", the sum of all. */
static double read_steal(const char *root, int core) {
    char path[1200], line[512], name[24];
    double ticks = NAN;
    snprintf(name, sizeof name, core < 0 ? "cpu" : "cpu%d", core);
    snprintf(path, sizeof path, "%s/proc/stat", root);
    FILE *file = fopen(path, "re");
    if (!file) return NAN;
    while (isnan(ticks) && fgets(line, sizeof line, file)) {
        const size_t n = strcspn(line, " ");
        if (n != strlen(name) || strncmp(line, name, n) != 0) continue;
        if (sscanf(line + n, " %*s %*s %*s %*s %*s %*s %*s %lf", &ticks) != 1) break;
    }
    fclose(file);
    return ticks / (double)sysconf(_SC_CLK_TCK);
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
        mnas_str_make_printable(name);
    }
    fclose(file);
}

double mnas_conditions_max_mhz(const char *root, int core) {
    return mnas_sysfs_core_number(root, core, "cpufreq/cpuinfo_max_freq") / 1000;
}

void mnas_conditions_governor(const char *root, int core, char out[32]) {
    if (!mnas_sysfs_core_line(root, core, "cpufreq/scaling_governor", out, 32)) out[0] = '\0';
}

void mnas_conditions_read(mnas_conditions *out, const char *root, int core) {
    out->load = mnas_sysfs_number(root, "/proc/loadavg");
    out->steal_s = read_steal(root, core);
    if (core < 0) core = 0;
    out->freq_mhz = mnas_sysfs_core_number(root, core, "cpufreq/scaling_cur_freq") / 1000;
    out->temp_c = read_hottest(root);
    mnas_conditions_governor(root, core, out->governor);
    read_cpu_name(root, out->cpu, sizeof out->cpu);
}

int mnas_conditions_best_core(const char *root, const bool *allowed, int n_cores) {
    int best = -1;
    double best_freq = 0;
    for (int i = 0; i < n_cores; i++) {
        if (!allowed[i]) continue;
        const double freq = mnas_conditions_max_mhz(root, i);
        const double known = isnan(freq) ? 0 : freq;
        if (best >= 0 && known < best_freq) continue;
        best = i;
        best_freq = known;
    }
    return best;
}

int mnas_conditions_choose_core(int wanted, int *core) {
    cpu_set_t set;
    bool allowed[CPU_SETSIZE];
    *core = -1;
    if (wanted == MNAS_CORE_NOT_PINNED) return 0;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return mnas_error_errno("cannot read this process's cores");
    for (int i = 0; i < CPU_SETSIZE; i++) allowed[i] = CPU_ISSET((size_t)i, &set);
    *core = wanted == MNAS_CORE_BEST ? mnas_conditions_best_core("", allowed, CPU_SETSIZE) : wanted;
    if (*core >= 0 && *core < CPU_SETSIZE && allowed[*core]) return 0;
    return mnas_error_set(MNAS_ERR_ARG, "core is %d, which this process may not use; it has %d cores", *core,
                          CPU_COUNT(&set));
}

/* What a file begins with as an ELF program: its machine, or 0. */
static int elf_machine(const char *path) {
    unsigned char head[20] = {0};
    FILE *file = fopen(path, "rbe");
    if (!file) return 0;
    const bool elf = fread(head, 1, sizeof head, file) == sizeof head && memcmp(head, ELFMAG, SELFMAG) == 0;
    fclose(file);
    if (!elf) return 0;
    return head[EI_DATA] == ELFDATA2MSB ? head[18] << 8 | head[19] : head[19] << 8 | head[18];
}

/* qemu-user makes /proc/self/exe lead to the program that it interprets, but not /proc/thread-self/exe: that is qemu
 * itself, whose instructions are the machine's own. */
bool mnas_conditions_emulated(void) {
#if defined(__x86_64__)
    const int ours = EM_X86_64;
#elif defined(__aarch64__)
    const int ours = EM_AARCH64;
#elif defined(__arm__)
    const int ours = EM_ARM;
#else
    const int ours = elf_machine("/proc/self/exe");
#endif
    const int runs = elf_machine("/proc/thread-self/exe");
    return runs != 0 && runs != ours;
}
