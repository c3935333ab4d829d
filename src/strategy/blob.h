/* blob.h - the bytes of save() and load(): little-endian 64-bit words, numbers with their exact bits.
 *
 * The writer appends to a mnas_str and needs one mnas_str_ok() at its end. The reader never runs over the
 * end: after the first failure `bad` is set, everything read is 0, and one check at the end suffices. A
 * number that is not finite is a failure: nothing that we write is.
 */
#ifndef MNAS_STRATEGY_BLOB_H
#define MNAS_STRATEGY_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/str.h"

void mnas_blob_put_u64(mnas_str *out, uint64_t value);
void mnas_blob_put_f64s(mnas_str *out, const double *values, size_t n);
void mnas_blob_put_ints(mnas_str *out, const int *values, size_t n);
void mnas_blob_put_rng(mnas_str *out, const mnas_rng *rng);

typedef struct mnas_blob_reader {
    const unsigned char *at, *end;
    bool bad;
} mnas_blob_reader;

mnas_blob_reader mnas_blob_reader_of(const char *bytes, size_t n);
uint64_t mnas_blob_get_u64(mnas_blob_reader *in);
uint64_t mnas_blob_get_max(mnas_blob_reader *in, uint64_t max); /* bad when larger */
void mnas_blob_get_f64s(mnas_blob_reader *in, double *values, size_t n);
void mnas_blob_get_ints(mnas_blob_reader *in, int *values, size_t n);
void mnas_blob_get_rng(mnas_blob_reader *in,
                       mnas_rng *rng);           /* all zero, from which nothing follows, is bad */
bool mnas_blob_done(const mnas_blob_reader *in); /* all was good and nothing is left */

#endif
