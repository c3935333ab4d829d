/* ask.h - a session of asking and telling: a learner on a study whose trials are run by somebody else.
 *
 * ask_open.c makes one from options and the study, ask.c asks and tells, ask_names.c finds the tokens of what a user names,
 * ask_json.c does all of it in lines of JSON. The
 * public functions and what they promise stand in mnas.h.
 */
#ifndef MNAS_SEARCH_ASK_H
#define MNAS_SEARCH_ASK_H

#include "model/decisions.h"
#include "search/fixed.h"
#include "search/learner.h"

typedef enum { MNAS_OBJECTIVE_ACCURACY, MNAS_OBJECTIVE_MAXIMIZE, MNAS_OBJECTIVE_MINIMIZE } mnas_objective;
extern const char *const mnas_objective_names[]; /* NULL-terminated */

/* In the settings `data` and `device` of a study whose trials somebody else ran. */
#define MNAS_TOLD "told"
bool mnas_ask_is_told(const mnas_setting *settings, size_t n);

#define MNAS_LARGEST_VALUE 1e100 /* told, of either sign */

struct mnas_ask_session {
    const mnas_ask_options *options; /* while it is being opened */
    char *path;                      /* of the study */
    mnas_fixed_list fixed;           /* the options that were given; of a new study all, defaults filled in */
    mnas_setting *stored;            /* of an existing study */
    size_t n_stored;
    mnas_store *store;
    mnas_space *space;        /* of networks; or NULL and */
    mnas_decisions *plain;    /* these */
    mnas_decision *decisions; /* [learner.n_decisions] of either */
    mnas_objective objective;
    bool needs_latency;
    int trials;
    mnas_learner learner;
    int n_unsaved;       /* asked and told since the last snapshot */
    bool made_meanwhile; /* by another process, while this one was about to */
    bool broken;         /* what is in memory is not what the study holds: only a new session goes on */
};

/* The network of tokens, costs and all. */
int mnas_ask_decode(const mnas_ask_session *session, const int *tokens, mnas_model *out);
/* From the study as it is stored, whatever is in memory. */
int mnas_ask_reload(mnas_ask_session *session);
/* Snapshot, in a transaction of its own. */
int mnas_ask_save(mnas_ask_session *session);
/* The choice of decision i that is called so; numbers may be written otherwise. */
int mnas_ask_choice(const mnas_ask_session *session, int i, const char *text, int *token);
/* The decision of this name, or a status. */
int mnas_ask_find_decision(const mnas_ask_session *session, const char *name);
/* Every decision has a token; `chosen` says of which. */
int mnas_ask_check_all_chosen(const mnas_ask_session *session, const bool *chosen);
/* Numbers of open trials, "3, 7 and 9"; "none". */
void mnas_ask_print_open(const mnas_ask_session *session, char *buf, size_t n);

#endif
