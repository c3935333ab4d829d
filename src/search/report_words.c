/* report_words.c - the first lines of the report: what this number of trials can show, and what it cannot.
 *
 * Every sentence follows from mnas_report_facts; none is there for effect. Where the interval includes what
 * random search would have had, the headline says so.
 */
#include <math.h>
#include <string.h>

#include "base/human.h"
#include "search/report.h"

static const char *plural(int n) {
    return n == 1 ? "" : "s";
}

/* The first sentence of what the comparison with chance comes to. */
static size_t first_sentence(const char *words) {
    const char *end = strstr(words, ". ");
    return end ? (size_t)(end - words) + 1 : strlen(words);
}

static void shadow_headline(const mnas_report_facts *f, mnas_str *out) {
    mnas_report_escape_n(out, f->shadow.words, first_sentence(f->shadow.words));
}

/* The rest of it; all of it where it is no headline. */
static void shadow_sentences(const mnas_report_facts *f, mnas_str *out) {
    const size_t skip = mnas_report_has_shadow(f) ? first_sentence(f->shadow.words) : 0;
    if (!f->shadow.words[skip]) return;
    mnas_str_append(out, "<p><b>Beside chance.</b> ");
    mnas_report_escape(out, f->shadow.words + skip);
    mnas_str_append(out, "</p>\n");
}

static void headline(const mnas_report_facts *f, mnas_str *out) {
    const mnas_report_comparison *c = &f->comparison;
    mnas_str_append(out, "<p class=\"verdict\">");
    if (f->n_done == 0) {
        mnas_str_append(out, "No trial is complete yet, so there is nothing to show.");
    } else if (f->is_random) {
        mnas_str_appendf(out,
                         "%d network%s of a random search: a yardstick for other strategies. Nothing was "
                         "learnt on the way.",
                         f->n_done, plural(f->n_done));
    } else if (mnas_report_has_shadow(f)) {
        shadow_headline(f, out);
    } else if (!c->possible) {
        mnas_str_appendf(out, "%d complete trial%s are too few to tell the controller from random search.",
                         f->n_done, plural(f->n_done));
    } else if (c->high < 0) {
        mnas_str_appendf(
            out,
            "In these %d trials the controller's later networks are worse than its first, near-random ones.",
            f->n_done);
    } else if (c->low <= 0 && c->beat_p <= 0.05) {
        mnas_str_appendf(
            out,
            "These %d trials do not show that the controller's networks are better than random search's on "
            "average; the best of them are.",
            f->n_done);
    } else if (c->low <= 0) {
        mnas_str_appendf(out, "These %d trials do not show that the controller beats random search.",
                         f->n_done);
    } else if (c->beat_p > 0.05) {
        mnas_str_appendf(out,
                         "Over these %d trials the controller's networks get better on average; that its "
                         "best one beats random search's best is not shown.",
                         f->n_done);
    } else {
        mnas_str_appendf(
            out, "Over these %d trials the controller's networks get better, on average and at the top.",
            f->n_done);
    }
    mnas_str_append(out, "</p>\n");
}

static void entropy_aside(const mnas_report_comparison *c, mnas_str *out) {
    if (!isfinite(c->early_entropy)) return;
    mnas_str_appendf(out, " Entropy of its choices was %.1f&#160;%% of uniform during the first %d",
                     100 * c->early_entropy, c->n_early);
    if (isfinite(c->late_entropy)) {
        mnas_str_appendf(out, " and %.1f&#160;%% during the last %d", 100 * c->late_entropy, c->n_late);
    }
    mnas_str_append(out, c->early_entropy < 0.95 ? ", so even the first were not quite random." : ".");
}

static void mean_sentence(const mnas_report_facts *f, mnas_str *out) {
    const mnas_report_comparison *c = &f->comparison;
    bool includes = c->low <= 0 && c->high >= 0;
    mnas_str_appendf(out,
                     "<p><b>Mean.</b> The first %d complete trials, proposed when the controller had learnt "
                     "little, stand for random search: mean reward %.4f. The last %d have %.4f. The "
                     "difference is %+.4f, with a 95&#160;%% interval from %+.4f to %+.4f (Welch). ",
                     c->n_early, c->early_mean, c->n_late, c->late_mean, c->late_mean - c->early_mean, c->low,
                     c->high);
    mnas_str_append(
        out, includes ? "<b>The interval includes 0, which is what random search would have had.</b>"
                      : "The interval does not include 0, which is what random search would have had.");
    entropy_aside(c, out);
    mnas_str_append(out, "</p>\n");
}

static void best_sentence(const mnas_report_facts *f, mnas_str *out) {
    const mnas_report_comparison *c = &f->comparison;
    mnas_str_appendf(
        out, "<p><b>Best.</b> The highest reward is %.4f, trial %d. Of the %d trials after the first %d, ",
        f->best->reward, f->best->number, c->n_after, c->n_early);
    if (c->n_beat == 0) {
        mnas_str_appendf(out, "<b>none beats the best of those %d</b>: no sign of learning.</p>\n",
                         c->n_early);
        return;
    }
    bool likely = c->beat_p > 0.05;
    double percent = 100 * c->beat_p;
    mnas_str_appendf(out, "%d beat%s the best of those %d; in %s", c->n_beat, c->n_beat == 1 ? "s" : "",
                     c->n_early, likely ? "<b>" : "");
    if (percent < 0.1) {
        mnas_str_append(out, "fewer than 0.1");
    } else {
        mnas_str_appendf(out, "%.*f", percent < 10 ? 1 : 0, percent);
    }
    mnas_str_appendf(out, "&#160;%% of random searches as many or more would.%s</p>\n", likely ? "</b>" : "");
}

static void caveat(const mnas_report_facts *f, mnas_str *out) {
    const char *recipe = mnas_report_setting(f, "recipe"), *data = mnas_report_setting(f, "data");
    mnas_str_append(out, "<p class=\"small\">One study, one seed: another seed may end elsewhere. ");
    if (!f->is_random)
        mnas_str_append(out,
                        "Networks the controller proposed again were not trained again and count once. ");
    if (f->is_told) {
        mnas_str_append(out, "The best of many is partly luck: try it again.</p>\n");
        return;
    }
    mnas_str_append(out, "Accuracy is that of a short training");
    if (recipe) {
        mnas_str_append(out, " (recipe ");
        mnas_report_escape(out, recipe);
        mnas_str_append(out, ")");
    }
    mnas_str_append(out, " on images held out of the training set");
    if (data) {
        mnas_str_append(out, " of ");
        mnas_report_escape(out, data);
    }
    const char *n_val = mnas_report_setting(f, "n_val");
    double n, p = f->accurate->accuracy_frac;
    if (n_val && mnas_str_to_f64(n_val, &n) && n >= 1) { /* binomial */
        mnas_str_appendf(out, " (%.0f of them: standard error %.2f points)", n, 100 * sqrt(p * (1 - p) / n));
    }
    mnas_str_append(
        out, f->source->n_finals > 0
                 ? "; the best of many is partly luck, which is why the full trainings above count.</p>\n"
                 : "; the best of many is partly luck, so let mnas finalize train the best of the front in "
                   "full, and choose by what they reach then on validation.</p>\n");
}

/* Of a study that was to hit a latency. */
static void landing(const mnas_report_facts *f, mnas_str *out) {
    const mnas_landing *l = &f->landing;
    if (!(l->high_ms > 0)) return;
    mnas_str_appendf(
        out,
        "<p><b>Latency asked for.</b> %.6g to %.6g&#160;ms: %d network%s measured, %d inside, %d trained",
        l->low_ms, l->high_ms, l->n_measured, l->n_measured == 1 ? "" : "s", l->n_inside, l->n_trained);
    if (l->n_screened > 0) mnas_str_appendf(out, ", %d more screened unmeasured", l->n_screened);
    if (l->best >= 0)
        mnas_str_appendf(out, ". Trial %d is handed over: %.4g&#160;ms, %.1f&#160;%% of the target.", l->best,
                         l->best_ms, 100 * l->best_ms / l->high_ms);
    else
        mnas_str_append(out, ". Nothing is inside yet.");
    if (isfinite(l->final_ms))
        mnas_str_appendf(out, " Stage two chose final %d and measured it again: %.4g&#160;ms, %s.", l->final,
                         l->final_ms,
                         l->final_ms >= l->low_ms && l->final_ms <= l->high_ms ? "inside" : "<b>outside</b>");
    mnas_str_append(out, "</p>\n");
}

/* Of a study with rungs. */
static void rungs(const mnas_report_facts *f, mnas_str *out) {
    if (f->n_rungs > 0) mnas_str_append(out, "<p><b>Trainings that ended early.</b>");
    for (int r = 0; r < f->n_rungs - 1; r++) {
        const mnas_rung *rung = &f->rungs[r];
        mnas_str_appendf(out, " %d came to %.3g of a training, %d ended there", rung->n_reached, rung->share,
                         rung->n_stopped);
        if (!isnan(rung->tau))
            mnas_str_appendf(out, " (Kendall's tau with the end %.2f, of the %d that went there)", rung->tau,
                             rung->n_compared);
        mnas_str_append(out, ".");
    }
    if (f->n_rungs > 0) mnas_str_append(out, "</p>\n");
}

void mnas_report_words(const mnas_report_facts *f, mnas_str *out) {
    mnas_str_append(out, "<section class=\"words\">\n");
    headline(f, out);
    landing(f, out);
    rungs(f, out);
    if (f->comparison.possible && !f->is_random) {
        mean_sentence(f, out);
        best_sentence(f, out);
    }
    shadow_sentences(f, out);
    if (f->n_done > 0) caveat(f, out);
    mnas_str_append(out, "</section>\n");
}

/* ---- key figures ---- */

static void figure(mnas_str *out, const char *value, const char *label, const char *note) {
    mnas_str_appendf(out,
                     "<div class=\"figure\"><span class=\"label\">%s</span><span "
                     "class=\"value\">%s</span><span class=\"note\">%s</span></div>\n",
                     label, value, note);
}

static void count_figures(const mnas_report_facts *f, mnas_str *out) {
    char value[32], note[96], screened[32] = "";
    snprintf(value, sizeof value, "%d", f->n_done);
    if (f->n_pruned > 0) snprintf(screened, sizeof screened, ", %d left out", f->n_pruned);
    snprintf(note, sizeof note, "%d failed%s%s", f->n_failed, screened,
             f->n_running == 0           ? ""
             : f->source->is_interrupted ? ", some interrupted"
                                         : ", some still running");
    figure(out, value, "complete trials", note);
    snprintf(value, sizeof value, "%d", f->n_front);
    figure(out, value, "on the Pareto front", "no other beats them");
}

void mnas_report_figures(const mnas_report_facts *f, mnas_str *out) {
    char a[MNAS_HUMAN_BYTES], b[MNAS_HUMAN_BYTES], note[96];
    mnas_str_append(out, "<section class=\"figures\">\n");
    count_figures(f, out);
    if (f->best) {
        snprintf(a, sizeof a, "%.4f", f->best->reward);
        snprintf(note, sizeof note, "trial %d", f->best->number);
        figure(out, a, "best reward", note);
    }
    if (f->accurate && f->fastest) {
        mnas_human_percent(f->accurate->accuracy_frac, a);
        mnas_human_ms(f->accurate->latency.median_ms, b);
        snprintf(note, sizeof note, "trial %d, %s", f->accurate->number, b);
        figure(out, a, "most accurate", note);
        mnas_human_ms(f->fastest->latency.median_ms, a);
        mnas_human_percent(f->fastest->accuracy_frac, b);
        snprintf(note, sizeof note, "trial %d, %s", f->fastest->number, b);
        figure(out, a, f->n_devices > 1 ? "fastest on the first device" : "fastest", note);
    }
    mnas_str_append(out, "</section>\n");
}
