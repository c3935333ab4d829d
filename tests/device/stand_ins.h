/* stand_ins.h - devices for tests: a phone behind the real adb (adbd.c), a machine behind the real ssh (an sshd of our own on
 * loopback), and the cable between us and them, which a test pulls.
 *
 * Nothing of the user's is touched: adb's server, its home, sshd's keys and ports are ours, below a folder that goes with them. What is
 * not installed is a reason to skip.
 */
#ifndef MNAS_TESTS_DEVICE_STAND_INS_H
#define MNAS_TESTS_DEVICE_STAND_INS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Of this process: a folder below MNAS_TEST_TMP, also TMPDIR, HOME and MNAS_CACHE_DIR from now on. */
void stand_in_begin(void);
void stand_in_end(void); /* ends everything started, removes the folder */
const char *stand_in_folder(void);

/* NULL when it is up, else why it cannot be. `spec` ("adb:serial=127.0.0.1:4711") is good until the end. */
const char *phone_start(char spec[512], const char *bundles);
void phone_unplug(void);
void phone_plug(void);
void phone_misbehave(const char *how); /* adbd.c's words; NULL: behave */
const char *phone_folder(void);        /* what it calls /data/local/tmp */

const char *machine_start(char spec[512], const char *bundles);
void cable_pull(void);
void cable_plug(void);
void cable_pull_after(int64_t bytes); /* once that many more have gone there */
void cable_stall(bool stalled);       /* it is in, and nothing comes through */
const char *machine_folder(void);     /* its ~/.cache */
const char *machine_config(void);     /* ssh's configuration */
void machine_fill(bool full);         /* no space left on it */
pid_t cable_group(void);              /* for who is to pull it from elsewhere */

/* A bundle that is a shell script in the program's place, with a file that takes long to upload; "": none could be written. It runs
 * `body`, in which $1 is the kind of question. */
const char *fake_bundles(const char *body);
/* Where scripts/build-agent has built a bundle that can run here: of this machine's processor, or with `other` rather of another
 * under QEMU. *machine is what uname says of it, *under the emulator or "". NULL: none is built. */
const char *built_bundles(bool other, const char **machine, const char **under);

int n_zombies(void); /* children of this process that have ended and were not waited for */

#endif
