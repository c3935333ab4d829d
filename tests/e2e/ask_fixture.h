/* ask_fixture.h - a session of asking and telling over pipes, and what a study holds of it. */
#ifndef MNAS_TESTS_ASK_FIXTURE_H
#define MNAS_TESTS_ASK_FIXTURE_H

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli_fixture.h"

/* ---- a session over pipes ---- */

typedef struct server {
    pid_t pid;
    FILE *to, *from;
} server;

static inline server serve(const char *line) {
    char words[1024];
    char *argv[MAX_ARGS] = {NULL};
    int in[2], out[2], n = 0;
    snprintf(words, sizeof words, MNAS_BINARY " ask %s --serve", line);
    for (char *save, *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) argv[n++] = w;
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execv(argv[0], argv);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    return (server){pid, fdopen(in[1], "w"), fdopen(out[0], "r")};
}

/* json_decref it. */
static inline json_t *say(server *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline json_t *say(server *s, const char *fmt, ...) {
    char answer[8192];
    json_error_t error;
    va_list args;
    va_start(args, fmt);
    vfprintf(s->to, fmt, args);
    va_end(args);
    fputc('\n', s->to);
    fflush(s->to);
    assert_non_null(fgets(answer, sizeof answer, s->from));
    json_t *object = json_loads(answer, 0, &error);
    if (!json_is_object(object)) fail_msg("no object: %s", answer);
    return object;
}

static inline int end(server *s, bool kill_it) {
    int status;
    if (kill_it) kill(s->pid, SIGKILL);
    fclose(s->to);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    fclose(s->from);
    return kill_it ? 0 : WEXITSTATUS(status);
}

static inline void check_wrong(server *s, const char *line, const char *status, const char *part) {
    json_t *answer = say(s, "%s", line);
    const char *error = json_string_value(json_object_get(answer, "error"));
    if (!error || !strstr(error, part))
        fail_msg("%s\n-> %s, wanted \"%s\"", line, error ? error : "no error", part);
    assert_string_equal(json_string_value(json_object_get(answer, "status")), status);
    json_decref(answer);
}

/* ---- numbers ---- */

static inline double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value)) fail_msg("%s is no number", key);
    return json_number_value(value);
}

/* ---- the study ---- */

/* Columns of a study that do not depend on the clock. */
static inline char *table_of(const char *study) {
    char line[512];
    snprintf(line, sizeof line, "show %s --json", study);
    json_t *root = run_json(line), *rows = json_object_get(root, "trials"), *row;
    size_t i;
    json_array_foreach(rows, i, row) {
        json_object_del(row, "started_utc");
        json_object_del(row, "finished_utc");
        json_object_del(row, "attempt");
    }
    char *text = json_dumps(rows, JSON_SORT_KEYS);
    json_decref(root);
    return text;
}

static inline void check_prints(const char *line, const char *part) {
    outcome o = run(line);
    if (o.exit_code != 0 || !strstr(text_of(&o), part))
        fail_msg("mnas %s: exit %d, wanted \"%s\"\n%s\n%s", line, o.exit_code, part, text_of(&o), o.err);
    mnas_str_free(&o.out);
}

#endif
