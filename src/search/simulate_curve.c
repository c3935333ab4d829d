/* simulate_curve.c - see simulate_curve.h. Inside, values are fractions; the points that leave it are per cent points. */
#include "search/simulate_curve.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/stats.h"
#include "search/pareto.h"

static const double percent = 100;

int mnas_sim_points(int trials, int n[MNAS_SIM_POINTS]) {
    static const int steps[] = {1, 2, 5};
    int count = 0;
    for (int64_t ten = 10; ten < trials; ten *= 10)
        for (int i = 0; i < 3 && ten * steps[i] < trials; i++) n[count++] = (int)ten * steps[i];
    n[count++] = trials;
    return count;
}

/* ---- the world ---- */

/* Pareto's cost: less is better. */
static double cost_of(const mnas_world *w, double second) {
    return w->more_is_better ? -second : second;
}

static int area(double *out, const mnas_world *w, const double *accuracy, const double *second, size_t n,
                const mnas_sim_scale *scale) {
    double *cost = calloc(n ? n : 1, sizeof *cost);
    if (!cost) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: hypervolume of %zu networks", n);
    for (size_t i = 0; i < n; i++) cost[i] = cost_of(w, second[i]);
    const int rc = mnas_pareto_hypervolume(out, accuracy, cost, n, scale->worst_accuracy,
                                           cost_of(w, scale->worst_second));
    free(cost);
    return rc;
}

static int scale_area(mnas_sim_scale *out, const mnas_world *w) {
    out->worst_accuracy = out->worst_second = out->hypervolume_all = NAN;
    if (!w->second) return 0;
    out->worst_accuracy = w->report_frac[0], out->worst_second = w->second[0];
    for (size_t i = 0; i < w->n_known; i++) {
        if (w->report_frac[i] < out->worst_accuracy) out->worst_accuracy = w->report_frac[i];
        if (cost_of(w, w->second[i]) > cost_of(w, out->worst_second)) out->worst_second = w->second[i];
    }
    return area(&out->hypervolume_all, w, w->report_frac, w->second, w->n_known, out);
}

int mnas_sim_scale_of(mnas_sim_scale *out, const mnas_sim_setup *setup) {
    const mnas_world *w = setup->world;
    double *values = calloc(w->n_known, sizeof *values);
    if (!values) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: values of %zu networks", w->n_known);
    double best = -INFINITY, second = -INFINITY;
    size_t n = 0;
    for (size_t i = 0; i < w->n_known; i++) {
        if (w->second && !mnas_sim_is_inside(setup, w->second[i])) continue;
        const double v = values[n++] = mnas_sim_value(setup, w->report_frac[i], w->second ? w->second[i] : 1);
        if (v > best)
            second = best, best = v;
        else if (v > second)
            second = v;
    }
    out->n = n;
    out->mean = mnas_stats_mean(values, n);
    out->sd = mnas_stats_sd(values, n);
    out->optimum = w->is_complete ? best : (double)NAN;
    out->second_best = w->is_complete && isfinite(second) ? second : out->optimum;
    free(values);
    return scale_area(out, w);
}

/* ---- a run ---- */

int mnas_sim_hypervolume(double *out, const mnas_sim_record *r, int n, const mnas_world *w,
                         const mnas_sim_scale *scale) {
    double *points = calloc(2 * (size_t)(n ? n : 1), sizeof *points);
    if (!points) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: hypervolume of %d networks", n);
    for (int i = 0; i < n; i++) {
        points[i] = r->trials[i].truth.report_frac;
        points[n + i] = r->trials[i].truth.second;
    }
    const int rc = area(out, w, points, points + n, (size_t)n, scale);
    free(points);
    return rc;
}

int mnas_sim_state_of(mnas_sim_state *out, const mnas_sim_record *r, int n, const mnas_sim_setup *setup,
                      const mnas_sim_scale *scale) {
    const mnas_sim_trial *best = NULL, *chosen = NULL;
    *out = (mnas_sim_state){r->n >= n, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    if (n > r->n) n = r->n;
    for (int i = 0; i < n; i++) {
        const mnas_sim_trial *t = &r->trials[i];
        if (!best || t->value > best->value) best = t;
        if (!chosen || t->observed > chosen->observed) chosen = t;
    }
    if (!best) return 0;
    out->best = best->value;
    out->chosen = chosen->value;
    out->chosen_accuracy = chosen->truth.report_frac;
    out->chosen_second = chosen->truth.second;
    int rc = mnas_sim_choose_finalist(&out->finalist, r, n, setup);
    if (rc == 0 && setup->posterior) rc = mnas_sim_choose_posterior(&out->posterior, r, n, setup);
    if (rc < 0) return rc;
    return setup->world->second ? mnas_sim_hypervolume(&out->hypervolume, r, n, setup->world, scale) : 0;
}

/* ---- over the seeds ---- */

typedef struct column { /* a member of mnas_sim_state, over the seeds */
    double *x;
    int n;
} column;

static void take(column *c, const mnas_sim_state *states, size_t member) {
    for (int i = 0; i < c->n; i++) c->x[i] = *(const double *)((const char *)&states[i] + member);
}

static double mean_of(column *c, const mnas_sim_state *states, size_t member) {
    take(c, states, member);
    return mnas_stats_mean(c->x, (size_t)c->n);
}

/* Of runs whose member is at least `bound`. */
static double share_of(column *c, const mnas_sim_state *states, size_t member, double bound) {
    int n = 0;
    if (isnan(bound)) return NAN;
    take(c, states, member);
    for (int i = 0; i < c->n; i++) n += c->x[i] >= bound;
    return (double)n / c->n;
}

typedef struct comparison {
    double gain, p_t, p_wilcoxon;
} comparison;

static comparison compare(column *c, column *other, const mnas_sim_state *states,
                          const mnas_sim_state *random, size_t member) {
    comparison out = {NAN, NAN, NAN};
    if (!random) return out;
    out.gain = percent * (mean_of(c, states, member) - mean_of(other, random, member));
    if (c->n < 2 || isnan(out.gain)) return out;
    out.p_t = mnas_stats_paired_p(c->x, other->x, (size_t)c->n);
    out.p_wilcoxon = mnas_stats_wilcoxon_p(c->x, other->x, (size_t)c->n);
    return out;
}

#define AT(member) offsetof(mnas_sim_state, member)

static void fill_point(mnas_simulated_point *out, column *c, const mnas_sim_state *states,
                       const mnas_sim_scale *scale) {
    for (int i = 0; i < c->n; i++) out->n_reached += states[i].reached;
    out->mean = percent * mean_of(c, states, AT(best));
    out->sd = percent * mnas_stats_sd(c->x, (size_t)c->n);
    out->regret_mean = percent * scale->optimum - out->mean;
    out->optimum_share = share_of(c, states, AT(best), scale->optimum);
    out->top2_share = share_of(c, states, AT(best), scale->second_best);
    out->chosen_mean = percent * mean_of(c, states, AT(chosen));
    out->chosen_sd = percent * mnas_stats_sd(c->x, (size_t)c->n);
    out->chosen_optimum_share = share_of(c, states, AT(chosen), scale->optimum);
    out->chosen_accuracy_mean = percent * mean_of(c, states, AT(chosen_accuracy));
    out->chosen_second_mean = mean_of(c, states, AT(chosen_second));
    out->hypervolume_mean = percent * mean_of(c, states, AT(hypervolume));
    out->hypervolume_share = out->hypervolume_mean / (percent * scale->hypervolume_all);
}

/* Of another way to choose, over the chosen of the same runs, which spent all on searching. */
static comparison compare_chosen(column *c, column *chosen, const mnas_sim_state *states, size_t member) {
    comparison out = {percent * (mean_of(c, states, member) - mean_of(chosen, states, AT(chosen))), NAN, NAN};
    if (c->n > 1 && !isnan(out.gain)) out.p_t = mnas_stats_paired_p(c->x, chosen->x, (size_t)c->n);
    return out;
}

int mnas_sim_point_of(mnas_simulated_point *out, int n, const mnas_sim_state *states,
                      const mnas_sim_state *random, int n_seeds, const mnas_sim_scale *scale) {
    double *values = calloc(2 * (size_t)n_seeds, sizeof *values);
    column c = {values, n_seeds}, other = {values + n_seeds, n_seeds};
    if (!values) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d seeds", n_seeds);
    *out = (mnas_simulated_point){.n = n};
    fill_point(out, &c, states, scale);
    const comparison best = compare(&c, &other, states, random, AT(best));
    const comparison chosen = compare(&c, &other, states, random, AT(chosen));
    out->gain = best.gain, out->p_t = best.p_t, out->p_wilcoxon = best.p_wilcoxon;
    out->chosen_gain = chosen.gain, out->chosen_p_t = chosen.p_t, out->chosen_p_wilcoxon = chosen.p_wilcoxon;
    out->finalist_mean = percent * mean_of(&c, states, AT(finalist));
    out->posterior_mean = percent * mean_of(&c, states, AT(posterior));
    const comparison finalist = compare_chosen(&c, &other, states, AT(finalist));
    const comparison posterior = compare_chosen(&c, &other, states, AT(posterior));
    out->finalist_gain = finalist.gain, out->finalist_p_t = finalist.p_t;
    out->posterior_gain = posterior.gain, out->posterior_p_t = posterior.p_t;
    free(values);
    return 0;
}
