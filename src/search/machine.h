/* machine.h - what this machine has left, for trials and the doctor. */
#ifndef MNAS_SEARCH_MACHINE_H
#define MNAS_SEARCH_MACHINE_H

#include <stdint.h>

/* Bytes that can be had without swapping; INT64_MAX where nothing limits them or it cannot be read. */
int64_t mnas_machine_shared_bytes(void); /* by all processes together: the system's and the control groups' */
int64_t mnas_machine_process_bytes(void); /* by a child of this process: the resource limits it inherits */
int64_t mnas_machine_free_bytes(void);    /* the lesser of the two */
int mnas_machine_cores(void);             /* that this process may use */
int mnas_machine_threads_each(int jobs);  /* of them for each of `jobs` trainings, at least one */

#endif
