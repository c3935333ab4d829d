/* finalize_borrow.c - baselines that stage two of another study has trained already: the same networks with what is known of
 * them, so that several searches on the same images are held against the very same baselines. Only their latencies are taken
 * anew, alternately with this study's networks.
 *
 * Invariant: they were made as this study's would be: the same data, recipe, epochs, dropout, and search for a learning
 * rate. Models named for the other study are taken as they are. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "search/finalize.h"

/* What must be alike: the setting, and how messages call it. */
static const struct {
    const char *setting, *word;
} alike[] = {{"data", "data"},
             {"final_recipe", "recipe"},
             {"final_epochs", "epochs"},
             {"final_learning_rates", "learning-rates"}};

static int check_alike(const mnas_stage *s, const mnas_study *other, const char *path) {
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++) {
        const char *own = mnas_stage_setting(s, alike[i].setting),
                   *its = mnas_study_setting(other, alike[i].setting);
        if (own && its && strcmp(own, its) == 0) continue;
        return mnas_error_set(MNAS_ERR_MISMATCH,
                              "the baselines of %s were trained with %s \"%s\", this stage two has \"%s\"; "
                              "allowed: the same",
                              path, alike[i].word, its ? its : "", own ? own : "");
    }
    return 0;
}

/* What no setting tells: dropout is the found networks', and files may have changed under the same name. */
static int check_dropout(const mnas_stage *s, const mnas_study *other, const char *path) {
    mnas_model model;
    const double dropout = mnas_stage_found_dropout(s);
    const int rc = mnas_study_final_model(other, 0, &model); /* a found one comes first in a plan */
    if (rc < 0 || model.dropout == dropout) return rc;
    return mnas_error_set(MNAS_ERR_MISMATCH,
                          "the baselines of %s were trained with dropout %g, as its found networks; those of "
                          "this study have %g; allowed: the same",
                          path, model.dropout, dropout);
}

static int check_images(const mnas_stage *s, const mnas_final *its, const char *path) {
    if (s->data.n_test > 0 && its->n_test == 0)
        return mnas_error_set(MNAS_ERR_ARG,
                              "stage two of %s is not finished: %s is not tested yet; finish it first", path,
                              its->name);
    if (its->n_val == s->data.n_val && its->n_test == s->data.n_test) return 0;
    return mnas_error_set(MNAS_ERR_MISMATCH,
                          "%s of %s answered %d validation and %d test images, the data have %d and %d now; "
                          "allowed: the same",
                          its->name, path, its->n_val, its->n_test, s->data.n_val, s->data.n_test);
}

static int copy_bytes(uint8_t **out, const uint8_t *bytes, int n) {
    *out = NULL;
    if (!bytes) return 0;
    *out = malloc((size_t)n + 1);
    if (!*out) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: answers to %d images", n);
    memcpy(*out, bytes, (size_t)n);
    return 0;
}

/* What was found out by training and testing; nothing of the latency. Its weights stay where they are. */
static int take_results(mnas_final *own, const mnas_final *its) {
    own->lr = its->lr;
    own->seed = its->seed;
    own->state = its->state;
    own->val_accuracy_frac = its->val_accuracy_frac;
    own->val_balanced_frac = its->val_balanced_frac;
    own->test_accuracy_frac = its->test_accuracy_frac;
    own->test_balanced_frac = its->test_balanced_frac;
    own->n_val = its->n_val;
    own->n_test = its->n_test;
    own->train_s = its->train_s;
    const int rc = copy_bytes(&own->val_correct, its->val_correct, its->n_val);
    return rc < 0 ? rc : copy_bytes(&own->test_correct, its->test_correct, its->n_test);
}

static int borrow(mnas_stage *s, const mnas_study *other, const mnas_final *its) {
    mnas_model model;
    mnas_final f = mnas_final_empty();
    f.role = MNAS_FINAL_BASELINE;
    f.input_size = its->input_size;
    memcpy(f.family, its->family, sizeof f.family);
    memcpy(f.name, its->name, sizeof f.name);
    int rc = mnas_study_final_model(other, its->number, &model);
    if (rc == 0) rc = mnas_stage_add(s, &f, &model);
    if (rc < 0) return rc;
    mnas_final *own = &s->finals[s->n_finals - 1];
    rc = take_results(own, its);
    return rc < 0 ? rc : mnas_stage_put(s, own);
}

static bool is_lendable(const mnas_final *its) {
    return its->role == MNAS_FINAL_BASELINE && mnas_stage_is_ready(its);
}

static int borrow_all(mnas_stage *s, const mnas_study *other, const char *path) {
    int n = 0, rc = check_alike(s, other, path);
    if (rc == 0 && mnas_study_n_finals(other) > 0) rc = check_dropout(s, other, path);
    for (int i = 0; i < mnas_study_n_finals(other) && rc == 0; i++) {
        const mnas_final *its = mnas_study_final(other, i);
        if (!is_lendable(its)) continue;
        rc = check_images(s, its, path);
        if (rc == 0) rc = borrow(s, other, its);
        n++;
    }
    if (rc == 0 && n == 0)
        rc = mnas_error_set(MNAS_ERR_ARG, "%s has no trained baselines; allowed: a study after mnas finalize",
                            path);
    return rc;
}

int mnas_stage_borrow_baselines(mnas_stage *s, const char *path) {
    mnas_study *other;
    int rc = mnas_study_open(&other, path);
    if (rc < 0) return mnas_error_context(rc, "baselines");
    rc = borrow_all(s, other, path);
    mnas_study_close(other);
    return rc;
}
