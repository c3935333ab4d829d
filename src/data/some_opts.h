/* some_opts.h - options in canonical form, without those that do not matter to a purpose: parts of keys and of specs. */
#ifndef MNAS_DATA_SOME_OPTS_H
#define MNAS_DATA_SOME_OPTS_H

#include "base/opts.h"

/* As mnas_opts_print, of the options whose names are not in `without` (ends with NULL). At most 31 options. */
void mnas_some_opts_print(const mnas_opt *table, const void *opts, const char *const *without, mnas_str *out);

#endif
