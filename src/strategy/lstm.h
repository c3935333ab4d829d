/* lstm.h - one LSTM layer over a batch of equally long sequences, forward step by step, backward through all of time.
 *
 * Shapes (row-major): T steps, R rows (sequences side by side), E inputs, H units.
 *     parameters: wx[E][4H] wh[H][4H] b[4H], one behind the other; a row's gates in the order i f g o
 *     run.x[T][R][E]  run.gates[T][R][4H] (after their squashing)  run.tanh_c[T][R][H]
 *     run.h[T+1][R][H]  run.c[T+1][R][H]: index 0 is the start (zeros), index t+1 the output of step t
 *
 * Use: reset, fill run.x[t], step(t), read run.h[t+1], ... ; then fill run.dh[t] (d loss / d output of step
 * t) for all t and call backward, which adds to the parameters' gradient and leaves run.dx[T][R][E].
 */
#ifndef MNAS_STRATEGY_LSTM_H
#define MNAS_STRATEGY_LSTM_H

#include <stddef.h>

typedef struct mnas_lstm_shape {
    size_t n_inputs, n_units; /* E, H */
} mnas_lstm_shape;

typedef struct mnas_lstm_run {
    mnas_lstm_shape shape;
    size_t n_steps, max_rows, n_rows; /* T, room for R, R now */
    double *x, *gates, *tanh_c, *h, *c;
    double *dx, *dh, *dgates; /* [T][R][E], [T][R][H], [T][R][4H] */
    double *dh_next, *dc;     /* [R][H] carried from step t + 1 to t */
    double *wx_t, *wh_t;      /* transposed weights */
    double *memory;           /* holds all of the above */
} mnas_lstm_run;

size_t mnas_lstm_n_params(mnas_lstm_shape shape);

int mnas_lstm_run_create(mnas_lstm_run *run, mnas_lstm_shape shape, size_t n_steps, size_t max_rows);
void mnas_lstm_run_destroy(mnas_lstm_run *run);

void mnas_lstm_reset(mnas_lstm_run *run, size_t n_rows); /* 1 <= n_rows <= max_rows */
void mnas_lstm_step(mnas_lstm_run *run, const double *params, size_t t);
void mnas_lstm_backward(mnas_lstm_run *run, const double *params, double *grad);

#endif
