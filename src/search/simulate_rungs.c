/* simulate_rungs.c - see simulate_rungs.h. */
#include "search/simulate_rungs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "base/stats.h"
#include "base/str.h"

enum { N_RESAMPLED = 1000 }; /* sets of seeds, for the interval */

/* ---- lengths ---- */

static int wrong_epochs(const char *text, int n) {
    return mnas_error_set(MNAS_ERR_ARG,
                          "--rung-epochs %s; allowed: %d numbers, each larger than the one before, the last "
                          "one of whole trainings",
                          text, n);
}

static int parse_epochs(double *epochs, int n, const char *text) {
    char *copy = strdup(text), *rest = copy, *word;
    int n_words = 0;
    bool good = copy != NULL;
    while (good && (word = strsep(&rest, ","))) {
        good = n_words < n && mnas_str_to_f64(word, &epochs[n_words]) && epochs[n_words] <= 1e6 &&
               epochs[n_words] > (n_words > 0 ? epochs[n_words - 1] : 0);
        n_words++;
    }
    if (!copy) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: epochs");
    free(copy);
    return good && n_words == n ? 0 : wrong_epochs(text, n);
}

int mnas_sim_rungs_open(mnas_sim_setup *s, const mnas_rungs_plan *plan, const char *epochs) {
    const int rc = mnas_rungs_check(plan);
    if (rc < 0) return rc;
    s->rungs = *plan;
    if (epochs && epochs[0]) return parse_epochs(s->rung_epochs, plan->n, epochs);
    for (int r = 0; r < plan->n; r++) s->rung_epochs[r] = mnas_rungs_share(plan, r);
    return 0;
}

/* ---- a seed ---- */

static int keep_whole(mnas_sim_rungs_state *out, const mnas_sim_setup *s, const mnas_sim_record *whole,
                      const mnas_sim_scale *scale) {
    int rc = 0;
    out->whole = calloc((size_t)s->trials + 1, sizeof *out->whole);
    if (!out->whole) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d trials", s->trials);
    for (int n = 1; n <= s->trials && rc == 0; n++)
        rc = mnas_sim_hypervolume(&out->whole[n], whole, n < whole->n ? n : whole->n, s->world, scale);
    return rc;
}

/* In whole brackets, as a search does. */
static int whole_brackets(const mnas_sim_setup *s) {
    const int size = mnas_rungs_bracket(&s->rungs);
    return (s->trials + size - 1) / size * size;
}

int mnas_sim_rungs_run(mnas_sim_rungs_state *out, const mnas_sim_setup *setup, const char *strategy,
                       const mnas_sim_record *whole, const mnas_sim_scale *scale) {
    mnas_sim_setup s = *setup;
    s.trials = whole_brackets(setup);
    mnas_sim_record record = {.trials = calloc((size_t)s.trials, sizeof *record.trials)};
    if (!record.trials) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d trials", s.trials);
    int rc = mnas_sim_search(&record, &s, strategy, whole->seed);
    if (rc == 0) rc = mnas_sim_hypervolume(&out->hypervolume, &record, record.n, s.world, scale);
    if (rc == 0) rc = keep_whole(out, setup, whole, scale);
    out->epochs = record.epochs;
    out->n_begun = record.n_begun;
    out->n_complete = record.n;
    free(record.trials);
    return rc;
}

/* ---- over the seeds ---- */

/* Some seeds, with repetition: seeds[n]. */
typedef struct sample {
    const mnas_sim_rungs_state *states;
    const int *seeds;
    int n;
} sample;

static double mean_whole(const sample *s, int n_trials) {
    double sum = 0;
    for (int i = 0; i < s->n; i++) sum += s->states[s->seeds[i]].whole[n_trials];
    return sum / s->n;
}

/* Whole trainings to a mean hypervolume, between two of them in proportion; NaN where `trials` are too few. */
static double trainings_to(const sample *s, double hypervolume, int trials) {
    int low = 0, high = trials; /* hypervolumes grow */
    if (mean_whole(s, trials) < hypervolume) return NAN;
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (mean_whole(s, middle) < hypervolume)
            low = middle;
        else
            high = middle;
    }
    const double below = mean_whole(s, low), above = mean_whole(s, high);
    return above > below ? low + (hypervolume - below) / (above - below) : high;
}

static double times_fewer(const sample *s, const mnas_sim_setup *setup, double *whole_epochs) {
    double hypervolume = 0, epochs = 0;
    for (int i = 0; i < s->n; i++) {
        hypervolume += s->states[s->seeds[i]].hypervolume / s->n;
        epochs += s->states[s->seeds[i]].epochs / s->n;
    }
    *whole_epochs = setup->rung_epochs[setup->rungs.n - 1] * trainings_to(s, hypervolume, setup->trials);
    return *whole_epochs / epochs;
}

/* Percentiles of resampled seeds (Efron 1979). Samples in which whole trainings never come so far count as the largest. */
static void fill_interval(mnas_simulated_rungs *out, sample *s, const mnas_sim_setup *setup, int *seeds) {
    double ratios[N_RESAMPLED], unused;
    mnas_rng rng = mnas_rng_stream(0, 0, "simulated-rungs");
    for (int k = 0; k < N_RESAMPLED; k++) {
        for (int i = 0; i < s->n; i++) seeds[i] = (int)mnas_rng_below(&rng, (uint32_t)s->n);
        ratios[k] = times_fewer(s, setup, &unused);
        if (isnan(ratios[k])) ratios[k] = INFINITY;
    }
    out->times_low = mnas_stats_quantile(ratios, N_RESAMPLED, 0.025);
    out->times_high = mnas_stats_quantile(ratios, N_RESAMPLED, 0.975);
}

int mnas_sim_rungs_compare(mnas_simulated_rungs *out, const mnas_sim_rungs_state *states, int n_seeds,
                           const mnas_sim_setup *setup, const mnas_sim_scale *scale) {
    int *seeds = calloc((size_t)n_seeds, sizeof *seeds);
    sample s = {states, seeds, n_seeds};
    if (!seeds) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d seeds", n_seeds);
    double n_begun = 0, n_complete = 0, epochs = 0, hypervolume = 0;
    for (int i = 0; i < n_seeds; i++) {
        seeds[i] = i;
        n_begun += states[i].n_begun;
        n_complete += states[i].n_complete;
        epochs += states[i].epochs;
        hypervolume += states[i].hypervolume;
    }
    *out = (mnas_simulated_rungs){.begun_mean = n_begun / n_seeds,
                                  .complete_mean = n_complete / n_seeds,
                                  .epochs_mean = epochs / n_seeds,
                                  .hypervolume_share = hypervolume / n_seeds / scale->hypervolume_all};
    out->times_fewer = times_fewer(&s, setup, &out->whole_epochs);
    fill_interval(out, &s, setup, seeds);
    free(seeds);
    return 0;
}

double mnas_sim_rungs_tau(const mnas_sim_setup *setup, int rung) {
    const mnas_world *w = setup->world;
    return mnas_stats_kendall(w->rung_frac[rung], w->accuracy_frac, w->n_known);
}
