/* schedule.c - warm-up and decay in closed form. It keeps no state, so a resumed training needs only its step. */
#include "train/schedule.h"

#include <math.h>

static double decayed(const mnas_schedule *s, double epoch) {
    switch (s->kind) {
    case MNAS_SCHEDULE_EXPONENTIAL: /* lr r^floor(e / d) */
        return s->lr * pow(s->decay_rate, floor(epoch / s->decay_epochs + 1e-9));
    case MNAS_SCHEDULE_COSINE: /* lr (1 + cos(pi e / E)) / 2 */
        return s->lr * 0.5 * (1.0 + cos(3.14159265358979323846 * fmin(epoch / s->epochs, 1.0)));
    default:
        return s->lr;
    }
}

double mnas_schedule_lr(const mnas_schedule *schedule, int step) {
    double epoch = step / schedule->steps_per_epoch;
    if (epoch < schedule->warmup_epochs) return schedule->lr * epoch / schedule->warmup_epochs;
    return decayed(schedule, epoch);
}
