/* report_failures.c - the trials that failed: how many for which reason, what that reason means, and what each said.
 */
#include <stdlib.h>
#include <string.h>

#include "search/report.h"

enum { MAX_LISTED = 100, MAX_LINE = 240, MAX_ERROR = 4000 };

const char *mnas_report_reason(const mnas_trial *t) {
    return t->reason[0] ? t->reason : "unknown";
}

static const char *meaning(const char *reason) {
    static const char *const meanings[][2] = {
        {"nan", "the loss or a weight stopped being a number: training diverged"},
        {"timeout", "the trial took longer than it was allowed"},
        {"memory", "the network's training does not fit into memory; it was not started, or was stopped"},
        {"crash", "the training process ended without an answer"},
        {"device", "its latency could not be measured"},
        {"invalid", "the network cannot be built"},
        {"screened", "the latency model expects it to be far too slow; it was neither measured nor trained"},
        {"latency", "measured outside the window that was asked for; it was not trained"},
        {"rung", "its training was ended at a rung: others of its bracket promised more"}};
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (strcmp(meanings[i][0], reason) == 0) return meanings[i][1];
    return "";
}

static bool is_of(const mnas_trial *t, const char *reason) {
    const bool out = t->state == MNAS_TRIAL_FAILED || t->state == MNAS_TRIAL_PRUNED;
    return out && strcmp(mnas_report_reason(t), reason) == 0;
}

static bool is_first_of_reason(const mnas_report_source *s, int i) {
    const char *reason = mnas_report_reason(s->trials[i]);
    if (!is_of(s->trials[i], reason)) return false;
    for (int k = 0; k < i; k++)
        if (is_of(s->trials[k], reason)) return false;
    return true;
}

/* At most so many bytes, cut between characters of UTF-8. */
static void escape_cut(mnas_str *out, const char *text, size_t length, size_t max) {
    size_t n = length < max ? length : max;
    while (n < length && n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) n--;
    mnas_report_escape_n(out, text, n);
    if (n < length) mnas_str_append(out, " &#8230;");
}

static void first_line(mnas_str *out, const char *error) {
    if (!error || !error[0]) return;
    mnas_str_append(out, ": ");
    escape_cut(out, error, strcspn(error, "\n"), MAX_LINE);
}

/* Every trial of the reason with the first line of what it said; of the first all of it. */
static void list(mnas_str *out, const mnas_report_source *s, int first) {
    const char *reason = mnas_report_reason(s->trials[first]), *error = s->trials[first]->error;
    int n = 0;
    mnas_str_append(out, "<details><summary>what they said</summary>\n<ul>\n");
    for (int k = first; k < s->n_trials; k++) {
        if (!is_of(s->trials[k], reason)) continue;
        if (++n > MAX_LISTED) continue;
        mnas_str_appendf(out, "<li>trial %d", s->trials[k]->number);
        first_line(out, s->trials[k]->error);
        mnas_str_append(out, "</li>\n");
    }
    if (n > MAX_LISTED) mnas_str_appendf(out, "<li>and %d more</li>\n", n - MAX_LISTED);
    mnas_str_append(out, "</ul>\n");
    if (error && strchr(error, '\n')) {
        mnas_str_appendf(out, "<p class=\"small\">All of trial %d:</p>\n<pre>", s->trials[first]->number);
        escape_cut(out, error, strlen(error), MAX_ERROR);
        mnas_str_append(out, "</pre>\n");
    }
    mnas_str_append(out, "</details>\n");
}

static void failure_row(mnas_str *out, const mnas_report_source *s, int first) {
    const char *reason = mnas_report_reason(s->trials[first]);
    int n = 0;
    for (int k = first; k < s->n_trials; k++) n += is_of(s->trials[k], reason);
    mnas_str_append(out, "<tr><td>");
    mnas_report_escape(out, reason);
    mnas_str_appendf(out, "</td><td>%d</td><td>%s\n", n, meaning(reason));
    list(out, s, first);
    mnas_str_append(out, "</td></tr>\n");
}

void mnas_report_failures(const mnas_report_facts *f, mnas_str *out) {
    const mnas_report_source *s = f->source;
    mnas_str_append(out, "<section>\n<h2>Failed trials</h2>\n");
    if (f->n_failed + f->n_pruned == 0) {
        mnas_str_append(out, "<p class=\"small\">None.</p>\n</section>\n");
        return;
    }
    mnas_str_appendf(out, "<p>%d of %d trials failed", f->n_failed, s->n_trials);
    if (f->n_pruned > 0) mnas_str_appendf(out, ", %d were left out", f->n_pruned);
    mnas_str_append(out, ".</p>\n");
    mnas_str_append(out, "<div class=\"scroll\"><table class=\"failures\">\n<thead><tr><th>reason</th>"
                         "<th>trials</th><th>what it means</th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < s->n_trials; i++)
        if (is_first_of_reason(s, i)) failure_row(out, s, i);
    mnas_str_append(out, "</tbody>\n</table></div>\n");
    if (!f->is_plain)
        mnas_str_append(
            out, "<p class=\"small\">The strategy is told that a trial failed; of one that was left out it "
                 "learns at most the latency, of one stopped at a rung what it would have come to.</p>\n");
    mnas_str_append(out, "</section>\n");
}
