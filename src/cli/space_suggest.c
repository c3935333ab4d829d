/* space_suggest.c - prints what mnas_space_suggest proposes, the reasons, and the commands to go on with. */
#include "cli/space_suggest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/human.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/cli.h"
#include "mnas.h"

static void add_search(mnas_str *out, const mnas_suggestion *s, const char *file) {
    mnas_str_appendf(out, "mnas search --space %s --data '%s'", file, s->data);
    if (s->epochs > 1) mnas_str_appendf(out, " --epochs %.0f", s->epochs);
    if (s->max_images > 0) mnas_str_appendf(out, " --max-images %lld", (long long)s->max_images);
    if (strcmp(s->recipe, "proxy") != 0) mnas_str_appendf(out, " --recipe %s", s->recipe);
    mnas_str_append(out, " --trials 50 --study search.db");
}

/* A bare name would be taken for a built-in space. */
static const char *as_path(mnas_str *buffer, const char *file) {
    size_t n = strlen(file);
    bool is_path = strchr(file, '/') || (n > 5 && strcmp(file + n - 5, ".yaml") == 0);
    mnas_str_appendf(buffer, "%s%s", is_path ? "" : "./", file);
    return buffer->data ? buffer->data : file;
}

static int print_json(const mnas_suggestion *s, const char *command) {
    return mnas_json_print(json_pack(
        "{s:o, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "data",
        mnas_json_text(s->data), "base", s->base, "recipe", s->recipe, "stored_size", s->stored_size,
        "input_size", s->input_size, "channels", s->channels, "classes", s->classes, "n_train", s->n_train,
        "n_val", s->n_val, "epochs", mnas_json_number(s->epochs), "max_images",
        mnas_json_integer(s->max_images), "macs_low", mnas_json_integer(s->macs_low), "macs_median",
        mnas_json_integer(s->macs_median), "macs_high", mnas_json_integer(s->macs_high), "trial_s",
        mnas_json_number(s->trial_s), "reasons", mnas_json_text(s->reasons), "yaml", mnas_json_text(s->yaml),
        "command", mnas_json_text(command)));
}

static void print_text(const mnas_suggestion *s, const char *search, const char *output) {
    char low[MNAS_HUMAN_BYTES], median[MNAS_HUMAN_BYTES], high[MNAS_HUMAN_BYTES], trial[32], all[32];
    mnas_human_count(s->macs_low, low), mnas_human_count(s->macs_median, median);
    mnas_human_count(s->macs_high, high);
    mnas_clock_duration(s->trial_s, trial, sizeof trial);
    mnas_clock_duration(50 * s->trial_s, all, sizeof all);
    printf("%s: %d classes, %d training and %d validation images\n\n%s\n", s->data, s->classes, s->n_train,
           s->n_val, s->reasons);
    printf("Networks: %s multiply-adds at the median, %s to %s for nine of ten. A trial takes about %s to "
           "train here, 50 "
           "about %s.\n\nGo on with:\n\n",
           median, low, high, trial, all);
    if (output[0])
        printf("  %s\n", search);
    else
        printf("  mnas space suggest --data '%s' -o suggested.yaml\n  %s\n", s->data, search);
}

int mnas_cli_space_suggest(const char *data, const char *output, bool json) {
    mnas_suggestion s;
    mnas_str search = {0}, path = {0};
    int rc = mnas_space_suggest(&s, data);
    if (rc < 0) return rc;
    add_search(&search, &s, as_path(&path, output[0] ? output : "suggested.yaml"));
    if (!mnas_str_ok(&search)) rc = mnas_error_set(MNAS_ERR_MEMORY, "no memory for a command line");
    if (rc == 0 && output[0]) rc = mnas_cli_check_output(output, "");
    if (rc == 0 && output[0]) rc = mnas_file_write_atomic(output, s.yaml, strlen(s.yaml));
    if (rc == 0 && json)
        rc = print_json(&s, search.data);
    else if (rc == 0)
        print_text(&s, search.data, output);
    mnas_str_free(&path);
    mnas_str_free(&search);
    mnas_suggestion_free(&s);
    return rc;
}
