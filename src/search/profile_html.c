#include "base/error.h"
#include "search/profile.h"
int mnas_profile_html(const mnas_profile *p, const char *name, const char *path) {
    (void)p, (void)name, (void)path;
    return mnas_error_set(MNAS_ERR_ARG, "not yet");
}
