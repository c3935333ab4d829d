/* link_ssh.h - questions over the system's ssh: one connection that stays, a channel of it for each command. */
#ifndef MNAS_DEVICE_LINK_SSH_H
#define MNAS_DEVICE_LINK_SSH_H

#include "base/opts.h"
#include "device/link.h"

typedef struct mnas_ssh_options {
    char host[MNAS_OPT_STR], user[MNAS_OPT_STR], identity[MNAS_OPT_STR], config[MNAS_OPT_STR];
    int64_t port; /* 0: ssh's own choice */
    char agent[MNAS_OPT_STR];
} mnas_ssh_options;

/* Connects to nothing yet. `options` outlives the link. */
int mnas_link_open_ssh(mnas_link *out, const mnas_ssh_options *options);

#endif
