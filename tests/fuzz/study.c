/* study.c - see study.h: as the report and the commands read it, and as a search that is resumed does. */
#include "study.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mnas.h"
#include "search/history.h"
#include "store/store.h"

static size_t length(const char *text) {
    return text ? strlen(text) : 0;
}

static void read_trials(const mnas_study *study) {
    size_t sum = 0;
    for (int i = 0; i < mnas_study_n_trials(study); i++) {
        const mnas_trial *t = mnas_study_trial(study, i);
        mnas_model model;
        mnas_layer_time *layers;
        int n_layers;
        sum += length(t->arch) + length(t->error) + length(t->key) + length(mnas_trial_state_name(t->state));
        for (int k = 0; k < t->n_tokens; k++) sum += (size_t)t->tokens[k];
        for (int k = 0; k < t->n_epochs; k++) sum += t->epoch_accuracy_frac[k] > 0;
        mnas_study_model(study, t->number, &model);
        if (mnas_study_layers(study, t->number, &layers, &n_layers) < 0) continue;
        for (int k = 0; k < n_layers; k++) sum += length(layers[k].name);
        free(layers);
    }
    FUZZ_CHECK(sum < SIZE_MAX);
}

static void read_finals(const mnas_study *study) {
    size_t sum = 0;
    for (int i = 0; i < mnas_study_n_finals(study); i++) {
        const mnas_final *f = mnas_study_final(study, i);
        mnas_model model;
        sum += length(f->name) + length(f->family) + length(f->error) + length(f->weights);
        for (int k = 0; f->val_correct && k < f->n_val; k++) sum += f->val_correct[k];
        for (int k = 0; f->test_correct && k < f->n_test; k++) sum += f->test_correct[k];
        for (int k = 0; f->pass_ms && k < f->n_passes; k++) sum += f->pass_ms[k] > 0;
        mnas_study_final_model(study, f->number, &model);
    }
    FUZZ_CHECK(sum < SIZE_MAX);
}

static void read_verdict(const mnas_study *study) {
    mnas_verdict verdict;
    if (mnas_study_verdict(study, &verdict) < 0) return;
    FUZZ_CHECK(length(verdict.words) < SIZE_MAX);
    mnas_verdict_free(&verdict);
}

static void read_front(const mnas_study *study) {
    int *front, n_front;
    if (mnas_study_front(study, &front, &n_front) < 0) return;
    FUZZ_CHECK(n_front <= mnas_study_n_trials(study));
    free(front);
}

/* Proposals, outcomes and feedback after what was restored. */
static void go_on(mnas_history *h) {
    static const int tokens[] = {0, 1};
    double accuracy[4], latency[4];
    int n_complete, n_unknown;
    const mnas_candidate candidate = {tokens,    "r1_k3_s11_e1_i8_o16_noskip", "0123456789abcdef", 1, 7,
                                      "strategy"};
    for (int i = 0; i < 3; i++)
        if (mnas_history_propose(h, &candidate, i == 0 ? -1 : mnas_history_twin(h, candidate.key)) < 0) break;
    mnas_history_see(h, 1);
    if (mnas_history_next_to_feed(h)) mnas_history_fed(h);
    mnas_history_unseen(h, &n_complete, &n_unknown);
    FUZZ_CHECK(mnas_history_first_complete(h, 4, 1, accuracy, latency) <= 4);
}

/* What a search that goes on makes of it. */
static void resume(const char *path) {
    mnas_store *store;
    mnas_snapshot snapshot;
    mnas_history history;
    char *text;
    if (mnas_store_open(&store, path, MNAS_STORE_READ) < 0) return;
    if (mnas_store_last_snapshot(store, &snapshot) == 0) {
        if (snapshot.loop && mnas_history_load(&history, store, 2) == 0) {
            if (mnas_history_restore(&history, snapshot.loop) == 0) {
                go_on(&history);
                FUZZ_CHECK(mnas_history_print(&history, &text) == 0);
                free(text);
            }
            mnas_history_free(&history);
        }
        mnas_snapshot_clear(&snapshot);
    }
    mnas_store_close(store);
}

/* A search goes on in it: an outcome, a trial of its own that a second attempt takes over, what stage two adds. */
static void write_trials(mnas_store *store, mnas_trial *trials, size_t n) {
    static int tokens[] = {0, 1};
    bool counted;
    int attempt;
    for (size_t i = 0; i < n && i < 3; i++)
        if (mnas_store_claim(store, &trials[i], "name: x", &attempt) == 0) {
            trials[i].attempt = attempt;
            mnas_store_finish(store, &trials[i], &counted);
        }
    mnas_trial own = mnas_trial_empty();
    own.number = INT32_MAX, own.tokens = tokens, own.n_tokens = 2;
    for (int i = 0; i < 2 && mnas_store_claim(store, &own, "name: x", &attempt) == 0; i++)
        own.attempt = attempt - 1;
    own.state = MNAS_TRIAL_COMPLETE;
    mnas_store_finish(store, &own, &counted); /* of the attempt before: late */
    mnas_store_set_reward(store, own.number, 0.5);
    mnas_store_put_layers(store, own.number, &(mnas_layer_time){"stem", 0.5}, 1);
}

static void write_rest(mnas_store *store) {
    double probabilities[2] = {0.5, 0.5};
    char loop[] = "{}", state[] = "x";
    mnas_final *finals;
    size_t n;
    if (mnas_store_finals(store, &finals, &n) == 0) {
        for (size_t i = 0; i < n && i < 3; i++) mnas_store_put_final(store, &finals[i], i ? NULL : "name: x");
        mnas_finals_free(finals, n);
    }
    mnas_store_put_snapshot(store, &(mnas_snapshot){.n_updates = 7,
                                                    .loop = loop,
                                                    .state = state,
                                                    .n_state = 1,
                                                    .probabilities = probabilities,
                                                    .n_probabilities = 2});
    mnas_store_event(store, "end", "text");
    mnas_store_set(store, "name", "value");
}

void fuzz_write_study(const char *study_path) {
    mnas_store *store;
    mnas_trial *trials;
    size_t n;
    char path[512];
    snprintf(path, sizeof path, "%s", study_path);
    if (mnas_store_open(&store, path, MNAS_STORE_WRITE) < 0) return;
    if (mnas_store_trials(store, &trials, &n) == 0) {
        write_trials(store, trials, n);
        mnas_trials_free(trials, n);
    }
    if (mnas_store_begin(store) == 0) {
        write_rest(store);
        if (mnas_store_commit(store) < 0) mnas_store_rollback(store);
    }
    mnas_store_close(store);
}

void fuzz_read_study(const char *study_path) {
    mnas_study *study;
    char path[512];
    snprintf(path, sizeof path, "%s", study_path);
    if (mnas_study_open(&study, path) == 0) {
        read_trials(study);
        read_finals(study);
        read_front(study);
        read_verdict(study);
        mnas_report_write(study, fuzz_path("report.html"));
        mnas_study_close(study);
    }
    resume(path);
}
