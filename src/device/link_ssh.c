/* link_ssh.c - see link_ssh.h. It decides nothing of ssh's: keys, hosts and jumps are the user's configuration.
 *
 * The connection is an `ssh -M` of ours, a child that dies with us; its socket lies in a private folder. BatchMode: ssh never asks
 * anything, it fails, and the failure is explained.
 */
#include "device/link_ssh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/str.h"
#include "device/link_shell.h"

enum { LOOK_MS = 20, CONNECT_S = 15, SSH_FAILED = 255, MAX_SOCKET_PATH = 80 /* of 107: ssh adds to it */ };

typedef struct ssh {
    const mnas_ssh_options *o;
    mnas_proc *master; /* or NULL */
    char folder[128];  /* of the socket; "": none */
    char socket[160];
    char port[16];
    char by_hand[3 * MNAS_OPT_STR]; /* the words one would type */
} ssh;

static const mnas_shell_complaint complaints[] = {
    {"REMOTE HOST IDENTIFICATION HAS CHANGED", "its host key is another than before",
     "if you know why (a new system on it), forget the old one and connect once by hand: "},
    {"Host key verification failed", "its host key is not known yet",
     "connect once by hand and confirm it: "},
    {"Permission denied", "it lets us in with none of our keys",
     "say which with identity=FILE, unlock one with ssh-add, or bring one there: `ssh-copy-id` with the "
     "words of "},
    {"Too many authentication failures", "ssh offered it too many keys",
     "say which with identity=FILE; by hand: "},
    {"Could not resolve hostname", "there is no host of that name", "check host=; by hand: "},
    {"Connection refused", "no ssh server answers there",
     "check host= and port=, and that sshd runs there; by hand: "},
    {"No route to host", "there is no way to that host", "is it switched on and on this network? By hand: "},
    {"Network is unreachable", "there is no way to that host", "is this machine on the network? By hand: "},
    {"timed out", "it does not answer", "is it switched on and on this network? By hand: "},
    {"Bad configuration option", "ssh does not understand its configuration", "see for yourself: "},
    {"Can't open user config file", "ssh cannot read config=", "check the file's name; by hand: "},
    {"invalid format", "ssh cannot read the key", "check identity=; by hand: "},
    {"UNPROTECTED PRIVATE KEY FILE", "others may read the private key, so ssh refuses it",
     "chmod 600 it; by hand: "},
};

/* How to forget a host key: ssh tells it with the name and the file it looked in, which may be "[host]:port" and any file. */
static bool forget_words(char *words, size_t n, const char *text) {
    const char *begin = strstr(text, "ssh-keygen -f ");
    if (!begin) return false;
    snprintf(words, n, "%.*s", (int)strcspn(begin, "\r\n"), begin);
    return true;
}

static int explain_text(const ssh *s, const char *text) {
    char line[256], forget[600];
    const mnas_shell_complaint *c =
        mnas_shell_complaint_in(complaints, sizeof complaints / sizeof *complaints, text);
    if (c == &complaints[0] && forget_words(forget, sizeof forget, text))
        return mnas_error_set(MNAS_ERR_DEVICE, "%s; %s`%s`, then `%s`", c->means, c->mend, forget,
                              s->by_hand);
    if (c) return mnas_error_set(MNAS_ERR_DEVICE, "%s; %s`%s`", c->means, c->mend, s->by_hand);
    mnas_shell_last_line(text, line, sizeof line);
    return mnas_error_set(MNAS_ERR_DEVICE, "the connection %s%s; by hand: `%s`",
                          line[0] ? "failed: " : "was lost", line, s->by_hand);
}

static void disconnect(void *state) {
    ssh *s = state;
    mnas_proc_free(s->master);
    s->master = NULL;
    if (!s->folder[0]) return;
    unlink(s->socket);
    rmdir(s->folder);
    s->folder[0] = '\0';
}

static bool is_up(ssh *s) {
    if (!s->master) return false;
    mnas_proc_wait(&s->master, 1, 0); /* also drains what it says */
    return !mnas_proc_done(s->master) && access(s->socket, F_OK) == 0;
}

static int add_options(const ssh *s, const char *argv[], int n) {
    const char *const always[] = {"ssh", "-T",
                                  "-a",  "-x",
                                  "-S",  s->socket,
                                  "-o",  "BatchMode=yes",
                                  "-o",  "RemoteCommand=none",
                                  "-o",  "LogLevel=INFO",
                                  "-o",  "ClearAllForwardings=yes"};
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) argv[n++] = always[i];
    const char *const given[][2] = {
        {"-F", s->o->config}, {"-p", s->port}, {"-l", s->o->user}, {"-i", s->o->identity}};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        if (!given[i][1][0]) continue;
        argv[n++] = given[i][0];
        argv[n++] = given[i][1];
    }
    return n;
}

static int make_folder(ssh *s) {
    const char *tmp = getenv("TMPDIR");
    /* names of sockets are short, and ssh reads a % in them */
    if (!tmp || !tmp[0] || strchr(tmp, '%') || strlen(tmp) > MAX_SOCKET_PATH - 16) tmp = "/tmp";
    snprintf(s->folder, sizeof s->folder, "%s/mnas-ssh-XXXXXX", tmp);
    if (!mkdtemp(s->folder)) {
        const int rc = mnas_error_errno("making a folder %s", s->folder);
        s->folder[0] = '\0';
        return rc;
    }
    snprintf(s->socket, sizeof s->socket, "%s/s", s->folder);
    return 0;
}

static int start_master(ssh *s) {
    const char *argv[MNAS_SHELL_MAX_WORDS];
    int rc = make_folder(s);
    if (rc < 0) return rc;
    int n = add_options(s, argv, 0);
    const char *const more[] = {"-M", "-N",
                                "-o", "ControlPersist=no",
                                "-o", "ConnectTimeout=15",
                                "-o", "ServerAliveInterval=5",
                                "-o", "ServerAliveCountMax=3",
                                "--", s->o->host,
                                NULL};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) argv[n++] = more[i];
    rc = mnas_proc_start(&s->master, argv, NULL, 0);
    if (rc == MNAS_ERR_CHILD)
        rc = mnas_error_set(MNAS_ERR_MISSING, "%s; ssh is in Debian's openssh-client", mnas_error_message());
    return rc;
}

/* The socket appears when ssh has been let in. */
static int connect_master(void *state, const mnas_shell_limit *limit) {
    ssh *s = state;
    if (is_up(s)) return 0;
    disconnect(s);
    const double deadline_s = mnas_clock_now_s() + CONNECT_S;
    int rc = start_master(s);
    while (rc == 0 && access(s->socket, F_OK) < 0) {
        mnas_proc_wait(&s->master, 1, LOOK_MS);
        if (mnas_proc_done(s->master))
            rc = explain_text(s, mnas_proc_result_of(s->master)->err);
        else if (limit->cancel && *limit->cancel)
            rc = mnas_error_set(MNAS_ERR_CANCELLED, "interrupted");
        else if (mnas_clock_now_s() >= limit->deadline_s)
            rc = mnas_error_set(MNAS_ERR_TIMEOUT, "not connected within the time allowed (timeout)");
        else if (mnas_clock_now_s() >= deadline_s)
            rc = explain_text(s, "timed out");
    }
    if (rc < 0) disconnect(s);
    return rc;
}

static int words(void *state, const char *argv[MNAS_SHELL_MAX_WORDS], const char *command) {
    ssh *s = state;
    int n = add_options(s, argv, 0);
    /* over the standing connection or not at all: a second one on the quiet would hide that the first is gone */
    const char *const more[] = {"-o", "ControlMaster=no", "-o",   "ProxyCommand=false",
                                "--", s->o->host,         command};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) argv[n++] = more[i];
    return n;
}

static int explain(void *state, const mnas_shell_done *done) {
    ssh *s = state;
    if (done->exit_code != SSH_FAILED) return 0;
    /* the master may know why; without it ssh says only that the way is closed */
    if (s->master) mnas_proc_wait(&s->master, 1, 100);
    const bool gone = !s->master || mnas_proc_done(s->master);
    return explain_text(s, gone && s->master ? mnas_proc_result_of(s->master)->err : "");
}

/* A file as the stdin of a command: the shell of this machine opens it. */
static int push_file(ssh *s, const char *from, const char *to, const mnas_shell_limit *limit) {
    const char *argv[MNAS_SHELL_MAX_WORDS + 5] = {"sh", "-c", "from=$1; shift; exec \"$@\" <\"$from\"", "sh",
                                                  from};
    char command[1024];
    mnas_shell_done done;
    snprintf(command, sizeof command, "exec sh -c 'cat >\"%s\"'", to);
    argv[5 + words(s, argv + 5, command)] = NULL;
    int rc = mnas_shell_run(&done, argv, NULL, limit);
    if (rc == 0 && done.exit_code != 0 && (rc = explain(s, &done)) == 0)
        rc = mnas_error_context(mnas_shell_fail(&done), "writing %s", to);
    free(done.out);
    return rc;
}

static int push(void *state, const mnas_bundle *bundle, const char *to, const mnas_shell_limit *limit) {
    char from[sizeof bundle->folder + MNAS_BUNDLE_NAME], target[700];
    int rc = 0;
    for (int i = 0; i < bundle->n_files && rc == 0; i++) {
        snprintf(from, sizeof from, "%s/%s", bundle->folder, bundle->files[i]);
        snprintf(target, sizeof target, "%s/%s", to, bundle->files[i]);
        rc = push_file(state, from, target, limit);
    }
    return rc;
}

static void close_ssh(void *state) {
    disconnect(state);
    free(state);
}

static const mnas_shell_class shell_class = {
    .name = "ssh",
    .root = "${XDG_CACHE_HOME:-$HOME/.cache}/mnas",
    .connect = connect_master,
    .words = words,
    .push = push,
    .explain = explain,
    .disconnect = disconnect,
    .close = close_ssh,
};

/* What begins with - would be an option to ssh. */
static int check_word(const char *name, const char *value) {
    if (value[0] != '-' && !strpbrk(value, " \t\n'\"")) return 0;
    return mnas_error_set(MNAS_ERR_ARG, "%s is \"%s\"; allowed: no - in front, no blanks or quotes", name,
                          value);
}

static int check_file(const char *name, const char *path) {
    if (!path[0] || mnas_file_exists(path)) return 0;
    return mnas_error_set(MNAS_ERR_ARG, "%s is %s, which is not there", name, path);
}

/* ssh puts something else in the place of %h. */
static int check_identity(const char *path) {
    if (!strchr(path, '%')) return check_file("identity", path);
    return mnas_error_set(MNAS_ERR_ARG, "identity is %s; allowed: a path without %%", path);
}

/* A word of a command line that somebody may copy. */
static void append_word(mnas_str *out, const char *word) {
    const bool plain = !strpbrk(word, " \t'\"\\$`&;|<>()*?[]#~!");
    mnas_str_append(out, plain ? " " : " '");
    for (; *word; word++) mnas_str_append_n(out, *word == '\'' ? "'\\''" : word, *word == '\'' ? 4 : 1);
    if (!plain) mnas_str_append(out, "'");
}

static int describe(ssh *s) {
    const mnas_ssh_options *o = s->o;
    const char *const given[][2] = {{"-F", o->config}, {"-p", s->port}, {"-i", o->identity}, {"-l", o->user}};
    mnas_str text = {0};
    mnas_str_append(&text, "ssh");
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        if (!given[i][1][0]) continue;
        append_word(&text, given[i][0]);
        append_word(&text, given[i][1]);
    }
    append_word(&text, o->host);
    const bool ok = mnas_str_ok(&text);
    if (ok) snprintf(s->by_hand, sizeof s->by_hand, "%s", text.data);
    mnas_str_free(&text);
    return ok ? 0 : MNAS_ERR_MEMORY;
}

int mnas_link_open_ssh(mnas_link *out, const mnas_ssh_options *options) {
    int rc;
    if ((rc = check_word("host", options->host)) < 0 || (rc = check_word("user", options->user)) < 0)
        return rc;
    if ((rc = check_identity(options->identity)) < 0 || (rc = check_file("config", options->config)) < 0)
        return rc;
    ssh *s = calloc(1, sizeof *s);
    if (!s) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: ssh");
    s->o = options;
    if (options->port > 0) snprintf(s->port, sizeof s->port, "%d", (int)options->port);
    if ((rc = describe(s)) < 0) {
        free(s);
        return rc;
    }
    return mnas_link_open_shell(out, &shell_class, s, options->agent);
}
