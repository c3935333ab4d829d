/* finalize_baselines.c - what found networks are compared with: MobileNetV2 and MnasNet-B1 at widths and image sizes around
 * theirs, or what was asked for.
 *
 * A comparison at equal accuracy reads a curve, so that the curve must reach on both sides of the found networks: `auto`
 * takes widths whose multiply-adds go from half of the smallest found network's to four times the largest one's.
 *
 * The baselines are made as strong as they can be. Below 64 pixels they keep large enough maps and a head in proportion
 * (mnas_model_adapt_to_size); their dropout is the found networks' (published rates are for hundreds of epochs on ImageNet);
 * recipe, epochs and search for a learning rate are the same for all.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "model/model.h"
#include "search/finalize.h"
#include "train/evaluate.h"

static const double widths[] = {0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 0.75, 1.0, 1.4};
enum { N_WIDTHS = sizeof widths / sizeof widths[0], SMALLEST_SIZE = 8 };
static const double smaller_size = 0.7; /* of the dataset's */

/* Points of a family's curve: at the dataset's size and, fewer, at a smaller one. */
typedef struct family {
    const char *name;
    int n_full, n_smaller;
} family;
static const family families[] = {{"mobilenet-v2", 4, 3}, {"mnasnet-b1", 3, 0}};

/* ---- a network and its name ---- */

static double width_of(const char *name) {
    double width = 1;
    char number[32];
    const char *at = strchr(name, '@');
    snprintf(number, sizeof number, "%.*s", at ? (int)strcspn(at + 1, "@") : 0, at ? at + 1 : "");
    mnas_str_to_f64(number, &width); /* not behind NAME@timm */
    return width;
}

double mnas_stage_found_dropout(const mnas_stage *s) {
    mnas_model model;
    for (size_t i = 0; i < s->n_finals; i++)
        if (s->finals[i].role == MNAS_FINAL_FOUND && mnas_stage_model(s, &s->finals[i], &model) == 0)
            return model.dropout;
    return 0;
}

/* arg: a zoo name or a model file. */
static int open_baseline(const mnas_stage *s, const char *arg, int size, mnas_model *out) {
    mnas_dataset_info data = s->data;
    int rc = mnas_model_open_local(out, arg, size);
    if (rc < 0) return rc;
    data.height = data.width = size;
    rc = mnas_model_fit_dataset(out, &data);
    if (rc < 0 || mnas_model_is_path(arg)) return rc;
    mnas_model_adapt_to_size(out, width_of(arg));
    out->dropout = mnas_stage_found_dropout(s);
    return 0;
}

/* Names of what is no baseline; a model file may have any. */
static bool is_reserved(const char *word) {
    static const char *const names[] = {"found", "random", "baselines"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(word, names[i]) == 0) return true;
    return false;
}

/* One file for the weights of both: their names differ in nothing that a file's name shows. */
static bool share_files(const mnas_stage *s, const mnas_final *a, const mnas_final *b) {
    char one[1200], other[1200];
    return mnas_stage_path(s, a, "", one, sizeof one) == 0 &&
           mnas_stage_path(s, b, "", other, sizeof other) == 0 && strcmp(one, other) == 0;
}

static int add(mnas_stage *s, const mnas_model *model, int size) {
    mnas_final f = mnas_final_empty();
    f.role = MNAS_FINAL_BASELINE;
    f.input_size = size;
    snprintf(f.family, sizeof f.family, "%.*s", (int)strcspn(model->name, "@"), model->name);
    snprintf(f.name, sizeof f.name, "%.50s/%d", model->name, size);
    if (is_reserved(f.family))
        return mnas_error_set(MNAS_ERR_ARG,
                              "baseline %s: the name \"%s\" has a meaning here; give it another", f.name,
                              f.family);
    for (size_t i = 0; i < s->n_finals; i++)
        if (share_files(s, &s->finals[i], &f))
            return mnas_error_set(MNAS_ERR_ARG, "baseline %s is named twice", f.name);
    return mnas_stage_add(s, &f, model);
}

/* ---- auto ---- */

typedef struct choice {
    mnas_model model;
    double macs;
} choice;

static void found_range(const mnas_stage *s, double *low, double *high) {
    *low = INFINITY, *high = 0;
    for (size_t i = 0; i < s->n_finals; i++) {
        if (s->finals[i].role != MNAS_FINAL_FOUND) continue;
        *low = fmin(*low, (double)s->finals[i].macs);
        *high = fmax(*high, (double)s->finals[i].macs);
    }
    *low /= 2, *high *= 4;
}

/* Every width that gives a network of its own, smallest first; out[N_WIDTHS]. */
static int list_choices(const mnas_stage *s, const char *name, int size, choice *out) {
    int n = 0;
    for (int i = 0; i < N_WIDTHS; i++) {
        char arg[64], number[32];
        mnas_cost cost;
        mnas_str_from_f64(widths[i], number);
        snprintf(arg, sizeof arg, widths[i] == 1 ? "%s" : "%s@%s", name, number);
        int rc = open_baseline(s, arg, size, &out[n].model);
        if (rc < 0) return rc;
        rc = mnas_cost_compute(&cost, &out[n].model, 1);
        if (rc == MNAS_ERR_INVALID) continue; /* the image is too small for it */
        if (rc < 0) return rc;
        out[n].macs = (double)cost.macs;
        mnas_cost_free(&cost);
        if (n == 0 || out[n].macs > out[n - 1].macs) n++;
    }
    return n;
}

/* The part of the list that reaches from low to high, at least `wanted` long where the list is. */
static void bracket(const choice *list, int n, double low, double high, int wanted, int *first, int *last) {
    *first = 0;
    while (*first + 1 < n && list[*first + 1].macs <= low) ++*first;
    *last = *first;
    while (*last + 1 < n && list[*last + 1].macs <= high) ++*last;
    while (*last - *first + 1 < wanted && *last - *first + 1 < n) {
        if (*last + 1 < n) ++*last;
        if (*first > 0 && *last - *first + 1 < wanted) --*first;
    }
}

static int add_curve(mnas_stage *s, const char *name, int size, int wanted) {
    double low, high;
    int first, last;
    choice *list = calloc(N_WIDTHS, sizeof *list);
    if (!list) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: baselines");
    int rc = 0, n = list_choices(s, name, size, list);
    if (n > 0) {
        found_range(s, &low, &high);
        bracket(list, n, low, high, wanted, &first, &last);
        const int n_taken = last - first + 1 < wanted ? last - first + 1 : wanted;
        for (int i = 0; i < n_taken && rc == 0; i++) {
            const int at =
                n_taken == 1 ? first : first + (i * (last - first) + (n_taken - 1) / 2) / (n_taken - 1);
            rc = add(s, &list[at].model, size);
        }
    }
    free(list);
    return n < 0 ? n : rc;
}

/* An even number: halvings come first in every network. 0: too small to be of use. */
static int smaller(int size) {
    const int even = 2 * (int)lround(size * smaller_size / 2);
    return even >= SMALLEST_SIZE && even < size ? even : 0;
}

static int plan_auto(mnas_stage *s) {
    const int size = s->data.height, small = smaller(size);
    int rc = 0;
    for (size_t i = 0; i < sizeof families / sizeof *families && rc == 0; i++) {
        const family *f = &families[i];
        rc = add_curve(s, f->name, size, small ? f->n_full : f->n_full + f->n_smaller);
        if (rc == 0 && small && f->n_smaller > 0) rc = add_curve(s, f->name, small, f->n_smaller);
    }
    return rc;
}

/* ---- named ones ---- */

/* "mobilenet-v2@0.5/28" */
static int plan_word(mnas_stage *s, char *word) {
    mnas_model model;
    long long size = s->data.height;
    char *slash = strrchr(word, '/');
    if (slash && mnas_str_to_i64(slash + 1, &size)) *slash = '\0';
    if (size < 1 || size > MNAS_MAX_INPUT)
        return mnas_error_set(MNAS_ERR_ARG, "baseline %s: image size is %lld pixels; allowed: 1 to %d", word,
                              size, MNAS_MAX_INPUT);
    const int rc = open_baseline(s, word, (int)size, &model);
    return rc < 0 ? mnas_error_context(rc, "baseline %s", word) : add(s, &model, (int)size);
}

static int plan_words(mnas_stage *s) {
    char *words = strdup(s->options.baselines), *rest;
    int rc = 0;
    if (!words) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: baselines");
    for (char *w = strtok_r(words, " ", &rest); w && rc == 0; w = strtok_r(NULL, " ", &rest))
        rc = plan_word(s, w);
    free(words);
    return rc;
}

int mnas_stage_plan_baselines(mnas_stage *s) {
    static const char study[] = "study:";
    const char *asked = s->options.baselines;
    if (strcmp(asked, "none") == 0) return 0;
    if (strcmp(asked, "auto") == 0) return plan_auto(s);
    if (strncmp(asked, study, strlen(study)) == 0)
        return mnas_stage_borrow_baselines(s, asked + strlen(study));
    return plan_words(s);
}
