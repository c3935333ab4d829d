/* nas_table.c - see nas_table.h. Columns are chosen, rows with gaps left out, texts become tokens, numbers fractions; then
 * rows of equal encodings are dropped and the rest indexed.
 *
 * While it is read, rows are those kept so far: kept[i] is a row of the file.
 */
#include "search/nas_table.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/csv.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"

enum { MAX_CHOICES = 256, MAX_DECISIONS = 1000, N_NAMED = 5 };
static const size_t max_rows = 50u * 1000 * 1000;

typedef enum { KIND_AUTO, KIND_NOMINAL, KIND_ORDINAL } kind;

/* Where a decision's texts stand: a column, or a character of it. */
typedef struct source {
    size_t column;
    int character; /* -1: the whole cell */
    kind kind;
} source;

typedef struct texts { /* the different ones of a decision, as they come */
    char *text[MAX_CHOICES];
    int n, last;
} texts;

typedef struct reading {
    mnas_csv csv;
    mnas_nas_table *table;
    source *sources; /* [n_decisions] */
    size_t *kept;    /* [n_rows] rows of the file */
    int *tokens;     /* [n_rows][n_decisions] */
    double *accuracy, *report, *second, *features, *rungs[MNAS_MAX_RUNG_COLUMNS];
} reading;

static int no_memory(const reading *r) {
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: table %s", r->csv.path);
}

static void *room(const reading *r, size_t n, size_t bytes) {
    return mnas_arena_alloc(r->table->arena, (n ? n : 1) * bytes);
}

static bool given(const char *name) {
    return name && name[0];
}

/* ---- columns ---- */

static bool is_missing(const char *cell) {
    static const char *const words[] = {"", "nan", "na", "n/a", "null", "?"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(cell, words[i]) == 0) return true;
    return false;
}

static int add_source(reading *r, size_t column, int character, kind k) {
    if (r->table->n_decisions == MAX_DECISIONS)
        return mnas_error_set(MNAS_ERR_ARG, "--decisions: more than %d decisions", MAX_DECISIONS);
    r->sources[r->table->n_decisions++] = (source){column, character, k};
    return 0;
}

/* A decision for each character; cells with nothing in them say nothing of how many. */
static int add_characters(reading *r, size_t column) {
    size_t n = 0;
    int rc = 0;
    for (size_t i = 0; i < r->csv.n_rows; i++) {
        const char *cell = mnas_csv_cell(&r->csv, i, column);
        if (is_missing(cell)) continue;
        if (n == 0) n = strlen(cell);
        if (strlen(cell) != n)
            return mnas_error_set(MNAS_ERR_FORMAT,
                                  "%s:%d: column %s: \"%s\" has %zu characters, the rows before have %zu",
                                  r->csv.path, mnas_csv_line(&r->csv, i), mnas_csv_name(&r->csv, column),
                                  cell, strlen(cell), n);
    }
    for (size_t i = 0; i < n && rc == 0; i++) rc = add_source(r, column, (int)i, KIND_NOMINAL);
    return rc;
}

static int add_matching(reading *r, const char *pattern, kind k) {
    size_t column;
    int rc = 0, n = 0;
    for (size_t i = 0; i < r->csv.n_columns && rc == 0; i++) {
        if (fnmatch(pattern, mnas_csv_name(&r->csv, i), 0) != 0) continue;
        rc = add_source(r, i, -1, k);
        n++;
    }
    return rc == 0 && n == 0 ? mnas_csv_find(&r->csv, "--decisions", pattern, &column) : rc;
}

/* "NAME" or "NAME:kind"; a name with a colon in it comes first. */
static int add_decision(reading *r, char *word) {
    static const char *const names[] = {"nominal", "ordinal", "chars"};
    kind k = KIND_AUTO;
    size_t column;
    for (size_t i = 0; i < r->csv.n_columns; i++)
        if (strcmp(mnas_csv_name(&r->csv, i), word) == 0) return add_source(r, i, -1, KIND_AUTO);
    char *colon = strrchr(word, ':');
    if (colon) {
        *colon = '\0';
        if (strcmp(colon + 1, "chars") == 0) {
            const int rc = mnas_csv_find(&r->csv, "--decisions", word, &column);
            return rc < 0 ? rc : add_characters(r, column);
        }
        k = strcmp(colon + 1, "nominal") == 0 ? KIND_NOMINAL : KIND_ORDINAL;
        if (k == KIND_ORDINAL && strcmp(colon + 1, "ordinal") != 0) {
            mnas_str text = {0};
            mnas_str_append_unknown(&text, "unknown kind of decision", colon + 1, names, 3);
            const int rc = mnas_error_set(MNAS_ERR_ARG, "--decisions %s: %s", word, text.data);
            mnas_str_free(&text);
            return rc;
        }
    }
    return add_matching(r, word, k);
}

/* Blanks around a word are no part of it. */
static char *trim(char *word) {
    word += strspn(word, " ");
    for (size_t n = strlen(word); n > 0 && word[n - 1] == ' ';) word[--n] = '\0';
    return word;
}

/* A list at its commas. */
static int for_words(reading *r, const char *list, int (*act)(reading *, char *word)) {
    char *copy = strdup(list), *rest = copy, *word;
    int rc = copy ? 0 : no_memory(r);
    while (rc == 0 && (word = strsep(&rest, ","))) {
        word = trim(word);
        if (word[0]) rc = act(r, word);
    }
    free(copy);
    return rc;
}

static int choose_decisions(reading *r, const char *list) {
    r->sources = room(r, MAX_DECISIONS, sizeof *r->sources);
    if (!r->sources) return no_memory(r);
    const int rc = for_words(r, list, add_decision);
    if (rc == 0 && r->table->n_decisions == 0)
        return mnas_error_set(MNAS_ERR_ARG, "--decisions is missing: the columns that networks are made of");
    for (int i = 0; i < r->table->n_decisions && rc == 0; i++)
        for (int j = 0; j < i; j++)
            if (r->sources[i].column == r->sources[j].column &&
                r->sources[i].character == r->sources[j].character)
                return mnas_error_set(MNAS_ERR_ARG, "--decisions names column %s twice",
                                      mnas_csv_name(&r->csv, r->sources[i].column));
    return rc;
}

/* ---- gaps ---- */

static void leave_out(mnas_nas_left_out *out, int line) {
    const size_t used = strlen(out->words);
    out->n++;
    if (out->n <= N_NAMED)
        snprintf(out->words + used, sizeof out->words - used, "%s%d", used ? ", " : "", line);
    else if (out->n == N_NAMED + 1)
        snprintf(out->words + used, sizeof out->words - used, ", ...");
}

/* Keeps the rows in which no cell of these columns is missing. */
static void drop_missing(reading *r, const size_t *columns, size_t n_columns) {
    size_t n = 0;
    for (size_t i = 0; i < r->table->n_rows; i++) {
        const size_t row = r->kept[i];
        bool whole = true;
        for (size_t c = 0; c < n_columns && whole; c++)
            whole = !is_missing(mnas_csv_cell(&r->csv, row, columns[c]));
        if (whole)
            r->kept[n++] = row;
        else
            leave_out(&r->table->missing, mnas_csv_line(&r->csv, row));
    }
    r->table->n_rows = n;
}

/* ---- tokens ---- */

/* What a decision says in a row, into buf where it is a character. */
static const char *text_of(const reading *r, const source *s, size_t row, char buf[2]) {
    const char *cell = mnas_csv_cell(&r->csv, row, s->column);
    if (s->character < 0) return cell;
    buf[0] = cell[s->character], buf[1] = '\0';
    return buf;
}

/* The index of a text among those known, which it joins; -1 where there are too many or no memory. */
static int index_of(reading *r, texts *t, const char *text) {
    if (t->n > 0 && strcmp(t->text[t->last], text) == 0) return t->last;
    for (int i = 0; i < t->n; i++)
        if (strcmp(t->text[i], text) == 0) return t->last = i;
    if (t->n == MAX_CHOICES || !(t->text[t->n] = mnas_arena_strdup(r->table->arena, text))) return -1;
    return t->last = t->n++;
}

static int compare_numbers(const void *a, const void *b) {
    double x, y;
    mnas_str_to_f64(*(char *const *)a, &x);
    mnas_str_to_f64(*(char *const *)b, &y);
    return (x > y) - (x < y);
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool all_numbers(const texts *t) {
    double value;
    for (int i = 0; i < t->n; i++)
        if (!mnas_str_to_f64(t->text[i], &value)) return false;
    return true;
}

/* The choices in their order into *d, and the choice of each text into choice[]. */
static int order_choices(reading *r, const texts *t, bool numbers, mnas_decision *d, int *choice) {
    int (*compare)(const void *, const void *) = numbers ? compare_numbers : compare_texts;
    char **sorted = room(r, (size_t)t->n, sizeof *sorted);
    double *values = room(r, (size_t)t->n, sizeof *values);
    if (!sorted || !values) return no_memory(r);
    memcpy(sorted, t->text, (size_t)t->n * sizeof *sorted);
    qsort(sorted, (size_t)t->n, sizeof *sorted, compare);
    int n = 0; /* 1 and 1.0 are one choice */
    for (int i = 0; i < t->n; i++)
        if (n == 0 || compare(&sorted[n - 1], &sorted[i]) != 0) sorted[n++] = sorted[i];
    for (int i = 0; i < n && numbers; i++) mnas_str_to_f64(sorted[i], &values[i]);
    for (int i = 0; i < t->n; i++)
        for (choice[i] = 0; compare(&sorted[choice[i]], &t->text[i]) != 0;) choice[i]++;
    d->n_choices = n;
    d->choices = (const char *const *)sorted;
    d->ordinal = numbers;
    d->values = numbers ? values : NULL;
    return 0;
}

static void name_decision(const reading *r, const source *s, mnas_decision *d) {
    const char *name = mnas_csv_name(&r->csv, s->column);
    if (s->character < 0)
        snprintf(d->name, sizeof d->name, "%s", name);
    else
        snprintf(d->name, sizeof d->name, "%.50s[%d]", name, s->character);
}

/* Every row's token of decision `t`. */
static int read_decision(reading *r, int t, mnas_decision *d) {
    const source *s = &r->sources[t];
    const int n_decisions = r->table->n_decisions;
    texts known = {.n = 0};
    int choice[MAX_CHOICES];
    char buf[2];
    name_decision(r, s, d);
    for (size_t i = 0; i < r->table->n_rows; i++) {
        const int k = index_of(r, &known, text_of(r, s, r->kept[i], buf));
        if (k < 0)
            return mnas_error_set(
                MNAS_ERR_FORMAT, "%s:%d: decision %s has more than %d different values: is it a measurement?",
                r->csv.path, mnas_csv_line(&r->csv, r->kept[i]), d->name, MAX_CHOICES);
        r->tokens[i * (size_t)n_decisions + (size_t)t] = k;
    }
    if (s->kind == KIND_ORDINAL && !all_numbers(&known))
        return mnas_error_set(MNAS_ERR_FORMAT,
                              "%s: decision %s is to be ordinal, and not all its values are numbers",
                              r->csv.path, d->name);
    const int rc = order_choices(r, &known, s->kind != KIND_NOMINAL && all_numbers(&known), d, choice);
    for (size_t i = 0; i < r->table->n_rows && rc == 0; i++) {
        int *token = &r->tokens[i * (size_t)n_decisions + (size_t)t];
        *token = choice[*token];
    }
    return rc;
}

static int read_decisions(reading *r) {
    const size_t n = (size_t)r->table->n_decisions;
    mnas_decision *decisions = room(r, n, sizeof *decisions);
    r->tokens = room(r, r->table->n_rows * n, sizeof *r->tokens);
    if (!decisions || !r->tokens) return no_memory(r);
    int rc = 0;
    for (size_t t = 0; t < n && rc == 0; t++) {
        rc = read_decision(r, (int)t, &decisions[t]);
        if (rc == 0) r->table->log10_combinations += log10(decisions[t].n_choices);
    }
    r->table->decisions = decisions;
    return rc;
}

/* ---- numbers ---- */

static int read_number(const reading *r, size_t row, size_t column, double *out) {
    const char *cell = mnas_csv_cell(&r->csv, row, column);
    if (mnas_str_to_f64(cell, out)) return 0;
    return mnas_error_set(MNAS_ERR_FORMAT, "%s:%d: column %s: \"%s\" is no number", r->csv.path,
                          mnas_csv_line(&r->csv, row), mnas_csv_name(&r->csv, column), cell);
}

/* Into values[i * stride]. */
static int read_numbers(const reading *r, size_t column, double *values, size_t stride) {
    int rc = 0;
    for (size_t i = 0; i < r->table->n_rows && rc == 0; i++)
        rc = read_number(r, r->kept[i], column, &values[i * stride]);
    return rc;
}

static int out_of_range(const reading *r, size_t i, size_t column, const char *allowed) {
    return mnas_error_set(MNAS_ERR_FORMAT, "%s:%d: column %s: %s; allowed: %s", r->csv.path,
                          mnas_csv_line(&r->csv, r->kept[i]), mnas_csv_name(&r->csv, column),
                          mnas_csv_cell(&r->csv, r->kept[i], column), allowed);
}

/* As fractions; a column that exceeds 1 somewhere is in per cent, and so is one of which *is_percent says it. */
static int read_accuracy(reading *r, size_t column, double **out, bool *is_percent) {
    double *values = *out = room(r, r->table->n_rows, sizeof *values);
    if (!values) return no_memory(r);
    const int rc = read_numbers(r, column, values, 1);
    for (size_t i = 0; i < r->table->n_rows && rc == 0; i++) {
        if (!(values[i] >= 0 && values[i] <= 100))
            return out_of_range(r, i, column, "accuracies as fractions (0 to 1) or per cent (0 to 100)");
        *is_percent = *is_percent || values[i] > 1;
    }
    for (size_t i = 0; i < r->table->n_rows && *is_percent; i++) values[i] /= 100;
    return rc;
}

static int read_second(reading *r, size_t column) {
    r->second = room(r, r->table->n_rows, sizeof *r->second);
    if (!r->second) return no_memory(r);
    const int rc = read_numbers(r, column, r->second, 1);
    for (size_t i = 0; i < r->table->n_rows && rc == 0; i++)
        if (!(r->second[i] >= 1e-30 && r->second[i] <= 1e30)) /* so that 1 / value and powers are numbers */
            return out_of_range(r, i, column, "more than 0, 1e-30 to 1e30");
    return rc;
}

/* Sizes and costs act by their ratios. */
static void take_logarithms(double *values, size_t n, size_t stride) {
    for (size_t i = 0; i < n; i++)
        if (!(values[i * stride] > 0)) return;
    for (size_t i = 0; i < n; i++) values[i * stride] = log(values[i * stride]);
}

static int read_features(reading *r, const size_t *columns, int n) {
    int rc = 0;
    r->features = room(r, r->table->n_rows * (size_t)n, sizeof *r->features);
    if (!r->features) return no_memory(r);
    for (int f = 0; f < n && rc == 0; f++) {
        rc = read_numbers(r, columns[f], r->features + f, (size_t)n);
        if (rc == 0) take_logarithms(r->features + f, r->table->n_rows, (size_t)n);
    }
    r->table->n_features = n;
    return rc;
}

/* ---- equal encodings, and the index ---- */

static uint64_t hash_tokens(const int *tokens, int n) {
    return mnas_hash_bytes(MNAS_HASH_INIT, tokens, (size_t)n * sizeof *tokens);
}

static const int *tokens_of(const mnas_nas_table *t, size_t row) {
    return t->tokens + row * (size_t)t->n_decisions;
}

/* The slot that holds these tokens, or the empty one where they would go. */
static uint32_t *slot_of(const mnas_nas_table *t, const int *tokens) {
    const size_t bytes = (size_t)t->n_decisions * sizeof *tokens;
    size_t i = hash_tokens(tokens, t->n_decisions) & (t->n_slots - 1);
    while (t->slots[i] && memcmp(tokens_of(t, t->slots[i] - 1), tokens, bytes) != 0)
        i = (i + 1) & (t->n_slots - 1);
    return &t->slots[i];
}

int64_t mnas_nas_table_find(const mnas_nas_table *t, const int *tokens) {
    return (int64_t)*slot_of(t, tokens) - 1;
}

static int open_slots(mnas_nas_table *t) {
    t->n_slots = 64;
    while (t->n_slots < 2 * t->n_rows) t->n_slots *= 2;
    free(t->slots);
    t->slots = calloc(t->n_slots, sizeof *t->slots);
    return t->slots ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: index of %zu networks", t->n_rows);
}

/* Row `from` takes place `to`. */
static void move_row(reading *r, size_t to, size_t from) {
    const size_t n = (size_t)r->table->n_decisions, f = (size_t)r->table->n_features;
    memmove(r->tokens + to * n, r->tokens + from * n, n * sizeof *r->tokens);
    r->kept[to] = r->kept[from];
    r->accuracy[to] = r->accuracy[from];
    if (r->report != r->accuracy) r->report[to] = r->report[from];
    if (r->second) r->second[to] = r->second[from];
    for (int i = 0; i < r->table->n_rungs; i++) r->rungs[i][to] = r->rungs[i][from];
    if (f) memmove(r->features + to * f, r->features + from * f, f * sizeof *r->features);
}

static int index_rows(reading *r) {
    mnas_nas_table *t = r->table;
    size_t n = 0;
    const int rc = open_slots(t);
    t->tokens = r->tokens;
    for (size_t i = 0; i < t->n_rows && rc == 0; i++) {
        uint32_t *slot = slot_of(t, tokens_of(t, i));
        if (*slot) {
            leave_out(&t->duplicates, mnas_csv_line(&r->csv, r->kept[i]));
            continue;
        }
        if (n != i) move_row(r, n, i);
        *slot = (uint32_t)++n;
    }
    t->n_rows = n;
    return rc;
}

/* ---- the whole ---- */

typedef struct chosen { /* columns that are used */
    size_t accuracy, report, second, features[MAX_CHOICES], rungs[MNAS_MAX_RUNG_COLUMNS];
    int n_features, n_rungs;
    size_t used[MAX_DECISIONS + MAX_CHOICES + MNAS_MAX_RUNG_COLUMNS + 3], n_used;
} chosen;

static int find_used(reading *r, chosen *c, const char *what, const char *name, size_t *column) {
    const int rc = mnas_csv_find(&r->csv, what, name, column);
    if (rc == 0) c->used[c->n_used++] = *column;
    return rc;
}

/* Of a list into columns[max]. */
static int find_list(reading *r, chosen *c, const char *what, const char *list, size_t *columns, int max,
                     int *n) {
    char *copy = strdup(list), *rest = copy, *word;
    int rc = copy ? 0 : no_memory(r);
    while (rc == 0 && (word = strsep(&rest, ","))) {
        if (*n == max)
            rc = mnas_error_set(MNAS_ERR_ARG, "%s: more than %d columns", what, max);
        else
            rc = find_used(r, c, what, trim(word), &columns[(*n)++]);
    }
    free(copy);
    return rc;
}

static int choose_columns(reading *r, const mnas_nas_columns *names, chosen *c) {
    const bool has_latency = given(names->latency);
    if (!given(names->accuracy))
        return mnas_error_set(MNAS_ERR_ARG, "--accuracy is missing: the column that a search would see");
    if (has_latency && given(names->maximize))
        return mnas_error_set(MNAS_ERR_ARG, "--latency and --maximize are both given; allowed: one of them");
    int rc = choose_decisions(r, given(names->decisions) ? names->decisions : "");
    for (int t = 0; t < r->table->n_decisions && rc == 0; t++) c->used[c->n_used++] = r->sources[t].column;
    if (rc == 0) rc = find_used(r, c, "--accuracy", names->accuracy, &c->accuracy);
    if (rc == 0 && given(names->report)) rc = find_used(r, c, "--report", names->report, &c->report);
    if (rc == 0 && has_latency) rc = find_used(r, c, "--latency", names->latency, &c->second);
    if (rc == 0 && given(names->maximize)) rc = find_used(r, c, "--maximize", names->maximize, &c->second);
    if (rc == 0 && given(names->rungs))
        rc = find_list(r, c, "--rungs", names->rungs, c->rungs, MNAS_MAX_RUNG_COLUMNS, &c->n_rungs);
    if (rc < 0 || !given(names->features)) return rc;
    return find_list(r, c, "--features", names->features, c->features, MAX_CHOICES, &c->n_features);
}

static int keep_whole_rows(reading *r, const chosen *c) {
    const size_t n = r->csv.n_rows;
    if (n > max_rows) return mnas_error_set(MNAS_ERR_FORMAT, "%s: more than %zu rows", r->csv.path, max_rows);
    r->kept = room(r, n, sizeof *r->kept);
    if (!r->kept) return no_memory(r);
    for (size_t i = 0; i < n; i++) r->kept[i] = i;
    r->table->n_rows = n;
    if (n == 0) return mnas_error_set(MNAS_ERR_FORMAT, "%s: no rows below the header", r->csv.path);
    drop_missing(r, c->used, c->n_used);
    if (r->table->n_rows == 0)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: no row is whole: %zu rows, each with a missing value",
                              r->csv.path, n);
    return 0;
}

/* In the unit of the end: after one epoch of a thousand classes all may be below 1 %. */
static int read_rungs(reading *r, const chosen *c) {
    int rc = 0;
    for (int i = 0; i < c->n_rungs && rc == 0; i++) {
        bool is_percent = r->table->is_percent;
        rc = read_accuracy(r, c->rungs[i], &r->rungs[i], &is_percent);
    }
    r->table->n_rungs = c->n_rungs;
    return rc;
}

static int read_columns(reading *r, const mnas_nas_columns *names, const chosen *c) {
    mnas_nas_table *t = r->table;
    int rc = keep_whole_rows(r, c);
    if (rc == 0) rc = read_decisions(r);
    if (rc == 0) rc = read_accuracy(r, c->accuracy, &r->accuracy, &t->is_percent);
    r->report = r->accuracy, t->report_is_percent = t->is_percent && !given(names->report);
    if (rc == 0 && given(names->report)) rc = read_accuracy(r, c->report, &r->report, &t->report_is_percent);
    if (rc == 0 && (given(names->latency) || given(names->maximize))) rc = read_second(r, c->second);
    if (rc == 0) rc = read_rungs(r, c);
    if (rc == 0 && c->n_features > 0) rc = read_features(r, c->features, c->n_features);
    return rc < 0 ? rc : index_rows(r);
}

int mnas_nas_table_read(mnas_nas_table *out, const char *path, const mnas_nas_columns *columns) {
    reading r = {.table = out};
    *out = (mnas_nas_table){.arena = mnas_arena_create()};
    chosen *c = calloc(1, sizeof *c);
    int rc = out->arena && c ? mnas_csv_read(&r.csv, path)
                             : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a table");
    if (rc == 0) rc = choose_columns(&r, columns, c);
    if (rc == 0) rc = read_columns(&r, columns, c);
    out->accuracy_frac = r.accuracy, out->report_frac = r.report;
    out->second = r.second, out->features = r.features;
    for (int i = 0; i < out->n_rungs; i++) out->rung_frac[i] = r.rungs[i];
    mnas_csv_free(&r.csv);
    free(c);
    return rc;
}

void mnas_nas_table_free(mnas_nas_table *t) {
    free(t->slots);
    mnas_arena_destroy(t->arena);
    *t = (mnas_nas_table){0};
}
