/* sysfs.c - see sysfs.h. It changes nothing. */
#include "device/sysfs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { PATH_BYTES = 1200 };

bool mnas_sysfs_line(const char *root, const char *path, char *line, size_t n) {
    char full[PATH_BYTES];
    snprintf(full, sizeof full, "%s%s", root, path);
    FILE *file = fopen(full, "re");
    if (!file) return false;
    const bool ok = fgets(line, (int)n, file) != NULL;
    fclose(file);
    if (ok) line[strcspn(line, "\n")] = '\0';
    return ok;
}

static double number_of(char *line) {
    double value;
    line[strcspn(line, " ")] = '\0';
    return mnas_str_to_f64(line, &value) ? value : (double)NAN;
}

double mnas_sysfs_number(const char *root, const char *path) {
    char line[64];
    return mnas_sysfs_line(root, path, line, sizeof line) ? number_of(line) : (double)NAN;
}

bool mnas_sysfs_core_line(const char *root, int core, const char *name, char *line, size_t n) {
    char path[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", core, name);
    return mnas_sysfs_line(root, path, line, n);
}

double mnas_sysfs_core_number(const char *root, int core, const char *name) {
    char line[64];
    return mnas_sysfs_core_line(root, core, name, line, sizeof line) ? number_of(line) : (double)NAN;
}
