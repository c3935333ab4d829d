/* test_ppo_gradients.c - the controller's mathematics: the LSTM against its formula, every gradient of the
 * PPO loss against finite differences, Adam against its definition, the matrix product against three plain loops. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "strategy/adam.h"
#include "strategy/matmul.h"
#include "strategy/ppo_loss.h"

static void fill(double *x, size_t n, double range, mnas_rng *rng) {
    for (size_t i = 0; i < n; i++) x[i] = range * (2 * mnas_rng_uniform(rng) - 1);
}

/* ---- matrix product ---- */

static void check_matmul(size_t m, size_t n, size_t p, bool transposed, mnas_rng *rng) {
    double *a = malloc(m * p * sizeof *a), *w = malloc(p * n * sizeof *w), *got = malloc(m * n * sizeof *got),
           *want = malloc(m * n * sizeof *want);
    size_t a_m = transposed ? 1 : p, a_p = transposed ? m : 1;
    fill(a, m * p, 1, rng);
    fill(w, p * n, 1, rng);
    fill(got, m * n, 1, rng);
    memcpy(want, got, m * n * sizeof *want);
    mnas_matmul_add(got, a, a_m, a_p, w, m, n, p);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < p; k++) want[i * n + j] += a[i * a_m + k * a_p] * w[k * n + j];
    for (size_t i = 0; i < m * n; i++) assert_true(fabs(got[i] - want[i]) < 1e-13);
    free(a), free(w), free(got), free(want);
}

static void matmul_equals_plain_loops(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(1, 0, "test");
    for (size_t m = 1; m <= 9; m++)
        for (size_t n = 1; n <= 19; n += 3)
            for (size_t p = 1; p <= 12; p += 11) {
                check_matmul(m, n, p, false, &rng);
                check_matmul(m, n, p, true, &rng);
            }
}

/* ---- LSTM ---- */

static double sigmoid(double z) {
    return 1 / (1 + exp(-z));
}

static void lstm_of_one_unit_equals_the_formula(void **state) {
    (void)state;
    mnas_lstm_run run = {0};
    /* wx[1][i f g o] wh[1][i f g o] b[i f g o] */
    double w[12] = {0.5, -0.3, 0.8, 0.2, 0.1, 0.7, -0.4, 0.6, 0.05, 0.9, -0.1, 0.3}, x[3] = {1.5, -0.7, 0.4};
    double h = 0, c = 0;
    assert_int_equal(mnas_lstm_n_params((mnas_lstm_shape){1, 1}), 12);
    assert_int_equal(mnas_lstm_run_create(&run, (mnas_lstm_shape){1, 1}, 3, 1), 0);
    mnas_lstm_reset(&run, 1);
    for (size_t t = 0; t < 3; t++) {
        double z[4];
        for (int g = 0; g < 4; g++) z[g] = w[8 + g] + x[t] * w[g] + h * w[4 + g];
        c = sigmoid(z[1]) * c + sigmoid(z[0]) * tanh(z[2]);
        h = sigmoid(z[3]) * tanh(c);
        run.x[t] = x[t];
        mnas_lstm_step(&run, w, t);
        assert_true(fabs(run.h[t + 1] - h) < 1e-15 && fabs(run.c[t + 1] - c) < 1e-15);
    }
    mnas_lstm_run_destroy(&run);
}

/* ---- the whole loss ---- */

enum { T = 5, B = 5, N_EMBEDDING = 3, N_UNITS = 6 };
static const int cardinality[T] = {3, 2, 5, 1, 4};

typedef struct fixture {
    mnas_decision decisions[T];
    mnas_policy policy;
    int tokens[B * T];
    double log_probs[B * T], advantages[B];
    mnas_ppo_batch batch;
} fixture;

/* An LSTM, or independent softmaxes with 0, 0. Old log-probabilities `offset(i)` away from the present ones, i counting decisions over the whole batch. */
static void setup_sized(fixture *f, size_t n_embedding, size_t n_units, double (*offset)(int i),
                        double temperature, double entropy_weight) {
    mnas_rng rng = mnas_rng_stream(7, 0, "test");
    memset(f, 0, sizeof *f);
    for (int t = 0; t < T; t++) f->decisions[t].n_choices = cardinality[t];
    assert_int_equal(mnas_policy_create(&f->policy, f->decisions, T, n_embedding, n_units, temperature, B),
                     0);
    mnas_policy_init(&f->policy, 0.9, &rng);
    mnas_policy_sample(&f->policy, B, &rng, f->tokens);
    mnas_policy_evaluate(&f->policy, B, f->tokens);
    for (size_t i = 0; i < B * T; i++)
        f->log_probs[i] = mnas_policy_log_prob(&f->policy, i / T, i % T, f->tokens[i]) + offset((int)i);
    for (int i = 0; i < B; i++) f->advantages[i] = (i % 2 ? -1 : 1) * (0.5 + 0.3 * i);
    f->batch = (mnas_ppo_batch){B, f->tokens, f->log_probs, f->advantages, 0.2, entropy_weight};
}

static void setup(fixture *f, double (*offset)(int i), double temperature, double entropy_weight) {
    setup_sized(f, N_EMBEDDING, N_UNITS, offset, temperature, entropy_weight);
}

static double loss_at(fixture *f, size_t i, double shift) {
    double kept = f->policy.params[i];
    f->policy.params[i] = kept + shift;
    double loss = mnas_ppo_loss(&f->policy, &f->batch, NULL, NULL);
    f->policy.params[i] = kept;
    return loss;
}

/* Five-point central difference: error of order h^4. */
static double numeric(fixture *f, size_t i) {
    double h = 5e-4;
    return (8 * (loss_at(f, i, h) - loss_at(f, i, -h)) - (loss_at(f, i, 2 * h) - loss_at(f, i, -2 * h))) /
           (12 * h);
}

/* Returns the gradient's norm. */
static double check_gradient(fixture *f) {
    double *grad = malloc(f->policy.n_params * sizeof *grad), error = 0, norm = 0, worst = 0;
    mnas_ppo_loss(&f->policy, &f->batch, grad, NULL);
    for (size_t i = 0; i < f->policy.n_params; i++) {
        double want = numeric(f, i), off = fabs(grad[i] - want);
        error += off * off;
        norm += want * want;
        worst = fmax(worst, off / (fabs(want) + 1e-5));
    }
    free(grad);
    assert_true(sqrt(error) <= 1e-8 * sqrt(norm) || norm == 0);
    assert_true(worst <= 1e-6); /* every single parameter */
    return sqrt(norm);
}

static double none(int i) {
    return (void)i, 0;
}
static double
mixed(int i) { /* ratios 1.65, 0.61, 1.11, 0.9, 1: beyond and within 1 +- 0.2, with both signs of A */
    static const double offsets[] = {-0.5, 0.5, -0.1, 0.1, 0, 0.4, -0.6};
    return offsets[i % 7];
}

static void gradient_without_clipping(void **state) {
    (void)state;
    fixture f;
    setup(&f, none, 1, 0);
    f.batch.clip = 1e6;
    assert_true(check_gradient(&f) > 1e-3);
    mnas_policy_destroy(&f.policy);
}

static void gradient_with_clipping_entropy_and_temperature(void **state) {
    (void)state;
    fixture f;
    setup(&f, mixed, 1.7, 0.3);
    int n_active = 0;
    for (int i = 0; i < B * T; i++) { /* the case has both branches of min() */
        double ratio = exp(-mixed(i)), a = f.advantages[i / T];
        n_active += a > 0 ? ratio > 1.2 : ratio < 0.8;
    }
    assert_true(n_active >= 4 && n_active <= B * T - 4);
    assert_true(check_gradient(&f) > 1e-3);
    mnas_policy_destroy(&f.policy);
}

static void gradient_of_entropy_alone(void **state) {
    (void)state;
    fixture f;
    setup(&f, none, 0.6, 1);
    memset(f.advantages, 0, sizeof f.advantages);
    assert_true(check_gradient(&f) > 1e-3);
    mnas_policy_destroy(&f.policy);
}

static void gradient_of_independent_softmaxes(void **state) {
    (void)state;
    fixture f;
    setup_sized(&f, 0, 0, mixed, 1.7, 0.3);
    assert_int_equal(f.policy.n_params, 3 + 2 + 5 + 1 + 4);
    assert_true(check_gradient(&f) > 1e-3);
    mnas_policy_destroy(&f.policy);
}

/* d loss / d params of three rows alone, for both policies; it is added to what stands there. */
static void gradient_of_replay(void **state) {
    (void)state;
    enum { R = 3 };
    for (size_t units = 0; units <= N_UNITS; units += N_UNITS) {
        fixture f;
        setup_sized(&f, units ? N_EMBEDDING : 0, units, none, 1.3, 0);
        size_t n = f.policy.n_params;
        double *grad = malloc(n * sizeof *grad), *unused = calloc(n, sizeof *unused);
        for (size_t i = 0; i < n; i++) grad[i] = 1;
        mnas_ppo_replay(&f.policy, R, f.tokens, 0.7, grad);
        for (size_t i = 0; i < n; i++) {
            double h = 1e-4, kept = f.policy.params[i], up, down;
            f.policy.params[i] = kept + h;
            up = mnas_ppo_replay(&f.policy, R, f.tokens, 0.7, unused);
            f.policy.params[i] = kept - h;
            down = mnas_ppo_replay(&f.policy, R, f.tokens, 0.7, unused);
            f.policy.params[i] = kept;
            assert_true(fabs(grad[i] - 1 - (up - down) / (2 * h)) < 1e-8);
        }
        free(grad), free(unused);
        mnas_policy_destroy(&f.policy);
    }
}

static double beyond(int i) { /* ratio past the clip in the advantage's own direction, for every decision */
    return (i / T) % 2 ? 0.5 : -0.5;
}

static void clipped_decisions_have_no_gradient(void **state) {
    (void)state;
    fixture f;
    setup(&f, beyond, 1, 0);
    double *grad = malloc(f.policy.n_params * sizeof *grad);
    mnas_ppo_loss(&f.policy, &f.batch, grad, NULL);
    for (size_t i = 0; i < f.policy.n_params; i++) assert_true(grad[i] == 0);
    f.batch.clip = 1; /* 1.65 is inside now: the same case has one */
    mnas_ppo_loss(&f.policy, &f.batch, grad, NULL);
    assert_true(mnas_adam_clip_norm(grad, f.policy.n_params, 0) > 1e-3);
    free(grad);
    mnas_policy_destroy(&f.policy);
}

static void loss_and_entropy_equal_their_formula(void **state) {
    (void)state;
    fixture f;
    double want = 0, entropy = 0, got_entropy;
    setup(&f, mixed, 1, 0.3);
    double loss = mnas_ppo_loss(&f.policy, &f.batch, NULL, &got_entropy);
    for (int i = 0; i < B * T; i++) {
        double ratio = exp(-mixed(i)), a = f.advantages[i / T];
        double clipped = ratio < 0.8 ? 0.8 : ratio > 1.2 ? 1.2 : ratio;
        want -= fmin(ratio * a, clipped * a) / (B * T);
        for (int k = 0; k < cardinality[i % T]; k++) {
            double log_prob = mnas_policy_log_prob(&f.policy, (size_t)i / T, (size_t)i % T, k);
            entropy -= exp(log_prob) * log_prob / (B * T);
        }
    }
    assert_true(fabs(got_entropy - entropy) < 1e-14);
    assert_true(fabs(loss - (want - 0.3 * entropy)) < 1e-12);
    mnas_policy_destroy(&f.policy);
}

/* ---- policy ---- */

/* At proposing one row runs, in an update many: a ratio of 1 must be exactly 1. */
static void rows_do_not_depend_on_their_neighbours(void **state) {
    (void)state;
    fixture f;
    setup(&f, none, 1, 0);
    for (size_t row = 0; row < B; row++) {
        mnas_policy_evaluate(&f.policy, 1, f.tokens + row * T);
        for (size_t t = 0; t < T; t++)
            assert_true(mnas_policy_log_prob(&f.policy, 0, t, f.tokens[row * T + t]) ==
                        f.log_probs[row * T + t]);
    }
    mnas_policy_destroy(&f.policy);
}

/* Earlier tokens change later conditionals, the choices' probabilities sum to 1, samples follow them. */
static void samples_follow_the_conditionals(void **state) {
    (void)state;
    enum { N = 4000 };
    fixture f;
    setup(&f, none, 1, 0);
    mnas_rng rng = mnas_rng_stream(3, 0, "test");
    double expected[2] = {0}, counted[2] = {0};
    for (int i = 0; i < N; i++) {
        int tokens[T];
        mnas_policy_sample(&f.policy, 1, &rng, tokens);
        double p = exp(mnas_policy_log_prob(&f.policy, 0, 1, 0)),
               q = exp(mnas_policy_log_prob(&f.policy, 0, 1, 1));
        assert_true(fabs(p + q - 1) < 1e-12);
        expected[0] += p;
        counted[0] += tokens[1] == 0;
        expected[1] += exp(mnas_policy_log_prob(&f.policy, 0, 4, 2));
        counted[1] += tokens[4] == 2;
    }
    for (int i = 0; i < 2; i++) assert_true(fabs(expected[i] - counted[i]) < 5 * sqrt(0.25 * N));
    int a[T] = {0, 0, 0, 0, 0}, b[T] = {2, 0, 0, 0, 0};
    mnas_policy_evaluate(&f.policy, 1, a);
    double after_a = mnas_policy_log_prob(&f.policy, 0, 4, 0);
    mnas_policy_evaluate(&f.policy, 1, b);
    assert_true(fabs(mnas_policy_log_prob(&f.policy, 0, 4, 0) - after_a) > 1e-6);
    mnas_policy_destroy(&f.policy);
}

/* ---- Adam ---- */

static void adam_equals_its_definition(void **state) {
    (void)state;
    double params[2] = {1, -2}, m[2] = {0}, v[2] = {0}, want[2] = {1, -2}, wm[2] = {0}, wv[2] = {0};
    mnas_adam adam = {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .m = m, .v = v};
    for (int t = 1; t <= 5; t++) {
        double grad[2] = {0.3 * t, -1.0 / t};
        mnas_adam_step(&adam, params, grad, 2);
        for (int i = 0; i < 2; i++) {
            wm[i] = 0.9 * wm[i] + 0.1 * grad[i];
            wv[i] = 0.999 * wv[i] + 0.001 * grad[i] * grad[i];
            want[i] -= 0.01 * (wm[i] / (1 - pow(0.9, t))) / (sqrt(wv[i] / (1 - pow(0.999, t))) + 1e-8);
            assert_true(fabs(params[i] - want[i]) < 1e-14);
        }
    }
    assert_int_equal(adam.n_steps, 5);
}

static void norm_is_clipped_only_above_the_limit(void **state) {
    (void)state;
    double grad[2] = {3, 4};
    assert_true(mnas_adam_clip_norm(grad, 2, 6) == 5 && grad[0] == 3);
    assert_true(mnas_adam_clip_norm(grad, 2, 0) == 5 && grad[0] == 3);
    assert_true(mnas_adam_clip_norm(grad, 2, 0.5) == 5);
    assert_true(fabs(grad[0] - 0.3) < 1e-15 && fabs(grad[1] - 0.4) < 1e-15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matmul_equals_plain_loops),
        cmocka_unit_test(lstm_of_one_unit_equals_the_formula),
        cmocka_unit_test(gradient_without_clipping),
        cmocka_unit_test(gradient_with_clipping_entropy_and_temperature),
        cmocka_unit_test(gradient_of_entropy_alone),
        cmocka_unit_test(gradient_of_independent_softmaxes),
        cmocka_unit_test(gradient_of_replay),
        cmocka_unit_test(clipped_decisions_have_no_gradient),
        cmocka_unit_test(loss_and_entropy_equal_their_formula),
        cmocka_unit_test(rows_do_not_depend_on_their_neighbours),
        cmocka_unit_test(samples_follow_the_conditionals),
        cmocka_unit_test(adam_equals_its_definition),
        cmocka_unit_test(norm_is_clipped_only_above_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
