/* sysfs.h - one line of a small file of /proc or /sys, as text or as a number. `root` as in conditions.h.
 *
 * Files there say a size of 4096 whatever they hold, so they are read as streams.
 */
#ifndef MNAS_DEVICE_SYSFS_H
#define MNAS_DEVICE_SYSFS_H

#include <stdbool.h>
#include <stddef.h>

/* The first line of root/path without its newline; false where it cannot be read. */
bool mnas_sysfs_line(const char *root, const char *path, char *line, size_t n);
/* Its first word; NaN where that is no number. */
double mnas_sysfs_number(const char *root, const char *path);

/* The same of a file of one core: "cpufreq/scaling_cur_freq". */
bool mnas_sysfs_core_line(const char *root, int core, const char *name, char *line, size_t n);
double mnas_sysfs_core_number(const char *root, int core, const char *name);

#endif
