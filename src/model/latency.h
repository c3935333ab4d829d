/* latency.h - the measurement of which nothing is known yet: what a trial, a table's line and a device start with. */
#ifndef MNAS_MODEL_LATENCY_H
#define MNAS_MODEL_LATENCY_H

#include "mnas.h"

/* Every field is NaN, -1, "" or false. */
mnas_latency mnas_latency_unknown(void);
/* Its engine, where nobody measured. */
#define MNAS_LATENCY_DEFAULT "table default"

/* Half the interval over the median; NaN where there is none. */
double mnas_latency_half_frac(const mnas_latency *latency);

#endif
