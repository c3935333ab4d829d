/* model_open.c - MODEL arguments: what the model layer opens alone (the zoo, files), and STUDY:TRIAL. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "model/model.h"

/* "demo.db:17" -> "demo.db", 17; false for everything else. A file of that very name is a file. */
static bool is_study_trial(const char *arg, char *study, size_t n, long long *trial) {
    const char *colon = strrchr(arg, ':');
    if (!colon || colon == arg || mnas_file_exists(arg)) return false;
    if (!mnas_str_to_i64(colon + 1, trial) || *trial < 0 || *trial > INT32_MAX) return false;
    if ((size_t)(colon - arg) >= n) return false;
    memcpy(study, arg, (size_t)(colon - arg));
    study[colon - arg] = '\0';
    return true;
}

static bool is_study(const char *path) {
    const void *bytes;
    size_t n;
    if (!mnas_file_exists(path) || mnas_file_map(path, &bytes, &n) < 0) return false;
    const bool yes = n > 16 && memcmp(bytes, "SQLite format 3", 16) == 0;
    mnas_file_unmap(bytes, n);
    return yes;
}

int mnas_model_open(mnas_model *out, const char *arg, int input_size) {
    char path[1024];
    long long trial;
    mnas_study *study;
    if (is_study(arg))
        return mnas_error_set(MNAS_ERR_ARG, "%s is a study; say which of its networks: %s:TRIAL", arg, arg);
    if (!is_study_trial(arg, path, sizeof path, &trial)) return mnas_model_open_local(out, arg, input_size);
    if (input_size < 0 || input_size > MNAS_MAX_INPUT)
        return mnas_error_set(MNAS_ERR_ARG, "input is %d pixels; allowed: 1 to %d", input_size,
                              MNAS_MAX_INPUT);
    int rc = mnas_study_open(&study, path);
    if (rc < 0) return rc;
    rc = mnas_study_model(study, (int)trial, out);
    if (rc == MNAS_ERR_MISSING && mnas_study_setting(study, "decisions_text"))
        rc = mnas_error_set(MNAS_ERR_ARG, "%s has plain decisions, no networks", path);
    if (rc == MNAS_ERR_MISSING)
        rc = mnas_error_set(MNAS_ERR_ARG, "trial %lld is not in %s; it has %d trials", trial, path,
                            mnas_study_n_trials(study));
    mnas_study_close(study);
    if (rc == 0 && input_size > 0) out->input_size = input_size;
    return rc;
}
