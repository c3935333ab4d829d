/* screen.c - see screen.h. It knows no trial's course. */
#include "search/screen.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"

static const double default_factor = 1.5;
static const size_t max_model_bytes = (size_t)64 << 20;

static int hash_file(const char *path, uint64_t *hash) {
    char *bytes;
    size_t n;
    const int rc = mnas_file_read(path, max_model_bytes, &bytes, &n);
    if (rc < 0) return rc;
    *hash = mnas_hash_bytes(MNAS_HASH_INIT, bytes, n);
    free(bytes);
    return 0;
}

int mnas_screen_open(mnas_screen *out, const char *path, double factor, double target_ms) {
    uint64_t hash = 0;
    *out = (mnas_screen){0};
    if (factor == 0) factor = default_factor;
    if (!(factor >= 1 && factor <= 1e6))
        return mnas_error_set(MNAS_ERR_ARG, "screen-factor is %g; allowed: 1 to 1e6", factor);
    if (isnan(target_ms))
        return mnas_error_set(
            MNAS_ERR_ARG,
            "screen needs a target-ms on the first device: what is too slow must be known beforehand");
    int rc = hash_file(path, &hash);
    if (rc == 0) rc = mnas_latency_model_load(&out->model, path);
    if (rc < 0) return mnas_error_context(rc, "screen");
    out->limit_ms = factor * target_ms;
    snprintf(out->fixed, sizeof out->fixed, "%016" PRIx64 ", factor %g", hash, factor);
    const mnas_latency_about *about = mnas_latency_model_about(out->model);
    mnas_log_info("screening by %s, fitted to %d networks on %s, mean error %.1f %%", path, about->n_networks,
                  about->conditions.device, 100 * about->error.mean_frac);
    return 0;
}

void mnas_screen_aim(mnas_screen *screen, const mnas_window *window) {
    screen->window = *window;
}

void mnas_screen_close(mnas_screen *screen) {
    mnas_latency_model_free(screen->model);
    *screen = (mnas_screen){0};
}

int mnas_screen_check(const mnas_screen *screen, const mnas_model *network) {
    const int fitted = mnas_latency_model_about(screen->model)->input_size;
    if (fitted == network->input_size) return 0;
    return mnas_error_set(MNAS_ERR_ARG,
                          "screen: the model is of images of %d pixels, these networks take %d; allowed: one "
                          "fitted at that size (mnas device-model fit --input %d)",
                          fitted, network->input_size, network->input_size);
}

/* Without a stated error it is neither. */
static bool is_out(const mnas_screen *s, const mnas_latency_guess *guess) {
    if (mnas_window_is_set(&s->window))
        return guess->high_ms < s->window.low_ms || guess->low_ms > s->window.high_ms; /* false for NaN */
    return isfinite(guess->error_frac) && guess->ms * (1 - guess->error_frac) > s->limit_ms;
}

int mnas_screen_look(const mnas_screen *screen, const mnas_model *network, mnas_trial *trial, bool *out) {
    mnas_latency_guess guess;
    *out = false;
    const int rc = mnas_latency_model_predict(&guess, screen->model, network);
    if (rc < 0) return rc;
    trial->predicted_ms = guess.ms;
    trial->predicted_error_frac = guess.error_frac;
    *out = is_out(screen, &guess);
    return 0;
}
