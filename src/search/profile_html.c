/* profile_html.c - a network's profile on a device as one self-contained page: how long it takes, where the time goes
 * (profile_flame.c), the layers as a table, the conditions.
 *
 * The page is well-formed XML behind its first line, loads nothing and needs no script.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/human.h"
#include "search/profile.h"
#include "search/report.h"

/* ---- in words ---- */

static void head(const mnas_profile *p, const char *name, mnas_str *out) {
    mnas_str_append(
        out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>mnas: ");
    mnas_report_escape(out, name);
    mnas_str_append(out, " on ");
    mnas_report_escape(out, p->latency.device);
    mnas_str_append(out, "</title>\n<style>\n");
    mnas_report_style(out);
    mnas_profile_flame_style(out);
    mnas_str_append(out, "</style>\n</head>\n<body>\n<main>\n<header>\n<h1>");
    mnas_report_escape(out, name);
    mnas_str_append(out, "</h1>\n<p>One image at a time on ");
    mnas_report_escape(out, p->latency.device);
    if (p->latency.engine[0]) {
        mnas_str_append(out, ", with ");
        mnas_report_escape(out, p->latency.engine);
    }
    mnas_str_append(out, "</p>\n</header>\n");
}

/* The kind of operator that takes most, and its share; NULL without layers. */
static const char *heaviest(const mnas_profile *p, double *share_frac) {
    double share[MNAS_PROFILE_KINDS] = {0};
    int most = 0;
    for (int i = 0; i < p->n_layers; i++) share[mnas_profile_kind(&p->layers[i])] += p->layers[i].share_frac;
    for (int k = 1; k < MNAS_PROFILE_KINDS; k++)
        if (share[k] > share[most]) most = k;
    *share_frac = share[most];
    return p->n_layers > 0 ? mnas_profile_kind_names[most] : NULL;
}

static void words(const mnas_profile *p, mnas_str *out) {
    char ms[MNAS_HUMAN_BYTES];
    double share;
    const char *most = heaviest(p, &share);
    mnas_human_ms(p->latency.median_ms, ms);
    mnas_str_appendf(out, "<p class=\"verdict\">%s", ms);
    if (most) mnas_str_appendf(out, "; %.0f&#160;%% of the layers' time is %s", 100 * share, most);
    mnas_str_append(out, ".</p>\n");
    if (!mnas_latency_is_measured(&p->latency))
        mnas_str_append(out, "<p><b>It was not measured: it is the default of a table.</b></p>\n");
    if (p->latency.emulated)
        mnas_str_append(
            out, "<p><b>It ran under an emulator: the times mean nothing for the real device.</b></p>\n");
    if (p->latency.wide)
        mnas_str_append(out, "<p><b>Less sure than was asked for: the interval is wider, or too few rounds "
                             "were calm.</b></p>\n");
    if (p->n_layers > 0 && p->peaks.n_levels > 0)
        mnas_str_appendf(
            out,
            "<p>%.0f&#160;%% of the time is spent in layers bound by memory, the rest in layers bound by "
            "arithmetic. At the device's peaks the layers would take %.3g ms, %.0f&#160;%% of what they "
            "take.</p>\n",
            100 * p->by_memory_ms / p->layers_ms, p->floor_ms, 100 * p->floor_ms / p->layers_ms);
}

static void figure(mnas_str *out, const char *label, const char *value, const char *note) {
    mnas_str_appendf(
        out,
        "<div class=\"figure\"><span class=\"label\">%s</span><span class=\"value\">%s</span><span "
        "class=\"note\">%s</span></div>\n",
        label, value, note);
}

static void figures(const mnas_profile *p, mnas_str *out) {
    char value[MNAS_HUMAN_BYTES], low[MNAS_HUMAN_BYTES], high[MNAS_HUMAN_BYTES], note[128] = "";
    const mnas_latency *l = &p->latency;
    mnas_str_append(out, "<div class=\"figures\">\n");
    mnas_human_ms(l->median_ms, value);
    mnas_human_number(l->ci_low_ms, low);
    mnas_human_number(l->ci_high_ms, high);
    if (l->rounds > 0 && isfinite(l->ci_level))
        snprintf(note, sizeof note, "%.3g&#160;%% interval %s&#8211;%s", 100 * l->ci_level, low, high);
    if (!mnas_latency_is_measured(l)) snprintf(note, sizeof note, "not measured");
    figure(out, "latency", value, note);
    if (p->n_layers > 0) {
        mnas_human_ms(p->layers_ms, value);
        snprintf(note, sizeof note, "%.0f&#160;%% of the latency", 100 * p->layers_ms / l->median_ms);
        figure(out, "layers one by one", value, note);
        mnas_human_count(p->macs, value);
        snprintf(note, sizeof note, "%.1f GFLOP/s at that latency", 2e-6 * (double)p->macs / l->median_ms);
        figure(out, "multiply-adds", value, note);
    }
    if (p->peaks.n_levels > 0) {
        snprintf(value, sizeof value, "%.0f GFLOP/s", p->peaks.flops_per_s / 1e9);
        snprintf(note, sizeof note, "one thread, %s", p->peaks.isa);
        figure(out, "the device's peak", value, note);
    }
    mnas_str_append(out, "</div>\n");
}

static void top(const mnas_profile *p, mnas_str *out) {
    mnas_str_append(out, "<section>\n");
    words(p, out);
    figures(p, out);
    mnas_str_append(out, "</section>\n");
}

/* ---- where it goes ---- */

static void picture(const mnas_profile *p, mnas_str *out) {
    mnas_str_append(out, "<section>\n<h2>Where the time goes</h2>\n");
    if (p->n_layers > 0) {
        mnas_profile_flame(p, out);
        mnas_str_append(out, "<p class=\"small\">Length is time: the network, its blocks, their layers (the "
                             "second layer of block "
                             "3 is 3.2), the operators in the order of running. Hover over a piece, or see "
                             "the table. Layers are "
                             "timed one by one; together they need not take what the network takes.</p>\n");
    } else {
        mnas_str_append(out, "<p>The layers were not timed. ");
        mnas_report_escape(out, p->no_layers);
        mnas_str_append(out, "</p>\n");
    }
    mnas_str_append(out, "</section>\n");
}

static void row(const mnas_layer_profile *l, mnas_str *out) {
    mnas_str_append(out, "<tr>");
    mnas_report_cell(out, l->name);
    mnas_str_appendf(out, "<td>%s", l->op);
    if (l->kernel > 1) mnas_str_appendf(out, " %d&#215;%d", l->kernel, l->kernel);
    mnas_str_appendf(out, "</td><td>%d&#215;%d&#215;%d</td><td>%.4f</td><td>%.1f&#160;%%</td>", l->out_h,
                     l->out_w, l->out_c, l->ms, 100 * l->share_frac);
    if (isfinite(l->flops_per_s))
        mnas_str_appendf(out, "<td>%.1f</td>", l->flops_per_s / 1e9);
    else
        mnas_str_append(out, "<td>-</td>");
    if (isfinite(l->reached_frac))
        mnas_str_appendf(out, "<td>%s</td><td>%.0f&#160;%%</td>",
                         l->memory_ms > l->arithmetic_ms ? "memory" : "arithmetic", 100 * l->reached_frac);
    else
        mnas_str_append(out, "<td>-</td><td>-</td>");
    mnas_str_append(out, "</tr>\n");
}

static void table(const mnas_profile *p, mnas_str *out) {
    if (p->n_layers == 0) return;
    mnas_str_append(
        out, "<section>\n<h2>Layer by layer</h2>\n<div class=\"scroll\"><table class=\"numbers all "
             "profile\">\n<thead><tr><th>layer</th><th>operator</th><th>output</th><th>ms</th><th>share</"
             "th><th>GFLOP/s</th><th>bound by</th><th>reached</th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < p->n_layers; i++) row(&p->layers[i], out);
    mnas_str_append(out, "</tbody>\n</table></div>\n");
    if (p->peaks.n_levels > 0)
        mnas_str_append(
            out,
            "<p class=\"small\">A layer cannot be faster than its arithmetic at the device's peak, nor than "
            "its "
            "data at the bandwidth of the memory that holds them: its maps, which the layer before has just "
            "written, and the network's weights, which come round once a run. The longer of the two bounds "
            "it; "
            "reached is that over what it took.</p>\n");
    mnas_str_append(out, "</section>\n");
}

/* ---- conditions ---- */

static void condition(mnas_str *out, const char *name, const char *value) {
    if (!value[0]) return;
    mnas_str_appendf(out, "<tr><th>%s</th>", name);
    mnas_report_cell(out, value);
    mnas_str_append(out, "</tr>\n");
}

static void before_and_after(mnas_str *out, const char *name, double before, double after, const char *unit) {
    char text[96] = "";
    if (isfinite(before) && isfinite(after))
        snprintf(text, sizeof text, "%.4g%s before, %.4g%s after", before, unit, after, unit);
    else if (isfinite(before) || isfinite(after))
        snprintf(text, sizeof text, "%.4g%s %s", isfinite(after) ? after : before, unit,
                 isfinite(after) ? "after" : "before");
    condition(out, name, text);
}

/* What is unknown is left out. */
static void rounds(const mnas_latency *l, mnas_str *out) {
    char text[400];
    int at = snprintf(text, sizeof text, "%d round%s of a fresh process each", l->rounds,
                      l->rounds == 1 ? "" : "s");
    if (l->n_refused >= 0)
        at += snprintf(text + at, sizeof text - (size_t)at, ", %d of them repeated", l->n_refused);
    if (l->runs >= 0) at += snprintf(text + at, sizeof text - (size_t)at, "; %d timed runs", l->runs);
    if (l->runs >= 0 && l->warmup_runs >= 0)
        at += snprintf(text + at, sizeof text - (size_t)at, ", %d before to warm up", l->warmup_runs);
    if (isfinite(l->spread_frac))
        at +=
            snprintf(text + at, sizeof text - (size_t)at, "; rounds differ by %.1f %%", 100 * l->spread_frac);
    if (l->n_disturbed >= 0)
        snprintf(text + at, sizeof text - (size_t)at, "; %d were disturbed by other work", l->n_disturbed);
    condition(out, "measured", text);
}

static void protocol(const mnas_latency *l, mnas_str *out) {
    char text[256];
    if (l->rounds <= 0) return;
    rounds(l, out);
    if (l->threads >= 0) {
        snprintf(text, sizeof text, l->core >= 0 ? "%d, on core %d" : "%d, not pinned", l->threads, l->core);
        condition(out, "threads", text);
    }
    if (!isfinite(l->drift_frac)) return;
    snprintf(text, sizeof text, "%+.1f %% since the device's reference was taken; by the clock %.4g ms",
             100 * l->drift_frac, l->raw_ms);
    condition(out, "drift", text);
}

static void peaks(const mnas_peaks *p, mnas_str *out) {
    char text[256];
    int at = 0;
    for (int i = 0; i < p->n_levels; i++) {
        const mnas_peaks_level *level = &p->levels[i];
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%.0f GB/s from %s", i > 0 ? ", " : "",
                       level->bytes_per_s / 1e9, level->name);
        if (isfinite(level->bytes))
            at += snprintf(text + at, sizeof text - (size_t)at, " (%.0f KiB)", level->bytes / 1024);
    }
    if (p->n_levels > 0) condition(out, "one thread reads", text);
}

static void conditions(const mnas_profile *p, mnas_str *out) {
    const mnas_latency *l = &p->latency;
    mnas_str_append(
        out, "<section>\n<h2>Conditions</h2>\n<div class=\"scroll\"><table class=\"conditions\"><tbody>\n");
    condition(out, "device", l->device);
    condition(out, "engine", l->engine);
    condition(out, "processor", l->cpu);
    condition(out, "architecture", l->arch);
    protocol(l, out);
    condition(out, "governor", l->governor);
    before_and_after(out, "frequency", l->freq_before_mhz, l->freq_mhz, " MHz");
    before_and_after(out, "temperature", l->temp_before_c, l->temp_c, " C");
    before_and_after(out, "load", l->load_before, l->load_after, "");
    peaks(&p->peaks, out);
    condition(out, "time", l->time_utc);
    mnas_str_append(out, "</tbody></table></div>\n</section>\n");
}

/* ---- the page ---- */

int mnas_profile_render(const mnas_profile *p, const char *name, mnas_str *out) {
    head(p, name, out);
    top(p, out);
    picture(p, out);
    table(p, out);
    conditions(p, out);
    mnas_str_appendf(
        out,
        "<footer>Written by mnas %s. This file is complete in itself.</footer>\n</main>\n</body>\n</html>\n",
        mnas_version());
    return mnas_str_ok(out)
               ? 0
               : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a page of %d layers", p->n_layers);
}

int mnas_profile_html(const mnas_profile *profile, const char *name, const char *path) {
    mnas_str page = {0};
    int rc = mnas_profile_render(profile, name, &page);
    if (rc == 0) rc = mnas_file_write_atomic(path, page.data, page.len);
    mnas_str_free(&page);
    return rc;
}
