/* verdict.h - what stage two shows: from its finals to comparisons and sentences. mnas_study_verdict of mnas.h does it for a
 * study; the report and tests see the parts. Finals are pointers, in the order of the plan.
 */
#ifndef MNAS_SEARCH_VERDICT_H
#define MNAS_SEARCH_VERDICT_H

#include "base/str.h"
#include "mnas.h"

enum { MNAS_VERDICT_SAMPLES = 2000 }; /* of the bootstrap */

/* All of *out; release with mnas_verdict_free. The same finals give the same verdict. */
int mnas_verdict_compute(mnas_verdict *out, const mnas_final *const *finals, int n_finals, int n_samples);

/* Whether it is a point of its family's curve on this split: complete, measured, tested where that is asked, no repeat. */
bool mnas_verdict_is_point(const mnas_final *final, bool test);
/* Whether no network before it in the plan is of its family. */
bool mnas_verdict_leads_family(const mnas_final *const *finals, int i);
double mnas_verdict_accuracy(const mnas_final *final, bool test);
const mnas_final *mnas_verdict_chosen(const mnas_verdict *v, const mnas_final *const *finals, int n_finals);
/* NULL where there is none. */
const mnas_comparison *mnas_verdict_find(const mnas_verdict *v, const char *family, const char *split);

/* The sentences, as plain text (verdict_words.c): what a reader should know first, what stands behind it, how it was had. */
typedef void mnas_verdict_writer(const mnas_verdict *v, const mnas_final *const *finals, int n_finals,
                                 mnas_str *out);
mnas_verdict_writer mnas_verdict_headline, mnas_verdict_details, mnas_verdict_method;
const char *mnas_verdict_family_name(const char *family); /* "MobileNetV2" */

#endif
