/* checksum.h - of the large files that we map: fast enough to check at every open, no defence against anyone.
 *
 * Four chains of 8-byte words. Start with {0}.
 */
#ifndef MNAS_DATA_CHECKSUM_H
#define MNAS_DATA_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

enum { MNAS_CHECKSUM_LANES = 4, MNAS_CHECKSUM_UNIT = 8 * MNAS_CHECKSUM_LANES };

typedef struct mnas_checksum {
    uint64_t lane[MNAS_CHECKSUM_LANES];
} mnas_checksum;

void mnas_checksum_add(mnas_checksum *sum, const void *data,
                       size_t n); /* n is a multiple of MNAS_CHECKSUM_UNIT */
uint64_t mnas_checksum_end(const mnas_checksum *sum);

#endif
