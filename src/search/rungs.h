/* rungs.h - which trainings go on: successive halving over accuracy and latency, as functions of numbers.
 *
 * A training has n rungs: rung r ends after factor^-(n-1-r) of its length, the last one at its end. Networks come in brackets of
 * keep^(n-1). When all of a bracket have come to a rung, one in `keep` goes on: those that add most to what has gone on from this
 * rung so far, in this bracket and the earlier ones. What they add is the area under the front of accuracy over log latency
 * (hypervolume); where none adds any, the one least below that front. So a network is compared with those at least as fast, large
 * ones, which learn slowly, are not judged against small ones, and what the front has already is not trained again. Non-dominated
 * sorting with crowding, and the best of each third of latencies, were measured and are much worse (docs/rungs.md).
 *
 * A decision is a function of the plan and of the results of this bracket and those before it: the book may be filled in any order.
 * `async` decides at once, from what has come so far: then the order counts.
 * It knows neither studies nor trainings.
 */
#ifndef MNAS_SEARCH_RUNGS_H
#define MNAS_SEARCH_RUNGS_H

#include <stdbool.h>
#include <stddef.h>

enum { MNAS_MAX_RUNGS = 6, MNAS_MAX_BRACKET = 729 }; /* nor is the first rung below 1/729 */

typedef struct mnas_rungs_plan {
    int n, factor; /* n below 2: no rungs */
    int keep;      /* 0: factor, at most 4 */
    bool async;
} mnas_rungs_plan;

/* What is best where nobody says: the first of two rungs early, of more the last but one not too late. */
int mnas_rungs_default_factor(int n);

/* MNAS_ERR_ARG names the number and what is allowed. */
int mnas_rungs_check(const mnas_rungs_plan *plan);
/* Networks of a bracket; 1 where there are no rungs. */
int mnas_rungs_bracket(const mnas_rungs_plan *plan);
/* Of a training: the share of its length that rung r ends at. */
double mnas_rungs_share(const mnas_rungs_plan *plan, int rung);
/* How many of a bracket of so many train to rung r. */
int mnas_rungs_count(const mnas_rungs_plan *plan, int n_members, int rung);
/* Mean length trained per network of a whole bracket, of the full length: 0.259 for 3 rungs of factor 3. */
double mnas_rungs_cost(const mnas_rungs_plan *plan);

typedef enum { MNAS_RUNGS_TRAINS, MNAS_RUNGS_WAITS, MNAS_RUNGS_STOPPED, MNAS_RUNGS_DONE } mnas_rungs_state;

/* TRAINS: to rung n_results. WAITS: for its bracket. DONE: at the last rung, or failed. */
typedef struct mnas_rungs_member {
    double latency_ms, accuracy_frac[MNAS_MAX_RUNGS]; /* [n_results] */
    int n_results;
    bool failed;
    mnas_rungs_state state;
} mnas_rungs_member;

typedef struct mnas_rungs_book {
    mnas_rungs_plan plan;
    mnas_rungs_member *members; /* [n], in the order of their brackets */
    size_t n, room;
    bool closed;
    int n_decided[MNAS_MAX_RUNGS]; /* brackets, at each rung */
} mnas_rungs_book;

void mnas_rungs_free(mnas_rungs_book *book);
/* The next member. Returns its number, or MNAS_ERR_MEMORY. */
int mnas_rungs_add(mnas_rungs_book *book, double latency_ms);
/* It has come to its next rung, or failed on the way there. Decides what can be decided then; so does closing. */
int mnas_rungs_result(mnas_rungs_book *book, int member, double accuracy_frac);
int mnas_rungs_fail(mnas_rungs_book *book, int member);
/* No further members come: the last bracket is as small as it is. */
int mnas_rungs_close(mnas_rungs_book *book);

/* Every member of this one's bracket is STOPPED or DONE. */
bool mnas_rungs_is_settled(const mnas_rungs_book *book, int member);
/* What a member would have come to at the end: its accuracy, and the median gains of those that went on from its rung, this bracket
 * and earlier ones. Of a settled bracket; NaN where it has no result. */
double mnas_rungs_expected(const mnas_rungs_book *book, int member);

#endif
