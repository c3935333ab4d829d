/* finalize_random.c - the control: what as many networks drawn at random would have given. A study of its own beside the
 * first one, with the same space, data, device, recipe and images, and the strategy `random`; its rewards are
 * the first study's. Its best are then treated as the found ones are. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "model/space.h"
#include "search/finalize.h"
#include "search/search.h"

/* Random proposals depend on no outcome: the study may be resumed with any number of jobs. */
enum { ANY_JOBS = 64 };

static int check_space(const mnas_stage *s, const char *name) {
    mnas_space *space;
    char hash[MNAS_SPACE_HASH_BYTES];
    int rc = mnas_space_open(&space, name);
    if (rc < 0) return mnas_error_context(rc, "random search");
    const char *was = mnas_stage_setting(s, "space_hash");
    mnas_space_hash(space, hash);
    mnas_space_close(space);
    if (was && strcmp(was, hash) == 0) return 0;
    return mnas_error_set(MNAS_ERR_MISMATCH,
                          "space %s has changed since the search; give it back its text, or --random 0",
                          name);
}

static void on_progress(void *user, const mnas_search_progress *p) {
    mnas_stage *s = user;
    char name[32];
    if (p->trial && p->trial->state == MNAS_TRIAL_COMPLETE)
        mnas_log_info("random search: trial %d has %.2f %% at %.3g ms (%d/%d)", p->trial->number,
                      100 * p->trial->accuracy_frac, p->trial->latency.median_ms, p->n_complete, p->n_wanted);
    if (!s->options.progress) return;
    snprintf(name, sizeof name, "trial %d", p->number);
    const mnas_finalize_progress out = {.phase = "random search",
                                        .name = name,
                                        .n_done = p->n_complete,
                                        .n_planned = p->n_wanted,
                                        .phase_frac = p->phase_frac,
                                        .elapsed_s = p->elapsed_s,
                                        .eta_s = p->eta_s};
    s->options.progress(s->options.user, &out);
}

static int search(mnas_stage *s, const char *path, int n) {
    mnas_search_options options = {.space = mnas_stage_setting(s, "space"),
                                   .data = mnas_stage_setting(s, "data"),
                                   .device = mnas_stage_setting(s, "device"),
                                   .study = path,
                                   .reward = mnas_stage_setting(s, "reward"),
                                   .strategy = "random",
                                   .recipe = mnas_stage_setting(s, "recipe"),
                                   .target_ms = s->reward.target_ms[0],
                                   .trials = n,
                                   .max_images = (int64_t)mnas_stage_real(s, "max_images", 0),
                                   .epochs = mnas_stage_real(s, "epochs", NAN),
                                   .seed = mnas_stage_seed(s) + 1,
                                   .max_minutes = mnas_stage_left_minutes(s),
                                   .jobs = s->options.jobs,
                                   .threads = s->options.threads,
                                   .trial_timeout_s = NAN,
                                   .device_minutes = s->options.device_minutes,
                                   .command_line = s->options.command_line,
                                   .progress = on_progress,
                                   .user = s,
                                   .cancel = s->options.cancel};
    const mnas_search_hooks hooks = {.runner = s->hooks.runner, .delay = ANY_JOBS};
    for (int d = 1; d < s->n_devices; d++) options.other_targets_ms[d - 1] = s->reward.target_ms[d];
    int rc = mnas_stage_check_time(s);
    if (rc == 0) rc = check_space(s, options.space);
    if (rc == 0) rc = mnas_search_run_with(&options, &hooks);
    if (rc != MNAS_ERR_EXHAUSTED) return rc < 0 ? mnas_error_context(rc, "random search") : 0;
    mnas_log_warn("random search: %s; going on with what there is", mnas_error_message());
    return 0;
}

/* As many as found ones: then both are chosen from equally many. */
static int plan_best(mnas_stage *s, const char *path) {
    mnas_study *study;
    int n = 0, k = 0;
    for (size_t i = 0; i < s->n_finals; i++) k += s->finals[i].role == MNAS_FINAL_FOUND;
    int rc = mnas_study_open(&study, path);
    if (rc < 0) return rc;
    int *numbers = calloc((size_t)k + 1, sizeof *numbers);
    if (!numbers) rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d networks", k);
    if (rc == 0) rc = mnas_stage_select(study, &s->reward, k, numbers, &n);
    for (int i = 0; i < n && rc == 0; i++) rc = mnas_stage_add_trial(s, MNAS_FINAL_RANDOM, study, numbers[i]);
    free(numbers);
    mnas_study_close(study);
    return rc;
}

static int plan(mnas_stage *s, const char *path, int n) {
    int rc = mnas_store_begin(s->store);
    if (rc == 0 && n > 0) rc = plan_best(s, path);
    if (rc == 0) rc = mnas_stage_set(s, "final_random_planned", "1");
    return rc < 0 ? rc : mnas_store_commit(s->store);
}

int mnas_stage_search_random(mnas_stage *s) {
    char path[1100];
    const int n = mnas_stage_int(s, "final_random_trials", 0);
    if (mnas_stage_setting(s, "final_random_planned")) return 0;
    int rc = mnas_stage_beside(s, "-random.db", path, sizeof path);
    if (rc == 0 && n > 0) rc = search(s, path, n);
    return rc < 0 ? rc : plan(s, path, n);
}
