/* fixed.h - options that a study keeps from its first run on: a later run with others is refused, by name. */
#ifndef MNAS_SEARCH_FIXED_H
#define MNAS_SEARCH_FIXED_H

#include "store/store.h"

typedef struct mnas_fixed {
    const char *name, *option; /* of the setting; of the command line, without dashes */
    char *value;
} mnas_fixed;

enum { MNAS_MAX_FIXED = 24 };
typedef struct mnas_fixed_list {
    mnas_fixed items[MNAS_MAX_FIXED];
    int n;
} mnas_fixed_list;

int mnas_fixed_add(mnas_fixed_list *list, const char *name, const char *option, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* NaN is kept as the word `unset`. */
int mnas_fixed_add_number(mnas_fixed_list *list, const char *name, const char *option, double value,
                          const char *unset);
/* The first that differs from what the settings say, or NULL; *was is what they say, or NULL. */
const mnas_fixed *mnas_fixed_differing(const mnas_fixed_list *list, const mnas_setting *settings, size_t n,
                                       const char **was);
/* When and by which version a study is made, and of which space (NULL: none), named `spec`. Within a transaction. */
int mnas_fixed_store_making(mnas_store *store, const char *spec, const mnas_space *space);
int mnas_fixed_store(const mnas_fixed_list *list, mnas_store *store);
void mnas_fixed_free(mnas_fixed_list *list);

#endif
