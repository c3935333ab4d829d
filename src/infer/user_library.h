/* user_library.h - libraries that the user may have and we neither ship nor need: loaded while running, by name.
 *
 * They stay loaded to the end of the process: their threads and thread-local data do not survive less.
 */
#ifndef MNAS_INFER_USER_LIBRARY_H
#define MNAS_INFER_USER_LIBRARY_H

#include "base/opts.h"

typedef struct mnas_user_library {
    const char *title;        /* for people: "ONNX Runtime" */
    const char *variable;     /* of the environment that may name its file: "MNAS_ONNXRUNTIME" */
    const char *const *names; /* what the loader is asked for otherwise; NULL-terminated */
    const char *how;          /* to get it: "pip install onnxruntime has it as ..." */
} mnas_user_library;

/* The option that names its file, as a row of an option table. */
#define MNAS_USER_LIBRARY_OPT(type, field)                                                                   \
    {                                                                                                        \
        "library", MNAS_OPT_STRING, offsetof(type, field), "", 0, 0, "FILE",                                 \
            "its shared library; else an environment variable's, else the system's", NULL                    \
    }

/* `file` "" or the user's. MNAS_ERR_MISSING says what was looked for and how to get it. */
int mnas_user_library_load(void **handle, const mnas_user_library *library, const char *file);
/* A function of it into *function, a pointer to a function pointer. MNAS_ERR_MISSING where it has none of that name. */
int mnas_user_library_find(void *function, void *handle, const mnas_user_library *library, const char *name);

#endif
