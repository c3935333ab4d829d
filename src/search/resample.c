/* resample.c - see resample.h.
 *
 * Most images are right or wrong for every network. They share two slots, so that a draw costs a pass over the images and,
 * for each network, a sum over the few that tell networks apart.
 */
#include "search/resample.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/rng.h"
#include "base/stats.h"

struct mnas_resample {
    const mnas_resample_net *nets;
    int n_nets, n_images, n_passes, n_slots;
    uint32_t *slot;   /* [n_images]: n_slots where all are right, n_slots + 1 where all are wrong */
    uint32_t *weight; /* [n_slots + 2]: how often a slot's images were drawn */
    uint8_t *right;   /* [n_nets][n_slots] */
    uint32_t *pass;   /* [n_passes] */
    double *passes;   /* [n_passes] */
    mnas_rng rng;
};

static bool is_paired(const mnas_resample *r, int net) {
    return r->n_images > 0 && r->nets[net].correct && r->nets[net].n_images == r->n_images;
}

/* How many of the paired networks are right, and how many there are. */
static int n_right(const mnas_resample *r, int image, int *n_paired) {
    int n = 0;
    *n_paired = 0;
    for (int k = 0; k < r->n_nets; k++) {
        if (!is_paired(r, k)) continue;
        n += r->nets[k].correct[image] != 0;
        ++*n_paired;
    }
    return n;
}

static void assign_slots(mnas_resample *r) {
    for (int image = 0; image < r->n_images; image++) {
        int n_paired, n = n_right(r, image, &n_paired);
        r->slot[image] = n == 0 ? UINT32_MAX : n == n_paired ? UINT32_MAX - 1 : (uint32_t)r->n_slots++;
    }
    for (int image = 0; image < r->n_images; image++) {
        if (r->slot[image] >= UINT32_MAX - 1)
            r->slot[image] = (uint32_t)r->n_slots + (r->slot[image] == UINT32_MAX);
    }
}

static void note_right(mnas_resample *r) {
    for (int k = 0; k < r->n_nets; k++) {
        uint8_t *right = r->right + (size_t)k * (size_t)r->n_slots;
        for (int image = 0; is_paired(r, k) && image < r->n_images; image++) {
            if (r->slot[image] < (uint32_t)r->n_slots) right[r->slot[image]] = r->nets[k].correct[image] != 0;
        }
    }
}

int mnas_resample_open(mnas_resample **out, const mnas_resample_net *nets, int n_nets, uint64_t stream) {
    *out = NULL;
    mnas_resample *r = calloc(1, sizeof *r);
    if (!r) goto memory;
    *r = (mnas_resample){.nets = nets, .n_nets = n_nets, .rng = mnas_rng_stream(0, stream, "bootstrap")};
    r->n_images = n_nets > 0 && nets[0].correct ? nets[0].n_images : 0;
    for (int k = 0; k < n_nets; k++) {
        if (nets[k].n_passes > r->n_passes) r->n_passes = nets[k].n_passes;
    }
    if (!(r->slot = calloc((size_t)r->n_images + 1, sizeof *r->slot))) goto memory;
    assign_slots(r);
    r->weight = calloc((size_t)r->n_slots + 2, sizeof *r->weight);
    r->right = calloc((size_t)n_nets * (size_t)r->n_slots + 1, 1);
    r->pass = calloc((size_t)r->n_passes + 1, sizeof *r->pass);
    r->passes = calloc((size_t)r->n_passes + 1, sizeof *r->passes);
    if (!r->weight || !r->right || !r->pass || !r->passes) goto memory;
    note_right(r);
    *out = r;
    return 0;
memory:
    mnas_resample_close(r);
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: bootstrap of %d networks", n_nets);
}

void mnas_resample_close(mnas_resample *r) {
    if (!r) return;
    free(r->slot);
    free(r->weight);
    free(r->right);
    free(r->pass);
    free(r->passes);
    free(r);
}

static void draw_images(mnas_resample *r) {
    for (int i = 0; i < r->n_slots + 2; i++) r->weight[i] = 0;
    for (int i = 0; i < r->n_images; i++)
        r->weight[r->slot[mnas_rng_below(&r->rng, (uint32_t)r->n_images)]]++;
}

static double paired_accuracy(const mnas_resample *r, int net) {
    const uint8_t *right = r->right + (size_t)net * (size_t)r->n_slots;
    uint32_t n = r->weight[r->n_slots];
    for (int i = 0; i < r->n_slots; i++) n += r->weight[i] * right[i];
    return (double)n / r->n_images;
}

static double unpaired_accuracy(mnas_resample *r, const mnas_resample_net *net) {
    double p = net->accuracy_frac;
    if (net->n_images < 1) return p;
    return fmin(1, fmax(0, p + sqrt(p * (1 - p) / net->n_images) * mnas_rng_normal(&r->rng)));
}

/* The median over the drawn passes that this network has. */
static double drawn_ms(const mnas_resample *r, const mnas_resample_net *net) {
    size_t n = 0;
    for (int i = 0; i < r->n_passes; i++) {
        if (r->pass[i] < (uint32_t)net->n_passes && isfinite(net->pass_ms[r->pass[i]]))
            r->passes[n++] = net->pass_ms[r->pass[i]];
    }
    return n > 0 ? mnas_stats_median(r->passes, n) : net->ms;
}

void mnas_resample_draw(mnas_resample *r, double *accuracy_frac, double *ms) {
    draw_images(r);
    for (int i = 0; i < r->n_passes; i++) r->pass[i] = mnas_rng_below(&r->rng, (uint32_t)r->n_passes);
    for (int k = 0; k < r->n_nets; k++) {
        accuracy_frac[k] = is_paired(r, k) ? paired_accuracy(r, k) : unpaired_accuracy(r, &r->nets[k]);
        ms[k] = drawn_ms(r, &r->nets[k]);
    }
}
