/* lease.h - a phone has one user at a time, over all processes of this machine that share the cache folder.
 *
 * A lease is a lock that the kernel takes back when its holder dies, so nothing is left of a process that was killed. Who
 * waits stands in a queue of files, one for each phone, and is passed over when it has not asked for 5 s: it may be dead or
 * stopped. The queue is a courtesy, so that nobody starves; the lock alone keeps two apart. Who uses a phone without
 * asking here is not seen.
 */
#ifndef MNAS_DEVICE_LEASE_H
#define MNAS_DEVICE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct mnas_lease {
    char folder[1024], name[17]; /* of its files; the name is the phone's identity, hashed */
    char ticket[64];             /* in the queue; "": not in it */
    double shown_s;              /* monotonic; when the ticket last proved us alive */
    int fd;                      /* -1: not held */
} mnas_lease;

/* `identity` tells phones apart: the same text, the same phone. Makes the folder; takes nothing. */
int mnas_lease_open(mnas_lease *lease, const char *identity);
/* *taken: held from now on. Else somebody has it or was here before: ask again, at least every second, and keep the place. */
int mnas_lease_ask(mnas_lease *lease, bool *taken);
/* Not wanted any more: out of the queue. */
void mnas_lease_leave(mnas_lease *lease);
/* Back to whoever wants it; and out of the queue. */
void mnas_lease_return(mnas_lease *lease);
/* The process that has it; 0: free; -1: held by one that is not known. */
int mnas_lease_holder(const mnas_lease *lease);

#endif
