/* store.h - a study: everything a search has found out, in one SQLite file.
 *
 * Tables: setting (what the study was asked for and what was calibrated), trial, epoch, rung, snapshot (the
 * controller after each update), event, late_result (what an attempt reported that no longer held its trial),
 * final (the networks of stage two), layer (where a trial's milliseconds go), trial_latency and final_latency (latencies on
 * the study's devices after the first).
 * One writer at a time: it holds a lock on `<study>.lock`, which the kernel releases however the process
 * ends. Readers come and go while it writes.
 *
 * Everything between begin and commit is there after a crash as a whole or not at all; outside, each call is
 * its own transaction.
 */
#ifndef MNAS_STORE_STORE_H
#define MNAS_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mnas.h"

/* Studies of the schemas before are brought up to this one where they are opened for writing, and read as having nothing
 * of what is new where they are only read. */
#define MNAS_STORE_SCHEMA 5
enum { MNAS_STORE_OLDEST = 2 };

typedef struct mnas_store mnas_store;
typedef enum { MNAS_STORE_READ, MNAS_STORE_WRITE } mnas_store_mode;

/* WRITE creates the file where it is missing. MNAS_ERR_MISSING, MNAS_ERR_BUSY (another writer),
 * MNAS_ERR_FORMAT (no study, damaged, or of a newer schema). */
int mnas_store_open(mnas_store **out, const char *path, mnas_store_mode mode);
/* Whether another process, or another mnas_store of this one, has it open for writing just now. */
bool mnas_store_is_written(const char *path);
void mnas_store_close(mnas_store *store); /* undoes what was begun and not committed; NULL is allowed */

int mnas_store_begin(mnas_store *store);
int mnas_store_commit(mnas_store *store);
void mnas_store_rollback(mnas_store *store); /* nothing begun: nothing happens */

/* ---- settings ---- */
typedef struct mnas_setting {
    char *name, *value;
} mnas_setting;
int mnas_store_set(mnas_store *store, const char *name, const char *value); /* replaces */
int mnas_store_set_int(mnas_store *store, const char *name, int64_t value);
int mnas_store_settings(mnas_store *store, mnas_setting **out, size_t *n);  /* ordered by name */
void mnas_settings_free(mnas_setting *settings, size_t n);
const char *mnas_settings_get(const mnas_setting *settings, size_t n, const char *name); /* or NULL */

/* ---- trials ---- */

/* A trial with every number missing. */
mnas_trial mnas_trial_empty(void);
/* Everything, in memory of its own. */
int mnas_trial_copy(mnas_trial *out, const mnas_trial *trial);
/* One rung further, with the accuracy there. */
int mnas_trial_add_rung(mnas_trial *trial, double accuracy_frac);
/* Releases what the members point to. */
void mnas_trial_clear(mnas_trial *trial);

/* Insert `trial` as running with attempt 1 and the model's YAML. A row of that number which is running is
 * taken over: its attempt grows by one and *attempt says which it is now. MNAS_ERR_MISMATCH where the row is
 * finished. */
int mnas_store_claim(mnas_store *store, const mnas_trial *trial, const char *model_yaml, int *attempt);
/* Write the outcome of the attempt that `trial` says, or, where it is running still, what it has come to. *counted is false where that attempt no longer holds
 * the trial: the outcome then goes to late_result and changes nothing else. */
int mnas_store_finish(mnas_store *store, const mnas_trial *trial, bool *counted);
int mnas_store_set_reward(mnas_store *store, int number, double reward);
/* All, ordered by number. */
int mnas_store_trials(mnas_store *store, mnas_trial **out, size_t *n);
void mnas_trials_free(mnas_trial *trials, size_t n);
/* The model's YAML; MNAS_ERR_MISSING for a number that is not there. */
int mnas_store_model(mnas_store *store, int number, char **yaml);

/* Where a trial's milliseconds go: replaces what was there. */
int mnas_store_put_layers(mnas_store *store, int trial, const mnas_layer_time *layers, int n);
/* *layers is malloc'ed; *n is 0 where they were not taken. */
int mnas_store_layers(mnas_store *store, int trial, mnas_layer_time **layers, int *n);

/* ---- stage two ---- */

/* A network of stage two with every number missing, running. */
mnas_final mnas_final_empty(void);
void mnas_final_clear(mnas_final *final); /* releases what the members point to */
/* Insert, or replace the one of that number. model_yaml NULL keeps the model that is there. */
int mnas_store_put_final(mnas_store *store, const mnas_final *final, const char *model_yaml);
/* All, ordered by number. */
int mnas_store_finals(mnas_store *store, mnas_final **out, size_t *n);
void mnas_finals_free(mnas_final *finals, size_t n);
/* The model's YAML; MNAS_ERR_MISSING for a number that is not there. */
int mnas_store_final_model(mnas_store *store, int number, char **yaml);

/* ---- the controller ---- */
typedef struct mnas_snapshot {
    int n_updates;                         /* of the strategy so far; -1: no snapshot */
    int64_t n_proposals;                   /* made so far */
    int n_trials;                          /* claimed so far */
    double entropy, entropy_max, baseline; /* mnas_strategy_status */
    char *loop;                            /* the search loop's own state, JSON */
    char *state;                           /* the strategy's bytes */
    size_t n_state;
    double *probabilities; /* mnas_strategy_probabilities; NULL where they were not stored */
    size_t n_probabilities;
} mnas_snapshot;
void mnas_snapshot_clear(mnas_snapshot *snapshot);
void mnas_snapshots_free(mnas_snapshot *snapshots, size_t n);
int mnas_store_put_snapshot(mnas_store *store,
                            const mnas_snapshot *snapshot); /* replaces one of the same n_updates */
/* Without probabilities. */
int mnas_store_last_snapshot(mnas_store *store, mnas_snapshot *out);
/* All in order, without loop and state. */
int mnas_store_updates(mnas_store *store, mnas_snapshot **out, size_t *n);

/* ---- events ---- */
int mnas_store_event(mnas_store *store, const char *kind, const char *text);
/* How a run on this study has ended: the event `finished` where status is 0, else `stopped` with the thread's message, which
 * stays what it is even where the event cannot be stored. What was begun and not committed is undone. */
void mnas_store_note_end(mnas_store *store, int status, const char *finished, const char *stopped);

#endif
