/* test_devices.c - one search on several devices, with trainings and measurings that are only played: what it stores does not
 * depend on who is quicker; devices vanish, refuse, and come back; a network that alone fails is its own fault.
 */
#include "no_fsync.h"
#include "search_fixture.h"

#include "base/clock.h"
#include "model/latency.h"
#include "model/model.h"
#include "search/devices.h"
#include "search/measuring.h"
#include "search/search.h"
#include "search/study.h"

/* ---- a runner that trains nothing and measures nothing ---- */

struct mnas_job {
    mnas_job_news news;
    mnas_latency latencies[MNAS_MAX_DEVICES];
    double epoch;
    int polls_left;
    bool measures;
};

/* What the played devices do at the n-th question to them; 0: answer. */
static struct {
    int n_asked, n_measuring, max_measuring, n_trained;
    int slow_every;
    int (*status)(int question, const char *key, const char *spec);
    char said[256];
} play;

static double hash_of(const char *key, const char *spec) {
    uint64_t hash = mnas_hash_bytes(MNAS_HASH_INIT, key, 16);
    hash = mnas_hash_bytes(hash, spec, strlen(spec));
    return (double)(hash >> 11) / 9007199254740992.0;
}

static void key_of(const mnas_model *model, char key[17]) {
    assert_int_equal(mnas_model_key(model, key), 0);
}

static int play_start(void *user, mnas_job **out, const mnas_job_request *request) {
    (void)user;
    char key[17];
    mnas_job *job = calloc(1, sizeof *job);
    key_of(request->model, key);
    job->epoch = 0.5 + 0.4 * hash_of(key, "accuracy");
    job->news = (mnas_job_news){.frac = 0, .epoch_accuracy_frac = &job->epoch, .n_epochs = 1};
    job->news.result.val_accuracy_frac = job->epoch;
    job->news.result.n_images = 200;
    job->polls_left = play.slow_every && play.n_trained % play.slow_every == 0 ? 5 : 1;
    play.n_trained++;
    *out = job;
    return 0;
}

/* Its answers are made at once, and told some polls later. */
static int play_measure(void *user, mnas_job **out, const mnas_measure_request *request) {
    (void)user;
    char key[17];
    mnas_job *job = calloc(1, sizeof *job);
    key_of(request->model, key);
    job->measures = true;
    job->news.latencies = job->latencies;
    job->polls_left = play.slow_every && play.n_asked % play.slow_every == 0 ? 7 : 1;
    for (int d = 0; d < request->n_devices; d++) {
        const int question = play.n_asked++;
        const int status = play.status ? play.status(question, key, request->devices[d]) : 0;
        if (status < 0) {
            job->news.status = status, job->news.error = play.said;
            break;
        }
        mnas_latency *l = &job->latencies[job->news.n_latencies++];
        *l = (mnas_latency){.median_ms = 0.1 + hash_of(key, request->devices[d]), .rounds = 5};
    }
    if (++play.n_measuring > play.max_measuring) play.max_measuring = play.n_measuring;
    *out = job;
    return 0;
}

static int play_wait(void *user, mnas_job *const *jobs, size_t n, int timeout_ms) {
    (void)user, (void)timeout_ms;
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        any = any || jobs[i];
        if (jobs[i] && !jobs[i]->news.done && --jobs[i]->polls_left <= 0) jobs[i]->news.done = true;
    }
    if (!any) mnas_clock_sleep_ms(1);
    return 0;
}
static const mnas_job_news *play_news(mnas_job *job) {
    return &job->news;
}
static void play_none(mnas_job *job) {
    (void)job;
}
static void play_close(mnas_job *job) {
    if (job && job->measures) play.n_measuring--;
    free(job);
}

static const mnas_job_runner player = {.start = play_start,
                                       .wait = play_wait,
                                       .news = play_news,
                                       .pause = play_none,
                                       .resume = play_none,
                                       .close = play_close,
                                       .measure = play_measure};

static char two[1300];

static int setup(void **state) {
    fix_setup(state);
    memset(&play, 0, sizeof play);
    snprintf(play.said, sizeof play.said, "no route to host\ntail of stderr");
    snprintf(two, sizeof two, "%s + table:file=%s,device=toy", fix_device, fix_table);
    return 0;
}

static mnas_search_options options(int trials) {
    mnas_search_options o = fix_options(fix_study, trials);
    o.device = two;
    o.other_targets_ms[0] = 0.4;
    return o;
}

static int run(const mnas_search_options *o, int delay) {
    const mnas_search_hooks hooks = {.runner = &player, .delay = delay, .pause_s = 0.01};
    const int rc = mnas_search_run_with(o, &hooks);
    assert_int_equal(play.n_measuring, 0); /* nothing is left behind */
    return rc;
}

/* fix_dump and the latencies on further devices. */
static char *dump(const char *study) {
    mnas_str out = {0};
    char *rest = fix_dump(study);
    mnas_str_append(&out, rest);
    free(rest);
    fix_query(&out, study,
              "SELECT number, device, latency_median_ms FROM trial_latency ORDER BY number, device");
    fix_query(&out, study, "SELECT * FROM setting WHERE name LIKE 'target_ms%' ORDER BY name");
    assert_true(mnas_str_ok(&out));
    return out.data;
}

/* ---- specs ---- */

static void test_specs(void **state) {
    (void)state;
    mnas_device_specs s;
    assert_int_equal(mnas_device_specs_split(&s, "local"), 0);
    assert_true(s.n == 1 && strcmp(s.list[0], "local") == 0);
    mnas_device_specs_free(&s);
    assert_int_equal(mnas_device_specs_split(&s, "local + pool:devices=\"a + b\",x=1 + c+d"), 0);
    assert_int_equal(s.n, 3);
    assert_string_equal(s.list[1], "pool:devices=\"a + b\",x=1");
    assert_string_equal(s.list[2], "c+d");
    mnas_device_specs_free(&s);
    assert_int_equal(mnas_device_specs_split(&s, " a  +  b "), 0);
    assert_true(s.n == 2 && strcmp(s.list[0], "a") == 0 && strcmp(s.list[1], "b") == 0);
    mnas_device_specs_free(&s);
    fix_expect(mnas_device_specs_split(&s, ""), MNAS_ERR_ARG, "device 1 is empty");
    fix_expect(mnas_device_specs_split(&s, "a + + b"), MNAS_ERR_ARG, "device 2 is empty");
    fix_expect(mnas_device_specs_split(&s, "a + "), MNAS_ERR_ARG, "device 2 is empty");
    fix_expect(mnas_device_specs_split(&s, "a + b + c + d + e + f + g + h + i"), MNAS_ERR_ARG, "more than 8");
    mnas_devices devices;
    fix_expect(mnas_devices_open(&devices, "local + lokal"), MNAS_ERR_ARG, "did you mean local");
}

static void test_bad_targets(void **state) {
    (void)state;
    mnas_search_options o = options(3);
    o.other_targets_ms[0] = -1;
    fix_expect(run(&o, 0), MNAS_ERR_ARG, "target is -1 ms");
    o = options(3), o.other_targets_ms[1] = 3;
    fix_expect(run(&o, 0), MNAS_ERR_ARG, "for device 3, and there are 2");
    o = options(3), o.device_minutes = -1;
    fix_expect(run(&o, 0), MNAS_ERR_ARG, "device-minutes is -1");
    assert_false(mnas_file_exists(fix_study));
}

/* ---- one search, several devices ---- */

static void test_product_and_front(void **state) {
    (void)state;
    const mnas_search_options o = options(20);
    mnas_study *study;
    int *front, n_front;
    fix_expect(run(&o, 0), 0, NULL);
    assert_int_equal(play.max_measuring, 1);
    assert_int_equal(mnas_study_open(&study, fix_study), 0);
    assert_int_equal(mnas_study_n_devices(study), 2);
    assert_string_equal(mnas_study_device(study, 0), fix_device);
    assert_null(mnas_study_device(study, 2));
    for (int i = 0; i < 20; i++) {
        const mnas_trial *t = mnas_study_trial(study, i);
        assert_int_equal(t->n_others, 1);
        assert_true(mnas_trial_latency_on(t, 1)->median_ms == t->others[0].median_ms);
        assert_null(mnas_trial_latency_on(t, 2));
        const double reward = t->accuracy_frac * pow(t->latency.median_ms / 0.5, -0.07) *
                              pow(t->others[0].median_ms / 0.4, -0.07);
        assert_true(fabs(t->reward - reward) < 1e-12);
    }
    /* two on the front need not be ordered on the first device alone */
    assert_int_equal(mnas_study_front(study, &front, &n_front), 0);
    int n_unbeaten = 0;
    for (int i = 0; i < 20; i++) {
        const mnas_trial *a = mnas_study_trial(study, i);
        bool beaten = false;
        for (int k = 0; k < 20; k++) {
            const mnas_trial *b = mnas_study_trial(study, k);
            beaten = beaten || (k != i && b->accuracy_frac >= a->accuracy_frac &&
                                b->latency.median_ms <= a->latency.median_ms &&
                                b->others[0].median_ms <= a->others[0].median_ms);
        }
        n_unbeaten += !beaten;
    }
    assert_int_equal(n_front, n_unbeaten);
    free(front);
    assert_string_equal(mnas_study_setting(study, "target_ms_2"), "0.40000000000000002");
    mnas_study_close(study);
    mnas_search_options other = o;
    other.other_targets_ms[0] = 0.3;
    fix_expect(run(&other, 0), MNAS_ERR_MISMATCH, "--target-ms is 0.3");
    other = o, other.device = fix_device, other.other_targets_ms[0] = 0;
    fix_expect(run(&other, 0), MNAS_ERR_MISMATCH, "--device is");
}

static volatile bool cancelled;
static int cancel_after;
static void count_down(void *user, const mnas_search_progress *p) {
    (void)user;
    if (p->trial && --cancel_after == 0) cancelled = true;
}

/* However many measure and train side by side, in whatever order they end, wherever they are interrupted. */
static void test_jobs_and_pieces(void **state) {
    (void)state;
    char other[600];
    snprintf(other, sizeof other, "%s/other.db", fix_dir);
    mnas_search_options o = options(25);
    o.target_ms = NAN, o.other_targets_ms[0] = 0, o.reward = "soft:w=auto";
    fix_expect(run(&o, 4), 0, NULL);
    char *one = dump(fix_study);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM setting WHERE name LIKE 'target_ms%'"), 2);
    play.slow_every = 3, play.max_measuring = 0;
    o.study = other, o.jobs = 4;
    fix_expect(run(&o, 4), 0, NULL);
    assert_true(play.max_measuring > 1); /* at once, while others train */
    char *many = dump(other);
    fix_same(one, many);
    free(many);
    fix_remove_study(other);
    o.progress = count_down, o.cancel = &cancelled;
    int rc = MNAS_ERR_CANCELLED;
    for (int i = 0; rc == MNAS_ERR_CANCELLED; i++) {
        cancel_after = 1 + i % 3, cancelled = false;
        o.jobs = 1 + i % 4;
        rc = run(&o, 4);
    }
    fix_expect(rc, 0, NULL);
    many = dump(other);
    fix_same(one, many);
    free(many);
    free(one);
}

static void test_latency_is_missing(void **state) {
    (void)state;
    mnas_search_options o = options(4);
    fix_expect(run(&o, 0), 0, NULL);
    fix_execute(fix_study, "DELETE FROM trial_latency WHERE number = 1");
    o.trials = 6;
    fix_expect(run(&o, 0), MNAS_ERR_FORMAT, "trial 1 has latencies on 1 devices");
    mnas_study *study;
    fix_expect(mnas_study_open(&study, fix_study), MNAS_ERR_FORMAT, "damaged");
}

/* ---- devices that vanish ---- */

static int from, until; /* questions that nobody answers */
static int vanished(int question, const char *key, const char *spec) {
    (void)key, (void)spec;
    return question >= from && question < until ? MNAS_ERR_DEVICE : 0;
}

static int n_awaited;
static void note_awaited(void *user, const mnas_search_progress *p) {
    (void)user;
    if (!p->awaited) return;
    n_awaited++;
    assert_string_equal(p->why, "no route to host"); /* the first line */
    assert_non_null(strstr(p->awaited, "table:"));
    assert_true(p->awaited_limit_s == 60 && p->awaited_s >= 0);
}

/* Wherever the plug is pulled, and with any number of jobs: nothing fails, and the study is the same. */
static void test_awaited_device_comes_back(void **state) {
    (void)state;
    char other[600];
    snprintf(other, sizeof other, "%s/other.db", fix_dir);
    mnas_search_options o = options(10);
    fix_expect(run(&o, 3), 0, NULL);
    char *whole = dump(fix_study);
    o.study = other, o.device_minutes = 1, o.progress = note_awaited;
    play.status = vanished;
    for (int i = 0; i < 12; i++) {
        n_awaited = 0;
        play.n_asked = 0, from = 4 + i, until = from + 7;
        play.slow_every = i % 3 ? 2 : 0;
        o.jobs = 1 + i % 3;
        fix_expect(run(&o, 3), 0, NULL);
        assert_true(n_awaited > 0);
        assert_int_equal(
            fix_count(other, "SELECT count(*) FROM trial WHERE state = 'failed' OR attempt != 1"), 0);
        char *again = dump(other);
        fix_same(whole, again);
        free(again);
        fix_remove_study(other);
    }
    free(whole);
}

/* It does not come back: the search ends, its trials stay, and the next one goes on. */
static void test_awaited_in_vain(void **state) {
    (void)state;
    char other[600];
    snprintf(other, sizeof other, "%s/other.db", fix_dir);
    mnas_search_options o = options(10);
    fix_expect(run(&o, 2), 0, NULL);
    char *whole = dump(fix_study);
    o.study = other;
    play.status = vanished;
    for (int minutes = 0; minutes < 2; minutes++) {
        play.n_asked = 0, from = 9, until = 1000000;
        o.device_minutes = minutes * 0.1 / 60;
        o.jobs = 1 + minutes;
        const double begun_s = mnas_clock_now_s();
        fix_expect(run(&o, 2), MNAS_ERR_DEVICE, "once it is back the same command goes on");
        assert_non_null(strstr(mnas_error_message(), "no route to host"));
        assert_true(mnas_clock_now_s() - begun_s < 5);
        assert_int_equal(fix_count(other, "SELECT count(*) FROM trial WHERE state = 'failed'"), 0);
        assert_true(fix_count(other, "SELECT count(*) FROM trial WHERE state = 'running'") >= 1);
        assert_true(fix_count(other, "SELECT count(*) FROM trial WHERE state = 'complete'") >= 3);
        until = 0;
        fix_expect(run(&o, 2), 0, NULL);
        char *again = dump(other);
        fix_same(whole, again);
        free(again);
        fix_remove_study(other);
    }
    free(whole);
}

/* A device that has never worked is not worth waiting for: its spec is wrong. */
static void test_never_there(void **state) {
    (void)state;
    mnas_search_options o = options(5);
    o.device_minutes = 10;
    play.status = vanished, from = 0, until = 1000000;
    fix_expect(run(&o, 0), MNAS_ERR_DEVICE, "is away: no route to host");
    assert_int_equal(play.n_asked, 3); /* again, and another network */
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'running'"), 1);
    until = 0;
    fix_expect(run(&o, 0), 0, NULL);
}

static char hated[17];
static int hates_one(int question, const char *key, const char *spec) {
    (void)question, (void)spec;
    return strcmp(key, hated) == 0 ? MNAS_ERR_DEVICE : 0;
}

/* The device works: the network alone fails on it, with all that was said. */
static void test_network_at_fault(void **state) {
    (void)state;
    char other[600], sql[200];
    snprintf(other, sizeof other, "%s/other.db", fix_dir);
    mnas_search_options o = options(6);
    fix_expect(run(&o, 0), 0, NULL);
    for (int number = 0; number < 4; number += 3) { /* the first of all, and another */
        mnas_str key = {0};
        snprintf(sql, sizeof sql, "SELECT key FROM trial WHERE number = %d", number);
        fix_query(&key, fix_study, sql);
        snprintf(hated, sizeof hated, "%.16s", key.data);
        mnas_str_free(&key);
        o.study = other, play.status = hates_one, play.n_asked = 0, o.device_minutes = 10;
        fix_expect(run(&o, 0), 0, NULL);
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM trial WHERE state = 'failed' AND reason = 'device' AND number = %d "
                 "AND error LIKE 'no route%%stderr'",
                 number);
        assert_int_equal(fix_count(other, sql), 1);
        assert_int_equal(fix_count(other, "SELECT count(*) FROM trial WHERE state = 'failed'"), 1);
        fix_remove_study(other);
    }
}

/* A single failure is asked again at once, and forgotten. */
static void test_single_failure(void **state) {
    (void)state;
    const mnas_search_options o = options(3);
    play.status = vanished, from = 4, until = 5;
    fix_expect(run(&o, 0), 0, NULL);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'failed'"), 0);
}

/* ---- refusals ---- */

static int refused_from, refused_until;
static int refuses(int question, const char *key, const char *spec) {
    (void)key, (void)spec;
    return question >= refused_from && question < refused_until ? MNAS_ERR_REFUSED : 0;
}

static int most_refused;
static void note_refused(void *user, const mnas_search_progress *p) {
    (void)user;
    if (p->n_refused > most_refused) most_refused = p->n_refused;
}

static void test_refused(void **state) {
    (void)state;
    mnas_search_options o = options(6);
    o.progress = note_refused;
    play.status = refuses, refused_from = 4, refused_until = 7; /* three times: taken at the fourth */
    fix_expect(run(&o, 0), 0, NULL);
    assert_int_equal(fix_count(fix_study, "SELECT n_refused FROM trial WHERE number = 2"), 3);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'failed'"), 0);
    assert_int_equal(most_refused, 3);
    fix_remove_study(fix_study);
    play.n_asked = 0, refused_until = 8; /* four times: the trial fails, the search goes on */
    fix_expect(run(&o, 0), 0, NULL);
    assert_int_equal(
        fix_count(fix_study,
                  "SELECT number FROM trial WHERE state = 'failed' AND reason = 'device' AND n_refused = 4"),
        2);
}

/* Nothing but refusals from the beginning: it says how to mend it, and no network is lost. */
static void test_all_refused(void **state) {
    (void)state;
    mnas_search_options o = options(4);
    play.status = refuses, refused_from = 0, refused_until = 1000000;
    fix_expect(run(&o, 0), MNAS_ERR_REFUSED, "first 5 measurements");
    assert_non_null(strstr(mnas_error_message(), "ci=0.03"));
    assert_int_equal(play.n_asked, 5);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'running'"), 1);
    refused_until = play.n_asked + 4; /* a little quieter */
    fix_expect(run(&o, 0), 0, NULL);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'failed'"), 0);
}

/* Trials fail for what is theirs. What every network would meet, a library that is not installed, ends the search. */
static int not_installed(int question, const char *key, const char *spec) {
    (void)question, (void)key;
    return strncmp(spec, "command", 7) == 0 ? MNAS_ERR_MISSING : 0;
}

static void test_set_up_is_wrong(void **state) {
    (void)state;
    char beside[1300];
    mnas_search_options o = options(4);
    snprintf(beside, sizeof beside, "%s + command:run=\"true {model}\",quiet=false", fix_device);
    o.device = beside, o.device_minutes = 10;
    play.status = not_installed;
    fix_expect(run(&o, 0), MNAS_ERR_MISSING, "trial 0 cannot be measured: no route to host; once that is");
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'failed'"), 0);
    play.status = NULL;
    fix_expect(run(&o, 0), 0, NULL);
}

/* The fifth question, twice, and then the probe. */
static int fails_and_refuses(int question, const char *key, const char *spec) {
    (void)key, (void)spec;
    return question == 4 || question == 5 ? MNAS_ERR_DEVICE : question == 6 ? MNAS_ERR_REFUSED : 0;
}

/* The device has answered: the network gets its last chance, and is not blamed for an unsteady moment. */
static void test_probe_is_refused(void **state) {
    (void)state;
    const mnas_search_options o = options(4);
    play.status = fails_and_refuses;
    fix_expect(run(&o, 0), 0, NULL);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'failed'"), 0);
}

/* In stage two no network is lost for refusals. */
static void test_refused_is_kept(void **state) {
    (void)state;
    mnas_devices devices;
    mnas_measuring m;
    fix_expect(mnas_devices_open(&devices, fix_device), 0, NULL);
    mnas_measure_context c = {
        .devices = &devices, .runner = &player, .has_worked = true, .keeps_refused = true, .pause_s = 0.001};
    play.status = refuses, refused_from = 0, refused_until = 1000000;
    assert_int_equal(mnas_model_open_local(&c.probe, "mnasnet-small", 0), 0);
    mnas_measuring_begin(&m);
    for (int i = 0; i < 1000 && m.state <= MNAS_MEASURING_RUNS; i++) {
        if (m.state == MNAS_MEASURING_RUNS) {
            assert_int_equal(play_wait(NULL, &m.job, 1, 0), 0);
            assert_int_equal(mnas_measuring_poll(&m, &c, &c.probe, "a"), 0);
        } else if (mnas_measuring_is_due(&m)) {
            assert_int_equal(mnas_measuring_ask(&m, &c, &c.probe, "a"), 0);
        } else {
            mnas_clock_sleep_ms(1);
        }
    }
    assert_int_equal(m.state, MNAS_MEASURING_GIVEN_UP);
    fix_expect(mnas_measuring_say(&m, &c, "a"), MNAS_ERR_REFUSED, "a: 4 measurements on");
    mnas_measuring_end(&m, &c);
    mnas_devices_close(&devices);
}

/* ---- screening ---- */

static char model_file[540];

/* A model of a device whose latency follows the multiply-adds. */
static void fit_model(int side) {
    enum { N = 60 };
    static mnas_measured nets[N];
    mnas_dataset_info info = {.height = FIX_SIDE, .width = FIX_SIDE, .channels = 1, .classes = 2};
    mnas_space *space;
    mnas_latency_model *model;
    assert_int_equal(mnas_space_open(&space, fix_space), 0);
    memset(nets, 0, sizeof nets);
    for (int i = 0; i < N; i++) {
        int tokens[8];
        mnas_cost cost;
        for (int t = 0; t < 8; t++) tokens[t] = (i * 37 % 256) >> t & 1;
        assert_int_equal(mnas_loop_decode(space, &info, tokens, &nets[i].network), 0);
        assert_int_equal(mnas_cost_compute(&cost, &nets[i].network, 1), 0);
        nets[i].network.input_size = side;
        nets[i].latency = mnas_latency_unknown();
        nets[i].latency.median_ms = (double)cost.macs / 3e5;
        snprintf(nets[i].latency.device, sizeof nets[i].latency.device, "toy");
        mnas_cost_free(&cost);
    }
    fix_expect(mnas_latency_model_fit(&model, nets, N, "tiny", NAN), 0, NULL);
    snprintf(model_file, sizeof model_file, "%s/model.json", fix_dir);
    fix_expect(mnas_latency_model_save(model, model_file), 0, NULL);
    mnas_latency_model_free(model);
    mnas_space_close(space);
}

static void test_screening(void **state) {
    (void)state;
    char other[600];
    snprintf(other, sizeof other, "%s/other.db", fix_dir);
    fit_model(FIX_SIDE);
    mnas_search_options o = options(12);
    o.strategy = "random", o.screen = model_file, o.screen_factor = 1.2, o.target_ms = NAN;
    fix_expect(run(&o, 0), MNAS_ERR_ARG, "screen needs a target-ms");
    o.target_ms = 0.1;
    fix_expect(run(&o, 3), 0, NULL);
    const long long n = fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'pruned'");
    assert_true(n > 0);
    assert_int_equal(play.n_trained, 12); /* trials wanted are complete ones */
    assert_int_equal(
        fix_count(fix_study,
                  "SELECT count(*) FROM trial WHERE state = 'pruned' AND reason = 'screened' AND reward = 0 "
                  "AND accuracy_frac IS NULL AND latency_median_ms IS NULL AND "
                  "predicted_ms * (1 - predicted_error_frac) > 0.12"),
        n);
    assert_int_equal(
        fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'complete' AND latency_median_ms > 0 "
                             "AND predicted_ms * (1 - predicted_error_frac) <= 0.12"),
        12);
    mnas_study *study;
    int *front, n_front;
    assert_int_equal(mnas_study_open(&study, fix_study), 0);
    assert_string_equal(mnas_study_setting(study, "screen"), model_file);
    assert_int_equal(mnas_study_front(study, &front, &n_front), 0);
    for (int i = 0; i < n_front; i++)
        assert_int_equal(mnas_study_trial(study, front[i])->state, MNAS_TRIAL_COMPLETE);
    free(front);
    mnas_study_close(study);
    /* the same in pieces and side by side */
    char *whole = dump(fix_study);
    o.study = other, o.progress = count_down, o.cancel = &cancelled;
    int rc = MNAS_ERR_CANCELLED;
    for (int i = 0; rc == MNAS_ERR_CANCELLED; i++) {
        cancel_after = 1 + i % 3, cancelled = false, o.jobs = 1 + i % 3;
        rc = run(&o, 3);
    }
    fix_expect(rc, 0, NULL);
    char *pieces = dump(other);
    fix_same(whole, pieces);
    free(pieces);
    free(whole);
}

/* The model is part of what a study is made of; screened ones count in max-trials. */
static void test_screening_is_fixed(void **state) {
    (void)state;
    fit_model(FIX_SIDE);
    mnas_search_options o = options(4);
    o.strategy = "random", o.screen = model_file, o.screen_factor = 1;
    o.target_ms = 0.001; /* nothing is so fast */
    fix_expect(run(&o, 0), MNAS_ERR_EXHAUSTED, "screened as too slow");
    assert_int_equal(play.n_trained + play.n_asked, 0);
    o.max_trials = 2000;
    mnas_search_options plain = o;
    plain.screen = NULL;
    fix_expect(run(&plain, 0), MNAS_ERR_MISMATCH, "--screen");
    plain = o, plain.screen_factor = 2;
    fix_expect(run(&plain, 0), MNAS_ERR_MISMATCH, "--screen is");
    fix_remove_study(fix_study);
    o.max_trials = 5;
    fix_expect(run(&o, 0), MNAS_ERR_TIMEOUT, "5 trials of max-trials");
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'pruned'"), 5);
    fix_write(model_file, "{}", 2);
    fix_expect(run(&o, 0), MNAS_ERR_FORMAT, "screen");
    fix_remove_study(fix_study);
    fit_model(2 * FIX_SIDE); /* which knows the error of no network here */
    fix_expect(run(&o, 0), MNAS_ERR_ARG, "of images of 24 pixels, these networks take 12");
    assert_false(mnas_file_exists(fix_study));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {T(test_specs),
                                       T(test_bad_targets),
                                       T(test_product_and_front),
                                       T(test_jobs_and_pieces),
                                       T(test_latency_is_missing),
                                       T(test_awaited_device_comes_back),
                                       T(test_awaited_in_vain),
                                       T(test_never_there),
                                       T(test_network_at_fault),
                                       T(test_single_failure),
                                       T(test_refused),
                                       T(test_all_refused),
                                       T(test_set_up_is_wrong),
                                       T(test_probe_is_refused),
                                       T(test_refused_is_kept),
                                       T(test_screening),
                                       T(test_screening_is_fixed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
