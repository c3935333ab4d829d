/* strategy_internal.h - for tests of this layer: the instance behind the wrapper. */
#ifndef MNAS_STRATEGY_INTERNAL_H
#define MNAS_STRATEGY_INTERNAL_H

#include "strategy/strategy.h"

void *mnas_strategy_self(mnas_strategy *strategy); /* replaced by every successful load */

#endif
