/* report_final.c - the report's part on stage two: what it shows in words, the picture of it, and the numbers.
 *
 * Validation chose and test was asked once, so the two never share a column, a chart or a sentence without being named. Only
 * the chosen network is called best.
 */
#include "search/report_final.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/human.h"
#include "search/verdict.h"

/* ---- from a study ---- */

int mnas_report_finals_read(mnas_report_finals *out, mnas_report_source *source, const mnas_study *study) {
    const int n = mnas_study_n_finals(study);
    *out = (mnas_report_finals){0};
    if (n == 0) return 0;
    out->list = malloc((size_t)n * sizeof *out->list);
    if (!out->list)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a report of %d final trainings", n);
    for (int i = 0; i < n; i++) out->list[i] = mnas_study_final(study, i);
    int rc = mnas_study_verdict(study, &out->verdict);
    if (rc < 0) return rc;
    source->finals = out->list;
    source->n_finals = n;
    source->verdict = &out->verdict;
    return 0;
}

void mnas_report_finals_free(mnas_report_finals *finals) {
    free(finals->list);
    mnas_verdict_free(&finals->verdict);
}

int mnas_report_final_look(const mnas_report_facts *facts, const mnas_final *final) {
    const mnas_report_source *s = facts->source;
    if (final->role == MNAS_FINAL_FOUND) return 0;
    if (final->role == MNAS_FINAL_RANDOM) return 1;
    int look = 2;
    for (int i = 0; i < s->n_finals && strcmp(s->finals[i]->family, final->family) != 0; i++) {
        look += s->finals[i]->role == MNAS_FINAL_BASELINE && mnas_verdict_leads_family(s->finals, i);
    }
    return look < MNAS_REPORT_LOOKS ? look : MNAS_REPORT_LOOKS - 1;
}

static bool is_tested(const mnas_report_source *s) {
    const mnas_final *chosen = mnas_verdict_chosen(s->verdict, s->finals, s->n_finals);
    return chosen && mnas_verdict_is_point(chosen, true);
}

/* ---- words ---- */

/* A percent sign stays with its number. */
static void escape_words(mnas_str *out, const char *words) {
    for (const char *p = words, *end; *p; p = end) {
        if (p[0] == ' ' && p[1] == '%') {
            mnas_str_append(out, "&#160;");
            end = p + 1;
        } else {
            end = strstr(p + 1, " %");
            if (!end) end = p + strlen(p);
            mnas_report_escape_n(out, p, (size_t)(end - p));
        }
    }
}

static void paragraph(const mnas_report_source *s, mnas_str *out, const char *class,
                      mnas_verdict_writer *write) {
    mnas_str words = {0};
    write(s->verdict, s->finals, s->n_finals, &words);
    if (!mnas_str_ok(&words)) out->failed = true;
    if (words.data) {
        mnas_str_appendf(out, "<p class=\"%s\">", class);
        escape_words(out, words.data);
        mnas_str_append(out, "</p>\n");
    }
    mnas_str_free(&words);
}

/* ---- comparisons ---- */

/* " (1.21 to 1.66)", or what is known of a ratio: 0 and infinity are ends that the samples do not have. */
static void ratio_interval(char *text, size_t n, double low, double high) {
    if (low == 0 && isinf(high)) {
        snprintf(text, n, " (leaves the curve)");
    } else if (isinf(high)) {
        snprintf(text, n, " (more than %.2f)", low);
    } else if (low == 0) {
        snprintf(text, n, " (less than %.2f)", high);
    } else if (isfinite(low) && isfinite(high)) {
        snprintf(text, n, " (%.2f to %.2f)", low, high);
    }
}

/* "1.42 (1.21 to 1.66)", and a note in a line of its own, or NULL. */
static void ratio_cell(mnas_str *out, const mnas_comparison *c, const char *note) {
    char interval[80] = "";
    if (!isfinite(c->ratio)) {
        mnas_report_cell(out, "-");
        return;
    }
    ratio_interval(interval, sizeof interval, c->ratio_low, c->ratio_high);
    mnas_str_appendf(out, "<td>%.2f%s", c->ratio, interval);
    if (note) mnas_str_appendf(out, "<br/><span class=\"soft\">%s</span>", note);
    mnas_str_append(out, "</td>");
}

static void gain_cell(mnas_str *out, const mnas_comparison *c) {
    char text[120];
    if (c->n_points < 2 || !isfinite(c->accuracy_gain_frac)) {
        mnas_report_cell(out, "-");
        return;
    }
    const bool known = isfinite(c->gain_low_frac) && isfinite(c->gain_high_frac);
    snprintf(text, sizeof text, known ? "%+.2f (%.2f to %.2f)" : "%+.2f", 100 * c->accuracy_gain_frac,
             100 * c->gain_low_frac, 100 * c->gain_high_frac);
    mnas_report_cell(out, text);
}

static const char *not_at_equal(const mnas_comparison *c) {
    switch (c->kind) {
    case MNAS_COMPARE_WITHIN:
        return NULL;
    case MNAS_COMPARE_ABOVE:
        return "as its most accurate, not equal";
    case MNAS_COMPARE_BELOW:
        return "as its fastest, not equal";
    case MNAS_COMPARE_NOT:
        break;
    }
    return c->n_points == 1 ? "as the one there is, not equal" : NULL;
}

static void comparison_row(mnas_str *out, const mnas_comparison *c) {
    bool all = strcmp(c->family, "baselines") == 0;
    mnas_str_append(out, "<tr>");
    mnas_report_cell(out, all ? "all baselines" : mnas_verdict_family_name(c->family));
    mnas_report_cell(out, strcmp(c->split, "test") == 0 ? "test" : "validation");
    mnas_str_appendf(out, "<td>%d</td>", c->n_points);
    ratio_cell(out, c, not_at_equal(c));
    gain_cell(out, c);
    mnas_str_append(out, "</tr>\n");
}

static void comparison_table(const mnas_report_source *s, mnas_str *out) {
    if (s->verdict->n_comparisons == 0) return;
    mnas_str_append(
        out, "<h3>The chosen network beside each family</h3>\n<div class=\"scroll\"><table "
             "class=\"numbers beside\">\n<thead><tr><th>family</th><th>images</th><th>networks</th>"
             "<th>times as fast<br/>at equal accuracy</th><th>points more accurate<br/>at equal latency</th>"
             "</tr></thead>\n<tbody>\n");
    for (int test = 1; test >= 0; test--) {
        for (int i = 0; i < s->verdict->n_comparisons; i++) {
            const mnas_comparison *c = &s->verdict->comparisons[i];
            if ((strcmp(c->split, "test") == 0) == test) comparison_row(out, c);
        }
    }
    mnas_str_append(
        out, "</tbody>\n</table></div>\n<p class=\"small\">In brackets 95&#160;% intervals. The validation "
             "images chose the network, so what they say of it flatters it.</p>\n");
}

/* ---- all networks ---- */

static void accuracy_text(double accuracy, int n, char buf[64]) {
    if (!isfinite(accuracy)) {
        snprintf(buf, 64, "-");
    } else if (n < 1) {
        snprintf(buf, 64, "%.2f %%", 100 * accuracy);
    } else {
        snprintf(buf, 64, "%.2f \xc2\xb1 %.2f %%", 100 * accuracy, 100 * sqrt(accuracy * (1 - accuracy) / n));
    }
}

static void latency_text(const mnas_latency *t, char buf[4 * MNAS_HUMAN_BYTES]) {
    char median[MNAS_HUMAN_BYTES], low[MNAS_HUMAN_BYTES], high[MNAS_HUMAN_BYTES];
    mnas_human_ms(t->median_ms, median);
    mnas_human_number(t->ci_low_ms, low);
    mnas_human_number(t->ci_high_ms, high);
    const bool known = isfinite(t->ci_low_ms) && isfinite(t->ci_high_ms) && t->ci_high_ms > 0;
    snprintf(buf, 4 * MNAS_HUMAN_BYTES, known ? "%s (%s to %s)" : "%s", median, low, high);
}

/* What hovering over its mark shows. */
static void tip(mnas_str *out, const mnas_final *f) {
    char val[64], test[64], latency[4 * MNAS_HUMAN_BYTES], params[MNAS_HUMAN_BYTES], macs[MNAS_HUMAN_BYTES];
    accuracy_text(f->val_accuracy_frac, f->n_val, val);
    accuracy_text(f->test_accuracy_frac, f->n_test, test);
    latency_text(&f->latency, latency);
    mnas_human_count(f->params, params);
    mnas_human_count(f->macs, macs);
    mnas_report_escape(out, f->name);
    mnas_str_appendf(out, "&#10;validation %s&#10;test %s&#10;%s&#10;%s parameters, %s multiply-adds", val,
                     isfinite(f->test_accuracy_frac) ? test : "not asked", latency, params, macs);
}

static void name_cell(mnas_str *out, const mnas_final *f, bool is_best, int look) {
    mnas_str_appendf(out, "<td class=\"name\"><i class=\"sign look%d\"></i>", look);
    mnas_report_escape(out, f->name);
    if (f->repeat > 0) mnas_str_appendf(out, " <span class=\"soft\">seed %d</span>", f->repeat + 1);
    if (is_best) mnas_str_append(out, " <b class=\"badge\">best</b>");
    mnas_str_append(out, "</td>");
}

static void state_cell(mnas_str *out, const mnas_final *f) {
    mnas_str_appendf(out, "<td colspan=\"4\" class=\"state\">%s%s", mnas_trial_state_name(f->state),
                     f->reason[0] ? ": " : "");
    mnas_report_escape(out, f->reason);
    mnas_str_append(out, "</td>");
}

/* A line for each device. */
static void latency_cell(mnas_str *out, const mnas_final *f) {
    char text[4 * MNAS_HUMAN_BYTES];
    latency_text(&f->latency, text);
    mnas_str_append(out, "<td>");
    mnas_report_escape(out, text);
    for (int d = 0; d < f->n_others; d++) {
        latency_text(&f->others[d], text);
        mnas_str_append(out, "<br/>");
        mnas_report_escape(out, text);
    }
    mnas_str_append(out, "</td>");
}

static void number_cells(mnas_str *out, const mnas_final *f) {
    char text[4 * MNAS_HUMAN_BYTES];
    accuracy_text(f->val_accuracy_frac, f->n_val, text);
    mnas_report_cell(out, text);
    accuracy_text(f->test_accuracy_frac, f->n_test, text);
    mnas_report_cell(out, isfinite(f->test_accuracy_frac) ? text : "not tested");
    latency_cell(out, f);
    mnas_clock_duration(f->train_s, text, MNAS_HUMAN_BYTES);
    mnas_report_cell(out, isfinite(f->train_s) ? text : "-");
}

static void final_row(const mnas_report_facts *facts, mnas_str *out, const mnas_final *f) {
    char text[MNAS_HUMAN_BYTES];
    mnas_str_appendf(out, "<tr id=\"tf%d\" data-t=\"f%d\"%s data-tip=\"", f->number, f->number,
                     f->repeat > 0 ? " class=\"again\"" : "");
    tip(out, f);
    mnas_str_append(out, "\">");
    name_cell(out, f, f->number == facts->source->verdict->chosen, mnas_report_final_look(facts, f));
    if (f->state == MNAS_TRIAL_COMPLETE) {
        number_cells(out, f);
    } else {
        state_cell(out, f);
    }
    mnas_human_count(f->params, text);
    mnas_report_cell(out, text);
    mnas_human_count(f->macs, text);
    mnas_report_cell(out, text);
    snprintf(text, sizeof text, f->input_size > 0 ? "%d" : "-", f->input_size);
    mnas_report_cell(out, text);
    snprintf(text, sizeof text, isfinite(f->lr) && f->lr > 0 ? "%.4g" : "-", f->lr);
    mnas_report_cell(out, text);
    mnas_str_append(out, "</tr>\n");
}

static void seed_note(const mnas_verdict *v, mnas_str *out) {
    if (isfinite(v->seed_sd_frac)) {
        mnas_str_appendf(
            out,
            " Another seed changes validation accuracy by %.2f points (standard deviation, pooled over %d "
            "runs); such runs are no points of the chart.",
            100 * v->seed_sd_frac, v->n_seed_runs);
    } else {
        mnas_str_append(out, " Each network had one seed, so the noise between seeds is not known.");
    }
}

static void device_note(const mnas_report_facts *f, mnas_str *out) {
    if (f->n_devices == 1) return;
    mnas_str_append(out, " Latencies stand in the order of the devices:");
    for (int d = 0; d < f->n_devices; d++) {
        mnas_str_append(out, d ? ", " : " ");
        mnas_report_escape(out, mnas_report_device(f, d));
    }
    mnas_str_append(out, "; charts, curves and ratios are of the first.");
}

static void final_table(const mnas_report_facts *f, mnas_str *out) {
    const mnas_report_source *s = f->source;
    mnas_str_appendf(
        out,
        "<h3>All %d full trainings</h3>\n<div class=\"scroll\"><table class=\"numbers finals\">\n"
        "<thead><tr><th>network</th><th>validation</th><th>test</th><th>latency, interval</th><th>trained "
        "in</"
        "th><th>parameters</th><th>multiply-adds</th><th>input</th><th>learning "
        "rate</th></tr></thead>\n<tbody>\n",
        s->n_finals);
    for (int i = 0; i < s->n_finals; i++) final_row(f, out, s->finals[i]);
    mnas_str_append(out,
                    "</tbody>\n</table></div>\n<p class=\"small\">&#177; is the binomial standard error.");
    seed_note(s->verdict, out);
    device_note(f, out);
    mnas_str_append(out, "</p>\n");
}

/* ---- the part ---- */

static bool has_points(const mnas_report_source *s) {
    for (int i = 0; i < s->n_finals; i++) {
        if (mnas_verdict_is_point(s->finals[i], false)) return true;
    }
    return false;
}

static void charts(const mnas_report_facts *f, mnas_str *out) {
    if (!has_points(f->source)) return;
    if (!is_tested(f->source)) {
        mnas_str_append(out, "<h3>Accuracy on the validation images</h3>\n");
        mnas_report_final_chart(f, false, out);
        return;
    }
    mnas_str_append(out, "<h3>Accuracy on the test images</h3>\n");
    mnas_report_final_chart(f, true, out);
    mnas_str_append(out, "<details><summary>The same on the validation images, by which the network was "
                         "chosen</summary>\n");
    mnas_report_final_chart(f, false, out);
    mnas_str_append(out, "</details>\n");
}

void mnas_report_final(const mnas_report_facts *f, mnas_str *out) {
    const mnas_report_source *s = f->source;
    if (s->n_finals == 0 || !s->verdict) return;
    mnas_str_append(out, "<section class=\"final\">\n<h2>What the search found, fully trained</h2>\n");
    paragraph(s, out, "verdict", mnas_verdict_headline);
    charts(f, out);
    paragraph(s, out, "small", mnas_verdict_details);
    comparison_table(s, out);
    paragraph(s, out, "small", mnas_verdict_method);
    final_table(f, out);
    mnas_str_append(out, "</section>\n");
}

/* ---- style ---- */

/* clang-format off */
static const char style[] =
    ":root{--l0:#d9480f;--l1:#868e96;--l2:#3b6fb6;--l3:#7a5ea8;--l4:#0b7285;--l5:#5c940d;--l6:#a61e4d}\n"
    "@media(prefers-color-scheme:dark){:root{--l0:#ff922b;--l1:#a5adb5;--l2:#6ea8fe;--l3:#b79ae0;--l4:#3bc9db;"
    "--l5:#94d82d;--l6:#f783ac}}\n"
    ".look0{color:var(--l0)}.look1{color:var(--l1)}.look2{color:var(--l2)}.look3{color:var(--l3)}"
    ".look4{color:var(--l4)}.look5{color:var(--l5)}.look6{color:var(--l6)}\n"
    /* the chart */
    ".final .curve{fill:none;stroke:currentColor;stroke-width:1.8;stroke-opacity:.75}"
    ".final .curve.look1{stroke-dasharray:2 4}\n"
    ".final line.bar{stroke:currentColor;stroke-width:1.3;stroke-opacity:.4}\n"
    ".final .mark{fill:currentColor;stroke:var(--card);stroke-width:1}.final .mark.pale{fill-opacity:.35}"
    ".final .mark.best{stroke:var(--ink);stroke-width:2}\n"
    ".final .mark.on{stroke:var(--ink);stroke-width:2.5;fill-opacity:1}.final svg.key .mark{stroke:none}\n"
    ".final .equal{stroke:var(--ink);stroke-width:1.3;stroke-dasharray:5 4;stroke-opacity:.7}"
    ".final .equal.drop{stroke-dasharray:1 4}\n"
    ".final .crossing{fill:var(--card);stroke:currentColor;stroke-width:2}\n"
    ".final svg .ratio{fill:currentColor;font-weight:700}.final svg .best-name{fill:var(--ink);font-weight:700}"
    ".final svg .point-name{font-size:11px}\n"
    /* tables and text */
    ".final h3{font-size:.95rem;font-weight:600;margin:18px 0 8px}.final>.small{margin-top:12px}"
    ".final details{margin:14px 0}.final summary{font-size:.92rem}\n"
    ".finals th:first-child,.finals td:first-child,.beside th:first-child,.beside td:first-child{text-align:left;"
    "width:auto}\n"
    ".finals td,.beside td{border-bottom:1px solid var(--grid)}.finals .state{text-align:left;color:var(--soft)}\n"
    ".beside th{vertical-align:bottom}.beside td:nth-child(2),.beside th:nth-child(2){text-align:left}"
    ".beside th:last-child,.beside td:last-child{padding-right:0}\n"
    ".finals .again td{color:var(--soft)}.finals .sign{display:inline-block;width:9px;height:9px;"
    "border-radius:50%;background:currentColor;margin-right:8px}\n"
    ".final .soft{color:var(--soft);font-size:.82rem}.badge{background:var(--l0);color:var(--card);"
    "border-radius:4px;padding:0 6px;font-size:.78rem}\n"
    "@media(max-width:640px){.finals,.beside{font-size:.82rem}.beside th:nth-child(3),"
    ".beside td:nth-child(3){display:none}.beside th,.beside td{white-space:normal;padding-right:10px}}\n";
/* clang-format on */

void mnas_report_final_style(mnas_str *out) {
    mnas_str_append(out, style);
}
