/* label_list.c - reads lists of files and their classes. Does not look whether the files are there. */
#include "data/label_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "data/grow.h"

static const size_t MAX_BYTES = 1u << 30;
static const char BLANKS[] = " \t,\r";

/* ---- lines ---- */

/* The next word of *at, ended by a NUL; NULL at the line's end. */
static char *take_word(char **at) {
    *at += strspn(*at, BLANKS);
    if (**at == '\0') return NULL;
    char *word = *at;
    *at += strcspn(*at, BLANKS);
    if (**at) *(*at)++ = '\0';
    return word;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int find_class(char *const *classes, int n_classes, const char *name) {
    char *const *found = bsearch(&name, classes, (size_t)n_classes, sizeof *classes, compare_names);
    return found ? (int)(found - classes) : -1;
}

static int add(mnas_label_list *list, const char *path, const char *file, int label) {
    if (!mnas_grow(&list->lines, &list->cap, list->n, sizeof *list->lines))
        return mnas_error_set(MNAS_ERR_MEMORY, "%s: no memory for its lines", path);
    list->lines[list->n++] = (mnas_label_line){file, label};
    return 0;
}

/* Numbers of the text are counted apart from names: whether they begin with 0 or 1 shows at the end. */
typedef struct reading {
    mnas_label_list *list;
    const char *path;
    char *const *classes;
    int n_classes;
    size_t n_line, n_numbers;
    int smallest, largest; /* of the numbers */
} reading;

static int bad_line(const reading *r, const char *what, const char *word) {
    return mnas_error_set(MNAS_ERR_FORMAT,
                          "%s, line %zu: %s \"%.80s\"; expected FILE and a class's name or its number",
                          r->path, r->n_line, what, word);
}

static int read_label(reading *r, int *label, const char *word) {
    long long number;
    *label = find_class(r->classes, r->n_classes, word);
    if (*label >= 0) return 0;
    if (!mnas_str_to_i64(word, &number)) return bad_line(r, "there is no class", word);
    if (number < 0 || number > r->n_classes)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s, line %zu: class number %lld; there are %d classes",
                              r->path, r->n_line, number, r->n_classes);
    *label = (int)number;
    if (r->n_numbers++ == 0) r->smallest = r->largest = *label;
    if (*label < r->smallest) r->smallest = *label;
    if (*label > r->largest) r->largest = *label;
    return 0;
}

static int read_line(reading *r, char *line) {
    char *first = take_word(&line), *second = first ? take_word(&line) : NULL;
    int label;
    if (!first || *first == '#' || strcmp(first, "ImageId") == 0) return 0;
    bool has_file = second != NULL;
    if (r->list->n > 0 && has_file != r->list->has_files)
        return bad_line(r, "other than the lines before it:", first);
    r->list->has_files = has_file;
    int rc = read_label(r, &label, has_file ? second : first);
    return rc < 0 ? rc : add(r->list, r->path, has_file ? first : "", label);
}

static int check_numbers(reading *r) {
    mnas_label_list *list = r->list;
    if (r->n_numbers == 0) return 0;
    if (r->n_numbers < list->n)
        return mnas_error_set(MNAS_ERR_FORMAT,
                              "%s: %zu of %zu lines have a number, the others the name of a class; "
                              "expected one or the other",
                              r->path, r->n_numbers, list->n);
    if (!list->has_files)
        return mnas_error_set(
            MNAS_ERR_FORMAT,
            "%s: numbers alone, as in ILSVRC2012_validation_ground_truth.txt; their order is not that "
            "of the folders. Expected FILE and LABEL, or the names of the classes, a line each",
            r->path);
    if (r->largest < r->n_classes) return 0;
    if (r->smallest == 0)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: numbers from 0 to %d; there are %d classes", r->path,
                              r->largest, r->n_classes);
    for (size_t i = 0; i < list->n; i++) list->lines[i].label--;
    return 0;
}

static int compare_lines(const void *a, const void *b) {
    return strcmp(((const mnas_label_line *)a)->file, ((const mnas_label_line *)b)->file);
}

static int sort_lines(const reading *r) {
    mnas_label_list *list = r->list;
    if (!list->has_files) return 0;
    qsort(list->lines, list->n, sizeof *list->lines, compare_lines);
    for (size_t i = 1; i < list->n; i++)
        if (compare_lines(&list->lines[i - 1], &list->lines[i]) == 0)
            return mnas_error_set(MNAS_ERR_FORMAT, "%s names %s twice; expected each file once", r->path,
                                  list->lines[i].file);
    return 0;
}

int mnas_label_list_read(mnas_label_list *out, const char *path, char *const *classes, int n_classes) {
    size_t n;
    *out = (mnas_label_list){0};
    reading r = {.list = out, .path = path, .classes = classes, .n_classes = n_classes};
    int rc = mnas_file_read(path, MAX_BYTES, &out->text, &n);
    if (rc == 0 && strlen(out->text) < n)
        rc = mnas_error_set(MNAS_ERR_FORMAT, "%s: no text, it has a byte 0", path);
    for (char *at = out->text; rc == 0 && at;) {
        char *line = at, *end = strchr(at, '\n');
        if (end) *end = '\0';
        at = end ? end + 1 : NULL;
        r.n_line++;
        rc = read_line(&r, line);
    }
    if (rc == 0 && out->n == 0) rc = mnas_error_set(MNAS_ERR_FORMAT, "%s: it has no lines", path);
    if (rc == 0) rc = check_numbers(&r);
    return rc == 0 ? sort_lines(&r) : rc;
}

void mnas_label_list_free(mnas_label_list *list) {
    free(list->lines);
    free(list->text);
    *list = (mnas_label_list){0};
}

/* ---- files ---- */

static int find(const mnas_label_list *list, const char *name) {
    mnas_label_line key = {name, 0};
    const mnas_label_line *found = bsearch(&key, list->lines, list->n, sizeof key, compare_lines);
    return found ? found->label : -1;
}

int mnas_label_list_find(const mnas_label_list *list, const char *relative) {
    char stem[1024];
    const char *slash = strrchr(relative, '/'), *name = slash ? slash + 1 : relative,
               *dot = strrchr(name, '.');
    int label = find(list, relative);
    if (label < 0) label = find(list, name);
    if (label < 0 && dot && mnas_str_format(stem, sizeof stem, "%.*s", (int)(dot - name), name) == 0)
        label = find(list, stem);
    return label;
}
