/* finalize_choose.c - which found network is called best, and the one look at the test images.
 *
 * Invariants: the choice is made from validation alone and is in the study before a test image is touched; of the
 * found networks only the chosen one is tested, of the random ones only that which the same rule chooses; baselines
 * are tested all, since nothing is selected from them. Each is tested once. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "search/finalize.h"

/* ---- choosing ---- */

/* The baseline whose validation accuracy is next to this one's. */
static const mnas_final *baseline_next_to(const mnas_stage *s, const mnas_final *chosen) {
    const mnas_final *nearest = NULL;
    const double accuracy_frac = mnas_stage_mean_accuracy(s, chosen);
    double least = INFINITY;
    for (size_t i = 0; i < s->n_finals; i++) {
        const mnas_final *f = &s->finals[i];
        if (f->role != MNAS_FINAL_BASELINE || isnan(mnas_stage_shown(s, f))) continue;
        const double distance = fabs(f->val_accuracy_frac - accuracy_frac);
        if (!(distance < least)) continue;
        nearest = f;
        least = distance;
    }
    return nearest;
}

/* Further seeds of one network; those of a race count. */
static int add_repeats(mnas_stage *s, int number) {
    int rc = 0;
    for (int n = mnas_stage_n_runs(s, &s->finals[number]); n <= s->options.n_repeats && rc == 0; n++)
        rc = mnas_stage_repeat(s, number);
    return rc;
}

static int store_choice(mnas_stage *s, mnas_final *chosen) {
    const mnas_final *random = mnas_stage_best(s, MNAS_FINAL_RANDOM, NULL),
                     *baseline = baseline_next_to(s, chosen);
    const int number = chosen->number, random_number = random ? random->number : -1,
              baseline_number = baseline ? baseline->number : -1;
    chosen->chosen = true;
    int rc = mnas_stage_put(s, chosen);
    if (rc == 0) rc = mnas_stage_set(s, "final_chosen", "%d", number);
    if (rc == 0) rc = mnas_stage_set(s, "final_chosen_random", "%d", random_number);
    if (rc == 0) rc = mnas_store_event(s->store, "chosen", s->finals[number].name);
    if (rc == 0) rc = add_repeats(s, number);
    if (rc == 0 && baseline_number >= 0) rc = add_repeats(s, baseline_number);
    return rc;
}

int mnas_stage_choose(mnas_stage *s) {
    if (mnas_stage_setting(s, "final_chosen")) return 0;
    mnas_final *chosen = mnas_stage_best(s, MNAS_FINAL_FOUND, NULL);
    if (!chosen)
        return mnas_error_set(
            MNAS_ERR_EXHAUSTED,
            "none of the found networks could be trained and measured: there is nothing to choose");
    mnas_log_info("chosen on validation: %s", chosen->name);
    int rc = mnas_store_begin(s->store);
    if (rc == 0) rc = store_choice(s, chosen);
    return rc < 0 ? rc : mnas_store_commit(s->store);
}

/* ---- testing ---- */

static bool is_stored(const mnas_stage *s, const char *name, int number) {
    return mnas_stage_int(s, name, -1) == number;
}

static bool is_tested(const mnas_stage *s, const mnas_final *final) {
    if (final->repeat > 0 || final->state != MNAS_TRIAL_COMPLETE) return false;
    return final->role == MNAS_FINAL_BASELINE || is_stored(s, "final_chosen", final->number) ||
           is_stored(s, "final_chosen_random", final->number);
}

static int test(mnas_stage *s, mnas_final *final) {
    char weights[1200], data[1200];
    mnas_model model;
    mnas_eval_result result;
    int rc = mnas_stage_model(s, final, &model);
    if (rc == 0) rc = mnas_stage_path(s, final, ".safetensors", weights, sizeof weights);
    if (rc == 0) rc = mnas_stage_data(s, final, data, sizeof data);
    if (rc < 0) return rc;
    mnas_stage_show(s, NULL, "testing", final->name, NAN, NAN);
    rc = s->hooks.evaluate(&result, &final->test_correct, &model, weights, data, "test", s->options.threads);
    if (rc < 0) return mnas_error_context(rc, "testing %s", final->name);
    final->n_test = (int)result.n;
    final->test_accuracy_frac = result.top1_frac;
    final->test_balanced_frac = result.balanced_frac;
    rc = mnas_stage_put(s, final);
    if (rc == 0) mnas_stage_show(s, final, "testing", final->name, NAN, NAN);
    return rc;
}

int mnas_stage_test(mnas_stage *s) {
    assert(mnas_stage_setting(s, "final_chosen"));
    if (s->data.n_test <= 0) {
        mnas_log_info("%s has no test images: accuracies are of validation alone",
                      mnas_stage_setting(s, "data"));
        return 0;
    }
    for (size_t i = 0; i < s->n_finals; i++) {
        if (!is_tested(s, &s->finals[i]) || s->finals[i].n_test > 0) continue;
        int rc = mnas_stage_check_time(s);
        if (rc == 0) rc = test(s, &s->finals[i]);
        if (rc < 0) return rc;
    }
    return 0;
}
