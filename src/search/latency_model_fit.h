/* latency_model_fit.h - what a fit works on: the networks given, their different layers (knots), and what is known of each.
 *
 * latency_model_fit.c makes it and finds the rates; latency_model_smooth.c finds the corrections. Everything lies in one
 * arena, which is released when the model is made.
 */
#ifndef MNAS_SEARCH_LATENCY_MODEL_FIT_H
#define MNAS_SEARCH_LATENCY_MODEL_FIT_H

#include "base/arena.h"
#include "search/latency_model.h"

typedef struct mnas_lm_work {
    mnas_arena *arena;
    int n;                     /* networks */
    const mnas_lm_sample **of; /* [n] */
    int **knot;                /* [n][net.n]: which knot each of its layers is */
    int n_knots, n_kinds;
    mnas_lm_layer *layer; /* [n_knots] different ones, in the order of their kinds */
    int *kind, *begin;    /* [n_knots]; [n_kinds + 1]: the knots of kind k are begin[k] .. begin[k + 1] - 1 */
    double common_rate[MNAS_LM_FEATURES]; /* as if all were of one kind */
    double *rate;                         /* [n_kinds, MNAS_LM_FEATURES] */
    double *base_ms;                      /* [n_knots] by the rates */
    double *timed_ms; /* [n_knots] mean of the times it had on its own; 0 where it had none */
    double *weight;   /* [n_knots] of the correction */
} mnas_lm_work;

/* Zeroed, of the arena; NULL with its message set. */
void *mnas_lm_take(mnas_lm_work *work, size_t n, size_t bytes);

/* Sets weight and *scale from everything else. */
int mnas_lm_smooth(mnas_lm_work *work, double *scale);

#endif
