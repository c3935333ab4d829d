/* link_local.c - questions to this machine: `mnas worker KIND`, a process of our own binary each. */
#include <stddef.h>

#include "base/proc.h"
#include "device/link.h"

static int ask(void *state, const char *kind, const char *request, double timeout_s,
               const volatile bool *cancel, char **answer) {
    (void)state;
    const char *const argv[] = {mnas_proc_self(), "worker", kind, NULL};
    return mnas_proc_run_cancel(argv, request, timeout_s, cancel, answer);
}

static void nothing_to_close(void *state) {
    (void)state;
}

int mnas_link_open_local(mnas_link *out) {
    static const mnas_link_class local = {.ask = ask, .close = nothing_to_close};
    *out = (mnas_link){.class = &local};
    return 0;
}
