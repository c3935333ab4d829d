/* machine.h - what this machine has left, for trials and the doctor. */
#ifndef MNAS_SEARCH_MACHINE_H
#define MNAS_SEARCH_MACHINE_H

#include <stdint.h>

/* Bytes that can be had without swapping: the system's, the control group's and this process's limit;
 * INT64_MAX where none can be read. */
int64_t mnas_machine_free_bytes(void);
int mnas_machine_cores(void); /* that this process may use */

#endif
