/* window.h - the latencies that a search was asked to hit: from (1 - frac) x target up to the target, on its one device.
 *
 * A latency is known before anything is trained. What lies outside is measured and left there: a trial that is pruned for its
 * latency, cheap, and told to the strategy with that latency. So whatever is trained can be handed over.
 * It decides about a latency alone; who measures, and how often, is the loop's business.
 */
#ifndef MNAS_SEARCH_WINDOW_H
#define MNAS_SEARCH_WINDOW_H

#include <stdbool.h>

#include "mnas.h"

typedef struct mnas_window {
    double low_ms, high_ms; /* both inside; 0, 0: none was asked for */
} mnas_window;

/* frac 0: none. MNAS_ERR_ARG: no fraction, no target, several devices. */
int mnas_window_open(mnas_window *out, double frac, double target_ms, int n_devices);
/* From a study's settings "window" and "target_ms", either NULL where it has none. False: no window. */
bool mnas_window_read(mnas_window *out, const char *frac, const char *target_ms);
bool mnas_window_is_set(const mnas_window *window);
bool mnas_window_holds(const mnas_window *window, double ms);

/* The reasons of trials that are pruned before their training: MNAS_PRUNED_SCREENED by a latency model, unmeasured;
 * MNAS_PRUNED_LATENCY measured, outside the window. And of those whose training was ended at a rung of epochs. */
#define MNAS_PRUNED_SCREENED "screened"
#define MNAS_PRUNED_LATENCY  "latency"
#define MNAS_PRUNED_RUNG     "rung"
bool mnas_trial_is_pruned_for(const mnas_trial *trial, const char *reason);

/* What is known of the window from one more trial; begin with mnas_landing_begin. */
void mnas_landing_begin(mnas_landing *out, const mnas_window *window);
void mnas_landing_count(mnas_landing *landing, const mnas_trial *trial);
void mnas_landing_count_final(mnas_landing *landing, const mnas_final *final);

#endif
