/* history.h - what a search knows at one moment: its proposals in order, the trials they led to, and how far
 * outcomes have come. It is the part of the search's state that a resume rebuilds.
 *
 * The clock is the proposal index p = 0, 1, 2, ... A proposal leads to a trial of its own or, where its
 * network is known already, repeats an earlier trial. Three counts run behind each other, n_fed <= n_seen <=
 * n_proposals:
 *     seen: its outcome may be used, because it lies `delay` or more proposals back and everything before it is known
 *     fed:  its outcome has been given to the strategy (later than seen only while the reward is calibrated)
 * With rungs (rungs.h) a trial whose training has begun is a member of a bracket, and is seen when all of its bracket have ended,
 * from a proposal on that is a function of the outcomes: when as many members as the bracket's last one, with `overlap` as many
 * as the next one's, lie `delay` or more proposals back.
 * A row may be told by the user without a proposal (origin "told"). It waits behind the trials proposed so far, and enters just
 * before the next proposal that follows it in the order of rows: from then on it is known, counts among n_trials, and is in no
 * other count below.
 * All counts below are of seen proposals unless said: so they are functions of the outcomes alone, not of which
 * job was quicker.
 */
#ifndef MNAS_SEARCH_HISTORY_H
#define MNAS_SEARCH_HISTORY_H

#include "mnas.h"
#include "search/rungs.h"
#include "store/store.h"

/* Nothing new comes of a strategy after so many proposals that gave nothing new. */
enum { MNAS_MAX_REPEATS_IN_ROW = 500 };

typedef struct mnas_known {
    mnas_trial row; /* state RUNNING: its outcome is not known yet */
    bool stored;    /* there is a row in the study */
    bool seen;
    bool active;  /* a run is under way in this process */
    bool claimed; /* by this process */
    int member;   /* of its rungs, + 1; 0: none, or not known yet */
} mnas_known;

typedef struct mnas_proposal {
    int *tokens; /* [n_decisions] */
    int trial;
    bool repeat;
} mnas_proposal;

typedef struct mnas_history {
    int n_decisions;
    mnas_known *known; /* [n_known]: the study's rows first; those up to n_trials have been proposed again */
    size_t n_known, room_known;
    int n_trials;
    mnas_proposal *open; /* [n_open]: proposals n_fed .. n_proposals - 1 */
    size_t n_open, room_open;
    int64_t n_proposals, n_seen, n_fed;
    int n_complete, n_failed, n_repeats, n_screened, n_outside;
    int repeats_in_row; /* of proposals, the last ones */
    int left_in_row; /* of trials, those screened, outside the window or, with rungs, failed before training, until another one */
    /* of proposals `delay` or more back, those that are known to be members or none; the members among them */
    int64_t n_sorted;
    int n_sorted_members;
    int n_told_complete;   /* told rows that have entered and have an accuracy */
    int n_entered;         /* trials that are known to be members or none; with rungs */
    mnas_rungs_book rungs; /* its plan and overlap are set once it is loaded, or all 0 */
    bool overlap;
} mnas_history;

/* Its training has begun: it counts as tried, and in a bracket. */
bool mnas_history_has_entered(const mnas_trial *row);
/* Complete, or stopped at a rung: there is an accuracy. */
bool mnas_history_has_accuracy(const mnas_trial *row);

/* All rows of the study, none proposed yet. */
int mnas_history_load(mnas_history *out, mnas_store *store, int n_decisions);
void mnas_history_free(mnas_history *history);

/* The trial which `key` would repeat: complete or screened, or not seen yet (whatever becomes of it). -1: none. */
int mnas_history_twin(const mnas_history *history, const char *key);
/* The next proposal, leading to trial `twin` again, or with twin = -1 to a new one: then arch, key, entropy,
 * seed and origin fill a new trial, or are compared with the row that the study has of it (MNAS_ERR_MISMATCH). */
typedef struct mnas_candidate {
    const int *tokens;
    const char *arch, *key;
    double entropy_nats;
    uint64_t seed;
    const char *origin; /* of mnas_trial */
} mnas_candidate;
int mnas_history_propose(mnas_history *history, const mnas_candidate *candidate, int twin);

/* A row that was told without a proposal. */
bool mnas_history_is_told(const mnas_trial *row);
/* One more of them, behind all others, running as yet; origin is not read. *number is its own. */
int mnas_history_add_told(mnas_history *history, const mnas_candidate *candidate, int *number);
/* Those due before the next proposal enter. Whether there were any. */
bool mnas_history_enter_told(mnas_history *history);
/* Some trial of the study has not been proposed again yet. */
bool mnas_history_is_behind(const mnas_history *history);

/* Nothing new came of the last 500 proposals, repeats or screened ones. */
bool mnas_history_in_vain(const mnas_history *history);
/* Three trials have failed for each of those wanted. */
bool mnas_history_failed_too_often(const mnas_history *history, int n_wanted);

/* Count every proposal as seen that has become so. */
void mnas_history_see(mnas_history *history, int delay);
/* One is not seen although it is its time: the next proposal has to wait for it. */
bool mnas_history_awaits(const mnas_history *history, int delay);
/* With rungs: that a trial's row has come to a rung, or has ended. Brackets decide as soon as they can. */
int mnas_history_enter(mnas_history *history);
int mnas_history_came(mnas_history *history, int trial);
/* No further trials come: the last bracket is as small as it is. */
int mnas_history_close(mnas_history *history);
/* What becomes of a trial that waits at a rung, or never was there. */
mnas_rungs_state mnas_history_rung_state(const mnas_history *history, int trial);
/* The accuracy that is made a reward of: of one that was stopped, what it would have come to. */
double mnas_history_accuracy(const mnas_history *history, const mnas_trial *row);
/* The oldest proposal that is seen and not fed, or NULL. */
const mnas_proposal *mnas_history_next_to_feed(const mnas_history *history);
void mnas_history_fed(mnas_history *history); /* drops it */

/* Of proposals not seen: trials that are complete, and trials whose outcome is not known. */
void mnas_history_unseen(const mnas_history *history, int *n_complete, int *n_unknown);
/* Accuracies and latencies, latency_ms[n][n_devices], of the first complete trials, at most n; returns how many. */
size_t mnas_history_first_complete(const mnas_history *history, size_t n, int n_devices,
                                   double *accuracy_frac, double *latency_ms);

/* The counts and open proposals as JSON, and back (rows must have been loaded). */
int mnas_history_print(const mnas_history *history, char **text);
int mnas_history_restore(mnas_history *history, const char *text);

#endif
