/* finalize_tune.c - a learning rate for each family, found in the same way for all: on the family's middle network (by
 * multiply-adds), with the recipe's schedule shortened to a quarter, as many rates for each. The best validation accuracy wins.
 *
 * Results are settings final_tune_FAMILY_K: the rate and its accuracy; a rate that is there is not tried again. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "search/finalize.h"

static const double share_of_epochs = 0.25;

/* 1, 1/2, 2, 1/4, 4, ... times the recipe's */
static double rate(const mnas_stage *s, int k) {
    return s->recipe.lr * pow(2, k % 2 ? -(k + 1) / 2 : k / 2);
}

/* Borrowed networks have their rate. */
static bool is_to_train(const mnas_final *final) {
    return final->state == MNAS_TRIAL_RUNNING;
}

static bool is_first_of_family(const mnas_stage *s, size_t i) {
    for (size_t j = 0; j < i; j++)
        if (strcmp(s->finals[j].family, s->finals[i].family) == 0) return false;
    return true;
}

static int compare_macs(const void *left, const void *right) {
    const mnas_final *a = *(const mnas_final *const *)left, *b = *(const mnas_final *const *)right;
    if (a->macs != b->macs) return a->macs < b->macs ? -1 : 1;
    return a->number < b->number ? -1 : 1;
}

/* NULL: out of memory. */
static const mnas_final *middle(const mnas_stage *s, const char *family) {
    size_t n = 0;
    const mnas_final **list = calloc(s->n_finals, sizeof *list), *found = NULL;
    if (!list) return NULL;
    for (size_t i = 0; i < s->n_finals; i++)
        if (s->finals[i].repeat == 0 && strcmp(s->finals[i].family, family) == 0) list[n++] = &s->finals[i];
    qsort(list, n, sizeof *list, compare_macs);
    found = list[n / 2];
    free(list);
    return found;
}

static void setting_name(char out[80], const char *family, int k) {
    snprintf(out, 80, "final_tune_%s_%d", family, k);
}

/* The recipe with another rate, and its parts in proportion to its length. */
static int shorten(const mnas_stage *s, double lr, char *out, size_t n) {
    char number[32], longer[600];
    mnas_str_from_f64(lr, number);
    int rc = mnas_stage_spec(longer, sizeof longer, s->options.recipe, "lr", number);
    mnas_str_from_f64(s->recipe.warmup_epochs * share_of_epochs, number);
    if (rc == 0) rc = mnas_stage_spec(out, n, longer, "warmup-epochs", number);
    mnas_str_from_f64(s->recipe.decay_epochs * share_of_epochs, number);
    if (rc == 0) rc = mnas_stage_spec(longer, sizeof longer, out, "decay-epochs", number);
    return rc < 0 ? rc : mnas_str_format(out, n, "%s", longer);
}

static int fill(const mnas_stage *s, const mnas_final *final, int k, mnas_training *out) {
    const double epochs = isnan(s->options.epochs) ? s->recipe.epochs : s->options.epochs;
    *out = (mnas_training){.epochs = epochs * share_of_epochs,
                           .seed = final->seed,
                           .macs = final->macs,
                           .index = final->number * 100 + k};
    snprintf(out->name, sizeof out->name, "%s: rate %.4g", final->family, rate(s, k));
    int rc = mnas_stage_model(s, final, &out->model);
    if (rc == 0) rc = mnas_stage_data(s, final, out->data, sizeof out->data);
    return rc < 0 ? rc : shorten(s, rate(s, k), out->recipe, sizeof out->recipe);
}

static int list_missing(const mnas_stage *s, mnas_training *list, size_t *n) {
    int rc = 0;
    for (size_t i = 0; i < s->n_finals; i++) {
        if (!is_first_of_family(s, i) || !is_to_train(&s->finals[i])) continue;
        const mnas_final *final = middle(s, s->finals[i].family);
        if (!final) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: learning rates");
        for (int k = 0; k < s->options.n_lr && rc == 0; k++) {
            char name[80];
            setting_name(name, final->family, k);
            if (!mnas_stage_setting(s, name)) rc = fill(s, final, k, &list[(*n)++]);
        }
    }
    return rc;
}

static int take_result(mnas_stage *s, const mnas_training *training, const mnas_trial *row) {
    const mnas_final *final = &s->finals[training->index / 100];
    const int k = training->index % 100;
    const bool complete = row->state == MNAS_TRIAL_COMPLETE;
    char name[80];
    setting_name(name, final->family, k);
    if (complete)
        mnas_log_info("%s: learning rate %.4g gives %.2f %%", final->family, rate(s, k),
                      100 * row->accuracy_frac);
    else
        mnas_log_warn("%s: learning rate %.4g fails: %s", final->family, rate(s, k), row->reason);
    return complete ? mnas_stage_set(s, name, "%.17g %.17g", rate(s, k), row->accuracy_frac)
                    : mnas_stage_set(s, name, "%.17g %s", rate(s, k), row->reason);
}

/* The recipe's own where no rate was tried, or none survived. */
static double best_rate(const mnas_stage *s, const char *family) {
    double best = s->recipe.lr, best_accuracy = -1;
    for (int k = 0; k < s->options.n_lr && s->options.n_lr > 1; k++) {
        char name[80];
        double accuracy;
        setting_name(name, family, k);
        const char *text = mnas_stage_setting(s, name), *space = text ? strchr(text, ' ') : NULL;
        if (!space || !mnas_str_to_f64(space + 1, &accuracy) || !(accuracy > best_accuracy)) continue;
        best_accuracy = accuracy;
        best = rate(s, k);
    }
    return best;
}

static int store_rates(mnas_stage *s) {
    int rc = mnas_store_begin(s->store);
    for (size_t i = 0; i < s->n_finals && rc == 0; i++) {
        if (!is_to_train(&s->finals[i])) continue;
        s->finals[i].lr = best_rate(s, s->finals[i].family);
        rc = mnas_stage_put(s, &s->finals[i]);
    }
    if (rc == 0) rc = mnas_stage_set(s, "final_tuned", "1");
    return rc < 0 ? rc : mnas_store_commit(s->store);
}

int mnas_stage_tune(mnas_stage *s) {
    size_t n = 0;
    if (mnas_stage_setting(s, "final_tuned")) return 0;
    if (s->options.n_lr == 1) return store_rates(s);
    mnas_training *list = calloc(s->n_finals * (size_t)s->options.n_lr + 1, sizeof *list);
    if (!list) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: learning rates");
    int rc = list_missing(s, list, &n);
    if (rc == 0) rc = mnas_stage_run(s, "tuning", list, n, take_result);
    free(list);
    return rc < 0 ? rc : store_rates(s);
}
