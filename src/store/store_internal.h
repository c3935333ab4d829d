/* store_internal.h - the open study behind store.h, for the files of this layer. */
#ifndef MNAS_STORE_STORE_INTERNAL_H
#define MNAS_STORE_STORE_INTERNAL_H

#include "store/db.h"
#include "store/store.h"

struct mnas_store {
    mnas_db db;
    int lock_fd; /* -1: a reader */
    bool begun;
    int schema; /* of the file: MNAS_STORE_SCHEMA, or an older one that is only read */
};

/* Room for item n in an array that grows by doubling; the new item is zero. */
int mnas_store_grow(void **items, size_t n, size_t bytes);

/* The YAML of the model of a row of table "trial" or "final". */
int mnas_store_model_of(mnas_store *store, const char *table, int number, char **yaml);

#endif
