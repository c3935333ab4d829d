/* report_tables.c - the report's tables: the front, conditions, and all trials.
 *
 * The table of all trials is also where the script finds what it shows when a point is hovered over (data-tip).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/human.h"
#include "base/stats.h"
#include "search/report.h"

enum { RANGE_BYTES = 2 * MNAS_HUMAN_BYTES + 8 };

void mnas_report_cell(mnas_str *out, const char *text) {
    mnas_str_append(out, "<td>");
    mnas_report_escape(out, text);
    mnas_str_append(out, "</td>");
}

/* A number in words that does not sort as text; data-v is what it sorts by, none for what is missing. */
static void number_cell(mnas_str *out, double value, const char *words) {
    char exact[32];
    if (isfinite(value)) {
        mnas_str_from_f64(value, exact);
        mnas_str_appendf(out, "<td data-v=\"%s\">%s</td>", exact, words);
    } else {
        mnas_str_appendf(out, "<td>%s</td>", words);
    }
}

static void number_cells(const mnas_report_facts *f, mnas_str *out, const mnas_trial *t) {
    char buf[MNAS_HUMAN_BYTES];
    mnas_human_percent(t->accuracy_frac, buf);
    number_cell(out, t->accuracy_frac, buf);
    for (int d = 0; d < f->n_devices; d++) {
        const double ms = mnas_report_latency_ms(t, d);
        mnas_human_ms(ms, buf);
        number_cell(out, ms, buf);
    }
    mnas_human_reward(t->reward, buf);
    number_cell(out, t->reward, buf);
    mnas_human_count(t->params, buf);
    number_cell(out, (double)t->params, buf);
    mnas_human_count(t->macs, buf);
    number_cell(out, (double)t->macs, buf);
}

/* A column for each device. */
static void latency_titles(const mnas_report_facts *f, mnas_str *out) {
    for (int d = 0; d < f->n_devices; d++) {
        mnas_str_append(out, f->n_devices > 1 ? "<th>latency on<br/>" : "<th>latency");
        mnas_report_escape(out, mnas_report_device(f, d));
        mnas_str_append(out, "</th>");
    }
}

/* Block strings, each kept whole where the line breaks. */
static void arch(mnas_str *out, const char *text) {
    const char *p = text ? text : "";
    while (*p) {
        size_t n = strcspn(p, " ");
        mnas_str_append(out, "<code>");
        mnas_report_escape_n(out, p, n);
        mnas_str_append(out, "</code> ");
        p += n + strspn(p + n, " ");
    }
}

/* ---- the front ---- */

static void interval_cell(const mnas_report_facts *f, mnas_str *out, const mnas_trial *t) {
    mnas_str_append(out, "<td>");
    for (int d = 0; d < f->n_devices; d++) {
        const mnas_latency *l = mnas_trial_latency_on(t, d);
        char low[MNAS_HUMAN_BYTES], high[MNAS_HUMAN_BYTES];
        mnas_human_number(l ? l->ci_low_ms : (double)NAN, low);
        mnas_human_ms(l ? l->ci_high_ms : (double)NAN, high);
        mnas_str_appendf(out, "%s%s&#8211;%s", d ? "<br/>" : "", low, high);
    }
    mnas_str_append(out, "</td>");
}

static void front_row(const mnas_report_facts *f, mnas_str *out, const mnas_trial *t) {
    mnas_str_appendf(out, "<tr data-t=\"%d\"><td>%d</td>", t->number, t->number);
    number_cells(f, out, t);
    interval_cell(f, out, t);
    mnas_str_appendf(out, "</tr>\n<tr class=\"arch\"><td></td><td colspan=\"%d\">", 5 + f->n_devices);
    arch(out, t->arch);
    mnas_str_append(out, "</td></tr>\n");
}

/* Of plain decisions without latencies: the best trial. */
static void plain_front(const mnas_report_facts *f, mnas_str *out) {
    const char *objective = mnas_report_setting(f, "objective");
    const double sign = objective && strcmp(objective, "minimize") == 0 ? -1 : 1;
    mnas_str_append(out,
                    "<section>\n<h2>The best</h2>\n<div class=\"scroll\"><table class=\"numbers best\">\n"
                    "<thead><tr><th>trial</th><th>value</th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < f->n_front; i++) {
        const mnas_trial *t = f->front[i];
        const double value = isnan(t->accuracy_frac) ? 0 + sign * t->reward : t->accuracy_frac;
        mnas_str_appendf(out,
                         "<tr data-t=\"%d\"><td>%d</td><td>%.6g</td></tr>\n<tr class=\"arch\"><td></td><td>",
                         t->number, t->number, value);
        arch(out, t->arch);
        mnas_str_append(out, "</td></tr>\n");
    }
    mnas_str_append(out, "</tbody>\n</table></div>\n</section>\n");
}

void mnas_report_front_table(const mnas_report_facts *f, mnas_str *out) {
    if (f->n_front == 0) return;
    if (f->is_plain && !f->fastest) {
        plain_front(f, out);
        return;
    }
    mnas_str_append(out, "<section>\n<h2>The Pareto front</h2>\n<div class=\"scroll\"><table "
                         "class=\"numbers best\">\n<thead><tr><th>trial</th><th>accuracy</th>");
    latency_titles(f, out);
    mnas_str_append(out, "<th>reward</th><th>parameters</th><th>multiply-adds</th><th>latency interval</th>"
                         "</tr></thead>\n<tbody>\n");
    for (int i = 0; i < f->n_front; i++) front_row(f, out, f->front[i]);
    if (f->is_plain) {
        mnas_str_append(out, "</tbody>\n</table></div>\n</section>\n");
        return;
    }
    mnas_str_append(out, "</tbody>\n</table></div>\n<p class=\"small\">A block string reads r repeats, k "
                         "kernel, s stride (22: 2 both ways), e expansion, i and o filters in and out, se "
                         "squeeze-and-excitation ratio. Without more it is an inverted bottleneck; opconv "
                         "makes it one k&#215;k convolution, opsep a depthwise and a 1&#215;1 convolution. "
                         "Layers add their input where widths and stride allow it; with noskip they never "
                         "do, with skippool the first adds it through an average pooling. act names a "
                         "block's own activation.</p>\n</section>\n");
}

/* ---- conditions ---- */

static void condition(mnas_str *out, const char *name, const char *value) {
    if (!value || !value[0]) return;
    mnas_str_appendf(out, "<tr><th>%s</th>", name);
    mnas_report_cell(out, value);
    mnas_str_append(out, "</tr>\n");
}

/* A number as it is worth reading; stored ones have all their digits. */
static void number_condition(const mnas_report_facts *f, mnas_str *out, const char *name,
                             const char *setting) {
    const char *text = mnas_report_setting(f, setting);
    double value;
    char buf[32];
    if (!text || !mnas_str_to_f64(text, &value)) return;
    snprintf(buf, sizeof buf, "%.4g", value);
    condition(out, name, buf);
}

static void setting_condition(const mnas_report_facts *f, mnas_str *out, const char *name,
                              const char *setting) {
    condition(out, name, mnas_report_setting(f, setting));
}

/* "3" or "3 to 7": what it is in the complete trials. False where it is unknown. */
static bool range_text(const mnas_report_facts *f, int64_t (*get)(const mnas_trial *),
                       char buf[RANGE_BYTES]) {
    int64_t low = INT64_MAX, high = 0;
    char a[MNAS_HUMAN_BYTES], b[MNAS_HUMAN_BYTES];
    for (int i = 0; i < f->n_done; i++) {
        int64_t n = get(f->done[i]);
        low = n < low ? n : low, high = n > high ? n : high;
    }
    if (f->n_done == 0 || low < 0) return false;
    mnas_human_exact(low, a);
    mnas_human_exact(high, b);
    snprintf(buf, RANGE_BYTES, low == high ? "%s" : "%s to %s", a, b);
    return true;
}

static int64_t rounds_of(const mnas_trial *t) {
    return t->latency.rounds;
}
static int64_t runs_of(const mnas_trial *t) {
    return t->latency.runs;
}
static int64_t warmup_runs_of(const mnas_trial *t) {
    return t->latency.warmup_runs;
}
static int64_t threads_of(const mnas_trial *t) {
    return t->latency.threads;
}
static int64_t core_of(const mnas_trial *t) {
    return t->latency.core;
}
static int64_t images_of(const mnas_trial *t) {
    return t->n_images;
}

/* A text of mnas_latency, told to be the first trial's alone where others have another. */
static void latency_text(const mnas_report_facts *f, mnas_str *out, const char *name, size_t offset) {
    const char *first = (const char *)&f->done[0]->latency + offset;
    char text[160];
    bool same = true;
    for (int i = 1; i < f->n_done; i++)
        same = same && strcmp(first, (const char *)&f->done[i]->latency + offset) == 0;
    snprintf(text, sizeof text, "%s%s", first,
             same || !first[0] ? "" : " (of the first trial; it is another in others)");
    condition(out, name, text);
}

/* Sum of a count over the complete trials; -1 where none tells it. */
static int sum_known(const mnas_report_facts *f, size_t offset) {
    int sum = -1;
    for (int i = 0; i < f->n_done; i++) {
        const int n = *(const int *)(const void *)((const char *)&f->done[i]->latency + offset);
        if (n >= 0) sum = n + (sum > 0 ? sum : 0);
    }
    return sum;
}

/* What is unknown is left out. */
static void spread_text(const mnas_report_facts *f, mnas_str *text, const double *spreads, int n) {
    const int disturbed = sum_known(f, offsetof(mnas_latency, n_disturbed)),
              cpu_timed = sum_known(f, offsetof(mnas_latency, n_cpu_timed));
    mnas_str_appendf(text, "rounds differ by %.1f %% in the median trial, %.1f %% in the worst",
                     mnas_stats_median(spreads, (size_t)n), mnas_stats_quantile(spreads, (size_t)n, 1));
    if (disturbed >= 0)
        mnas_str_appendf(text, "; %d %s disturbed by other work", disturbed,
                         disturbed == 1 ? "round was" : "rounds were");
    if (cpu_timed >= 0)
        mnas_str_appendf(text, "%s %d timed by CPU time", disturbed >= 0 ? "," : ";", cpu_timed);
}

static void spread_condition(const mnas_report_facts *f, mnas_str *out) {
    double *spreads = malloc((size_t)f->n_done * sizeof *spreads);
    mnas_str text = {0};
    int n = 0;
    for (int i = 0; spreads && i < f->n_done; i++)
        if (isfinite(f->done[i]->latency.spread_frac)) spreads[n++] = 100 * f->done[i]->latency.spread_frac;
    if (n > 0) spread_text(f, &text, spreads, n);
    condition(out, "latency's spread", text.data);
    mnas_str_free(&text);
    free(spreads);
}

/* On each of its devices. */
static bool is_measured(const mnas_report_facts *f, const mnas_trial *t) {
    bool is = true;
    for (int d = 0; d < f->n_devices; d++) {
        const mnas_latency *l = mnas_trial_latency_on(t, d);
        is = is && (!l || mnas_latency_is_measured(l));
    }
    return is;
}

static void unmeasured_condition(const mnas_report_facts *f, mnas_str *out) {
    char text[128];
    int n = 0;
    for (int i = 0; i < f->n_done; i++) n += !is_measured(f, f->done[i]);
    if (n == 0) return;
    snprintf(text, sizeof text, "not measured in %d of %d trials: the default of a table", n, f->n_done);
    condition(out, "latency", text);
}

static void latency_conditions(const mnas_report_facts *f, mnas_str *out) {
    char text[6 * RANGE_BYTES + 160], rounds[RANGE_BYTES], runs[RANGE_BYTES], warmup[RANGE_BYTES],
        threads[RANGE_BYTES], core[RANGE_BYTES];
    if (f->n_done == 0) return;
    unmeasured_condition(f, out);
    if (range_text(f, rounds_of, rounds) && range_text(f, runs_of, runs) &&
        range_text(f, warmup_runs_of, warmup) && range_text(f, threads_of, threads)) {
        const bool pinned = range_text(f, core_of, core);
        snprintf(text, sizeof text,
                 "of a trial: %s rounds of a fresh process each, %s timed runs, %s before to warm up; "
                 "threads: %s%s%s",
                 rounds, runs, warmup, threads, pinned ? ", on core " : "", pinned ? core : "");
        condition(out, "latency", text);
    }
    spread_condition(f, out);
    latency_text(f, out, "processor", offsetof(mnas_latency, cpu));
    latency_text(f, out, "inference engine", offsetof(mnas_latency, engine));
    latency_text(f, out, "frequency governor", offsetof(mnas_latency, governor));
}

static void image_condition(const mnas_report_facts *f, mnas_str *out) {
    char text[RANGE_BYTES];
    if (range_text(f, images_of, text)) condition(out, "images a trial trained on", text);
}

static void time_conditions(const mnas_report_facts *f, mnas_str *out) {
    int64_t first = INT64_MAX, last = 0;
    double train_s = 0, measure_s = 0;
    for (int i = 0; i < f->source->n_trials; i++) {
        const mnas_trial *t = f->source->trials[i];
        if (t->started_unix_ms > 0 && t->started_unix_ms < first) first = t->started_unix_ms;
        if (t->finished_unix_ms > last) last = t->finished_unix_ms;
        if (isfinite(t->train_s)) train_s += t->train_s;
        if (isfinite(t->measure_s)) measure_s += t->measure_s;
    }
    if (first > last) return;
    char from[32], to[32], train[32], measure[32], text[160];
    mnas_clock_iso8601(first, from);
    mnas_clock_iso8601(last, to);
    mnas_clock_duration(train_s, train, sizeof train);
    mnas_clock_duration(measure_s, measure, sizeof measure);
    snprintf(text, sizeof text, "%.16s to %.16s UTC", from, to);
    condition(out, "first trial began, last ended", text);
    snprintf(text, sizeof text, "%s training, %s measuring", train, measure);
    condition(out, "time in trials", text);
}

static void target_condition(const mnas_report_facts *f, mnas_str *out) {
    char text[MNAS_MAX_DEVICES * 32] = "";
    for (int d = 0; d < f->n_devices && isfinite(f->target_ms[d]); d++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.4g", d ? ", " : "", f->target_ms[d]);
    condition(out, "target, ms", text);
}

static void refused_condition(const mnas_report_facts *f, mnas_str *out) {
    char text[64] = "";
    int n = 0;
    for (int i = 0; i < f->source->n_trials; i++) n += f->source->trials[i]->n_refused;
    if (n > 0) snprintf(text, sizeof text, "%d, and taken again", n);
    condition(out, "measurements refused as too unsteady", text);
}

void mnas_report_conditions(const mnas_report_facts *f, mnas_str *out) {
    static const char *const rows[][2] = {{"space", "space"},
                                          {"encodings", "n_encodings"},
                                          {"dataset", "data"},
                                          {"images to train on", "n_train"},
                                          {"held out for validation", "n_val"},
                                          {"recipe", "recipe"},
                                          {"strategy", "strategy"},
                                          {"seed", "seed"},
                                          {"trials wanted", "trials"},
                                          {"trials side by side", "jobs"},
                                          {"threads of each", "threads"},
                                          {"reward", "reward"},
                                          {"objective", "objective"}};
    const char *command = mnas_report_setting(f, "command_line");
    mnas_str_append(out, "<section>\n<h2>Command and conditions</h2>\n");
    if (command) {
        mnas_str_append(out, "<pre>");
        mnas_report_escape(out, command);
        mnas_str_append(out, "</pre>\n");
    }
    mnas_str_append(out, "<div class=\"scroll\"><table class=\"conditions\"><tbody>\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) setting_condition(f, out, rows[i][0], rows[i][1]);
    target_condition(f, out);
    number_condition(f, out, "exponent w", "w");
    setting_condition(f, out, f->n_devices > 1 ? "devices" : "device", "device");
    setting_condition(f, out, "latency model that screens", "screen");
    setting_condition(f, out, "window, as a fraction of the target", "window");
    refused_condition(f, out);
    image_condition(f, out);
    latency_conditions(f, out);
    time_conditions(f, out);
    setting_condition(f, out, "mnas", "version");
    mnas_str_append(out, "</tbody></table></div>\n</section>\n");
}

/* ---- all trials ---- */

/* What hovering over a point shows. */
static void tip(const mnas_report_facts *f, mnas_str *out, const mnas_trial *t) {
    char accuracy[MNAS_HUMAN_BYTES], latency[MNAS_HUMAN_BYTES], reward[MNAS_HUMAN_BYTES],
        params[MNAS_HUMAN_BYTES], macs[MNAS_HUMAN_BYTES];
    mnas_human_percent(t->accuracy_frac, accuracy);
    mnas_human_ms(t->latency.median_ms, latency);
    mnas_human_reward(t->reward, reward);
    mnas_human_count(t->params, params);
    mnas_human_count(t->macs, macs);
    if (t->state == MNAS_TRIAL_FAILED || t->state == MNAS_TRIAL_PRUNED) {
        mnas_str_appendf(out, "Trial %d %s: ", t->number, mnas_trial_state_name(t->state));
        mnas_report_escape(out, mnas_report_reason(t));
        mnas_human_ms(t->predicted_ms, latency);
        if (t->state == MNAS_TRIAL_PRUNED) mnas_str_appendf(out, ", predicted %s", latency);
        mnas_str_append(out, "&#10;");
    } else {
        mnas_str_appendf(out, "Trial %d: %s at %s&#10;reward %s&#10;", t->number, accuracy, latency, reward);
    }
    for (int d = 1; d < f->n_devices && t->state == MNAS_TRIAL_COMPLETE; d++) {
        mnas_human_ms(mnas_report_latency_ms(t, d), latency);
        mnas_str_appendf(out, "%s on ", latency);
        mnas_report_escape(out, mnas_report_device(f, d));
        mnas_str_append(out, "&#10;");
    }
    mnas_str_appendf(out, "%s parameters, %s multiply-adds&#10;", params, macs);
    for (const char *p = t->arch ? t->arch : ""; *p; p++) {
        if (*p == ' ') {
            mnas_str_append(out, "&#10;");
        } else {
            mnas_report_escape_n(out, p, 1);
        }
    }
}

static void trial_row(const mnas_report_facts *f, mnas_str *out, const mnas_trial *t) {
    mnas_str_appendf(out, "<tr id=\"t%d\" data-t=\"%d\" data-tip=\"", t->number, t->number);
    tip(f, out, t);
    mnas_str_appendf(out, "\"><td data-v=\"%d\">%d</td><td>%s%s", t->number, t->number,
                     mnas_trial_state_name(t->state), t->reason[0] ? ": " : "");
    mnas_report_escape(out, t->reason);
    mnas_str_append(out, "</td>");
    number_cells(f, out, t);
    mnas_str_append(out, "<td class=\"arch\">");
    arch(out, t->arch);
    mnas_str_append(out, "</td></tr>\n");
}

void mnas_report_trial_table(const mnas_report_facts *f, mnas_str *out) {
    if (f->source->n_trials == 0) return;
    mnas_str_appendf(out,
                     "<section>\n<details><summary>All %d trials</summary>\n<div class=\"scroll\"><table "
                     "class=\"numbers all sort\">\n<thead><tr><th>trial</th><th>state</th>"
                     "<th data-down=\"\">accuracy</th>",
                     f->source->n_trials);
    latency_titles(f, out);
    mnas_str_append(out, "<th "
                         "data-down=\"\">reward</th><th>parameters</th><th>multiply-adds</"
                         "th><th class=\"arch\">network</th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < f->source->n_trials; i++) trial_row(f, out, f->source->trials[i]);
    mnas_str_append(out, "</tbody>\n</table></div></details>\n</section>\n");
}
