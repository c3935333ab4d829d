/* verdict_words.c - what stage two shows, in sentences of plain text.
 *
 * Each follows from a number of the verdict; none is there for effect. What an interval does not settle is said not to be
 * shown. Only the network that validation chose is called best. A difference of accuracy smaller than what another seed
 * makes is told together with that.
 */
#include <math.h>
#include <string.h>

#include "base/human.h"
#include "search/verdict.h"

typedef struct writer {
    const mnas_verdict *v;
    const mnas_final *const *finals;
    int n_finals;
    const mnas_final *chosen;
    bool test; /* the comparisons that count are of the test images */
    mnas_str *out;
} writer;

static writer begin(const mnas_verdict *v, const mnas_final *const *finals, int n_finals, mnas_str *out) {
    writer w = {.v = v, .finals = finals, .n_finals = n_finals, .out = out};
    w.chosen = mnas_verdict_chosen(v, finals, n_finals);
    w.test = w.chosen && mnas_verdict_is_point(w.chosen, true);
    return w;
}

const char *mnas_verdict_family_name(const char *family) {
    static const char *const names[][2] = {{"mobilenet-v2", "MobileNetV2"},
                                           {"mnasnet-a1", "MnasNet-A1"},
                                           {"mnasnet-b1", "MnasNet-B1"},
                                           {"random", "random search"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i][0], family) == 0) return names[i][1];
    }
    return family;
}

static const char *images(const writer *w) {
    return w->test ? "test" : "validation";
}

static const mnas_comparison *comparison(const writer *w, const char *family) {
    return mnas_verdict_find(w->v, family, w->test ? "test" : "val");
}

/* The family's fastest network, or its most accurate one (sign 1). */
static const mnas_final *end_of_family(const writer *w, const char *family, int sign) {
    const mnas_final *end = NULL;
    for (int i = 0; i < w->n_finals; i++) {
        const mnas_final *f = w->finals[i];
        if (strcmp(f->family, family) != 0 || !mnas_verdict_is_point(f, w->test)) continue;
        bool further = end && sign > 0
                           ? mnas_verdict_accuracy(f, w->test) > mnas_verdict_accuracy(end, w->test)
                           : end && f->latency.median_ms < end->latency.median_ms;
        if (!end || further) end = f;
    }
    return end;
}

/* ---- numbers ---- */

/* The ratio at equal accuracy has an end only where its samples stay on the curve. */
static void interval(const writer *w, double low, double high) {
    if (!isfinite(low)) return;
    if (isinf(high)) {
        mnas_str_appendf(w->out, " (95 %% interval: more than %.2f)", low);
    } else if (low == 0) {
        mnas_str_appendf(w->out, " (95 %% interval: less than %.2f)", high);
    } else {
        mnas_str_appendf(w->out, " (95 %% interval %.2f to %.2f)", low, high);
    }
}

/* Of a gain in accuracy, which may end at 0 like anywhere else. */
static void interval_of_points(const writer *w, double low_frac, double high_frac) {
    if (isfinite(low_frac) && isfinite(high_frac))
        mnas_str_appendf(w->out, " (95 %% interval %.2f to %.2f)", 100 * low_frac, 100 * high_frac);
}

static void times_as_fast(const writer *w, const mnas_comparison *c) {
    mnas_str_appendf(w->out, "%.2f times as fast", c->ratio);
}

/* Two runs of one network differ by sqrt(2) of the standard deviation between seeds. */
static void noise_beside(const writer *w, double difference_frac) {
    double noise = sqrt(2.0) * w->v->seed_sd_frac;
    if (fabs(difference_frac) < noise)
        mnas_str_appendf(w->out,
                         ", less than the %.2f points by which two runs of one network typically differ",
                         100 * noise);
}

static void more_or_less(const writer *w, double difference_frac) {
    mnas_str_appendf(w->out, "%.2f points %s accurate", 100 * fabs(difference_frac),
                     difference_frac < 0 ? "less" : "more");
}

/* ---- the comparison with a family ---- */

static void within_sentence(const writer *w, const mnas_comparison *c, const char *who) {
    const char *family = mnas_verdict_family_name(c->family);
    const bool open = c->ratio_low == 0 && isinf(c->ratio_high);
    if (c->ratio_low > 1) {
        mnas_str_appendf(w->out, "%s is ", who);
    } else if (c->ratio_high < 1) {
        mnas_str_appendf(w->out, "%s is slower than %s at equal %s accuracy: ", who, family, images(w));
    } else {
        mnas_str_appendf(w->out, "%s is not shown to be faster or slower than %s at equal %s accuracy: ", who,
                         family, images(w));
    }
    times_as_fast(w, c);
    if (c->ratio_low > 1) mnas_str_appendf(w->out, " as %s at equal %s accuracy", family, images(w));
    if (open) {
        mnas_str_append(w->out, " by a curve that is too short for an interval. ");
        return;
    }
    if (c->ratio_low <= 1 && c->ratio_high >= 1) mnas_str_append(w->out, ", but the interval contains 1");
    interval(w, c->ratio_low, c->ratio_high);
    mnas_str_append(w->out, ". ");
}

/* Beyond an end of the curve there is no ratio at equal accuracy, only one to the network at that end. */
static void outside_sentence(const writer *w, const mnas_comparison *c, const char *who) {
    const bool above = c->kind == MNAS_COMPARE_ABOVE;
    const mnas_final *end = end_of_family(w, c->family, above ? 1 : -1);
    double difference = mnas_verdict_accuracy(end, w->test) - c->accuracy_frac;
    mnas_str_appendf(w->out,
                     "%s is %s accurate on the %s images than every network on the curve of %s; it is ", who,
                     above ? "more" : "less", images(w), mnas_verdict_family_name(c->family));
    times_as_fast(w, c);
    mnas_str_appendf(w->out, " as the %s of them, %s", above ? "most accurate" : "fastest", end->name);
    interval(w, c->ratio_low, c->ratio_high);
    mnas_str_append(w->out, ", which is ");
    more_or_less(w, difference);
    noise_beside(w, difference);
    mnas_str_append(w->out, ". ");
}

static void beside_one_sentence(const writer *w, const mnas_comparison *c, const char *who) {
    const mnas_final *other = end_of_family(w, c->family, 1);
    mnas_str_appendf(w->out,
                     "Of %s one network is there to compare with, %s: ", mnas_verdict_family_name(c->family),
                     other->name);
    mnas_str_appendf(w->out, "on the %s images %s is ", images(w), who);
    more_or_less(w, c->accuracy_gain_frac);
    noise_beside(w, c->accuracy_gain_frac);
    interval_of_points(w, c->gain_low_frac, c->gain_high_frac);
    mnas_str_append(w->out, ", and ");
    times_as_fast(w, c);
    interval(w, c->ratio_low, c->ratio_high);
    mnas_str_append(w->out, ". ");
}

static void compare_sentence(const writer *w, const mnas_comparison *c, const char *who) {
    switch (c->kind) {
    case MNAS_COMPARE_WITHIN:
        within_sentence(w, c, who);
        break;
    case MNAS_COMPARE_ABOVE:
    case MNAS_COMPARE_BELOW:
        outside_sentence(w, c, who);
        break;
    case MNAS_COMPARE_NOT:
        if (c->n_points == 1) {
            beside_one_sentence(w, c, who);
        } else {
            mnas_str_appendf(w->out,
                             "Of %s no network is complete on the %s images, so there is no comparison. ",
                             mnas_verdict_family_name(c->family), images(w));
        }
        break;
    }
}

/* ---- the headline ---- */

static void drop_last_blank(mnas_str *out) {
    if (mnas_str_ok(out) && out->len > 0 && out->data[out->len - 1] == ' ') out->data[--out->len] = '\0';
}

static int n_complete(const writer *w) {
    int n = 0;
    for (int i = 0; i < w->n_finals; i++) n += w->finals[i]->state == MNAS_TRIAL_COMPLETE;
    return n;
}

static void alone_sentence(const writer *w) {
    char accuracy[MNAS_HUMAN_BYTES], ms[MNAS_HUMAN_BYTES];
    mnas_human_percent(mnas_verdict_accuracy(w->chosen, w->test), accuracy);
    mnas_human_ms(w->chosen->latency.median_ms, ms);
    mnas_str_appendf(
        w->out,
        "The best network found is %s: %s of the %s images right, %s. There is no curve of a baseline to "
        "compare it with at equal accuracy. ",
        w->chosen->name, accuracy, images(w), ms);
}

void mnas_verdict_headline(const mnas_verdict *v, const mnas_final *const *finals, int n_finals,
                           mnas_str *out) {
    writer w = begin(v, finals, n_finals, out);
    if (!w.chosen) {
        mnas_str_appendf(out, "Stage two has not chosen a network yet: %d of its %d trainings are complete.",
                         n_complete(&w), n_finals);
        return;
    }
    char who[96];
    int n = 0;
    snprintf(who, sizeof who, "The best network found, %s,", w.chosen->name);
    for (int i = 0; i < n_finals; i++) {
        if (finals[i]->role != MNAS_FINAL_BASELINE || !mnas_verdict_leads_family(finals, i)) continue;
        const mnas_comparison *c = comparison(&w, finals[i]->family);
        if (c && c->kind != MNAS_COMPARE_NOT) compare_sentence(&w, c, n++ ? "It" : who);
    }
    if (n == 0) alone_sentence(&w);
    drop_last_blank(out);
}

/* ---- what stands behind it ---- */

static void accuracy_of(const writer *w, bool test) {
    char accuracy[MNAS_HUMAN_BYTES], n[MNAS_HUMAN_BYTES];
    mnas_human_percent(mnas_verdict_accuracy(w->chosen, test), accuracy);
    mnas_human_exact(test ? w->chosen->n_test : w->chosen->n_val, n);
    double error = test ? w->v->binomial_test_frac : w->v->binomial_val_frac;
    mnas_str_appendf(w->out, "%s of %s %s images", accuracy, n, test ? "test" : "validation");
    if (isfinite(error)) mnas_str_appendf(w->out, " (standard error %.2f points)", 100 * error);
}

static void choice_sentence(const writer *w) {
    int n_found = 0;
    for (int i = 0; i < w->n_finals; i++)
        n_found += w->finals[i]->role == MNAS_FINAL_FOUND && mnas_verdict_is_point(w->finals[i], false);
    mnas_str_appendf(w->out,
                     "%d network%s found by the search %s trained fully; the validation images chose %s: ",
                     n_found, n_found == 1 ? "" : "s", n_found == 1 ? "was" : "were", w->chosen->name);
    accuracy_of(w, false);
    if (w->test) {
        mnas_str_append(w->out, ", which flatters what was chosen by them, and ");
        accuracy_of(w, true);
        mnas_str_append(w->out, ", used once, after the choice. ");
    } else {
        mnas_str_append(
            w->out,
            ". No test images were used: accuracies here are of those that chose it, and flatter it. ");
    }
}

/* At the chosen network's latency, for families whose curve has it. */
static void gain_sentence(const writer *w, const mnas_comparison *c) {
    if (c->n_points < 2 || !isfinite(c->accuracy_gain_frac)) return;
    bool settled = c->gain_low_frac > 0 || c->gain_high_frac < 0;
    mnas_str_append(w->out, "At equal latency it is ");
    more_or_less(w, c->accuracy_gain_frac);
    mnas_str_appendf(w->out, " than %s", mnas_verdict_family_name(c->family));
    noise_beside(w, c->accuracy_gain_frac);
    interval_of_points(w, c->gain_low_frac, c->gain_high_frac);
    mnas_str_append(w->out, settled ? ". " : ", an interval that contains 0. ");
}

static void seed_sentence(const writer *w) {
    if (isfinite(w->v->seed_sd_frac)) {
        mnas_str_appendf(
            w->out,
            "Another seed changes the validation accuracy of one network by %.2f points (standard deviation, "
            "pooled over %d runs); the intervals do not contain that. ",
            100 * w->v->seed_sd_frac, w->v->n_seed_runs);
    } else {
        mnas_str_append(
            w->out,
            "Each network was trained with one seed: the noise between seeds is not known, and not in "
            "the intervals. ");
    }
}

static void failed_sentence(const writer *w) {
    int n = 0;
    for (int i = 0; i < w->n_finals; i++) n += w->finals[i]->state == MNAS_TRIAL_FAILED;
    if (n > 0)
        mnas_str_appendf(w->out, "%d of the %d trainings failed and count%s nowhere. ", n, w->n_finals,
                         n == 1 ? "s" : "");
}

/* Against a family that has no place in the headline: random search, and what is no curve. */
static void side_sentences(const writer *w, const mnas_final *first, const mnas_comparison *c) {
    const bool alone = c->kind == MNAS_COMPARE_NOT;
    if (first->role == MNAS_FINAL_RANDOM || alone) compare_sentence(w, c, alone ? "it" : "It");
    writer val = *w;
    val.test = false;
    const mnas_comparison *on_val = comparison(&val, c->family);
    if (w->test && alone && on_val && on_val->kind != MNAS_COMPARE_NOT) compare_sentence(&val, on_val, "It");
}

void mnas_verdict_details(const mnas_verdict *v, const mnas_final *const *finals, int n_finals,
                          mnas_str *out) {
    writer w = begin(v, finals, n_finals, out);
    if (w.chosen) choice_sentence(&w);
    for (int i = 0; w.chosen && i < n_finals; i++) {
        const mnas_comparison *c =
            mnas_verdict_leads_family(finals, i) ? comparison(&w, finals[i]->family) : NULL;
        if (!c) continue;
        side_sentences(&w, finals[i], c);
        gain_sentence(&w, c);
    }
    if (w.chosen) seed_sentence(&w);
    failed_sentence(&w);
    drop_last_blank(out);
}

void mnas_verdict_method(const mnas_verdict *v, const mnas_final *const *finals, int n_finals,
                         mnas_str *out) {
    int n_others = 0;
    for (int i = 0; i < n_finals; i++)
        n_others = finals[i]->n_others > n_others ? finals[i]->n_others : n_others;
    if (v->n_comparisons == 0) return;
    mnas_str_append(
        out,
        "Equal accuracy and equal latency are read off each family's curve: its networks that no other of it "
        "beats, joined by lines straight in the logarithm of latency. Nothing was measured between them, and "
        "nothing is extrapolated. Intervals are a bootstrap over the images, the same for all networks, and "
        "over "
        "the passes of the latencies.");
    if (n_others > 0)
        mnas_str_appendf(out, " Latency here is that on the first of %d devices.", n_others + 1);
}
