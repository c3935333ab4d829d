/* space_edit.c - line by line over a space's YAML. Does not parse it: whoever asked opens the result.
 *
 * Comments of what stays are kept; the head comment and those behind replaced values spoke of other images and go.
 */
#include "search/space_edit.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

static void add_comment(mnas_str *out, const char *comment) {
    for (const char *at = comment; *at;) {
        size_t n = strcspn(at, "\n");
        mnas_str_appendf(out, "# %.*s\n", (int)n, at);
        at += n + (at[n] == '\n');
    }
}

static void add_list(mnas_str *out, const char *key, const double *values, int n) {
    mnas_str_appendf(out, "%s: [", key);
    for (int i = 0; i < n; i++) mnas_str_appendf(out, "%s%.4f", i ? ", " : "", values[i]);
    mnas_str_append(out, "]\n");
}

static bool has_key(const char *line, const char *key) {
    size_t n = strlen(key);
    return strncmp(line, key, n) == 0 && line[n] == ':';
}

/* True where the line is a key whose value is replaced. */
static bool add_key(mnas_str *out, const char *line, const mnas_space_edit *e) {
    const struct {
        const char *key;
        int value;
    } numbers[] = {{"input", e->input},
                   {"channels", e->channels},
                   {"classes", e->classes},
                   {"stem-stride", e->stem_stride}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (has_key(line, numbers[i].key)) {
            mnas_str_appendf(out, "%s: %d\n", numbers[i].key, numbers[i].value);
            return true;
        }
    if (has_key(line, "name"))
        mnas_str_appendf(out, "name: %s\n", e->name);
    else if (has_key(line, "mean"))
        add_list(out, "mean", e->mean, e->channels);
    else if (has_key(line, "std"))
        add_list(out, "std", e->std, e->channels);
    else
        return false;
    return true;
}

/* `  - {net: r1_k3_s11_e1_i16_o16, ...}   # 14x14`: the digits behind _s, and no comment. */
static void add_block(mnas_str *out, const char *line, size_t n, int stride) {
    const char *comment = memchr(line, '#', n), *s = strstr(line, "_s");
    size_t end = comment ? (size_t)(comment - line) : n;
    while (end > 0 && line[end - 1] == ' ') end--;
    size_t at = (size_t)(s - line) + 2;
    mnas_str_append_n(out, line, at);
    mnas_str_appendf(out, "%d%d", stride, stride);
    mnas_str_append_n(out, line + at + 2, end - at - 2);
    mnas_str_append(out, "\n");
}

int mnas_space_edit_text(char **yaml, const char *text, const mnas_space_edit *e) {
    mnas_str out = {0};
    int block = 0;
    bool in_head = true;
    add_comment(&out, e->comment);
    mnas_str_append(&out, "\n");
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        in_head = in_head && (*line == '#' || n == 0);
        if (strncmp(line, "  - {net:", 9) == 0 && block < e->n_blocks)
            add_block(&out, line, n, e->strides[block++]);
        else if (!in_head && !add_key(&out, line, e))
            mnas_str_append_n(&out, line, n), mnas_str_append(&out, "\n");
        line += n + (line[n] == '\n');
    }
    if (!mnas_str_ok(&out)) {
        mnas_str_free(&out);
        return mnas_error_set(MNAS_ERR_MEMORY, "no memory for the text of space %s", e->name);
    }
    *yaml = out.data;
    return 0;
}
