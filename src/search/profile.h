/* profile.h - the parts of a network's profile (mnas.h: mnas_profile) that tests, and the page, need by themselves. */
#ifndef MNAS_SEARCH_PROFILE_H
#define MNAS_SEARCH_PROFILE_H

#include "base/str.h"
#include "mnas.h"

/* From the times of its layers, each some nodes of the inference graph in order, and p->model and p->peaks. */
int mnas_profile_fill(mnas_profile *p, const mnas_layer_time *times, int n);

/* What the page tells operators apart by, 0 to MNAS_PROFILE_KINDS - 1; names are HTML. */
enum { MNAS_PROFILE_KINDS = 5 };
int mnas_profile_kind(const mnas_layer_profile *l);
extern const char *const mnas_profile_kind_names[MNAS_PROFILE_KINDS];

/* The picture, with what its colours mean; and its style. */
void mnas_profile_flame(const mnas_profile *p, mnas_str *out);
void mnas_profile_flame_style(mnas_str *out);
/* The page of mnas_profile_html as text. */
int mnas_profile_render(const mnas_profile *p, const char *name, mnas_str *out);

#endif
