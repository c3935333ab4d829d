/* cli_fixture.h - running the built mnas from tests: exit code, stdout, stderr, JSON. For programs with
 * cmocka included.
 */
#ifndef CLI_FIXTURE_H
#define CLI_FIXTURE_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/proc.h"
#include "base/str.h"

enum { MAX_ARGS = 48 };

typedef struct outcome {
    int exit_code;
    mnas_str out;
    char err[8192];
} outcome;

/* Start mnas with the words of `line`, which single spaces separate; `before` is "" or the command that starts it and a space. */
static mnas_proc *start_behind(const char *before, const char *line) {
    char words[2048];
    const char *argv[MAX_ARGS] = {NULL};
    int n = 0;
    snprintf(words, sizeof words, "%s" MNAS_BINARY " %s", before, line);
    for (char *save, *w = strtok_r(words, " ", &save); w && n + 1 < MAX_ARGS; w = strtok_r(NULL, " ", &save))
        argv[n++] = w;
    mnas_proc *p;
    assert_int_equal(mnas_proc_start(&p, argv, NULL, 0), 0);
    return p;
}

/* Start mnas with the words of `line`. */
static mnas_proc *start_mnas(const char *line) {
    return start_behind("", line);
}

/* The same to its end. */
static outcome run(const char *line) {
    outcome o = {0};
    mnas_proc *p = start_mnas(line);
    const char *text;
    while (!mnas_proc_done(p)) {
        assert_int_equal(mnas_proc_wait(&p, 1, 1000), 0);
        while ((text = mnas_proc_next_line(p))) mnas_str_appendf(&o.out, "%s\n", text);
    }
    while ((text = mnas_proc_next_line(p))) mnas_str_appendf(&o.out, "%s\n", text);
    mnas_str_append(&o.out, "");
    const mnas_proc_result *r = mnas_proc_result_of(p);
    o.exit_code = r->exit_code;
    snprintf(o.err, sizeof o.err, "%s", r->err);
    mnas_proc_free(p);
    return o;
}

static const char *text_of(const outcome *o) {
    return o->out.data ? o->out.data : "";
}

/* Exit code `code`, nothing on stdout, and `part` in the message. */
static void check_refused(const char *line, int code, const char *part) {
    outcome o = run(line);
    if (o.exit_code != code || !strstr(o.err, part) || text_of(&o)[0]) {
        fail_msg("mnas %s\nexit %d, wanted %d and \"%s\"\nstdout: %.200s\nstderr: %s", line, o.exit_code,
                 code, part, text_of(&o), o.err);
    }
    mnas_str_free(&o.out);
}

/* The JSON that `line` prints; its "schema" must come first. json_decref it. */
static json_t *run_json(const char *line) {
    outcome o = run(line);
    json_error_t error;
    json_t *root = json_loads(text_of(&o), 0, &error);
    if (o.exit_code != 0 || !root) fail_msg("mnas %s: exit %d, %s\n%s", line, o.exit_code, error.text, o.err);
    assert_string_equal(json_object_iter_key(json_object_iter(root)), "schema");
    assert_int_equal(json_integer_value(json_object_get(root, "schema")), 1);
    mnas_str_free(&o.out);
    return root;
}

static json_int_t integer(const json_t *object, const char *key) {
    json_t *value = json_object_get(object, key);
    if (!json_is_integer(value)) fail_msg("%s is no whole number", key);
    return json_integer_value(value);
}

#endif
