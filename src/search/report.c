/* report.c - a study as one self-contained HTML page: the order of its parts, and how a study is read for it.
 *
 * The page is well-formed XML behind its first line, loads nothing, and is written whole or not at all.
 */
#include "search/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "search/study.h"

void mnas_report_escape(mnas_str *out, const char *text) {
    mnas_report_escape_n(out, text, strlen(text));
}

void mnas_report_escape_n(mnas_str *out, const char *text, size_t n) {
    for (const char *end = text + n; text < end; text++) {
        switch (*text) {
        case '&':
            mnas_str_append(out, "&amp;");
            break;
        case '<':
            mnas_str_append(out, "&lt;");
            break;
        case '>':
            mnas_str_append(out, "&gt;");
            break;
        case '"':
            mnas_str_append(out, "&quot;");
            break;
        default: /* control characters are no XML */
            if ((unsigned char)*text >= 32 || *text == '\n' || *text == '\t') mnas_str_append_n(out, text, 1);
        }
    }
}

/* ---- the page ---- */

static void title(const mnas_report_facts *f, mnas_str *out) {
    const char *space = mnas_report_setting(f, "space"), *data = mnas_report_setting(f, "data"),
               *device = mnas_report_setting(f, "device");
    mnas_report_escape(out, space ? space : "search");
    if (data) {
        mnas_str_append(out, " on ");
        mnas_report_escape(out, data);
    }
    if (device) {
        mnas_str_append(out, ", measured on ");
        mnas_report_escape(out, device);
    }
}

static void head(const mnas_report_facts *f, mnas_str *out) {
    mnas_str_append(
        out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>mnas: ");
    title(f, out);
    mnas_str_append(out, "</title>\n<style>\n");
    mnas_report_style(out);
    mnas_str_append(out, "</style>\n</head>\n<body>\n<main>\n");
}

static void header(const mnas_report_facts *f, mnas_str *out) {
    mnas_str_append(out, "<header>\n<h1>Architecture search: ");
    title(f, out);
    mnas_str_append(out, "</h1>\n<p>");
    char now[32];
    mnas_clock_iso8601(f->source->now_unix_ms, now);
    mnas_str_appendf(out, "State of %.10s %.5s UTC, %d complete trial%s", now, now + 11, f->n_done,
                     f->n_done == 1 ? "" : "s");
    mnas_str_append(out, "</p>\n</header>\n");
}

static void tail(mnas_str *out) {
    mnas_str_appendf(out,
                     "<footer>Written by mnas %s. This file is complete in itself.</footer>\n</main>\n<div "
                     "id=\"tip\"></div>\n<script>\n",
                     mnas_version());
    mnas_report_script(out);
    mnas_str_append(out, "</script>\n</body>\n</html>\n");
}

int mnas_report_render(const mnas_report_source *source, mnas_str *out) {
    static void (*const parts[])(const mnas_report_facts *, mnas_str *) = {head,
                                                                           header,
                                                                           mnas_report_words,
                                                                           mnas_report_figures,
                                                                           mnas_report_pareto_chart,
                                                                           mnas_report_front_table,
                                                                           mnas_report_reward_chart,
                                                                           mnas_report_entropy_chart,
                                                                           mnas_report_failures,
                                                                           mnas_report_conditions,
                                                                           mnas_report_trial_table};
    mnas_report_facts facts;
    int rc = mnas_report_facts_collect(&facts, source);
    if (rc < 0) return rc;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) parts[i](&facts, out);
    tail(out);
    mnas_report_facts_free(&facts);
    return mnas_str_ok(out)
               ? 0
               : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a report of %d trials", source->n_trials);
}

/* ---- from a study ---- */

static const char *study_setting(const void *study, const char *name) {
    return mnas_study_setting(study, name);
}

/* The policy each trial was proposed by; of studies without, the policy after each update. NULL when memory is out. */
static mnas_report_entropy *read_entropy(const mnas_study *study, mnas_report_source *s) {
    size_t n_updates;
    const mnas_snapshot *updates = mnas_study_updates(study, &n_updates);
    mnas_report_entropy *list = malloc((n_updates + (size_t)s->n_trials + 1) * sizeof *list);
    if (!list) return NULL;
    s->entropy_max = n_updates > 0 ? updates[n_updates - 1].entropy_max : (double)NAN;
    for (int i = 0; i < s->n_trials; i++) {
        if (!isfinite(s->trials[i]->entropy_nats)) continue;
        list[s->n_entropy++] = (mnas_report_entropy){s->trials[i]->number, s->trials[i]->entropy_nats};
    }
    for (size_t i = 0; s->n_entropy == 0 && i < n_updates; i++) {
        if (!isfinite(updates[i].entropy)) continue;
        list[s->n_entropy++] = (mnas_report_entropy){updates[i].n_trials, updates[i].entropy};
    }
    return list;
}

int mnas_report_write(const mnas_study *study, const char *html_path) {
    mnas_report_source s = {.n_trials = mnas_study_n_trials(study),
                            .setting = study_setting,
                            .context = study,
                            .now_unix_ms = mnas_clock_unix_ms()};
    const mnas_trial **trials = malloc(((size_t)s.n_trials + 1) * sizeof *trials);
    mnas_report_entropy *entropy = NULL;
    mnas_str html = {0};
    int *front = NULL, rc = 0;
    if (!trials) {
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a report of %d trials", s.n_trials);
        goto out;
    }
    for (int i = 0; i < s.n_trials; i++) trials[i] = mnas_study_trial(study, i);
    s.trials = trials;
    if ((rc = mnas_study_front(study, &front, &s.n_front)) < 0) goto out;
    s.front = front;
    if (!(s.entropy = entropy = read_entropy(study, &s))) {
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: entropy of a report");
        goto out;
    }
    if ((rc = mnas_report_render(&s, &html)) < 0) goto out;
    rc = mnas_file_write_atomic(html_path, html.data, html.len);
out:
    mnas_str_free(&html);
    free(entropy);
    free(front);
    free(trials);
    return rc;
}
