/* profile_print.c - see profile_print.h. Figures are as they came; what is unknown is left out. */
#include "cli/profile_print.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/human.h"
#include "cli/table.h"

/* ---- a latency ---- */

static void row(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void row(const char *name, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    printf("%-11s ", name);
    vprintf(fmt, args);
    putchar('\n');
    va_end(args);
}

/* "2450 MHz, 2390 MHz before"; nothing where neither is known. */
static void before_and_after(const char *name, double before, double after, const char *unit) {
    if (isfinite(after) && isfinite(before))
        row(name, "%.4g%s before, %.4g%s after", before, unit, after, unit);
    else if (isfinite(after))
        row(name, "%.4g%s after", after, unit);
    else if (isfinite(before))
        row(name, "%.4g%s before", before, unit);
}

static void print_drift(const mnas_latency *l) {
    if (!isfinite(l->drift_frac)) return;
    if (fabs(l->drift_frac) < 0.0005) {
        row("drift", "none since the device's reference was taken");
        return;
    }
    row("drift", "%.1f %% %s than when the device's reference was taken; by the clock %.4g ms",
        100 * fabs(l->drift_frac), l->drift_frac >= 0 ? "slower" : "faster", l->raw_ms);
}

static void print_rounds(const mnas_latency *l) {
    if (isfinite(l->spread_frac))
        row("rounds", "%d, each a fresh process; spread %.1f %%", l->rounds, 100 * l->spread_frac);
    else
        row("rounds", "%d", l->rounds);
    if (l->n_refused > 0) row("repeated", "%d of them, which were disturbed or had drifted", l->n_refused);
    if (l->runs >= 0) row("runs", "%d timed, %d before to warm up", l->runs, l->warmup_runs);
    if (l->core >= 0)
        row("threads", "%d, pinned to core %d", l->threads, l->core);
    else if (l->threads >= 0)
        row("threads", "%d, not pinned", l->threads);
    if (l->n_disturbed >= 0)
        row("disturbed", "%d round%s with other work on the core", l->n_disturbed,
            l->n_disturbed == 1 ? "" : "s");
    if (l->n_cpu_timed > 0)
        row("clock", "CPU time in %d of the rounds: nearly all runs there were pushed off the core",
            l->n_cpu_timed);
}

static void print_head(const char *name, const mnas_latency *l) {
    char median[MNAS_HUMAN_BYTES], low[MNAS_HUMAN_BYTES], high[MNAS_HUMAN_BYTES];
    mnas_human_ms(l->median_ms, median);
    mnas_human_number(l->ci_low_ms, low);
    mnas_human_ms(l->ci_high_ms, high);
    if (!mnas_latency_is_measured(l))
        printf("%s: %s (not measured)\n", name, median);
    else if (l->rounds > 0 && isfinite(l->ci_level))
        printf("%s: %s (%.3g %% interval %s to %s)\n", name, median, 100 * l->ci_level, low, high);
    else
        printf("%s: %s (interval unknown)\n", name, median);
    if (l->wide)
        printf("Less sure than was asked for: the interval is wider, or too few rounds were calm.\n");
    if (l->emulated) printf("It ran under an emulator: the time means nothing for the real device.\n");
    putchar('\n');
}

void mnas_cli_print_latency(const char *name, const mnas_latency *l) {
    print_head(name, l);
    if (l->rounds > 0) print_rounds(l);
    print_drift(l);
    row("engine", "%s", l->engine);
    row("device", "%s", l->device);
    if (l->cpu[0] || l->arch[0]) row("cpu", "%s%s%s", l->cpu, l->cpu[0] && l->arch[0] ? ", " : "", l->arch);
    if (l->governor[0]) row("governor", "%s", l->governor);
    before_and_after("frequency", l->freq_before_mhz, l->freq_mhz, " MHz");
    before_and_after("temperature", l->temp_before_c, l->temp_c, " C");
    before_and_after("load", l->load_before, l->load_after, "");
    if (l->time_utc[0]) row("time", "%s", l->time_utc);
}

/* ---- layers ---- */

static const char *bound_of(const mnas_layer_profile *l) {
    if (isnan(l->memory_ms)) return "-";
    return l->memory_ms > l->arithmetic_ms ? "memory" : "arithmetic";
}

static int print_table(const mnas_profile *p) {
    mnas_table table;
    mnas_table_start(&table, "<layer|<operator|output|million MACs|ms|share|GFLOP/s|<bound by|reached");
    for (int i = 0; i < p->n_layers; i++) {
        const mnas_layer_profile *l = &p->layers[i];
        mnas_table_cell(&table, "%s", l->name);
        mnas_table_cell(&table, "%s", l->op);
        mnas_table_cell(&table, "%dx%dx%d", l->out_h, l->out_w, l->out_c);
        mnas_table_cell(&table, "%.3f", (double)l->macs / 1e6);
        mnas_table_cell(&table, "%.4f", l->ms);
        mnas_table_cell(&table, "%.1f %%", 100 * l->share_frac);
        mnas_table_decimals(&table, l->flops_per_s / 1e9, 1);
        mnas_table_cell(&table, "%s", bound_of(l));
        if (isfinite(l->reached_frac))
            mnas_table_cell(&table, "%.0f %%", 100 * l->reached_frac);
        else
            mnas_table_cell(&table, "-");
    }
    return mnas_table_print(&table);
}

static void print_bounds(const mnas_profile *p) {
    printf(
        "bound by memory %.0f %% of that time, by arithmetic the rest; reached: %.0f %% of what the device "
        "could do\n",
        100 * p->by_memory_ms / p->layers_ms, 100 * p->floor_ms / p->layers_ms);
    printf("peaks of one thread: %.0f GFLOP/s with %s; reads", p->peaks.flops_per_s / 1e9, p->peaks.isa);
    for (int i = 0; i < p->peaks.n_levels; i++)
        printf("%s %.0f GB/s from %s", i > 0 ? "," : "", p->peaks.levels[i].bytes_per_s / 1e9,
               p->peaks.levels[i].name);
    putchar('\n');
}

int mnas_cli_print_layers(const mnas_profile *p) {
    putchar('\n');
    const int rc = print_table(p);
    if (rc < 0) return rc;
    printf("\n%d layers one by one: %.4f ms together, %.0f %% of the network's latency\n", p->n_layers,
           p->layers_ms, 100 * p->layers_ms / p->latency.median_ms);
    if (p->peaks.n_levels > 0) print_bounds(p);
    return 0;
}

/* ---- JSON ---- */

json_t *mnas_cli_layers_json(const mnas_profile *p) {
    json_t *list = json_array();
    for (int i = 0; i < p->n_layers; i++) {
        const mnas_layer_profile *l = &p->layers[i];
        const bool bounded = isfinite(l->reached_frac);
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:[i, i, i], s:f, s:f, s:I, s:f, s:f, s:o, s:o, s:o, s:o, s:o}", "name",
                      l->name, "op", l->op, "out_hwc", l->out_h, l->out_w, l->out_c, "ms", l->ms,
                      "share_frac", l->share_frac, "macs", (json_int_t)l->macs, "map_bytes", l->map_bytes,
                      "weight_bytes", l->weight_bytes, "flops_per_s", mnas_json_number(l->flops_per_s),
                      "arithmetic_ms", mnas_json_number(l->arithmetic_ms), "memory_ms",
                      mnas_json_number(l->memory_ms), "bound", mnas_json_text(bounded ? bound_of(l) : NULL),
                      "reached_frac", mnas_json_number(l->reached_frac)));
    }
    return list;
}

json_t *mnas_cli_peaks_json(const mnas_peaks *p) {
    json_t *levels = json_array();
    if (p->n_levels == 0) {
        json_decref(levels);
        return json_null();
    }
    for (int i = 0; i < p->n_levels; i++)
        json_array_append_new(levels, json_pack("{s:s, s:o, s:f}", "name", p->levels[i].name, "bytes",
                                                mnas_json_number(p->levels[i].bytes), "bytes_per_s",
                                                p->levels[i].bytes_per_s));
    return json_pack("{s:s, s:f, s:o}", "isa", p->isa, "flops_per_s", p->flops_per_s, "levels", levels);
}
