/* test_cli_search.c - a whole search from the command line, on a few hundred tiny images and a recorded
 * latency: its results, its study read back by every command, refusals, and interruptions. Nothing here says
 * how good a search is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli_fixture.h"
#include "store/store.h"
#include "tiny_images.h"

#define DIR   MNAS_TEST_TMP "/cli-search"
#define STUDY DIR "/s.db"
#define SEARCH(study, trials)                                                                                \
    "search --space mnasnet-28 --data idx:path=" DIR ",val=40 --device table:file=" DIR                      \
    "/t.jsonl,default-ms=0.2 --max-images 64 "                                                               \
    "--recipe proxy:batch=32 --strategy random --threads 1 --target-ms 0.2 --seed 3 --trials " trials        \
    " --study " study

/* ---- tiny data ---- */

static int prepare(void **state) {
    (void)state;
    int rc = system("rm -rf " DIR);
    assert_int_equal(rc, 0);
    assert_int_equal(mnas_file_mkdirs(DIR), 0);
    setenv("MNAS_CACHE_DIR", DIR "/cache", 1);
    tiny_images_write(DIR, "train", 200);
    tiny_images_write(DIR, "t10k", 20);
    assert_int_equal(mnas_file_write_atomic(DIR "/t.jsonl", "", 0), 0);
    return 0;
}

/* ---- results ---- */

static void check_front(const json_t *root, int n_trials) {
    const json_t *front = json_object_get(root, "front");
    double accuracy = -1, latency = -1;
    assert_in_range(json_array_size(front), 1, n_trials);
    for (size_t i = 0; i < json_array_size(front); i++) {
        const json_t *t = json_array_get(front, i);
        assert_in_range(integer(t, "trial"), 0, n_trials - 1);
        assert_non_null(strstr(json_string_value(json_object_get(t, "arch")), "r1_k"));
        assert_true(integer(t, "params") > 0 && integer(t, "macs") > 0);
        double a = json_real_value(json_object_get(t, "accuracy_frac")),
               l = json_real_value(json_object_get(t, "latency_ms"));
        double r = json_real_value(json_object_get(t, "reward"));
        assert_true(a > accuracy && l > latency);
        assert_true(fabs(r - a * pow(l / 0.2, -0.07)) < 1e-9); /* the paper's equation 2 */
        accuracy = a, latency = l;
    }
}

static void test_search(void **state) {
    (void)state;
    json_t *root = run_json(SEARCH(STUDY, "3") " --json");
    check_front(root, 3);
    json_t *again = run_json("pareto " STUDY " --json");
    assert_true(json_equal(root, again));
    json_decref(again);
    json_decref(root);
}

static void test_show(void **state) {
    (void)state;
    json_t *root = run_json("show " STUDY " --json"), *trials = json_object_get(root, "trials");
    assert_int_equal(json_array_size(trials), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *t = json_array_get(trials, i);
        assert_int_equal(integer(t, "trial"), (json_int_t)i);
        assert_string_equal(json_string_value(json_object_get(t, "state")), "complete");
        assert_true(json_is_null(json_object_get(t, "reason")));
        assert_int_equal(integer(t, "n_images"), 64);
        assert_int_equal(json_array_size(json_object_get(t, "tokens")), 30);
        assert_true(json_is_real(json_object_get(json_object_get(t, "latency"), "median_ms")));
    }
    outcome o = run("show " STUDY " 1");
    assert_int_equal(o.exit_code, 0);
    assert_non_null(strstr(text_of(&o), "trial         1, complete"));
    assert_non_null(strstr(text_of(&o), "\nnetwork       r"));
    /* a table's default: nobody counted rounds, runs and threads */
    assert_non_null(strstr(text_of(&o), " (not measured), table default\n"));
    assert_null(strstr(text_of(&o), "-1 "));
    mnas_str_free(&o.out);
    json_decref(root);
    root = run_json("show " STUDY " 2 --json");
    assert_int_equal(integer(json_array_get(json_object_get(root, "trials"), 0), "trial"), 2);
    json_decref(root);
    check_refused("show " STUDY " 99", 2, "trial 99");
    check_refused(SEARCH(DIR "/r.db", "3") " --rungs-async", 2, "--rungs-async is nothing without --rungs");
    check_refused(SEARCH(DIR "/r.db", "3") " --no-forecast --rungs 6 --rung-keep 3 --reward none", 2,
                  "whole brackets: 243 of them, where --trials is 3");
    check_refused(SEARCH(DIR "/r.db", "3") " --rung-factor 2", 2, "--rung-factor is nothing without --rungs");
    check_refused("show " STUDY " x", 2, "\"x\"");
}

static void test_study_as_model(void **state) {
    (void)state;
    json_t *root = run_json("show " STUDY " --json"), *cost = run_json("cost " STUDY ":1 --json");
    const json_t *trial = json_array_get(json_object_get(root, "trials"), 1);
    assert_int_equal(integer(cost, "params"), integer(trial, "params"));
    assert_int_equal(integer(cost, "macs"), integer(trial, "macs"));
    json_decref(root);
    json_decref(cost);
}

static void test_train_and_eval(void **state) {
    (void)state;
    json_t *trained = run_json("train " STUDY ":0 --data idx:path=" DIR
                               ",val=40 --recipe proxy:batch=32 --max-images 64 --threads 1 -o " DIR
                               "/w.safetensors --json");
    json_t *val =
        run_json("eval " STUDY ":0 --weights " DIR "/w.safetensors --data idx:path=" DIR ",val=40 --json");
    assert_int_equal(integer(val, "n"), 40);
    double a = json_real_value(json_object_get(trained, "val_accuracy_frac")),
           b = json_real_value(json_object_get(val, "top1_frac"));
    assert_true(fabs(a - b) < 1e-9);
    assert_true(json_is_real(json_object_get(val, "loss")) &&
                json_is_real(json_object_get(val, "top5_frac")));
    json_decref(trained);
    json_decref(val);
    json_t *test = run_json("eval " STUDY ":0 --weights " DIR "/w.safetensors --data idx:path=" DIR
                            ",val=40 --split test --json");
    assert_int_equal(integer(test, "n"), 20);
    json_decref(test);
}

static void test_report(void **state) {
    (void)state;
    outcome o = run("report " STUDY " -o " DIR "/r.html");
    assert_int_equal(o.exit_code, 0);
    assert_string_equal(text_of(&o), "");
    mnas_str_free(&o.out);
    char *html;
    size_t n;
    assert_int_equal(mnas_file_read(DIR "/r.html", 1 << 24, &html, &n), 0);
    assert_non_null(strstr(html, "3 networks of a random search"));
    assert_non_null(strstr(html, "--max-images 64")); /* the exact command */
    assert_non_null(strstr(html, "</html>"));
    assert_non_null(strstr(html, "href=\"r.csv\"")); /* beside the page */
    assert_non_null(strstr(html, "href=\"r.json\""));
    assert_non_null(strstr(html, "bars are multiply-adds")); /* a table does not know layers */
    assert_null(strstr(html, "class=\"policy\""));           /* nor random search a policy */
    free(html);
}

/* ---- for other programs ---- */

/* Fields of a CSV line, quotes taken off; returns how many. *line moves to the next one. */
static int csv_fields(char **line, char *fields[], int max) {
    int n = 0;
    char *p = *line;
    for (bool end = false; !end && n < max; n++) {
        const bool quoted = *p == '"';
        char *to = fields[n] = p += quoted;
        for (; quoted ? *p != '"' || p[1] == '"' : *p != ',' && *p != '\n'; p++) {
            assert_true(*p);
            if (*p == '"') p++;
            *to++ = *p;
        }
        p += quoted;
        assert_true(*p == ',' || *p == '\n');
        end = *p++ == '\n';
        *to = '\0';
    }
    *line = p;
    return n;
}

enum { CSV_COLUMNS = 29, CSV_ERROR = 23 };

static char *read_text(const char *path) {
    char *text;
    size_t n;
    assert_int_equal(mnas_file_read(path, 1 << 24, &text, &n), 0);
    return text;
}

static void test_csv(void **state) {
    (void)state;
    char *csv = read_text(DIR "/r.csv"), *p = csv, *names[CSV_COLUMNS + 1], *fields[CSV_COLUMNS + 1];
    outcome o = run("show " STUDY " --csv");
    assert_string_equal(text_of(&o), csv);
    mnas_str_free(&o.out);
    json_t *root = run_json("show " STUDY " --json"), *trials = json_object_get(root, "trials");
    assert_int_equal(csv_fields(&p, names, CSV_COLUMNS + 1), CSV_COLUMNS);
    assert_string_equal(names[0], "trial");
    for (size_t i = 0; i < json_array_size(trials); i++) {
        const json_t *t = json_array_get(trials, i);
        assert_int_equal(csv_fields(&p, fields, CSV_COLUMNS + 1), CSV_COLUMNS);
        for (int c = 0; c < CSV_COLUMNS; c++) { /* columns of that name are the JSON's keys */
            const json_t *value = json_object_get(t, names[c]);
            if (json_is_string(value)) assert_string_equal(fields[c], json_string_value(value));
            if (json_is_null(value)) assert_string_equal(fields[c], "");
            if (json_is_number(value)) assert_true(fabs(atof(fields[c]) - json_number_value(value)) < 1e-9);
        }
    }
    assert_int_equal(*p, '\0');
    json_decref(root);
    free(csv);
    check_refused("show " STUDY " --csv --json", 2, "give one");
    check_refused("show " STUDY " 99", 2, "trial 99 is not in this study");
    check_refused("eval " STUDY ":99 --weights none --data fashion-mnist", 2, "trial 99 is not in ");
}

static void test_json_beside_the_page(void **state) {
    (void)state;
    json_error_t error;
    json_t *file = json_load_file(DIR "/r.json", 0, &error), *shown = run_json("show " STUDY " --json");
    if (!file) fail_msg("r.json: %s", error.text);
    assert_true(json_equal(file, shown));
    assert_true(json_array_size(json_object_get(shown, "front")) >= 1);
    json_decref(file);
    json_decref(shown);
}

/* What a failed trial said comes out of CSV as it was: commas, quotes and line feeds. */
static void test_csv_quotes(void **state) {
    (void)state;
    static const char said[] = "loss is nan, \"really\"\nsecond line, and more";
    char command[1600], *p, *csv, *fields[CSV_COLUMNS + 1];
    mnas_store *store;
    int rc = system("cp " STUDY " " DIR "/quotes.db");
    assert_int_equal(rc, 0);
    assert_int_equal(mnas_store_open(&store, DIR "/quotes.db", MNAS_STORE_WRITE), 0);
    mnas_trial t = mnas_trial_empty();
    int attempt;
    bool counted;
    t.number = 3;
    t.arch = (char *)(uintptr_t) "r1_k3_s11_e1_i16_o16";
    assert_int_equal(mnas_store_claim(store, &t, "blocks:", &attempt), 0);
    t.attempt = attempt;
    t.state = MNAS_TRIAL_FAILED;
    strcpy(t.reason, "nan");
    t.error = (char *)(uintptr_t)said;
    assert_int_equal(mnas_store_finish(store, &t, &counted), 0);
    mnas_store_close(store);
    snprintf(command, sizeof command, "%s show %s --csv > %s", MNAS_BINARY, DIR "/quotes.db", DIR "/q.csv");
    rc = system(command);
    assert_int_equal(rc, 0);
    csv = p = read_text(DIR "/q.csv");
    for (int row = 0; row < 5; row++) assert_int_equal(csv_fields(&p, fields, CSV_COLUMNS + 1), CSV_COLUMNS);
    assert_string_equal(fields[1], "failed");
    assert_string_equal(fields[4], ""); /* no accuracy */
    assert_string_equal(fields[CSV_ERROR], said);
    assert_int_equal(*p, '\0');
    free(csv);
}

/* ---- several devices ---- */

#define TWO "table:file=" DIR "/t.jsonl,default-ms=0.2 + table:file=" DIR "/t.jsonl,default-ms=12"

/* As run; TWO stands for its devices, whose spec has blanks. */
static outcome run_two(const char *line) {
    char words[1600];
    const char *argv[MAX_ARGS] = {NULL};
    outcome o = {0};
    int n = 0;
    snprintf(words, sizeof words, "%s %s", MNAS_BINARY, line);
    for (char *save, *w = strtok_r(words, " ", &save); w && n + 1 < MAX_ARGS;
         w = strtok_r(NULL, " ", &save)) {
        argv[n++] = strcmp(w, "TWO") == 0 ? TWO : w;
    }
    mnas_proc *p;
    const char *text;
    assert_int_equal(mnas_proc_start(&p, argv, NULL, 0), 0);
    while (!mnas_proc_done(p)) assert_int_equal(mnas_proc_wait(&p, 1, 1000), 0);
    while ((text = mnas_proc_next_line(p))) mnas_str_appendf(&o.out, "%s\n", text);
    mnas_str_append(&o.out, "");
    o.exit_code = mnas_proc_result_of(p)->exit_code;
    snprintf(o.err, sizeof o.err, "%s", mnas_proc_result_of(p)->err);
    mnas_proc_free(p);
    return o;
}

#define SEARCH_TWO                                                                                           \
    "search --space mnasnet-28 --data idx:path=" DIR ",val=40 --device TWO --max-images 64 --recipe "        \
    "proxy:batch=32 --strategy random --threads 1 --seed 3 --trials 2 --no-forecast --study " DIR            \
    "/two.db --target-ms "

static void expect_words(outcome o, int code, const char *where, const char *const *words) {
    const char *text = strcmp(where, "err") == 0 ? o.err : text_of(&o);
    if (o.exit_code != code) fail_msg("exit %d: %s", o.exit_code, o.err);
    for (; *words; words++)
        if (!strstr(text, *words)) fail_msg("no \"%s\" in: %s", *words, text);
    mnas_str_free(&o.out);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_two_devices(void **state) {
    (void)state;
    expect_words(run_two(SEARCH_TWO "0.2,x"), 2, "err", WORDS("target-ms is \"0.2,x\"", "or auto"));
    expect_words(run_two(SEARCH_TWO "0.2,12,3"), 2, "err", WORDS("for device 3, and there are 2"));
    expect_words(run_two(SEARCH_TWO "0.2,12"), 0, "err", WORDS("0.200 ms + 12.0 ms"));
    expect_words(run_two(SEARCH_TWO "0.2,12"), 0, "out",
                 WORDS("latency 1", "latency 2", "latency 2: table:file=" DIR "/t.jsonl,default-ms=12"));
    expect_words(run_two(SEARCH_TWO "0.2,auto"), 2, "err", WORDS("--target-ms is auto"));
    expect_words(run_two("show " DIR "/two.db 0"), 0, "out", WORDS("12.0 ms", "on table:file="));
    expect_words(run_two("show " DIR "/two.db"), 0, "out", WORDS("latency 2"));
    expect_words(run_two("show " DIR "/two.db --csv"), 0, "out",
                 WORDS(",predicted_error_frac,origin,rung,latency_2_ms,latency_2_low_ms,latency_2_high_ms\n",
                       ",12,,\n"));
    json_t *root = run_json("show " DIR "/two.db --json"), *front = run_json("pareto " DIR "/two.db --json");
    assert_int_equal(json_array_size(json_object_get(root, "devices")), 2);
    const json_t *t = json_array_get(json_object_get(root, "trials"), 1),
                 *other = json_array_get(json_object_get(t, "other_latencies"), 0),
                 *best = json_array_get(json_object_get(front, "front"), 0);
    assert_true(json_number_value(json_object_get(other, "median_ms")) == 12);
    assert_true(json_number_value(json_array_get(json_object_get(best, "latencies_ms"), 1)) == 12);
    const double reward = json_number_value(json_object_get(t, "reward")),
                 accuracy = json_number_value(json_object_get(t, "accuracy_frac"));
    assert_true(fabs(reward - accuracy) < 1e-9); /* on both targets */
    json_decref(root);
    json_decref(front);
    outcome o = run("report " DIR "/two.db -o " DIR "/two.html");
    assert_int_equal(o.exit_code, 0);
    mnas_str_free(&o.out);
    char *html = read_text(DIR "/two.html");
    assert_non_null(strstr(html, "<h3>table:file=" DIR "/t.jsonl,default-ms=12</h3>"));
    assert_non_null(strstr(html, "Pareto front of all devices together"));
    assert_non_null(strstr(html, "fastest on the first device"));
    assert_non_null(strstr(html, "target 12 ms"));
    free(html);
}

/* ---- layers ---- */

/* A search on a device that runs networks ends with its front's layers timed; resumed, it takes what is missing. */
static void test_search_times_layers(void **state) {
    (void)state;
    const char *line =
        "search --space mnasnet-28 --data idx:path=" DIR
        ",val=40 --device local:rounds=3,max-rounds=3,runs=5,time=2,warmup=1,wide --max-images 64 "
        "--recipe proxy:batch=32 --strategy random --threads 1 --target-ms 0.2 --trials 2 "
        "--study " DIR "/local.db --json";
    json_t *front = run_json(line);
    mnas_store *store;
    int n_front = (int)json_array_size(json_object_get(front, "front"));
    const int first = (int)integer(json_array_get(json_object_get(front, "front"), 0), "trial");
    for (int again = 0; again < 2; again++) {
        json_t *shown = run_json("show " DIR "/local.db --json"), *t;
        int n_timed = 0;
        size_t i;
        json_array_foreach(json_object_get(shown, "trials"), i, t) {
            n_timed += json_array_size(json_object_get(t, "layers")) > 10;
        }
        assert_int_equal(n_timed, n_front);
        json_decref(shown);
        if (again) break;
        assert_int_equal(mnas_store_open(&store, DIR "/local.db", MNAS_STORE_WRITE), 0);
        assert_int_equal(mnas_store_put_layers(store, first, NULL, 0), 0); /* as if there had been no time */
        mnas_store_close(store);
        json_decref(run_json(line));
    }
    json_decref(front);
}

static void test_measure_layers(void **state) {
    (void)state;
    json_t *m = run_json("measure mnasnet-small@0.35 --input 32 --layers --device "
                         "local:rounds=3,max-rounds=3,runs=5,time=2,warmup=1,wide --json"),
           *c = run_json("cost mnasnet-small@0.35 --input 32 --json"), *layer, *cost;
    size_t i, k = 0;
    double sum = 0, share = 0;
    json_array_foreach(json_object_get(m, "layers"), i, layer) {
        const char *name = json_string_value(json_object_get(layer, "name"));
        for (; (cost = json_array_get(json_object_get(c, "layers"), k)); k++)
            if (strcmp(json_string_value(json_object_get(cost, "name")), name) == 0) break;
        if (!cost) fail_msg("%s is no layer of the cost, or out of order", name);
        assert_int_equal(integer(layer, "macs"), integer(cost, "macs"));
        const double ms = json_real_value(json_object_get(layer, "ms"));
        assert_true(ms > 0);
        sum += ms;
        share += json_real_value(json_object_get(layer, "share_frac"));
    }
    assert_true(i > 20 && fabs(share - 1) < 1e-9);
    assert_true(fabs(sum - json_real_value(json_object_get(m, "layers_ms"))) < 1e-9);
    json_decref(m);
    json_decref(c);
    check_refused("measure mnasnet-small --layers --device table:file=" DIR "/t.jsonl,default-ms=1", 1,
                  "not the time of each layer");
}

static void test_output_spares_what_is_read(void **state) {
    (void)state;
    check_refused("report " STUDY " -o " STUDY, 2, "would overwrite what is read");
    check_refused("train " STUDY ":0 --data idx:path=" DIR " -o " STUDY, 2, "would overwrite what is read");
    check_refused("report " STUDY " -o /dev/null", 2, "a device or a pipe");
    check_refused("train mnasnet-small --data idx:path=" DIR " -o " STUDY, 2, "would overwrite a study");
    check_refused("space suggest --data idx:path=" DIR " -o " STUDY, 2, "would overwrite a study");
    json_decref(run_json("show " STUDY " --json")); /* still a study */
}

/* ---- going on ---- */

static void test_resume(void **state) {
    (void)state;
    check_refused("search --space mnasnet-28 --data idx:path=" DIR ",val=40 --device table:file=" DIR
                  "/t.jsonl,default-ms=0.2 --max-images 96 "
                  "--recipe proxy:batch=32 --strategy random --threads 1 --target-ms 0.2 --seed 3 --trials 3 "
                  "--study " STUDY,
                  2, "max-images");
    json_t *before = run_json("show " STUDY " --json"), *front = run_json(SEARCH(STUDY, "4") " --json");
    json_t *after = run_json("show " STUDY " --json");
    check_front(front, 4);
    assert_int_equal(json_array_size(json_object_get(after, "trials")), 4);
    for (size_t i = 0; i < 3; i++) {
        assert_true(json_equal(json_array_get(json_object_get(before, "trials"), i),
                               json_array_get(json_object_get(after, "trials"), i)));
    }
    json_decref(before);
    json_decref(front);
    json_decref(after);
}

/* Start `line` with stderr to a file and stdout to nowhere. */
static pid_t start(const char *line, const char *err_path) {
    char words[1024];
    char *argv[MAX_ARGS] = {(char *)(uintptr_t)MNAS_BINARY};
    int n = 1;
    snprintf(words, sizeof words, "%s", line);
    for (char *save, *w = strtok_r(words, " ", &save); w && n + 1 < MAX_ARGS; w = strtok_r(NULL, " ", &save))
        argv[n++] = w;
    pid_t pid = fork();
    if (pid == 0) {
        int err = open(err_path, O_WRONLY | O_CREAT | O_TRUNC, 0644), out = open("/dev/null", O_WRONLY);
        dup2(err, STDERR_FILENO);
        dup2(out, STDOUT_FILENO);
        execv(MNAS_BINARY, argv);
        _exit(99);
    }
    assert_true(pid > 0);
    return pid;
}

static bool file_has(const char *path, const char *part) {
    char *text;
    size_t n;
    if (mnas_file_read(path, 1 << 20, &text, &n) < 0) return false;
    bool found = strstr(text, part) != NULL;
    free(text);
    return found;
}

static void wait_for(const char *path, const char *part) {
    for (int i = 0; i < 1200 && !file_has(path, part); i++) mnas_clock_sleep_ms(50);
    assert_true(file_has(path, part));
}

/* Both signals end the search in order, with 130 and the command that goes on; what was finished is there. */
static void test_interrupt(void **state) {
    (void)state;
    static const int signals[] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; i++) {
        unlink(DIR "/i.db");
        unlink(DIR "/i.err");
        pid_t pid = start(SEARCH(DIR "/i.db", "1000"), DIR "/i.err");
        wait_for(DIR "/i.err", "trial   1");
        kill(pid, signals[i]);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 130);
        assert_true(file_has(DIR "/i.err", "The same command goes on"));
        assert_true(file_has(DIR "/i.err", "--max-images 64"));
        json_t *root = run_json("show " DIR "/i.db --json");
        assert_true(json_array_size(json_object_get(root, "trials")) >= 2);
        json_decref(root);
    }
}

/* A time limit was asked for: reaching it is no failure. */
static void test_time_limit(void **state) {
    (void)state;
    outcome o = run(SEARCH(DIR "/m.db", "1000") " --max-minutes 0.02");
    assert_int_equal(o.exit_code, 0);
    assert_non_null(strstr(o.err, "time is up"));
    assert_true(strstr(text_of(&o), "accuracy") || strstr(text_of(&o), "no complete trial yet"));
    mnas_str_free(&o.out);
}

/* Nothing is made, and everything is said. */
static void test_dry_run(void **state) {
    (void)state;
    static const char *const ranges[] = {"trial_s", "latency_s", "minutes", "peak_bytes", "disk_bytes"};
    json_t *root = run_json(SEARCH(DIR "/dry.db", "6") " --jobs 2 --dry-run --json");
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const json_t *r = json_object_get(root, ranges[i]);
        const double low = json_number_value(json_object_get(r, "low")),
                     mid = json_number_value(json_object_get(r, "mid")),
                     high = json_number_value(json_object_get(r, "high"));
        if (!(low >= 0 && low <= mid && mid <= high)) fail_msg("%s: %g, %g, %g", ranges[i], low, mid, high);
    }
    assert_true(json_is_null(json_object_get(json_object_get(root, "final_minutes"), "mid")));
    assert_int_equal(json_integer_value(json_object_get(root, "n_trials")), 6);
    assert_int_equal(json_integer_value(json_object_get(root, "n_timed")), 4);
    assert_true(json_number_value(json_object_get(root, "too_large_frac")) == 0);
    json_decref(root);
    assert_int_equal(access(DIR "/dry.db", F_OK), -1);
    assert_int_equal(access(DIR "/dry.db.lock", F_OK), -1);
}

/* The trials are the same to the last bit whether or not a forecast went before. */
static void test_forecast_changes_nothing(void **state) {
    (void)state;
    static const char *const commands[] = {SEARCH(DIR "/fa.db", "3"),
                                           SEARCH(DIR "/fb.db", "3") " --no-forecast"};
    static const char *const shows[] = {"show " DIR "/fa.db --json", "show " DIR "/fb.db --json"};
    json_t *root[2];
    for (int i = 0; i < 2; i++) {
        outcome o = run(commands[i]);
        assert_int_equal(o.exit_code, 0);
        assert_true((strstr(o.err, "forecast: 3 trials in ") != NULL) == (i == 0));
        mnas_str_free(&o.out);
        root[i] = run_json(shows[i]);
    }
    for (size_t t = 0; t < 3; t++) {
        static const char *const same[] = {"arch", "accuracy_frac", "seed", "epoch_accuracy_frac"};
        const json_t *a = json_array_get(json_object_get(root[0], "trials"), t),
                     *b = json_array_get(json_object_get(root[1], "trials"), t);
        for (size_t k = 0; k < sizeof same / sizeof *same; k++)
            assert_true(json_equal(json_object_get(a, same[k]), json_object_get(b, same[k])));
    }
    json_decref(root[0]);
    json_decref(root[1]);
}

/* A budget, too; failures and earlier trials count. Nothing is left to forecast then. */
static void test_max_trials(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        outcome o = run(SEARCH(DIR "/mt.db", "50") " --jobs 2 --max-trials 2");
        assert_int_equal(o.exit_code, 0);
        assert_non_null(strstr(o.err, "2 trials of max-trials are spent"));
        assert_true((strstr(o.err, "forecast: ") != NULL) == (i == 0));
        mnas_str_free(&o.out);
    }
    json_t *root = run_json("show " DIR "/mt.db --json");
    assert_int_equal(json_array_size(json_object_get(root, "trials")), 2);
    json_decref(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_show),
        cmocka_unit_test(test_study_as_model),
        cmocka_unit_test(test_train_and_eval),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_json_beside_the_page),
        cmocka_unit_test(test_csv_quotes),
        cmocka_unit_test(test_two_devices),
        cmocka_unit_test(test_search_times_layers),
        cmocka_unit_test(test_measure_layers),
        cmocka_unit_test(test_output_spares_what_is_read),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_dry_run),
        cmocka_unit_test(test_max_trials),
        cmocka_unit_test(test_forecast_changes_nothing),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
