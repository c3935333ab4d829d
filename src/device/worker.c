/* worker.c - the list of questions. */
#include "device/worker.h"

#include <string.h>

#define KINDS(X, between)                                                                                    \
    X(latency) between X(layers)                                                                             \
    between X(logits)                                                                                        \
    between X(info)                                                                                          \
    between X(peaks)

#define ENTRY(kind)                                                                                          \
    { #kind, mnas_device_worker_##kind }
#define COMMA ,
static const struct {
    const char *kind;
    mnas_device_worker *work;
} workers[] = {KINDS(ENTRY, COMMA)};

mnas_device_worker *mnas_device_worker_find(const char *kind) {
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++)
        if (strcmp(kind, workers[i].kind) == 0) return workers[i].work;
    return NULL;
}

const char *mnas_device_worker_kinds(void) {
#define NAME(kind) #kind
    return KINDS(NAME, ", ");
}
