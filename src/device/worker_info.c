/* worker_info.c - tells what this machine is and what may disturb it, for whoever sets a device up. It measures no network and
 * reads no request. */
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/error.h"
#include "device/worker.h"
#include "device/worker_job.h"

static const double watch_s = 0.3; /* for other programs */

static int list_cores(mnas_wire_info *info) {
    cpu_set_t allowed;
    long n = sysconf(_SC_NPROCESSORS_CONF);
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return mnas_error_errno("cannot read this process's cores");
    n = n < 1 ? 1 : n > MNAS_WIRE_MAX_CORES ? MNAS_WIRE_MAX_CORES : n;
    if (!(info->cores = calloc((size_t)n, sizeof *info->cores)))
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %ld cores", n);
    info->n_cores = (int)n;
    for (int i = 0; i < info->n_cores; i++) {
        info->cores[i].max_mhz = mnas_conditions_max_mhz("", i);
        info->cores[i].allowed = i < CPU_SETSIZE && CPU_ISSET((size_t)i, &allowed);
        mnas_conditions_governor("", i, info->cores[i].governor);
    }
    return mnas_conditions_choose_core(MNAS_CORE_BEST, &info->best_core);
}

static int find_out(mnas_wire_info *info) {
    struct utsname system;
    mnas_conditions now;
    mnas_conditions_read(&now, "", -1);
    if (uname(&system) < 0) return mnas_error_errno("uname");
    snprintf(info->version, sizeof info->version, "%s", mnas_version());
    snprintf(info->cpu, sizeof info->cpu, "%s", now.cpu);
    snprintf(info->arch, sizeof info->arch, "%.*s", (int)sizeof info->arch - 1, system.machine);
    snprintf(info->kernel, sizeof info->kernel, "%.20s %.70s", system.sysname, system.release);
    info->temp_c = now.temp_c;
    info->n_zones = mnas_conditions_n_zones("");
    info->emulated = mnas_conditions_emulated();
    info->can_raise = mnas_worker_raise_priority();
    const double page = (double)sysconf(_SC_PAGESIZE);
    info->memory_bytes = (double)sysconf(_SC_PHYS_PAGES) * page;
    info->free_bytes = (double)sysconf(_SC_AVPHYS_PAGES) * page;
    const int rc = list_cores(info);
    if (rc == 0) mnas_hindrances_read(&info->hindrances, "", info->best_core, watch_s);
    return rc;
}

int mnas_device_worker_info(FILE *in, FILE *out) {
    (void)in;
    mnas_wire_info info = {0};
    char *reply = NULL;
    int rc = find_out(&info);
    if (rc == 0) rc = mnas_wire_print_info(&reply, &info);
    mnas_wire_free_info(&info);
    return mnas_worker_answer(out, rc, reply);
}
