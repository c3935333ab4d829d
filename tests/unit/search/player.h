/* player.h - searches whose trainings are only played: outcomes are functions of network and seed, or what a test makes of a
 * request, and a test says what fails, hangs or ends late. They can be interrupted and taken up again.
 */
#ifndef MNAS_TEST_PLAYER_H
#define MNAS_TEST_PLAYER_H

#include "search_fixture.h"

#include "search/search.h"

struct mnas_job {
    mnas_job_news news;
    double epochs[2];
    int polls_left;
    bool paused;
    char state[1300]; /* a file that its end leaves; "": none */
};

static struct {
    int n_started, n_running, max_running, n_ended;
    int slow_every;           /* every so many trainings take long: they end out of order */
    int status_every, status; /* every so many end with this status */
    int hang_at;              /* the training of this number never ends */
    int cancel_at; /* the search is interrupted when so many have ended since it was begun or taken up */
    void (*change)(mnas_job *job, const mnas_job_request *request); /* what comes of a request */
    int64_t (*free_bytes)(void);
    const char *sql; /* run on the study while a training runs */
} play;

static volatile bool cancelled;

static inline void play_reset(void) {
    memset(&play, 0, sizeof play);
    play.hang_at = -1;
}

/* Of the network alone, as a training with a fixed seed is; a little of the seed, to see that it is given on. */
static double played_accuracy(const mnas_job_request *request) {
    char key[17];
    assert_int_equal(mnas_model_key(request->model, key), 0);
    const uint64_t hash = mnas_hash_bytes(MNAS_HASH_INIT, key, 16) >> 11;
    return 0.5 + 0.4 * ((double)hash / 9007199254740992.0) + (double)(request->seed % 1000) * 1e-6;
}

static int play_start(void *user, mnas_job **out, const mnas_job_request *request) {
    (void)user;
    mnas_job *job = calloc(1, sizeof *job);
    const double accuracy = played_accuracy(request);
    const int n = play.n_started++;
    /* by the network and not by the order of starts: a repetition must end alike */
    const bool fails = play.status_every && (int)(request->seed % (uint64_t)play.status_every) == 0;
    job->news = (mnas_job_news){
        .frac = 0, .status = fails ? play.status : 0, .error = fails ? "played failure" : NULL};
    job->news.result.val_accuracy_frac = accuracy;
    job->news.result.n_images = 200;
    job->epochs[0] = accuracy / 2, job->epochs[1] = accuracy;
    job->news.epoch_accuracy_frac = job->epochs, job->news.n_epochs = 2;
    job->polls_left = n == play.hang_at ? 1000000000 : play.slow_every && n % play.slow_every == 0 ? 7 : 1;
    if (play.change) play.change(job, request);
    if (++play.n_running > play.max_running) play.max_running = play.n_running;
    if (play.sql) fix_execute(fix_study, play.sql);
    *out = job;
    return 0;
}

static int play_wait(void *user, mnas_job *const *jobs, size_t n, int timeout_ms) {
    (void)user, (void)timeout_ms;
    for (size_t i = 0; i < n; i++) {
        if (!jobs[i] || jobs[i]->news.done) continue;
        assert_false(jobs[i]->paused);
        if (--jobs[i]->polls_left > 0) continue;
        if (jobs[i]->state[0]) fix_write(jobs[i]->state, "state", 5);
        jobs[i]->news.done = true;
        if (++play.n_ended == play.cancel_at) cancelled = true;
    }
    return 0;
}

static const mnas_job_news *play_news(mnas_job *job) {
    return &job->news;
}
static void play_pause(mnas_job *job) {
    job->paused = true;
}
static void play_resume(mnas_job *job) {
    job->paused = false;
}
static void play_close(mnas_job *job) {
    if (job) play.n_running--;
    free(job);
}

static const mnas_job_runner player = {.start = play_start,
                                       .wait = play_wait,
                                       .news = play_news,
                                       .pause = play_pause,
                                       .resume = play_resume,
                                       .close = play_close};

static inline int run(const mnas_search_options *options, int delay) {
    const mnas_search_hooks hooks = {.runner = &player, .delay = delay, .free_bytes = play.free_bytes};
    const int rc = mnas_search_run_with(options, &hooks);
    assert_int_equal(play.n_running, 0); /* nothing is left behind */
    return rc;
}

/* ---- interrupting ---- */

static int cancel_after; /* finished trials */

static void count_down(void *user, const mnas_search_progress *p) {
    (void)user;
    if (p->trial && --cancel_after == 0) cancelled = true;
}

/* Until it is done, interrupted after 1, 2, 3, 1, 2, 3 ... trials. `between` runs on the study at each stop. */
static inline void run_in_pieces(mnas_search_options o, int delay, const char *between) {
    int rc = MNAS_ERR_CANCELLED, n_stops = 0;
    o.progress = count_down;
    o.cancel = &cancelled;
    while (rc == MNAS_ERR_CANCELLED) {
        cancel_after = 1 + n_stops++ % 3;
        cancelled = false;
        rc = run(&o, delay);
        if (rc == MNAS_ERR_CANCELLED && between) fix_execute(o.study, between);
    }
    fix_expect(rc, 0, NULL);
    assert_true(n_stops > 3);
}

#endif
