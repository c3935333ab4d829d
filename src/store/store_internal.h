/* store_internal.h - the open study behind store.h, for the files of this layer. */
#ifndef MNAS_STORE_STORE_INTERNAL_H
#define MNAS_STORE_STORE_INTERNAL_H

#include "store/db.h"
#include "store/store.h"

struct mnas_store {
    mnas_db db;
    int lock_fd; /* -1: a reader */
    bool begun;
};

/* Room for item n in an array that grows by doubling; the new item is zero. */
int mnas_store_grow(void **items, size_t n, size_t bytes);

#endif
