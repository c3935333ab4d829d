/* device_ssh.c - a machine that the system's ssh reaches: mnas-agent runs there, meter.c does the rest. */
#include "device/device_metered.h"
#include "device/link_ssh.h"

typedef struct ssh_opts {
    mnas_ssh_options ssh;
    mnas_meter_options meter;
} ssh_opts;

#define AT(field) offsetof(ssh_opts, ssh.field)
static const mnas_opt options[] = {
    {"host", MNAS_OPT_STRING, AT(host), NULL, 0, 0, "HOST",
     "name, address, or a Host of your ssh configuration", NULL},
    {"port", MNAS_OPT_INT, AT(port), "0", 0, 65535, "port", "0: as ssh has it", NULL},
    {"user", MNAS_OPT_STRING, AT(user), "", 0, 0, "USER", "none: as ssh has it", NULL},
    {"identity", MNAS_OPT_STRING, AT(identity), "", 0, 0, "FILE", "private key; none: as ssh has it", NULL},
    {"config", MNAS_OPT_STRING, AT(config), "", 0, 0, "FILE", "ssh's configuration; none: yours", NULL},
    {"agent", MNAS_OPT_STRING, AT(agent), "", 0, 0, "DIR",
     "where the program for it lies; none: beside this one", NULL},
    MNAS_METER_OPTS(ssh_opts),
    MNAS_OPT_END};
#undef AT

static int ssh_open(void **state, const void *opts) {
    const ssh_opts *o = opts;
    char name[MNAS_OPT_STR + 64];
    mnas_link link;
    const int n = snprintf(name, sizeof name, "ssh:host=%s", o->ssh.host);
    if (o->ssh.port > 0) snprintf(name + n, sizeof name - (size_t)n, ",port=%d", (int)o->ssh.port);
    const int rc = mnas_link_open_ssh(&link, &o->ssh);
    return rc < 0 ? rc : mnas_device_metered_open(state, link, &o->meter, name);
}

const mnas_device_class mnas_device_class_ssh = {
    .plugin = {"ssh", "the CPU of a machine that ssh reaches, batch 1", options, sizeof(ssh_opts)},
    .identity = "host,port",
    .open = ssh_open,
    .examine = mnas_device_examine_shell,
    MNAS_DEVICE_METERED,
};
