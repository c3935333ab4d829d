/* proxy_words.c - what a check of proxies comes to, in words. Every sentence follows from the numbers. */
#include "search/proxy.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

static void say_estimate(mnas_str *w, const mnas_estimate *e) {
    mnas_str_appendf(w, "%.2f (%.2f to %.2f)", e->value, e->low, e->high);
}

static void say_how_to(mnas_str *w, const mnas_proxy *p) {
    if (isfinite(p->epochs))
        mnas_str_appendf(w, " Search with --epochs %g.", p->epochs);
    else if (p->n_images > 0)
        mnas_str_appendf(w, " Search with --max-images %lld.", (long long)p->n_images);
    else
        mnas_str_append(w, " Search with the length (--max-images or --epochs) that it stands for.");
}

static void say_chosen(mnas_str *w, const mnas_proxy_check *c) {
    const mnas_proxy *p = &c->proxies[c->chosen], *full = &c->proxies[c->n_proxies];
    mnas_str_appendf(w,
                     "The shortest training that ranks networks well enough is %s: Kendall's tau with %s is ",
                     p->name, full->name);
    say_estimate(w, &p->tau);
    mnas_str_append(w, ".");
    say_how_to(w, p);
}

/* Of the known ones; NULL: none is. */
static const mnas_proxy *best_of(const mnas_proxy_check *c) {
    const mnas_proxy *best = NULL;
    for (int i = 0; i < c->n_proxies; i++)
        if (isfinite(c->proxies[i].tau.value) && (!best || c->proxies[i].tau.value > best->tau.value))
            best = &c->proxies[i];
    return best;
}

static void say_orderless(mnas_str *w, const mnas_proxy_check *c) {
    const mnas_proxy *full = &c->proxies[c->n_proxies];
    mnas_str_append(
        w, "No length can be chosen: two full trainings of the same networks order them no more alike than "
           "chance would, with a tau of ");
    say_estimate(w, &full->tau);
    mnas_str_appendf(
        w,
        ", so there is no order for a shorter one to agree with. Give a longer training than %s, or "
        "networks that differ more.",
        full->name);
}

static void say_none(mnas_str *w, const mnas_proxy_check *c) {
    const mnas_proxy *best = best_of(c);
    if (!best) {
        mnas_str_appendf(
            w, "No length can be chosen: %s gave all networks the same, so there is no order to find.",
            c->proxies[c->n_proxies].name);
        return;
    }
    mnas_str_appendf(w,
                     "No short training is shown to rank networks well enough; the best is %s with a tau of ",
                     best->name);
    say_estimate(w, &best->tau);
    mnas_str_append(
        w, ". Train longer in the search, or check more networks: with more the interval is narrower.");
}

static const mnas_proxy *judged(const mnas_proxy_check *c) {
    return &c->proxies[c->chosen >= 0 ? c->chosen : c->n_proxies - 1];
}

static void say_rule(mnas_str *w, const mnas_proxy_check *c) {
    const mnas_proxy *full = &c->proxies[c->n_proxies];
    mnas_str_append(w, " Well enough is a tau above 0.60 with its whole interval");
    if (isfinite(full->tau.value)) {
        mnas_str_append(w,
                        ", or one as high as two full trainings of the same networks have with each other, ");
        say_estimate(w, &full->tau);
        if (!(full->tau.low > 0)) mnas_str_append(w, ", which does not count while its interval reaches 0");
    }
    mnas_str_append(w, ".");
}

static void say_top(mnas_str *w, const mnas_proxy *p) {
    if (!isfinite(p->tau_top.value)) return;
    mnas_str_append(w, " Among the 20 % with the highest full accuracy it is ");
    say_estimate(w, &p->tau_top);
    mnas_str_append(
        w,
        p->tau_top.low > 0
            ? "."
            : ": which of the good ones is best it is not shown to know, so train several of them in full.");
}

static void say_size(mnas_str *w, const mnas_proxy *p) {
    if (!isfinite(p->tau_beyond_size.value)) return;
    mnas_str_append(w, " Beyond what multiply-adds and parameters say already it is ");
    say_estimate(w, &p->tau_beyond_size);
    mnas_str_append(w, p->tau_beyond_size.low > 0
                           ? "."
                           : ": the training is not shown to know more than the size, which costs nothing.");
}

static void say_noise(mnas_str *w, const mnas_proxy_check *c) {
    const double unit = c->is_percent ? 1 : 100;
    for (int i = 0; i <= c->n_proxies; i++) {
        const mnas_proxy *p = &c->proxies[i];
        if (!isfinite(p->seed_sd_frac)) continue;
        mnas_str_appendf(
            w,
            " Between seeds the accuracy of %s varies by %.2f points (standard deviation, %d networks): two "
            "networks are told apart by one training each where they lie more than %.2f points apart.",
            p->name, unit * p->seed_sd_frac, p->n_seed_networks, unit * p->apart_frac);
    }
}

static void say_longer(mnas_str *w, const mnas_proxy_check *c) {
    const mnas_proxy *p = judged(c);
    if (!isfinite(p->behind.value)) return;
    const bool lower = p->behind.value < 0;
    const double sign = lower ? -1 : 1, a = sign * p->behind.low, b = sign * p->behind.high;
    mnas_str_appendf(w, " That of %s is %s by %.2f (%.2f to %.2f)%s", p[1].name, lower ? "lower" : "higher",
                     sign * p->behind.value, fmin(a, b), fmax(a, b),
                     fmin(a, b) > 0 ? "." : ", which may be chance.");
}

int mnas_proxy_words(const mnas_proxy_check *c, char **words) {
    mnas_str w = {0};
    if (mnas_proxy_is_orderless(c))
        say_orderless(&w, c);
    else if (c->chosen >= 0)
        say_chosen(&w, c);
    else
        say_none(&w, c);
    if (!mnas_proxy_is_orderless(c)) say_rule(&w, c);
    say_top(&w, judged(c));
    say_size(&w, judged(c));
    say_longer(&w, c);
    say_noise(&w, c);
    *words = w.data;
    if (mnas_str_ok(&w)) return 0;
    mnas_str_free(&w);
    *words = NULL;
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a check in words");
}
