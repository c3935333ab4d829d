/* adbd.c - stands for a phone in tests: speaks adb's protocol over TCP, as far as Debian's adb needs it to push files and run commands.
 *
 *     adbd ROOT [MACHINE [UNDER]]        prints the port it listens on
 *
 * ROOT is what the phone calls /data/local/tmp. Commands run in this machine's shell with that name replaced, `uname` says MACHINE,
 * and mnas-agent is started UNDER an emulator. One adb server at a time, a few streams at once, no keys, no checksums, no pty.
 * Source: the protocol's description in Android's tree, packages/modules/adb: protocol.txt, SYNC.TXT, shell_protocol.h.
 *
 * The file ROOT/misbehave tells it to fail once, at the next such event, and is then removed:
 *     unauthorized        no adb server is trusted (until the file is gone)
 *     drop push           the cable comes off in the middle of a file
 *     drop shell          ... when mnas-agent is to be started
 *     drop answer         ... when it has begun to answer
 *     stall shell         mnas-agent is started, and nothing comes back
 *     full                no space left on the device (until the file is gone)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MAX_PAYLOAD = 256 * 1024,
    MAX_STREAMS = 16,
    VERSION = 0x01000001,
    TOKEN = 1,
    ROOM = 8192,
    MAX_ORPHANS = 64
};

#define WORD(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
static const uint32_t CNXN = WORD('C', 'N', 'X', 'N'), AUTH = WORD('A', 'U', 'T', 'H'),
                      OPEN = WORD('O', 'P', 'E', 'N'), OKAY = WORD('O', 'K', 'A', 'Y'),
                      WRTE = WORD('W', 'R', 'T', 'E'), CLSE = WORD('C', 'L', 'S', 'E'),
                      STAT = WORD('S', 'T', 'A', 'T'), SEND = WORD('S', 'E', 'N', 'D'),
                      DATA = WORD('D', 'A', 'T', 'A'), DONE = WORD('D', 'O', 'N', 'E'),
                      FAIL = WORD('F', 'A', 'I', 'L'), QUIT = WORD('Q', 'U', 'I', 'T');

/* Packets of the shell's second protocol: kind, length, bytes. */
enum { SHELL_STDIN, SHELL_STDOUT, SHELL_STDERR, SHELL_EXIT, SHELL_CLOSE_STDIN };

typedef struct stream {
    uint32_t peer;        /* its name there; 0: free. Its name here is its index + 1 */
    bool sync, v2, agent; /* files; a shell, of which protocol, with mnas-agent */
    bool may_write;       /* the last packet has been acknowledged */
    bool stalled;
    uint8_t *in; /* what came and is not understood yet */
    size_t n_in;
    pid_t pid;         /* of the shell */
    int to, from, err; /* its pipes, or -1 */
    FILE *file;        /* being received; NULL and receiving: thrown away */
    bool receiving;
    char why[128], path[1024]; /* why it could not be kept */
} stream;

static char root[512], machine[32], under[512];
static const stream unused = {.to = -1, .from = -1, .err = -1};
static stream streams[MAX_STREAMS];
static pid_t orphans[MAX_ORPHANS];
static int n_orphans;
static int line = -1; /* to the adb server */

/* ---- misbehaviour ---- */

static bool told_to(const char *what, bool once) {
    char path[600], text[64] = "";
    snprintf(path, sizeof path, "%s/misbehave", root);
    FILE *f = fopen(path, "r");
    if (!f) return false;
    const bool match = fgets(text, sizeof text, f) && strcmp(text, what) == 0;
    fclose(f);
    if (match && once) unlink(path);
    return match;
}

/* ---- messages ---- */

static void close_fd(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void free_stream(stream *s) {
    if (s->file) fclose(s->file);
    close_fd(&s->to);
    close_fd(&s->from);
    close_fd(&s->err);
    free(s->in);
    if (s->pid > 0 && n_orphans < MAX_ORPHANS) orphans[n_orphans++] = s->pid;
    *s = unused;
}

/* Shells whose stream went before they did: nobody else asks how they ended. */
static void bury_orphans(void) {
    for (int i = 0; i < n_orphans; i++)
        if (waitpid(orphans[i], NULL, WNOHANG) != 0) orphans[i--] = orphans[--n_orphans];
}

static void hang_up(void) {
    if (line >= 0) close(line);
    line = -1;
    for (int i = 0; i < MAX_STREAMS; i++) free_stream(&streams[i]);
}

static bool write_all(const void *bytes, size_t n) {
    for (const uint8_t *p = bytes; n > 0;) {
        const ssize_t put = write(line, p, n);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}

static bool read_all(void *bytes, size_t n) {
    for (uint8_t *p = bytes; n > 0;) {
        const ssize_t got = read(line, p, n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

static void say(uint32_t command, uint32_t arg0, uint32_t arg1, const void *data, size_t n) {
    const uint32_t head[6] = {command, arg0, arg1, (uint32_t)n, 0, ~command};
    if (line >= 0 && (!write_all(head, sizeof head) || !write_all(data, n))) hang_up();
}

static uint32_t name_of(const stream *s) {
    return (uint32_t)(s - streams) + 1;
}

static void send_data(stream *s, const void *data, size_t n) {
    s->may_write = false;
    say(WRTE, name_of(s), s->peer, data, n);
}

static void close_stream(stream *s) {
    say(CLSE, name_of(s), s->peer, "", 0);
    free_stream(s);
}

/* ---- files ---- */

static const char phone_tmp[] = "/data/local/tmp";

/* The phone's path here; false where it is not below ROOT. A shell may have told ROOT itself. */
static bool here(const char *path, char *out, size_t n) {
    const char *const prefix = strncmp(path, root, strlen(root)) == 0 ? root : phone_tmp;
    const size_t skip = strlen(prefix);
    return strncmp(path, prefix, skip) == 0 && !strstr(path, "..") &&
           snprintf(out, n, "%s%s", root, path + skip) < (int)n;
}

static void reply_sync(stream *s, uint32_t id, const char *text) {
    uint8_t reply[8 + 128];
    const uint32_t n = (uint32_t)strnlen(text, 128);
    memcpy(reply, &id, 4);
    memcpy(reply + 4, &n, 4);
    memcpy(reply + 8, text, n);
    send_data(s, reply, 8 + n);
}

static void reply_stat(stream *s, const char *path) {
    struct stat st = {0};
    char real[1200];
    uint32_t reply[4] = {STAT, 0, 0, 0};
    if (here(path, real, sizeof real) && lstat(real, &st) == 0) {
        reply[1] = st.st_mode;
        reply[2] = (uint32_t)st.st_size;
        reply[3] = (uint32_t)st.st_mtime;
    }
    send_data(s, reply, sizeof reply);
}

static void begin_file(stream *s, char *spec) {
    char *comma = strrchr(spec, ',');
    const unsigned mode = comma ? (unsigned)atoi(comma + 1) & 0777 : 0644;
    if (comma) *comma = '\0';
    s->receiving = true;
    s->why[0] = '\0';
    errno = EPERM;
    s->file = here(spec, s->path, sizeof s->path) ? fopen(s->path, "wb") : NULL;
    if (!s->file)
        snprintf(s->why, sizeof s->why, "couldn't create file: %s", strerror(errno));
    else
        fchmod(fileno(s->file), mode);
}

static void take_data(stream *s, const uint8_t *bytes, size_t n) {
    if (told_to("full", false)) {
        snprintf(s->why, sizeof s->why, "write failed: %s", strerror(ENOSPC));
        if (s->file) fclose(s->file);
        s->file = NULL;
        unlink(s->path);
    }
    if (s->file && fwrite(bytes, 1, n, s->file) != n)
        snprintf(s->why, sizeof s->why, "write failed: %s", strerror(errno));
}

static void end_file(stream *s) {
    if (s->file && fclose(s->file) != 0) snprintf(s->why, sizeof s->why, "write failed: %s", strerror(errno));
    s->file = NULL;
    s->receiving = false;
    reply_sync(s, s->why[0] ? FAIL : OKAY, s->why);
}

/* One request at the head of s->in; how many bytes it took, 0: not all there. */
static size_t sync_step(stream *s) {
    uint32_t id, n;
    if (s->n_in < 8) return 0;
    memcpy(&id, s->in, 4);
    memcpy(&n, s->in + 4, 4);
    if (id == DONE && s->receiving) { /* n is a time */
        end_file(s);
        return 8;
    }
    if (n > MAX_PAYLOAD) {
        hang_up();
        return 0;
    }
    if (s->n_in < 8 + (size_t)n) return 0;
    char text[1024];
    snprintf(text, sizeof text, "%.*s", (int)n, (const char *)s->in + 8);
    if (id == DATA && s->receiving) {
        take_data(s, s->in + 8, n);
        if (told_to("drop push", true)) {
            hang_up();
            return 0;
        }
    } else if (id == SEND) {
        begin_file(s, text);
    } else if (id == STAT) {
        reply_stat(s, text);
    } else if (id == QUIT) {
        close_stream(s);
        return 0;
    } else {
        reply_sync(s, FAIL, "unknown request");
    }
    return 8 + (size_t)n;
}

/* ---- shells ---- */

/* The command with the phone's folder replaced by ours. */
static void translate(const char *command, char *out, size_t room) {
    size_t n = 0;
    while (*command && n + 1 < room) {
        if (strncmp(command, phone_tmp, strlen(phone_tmp)) == 0) {
            n += (size_t)snprintf(out + n, room - n, "%s", root);
            if (n >= room) n = room - 1;
            command += strlen(phone_tmp);
        } else {
            out[n++] = *command++;
        }
    }
    out[n] = '\0';
}

static void become_shell(const char *command, const int fds[3]) {
    char path[1200];
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    snprintf(path, sizeof path, "%s/bin:%s", root, getenv("PATH"));
    setenv("PATH", path, 1);
    if (under[0]) setenv("MNAS_AGENT_UNDER", under, 1);
    for (int i = 0; i < 3; i++) dup2(fds[i], i);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static void start_shell(stream *s, const char *command) {
    char text[ROOM];
    int in[2], out[2], err[2];
    translate(command, text, sizeof text);
    s->agent = strstr(command, "mnas-agent\"") != NULL;
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0) abort();
    s->pid = fork();
    if (s->pid == 0) become_shell(text, (const int[3]){in[0], out[1], err[1]});
    close(in[0]);
    close(out[1]);
    close(err[1]);
    s->to = in[1];
    s->from = out[0];
    s->err = err[0];
}

static void shell_packet(stream *s, uint8_t kind, const void *data, uint32_t n) {
    uint8_t packet[5 + 4096];
    packet[0] = kind;
    memcpy(packet + 1, &n, 4);
    memcpy(packet + 5, data, n);
    if (s->v2)
        send_data(s, packet, 5 + n);
    else if (kind != SHELL_EXIT)
        send_data(s, data, n);
}

/* One packet of the adb client's at the head of s->in. */
static size_t shell_step(stream *s) {
    if (!s->v2) {
        if (s->to >= 0 && write(s->to, s->in, s->n_in) < 0) close_fd(&s->to);
        return s->n_in;
    }
    uint32_t n;
    if (s->n_in < 5) return 0;
    memcpy(&n, s->in + 1, 4);
    if (n > MAX_PAYLOAD || s->n_in < 5 + (size_t)n) return 0;
    if (s->to >= 0 && s->in[0] == SHELL_STDIN && write(s->to, s->in + 5, n) < 0) close_fd(&s->to);
    if (s->to >= 0 && s->in[0] == SHELL_CLOSE_STDIN) close_fd(&s->to);
    return 5 + (size_t)n;
}

/* What the command says, and how it ended. */
static void relay(stream *s, int *fd, uint8_t kind) {
    uint8_t bytes[4096];
    const ssize_t n = read(*fd, bytes, sizeof bytes);
    if (n <= 0) {
        close_fd(fd);
        return;
    }
    if (s->agent && kind == SHELL_STDOUT && told_to("drop answer", true))
        hang_up();
    else
        shell_packet(s, kind, bytes, (uint32_t)n);
}

static void end_shell(stream *s) {
    int status = 0;
    waitpid(s->pid, &status, 0);
    s->pid = 0;
    const uint8_t code = (uint8_t)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    shell_packet(s, SHELL_EXIT, &code, 1);
    if (line >= 0) close_stream(s);
}

/* ---- the protocol ---- */

static void greet(void) {
    char banner[256];
    if (told_to("unauthorized", false)) {
        const uint8_t token[20] = {1, 2, 3};
        say(AUTH, TOKEN, 0, token, sizeof token);
        return;
    }
    const int n =
        snprintf(banner, sizeof banner,
                 "device::ro.product.name=standin;ro.product.model=Stand_in;ro.product.device=standin;"
                 "features=shell_v2,cmd");
    say(CNXN, VERSION, MAX_PAYLOAD, banner, (size_t)n);
}

static stream *free_slot(void) {
    for (int i = 0; i < MAX_STREAMS; i++)
        if (!streams[i].peer) return &streams[i];
    return NULL;
}

/* "sync:", "shell:COMMAND", "shell,v2,TERM=x,raw:COMMAND". */
static void open_stream(uint32_t peer, const char *service) {
    stream *s = free_slot();
    const char *colon = strchr(service, ':');
    const bool sync = strncmp(service, "sync:", 5) == 0;
    if (!s || !colon || (!sync && strncmp(service, "shell", 5) != 0)) {
        say(CLSE, 0, peer, "", 0);
        return;
    }
    s->peer = peer;
    s->sync = sync;
    s->v2 = strncmp(service, "shell,v2", 8) == 0;
    s->may_write = true;
    if (!sync) start_shell(s, colon + 1);
    if (s->agent && told_to("drop shell", true)) {
        hang_up();
        return;
    }
    s->stalled = s->agent && told_to("stall shell", true);
    say(OKAY, name_of(s), peer, "", 0);
}

/* Understands as much of what came as it may: an answer waits until the one before has been taken. */
static void digest(stream *s) {
    while (s->peer && s->n_in > 0 && (s->may_write || !s->sync)) {
        const uint32_t peer = s->peer;
        const size_t taken = s->sync ? sync_step(s) : shell_step(s);
        if (s->peer != peer || taken == 0) return;
        s->n_in -= taken;
        memmove(s->in, s->in + taken, s->n_in);
    }
}

static void take(stream *s, const uint8_t *data, size_t n) {
    uint8_t *more = realloc(s->in, s->n_in + n + 1);
    if (!more) abort();
    memcpy(more + s->n_in, data, n);
    s->in = more;
    s->n_in += n;
    say(OKAY, name_of(s), s->peer, "", 0);
    digest(s);
}

static void hear(void) {
    static uint8_t data[MAX_PAYLOAD * 4 + 1];
    uint32_t head[6];
    if (!read_all(head, sizeof head) || head[5] != ~head[0] || head[3] >= sizeof data ||
        !read_all(data, head[3])) {
        hang_up();
        return;
    }
    data[head[3]] = '\0';
    stream *s = head[2] >= 1 && head[2] <= MAX_STREAMS ? &streams[head[2] - 1] : NULL;
    const bool known = s && s->peer && (s->peer == head[1] || head[1] == 0);
    if (head[0] == CNXN)
        greet();
    else if (head[0] == AUTH) /* silence: the question on the screen is not answered */
        ;
    else if (head[0] == OPEN)
        open_stream(head[1], (const char *)data);
    else if (!known)
        return;
    else if (head[0] == OKAY) {
        s->may_write = true;
        digest(s);
    } else if (head[0] == WRTE)
        take(s, data, head[3]);
    else if (head[0] == CLSE)
        free_stream(s);
}

/* ---- main ---- */

static int listen_anywhere(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    const int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const char *port = getenv("ADBD_PORT"); /* that of before, after a "reboot" */
    if (port) at.sin_port = htons((uint16_t)atoi(port));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 4) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &n) < 0) {
        perror("adbd");
        exit(1);
    }
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static void write_uname(void) {
    char path[600];
    snprintf(path, sizeof path, "%s/bin", root);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/bin/uname", root);
    FILE *f = fopen(path, "w");
    if (!f) exit(1);
    fprintf(f, "#!/bin/sh\necho %s\n", machine);
    fclose(f);
    chmod(path, 0755);
}

/* Whom to wait for: the listener, the line, and what the shells' output may be passed on from. */
static void turn(int listener) {
    struct pollfd fds[2 + 2 * MAX_STREAMS] = {{listener, POLLIN, 0}, {line, POLLIN, 0}};
    for (int i = 0; i < MAX_STREAMS; i++) {
        const stream *s = &streams[i];
        const bool may = s->peer && s->may_write && !s->stalled;
        fds[2 + 2 * i] = (struct pollfd){may ? s->from : -1, POLLIN, 0};
        fds[3 + 2 * i] = (struct pollfd){may ? s->err : -1, POLLIN, 0};
    }
    if (poll(fds, 2 + 2 * MAX_STREAMS, 1000) < 0 && errno != EINTR) abort();
    if (fds[0].revents) { /* the newest adb server is the one */
        hang_up();
        line = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        return;
    }
    if (fds[1].revents) {
        hear();
        return;
    }
    for (int i = 0; i < MAX_STREAMS; i++) {
        stream *s = &streams[i];
        if (fds[2 + 2 * i].revents && s->may_write) relay(s, &s->from, SHELL_STDOUT);
        if (fds[3 + 2 * i].revents && s->peer && s->may_write && s->err >= 0) relay(s, &s->err, SHELL_STDERR);
        if (s->peer && !s->sync && s->may_write && s->from < 0 && s->err < 0) end_shell(s);
    }
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    snprintf(root, sizeof root, "%s", argv[1]);
    snprintf(machine, sizeof machine, "%s", argc > 2 ? argv[2] : "x86_64");
    snprintf(under, sizeof under, "%s", argc > 3 ? argv[3] : "");
    for (int i = 0; i < MAX_STREAMS; i++) streams[i] = unused;
    write_uname();
    const int listener = listen_anywhere();
    for (;;) {
        turn(listener);
        bury_orphans();
    }
}
