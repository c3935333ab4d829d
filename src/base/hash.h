/* hash.h - FNV-1a, 64 bit: a key for equality of texts and files, not a defence against anyone. */
#ifndef MNAS_BASE_HASH_H
#define MNAS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define MNAS_HASH_INIT 0xcbf29ce484222325ULL
uint64_t mnas_hash_bytes(uint64_t hash, const void *bytes, size_t n); /* chain by passing the result on */

#endif
