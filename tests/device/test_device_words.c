/* test_device_words.c - what ssh and adb complain of, in plain words with the command that mends it; and the bundle that is to go
 * there, or is not built. The complaints are those of the real programs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "device/bundle.h"
#include "device/device.h"
#include "device/link_adb.h"
#include "device/link_ssh.h"
#include "stand_ins.h"

static const char *no_ssh, *no_adb, *bundles;
static char adb_spec[512];

static int set_up(void **state) {
    (void)state;
    char spec[512];
    stand_in_begin();
    bundles = fake_bundles("/bin/cat >/dev/null; echo answer");
    no_ssh = machine_start(spec, bundles);
    no_adb = phone_start(adb_spec, bundles);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    stand_in_end();
    return 0;
}

static bool lacks(const char *why) {
    if (why) printf("skipped: %s\n", why);
    return why != NULL;
}

/* One question fails with this status and says all of these. */
static void expect_words(mnas_link link, int status, const char *const words[]) {
    char *answer;
    const int rc = link.class->ask(link.state, "info", "{}", 30, NULL, &answer);
    char said[1100];
    snprintf(said, sizeof said, "%s", mnas_error_message());
    link.class->close(link.state);
    assert_null(answer);
    if (rc != status) fail_msg("%d: %s", rc, said);
    for (int i = 0; words[i]; i++)
        if (!strstr(said, words[i])) fail_msg("\"%s\" is not in: %s", words[i], said);
}

/* ---- ssh ---- */

/* The stand-in's configuration with other words in the place of some. */
static const char *edited_config(const char *from, const char *to) {
    static char path[500];
    char command[1500];
    snprintf(path, sizeof path, "%s/edited_config", stand_in_folder());
    snprintf(command, sizeof command, "sed 's|%s|%s|' '%s' > '%s'", from, to, machine_config(), path);
    assert_int_equal(system(command), 0);
    return path;
}

static void expect_ssh(const char *from, const char *to, const char *const words[]) {
    mnas_ssh_options o = {.host = "stand-in"};
    mnas_link link;
    snprintf(o.config, sizeof o.config, "%s", edited_config(from, to));
    snprintf(o.agent, sizeof o.agent, "%s", bundles);
    assert_int_equal(mnas_link_open_ssh(&link, &o), 0);
    expect_words(link, MNAS_ERR_DEVICE, words);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_ssh_complaints(void **state) {
    (void)state;
    char path[500], command[2400];
    if (lacks(no_ssh)) skip();
    expect_ssh("UserKnownHostsFile .*", "UserKnownHostsFile /dev/null",
               WORDS("host key is not known", "connect once by hand", "ssh -F ", " stand-in`"));
    snprintf(path, sizeof path, "%s/other", stand_in_folder());
    snprintf(command, sizeof command,
             "ssh-keygen -q -t ed25519 -N '' -f '%s' && printf 'stand-in ' > '%s.known' && cat '%s.pub' >> "
             "'%s.known'",
             path, path, path, path);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "UserKnownHostsFile %s.known", path);
    expect_ssh("UserKnownHostsFile .*", command,
               WORDS("another than before", "`ssh-keygen -f ", "other.known", "-R ", "stand-in"));
    snprintf(command, sizeof command, "IdentityFile %s", path);
    expect_ssh("IdentityFile .*", command, WORDS("none of our keys", "ssh-copy-id", "identity="));
    expect_ssh("HostName .*", "HostName no-such-host.invalid", WORDS("no host of that name", "check host="));
    expect_ssh("StrictHostKeyChecking", "StrictHostKeyCheckingg",
               WORDS("does not understand its configuration"));
    cable_pull();
    expect_ssh("x", "x", WORDS("no ssh server answers there", "port="));
    cable_plug();
}

static void test_ssh_options(void **state) {
    (void)state;
    mnas_device *device;
    const char *const wrong[][2] = {{"ssh:", "host"},
                                    {"ssh:host=-oProxyCommand=evil", "host"},
                                    {"ssh:host=pi,user=-l", "user"},
                                    {"ssh:host=pi,port=70000", "port"},
                                    {"ssh:host=pi,identity=/nowhere/key", "identity"},
                                    {"ssh:host=pi,config=/nowhere/config", "config"},
                                    {"ssh:host=pi,identity=/keys/%h", "without %"},
                                    {"ssh:host=pi,rounds=1", "rounds"},
                                    {"ssh:hots=pi", "host"},
                                    {"adb:serial=-s", "serial"},
                                    {"adb:serail=x", "serial"},
                                    {"adb:ci=2", "ci"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const int rc = mnas_device_open(&device, wrong[i][0]);
        if (rc != MNAS_ERR_ARG || !strstr(mnas_error_message(), wrong[i][1]))
            fail_msg("%s: %d: %s", wrong[i][0], rc, mnas_error_message());
    }
}

/* ---- adb ---- */

static void expect_adb(const char *serial, const char *const words[]) {
    mnas_adb_options o = {0};
    mnas_link link;
    snprintf(o.serial, sizeof o.serial, "%s", serial);
    snprintf(o.agent, sizeof o.agent, "%s", bundles);
    assert_int_equal(mnas_link_open_adb(&link, &o), 0);
    expect_words(link, MNAS_ERR_DEVICE, words);
}

static void test_adb_complaints(void **state) {
    (void)state;
    char serial[64];
    if (lacks(no_adb)) skip();
    assert_int_equal(sscanf(adb_spec, "adb:serial=%63[^,]", serial), 1);
    expect_adb("R58M1", WORDS("no phone with that serial", "plugged in", "adb devices -l"));
    phone_misbehave("unauthorized");
    phone_unplug();
    phone_plug();
    expect_adb(serial, WORDS("this computer", "unlock its screen"));
    phone_misbehave(NULL);
    phone_unplug();
    phone_plug();
    phone_unplug();
    expect_adb(serial, WORDS("phone", "adb devices -l"));
    assert_int_equal(system("adb disconnect >/dev/null"), 0);
    expect_adb("127.0.0.1:9",
               WORDS("connecting to the phone at 127.0.0.1:9 failed", "adb connect 127.0.0.1:9"));
    expect_adb("", WORDS("no phone is there", "USB debugging"));
    phone_plug();
}

/* ---- bundles ---- */

static void test_bundles(void **state) {
    (void)state;
    mnas_bundle b;
    char path[600];
    assert_int_equal(mnas_bundle_find(&b, "aarch64", bundles), 0);
    assert_string_equal(b.arch, "aarch64");
    assert_int_equal(b.n_files, 2);
    snprintf(path, sizeof path, "%s/mnas-agent-armv7", bundles); /* the folder itself */
    assert_int_equal(mnas_bundle_find(&b, "armv8l", path), 0);
    assert_string_equal(b.arch, "armv7");
    assert_int_equal(mnas_bundle_find(&b, "x86_64", path), MNAS_ERR_MISSING);
    assert_non_null(strstr(mnas_error_message(), "make agent-x86_64"));
    assert_int_equal(mnas_bundle_find(&b, "riscv64", bundles), MNAS_ERR_DEVICE);
    assert_non_null(strstr(mnas_error_message(), "riscv64"));
    snprintf(path, sizeof path, "%s/mnas-agent-armv7/large", bundles);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mnas_bundle_find(&b, "armv7l", bundles), MNAS_ERR_MISSING);
    assert_non_null(strstr(mnas_error_message(), "large"));
}

static void test_manifests(void **state) {
    (void)state;
    mnas_bundle a, b;
    static const char good[] = "0123456789abcdef  ld.so\nfedcba  libc.so.6\n";
    assert_int_equal(mnas_bundle_parse(&a, good, sizeof good - 1), 0);
    assert_int_equal(a.n_files, 2);
    assert_string_equal(a.files[1], "libc.so.6");
    assert_int_equal(mnas_bundle_parse(&b, good, sizeof good - 2),
                     0); /* no newline at the end: another file */
    assert_int_equal(b.n_files, 2);
    assert_string_not_equal(a.id, b.id);
    static const char *const bad[] = {
        "",           "\n",         "abc\n",    "abc  ../x\n",    "abc  -rf\n",
        "abc  a;b\n", "abc  a b\n", "xyz  a\n", "abc  .hidden\n", "abc  $(x)\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(mnas_bundle_parse(&a, bad[i], strlen(bad[i])), MNAS_ERR_FORMAT);
    assert_int_equal(mnas_bundle_parse(&a, "abc  a\0b\n", 9), MNAS_ERR_FORMAT);
}

/* ---- the doctor ---- */

static void test_examined(void **state) {
    (void)state;
    mnas_device *device;
    mnas_findings found = {0};
    char spec[1200];
    if (lacks(no_ssh)) skip();
    snprintf(spec, sizeof spec, "ssh:host=stand-in,config=%s,agent=%s", machine_config(), bundles);
    assert_int_equal(mnas_device_open(&device, spec), 0);
    mnas_device_examine(device, &found);
    assert_int_equal(mnas_findings_count(&found, "bad"), 0);
    assert_int_equal(mnas_findings_count(&found, "ok"), 2);
    mnas_findings_free(&found);
    cable_pull();
    mnas_device_close(device);
    assert_int_equal(mnas_device_open(&device, spec), 0);
    mnas_device_examine(device, &found);
    assert_int_equal(mnas_findings_count(&found, "bad"), 1);
    mnas_findings_free(&found);
    cable_plug();
    mnas_device_close(device);
    assert_int_equal(n_zombies(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssh_complaints), cmocka_unit_test(test_ssh_options),
        cmocka_unit_test(test_adb_complaints), cmocka_unit_test(test_manifests),
        cmocka_unit_test(test_examined),       cmocka_unit_test(test_bundles),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
