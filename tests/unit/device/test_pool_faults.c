/* test_pool_faults.c - the plug is pulled at every stage, holders are killed, processes share a farm: no measurement is lost, none
 * is made twice, no phone has two at once.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "device/device_pool_state.h"
#include "device/lease.h"
#include "fake_phone.h"

/* ---- the plug, at a stage ---- */

static const char *pull_at;
static bool pull_sentinel;

static void pull_a_once(const char *name, const char *stage, bool sentinel) {
    if (!pull_at || strcmp(name, "a") != 0 || sentinel != pull_sentinel || strcmp(stage, pull_at) != 0)
        return;
    pull_at = NULL;
    phone_put("a", "unplugged", "");
}

static void test_pulled_at_every_stage(void **state) {
    (void)state;
    static const struct {
        const char *stage, *measured_by;
        bool sentinel;
    } cases[] = {{"start", "b", true},    {"round 0", "b", true},  {"round 2", "b", true},
                 {"round 4", "b", true},  {"end", "b", true},      {"start", "b", false},
                 {"round 0", "b", false}, {"round 2", "b", false}, {"round 4", "b", false},
                 {"end", "a", false}};
    phone_put("b", "ms", "1.05");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char state_file[1100];
        snprintf(state_file, sizeof state_file, ",state=%s/state-%zu", phones_dir, i);
        mnas_device *farm = open_farm("ab", state_file);
        const int before = count_lines("log", " n\n"), calibrations = count_lines("log", "a sentinel");
        pull_at = cases[i].stage;
        pull_sentinel = cases[i].sentinel;
        phone_hook = pull_a_once;
        /* who calibrates first is the unit: b, where a does not come to that */
        const bool a_is_unit = !cases[i].sentinel || strcmp(cases[i].stage, "end") == 0;
        const double ms = a_is_unit ? NETWORK_MS : 1.05 * NETWORK_MS;
        assert_measured_by(farm, cases[i].measured_by, ms);
        assert_null(pull_at);
        assert_int_equal(count_lines("log", " n\n"), before + 1);
        assert_measured_by(farm, "b", ms); /* between two measurements */
        phone_remove("a", "unplugged");
        phone_put("b", "unplugged", "");
        assert_measured_by(farm, "a", ms);
        phone_remove("b", "unplugged");
        assert_int_equal(count_lines("log", " n\n"), before + 3);
        assert_int_equal(count_lines("log", "a sentinel"), calibrations + (a_is_unit ? 2 : 1));
        mnas_device_close(farm);
    }
}

static void kill_a_then_b(const char *name, const char *stage, bool sentinel) {
    if (!sentinel && strcmp(stage, "round 1") == 0 && name[0] != 'c') phone_put(name, "unplugged", "");
}

static void test_two_of_three_die(void **state) {
    (void)state;
    mnas_device *farm = open_farm("abc", "");
    phone_hook = kill_a_then_b;
    phone_put("c", "ms", "0.9");
    assert_measured_by(farm, "c", NETWORK_MS);
    assert_measured_by(farm, "c", NETWORK_MS);
    assert_int_equal(count_lines("log", " n\n"), 2);
    mnas_device_close(farm);
}

static int n_asked;

static void count_asked(const char *name, const char *stage, bool sentinel) {
    (void)sentinel;
    n_asked += strcmp(name, "a") == 0 && strcmp(stage, "start") == 0;
}

/* Tried again after 50 ms, 100, 200, 400: not each time that somebody looks. */
static void test_pauses_grow(void **state) {
    (void)state;
    const mnas_model m = network("n");
    mnas_latency l;
    mnas_device *farm = open_farm("a", "");
    assert_measured_by(farm, "a", NETWORK_MS);
    phone_put("a", "unplugged", "");
    n_asked = 0;
    phone_hook = count_asked;
    mnas_device_limit(farm, mnas_clock_now_s() + 0.6, NULL);
    assert_int_equal(mnas_device_measure(farm, &m, &l), MNAS_ERR_CANCELLED);
    assert_in_range(n_asked, 3, 4);
    mnas_device_close(farm);
}

/* Who finds a phone away spares the others the try. */
static void test_away_is_known_to_all(void **state) {
    (void)state;
    mnas_device *farm = open_farm("ab", ",retry-s=100"), *other = open_farm("ab", ",retry-s=100");
    phone_put("a", "unplugged", "");
    phone_hook = count_asked;
    n_asked = 0;
    assert_measured_by(farm, "b", NETWORK_MS);
    assert_int_equal(n_asked, 1);
    for (int i = 0; i < 3; i++) assert_measured_by(other, "b", NETWORK_MS);
    phone_remove("a", "unplugged");
    assert_measured_by(other, "b", NETWORK_MS);
    assert_int_equal(n_asked, 1);
    mnas_device_close(farm);
    mnas_device_close(other);
}

/* ---- other processes ---- */

static pid_t spawn(void (*what)(void)) {
    const pid_t pid = fork();
    if (pid == 0) {
        alarm(60); /* should we fail and leave it alone */
        what();
        _exit(0);
    }
    assert_true(pid > 0);
    return pid;
}

static void assert_ends_well(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Plugs that come and go may hit one network twice on one phone, which then looks like its fault: a search asks again. */
static int measure_stubbornly(mnas_device *farm, const mnas_model *m, mnas_latency *l) {
    int rc;
    do rc = mnas_device_measure(farm, m, l);
    while (rc == MNAS_ERR_DEVICE && strstr(mnas_error_message(), "has failed twice"));
    return rc;
}

/* As a process of a search does it: opened for this one measurement. */
static void measure_once(const char *letters) {
    mnas_device *farm;
    const mnas_model m = network("n");
    mnas_latency l;
    if (mnas_device_open(&farm, farm_spec(letters, "")) < 0 || measure_stubbornly(farm, &m, &l) < 0 ||
        fabs(l.median_ms - NETWORK_MS) > 1e-9) {
        fprintf(stderr, "measured %g ms: %s\n", l.median_ms, mnas_error_message());
        _exit(1);
    }
    mnas_device_close(farm);
}

static void plug_in_a_later(void) {
    mnas_clock_sleep_ms(300);
    phone_remove("a", "unplugged");
}

static void test_all_die_and_one_comes_back(void **state) {
    (void)state;
    mnas_device *farm = open_farm("abc", "");
    assert_measured_by(farm, "a", NETWORK_MS);
    for (int i = 0; i < 3; i++) phone_put(phone_names[i], "unplugged", "");
    const double start_s = mnas_clock_now_s();
    const pid_t pid = spawn(plug_in_a_later);
    assert_measured_by(farm, "a", NETWORK_MS);
    assert_true(mnas_clock_now_s() - start_s > 0.25);
    assert_ends_well(pid);
    mnas_device_close(farm);
}

static void test_all_die_for_good(void **state) {
    (void)state;
    const mnas_model m = network("n");
    mnas_latency l;
    mnas_device *farm = open_farm("ab", ",wait-minutes=0.005");
    phone_put("a", "unplugged", "");
    phone_put("b", "unplugged", "");
    const double start_s = mnas_clock_now_s();
    assert_int_equal(mnas_device_measure(farm, &m, &l), MNAS_ERR_DEVICE);
    assert_true(mnas_clock_now_s() - start_s > 0.29 && mnas_clock_now_s() - start_s < 5);
    assert_non_null(strstr(mnas_error_message(), "/a away for"));
    assert_non_null(strstr(mnas_error_message(), "/b away for"));
    assert_non_null(strstr(mnas_error_message(), "unplugged at start"));
    mnas_device_close(farm);
}

static void hang_in_round_2(const char *name, const char *stage, bool sentinel) {
    (void)name;
    if (sentinel || strcmp(stage, "round 2") != 0) return;
    phone_put("a", "hanging", "");
    mnas_clock_sleep_ms(60000);
}

static void measure_and_hang(void) {
    phone_hook = hang_in_round_2;
    measure_once("a");
}

static void measure_on_a(void) {
    measure_once("a");
}

static void wait_for_file(const char *name, const char *file) {
    for (int i = 0; i < 2000 && !mnas_file_exists(phone_path(name, file)); i++) mnas_clock_sleep_ms(5);
    assert_true(mnas_file_exists(phone_path(name, file)));
}

static void test_holder_is_killed(void **state) {
    (void)state;
    int status;
    const pid_t holder = spawn(measure_and_hang);
    wait_for_file("a", "hanging");
    const pid_t waiter = spawn(measure_on_a);
    mnas_clock_sleep_ms(200);
    assert_int_equal(waitpid(waiter, &status, WNOHANG), 0);
    assert_int_equal(count_lines("log", " n\n"), 0);
    kill(holder, SIGKILL);
    waitpid(holder, &status, 0);
    assert_ends_well(waiter);
    assert_int_equal(count_lines("log", " n\n"), 1);
    assert_int_equal(count_lines("overlap", ""), 0);
    assert_int_equal(count_lines("log", "sentinel"), 1); /* the one that died had calibrated it */
}

static mnas_lease held[2];

static void hold(const char *name, mnas_lease *lease) {
    char identity[1300];
    bool taken;
    snprintf(identity, sizeof identity, "phone:dir=%s,", phone_path(name, ""));
    assert_int_equal(mnas_lease_open(lease, identity), 0);
    assert_int_equal(mnas_lease_ask(lease, &taken), 0);
    assert_true(taken);
}

/* Both phones are taken; while we wait one of them loses its plug, and is the first to be free. */
static void pull_a_and_let_go(void) {
    mnas_clock_sleep_ms(100);
    phone_put("a", "unplugged", "");
    mnas_clock_sleep_ms(50);
}

static void test_pulled_while_waiting(void **state) {
    (void)state;
    mnas_device *farm = open_farm("ab", "");
    assert_measured_by(farm, "a", NETWORK_MS);
    hold("a", &held[0]);
    hold("b", &held[1]);
    const pid_t pid = spawn(pull_a_and_let_go); /* has the leases, too: they end with it and with us */
    mnas_lease_return(&held[0]);
    mnas_lease_return(&held[1]);
    const double start_s = mnas_clock_now_s();
    assert_measured_by(farm, "b", NETWORK_MS);
    assert_true(mnas_clock_now_s() - start_s > 0.1);
    assert_ends_well(pid);
    mnas_device_close(farm);
    assert_int_equal(count_lines("log", " n\n"), 2);
}

enum { N_EACH = 6, N_PROCESSES = 4 };

static void measure_many(void) {
    for (int i = 0; i < N_EACH; i++) measure_once("abc");
}

static void pull_now_and_then(void) {
    for (int i = 0; i < 6; i++) {
        const char *name = phone_names[i % 3];
        mnas_clock_sleep_ms(30);
        phone_put(name, "unplugged", "");
        mnas_clock_sleep_ms(60);
        phone_remove(name, "unplugged");
    }
}

static void test_processes_share_a_farm(void **state) {
    (void)state;
    pid_t pids[N_PROCESSES + 1];
    mnas_pool_state s;
    char path[2000];
    mnas_device *farm = open_farm("abc", "");
    assert_measured_by(farm, "a", NETWORK_MS); /* the unit */
    mnas_device_close(farm);
    phone_put("b", "ms", "1.1");
    phone_put("c", "ms", "0.9");
    for (int i = 0; i < N_PROCESSES; i++) pids[i] = spawn(measure_many);
    pids[N_PROCESSES] = spawn(pull_now_and_then);
    for (int i = 0; i <= N_PROCESSES; i++) assert_ends_well(pids[i]);
    assert_int_equal(count_lines("log", " n\n"), N_EACH * N_PROCESSES + 1);
    assert_int_equal(count_lines("overlap", ""), 0);
    assert_true(count_lines("log", "b n") > 0 && count_lines("log", "c n") > 0);
    snprintf(path, sizeof path, "ls %s/pools/*.json | wc -l | grep -qx 1", phones_dir);
    assert_int_equal(system(path), 0);
    snprintf(path, sizeof path, "mv %s/pools/*.json %s/state", phones_dir, phones_dir);
    assert_int_equal(system(path), 0);
    snprintf(path, sizeof path, "%s/state", phones_dir);
    assert_int_equal(mnas_pool_state_load(&s, path), 0);
    assert_true(s.n == 3 && s.reference_ms == SENTINEL_MS);
    for (int i = 0; i < 3; i++) {
        const double slow[] = {1, 1.1, 0.9};
        for (int k = 0; k < 3; k++)
            if (strrchr(s.records[k].device, '/')[1] == 'a' + i)
                assert_true(fabs(s.records[k].sentinel_ms - slow[i] * SENTINEL_MS) < 1e-9);
    }
    mnas_pool_state_free(&s);
    snprintf(path, sizeof path, "ls %s/leases | grep -c wait | grep -qx 0", phones_dir);
    assert_int_equal(system(path), 0);
}

static void measure_often(void) {
    while (!mnas_file_exists(phone_path("go", ""))) mnas_clock_sleep_ms(1);
    for (int i = 0; i < 6; i++) measure_once("a");
}

/* Three ask one phone again and again: each gets its turn. Without the queue one of them makes most of its measurements in a row,
 * since it is back before the others look. */
static void test_nobody_starves(void **state) {
    (void)state;
    pid_t pids[3];
    char line[300], before[300] = "";
    int in_a_row = 0, most = 0, n = 0;
    measure_once("a");
    unlink(phone_path("log", ""));
    for (int i = 0; i < 3; i++) pids[i] = spawn(measure_often);
    phone_put("go", "", "");
    for (int i = 0; i < 3; i++) assert_ends_well(pids[i]);
    FILE *f = fopen(phone_path("log", ""), "r");
    assert_non_null(f);
    /* the last six are those of who began last, alone by then */
    while (fgets(line, sizeof line, f) && n++ < 12) {
        in_a_row = strcmp(line, before) == 0 ? in_a_row + 1 : 1;
        if (in_a_row > most) most = in_a_row;
        memcpy(before, line, sizeof line);
    }
    fclose(f);
    assert_true(n >= 12);
    assert_in_range(most, 1, 3);
}

/* ---- cancelled ---- */

static volatile bool cancel;

static void on_alarm(int signal) {
    (void)signal;
    cancel = true;
}

static void test_cancel_and_deadline(void **state) {
    (void)state;
    const mnas_model m = network("n");
    mnas_latency l;
    mnas_device *farm = open_farm("a", "");
    hold("a", &held[0]);
    signal(SIGALRM, on_alarm);
    cancel = false;
    mnas_device_limit(farm, INFINITY, &cancel);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 100000}, NULL);
    double start_s = mnas_clock_now_s();
    assert_int_equal(mnas_device_measure(farm, &m, &l), MNAS_ERR_CANCELLED);
    assert_true(mnas_clock_now_s() - start_s > 0.09 && mnas_clock_now_s() - start_s < 2);
    mnas_lease_return(&held[0]);
    /* nobody answers */
    phone_put("a", "unplugged", "");
    cancel = false;
    start_s = mnas_clock_now_s();
    mnas_device_limit(farm, start_s + 0.2, NULL);
    assert_int_equal(mnas_device_measure(farm, &m, &l), MNAS_ERR_CANCELLED);
    assert_true(mnas_clock_now_s() - start_s > 0.19 && mnas_clock_now_s() - start_s < 2);
    /* no place in a queue is left */
    char command[1000];
    snprintf(command, sizeof command, "ls %s/leases | grep -c wait | grep -qx 0", phones_dir);
    assert_int_equal(system(command), 0);
    mnas_device_close(farm);
}

/* ---- the state is damaged meanwhile ---- */

static void test_state_is_damaged(void **state) {
    (void)state;
    char more[1100], path[1000];
    const mnas_model m = network("n");
    mnas_latency l;
    mnas_device *farm, *other;
    snprintf(path, sizeof path, "%s/state", phones_dir);
    snprintf(more, sizeof more, ",state=%s", path);
    farm = open_farm("ab", more);
    assert_measured_by(farm, "a", NETWORK_MS);
    assert_int_equal(truncate(path, 40), 0);
    assert_int_equal(mnas_device_measure(farm, &m, &l), MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), path));
    assert_int_equal(mnas_device_open(&other, farm_spec("ab", more)), MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), "remove it"));
    unlink(path);
    assert_measured_by(farm, "a", NETWORK_MS);
    /* a writer that was killed leaves its lock's file, and no lock */
    assert_int_equal(mnas_file_write_atomic(phone_path("state.lock", ""), "", 0), 0);
    assert_measured_by(farm, "a", NETWORK_MS);
    mnas_device_close(farm);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, phones_set_up, phones_tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_pulled_at_every_stage),
        TEST(test_two_of_three_die),
        TEST(test_pauses_grow),
        TEST(test_away_is_known_to_all),
        TEST(test_all_die_and_one_comes_back),
        TEST(test_all_die_for_good),
        TEST(test_holder_is_killed),
        TEST(test_pulled_while_waiting),
        TEST(test_processes_share_a_farm),
        TEST(test_nobody_starves),
        TEST(test_cancel_and_deadline),
        TEST(test_state_is_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
