/* link_shell.c - see link_shell.h. */
#include "device/link_shell.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"

enum { LOOK_MS = 50, NOT_ALLOWED = 126 /* a shell's exit code: found, and not to be run */ };

typedef struct shell {
    const mnas_shell_class *class;
    void *state; /* the class's */
    const char *agent;
    bool ready; /* connected, and the program is there */
    char machine[64], root[512];
    mnas_bundle bundle;
} shell;

/* ---- a process here ---- */

static int wait_for(mnas_proc *p, const mnas_shell_limit *limit, mnas_str *out) {
    while (!mnas_proc_done(p)) {
        if (limit->cancel && *limit->cancel) return mnas_error_set(MNAS_ERR_CANCELLED, "interrupted");
        if (mnas_clock_now_s() >= limit->deadline_s)
            return mnas_error_set(MNAS_ERR_TIMEOUT, "no answer within the time allowed (timeout)");
        const int rc = mnas_proc_wait(&p, 1, LOOK_MS);
        if (rc < 0) return rc;
    }
    for (const char *line; (line = mnas_proc_next_line(p));) mnas_str_appendf(out, "%s\n", line);
    mnas_str_append_n(out, "", 0);
    return mnas_str_ok(out) ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: an answer");
}

int mnas_shell_run(mnas_shell_done *done, const char *const words[], const char *input,
                   const mnas_shell_limit *limit) {
    mnas_proc *p;
    mnas_str out = {0};
    *done = (mnas_shell_done){0};
    int rc = mnas_proc_start(&p, words, input, 0);
    if (rc == MNAS_ERR_CHILD) return mnas_error_set(MNAS_ERR_MISSING, "%s", mnas_error_message());
    if (rc < 0) return rc;
    if ((rc = wait_for(p, limit, &out)) == 0) {
        const mnas_proc_result *r = mnas_proc_result_of(p);
        const size_t n = strlen(r->err), skip = n < sizeof done->err ? 0 : n - sizeof done->err + 1;
        snprintf(done->err, sizeof done->err, "%s", r->err + skip);
        done->exit_code = r->exit_code;
        done->out = out.data;
        out = (mnas_str){0};
    }
    mnas_str_free(&out);
    mnas_proc_free(p);
    return rc;
}

const mnas_shell_complaint *mnas_shell_complaint_in(const mnas_shell_complaint *list, size_t n,
                                                    const char *text) {
    for (size_t i = 0; i < n; i++)
        if (strstr(text, list[i].sign)) return &list[i];
    return NULL;
}

void mnas_shell_last_line(const char *text, char *buf, size_t n) {
    size_t end = strlen(text);
    while (end > 0 && strchr(" \t\r\n", text[end - 1])) end--;
    size_t start = end;
    while (start > 0 && text[start - 1] != '\n') start--;
    snprintf(buf, n, "%.*s", (int)(end - start), text + start);
}

/* ---- commands there ---- */

int mnas_shell_fail(const mnas_shell_done *done) {
    const char *said = done->err[0] ? done->err : done->out;
    const char *mend =
        done->exit_code == NOT_ALLOWED ? "; may programs run there, or is it mounted noexec?" : "";
    char line[256];
    mnas_shell_last_line(said, line, sizeof line);
    if (strstr(said, "No space left"))
        return mnas_error_set(MNAS_ERR_FULL, "%s; free some space there", line);
    return mnas_error_set(MNAS_ERR_DEVICE, "exit code %d there%s%s%s", done->exit_code, line[0] ? ": " : "",
                          line, mend);
}

/* Runs a command there. A failure of its own leaves the link as it is; of the way, to be taken up anew. *out is its stdout,
 * malloc'ed. */
static int run_there(shell *s, const char *command, const char *input, const mnas_shell_limit *limit,
                     char **out) {
    const char *words[MNAS_SHELL_MAX_WORDS];
    mnas_shell_done done;
    bool way_failed = true;
    *out = NULL;
    words[s->class->words(s->state, words, command)] = NULL;
    int rc = mnas_shell_run(&done, words, input, limit);
    if (rc == 0 && done.exit_code != 0 && (rc = s->class->explain(s->state, &done)) == 0) {
        way_failed = false;
        rc = mnas_shell_fail(&done);
    }
    if (rc == 0) {
        *out = done.out;
        return 0;
    }
    free(done.out);
    if (way_failed && rc != MNAS_ERR_CANCELLED) { /* whoever cancels is not the line's fault */
        s->ready = false;
        s->class->disconnect(s->state);
    }
    return rc;
}

/* A path that double quotes hold together. */
static bool is_harmless_path(const char *path) {
    return path[0] == '/' && !strpbrk(path, "\"'$`\\\n\r");
}

/* Who it is, and where it keeps programs. */
static int greet(shell *s, const mnas_shell_limit *limit) {
    char command[256], *said;
    snprintf(command, sizeof command, "exec sh -c 'uname -m; echo \"%s\"'", s->class->root);
    int rc = run_there(s, command, NULL, limit, &said);
    if (rc < 0) return rc;
    if (sscanf(said, "%63s %511[^\n]", s->machine, s->root) != 2 || !is_harmless_path(s->root))
        rc = mnas_error_set(
            MNAS_ERR_DEVICE,
            "it answers \"%.60s\"; expected: the processor's name and a folder. Does its shell print "
            "something at every login?",
            said);
    free(said);
    return rc;
}

static int is_there(shell *s, const mnas_shell_limit *limit, bool *there) {
    char command[1024], *said;
    snprintf(command, sizeof command, "exec sh -c 'if [ -d \"%s/agent-%s\" ]; then echo there; fi'", s->root,
             s->bundle.id);
    const int rc = run_there(s, command, NULL, limit, &said);
    if (rc == 0) *there = strncmp(said, "there", 5) == 0;
    free(said);
    return rc;
}

/* What earlier uploads left that nobody ended is swept up after a day. sync: the name is not to outlive the files' bytes
 * where the power goes right after. */
static int upload(shell *s, const mnas_shell_limit *limit) {
    char folder[600], command[2400], *said = NULL;
    snprintf(folder, sizeof folder, "%s/agent-%s.new-%d-%lld", s->root, s->bundle.id, (int)getpid(),
             (long long)mnas_clock_unix_ms());
    mnas_log_info("bringing mnas-agent there (%s, %s)", s->bundle.arch, s->bundle.id);
    snprintf(command, sizeof command,
             "exec sh -c 'mkdir -p \"%s\" && "
             "find \"%s\" -maxdepth 1 -name \"agent-*.new-*\" -mtime +0 -exec rm -rf {} \\; 2>/dev/null; "
             "test -d \"%s\"'",
             folder, s->root, folder);
    int rc = run_there(s, command, NULL, limit, &said);
    free(said);
    said = NULL;
    if (rc == 0 && (rc = s->class->push(s->state, &s->bundle, folder, limit)) == 0) {
        snprintf(
            command, sizeof command,
            "exec sh -c 'cd \"%s\" && chmod 755 * && { sync; if [ -d \"../agent-%s\" ]; then rm -rf \"%s\"; "
            "else mv \"%s\" \"../agent-%s\"; fi; }'",
            folder, s->bundle.id, folder, folder, s->bundle.id);
        rc = run_there(s, command, NULL, limit, &said);
    } else if (rc == MNAS_ERR_FULL ||
               rc == MNAS_ERR_DEVICE) { /* the bytes are wanted back, if it can still be asked */
        char why[MNAS_SHELL_TEXT];
        snprintf(why, sizeof why, "%s", mnas_error_message());
        snprintf(command, sizeof command, "exec sh -c 'rm -rf \"%s\"'", folder);
        run_there(s, command, NULL, limit, &said);
        mnas_error_set(rc, "%s", why);
    }
    free(said);
    return rc < 0 ? mnas_error_context(rc, "bringing mnas-agent to %s", s->root) : 0;
}

static int prepare(shell *s, const mnas_shell_limit *limit) {
    bool there = false;
    int rc = s->class->connect(s->state, limit);
    if (rc == 0 && (rc = greet(s, limit)) == 0) rc = mnas_bundle_find(&s->bundle, s->machine, s->agent);
    if (rc == 0 && (rc = is_there(s, limit, &there)) == 0 && !there) rc = upload(s, limit);
    s->ready = rc == 0;
    return rc;
}

/* ---- the link ---- */

static int answer_to(shell *s, const char *kind, const char *request, const mnas_shell_limit *limit,
                     char **answer) {
    char command[1024];
    const double left_s = limit->deadline_s - mnas_clock_now_s();
    /* the limit: should we be gone, the program there ends all the same */
    snprintf(command, sizeof command, "exec sh \"%s/agent-%s/mnas-agent\" %s --limit %.0f", s->root,
             s->bundle.id, kind, fmax(ceil(left_s), 0) + 1);
    int rc = run_there(s, command, request, limit, answer);
    if (rc < 0) {
        s->ready = false; /* perhaps the program is no longer there */
    } else if ((*answer)[0] == '\0') {
        free(*answer);
        *answer = NULL;
        s->ready = false;
        rc = mnas_error_set(MNAS_ERR_DEVICE, "mnas-agent ended there without an answer");
    }
    return rc;
}

static int ask(void *state, const char *kind, const char *request, double timeout_s,
               const volatile bool *cancel, char **answer) {
    shell *s = state;
    const mnas_shell_limit limit = {mnas_clock_now_s() + timeout_s, cancel};
    *answer = NULL;
    if (cancel && *cancel) return mnas_error_set(MNAS_ERR_CANCELLED, "interrupted");
    int rc = s->ready ? 0 : prepare(s, &limit);
    if (rc == 0) rc = answer_to(s, kind, request, &limit, answer);
    return rc;
}

static void close_shell(void *state) {
    shell *s = state;
    s->class->close(s->state);
    free(s);
}

static const mnas_link_class link_class = {.ask = ask, .close = close_shell};

int mnas_link_open_shell(mnas_link *out, const mnas_shell_class *class, void *state, const char *agent) {
    shell *s = calloc(1, sizeof *s);
    if (!s) {
        class->close(state);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: link");
    }
    s->class = class;
    s->state = state;
    s->agent = agent;
    *out = (mnas_link){&link_class, s};
    return 0;
}

/* ---- the doctor ---- */

static const double examine_s = 60;

/* Our messages say what is wrong; and then what mends it. */
static void add_failure(mnas_findings *findings, const char *topic) {
    char text[MNAS_SHELL_TEXT];
    snprintf(text, sizeof text, "%s", mnas_error_message());
    char *mend = strstr(text, "; ");
    if (mend) *mend = '\0';
    mnas_findings_add(findings, "bad", topic, "%s", text);
    if (mend) mnas_findings_fix(findings, "%s", mend + 2);
}

void mnas_link_examine_shell(const mnas_link *link, mnas_findings *findings) {
    shell *s = link->state;
    const mnas_shell_limit limit = {mnas_clock_now_s() + examine_s, NULL};
    bool there = false;
    if (s->class->connect(s->state, &limit) < 0 || greet(s, &limit) < 0) {
        add_failure(findings, "connection");
        return;
    }
    mnas_findings_add(findings, "ok", "connection", "reached over %s; its processor is %s", s->class->name,
                      s->machine);
    if (mnas_bundle_find(&s->bundle, s->machine, s->agent) < 0) {
        add_failure(findings, "program");
        return;
    }
    int rc = is_there(s, &limit, &there);
    if (rc == 0 && !there) rc = upload(s, &limit);
    if (rc < 0) {
        add_failure(findings, "program");
        return;
    }
    s->ready = true;
    mnas_findings_add(findings, "ok", "program", "mnas-agent is in %s/agent-%s there", s->root, s->bundle.id);
}
