/* shadow.h - whether a strategy beat chance: mnas_shadow of any rows of trials. mnas.h says what is counted.
 *
 * It cannot see repeats, which have no row: in a space so small that chance proposes known networks again, its later draws
 * miss the good ones that the strategy has found already, and it looks a little worse than it is.
 */
#ifndef MNAS_SEARCH_SHADOW_H
#define MNAS_SEARCH_SHADOW_H

#include "mnas.h"

typedef enum { MNAS_KIND_NEITHER, MNAS_KIND_STRATEGY, MNAS_KIND_RANDOM } mnas_shadow_kind;

/* Who proposed it, where it counts. */
mnas_shadow_kind mnas_shadow_kind_of(const mnas_trial *trial);

/* `trials` are ordered by number. */
int mnas_shadow_compare(mnas_shadow *out, const mnas_trial *const *trials, int n);

#endif
