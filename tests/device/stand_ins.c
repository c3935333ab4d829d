/* stand_ins.c - see stand_ins.h. */
#include "stand_ins.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PRINT(buf, ...) ((void)!(snprintf(buf, sizeof buf, __VA_ARGS__) < (int)sizeof buf || (abort(), 1)))

static char folder[400];

static void nap_ms(int ms) {
    const struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

static bool run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static bool run(const char *fmt, ...) {
    char command[4000];
    va_list args;
    va_start(args, fmt);
    vsnprintf(command, sizeof command, fmt, args);
    va_end(args);
    return system(command) == 0;
}

static void write_text(const char *path, const char *text, mode_t mode) {
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0 || chmod(path, mode) < 0) abort();
}

const char *stand_in_folder(void) {
    return folder;
}

void stand_in_begin(void) {
    PRINT(folder, "%s/device-%d", MNAS_TEST_TMP, (int)getpid());
    if (!run("mkdir -p '%s/tmp' '%s/home' '%s/cache'", folder, folder, folder)) abort();
    char path[500];
    PRINT(path, "%s/tmp", folder);
    setenv("TMPDIR", path, 1);
    PRINT(path, "%s/home", folder);
    setenv("HOME", path, 1);
    PRINT(path, "%s/cache", folder);
    setenv("MNAS_CACHE_DIR", path, 1);
    signal(SIGPIPE, SIG_IGN);
}

/* A program of ours, its stdout readable; it dies with us. */
static pid_t start(const char *const argv[], int *out) {
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) < 0) abort();
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(pipes[1], 1);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(pipes[1]);
    *out = pipes[0];
    return pid;
}

static void stop(pid_t *pid) {
    if (*pid <= 0) return;
    kill(*pid, SIGKILL);
    waitpid(*pid, NULL, 0);
    *pid = 0;
}

static int free_port(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || getsockname(fd, (struct sockaddr *)&at, &n) < 0)
        abort();
    close(fd);
    return ntohs(at.sin_port);
}

/* ---- the phone ---- */

static struct {
    pid_t pid;
    int port;
    char root[450], machine[16], under[300];
} phone;

static void start_adbd(void) {
    const char *const argv[] = {MNAS_ADBD, phone.root, phone.machine, phone.under, NULL};
    char line[16] = "", port[16];
    int out;
    PRINT(port, "%d", phone.port);
    setenv("ADBD_PORT", port, 1);
    phone.pid = start(argv, &out);
    if (read(out, line, sizeof line - 1) <= 0) abort();
    close(out);
    phone.port = atoi(line);
}

const char *phone_start(char spec[512], const char *bundles) {
    char port[16];
    const char *machine = "x86_64", *under = "";
    struct utsname here;
    if (!run("command -v adb >/dev/null")) return "adb is not installed (Debian: adb)";
    PRINT(port, "%d", free_port());
    setenv("ANDROID_ADB_SERVER_PORT", port, 1);
    PRINT(phone.root, "%s/phone", folder);
    mkdir(phone.root, 0755);
    if (uname(&here) == 0) machine = here.machine;
    if (!bundles && !(bundles = built_bundles(true, &machine, &under)))
        return "no mnas-agent is built (make agent-aarch64 or agent-x86_64)";
    PRINT(phone.machine, "%s", machine);
    PRINT(phone.under, "%s", under);
    start_adbd();
    snprintf(spec, 512, "adb:serial=127.0.0.1:%d,agent=%s", phone.port, bundles);
    if (!run("adb connect 127.0.0.1:%d >/dev/null 2>&1", phone.port)) return "adb does not connect";
    return NULL;
}

void phone_unplug(void) {
    stop(&phone.pid);
}

void phone_plug(void) {
    if (!phone.pid) start_adbd();
}

void phone_misbehave(const char *how) {
    char path[500];
    PRINT(path, "%s/misbehave", phone.root);
    if (how)
        write_text(path, how, 0644);
    else
        unlink(path);
}

const char *phone_folder(void) {
    return phone.root;
}

/* ---- the cable: a relay between ssh and sshd ---- */

typedef struct cable_state {
    volatile int64_t pull_after; /* bytes; -1: never */
    volatile bool stalled;
} cable_state;

static struct {
    pid_t sshd, relay;
    int sshd_port, port;
    cable_state *state; /* shared with the relay */
    char cache[450], config[450];
} machine;

static int connect_to(int port) {
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0) return fd;
    close(fd);
    return -1;
}

static bool pass(int from, int to) {
    char bytes[16384];
    const ssize_t n = read(from, bytes, sizeof bytes);
    for (ssize_t done = 0; done < n;) {
        const ssize_t put = write(to, bytes + done, (size_t)(n - done));
        if (put <= 0) return false;
        done += put;
    }
    return n > 0;
}

/* One connection, until either side ends it. Its end is this process's: so both sockets close at once. */
static void carry(int near, int far, cable_state *state) {
    for (;;) {
        struct pollfd fds[] = {{near, POLLIN, 0}, {far, POLLIN, 0}};
        if (state->stalled) {
            nap_ms(10);
            continue;
        }
        poll(fds, 2, 50);
        if (fds[0].revents) {
            if (!pass(near, far)) _exit(0);
            if (state->pull_after >= 0 && (state->pull_after -= 8192) < 0) {
                state->pull_after = -1;
                _exit(0);
            }
        }
        if (fds[1].revents && !pass(far, near)) _exit(0);
    }
}

/* The relay is a process group: pulling the cable ends all its connections. */
static void be_relay(int listener, int to_port, cable_state *state) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        const int near = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (near < 0) continue;
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(listener);
            const int far = connect_to(to_port);
            if (far >= 0) carry(near, far, state);
            _exit(0);
        }
        close(near);
    }
}

void cable_plug(void) {
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)machine.port)};
    const int one = 1;
    if (machine.relay) return;
    machine.state->pull_after = -1;
    machine.state->stalled = false;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 8) < 0) abort();
    machine.relay = fork();
    if (machine.relay == 0) be_relay(listener, machine.sshd_port, machine.state);
    setpgid(machine.relay, machine.relay);
    close(listener);
}

void cable_pull(void) {
    if (!machine.relay) return;
    kill(-machine.relay, SIGKILL);
    stop(&machine.relay);
}

void cable_pull_after(int64_t bytes) {
    machine.state->pull_after = bytes;
}

void cable_stall(bool stalled) {
    machine.state->stalled = stalled;
}

const char *machine_folder(void) {
    return machine.cache;
}

const char *machine_config(void) {
    return machine.config;
}

/* ---- the machine: sshd ---- */

static const char *sshd_path(void) {
    static const char *const places[] = {"/usr/sbin/sshd", "/usr/local/sbin/sshd"};
    const char *given = getenv("MNAS_SSHD");
    if (given) return given;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0) return places[i];
    return NULL;
}

static void write_configs(const char *dir, const char *user) {
    char path[500], text[3000];
    PRINT(path, "%s/sshd_config", dir);
    PRINT(text,
          "ListenAddress 127.0.0.1\nPort %d\nHostKey %s/host\nAuthorizedKeysFile %s/key.pub\nPidFile none\n"
          "StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
          "PermitRootLogin yes\nPrintMotd no\nMaxStartups 100\nMaxSessions 100\n"
          "SetEnv HOME=%s XDG_CACHE_HOME=%s PATH=%s/bin:/usr/local/bin:/usr/bin:/bin\n",
          machine.sshd_port, dir, dir, dir, machine.cache, dir);
    write_text(path, text, 0600);
    PRINT(text,
          "Host stand-in\n  HostName 127.0.0.1\n  Port %d\n  User %s\n  IdentityFile %s/key\n  "
          "IdentitiesOnly yes\n"
          "  UserKnownHostsFile %s/known\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n"
          "  HostKeyAlias stand-in\n",
          machine.port, user, dir, dir);
    write_text(machine.config, text, 0600);
}

/* The machine's `cat`, which finds no space where it is told so. */
static void write_cat(const char *dir) {
    char path[500], text[1000];
    PRINT(path, "%s/bin", dir);
    mkdir(path, 0755);
    PRINT(path, "%s/bin/cat", dir);
    PRINT(text,
          "#!/bin/sh\nif [ -e '%s/full' ]; then echo 'cat: write error: No space left on device' >&2; exit "
          "1; fi\n"
          "exec /bin/cat \"$@\"\n",
          dir);
    write_text(path, text, 0755);
}

void machine_fill(bool full) {
    char path[500];
    PRINT(path, "%s/machine/full", folder);
    if (full)
        write_text(path, "", 0644);
    else
        unlink(path);
}

pid_t cable_group(void) {
    return machine.relay;
}

static bool make_keys(const char *dir) {
    return run("ssh-keygen -q -t ed25519 -N '' -C test -f '%s/host' && ssh-keygen -q -t ed25519 -N '' -C "
               "test -f '%s/key' && "
               "{ printf 'stand-in ' && cat '%s/host.pub'; } > '%s/known'",
               dir, dir, dir, dir);
}

static bool answers(int port) {
    for (int i = 0; i < 300; i++, nap_ms(20)) {
        const int fd = connect_to(port);
        if (fd >= 0) return close(fd), true;
    }
    return false;
}

const char *machine_start(char spec[512], const char *bundles) {
    static char why[700];
    char dir[420], config[460];
    const struct passwd *me = getpwuid(getuid());
    const char *sshd = sshd_path(), *said = "", *under;
    int out;
    if (!run("command -v ssh >/dev/null && command -v ssh-keygen >/dev/null"))
        return "ssh is not installed (Debian: openssh-client)";
    if (!sshd) return "sshd is not installed (Debian: openssh-server)";
    if (!me) return "this user has no name";
    if (!bundles && !(bundles = built_bundles(false, &said, &under)))
        return "no mnas-agent is built (make agent-x86_64)";
    if (getuid() == 0)
        mkdir("/run/sshd", 0755); /* it wants an empty folder to lock itself into, of this very name */
    PRINT(dir, "%s/machine", folder);
    PRINT(machine.cache, "%s/cache", dir);
    PRINT(machine.config, "%s/ssh_config", dir);
    machine.sshd_port = free_port();
    machine.port = free_port();
    if (!run("mkdir -p '%s'", machine.cache) || !make_keys(dir)) return "ssh-keygen makes no keys";
    write_configs(dir, me->pw_name);
    write_cat(dir);
    machine.state =
        mmap(NULL, sizeof *machine.state, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    PRINT(config, "%s/sshd_config", dir);
    machine.sshd = start((const char *const[]){sshd, "-D", "-q", "-f", config, NULL}, &out);
    close(out);
    if (!answers(machine.sshd_port)) return "sshd does not start";
    cable_plug();
    if (!run("ssh -F '%s' -o BatchMode=yes stand-in true > '%s/said' 2>&1", machine.config, dir)) {
        PRINT(why, "sshd does not let this user in: see %s/said", dir);
        return why;
    }
    snprintf(spec, 512, "ssh:host=stand-in,config=%s,agent=%s", machine.config, bundles);
    return NULL;
}

/* ---- programs ---- */

const char *fake_bundles(const char *body) {
    static char bundles[450];
    static const char *const archs[] = {"x86_64", "aarch64", "armv7"};
    char path[560], script[6000];
    PRINT(bundles, "%s/bundles", folder);
    PRINT(script, "#!/bin/sh\n%s\n", body);
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
        PRINT(path, "%s/mnas-agent-%s", bundles, archs[i]);
        if (!run("mkdir -p '%s' && head -c 3000000 /dev/urandom > '%s/large'", path, path)) return "";
        PRINT(path, "%s/mnas-agent-%s/mnas-agent", bundles, archs[i]);
        write_text(path, script, 0755);
        PRINT(path, "%s/mnas-agent-%s", bundles, archs[i]);
        if (!run("cd '%s' && sha256sum large mnas-agent > MANIFEST", path)) return "";
    }
    return bundles;
}

static bool built(const char *arch) {
    char path[600];
    PRINT(path, "%s/build-agent-%s/mnas-agent-%s/MANIFEST", MNAS_SOURCE_DIR, arch, arch);
    return access(path, R_OK) == 0;
}

const char *built_bundles(bool other, const char **name, const char **under) {
    static char path[500];
    static struct utsname here;
    const char *arch = uname(&here) == 0 ? here.machine : "";
    *under = "";
    if (other && strcmp(arch, "aarch64") != 0 && built("aarch64") &&
        run("command -v qemu-aarch64-static >/dev/null")) {
        *under = "qemu-aarch64-static";
        arch = "aarch64";
    } else if (!built(arch)) {
        return NULL;
    }
    *name = arch;
    PRINT(path, "%s/build-agent-%s", MNAS_SOURCE_DIR, arch);
    return path;
}

/* ---- the end ---- */

int n_zombies(void) {
    DIR *dir = opendir("/proc");
    int n = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char path[300], name[300], state = ' ';
        int pid, parent = 0;
        snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        FILE *f = e->d_name[0] >= '0' && e->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        if (!f) continue;
        if (fscanf(f, "%d %299s %c %d", &pid, name, &state, &parent) == 4)
            n += parent == getpid() && state == 'Z';
        fclose(f);
    }
    if (dir) closedir(dir);
    return n;
}

void stand_in_end(void) {
    if (phone.root[0]) (void)run("adb kill-server >/dev/null 2>&1");
    stop(&phone.pid);
    cable_pull();
    stop(&machine.sshd);
    (void)run("rm -rf '%s'", folder);
}
