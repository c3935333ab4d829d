/* world.h - what a simulated search searches: proposals have values without any training, from a table of trained networks
 * (world_table.c) or from a landscape fitted to one (landscape.h).
 *
 * A world is a value that threads share: nothing in it changes while it is searched. Values are the true ones; noise is
 * the simulation's.
 */
#ifndef MNAS_SEARCH_WORLD_H
#define MNAS_SEARCH_WORLD_H

#include "mnas.h"
#include "search/nas_table.h"

typedef struct mnas_world_value {
    double accuracy_frac, report_frac; /* what a search sees, and what it is scored on */
    double second;                     /* in its column's unit; NaN: none */
} mnas_world_value;

typedef struct mnas_world {
    int n_decisions;
    const mnas_decision *decisions;
    int n_descriptors;
    int (*describe)(void *user, const int *tokens, double *out);
    int (*project)(void *user, int *tokens); /* NULL: nothing is projected */
    /* The network that these tokens mean, as a number that equal ones share; false: there is none. Cheap. */
    bool (*identify)(void *user, const int *tokens, uint64_t *id);
    int (*value)(void *user, const int *tokens, uint64_t id, mnas_world_value *out);
    void *user;
    /* The networks that are known one by one: all there are, of a table. */
    size_t n_known;
    const double *accuracy_frac, *report_frac, *second; /* [n_known]; second may be NULL */
    const double *const *rung_frac; /* [rungs before the end][n_known] by id, or NULL: accuracies on the way */
    bool is_complete;                                   /* the best of the known is the best there is */
    bool more_is_better;                                /* of `second` */
} mnas_world;

typedef struct mnas_table_world {
    const mnas_nas_table *table;
    const mnas_nas_nearest *nearest; /* NULL: a proposal without a row is no network */
    double *mean_features;
} mnas_table_world;

/* `self` must outlive *out, and what it is made from both. Close it also after a failure. */
int mnas_table_world_open(mnas_world *out, mnas_table_world *self, const mnas_nas_table *table,
                          const mnas_nas_nearest *nearest, bool more_is_better);
void mnas_table_world_close(mnas_table_world *self);

#endif
