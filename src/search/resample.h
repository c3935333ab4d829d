/* resample.h - what other images and other passes of measuring might have shown: one bootstrap sample after another of the
 * accuracies and latencies of some networks.
 *
 * Paired: every network answers the same drawn images, and is timed in the same drawn passes, because what is hard for one
 * is hard for the others, and passes over all networks alternate. Another training of the same network is not in it.
 */
#ifndef MNAS_SEARCH_RESAMPLE_H
#define MNAS_SEARCH_RESAMPLE_H

#include <stdint.h>

typedef struct mnas_resample_net {
    double accuracy_frac, ms; /* as measured */
    const uint8_t
        *correct; /* [n_images] or NULL: its accuracy then varies by itself, as a binomial share does */
    int n_images;
    const double *pass_ms; /* [n_passes], or n_passes 0: its latency then does not vary */
    int n_passes;
} mnas_resample_net;

typedef struct mnas_resample mnas_resample;

/* Networks whose n_images is not that of the first one are not paired. What `nets` points to must outlive *out.
 * `stream`: samples of different streams are independent; those of one are the same at every run. */
int mnas_resample_open(mnas_resample **out, const mnas_resample_net *nets, int n_nets, uint64_t stream);
void mnas_resample_draw(mnas_resample *r, double *accuracy_frac, double *ms); /* [n_nets] each */
void mnas_resample_close(mnas_resample *r);                                   /* NULL is allowed */

#endif
