/* lstm.c - see lstm.h. The cell of Hochreiter & Schmidhuber with a forget gate, as loops:
 *
 *     z = b + x_t wx + h_{t-1} wh
 *     i = sigmoid(z_i)  f = sigmoid(z_f)  g = tanh(z_g)  o = sigmoid(z_o)
 *     c_t = f c_{t-1} + i g        h_t = o tanh(c_t)
 *
 * In double precision, so that finite differences can check every gradient. No threads: the same inputs give
 * the same bits.
 */
#include "strategy/lstm.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "strategy/matmul.h"

enum { N_GATES = 4 };

size_t mnas_lstm_n_params(mnas_lstm_shape s) {
    return (s.n_inputs + s.n_units + 1) * N_GATES * s.n_units;
}

int mnas_lstm_run_create(mnas_lstm_run *run, mnas_lstm_shape shape, size_t n_steps, size_t max_rows) {
    size_t E = shape.n_inputs, H = shape.n_units, TR = n_steps * max_rows;
    struct {
        double **field;
        size_t n;
    } parts[] = {{&run->x, TR * E},
                 {&run->gates, TR * N_GATES * H},
                 {&run->tanh_c, TR * H},
                 {&run->h, TR * H + max_rows * H},
                 {&run->c, TR * H + max_rows * H},
                 {&run->dx, TR * E},
                 {&run->dh, TR * H},
                 {&run->dgates, TR * N_GATES * H},
                 {&run->dh_next, max_rows * H},
                 {&run->dc, max_rows * H},
                 {&run->wx_t, N_GATES * H * E},
                 {&run->wh_t, N_GATES * H * H}};
    size_t n_parts = sizeof parts / sizeof *parts, total = 0;
    for (size_t i = 0; i < n_parts; i++) total += parts[i].n;
    run->memory = calloc(total, sizeof(double));
    if (!run->memory)
        return mnas_error_set(MNAS_ERR_MEMORY, "the controller's LSTM needs %zu bytes",
                              total * sizeof(double));
    double *at = run->memory;
    for (size_t i = 0; i < n_parts; at += parts[i].n, i++) *parts[i].field = at;
    run->shape = shape;
    run->n_steps = n_steps;
    run->max_rows = max_rows;
    mnas_lstm_reset(run, max_rows);
    return 0;
}

void mnas_lstm_run_destroy(mnas_lstm_run *run) {
    free(run->memory);
    memset(run, 0, sizeof *run);
}

void mnas_lstm_reset(mnas_lstm_run *run, size_t n_rows) {
    assert(n_rows >= 1 && n_rows <= run->max_rows);
    run->n_rows = n_rows;
    memset(run->h, 0, n_rows * run->shape.n_units * sizeof(double));
    memset(run->c, 0, n_rows * run->shape.n_units * sizeof(double));
}

static double sigmoid(double z) {
    return 1.0 / (1.0 + exp(-z));
}
/* to 1e-16 of 1; the library's keeps relative precision near 0, which costs a fifth of the whole update */
static double squash(double z) {
    return 2 * sigmoid(2 * z) - 1;
}

void mnas_lstm_step(mnas_lstm_run *run, const double *params, size_t t) {
    size_t E = run->shape.n_inputs, H = run->shape.n_units, R = run->n_rows, G = N_GATES * H;
    const double *wx = params, *wh = wx + E * G, *b = wh + H * G;
    double *z = run->gates + t * R * G;
    for (size_t r = 0; r < R; r++) memcpy(z + r * G, b, G * sizeof *z);
    mnas_matmul_add(z, run->x + t * R * E, E, 1, wx, R, G, E);
    mnas_matmul_add(z, run->h + t * R * H, H, 1, wh, R, G, H);
    for (size_t r = 0; r < R; r++) {
        double *gi = z + r * G, *gf = gi + H, *gg = gf + H, *go = gg + H;
        size_t row = (t * R + r) * H, next = row + R * H;
        for (size_t j = 0; j < H; j++) {
            gi[j] = sigmoid(gi[j]);
            gf[j] = sigmoid(gf[j]);
            gg[j] = squash(gg[j]);
            go[j] = sigmoid(go[j]);
            run->c[next + j] = gf[j] * run->c[row + j] + gi[j] * gg[j];
            run->tanh_c[row + j] = squash(run->c[next + j]);
            run->h[next + j] = go[j] * run->tanh_c[row + j];
        }
    }
}

/* d loss / d z of step t from dh (its own and what step t + 1 sent back) and dc; dc becomes that of step t
 * - 1. */
static void backward_cell(mnas_lstm_run *run, size_t t) {
    size_t H = run->shape.n_units, R = run->n_rows, G = N_GATES * H;
    for (size_t r = 0; r < R; r++) {
        size_t row = (t * R + r) * H;
        const double *gi = run->gates + (t * R + r) * G, *gf = gi + H, *gg = gf + H, *go = gg + H;
        double *di = run->dgates + (t * R + r) * G, *df = di + H, *dg = df + H, *dO = dg + H;
        double *dc = run->dc + r * H;
        for (size_t j = 0; j < H; j++) {
            double dh = run->dh[row + j] + run->dh_next[r * H + j], tc = run->tanh_c[row + j];
            dc[j] += dh * go[j] * (1 - tc * tc);
            dO[j] = dh * tc * go[j] * (1 - go[j]);
            di[j] = dc[j] * gg[j] * gi[j] * (1 - gi[j]);
            df[j] = dc[j] * run->c[row + j] * gf[j] * (1 - gf[j]);
            dg[j] = dc[j] * gi[j] * (1 - gg[j] * gg[j]);
            dc[j] *= gf[j];
        }
    }
}

void mnas_lstm_backward(mnas_lstm_run *run, const double *params, double *grad) {
    size_t E = run->shape.n_inputs, H = run->shape.n_units, R = run->n_rows, G = N_GATES * H,
           T = run->n_steps;
    const double *wx = params, *wh = wx + E * G;
    mnas_matmul_transpose(run->wx_t, wx, E, G);
    mnas_matmul_transpose(run->wh_t, wh, H, G);
    memset(run->dh_next, 0, R * H * sizeof(double));
    memset(run->dc, 0, R * H * sizeof(double));
    for (size_t t = T; t-- > 0;) {
        backward_cell(run, t);
        memset(run->dh_next, 0, R * H * sizeof(double));
        mnas_matmul_add(run->dh_next, run->dgates + t * R * G, G, 1, run->wh_t, R, H, G);
    }
    memset(run->dx, 0, T * R * E * sizeof(double));
    mnas_matmul_add(run->dx, run->dgates, G, 1, run->wx_t, T * R, E, G);
    /* all steps at once: run.h[t] is the h_{t-1} that step t saw */
    mnas_matmul_add(grad, run->x, 1, E, run->dgates, E, G, T * R);
    mnas_matmul_add(grad + E * G, run->h, 1, H, run->dgates, H, G, T * R);
    double *db = grad + (E + H) * G;
    for (size_t i = 0; i < T * R; i++)
        for (size_t k = 0; k < G; k++) db[k] += run->dgates[i * G + k];
}
