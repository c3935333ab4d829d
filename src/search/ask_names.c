/* ask_names.c - the tokens of what a user names himself: a network by its block strings, or every decision by name.
 *
 * It looks at the session's decisions alone, and changes nothing.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "search/ask.h"

/* ---- one decision ---- */

static int unknown(const char *what, const char *word, const char *const *names, int n) {
    mnas_str text = {0};
    mnas_str_append_unknown(&text, what, word, names, (size_t)n);
    const int rc = mnas_error_set(MNAS_ERR_ARG, "%s", mnas_str_ok(&text) ? text.data : what);
    mnas_str_free(&text);
    return rc;
}

int mnas_ask_find_decision(const mnas_ask_session *s, const char *name) {
    const int n = s->learner.n_decisions;
    for (int i = 0; i < n; i++)
        if (strcmp(s->decisions[i].name, name) == 0) return i;
    const char **names = malloc((size_t)n * sizeof *names);
    if (!names) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: names of %d decisions", n);
    for (int i = 0; i < n; i++) names[i] = s->decisions[i].name;
    const int rc = unknown("unknown decision", name, names, n);
    free(names);
    return rc;
}

/* 0.0010 is 0.001. */
static bool is_same_number(const char *a, const char *b) {
    double x, y;
    return mnas_str_to_f64(a, &x) && mnas_str_to_f64(b, &y) && x == y;
}

int mnas_ask_choice(const mnas_ask_session *s, int i, const char *text, int *token) {
    const mnas_decision *d = &s->decisions[i];
    char what[96];
    for (*token = 0; *token < d->n_choices; ++*token)
        if (strcmp(d->choices[*token], text) == 0) return 0;
    for (*token = 0; *token < d->n_choices; ++*token)
        if (is_same_number(d->choices[*token], text)) return 0;
    snprintf(what, sizeof what, "unknown choice of %s", d->name);
    return unknown(what, text, d->choices, d->n_choices);
}

int mnas_ask_check_all_chosen(const mnas_ask_session *s, const bool *chosen) {
    for (int i = 0; i < s->learner.n_decisions; i++)
        if (!chosen[i])
            return mnas_error_set(MNAS_ERR_ARG, "no choice of %s; allowed: one of each of the %d decisions",
                                  s->decisions[i].name, s->learner.n_decisions);
    return 0;
}

/* ---- name=choice,name=choice ---- */

static bool is_gap(char c) {
    return c == ',' || isspace((unsigned char)c);
}

/* Of the choice that begins at `at`: before the gap in front of the next name, since neither has a '=' in it. */
static const char *end_of_choice(const char *at) {
    const char *next = strchr(at, '='), *last = next ? next : at + strlen(at);
    while (next && last > at && is_gap(last[-1])) last--;
    while (next && last > at && !is_gap(last[-1])) last--;
    while (last > at && is_gap(last[-1])) last--;
    return last;
}

static int read_pair(const mnas_ask_session *s, char *name, char *choice, bool *chosen, int *tokens) {
    const int i = mnas_ask_find_decision(s, name);
    if (i < 0) return i;
    if (chosen[i])
        return mnas_error_set(MNAS_ERR_ARG, "%s is given twice; allowed: one choice of each", name);
    chosen[i] = true;
    return mnas_ask_choice(s, i, choice, &tokens[i]);
}

/* `text` is written into. */
static int read_pairs(const mnas_ask_session *s, char *text, bool *chosen, int *tokens) {
    int rc = 0;
    while (is_gap(*text)) text++;
    while (rc == 0 && *text) {
        char *choice = strchr(text, '=');
        if (!choice)
            return mnas_error_set(MNAS_ERR_ARG, "'%.80s' is no decision; allowed: name=choice", text);
        for (char *end = choice; end > text && is_gap(end[-1]);) *--end = '\0';
        *choice++ = '\0';
        while (*choice == ' ' || *choice == '\t') choice++;
        char *last = choice + (end_of_choice(choice) - choice), *next = last;
        while (is_gap(*next)) next++;
        *last = '\0';
        rc = read_pair(s, text, choice, chosen, tokens);
        text = next;
    }
    return rc < 0 ? rc : mnas_ask_check_all_chosen(s, chosen);
}

static int decisions_named(const mnas_ask_session *s, const char *text, int *tokens) {
    char *copy = strdup(text);
    bool *chosen = calloc((size_t)s->learner.n_decisions, sizeof *chosen);
    const int rc = copy && chosen ? read_pairs(s, copy, chosen, tokens)
                                  : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: decisions");
    free(copy);
    free(chosen);
    return rc;
}

/* ---- networks ---- */

static int network_named(const mnas_ask_session *s, const char *arch, int *tokens) {
    mnas_model model;
    if (!s->space)
        return mnas_error_set(MNAS_ERR_ARG,
                              "'%.80s' names no decisions, and %s has no networks; allowed: name=choice,...",
                              arch, s->path);
    int rc = mnas_space_reference(s->space, &model);
    if (rc == 0) rc = mnas_model_set_arch(&model, arch);
    return rc < 0 ? rc : mnas_space_encode(s->space, &model, tokens);
}

int mnas_ask_find(const mnas_ask_session *s, const char *arch, int *tokens) {
    return strchr(arch, '=') ? decisions_named(s, arch, tokens) : network_named(s, arch, tokens);
}
