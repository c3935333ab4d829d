/* store_internal.h - the open study behind store.h, for the files of this layer. */
#ifndef MNAS_STORE_STORE_INTERNAL_H
#define MNAS_STORE_STORE_INTERNAL_H

#include "store/db.h"
#include "store/row.h"
#include "store/store.h"

struct mnas_store {
    mnas_db db;
    int lock_fd; /* -1: a reader */
    bool begun;
    int schema; /* of the file: MNAS_STORE_SCHEMA, or an older one that is only read */
};

/* Room for item n in an array that grows by doubling; the new item is zero. */
int mnas_store_grow(void **items, size_t n, size_t bytes);

/* Replace the latencies of a row on further devices; all rows that there are, in order of number and device, given to `take`. */
int mnas_store_put_others(mnas_store *store, const mnas_row_type *type, int number,
                          const mnas_latency *others, int n);
typedef int mnas_store_take_latency(void *user, const mnas_row_latency *row);
int mnas_store_each_other(mnas_store *store, const mnas_row_type *type, mnas_store_take_latency *take,
                          void *user);
/* One more latency behind those of *others, which grows. */
int mnas_store_append_other(mnas_latency **others, int *n, const mnas_row_latency *row);

/* The YAML of the model of a row of table "trial" or "final". */
int mnas_store_model_of(mnas_store *store, const char *table, int number, char **yaml);

#endif
