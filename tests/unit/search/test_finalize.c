/* test_finalize.c - stage two with trainings and evaluations that are only played: what is planned, what resumes, that the
 * choice stands before a test image is read and who is tested, failures, a device that fails, other options, baselines
 * of another study, the order of measuring. */
#include "no_fsync.h"
#include "search_fixture.h"

#include "search/finalize.h"
#include "search/search.h"

/* ---- what is played ---- */

struct mnas_job {
    mnas_job_news news;
};

static volatile bool cancelled;
static struct {
    int n_events, stop_at; /* starts and evaluations; 0: never */
    int n_started, n_tested;
    const char *failing; /* networks whose file's name has this in it diverge */
    double failing_lr;   /* recipes with this rate, too */
    double luck;         /* that a training's accuracy has at most */
} play;

static void event(void) {
    if (++play.n_events == play.stop_at) cancelled = true;
}

static double accuracy_of(const mnas_model *model) {
    char key[17];
    assert_int_equal(mnas_model_key(model, key), 0);
    return 0.5 + 0.4 * (double)(mnas_hash_bytes(MNAS_HASH_INIT, key, 16) >> 11) / 9007199254740992.0;
}

static int play_start(void *user, mnas_job **out, const mnas_job_request *request) {
    (void)user;
    mnas_recipe recipe;
    mnas_job *job = calloc(1, sizeof *job);
    assert_int_equal(mnas_recipe_open(&recipe, request->recipe), 0);
    const bool fails = (play.failing && request->output && strstr(request->output, play.failing)) ||
                       recipe.lr == play.failing_lr;
    play.n_started++;
    job->news = (mnas_job_news){.frac = 0.5,
                                .done = true,
                                .status = fails ? MNAS_ERR_NAN : 0,
                                .error = fails ? "played divergence" : NULL};
    job->news.result.val_accuracy_frac = accuracy_of(request->model) - fabs(recipe.lr - 0.05);
    *out = job;
    event();
    return 0;
}

static int play_wait(void *user, mnas_job *const *jobs, size_t n, int timeout_ms) {
    (void)user, (void)jobs, (void)n, (void)timeout_ms;
    return 0;
}
static const mnas_job_news *play_news(mnas_job *job) {
    return &job->news;
}
static void play_none(mnas_job *job) {
    (void)job;
}
static void play_close(mnas_job *job) {
    free(job);
}
static const mnas_job_runner player = {.start = play_start,
                                       .wait = play_wait,
                                       .news = play_news,
                                       .pause = play_none,
                                       .resume = play_none,
                                       .close = play_close};

/* Of a training, by the name of its weights. */
static double luck_of(const char *weights) {
    const char *name = strrchr(weights, '/');
    return play.luck * ((double)(mnas_hash_bytes(MNAS_HASH_INIT, name, strlen(name)) % 1000) / 500 - 1);
}

static int play_evaluate(mnas_eval_result *out, uint8_t **correct, const mnas_model *model,
                         const char *weights, const char *data, const char *split, int threads) {
    (void)data, (void)threads;
    const bool test = strcmp(split, "test") == 0;
    *out = (mnas_eval_result){.n = test ? FIX_IMAGES : 100,
                              .top1_frac = accuracy_of(model) + luck_of(weights),
                              .balanced_frac = 0.5};
    *correct = calloc((size_t)out->n, 1);
    if (test) {
        play.n_tested++; /* the choice is in the study for everybody to see */
        assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM final WHERE chosen"), 1);
        assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM final WHERE state = 'running'"), 0);
    }
    event();
    return 0;
}

/* ---- a study to begin with ---- */

enum { N_TRIALS = 6 };
static char device[640], random_study[540], kept[540];

static void copy_split(const char *kind) {
    char from[512], to[512];
    snprintf(from, sizeof from, "%s/train-%s", fix_dir, kind);
    snprintf(to, sizeof to, "%s/t10k-%s", fix_dir, kind);
    fix_copy(from, to);
}

static int setup(void **state) {
    fix_setup(state);
    copy_split("images-idx3-ubyte");
    copy_split("labels-idx1-ubyte");
    memset(&play, 0, sizeof play);
    cancelled = false;
    snprintf(device, sizeof device, "%s,default-ms=0.9", fix_device);
    snprintf(random_study, sizeof random_study, "%s/study-random.db", fix_dir);
    snprintf(kept, sizeof kept, "%s/kept.db", fix_dir);
    mnas_search_options o = fix_options(fix_study, N_TRIALS);
    o.strategy = "random";
    o.device = device;
    const mnas_search_hooks hooks = {.runner = &player};
    fix_expect(mnas_search_run_with(&o, &hooks), 0, NULL);
    fix_copy(fix_study, kept);
    play.n_started = play.n_events = 0;
    return 0;
}

/* The study as the search left it. */
static void begin_again(void) {
    fix_remove_study(fix_study);
    fix_remove_study(random_study);
    fix_copy(kept, fix_study);
    play.n_started = play.n_tested = play.n_events = play.stop_at = 0;
    cancelled = false;
}

static mnas_finalize_options options(void) {
    return (mnas_finalize_options){.study = fix_study,
                                   .top_k = 2,
                                   .recipe = "final:batch=16",
                                   .epochs = 1,
                                   .n_random = 4,
                                   .n_lr = 3,
                                   .n_repeats = 2,
                                   .n_passes = 3,
                                   .jobs = 1,
                                   .threads = 1,
                                   .max_minutes = NAN,
                                   .cancel = &cancelled};
}

static int run(const mnas_finalize_options *o) {
    const mnas_finalize_hooks hooks = {&player, play_evaluate};
    return mnas_finalize_with(o, &hooks);
}

static char *dump(void) {
    mnas_str out = {0};
    fix_query(&out, fix_study,
              "SELECT number, role, family, name, trial, repeat, input_size, lr, seed, state, reason, "
              "val_accuracy_frac, test_accuracy_frac, n_val, n_test, n_passes, latency_median_ms, "
              "latency_ci_low_ms, latency_rounds, weights, chosen, macs FROM final ORDER BY number");
    fix_query(&out, fix_study, "SELECT * FROM setting WHERE name LIKE 'final%' ORDER BY name");
    assert_true(mnas_str_ok(&out));
    return out.data;
}

static long long count(const char *where) {
    char sql[300];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM final WHERE %s", where);
    return fix_count(fix_study, sql);
}

/* ---- tests ---- */

static void test_whole(void **state) {
    (void)state;
    const mnas_finalize_options o = options();
    fix_expect(run(&o), 0, NULL);
    assert_int_equal(count("role = 'found' AND repeat = 0"), 2);
    assert_int_equal(count("role = 'random' AND repeat = 0"), 2); /* as many as found */
    assert_true(count("family = 'mobilenet-v2' AND repeat = 0") >= 6);
    assert_int_equal(count("family = 'mnasnet-b1' AND repeat = 0"), 3);
    assert_true(count("input_size = 8") > 0);
    assert_int_equal(count("repeat > 0 AND role = 'found'"), 2);
    assert_int_equal(count("repeat > 0 AND role = 'baseline'"), 2);
    assert_int_equal(count("state = 'complete'"), count("1"));
    assert_int_equal(count("n_passes = 3 AND repeat = 0"), count("repeat = 0"));
    assert_int_equal(count("n_passes > 0 AND repeat > 0"), 0);
    /* of found and random networks one each, of baselines all, of repeats none */
    assert_int_equal(count("n_test > 0 AND role = 'found'"), 1);
    assert_int_equal(count("n_test > 0 AND chosen"), 1);
    assert_int_equal(count("n_test > 0 AND role = 'random'"), 1);
    assert_int_equal(count("n_test > 0 AND role = 'baseline'"), count("repeat = 0 AND role = 'baseline'"));
    assert_int_equal(count("n_test > 0 AND repeat > 0"), 0);
    /* the rate that plays best, for all */
    assert_int_equal(count("abs(lr - 0.05) < 1e-9"), count("1"));
    /* all seeds differ */
    assert_int_equal(fix_count(fix_study, "SELECT count(DISTINCT seed) FROM final"), count("1"));
    char path[600];
    snprintf(path, sizeof path, "%s/study.final", fix_dir);
    assert_true(mnas_file_exists(path));

    char *before = dump();
    const int n_started = play.n_started;
    fix_expect(run(&o), 0, NULL); /* done is done */
    char *after = dump();
    fix_same(before, after);
    assert_int_equal(play.n_started, n_started);
    free(before);
    free(after);
}

/* The chosen one has the highest reward among the found ones, and the plan the best of the front. */
static void test_choice(void **state) {
    (void)state;
    const mnas_finalize_options o = options();
    fix_expect(run(&o), 0, NULL);
    assert_int_equal(fix_count(fix_study,
                               "SELECT number = (SELECT number FROM final WHERE role = 'found' AND "
                               "repeat = 0 ORDER BY val_accuracy_frac * "
                               "pow(latency_median_ms / 0.5, -0.07) DESC LIMIT 1) "
                               "FROM final WHERE chosen"),
                     1);
    assert_int_equal(fix_count(fix_study,
                               "SELECT (SELECT reward FROM trial WHERE number = (SELECT trial FROM "
                               "final WHERE number = 0)) = (SELECT max(reward) FROM trial)"),
                     1);
}

/* Stopped at its n-th event, for every n, and resumed: it ends as if it had not been stopped, and repeats at most what was
 * under way. */
static void test_resume(void **state) {
    (void)state;
    const mnas_finalize_options o = options();
    fix_expect(run(&o), 0, NULL);
    char *whole = dump();
    const int n_started = play.n_started, n_tested = play.n_tested;
    int rc = MNAS_ERR_CANCELLED;
    for (int n = 1; rc != 0; n++) {
        begin_again();
        play.stop_at = n;
        rc = run(&o);
        if (rc != 0) fix_expect(rc, MNAS_ERR_CANCELLED, "interrupted");
        cancelled = false;
        fix_expect(run(&o), 0, NULL);
        char *resumed = dump();
        fix_same(whole, resumed);
        free(resumed);
        assert_in_range(play.n_started, n_started, n_started + 1);
        assert_int_equal(play.n_tested, n_tested); /* once each */
    }
    free(whole);
}

static mnas_finalize_options race_options(void) {
    mnas_finalize_options o = options();
    o.top_k = 3;
    o.n_race = 5;
    o.n_repeats = 0;
    o.baselines = "none";
    o.n_lr = 1;
    return o;
}

/* Five more trainings each; what the chosen one shows on average is more than what any other does. */
static void test_race(void **state) {
    (void)state;
    play.luck = 0.1;
    const mnas_finalize_options o = race_options();
    fix_expect(run(&o), 0, NULL);
    assert_int_equal(count("repeat > 0 AND role = 'found'"), 5);
    assert_int_equal(count("repeat > 0 AND role = 'random'"), 5);
    assert_int_equal(count("repeat > 0 AND role = 'baseline'"), 0);
    assert_int_equal(count("state = 'complete'"), count("1"));
    assert_int_equal(
        fix_count(fix_study,
                  "SELECT number = (SELECT a.number FROM final a WHERE a.role = 'found' AND a.repeat = 0 "
                  "ORDER BY (SELECT avg(b.val_accuracy_frac) FROM final b WHERE b.role = 'found' AND b.trial "
                  "= a.trial) "
                  "* pow(a.latency_median_ms / 0.5, -0.07) DESC LIMIT 1) FROM final WHERE chosen"),
        1);
    assert_int_equal(fix_count(fix_study, "SELECT count(DISTINCT seed) FROM final"), count("1"));
    mnas_finalize_options other = o;
    other.n_race = 0;
    fix_expect(run(&other), MNAS_ERR_MISMATCH, "begun with --race 5");
    other.n_race = 4;
    fix_expect(run(&other), MNAS_ERR_MISMATCH, "--race is \"4\"");
}

/* The repeats of the chosen network that a race has trained count; a race of one network is none. */
static void test_race_and_repeats(void **state) {
    (void)state;
    mnas_finalize_options o = race_options();
    o.n_repeats = 20;
    fix_expect(run(&o), 0, NULL);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM final WHERE role = 'found' AND "
                                          "trial = (SELECT trial FROM final WHERE chosen)"),
                     21);
    begin_again();
    o.top_k = 1, o.n_repeats = 0;
    fix_expect(run(&o), 0, NULL);
    assert_int_equal(count("repeat > 0"), 0);
}

static void test_race_goes_on(void **state) {
    (void)state;
    play.luck = 0.1;
    const mnas_finalize_options o = race_options();
    fix_expect(run(&o), 0, NULL);
    char *whole = dump();
    const int n_started = play.n_started;
    int rc = MNAS_ERR_CANCELLED;
    for (int n = play.n_events / 3; rc != 0; n += 3) {
        begin_again();
        play.stop_at = n;
        rc = run(&o);
        if (rc != 0) fix_expect(rc, MNAS_ERR_CANCELLED, "interrupted");
        cancelled = false;
        fix_expect(run(&o), 0, NULL);
        char *resumed = dump();
        fix_same(whole, resumed);
        free(resumed);
        assert_in_range(play.n_started, n_started, n_started + 1);
    }
    free(whole);
}

static void test_mismatch(void **state) {
    (void)state;
    mnas_finalize_options o = options();
    fix_expect(run(&o), 0, NULL);
    o.top_k = 3;
    fix_expect(run(&o), MNAS_ERR_MISMATCH, "--top-k");
    o = options();
    o.recipe = "final:batch=16,lr=0.3";
    fix_expect(run(&o), MNAS_ERR_MISMATCH, "--recipe");
    o = options();
    o.baselines = "none";
    fix_expect(run(&o), MNAS_ERR_MISMATCH, "--baselines");
    o = options();
    o.jobs = 2, o.max_minutes = 100;
    fix_expect(run(&o), 0, NULL); /* may differ */
}

static void test_failures(void **state) {
    (void)state;
    mnas_finalize_options o = options();
    play.failing = "mnasnet";
    play.failing_lr = 0.2;
    fix_expect(run(&o), 0, NULL);
    assert_int_equal(count("state = 'failed' AND reason = 'nan' AND error LIKE '%played%'"), 3);
    assert_int_equal(count("state = 'failed' AND family = 'mnasnet-b1'"), 3);
    assert_int_equal(count("chosen AND n_test > 0"), 1);
    begin_again();
    play.failing = "trial-";
    fix_expect(run(&o), MNAS_ERR_EXHAUSTED, "none of the found networks");
    assert_int_equal(play.n_tested, 0);
}

static void test_baselines_by_name(void **state) {
    (void)state;
    mnas_finalize_options o = options();
    o.baselines = "mobilenet-v2@0.5/8 mnasnet-b1@0.1";
    o.n_random = o.n_repeats = 0;
    fix_expect(run(&o), 0, NULL);
    assert_int_equal(count("repeat = 0"), 4);
    assert_int_equal(count("name = 'mobilenet-v2@0.5/8' AND input_size = 8"), 1);
    assert_int_equal(count("name = 'mnasnet-b1@0.1/12' AND input_size = 12"), 1);
    begin_again();
    o.baselines = "mobilenet-v3";
    fix_expect(run(&o), MNAS_ERR_ARG, "mobilenet-v2");
    assert_int_equal(count("1"), 0); /* nothing is planned by halves */
    o.baselines = "mnasnet-b1 mnasnet-b1";
    fix_expect(run(&o), MNAS_ERR_ARG, "twice");
}

static void test_refusals(void **state) {
    (void)state;
    mnas_finalize_options o = options();
    o.study = "no-such.db";
    fix_expect(run(&o), MNAS_ERR_MISSING, "no such study");
    assert_false(mnas_file_exists("no-such.db"));
    o = options();
    o.top_k = 0;
    fix_expect(run(&o), MNAS_ERR_ARG, "top-k is 0");
    fix_execute(fix_study, "UPDATE trial SET state = 'failed'");
    o = options();
    fix_expect(run(&o), MNAS_ERR_ARG, "no complete trial");
}

/* Side by side gives the same rows. */
static void test_jobs(void **state) {
    (void)state;
    mnas_finalize_options o = options();
    fix_expect(run(&o), 0, NULL);
    char *one = dump();
    begin_again();
    o.jobs = 2;
    fix_expect(run(&o), 0, NULL);
    char *two = dump();
    fix_same(one, two);
    free(one);
    free(two);
}

/* The device is one that knows the networks of the space alone. */
static void use_bare_device(void) {
    char sql[800];
    snprintf(sql, sizeof sql, "UPDATE setting SET value = '%s' WHERE name = 'device'", fix_device);
    fix_execute(fix_study, sql);
}

/* What the device cannot measure fails; where it measures nothing any more, nothing is held against the networks. */
static void test_failing_device(void **state) {
    (void)state;
    mnas_finalize_options o = options();
    o.n_repeats = 0;
    use_bare_device();
    fix_expect(run(&o), 0, NULL);
    assert_true(count("role = 'baseline'") >= 9);
    assert_int_equal(count("role = 'baseline' AND state = 'failed' AND reason = 'device' AND error != ''"),
                     count("role = 'baseline'"));
    assert_int_equal(count("role != 'baseline' AND n_passes = 3"), 4);
    assert_int_equal(count("chosen AND n_test > 0"), 1);
    begin_again();
    use_bare_device();
    o.n_random = 0;
    fix_write(fix_table, "", 0);
    fix_expect(run(&o), MNAS_ERR_DEVICE, "the same command goes on");
    assert_int_equal(count("state = 'complete' AND n_passes = 0"), count("1"));
    const int n_started = play.n_started;
    fix_latencies();
    fix_expect(run(&o), 0, NULL);
    assert_int_equal(play.n_started, n_started);
    assert_int_equal(count("role = 'found' AND n_passes = 3"), 2);
}

/* ---- several devices ---- */

static char two[1500];

/* A study of two devices, as a search leaves it. */
static void begin_with_two(void) {
    fix_remove_study(fix_study);
    fix_remove_study(random_study);
    snprintf(two, sizeof two, "%s + table:file=%s,device=toy,default-ms=7", device, fix_table);
    mnas_search_options o = fix_options(fix_study, N_TRIALS);
    o.strategy = "random";
    o.device = two, o.other_targets_ms[0] = 0.2;
    const mnas_search_hooks hooks = {.runner = &player};
    fix_expect(mnas_search_run_with(&o, &hooks), 0, NULL);
}

static char *dump_others(void) {
    mnas_str out = {0};
    fix_query(&out, fix_study,
              "SELECT number, device, latency_median_ms FROM final_latency ORDER BY number, device");
    fix_query(&out, fix_study, "SELECT number, n_others_pass_ms, others_pass_ms FROM final ORDER BY number");
    fix_query(&out, fix_study,
              "SELECT * FROM setting WHERE name LIKE 'final_target_ms%' OR name = 'final_chosen'");
    assert_true(mnas_str_ok(&out));
    return out.data;
}

/* All passes are taken on both; the choice is by the product, and the same in pieces. */
static void test_two_devices(void **state) {
    (void)state;
    mnas_finalize_options o = options();
    begin_with_two();
    fix_expect(run(&o), 0, NULL);
    assert_int_equal(count("repeat = 0 AND state = 'complete' AND n_others_pass_ms != n_passes"), 0);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM final_latency WHERE device = 1"),
                     count("repeat = 0 AND state = 'complete'"));
    assert_int_equal(fix_count(random_study, "SELECT count(*) FROM setting WHERE name = 'target_ms_2'"), 1);
    mnas_study *study;
    assert_int_equal(mnas_study_open(&study, fix_study), 0);
    const mnas_final *chosen = NULL;
    double best = -1;
    for (int i = 0; i < mnas_study_n_finals(study); i++) {
        const mnas_final *f = mnas_study_final(study, i);
        if (f->role != MNAS_FINAL_FOUND || f->repeat > 0) continue;
        assert_int_equal(f->n_others, 1);
        const double reward = f->val_accuracy_frac * pow(f->latency.median_ms / 0.5, -0.07) *
                              pow(f->others[0].median_ms / 0.2, -0.07);
        if (reward > best) best = reward, chosen = f;
    }
    assert_true(chosen && chosen->chosen);
    mnas_verdict verdict;
    assert_int_equal(mnas_study_verdict(study, &verdict), 0);
    assert_non_null(strstr(verdict.words, "first of 2 devices"));
    mnas_verdict_free(&verdict);
    mnas_study_close(study);

    char *whole = dump_others();
    begin_with_two();
    o.cancel = &cancelled;
    int rc = MNAS_ERR_CANCELLED;
    for (int i = 1; rc == MNAS_ERR_CANCELLED; i++) {
        cancelled = false;
        play.n_events = 0, play.stop_at = i;
        rc = run(&o);
    }
    play.stop_at = 0;
    fix_expect(rc, 0, NULL);
    char *pieces = dump_others();
    fix_same(whole, pieces);
    free(pieces);
    free(whole);
}

/* ---- baselines of another study ---- */

static char lender[540];

/* What a damaged study says of passes and devices that are not there is refused, by who reads and by who goes on. */
static void test_damaged_passes(void **state) {
    (void)state;
    static const char *const damages[] = {
        "UPDATE final SET pass_ms = NULL WHERE number = 1",
        "UPDATE final SET n_passes = 2000000000, pass_ms = NULL WHERE number = 1",
        "UPDATE final SET others_pass_ms = NULL WHERE number = 1",
        "UPDATE final SET n_passes = 0, pass_ms = NULL, n_others_pass_ms = 0, others_pass_ms = NULL; "
        "INSERT INTO final_latency (number, device, latency_median_ms) VALUES (1, 2, 3)",
        "DELETE FROM final_latency WHERE number = 1",
    };
    char sound[540];
    mnas_finalize_options o = options();
    mnas_study *study;
    o.n_random = 0, o.n_repeats = 0, o.baselines = "none";
    begin_with_two();
    fix_expect(run(&o), 0, NULL);
    snprintf(sound, sizeof sound, "%s/sound.db", fix_dir);
    fix_copy(fix_study, sound);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        fix_copy(sound, fix_study);
        fix_execute(fix_study, damages[i]);
        fix_expect(mnas_study_open(&study, fix_study), MNAS_ERR_FORMAT, "damaged");
        fix_expect(run(&o), MNAS_ERR_FORMAT, "damaged");
    }
}

/* Stage two of a study with more found networks, so that numbers of its baselines are those of repeats here. */
static mnas_finalize_options lend(void) {
    mnas_finalize_options o = options();
    snprintf(lender, sizeof lender, "%s/lender.db", fix_dir);
    o.top_k = 4;
    fix_expect(run(&o), 0, NULL);
    fix_copy(fix_study, lender);
    begin_again();
    o.top_k = 1;
    static char baselines[600];
    snprintf(baselines, sizeof baselines, "study:%s", lender);
    o.baselines = baselines;
    return o;
}

static char *baselines_of(const char *study) {
    mnas_str out = {0};
    fix_query(&out, study,
              "SELECT name, family, input_size, lr, seed, state, val_accuracy_frac, val_balanced_frac, "
              "test_accuracy_frac, n_val, n_test, val_correct, test_correct, params, macs, model "
              "FROM final WHERE role = 'baseline' AND repeat = 0 ORDER BY number");
    assert_true(mnas_str_ok(&out));
    return out.data;
}

static void test_borrowed_baselines(void **state) {
    (void)state;
    const mnas_finalize_options o = lend();
    fix_expect(run(&o), 0, NULL);
    char *theirs = baselines_of(lender), *ours = baselines_of(fix_study);
    fix_same(theirs, ours);
    /* rates of two families, two networks and their repeats; the random search trains four */
    assert_int_equal(play.n_started, 2 * 3 + 2 + 2 * 2 + 4);
    assert_int_equal(play.n_tested, 2);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM setting WHERE name LIKE 'final_tune_m%'"), 0);
    assert_int_equal(count("role = 'baseline' AND repeat = 0 AND n_passes = 3 AND weights IS NULL"),
                     count("role = 'baseline' AND repeat = 0"));
    assert_int_equal(count("role = 'baseline' AND repeat > 0 AND state = 'complete'"), 2);
    assert_int_equal(fix_count(fix_study, "SELECT count(DISTINCT seed) FROM final"), count("1"));
    free(theirs);
    free(ours);
    fix_remove_study(lender);
    fix_expect(run(&o), 0, NULL); /* it is not needed any more */
}

static void expect_refusal(const mnas_finalize_options *o, int status, const char *words) {
    fix_expect(run(o), status, words);
    assert_int_equal(count("1"), 0); /* nothing is planned by halves */
    assert_int_equal(play.n_started, 0);
}

static void test_borrowing_is_refused(void **state) {
    (void)state;
    mnas_finalize_options o = lend();
    o.epochs = 2;
    expect_refusal(&o, MNAS_ERR_MISMATCH, "epochs \"1\"");
    o.epochs = 1, o.n_lr = 2;
    expect_refusal(&o, MNAS_ERR_MISMATCH, "learning-rates");
    o.n_lr = 3;
    fix_execute(lender,
                "UPDATE final SET model = replace(model, 'dropout: 0', 'dropout: 0.5') WHERE number = 0");
    expect_refusal(&o, MNAS_ERR_MISMATCH, "dropout 0.5");
    fix_execute(lender,
                "UPDATE final SET model = replace(model, 'dropout: 0.5', 'dropout: 0') WHERE number = 0");
    fix_execute(lender, "UPDATE final SET n_val = 99, val_correct = NULL WHERE role = 'baseline'");
    expect_refusal(&o, MNAS_ERR_MISMATCH, "99 validation");
    fix_execute(lender,
                "UPDATE final SET n_val = 100, n_test = 0, test_correct = NULL WHERE role = 'baseline'");
    expect_refusal(&o, MNAS_ERR_ARG, "not finished");
    fix_execute(lender, "UPDATE final SET state = 'failed' WHERE role = 'baseline'");
    expect_refusal(&o, MNAS_ERR_ARG, "no trained baselines");
    o.baselines = "study:no-such.db";
    expect_refusal(&o, MNAS_ERR_MISSING, "no-such.db");
}

/* A model file may have any name; some would be mistaken for something else. */
static void test_reserved_names(void **state) {
    (void)state;
    mnas_finalize_options o = options();
    mnas_model model;
    char path[500], *yaml;
    snprintf(path, sizeof path, "%s/mine.yaml", fix_dir);
    o.baselines = path;
    assert_int_equal(mnas_model_open(&model, "mnasnet-small", 0), 0);
    snprintf(model.name, sizeof model.name, "random");
    assert_int_equal(mnas_model_print(&model, &yaml), 0);
    fix_write(path, yaml, strlen(yaml));
    free(yaml);
    expect_refusal(&o, MNAS_ERR_ARG, "has a meaning here");
}

/* Rows are found by their numbers. */
static void test_damaged(void **state) {
    (void)state;
    const mnas_finalize_options o = options();
    fix_expect(run(&o), 0, NULL);
    fix_execute(fix_study, "UPDATE final SET number = 1000 WHERE number = 3");
    fix_expect(run(&o), MNAS_ERR_FORMAT, "damaged");
}

static void test_time_limit(void **state) {
    (void)state;
    mnas_finalize_options o = options();
    o.max_minutes = 1e-5;
    fix_expect(run(&o), MNAS_ERR_TIMEOUT, "minutes");
    o.max_minutes = NAN;
    fix_expect(run(&o), 0, NULL);
}

static void test_turns(void **state) {
    (void)state;
    for (size_t n = 5; n < 30; n++) {
        bool first[30] = {0};
        for (int pass = 0; pass < 5; pass++) {
            bool seen[30] = {0};
            for (size_t i = 0; i < n; i++) seen[mnas_stage_turn(i, pass, n, 5)] = true;
            for (size_t i = 0; i < n; i++) assert_true(seen[i]);
            assert_false(first[mnas_stage_turn(0, pass, n, 5)]); /* nobody begins twice */
            first[mnas_stage_turn(0, pass, n, 5)] = true;
        }
    }
}

static void test_spec(void **state) {
    (void)state;
    char out[100];
    assert_int_equal(mnas_stage_spec(out, sizeof out, "final", "lr", "0.1"), 0);
    assert_string_equal(out, "final:lr=0.1");
    assert_int_equal(mnas_stage_spec(out, sizeof out, "final:lr=5,pad=2,lrx=1", "lr", "0.1"), 0);
    assert_string_equal(out, "final:pad=2,lrx=1,lr=0.1");
    assert_int_equal(mnas_stage_spec(out, sizeof out, "idx:path=\"a,lr=1,b\",lr=2", "lr", "3"), 0);
    assert_string_equal(out, "idx:path=\"a,lr=1,b\",lr=3");
    assert_int_equal(mnas_stage_spec(out, 8, "final", "lr", "0.1"), MNAS_ERR_ARG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_choice, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_resume, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_race, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_race_and_repeats, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_race_goes_on, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_mismatch, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_baselines_by_name, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_jobs, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_failing_device, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_two_devices, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_borrowed_baselines, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_damaged_passes, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_borrowing_is_refused, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_reserved_names, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_time_limit, setup, fix_teardown),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_spec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
