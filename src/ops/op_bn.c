/* op_bn.c - batch normalisation over N, H, W with its activation behind it.
 *
 * y = act(gamma (x - mean) / sqrt(var + epsilon) + beta). Training: mean and biased variance of the batch,
 * and moving = momentum moving + (1 - momentum) batch, the variance times n / (n - 1) first where
 * node->unbiased; otherwise the moving statistics. Parameters: gamma, beta, moving mean, moving variance, [C] each.
 *
 * saved: batch mean [C], then 1 / sqrt(var + epsilon) [C]. Backward computes the value in front of the
 * activation again rather than keep dst alive: one multiply-add is cheaper than the memory. It is only called
 * after a training forward.
 */
#include "ops/reference.h"

#include "base/error.h"

static int shape(mnas_node *node, const mnas_shape *in) {
    if (node->act == MNAS_ACT_SIGMOID)
        return mnas_error_set(MNAS_ERR_INVALID,
                              "bn's activation is sigmoid; allowed: none, relu, relu6, swish, hswish");
    if (!(node->epsilon > 0) || !(node->momentum >= 0 && node->momentum <= 1))
        return mnas_error_set(MNAS_ERR_INVALID,
                              "bn's epsilon is %g and momentum %g; allowed: above 0, and 0 to 1",
                              node->epsilon, node->momentum);
    node->out = in[0];
    return 0;
}

static int declare(mnas_graph *graph, const mnas_shape *in) {
    static const struct {
        mnas_param_role role;
        const char *suffix;
    } params[] = {
        {MNAS_PARAM_GAMMA, "weight"},
        {MNAS_PARAM_BETA, "bias"},
        {MNAS_PARAM_MEAN, "running_mean"},
        {MNAS_PARAM_VAR, "running_var"},
    };
    int rc = 0;
    for (int i = 0; i < 4 && rc >= 0; i++)
        rc = mnas_graph_add_param(graph, params[i].role, params[i].suffix, 1, &in[0].c);
    return rc;
}

static size_t saved_bytes(const mnas_node *node, const mnas_shape *in, int batch) {
    (void)node, (void)batch;
    return 2 * (size_t)in[0].c * sizeof(float);
}

/* Mean and biased variance of channel c over n values; two passes, so that a large mean costs no digits. */
static void batch_statistics(const mnas_call *call, int c, int64_t n, double *mean, double *var) {
    int channels = call->in[0].c;
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)call->src[0][i * channels + c];
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)call->src[0][i * channels + c] - *mean;
        squares += d * d;
    }
    *var = squares / (double)n;
}

static void update_moving(const mnas_call *call, int c, int64_t n, double mean, double var) {
    double keep = call->node->momentum;
    if (call->node->unbiased && n > 1) var *= (double)n / (double)(n - 1);
    call->param[2][c] = (float)(keep * (double)call->param[2][c] + (1 - keep) * mean);
    call->param[3][c] = (float)(keep * (double)call->param[3][c] + (1 - keep) * var);
}

static void forward(const mnas_call *call) {
    int channels = call->in[0].c;
    int64_t n = mnas_ref_size(call->in[0], call->batch) / channels;
    for (int c = 0; c < channels; c++) {
        double mean = (double)call->param[2][c], var = (double)call->param[3][c];
        if (call->training) {
            batch_statistics(call, c, n, &mean, &var);
            update_moving(call, c, n, mean, var);
        }
        double rstd = 1 / sqrt(var + call->node->epsilon);
        if (call->training) {
            float *saved = call->saved;
            saved[c] = (float)mean;
            saved[channels + c] = (float)rstd;
        }
        double scale = (double)call->param[0][c] * rstd, beta = (double)call->param[1][c];
        for (int64_t i = c; i < n * channels; i += channels)
            call->dst[i] =
                (float)mnas_act_value(call->node->act, ((double)call->src[0][i] - mean) * scale + beta);
    }
}

/* With xhat = (x - mean) rstd, g = ddst act'(gamma xhat + beta) and means over n values:
 *   dbeta = sum g,  dgamma = sum g xhat,  dx = gamma rstd (g - dbeta / n - xhat dgamma / n) */
static void backward_channel(const mnas_call *call, int c) {
    int channels = call->in[0].c;
    int64_t size = mnas_ref_size(call->in[0], call->batch), n = size / channels;
    const float *saved = call->saved, *src = call->src[0];
    double mean = (double)saved[c], rstd = (double)saved[channels + c];
    double gamma = (double)call->param[0][c], beta = (double)call->param[1][c];
    double dgamma = 0, dbeta = 0;
    for (int64_t i = c; i < size; i += channels) {
        double xhat = ((double)src[i] - mean) * rstd;
        double g = (double)call->ddst[i] * mnas_act_slope(call->node->act, gamma * xhat + beta);
        dbeta += g;
        dgamma += g * xhat;
    }
    call->dparam[0][c] = (float)dgamma;
    call->dparam[1][c] = (float)dbeta;
    if (!call->dsrc[0]) return;
    for (int64_t i = c; i < size; i += channels) {
        double xhat = ((double)src[i] - mean) * rstd;
        double g = (double)call->ddst[i] * mnas_act_slope(call->node->act, gamma * xhat + beta);
        call->dsrc[0][i] = (float)(gamma * rstd * (g - (dbeta + xhat * dgamma) / (double)n));
    }
}

static void backward(const mnas_call *call) {
    for (int c = 0; c < call->in[0].c; c++) backward_channel(call, c);
}

const mnas_op mnas_op_bn = {
    .plugin = {"bn", "batch normalisation and activation", NULL, 0},
    .n_in = 1,
    .backward_reads_src = true,
    .inplace_backward = true,
    .shape = shape,
    .declare = declare,
    .saved_bytes = saved_bytes,
    .forward = forward,
    .backward = backward,
};
