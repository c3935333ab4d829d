/* space_suggest.c - mnas_space_suggest of the public interface: which space, size and length of trials suit some images. Rules
 * and a few timed steps, no search.
 *
 * The rules, in the order they are used (docs/datasets.md says them in words):
 * 1. Base: mnasnet-28 for grey images, mnasnet-32 for colour ones.
 * 2. A trial sees about VIEWS images: one pass over that many, or several over fewer.
 * 3. Size: images of up to SMALL pixels as they are. Of larger ones the largest usual size with which the reference network has
 *    at most MAX_MACS multiply-adds: a trial of VIEWS images is then about a minute on two cores. Not the time measured here: the
 *    proposal must not depend on what else the machine does.
 * 4. Strides: halvings are added to the stem, then to the blocks from the first on, or taken from the last on, until the last
 *    maps have sides of 4 to 7.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/human.h"
#include "base/rng.h"
#include "base/stats.h"
#include "data/dataset.h"
#include "model/space.h"
#include "search/space_edit.h"
#include "train/evaluate.h"
#include "train/recipe.h"
#include "train/threads.h"
#include "train/trainer.h"

enum {
    SMALL = 40,
    VIEWS = 10000,
    MAX_EPOCHS = 30,
    TIMED_STEPS = 2,
    SAMPLE_NETWORKS = 60,
    SAMPLE_IMAGES = 2000
};
static const int64_t MAX_MACS = 25000000;
static const int usual_sizes[] = {128, 96, 64};
enum { N_SIZES = sizeof usual_sizes / sizeof *usual_sizes };
/* Forward alone, as a share of forward, backward and update. */
static const double EVAL_SHARE = 1.0 / 3;

typedef struct plan {
    mnas_suggestion *out;
    mnas_dataset_shape shape; /* as stored */
    bool has_size;
    mnas_space *base;
    int stem_stride, strides[MNAS_MAX_BLOCKS];
    double mean[4], std[4];
    double image_s; /* a training step of the reference network, for an image */
    mnas_str reasons;
} plan;

/* ---- strides ---- */

static int last_map(const plan *p, int size) {
    size = (size + p->stem_stride - 1) / p->stem_stride;
    for (int b = 0; b < p->base->reference.n_blocks; b++) size = (size + p->strides[b] - 1) / p->strides[b];
    return size;
}

static bool halve_once_more(plan *p) {
    if (p->stem_stride == 1) {
        p->stem_stride = 2;
        return true;
    }
    for (int b = 0; b < p->base->reference.n_blocks; b++)
        if (p->strides[b] == 1) {
            p->strides[b] = 2;
            return true;
        }
    return false;
}

static bool halve_once_less(plan *p) {
    for (int b = p->base->reference.n_blocks - 1; b >= 0; b--)
        if (p->strides[b] == 2) {
            p->strides[b] = 1;
            return true;
        }
    return false;
}

static void choose_strides(plan *p, int size) {
    const mnas_model *m = &p->base->reference;
    p->stem_stride = m->stem_stride;
    for (int b = 0; b < m->n_blocks; b++) p->strides[b] = m->blocks[b].stride;
    while (last_map(p, size) > 7 && halve_once_more(p)) continue;
    while (last_map(p, size) < 4 && halve_once_less(p)) continue;
}

static mnas_model adapted_reference(const plan *p, int size) {
    mnas_model m = p->base->reference;
    m.stem_stride = p->stem_stride;
    for (int b = 0; b < m.n_blocks; b++) m.blocks[b].stride = p->strides[b];
    m.input_size = size, m.input_channels = p->shape.channels, m.classes = p->shape.classes;
    return m;
}

/* ---- time ---- */

/* Seconds of a training step for an image, on random pixels: their values do not change the time. */
static int time_step(double *image_s, const mnas_model *model) {
    mnas_recipe recipe;
    mnas_trainer trainer = {0};
    float *images = NULL;
    int32_t *labels = NULL;
    int rc = mnas_recipe_open(&recipe, "proxy");
    if (rc < 0) return rc;
    size_t batch = (size_t)recipe.batch;
    size_t n = batch * (size_t)model->input_size * (size_t)model->input_size * (size_t)model->input_channels;
    images = malloc(n * sizeof *images);
    labels = calloc(batch, sizeof *labels);
    rc = images && labels ? mnas_trainer_open(&trainer, model, &recipe, 100, 1, MNAS_ENGINE_FAST)
                          : mnas_error_set(MNAS_ERR_MEMORY, "no memory for a batch of %zu values", n);
    mnas_rng rng = mnas_rng_stream(1, 0, "suggest");
    for (size_t i = 0; rc == 0 && i < n; i++) images[i] = (float)(mnas_rng_uniform(&rng) - 0.5);
    *image_s = INFINITY;
    for (int i = 0; rc == 0 && i <= TIMED_STEPS; i++) {
        mnas_loss loss;
        double start_s = mnas_clock_now_s();
        rc = mnas_trainer_step(&trainer, images, labels, &loss);
        double step_s = (mnas_clock_now_s() - start_s) / (double)batch;
        if (i > 0 && step_s < *image_s) *image_s = step_s; /* the first step prepares */
    }
    mnas_trainer_close(&trainer);
    free(images);
    free(labels);
    return rc;
}

static double trial_s_of(const mnas_suggestion *s, double image_s) {
    double n_views = s->max_images > 0 ? (double)s->max_images : s->epochs * s->n_train;
    return image_s * (n_views + EVAL_SHARE * s->n_val * ceil(s->epochs));
}

/* ---- the rules ---- */

static void choose_length(plan *p) {
    mnas_suggestion *s = p->out;
    /* the split is not drawn yet: about a tenth where the data do not say */
    s->n_val = p->shape.n_val > 0          ? p->shape.n_val
               : p->shape.n_train >= 50000 ? 5000
                                           : (p->shape.n_train + 9) / 10;
    s->n_train = p->shape.n_train - s->n_val;
    s->epochs =
        s->n_train >= VIEWS ? 1 : fmin(MAX_EPOCHS, ceil((double)VIEWS / (s->n_train > 0 ? s->n_train : 1)));
    s->max_images = s->n_train > VIEWS ? VIEWS : 0;
}

static int try_size(plan *p, int size, int64_t *macs) {
    mnas_cost cost;
    choose_strides(p, size);
    p->out->input_size = size;
    mnas_model reference = adapted_reference(p, size);
    int rc = mnas_cost_compute(&cost, &reference, 1);
    if (rc < 0) return rc;
    *macs = cost.macs;
    mnas_cost_free(&cost);
    return 0;
}

static int choose_size(plan *p) {
    mnas_suggestion *s = p->out;
    char macs_text[MNAS_HUMAN_BYTES];
    int natural = s->stored_size, rc = 0;
    int64_t macs = 0;
    if (p->has_size || natural <= SMALL) {
        rc = try_size(p, natural, &macs);
        mnas_str_appendf(&p->reasons, "Size %d: %s.\n", natural,
                         p->has_size ? "asked for" : "the images are small, and are used as they are stored");
        return rc;
    }
    for (int i = 0; rc == 0 && i < N_SIZES && (i == 0 || macs == 0 || macs > MAX_MACS); i++)
        if (usual_sizes[i] <= natural) rc = try_size(p, usual_sizes[i], &macs);
    if (rc == 0 && macs == 0)
        rc = try_size(p, natural, &macs); /* between SMALL and the smallest usual size */
    if (rc < 0) return rc;
    mnas_human_count(macs, macs_text);
    mnas_str_appendf(&p->reasons,
                     "Size %d: the images have about %d pixels or more, and at this size the space's "
                     "reference network has %s "
                     "multiply-adds; more than 25 M would make a search on a few cores long.\n",
                     s->input_size, natural, macs_text);
    return 0;
}

static void explain_length(plan *p) {
    const mnas_suggestion *s = p->out;
    char n[MNAS_HUMAN_BYTES];
    mnas_human_exact(s->n_train, n);
    if (s->max_images > 0)
        mnas_str_appendf(
            &p->reasons,
            "Trials: one pass over %d of the %s training images tells good networks from bad ones.\n", VIEWS,
            n);
    else
        mnas_str_appendf(
            &p->reasons,
            "Trials: %.0f passes over the %s training images, so that a network sees about %d.\n", s->epochs,
            n, VIEWS);
    if (s->n_val < 500)
        mnas_str_appendf(&p->reasons,
                         "Beware: %d validation images tell accuracies apart to about +-%.1f points only; "
                         "differences below that are chance.\n",
                         s->n_val, 100 * sqrt(0.25 * 0.64 / s->n_val));
    if (s->n_train < 100 * s->classes)
        mnas_str_appendf(
            &p->reasons,
            "Beware: %d images a class are few for training from nothing; accuracies will stay low, "
            "and the search compares how networks begin.\n",
            s->n_train / s->classes);
}

static void explain_strides(plan *p) {
    const mnas_suggestion *s = p->out;
    mnas_str_appendf(&p->reasons,
                     "Space: the choices of %s, made for %s images; stem of stride %d, blocks of strides",
                     s->base, s->channels == 1 ? "grey" : "colour", p->stem_stride);
    for (int b = 0; b < p->base->reference.n_blocks; b++)
        mnas_str_appendf(&p->reasons, "%s %d", b ? "," : "", p->strides[b]);
    int map = last_map(p, s->input_size);
    mnas_str_appendf(&p->reasons, ": the last maps are %dx%d.\n", map, map);
}

/* ---- from the images ---- */

/* Per channel, of values 0 to 255. */
typedef struct pixel_sums {
    double n, sum[4], squares[4];
} pixel_sums;

static void sum_stored(pixel_sums *sums, const mnas_dataset *d) {
    const mnas_split *train = &d->split[MNAS_SPLIT_TRAIN];
    size_t channels = (size_t)d->info.channels, n_pixels = (size_t)d->info.height * (size_t)d->info.width;
    int step = train->n / SAMPLE_IMAGES + 1;
    for (int i = 0; i < train->n; i += step) {
        const uint8_t *v = train->pixels + train->index[i] * n_pixels * channels;
        for (size_t j = 0; j < n_pixels; j++, v += channels)
            for (size_t c = 0; c < channels; c++)
                sums->sum[c] += v[c], sums->squares[c] += (double)v[c] * v[c];
        sums->n += (double)n_pixels;
    }
}

/* Images that stay in their files: a random sample, as evaluation sees them. */
static int sum_files(pixel_sums *sums, const mnas_dataset *d) {
    mnas_loader *loader;
    mnas_batch batch = {0};
    mnas_loader_options o = {.batch = 32, .max_images = SAMPLE_IMAGES};
    size_t channels = (size_t)d->info.channels, n_pixels = (size_t)d->info.height * (size_t)d->info.width;
    for (size_t c = 0; c < channels; c++) o.std[c] = 1 / 255.0;
    int rc = mnas_loader_create(&loader, d, MNAS_SPLIT_TRAIN, &o);
    if (rc < 0) return rc;
    while ((rc = mnas_loader_next(loader, &batch)) == 0 && batch.n > 0) {
        const float *v = batch.images;
        for (size_t j = 0; j < (size_t)batch.n * n_pixels; j++, v += channels)
            for (size_t c = 0; c < channels; c++)
                sums->sum[c] += (double)v[c], sums->squares[c] += (double)v[c] * (double)v[c];
        sums->n += batch.n * (double)n_pixels;
    }
    mnas_loader_destroy(loader);
    return rc == 0 && sums->n == 0 ? mnas_error_set(MNAS_ERR_FORMAT, "no image decodes") : rc;
}

static int measure_pixels(plan *p, const mnas_dataset *d) {
    pixel_sums sums = {0};
    int rc = 0;
    if (d->split[MNAS_SPLIT_TRAIN].pixels)
        sum_stored(&sums, d);
    else
        rc = sum_files(&sums, d);
    for (int c = 0; rc == 0 && c < d->info.channels; c++) {
        double mean = sums.sum[c] / sums.n, variance = sums.squares[c] / sums.n - mean * mean;
        p->mean[c] = mean / 255;
        p->std[c] = fmax(sqrt(fmax(variance, 0)) / 255, 0.01); /* one grey in all images: no division by 0 */
    }
    return rc;
}

static int read_images(plan *p, const char *data) {
    mnas_suggestion *s = p->out;
    mnas_dataset *d;
    int rc = 0;
    if (p->has_size ||
        (s->input_size == p->shape.height && s->input_size == p->shape.width && s->stored_size <= SMALL))
        rc = mnas_str_format(s->data, sizeof s->data, "%s", data);
    else
        rc = mnas_dataset_spec_at(s->data, sizeof s->data, data, s->input_size);
    if (rc == 0) rc = mnas_dataset_open(&d, s->data, 0);
    if (rc < 0) return rc;
    s->n_train = d->info.n_train, s->n_val = d->info.n_val;
    rc = measure_pixels(p, d);
    mnas_dataset_close(d);
    return rc;
}

/* ---- the space ---- */

static int write_yaml(plan *p) {
    mnas_suggestion *s = p->out;
    mnas_str comment = {0};
    mnas_str_appendf(&comment, "Made by `mnas space suggest` for %s\n\n%s", s->data, p->reasons.data);
    mnas_space_edit edit = {.name = "suggested",
                            .comment = comment.data,
                            .input = s->input_size,
                            .channels = s->channels,
                            .classes = s->classes,
                            .mean = p->mean,
                            .std = p->std,
                            .stem_stride = p->stem_stride,
                            .n_blocks = p->base->reference.n_blocks,
                            .strides = p->strides};
    int rc = mnas_str_ok(&comment) ? mnas_space_edit_text(&s->yaml, mnas_space_text(p->base), &edit)
                                   : mnas_error_set(MNAS_ERR_MEMORY, "no memory for a space's text");
    mnas_str_free(&comment);
    return rc;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Multiply-adds of random networks of the space that was written, which is so proved to open; and of its reference. */
static int sample_macs(plan *p) {
    mnas_suggestion *s = p->out;
    mnas_space *space;
    mnas_cost cost;
    double macs[SAMPLE_NETWORKS];
    int tokens[MNAS_MAX_STEPS], rc = mnas_space_parse(&space, "suggested space", s->yaml, strlen(s->yaml));
    if (rc < 0) return rc;
    for (int i = 0; rc == 0 && i < SAMPLE_NETWORKS; i++) {
        mnas_rng rng = mnas_rng_stream(1, (uint64_t)i, "suggest networks");
        mnas_model model;
        for (int t = 0; t < space->n_steps; t++)
            tokens[t] = (int)mnas_rng_below(&rng, (uint32_t)space->steps[t].decision.n_choices);
        rc = mnas_space_decode(space, tokens, &model);
        if (rc == 0) rc = mnas_cost_compute(&cost, &model, 1);
        if (rc < 0) break;
        macs[i] = (double)cost.macs;
        mnas_cost_free(&cost);
    }
    if (rc == 0) rc = mnas_cost_compute(&cost, &space->reference, 1);
    if (rc == 0) {
        qsort(macs, SAMPLE_NETWORKS, sizeof *macs, compare_doubles);
        s->macs_low = (int64_t)macs[SAMPLE_NETWORKS / 20];
        s->macs_median = (int64_t)macs[SAMPLE_NETWORKS / 2];
        s->macs_high = (int64_t)macs[SAMPLE_NETWORKS - 1 - SAMPLE_NETWORKS / 20];
        s->trial_s = trial_s_of(s, p->image_s) * (double)s->macs_median / (double)cost.macs;
        mnas_cost_free(&cost);
    }
    mnas_space_close(space);
    return rc;
}

static int suggest(plan *p, const char *data) {
    mnas_suggestion *s = p->out;
    int rc = mnas_dataset_look(&p->shape, &p->has_size, data);
    if (rc < 0) return rc;
    if (p->shape.n_train < 2)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: %d training images; expected 2 or more", data,
                              p->shape.n_train);
    s->channels = p->shape.channels, s->classes = p->shape.classes;
    s->stored_size = p->shape.height < p->shape.width ? p->shape.height : p->shape.width;
    mnas_str_format(s->base, sizeof s->base, "%s", s->channels == 1 ? "mnasnet-28" : "mnasnet-32");
    mnas_threads_use(1); /* as the proposed command trains: a busy machine then lengthens it little */
    if ((rc = mnas_space_open(&p->base, s->base)) < 0) return rc;
    choose_length(p);
    if ((rc = choose_size(p)) < 0) return rc;
    explain_strides(p);
    mnas_model reference = adapted_reference(p, s->input_size);
    if ((rc = time_step(&p->image_s, &reference)) < 0) return rc;
    if ((rc = read_images(p, data)) < 0) return rc;
    choose_length(p);
    explain_length(p);
    mnas_str_format(s->recipe, sizeof s->recipe, "%s",
                    s->epochs > 1 && s->channels == 3 ? "proxy:flip=true" : "proxy");
    if (strcmp(s->recipe, "proxy") != 0)
        mnas_str_append(
            &p->reasons,
            "Recipe: half of the images are mirrored, since each is seen often; leave flip=true out where "
            "left and right matter (letters, signs).\n");
    if (!mnas_str_ok(&p->reasons))
        return mnas_error_set(MNAS_ERR_MEMORY, "no memory for the reasons of a suggestion");
    if ((rc = write_yaml(p)) < 0) return rc;
    return sample_macs(p);
}

int mnas_space_suggest(mnas_suggestion *out, const char *data) {
    *out = (mnas_suggestion){0};
    plan p = {.out = out};
    int rc = suggest(&p, data);
    mnas_str_free(&p.shape.class_names);
    mnas_space_close(p.base);
    out->reasons = p.reasons.data;
    if (rc < 0) mnas_suggestion_free(out);
    return rc;
}

void mnas_suggestion_free(mnas_suggestion *suggestion) {
    free(suggestion->yaml);
    free(suggestion->reasons);
    suggestion->yaml = suggestion->reasons = NULL;
}
