/* Softmax cross-entropy: values by hand, gradient by central differences, ranks with ties and broken logits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "base/rng.h"
#include "ops/loss.h"

enum { N = 3, K = 7 };

static void by_hand(void **state) {
    (void)state;
    const float logits[] = {0, 0, (float)log(2), /**/ 1000, 0, -1000};
    const int32_t labels[] = {2, 0};
    float gradient[6];
    mnas_loss loss = mnas_loss_softmax(logits, labels, 2, 3, 0, gradient);
    assert_float_equal((float)loss.loss, (float)(log(2) / 2), 1e-6f);
    assert_int_equal(loss.n_top1, 2);
    assert_int_equal(loss.n_top5, 2);
    const float expected[] = {0.125f, 0.125f, -0.25f, 0, 0, 0};
    for (int i = 0; i < 6; i++) assert_float_equal(gradient[i], expected[i], 1e-6f);
    /* smoothing 0.3 over 3 classes: targets 0.1, 0.1, 0.8 against probabilities 1/4, 1/4, 1/2 */
    loss = mnas_loss_softmax(logits, labels, 1, 3, 0.3, gradient);
    assert_float_equal((float)loss.loss, (float)(0.2 * log(4) + 0.8 * log(2)), 1e-6f);
    const float smoothed[] = {0.15f, 0.15f, -0.3f};
    for (int i = 0; i < 3; i++) assert_float_equal(gradient[i], smoothed[i], 1e-6f);
}

static void gradient(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(1, 0, "loss");
    float logits[N * K], dlogits[N * K];
    const int32_t labels[N] = {0, 6, 3};
    for (int i = 0; i < N * K; i++) logits[i] = 2 * (float)mnas_rng_normal(&rng);
    for (int s = 0; s < 2; s++) {
        double smoothing = 0.1 * s;
        mnas_loss_softmax(logits, labels, N, K, smoothing, dlogits);
        for (int i = 0; i < N * K; i++) {
            float at = logits[i], up = at + 5e-3f, down = at - 5e-3f;
            logits[i] = up;
            double high = mnas_loss_softmax(logits, labels, N, K, smoothing, NULL).loss;
            logits[i] = down;
            double low = mnas_loss_softmax(logits, labels, N, K, smoothing, NULL).loss;
            logits[i] = at;
            double slope = (high - low) / ((double)up - (double)down);
            assert_true(fabs(slope - (double)dlogits[i]) <= 1e-3 * (fabs(slope) + 1e-2));
        }
    }
}

static void ranks(void **state) {
    (void)state;
    const float flat[6] = {1, 1, 1, 1, 1, 1}, nan[6] = {NAN, NAN, NAN, NAN, NAN, NAN};
    for (int32_t label = 0; label < 6; label++) {
        mnas_loss loss = mnas_loss_softmax(flat, &label, 1, 6, 0, NULL);
        assert_int_equal(loss.n_top1, label < 1); /* ties go to the lower index */
        assert_int_equal(loss.n_top5, label < 5);
        loss = mnas_loss_softmax(nan, &label, 1, 6, 0, NULL);
        assert_int_equal(loss.n_top1 + loss.n_top5, 0);
        assert_true(!isfinite(loss.loss));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand), cmocka_unit_test(gradient),
                                       cmocka_unit_test(ranks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
