/* doctor_device.c - a device's set-up examined from outside to inside: opened, reached, its program, its state, its noise.
 *
 * Each step needs the one before it: where one finds something bad the later ones are left out, since they would only say
 * the same in other words. It repairs nothing. "bad" means that nothing can be measured, "note" that results may be worse.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "device/device.h"
#include "device/sentinel.h"
#include "model/latency.h"
#include "search/devices.h"
#include "search/doctor.h"

static const double busy_frac = 0.2, busy_load = 0.5, hot_c = 80, drifted_frac = 0.03,
                    little_memory_bytes = 256 << 20;

/* ---- what the device's program tells ---- */

static void check_program(mnas_findings *f, const mnas_wire_info *info) {
    int n_allowed = 0;
    for (int i = 0; i < info->n_cores; i++) n_allowed += info->cores[i].allowed;
    mnas_findings_add(f, "ok", "program", "runs: %s, %s, %d of %d cores, %.1f GiB of memory, %s",
                      info->cpu[0] ? info->cpu : "processor of unknown name", info->arch, n_allowed,
                      info->n_cores, info->memory_bytes / (1 << 30), info->kernel);
    if (strcmp(info->version, mnas_version()) != 0)
        mnas_findings_add(f, "note", "program", "is mnas %s there and %s here", info->version,
                          mnas_version());
    if (info->emulated) {
        mnas_findings_add(f, "bad", "emulated",
                          "it runs under an emulator: its times mean nothing for a real %s", info->arch);
        mnas_findings_fix(f,
                          "use the real device; an emulator serves to try the set-up, and to compare logits");
    }
    if (info->free_bytes < little_memory_bytes)
        mnas_findings_add(f, "note", "memory", "%.0f MiB are free: large networks may not fit",
                          info->free_bytes / (1 << 20));
}

static double fastest_mhz(const mnas_wire_info *info, bool allowed_alone) {
    double fastest = NAN;
    for (int i = 0; i < info->n_cores; i++)
        if (info->cores[i].allowed || !allowed_alone) fastest = fmax(fastest, info->cores[i].max_mhz);
    return fastest;
}

static void check_cores(mnas_findings *f, const mnas_wire_info *info) {
    const double fastest = fastest_mhz(info, false), usable = fastest_mhz(info, true);
    if (info->best_core < 0) {
        mnas_findings_add(f, "bad", "cores", "the program may use none of the cores");
        mnas_findings_fix(f, "start it without taskset and outside of a cpuset");
    } else if (fastest > usable) {
        mnas_findings_add(
            f, "note", "cores",
            "the fastest core (%.0f MHz) is not allowed to the program; it gets one of %.0f MHz", fastest,
            usable);
        mnas_findings_fix(f, "start it without taskset and outside of a cpuset; on a phone keep the screen "
                             "on: a program in the "
                             "background is kept on the small cores");
    } else if (isfinite(fastest)) {
        mnas_findings_add(f, "ok", "cores", "networks run on core %d, of %.0f MHz at most", info->best_core,
                          fastest);
    } else {
        mnas_findings_add(f, "ok", "cores", "networks run on core %d; how fast the cores are is not told",
                          info->best_core);
    }
    if (!info->can_raise) {
        mnas_findings_add(f, "note", "priority", "the program cannot go ahead of others that want its core");
        mnas_findings_fix(
            f, "keep the device idle, or let the user raise priorities: a line \"USER - nice -20\" in "
               "/etc/security/limits.conf there");
    }
}

static void check_clock(mnas_findings *f, const mnas_wire_info *info) {
    const mnas_hindrances *h = &info->hindrances;
    const mnas_wire_core *core =
        info->best_core >= 0 && info->best_core < info->n_cores ? &info->cores[info->best_core] : NULL;
    if (!core || !core->governor[0])
        mnas_findings_add(f, "note", "governor",
                          "cannot be read (a virtual machine?): the clock may vary unseen");
    else if (strcmp(core->governor, "performance") == 0)
        mnas_findings_add(f, "ok", "governor", "performance");
    else {
        mnas_findings_add(f, "note", "governor",
                          "%s: the clock follows the load, and a short network may run before it has risen",
                          core->governor);
        mnas_findings_fix(
            f,
            "there, as root: echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; "
            "without root the warm-up and the sentinel make up for most of it");
    }
    if (core && h->cap_mhz < core->max_mhz) {
        mnas_findings_add(f, "note", "clock", "held down to %.0f MHz, of %.0f that the core can do",
                          h->cap_mhz, core->max_mhz);
        mnas_findings_fix(f, "let it cool and charge, switch power saving off; or raise scaling_max_freq");
    }
    if (h->turbo == 1) {
        mnas_findings_add(f, "note", "turbo",
                          "on: the clock depends on how hot the machine is and how many cores work");
        mnas_findings_fix(f, "there, as root: echo 0 > /sys/devices/system/cpu/cpufreq/boost, or "
                             "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo");
    }
}

static void check_heat(mnas_findings *f, const mnas_wire_info *info) {
    if (info->temp_c > hot_c) {
        mnas_findings_add(f, "note", "heat", "%.0f C: it will slow down to cool", info->temp_c);
        mnas_findings_fix(f, "let it rest, take it out of its case, give it air");
    } else if (isfinite(info->temp_c)) {
        mnas_findings_add(f, "ok", "heat", "%.0f C", info->temp_c);
    }
    if (info->hindrances.n_throttled > 0)
        mnas_findings_add(f, "note", "heat",
                          "the core was slowed down for heat %d times since the machine started",
                          info->hindrances.n_throttled);
}

static void check_others(mnas_findings *f, const mnas_wire_info *info) {
    const mnas_hindrances *h = &info->hindrances;
    if (h->busiest_frac > busy_frac) {
        mnas_findings_add(f, "note", "load", "%.0f %% of a core is taken by %s; load average %.1f",
                          100 * h->busiest_frac, h->busiest, h->load);
        mnas_findings_fix(f, "stop it, or measure when it has ended");
    } else if (h->load > busy_load) {
        mnas_findings_add(f, "note", "load", "load average is %.1f: other programs have been running",
                          h->load);
        mnas_findings_fix(f, "wait a minute or two");
    } else {
        mnas_findings_add(f, "ok", "load", "nothing else is at work");
    }
}

void mnas_doctor_judge(mnas_findings *f, const mnas_wire_info *info) {
    check_program(f, info);
    check_cores(f, info);
    check_clock(f, info);
    check_heat(f, info);
    check_others(f, info);
}

/* ---- a measurement ---- */

static void tell_latency(mnas_findings *f, const mnas_latency *l) {
    const double half_frac = mnas_latency_half_frac(l);
    if (isfinite(half_frac))
        mnas_findings_add(f, l->wide ? "note" : "ok", "noise",
                          "a small network takes %.4g ms, known to +-%.1f %% after %d rounds and %.1f s%s",
                          l->median_ms, 100 * half_frac, l->rounds, l->elapsed_s,
                          l->wide ? ": networks closer than that cannot be told apart" : "");
    else
        mnas_findings_add(f, "ok", "measuring", "a small network takes %.4g ms, it says", l->median_ms);
    if (!(fabs(l->drift_frac) > drifted_frac)) return;
    mnas_findings_add(f, "note", "drift", "the device is %.1f %% %s than when its reference was taken",
                      100 * fabs(l->drift_frac), l->drift_frac > 0 ? "slower" : "faster");
    mnas_findings_fix(
        f, "let it cool and come to rest; if it stays so, take the reference anew: calibrate=true");
}

/* What a search would get from it. */
static void check_measuring(mnas_findings *f, mnas_device *device) {
    mnas_model model;
    mnas_latency latency;
    mnas_sentinel_model(&model);
    const int rc = mnas_device_measure(device, &model, &latency);
    if (rc == 0)
        tell_latency(f, &latency);
    else if (rc == MNAS_ERR_REFUSED) /* it says itself what it saw and what would mend it */
        mnas_findings_add(f, "bad", "noise", "%s", mnas_error_message());
    else
        mnas_findings_add_error(f, rc == MNAS_ERR_MISSING || rc == MNAS_ERR_ARG ? "engine" : "measuring");
}

/* ---- the whole ---- */

static bool all_well(const mnas_findings *f) {
    return mnas_findings_count(f, "bad") == 0;
}

static void check_meter(mnas_findings *f, mnas_meter *meter) {
    mnas_wire_info info;
    if (mnas_meter_info(meter, &info) == 0)
        mnas_doctor_judge(f, &info);
    else
        mnas_findings_add_error(f, "program");
    mnas_wire_free_info(&info);
}

static void examine(mnas_findings *f, const char *spec) {
    mnas_device *device;
    if (mnas_device_open(&device, spec) < 0) {
        mnas_findings_add_error(f, "device");
        return;
    }
    mnas_meter *meter = mnas_device_meter(device);
    mnas_device_examine(device, f);
    if (all_well(f) && meter) check_meter(f, meter);
    if (all_well(f) && !mnas_device_is_recorded(device)) check_measuring(f, device);
    mnas_device_close(device);
}

/* Of several devices each finding says whose it is; what is bad of one leaves the others out of it. */
static void examine_one_of_several(mnas_findings *all, const char *spec) {
    mnas_findings f = {0};
    examine(&f, spec);
    for (size_t i = 0; i < f.n; i++) {
        mnas_findings_add(all, f.items[i].level, f.items[i].topic, "%s: %s", spec, f.items[i].text);
        if (f.items[i].fix[0]) mnas_findings_fix(all, "%s", f.items[i].fix);
    }
    all->failed = all->failed || f.failed;
    mnas_findings_free(&f);
}

int mnas_doctor_device(mnas_finding **findings, size_t *n, const char *device_spec) {
    mnas_findings f = {0};
    mnas_device_specs specs;
    int rc = mnas_device_specs_split(&specs, device_spec);
    if (rc < 0) return rc;
    if (specs.n == 1)
        examine(&f, specs.list[0]);
    else
        for (int i = 0; i < specs.n; i++) examine_one_of_several(&f, specs.list[i]);
    mnas_device_specs_free(&specs);
    return mnas_findings_take(&f, findings, n);
}
