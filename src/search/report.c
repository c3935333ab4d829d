/* report.c - a study as one self-contained HTML page: the order of its parts. What they are made of is read by
 * report_source.c.
 *
 * The page is well-formed XML behind its first line and loads nothing.
 */
#include "search/report.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "search/report_final.h"

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
    const char *plain = mnas_report_setting(f, "decisions");
    mnas_report_escape(out, space ? space : plain ? plain : "search");
    if (f->is_told) {
        mnas_str_append(out, ", asked and told");
        return;
    }
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
    mnas_report_final_style(out);
    mnas_str_append(out, "</style>\n</head>\n<body>\n<main>\n");
}

/* A file name as a relative address: everything but letters, digits and "-_." as %XX. */
static void link_to(mnas_str *out, const char *file, const char *words) {
    mnas_str_append(out, "<a href=\"");
    for (const char *p = file; *p; p++) {
        const bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                           strchr("-_.", *p);
        mnas_str_appendf(out, plain ? "%c" : "%%%02X", (unsigned char)*p);
    }
    mnas_str_appendf(out, "\" download=\"\">%s</a>", words);
}

static void data_links(const mnas_report_source *s, mnas_str *out) {
    if (!s->csv_name || !s->json_name) return;
    mnas_str_append(out, "; all trials as ");
    link_to(out, s->csv_name, "CSV");
    mnas_str_append(out, " and ");
    link_to(out, s->json_name, "JSON");
}

static void header(const mnas_report_facts *f, mnas_str *out) {
    mnas_str_append(out, "<header>\n<h1>");
    mnas_str_append(out, f->is_plain ? "Search: " : "Architecture search: ");
    title(f, out);
    mnas_str_append(out, "</h1>\n<p>");
    char now[32];
    mnas_clock_iso8601(f->source->now_unix_ms, now);
    mnas_str_appendf(out, "State of %.10s %.5s UTC, %d complete trial%s", now, now + 11, f->n_done,
                     f->n_done == 1 ? "" : "s");
    data_links(f->source, out);
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
                                                                           mnas_report_final,
                                                                           mnas_report_words,
                                                                           mnas_report_figures,
                                                                           mnas_report_pareto_chart,
                                                                           mnas_report_front_table,
                                                                           mnas_report_networks,
                                                                           mnas_report_shadow_chart,
                                                                           mnas_report_reward_chart,
                                                                           mnas_report_entropy_chart,
                                                                           mnas_report_policy,
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
