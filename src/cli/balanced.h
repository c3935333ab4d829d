/* balanced.h - when balanced accuracy is shown beside accuracy: where it says something else. */
#ifndef MNAS_CLI_BALANCED_H
#define MNAS_CLI_BALANCED_H

#include <math.h>
#include <stdio.h>

#include "base/human.h"

enum { MNAS_CLI_BALANCED_BYTES = 64 };

/* " (balanced 71.30 %)", or "" where both agree to a thousandth: in data whose classes are of one size. */
static inline void mnas_cli_balanced(double accuracy_frac, double balanced_frac,
                                     char buf[MNAS_CLI_BALANCED_BYTES]) {
    char text[MNAS_HUMAN_BYTES];
    buf[0] = '\0';
    if (!(fabs(accuracy_frac - balanced_frac) >= 0.001)) return;
    mnas_human_percent(balanced_frac, text);
    snprintf(buf, MNAS_CLI_BALANCED_BYTES, " (balanced %s)", text);
}

#endif
