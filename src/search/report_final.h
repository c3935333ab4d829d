/* report_final.h - the report's part on stage two: words, chart and tables (report_final.c), the chart (report_final_chart.c). */
#ifndef MNAS_SEARCH_REPORT_FINAL_H
#define MNAS_SEARCH_REPORT_FINAL_H

#include "search/report.h"

enum { MNAS_REPORT_LOOKS = 7 };

/* What a source points to of stage two. */
typedef struct mnas_report_finals {
    const mnas_final **list;
    mnas_verdict verdict;
} mnas_report_finals;

/* Fills the source's finals and verdict, which *out holds; free it in any case. */
int mnas_report_finals_read(mnas_report_finals *out, mnas_report_source *source, const mnas_study *study);
void mnas_report_finals_free(mnas_report_finals *finals);

/* Everything of stage two; nothing where there was none. It stands first in the page: it is what a search was for. */
void mnas_report_final(const mnas_report_facts *facts, mnas_str *out);
void mnas_report_final_style(mnas_str *out);

/* Accuracy against latency on one split, of all networks that have both. */
void mnas_report_final_chart(const mnas_report_facts *facts, bool test, mnas_str *out);

/* What a family is drawn as: 0 found, 1 random, 2.. baselines in the order of the plan. */
int mnas_report_final_look(const mnas_report_facts *facts, const mnas_final *final);

#endif
