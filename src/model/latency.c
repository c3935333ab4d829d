/* latency.c - see latency.h. A field added to mnas_latency gets its "unknown" here and nowhere else. */
#include "model/latency.h"

#include <math.h>
#include <string.h>

mnas_latency mnas_latency_unknown(void) {
    return (mnas_latency){.median_ms = NAN,
                          .ci_low_ms = NAN,
                          .ci_high_ms = NAN,
                          .ci_level = NAN,
                          .spread_frac = NAN,
                          .rounds = -1,
                          .runs = -1,
                          .warmup_runs = -1,
                          .threads = -1,
                          .core = -1,
                          .n_disturbed = -1,
                          .n_cpu_timed = -1,
                          .raw_ms = NAN,
                          .sentinel_ms = NAN,
                          .drift_frac = NAN,
                          .n_refused = -1,
                          .load_before = NAN,
                          .load_after = NAN,
                          .freq_before_mhz = NAN,
                          .freq_mhz = NAN,
                          .temp_before_c = NAN,
                          .temp_c = NAN,
                          .elapsed_s = NAN};
}

double mnas_latency_half_frac(const mnas_latency *l) {
    const double half = (l->ci_high_ms - l->ci_low_ms) / 2 / l->median_ms;
    return half >= 0 && isfinite(half) ? half : (double)NAN;
}

bool mnas_latency_is_measured(const mnas_latency *l) {
    return strcmp(l->engine, MNAS_LATENCY_DEFAULT) != 0;
}
