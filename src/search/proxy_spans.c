/* proxy_spans.c - lengths of trainings as users give them: "5000" images, each seen in every epoch of the recipe, or "3ep", epochs of
 * all images. It says which is longer, and what each is called. See proxy.h. */
#include "search/proxy.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

bool mnas_proxy_span_read(mnas_proxy_span *out, const char *word) {
    char *end;
    *out = (mnas_proxy_span){0};
    if (!isdigit((unsigned char)word[0]) || strpbrk(word, "xX"))
        return false; /* nothing signed, nothing hexadecimal */
    const double number = strtod(word, &end);
    if (strcmp(end, "ep") == 0) {
        out->epochs = number;
        return number >= 0.001 && number <= 100000; /* as of mnas search --epochs */
    }
    if (*end || !(number >= 1 && number <= 1e15) || number != floor(number)) return false;
    out->images = (int64_t)number;
    return true;
}

bool mnas_proxy_span_equal(const mnas_proxy_span *a, const mnas_proxy_span *b) {
    return a->images == b->images && a->epochs == b->epochs;
}

void mnas_proxy_span_name(const mnas_proxy_span *span, char name[MNAS_PROXY_SPAN_NAME]) {
    char epochs[32];
    mnas_str_from_f64(span->epochs, epochs);
    if (span->images > 0)
        snprintf(name, MNAS_PROXY_SPAN_NAME, "%lld images", (long long)span->images);
    else
        snprintf(name, MNAS_PROXY_SPAN_NAME, "%s %s", epochs, strcmp(epochs, "1") == 0 ? "epoch" : "epochs");
}

double mnas_proxy_span_seen(const mnas_proxy_span *span, const mnas_proxy_task *task) {
    return span->images > 0 ? (double)span->images * task->epochs : span->epochs * task->n_train;
}

/* ---- all of a check ---- */

static int read_one(mnas_proxy_span *out, const char *what, const char *word) {
    if (mnas_proxy_span_read(out, word)) return 0;
    return mnas_error_set(MNAS_ERR_ARG,
                          "%s: \"%s\" is no length; allowed: a number of images (5000), or of epochs of all "
                          "images (3ep)",
                          what, word);
}

int mnas_proxy_spans_read(mnas_proxy_span *spans, const char *lengths, const char *full) {
    char copy[400], *words[MNAS_PROXY_MAX_LENGTHS + 1];
    int rc = mnas_str_format(copy, sizeof copy, "%s", lengths ? lengths : "");
    if (rc < 0) return rc;
    const int n = mnas_proxy_split(copy, words, MNAS_PROXY_MAX_LENGTHS + 1);
    if (n >= MNAS_PROXY_MAX_LENGTHS)
        return mnas_error_set(MNAS_ERR_ARG, "--lengths has more than %d", MNAS_PROXY_MAX_LENGTHS - 1);
    for (int i = 0; i < n && rc == 0; i++) rc = read_one(&spans[i], "--lengths", words[i]);
    if (rc == 0) rc = read_one(&spans[n], "--full", full ? full : "");
    return rc < 0 ? rc : n + 1;
}

static int check_images(const mnas_proxy_span *span, const mnas_proxy_task *task) {
    if (span->images <= task->n_train) return 0;
    return mnas_error_set(
        MNAS_ERR_ARG,
        "a length of %lld images, but there are %d to train on; give epochs of all of them: %.3gep",
        (long long)span->images, task->n_train, mnas_proxy_span_seen(span, task) / task->n_train);
}

int mnas_proxy_spans_check(const mnas_proxy_span *spans, int n, const mnas_proxy_task *task) {
    char name[MNAS_PROXY_SPAN_NAME], before[MNAS_PROXY_SPAN_NAME];
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        rc = check_images(&spans[i], task);
        if (rc < 0 || i == 0 ||
            mnas_proxy_span_seen(&spans[i], task) > mnas_proxy_span_seen(&spans[i - 1], task))
            continue;
        mnas_proxy_span_name(&spans[i], name);
        mnas_proxy_span_name(&spans[i - 1], before);
        rc = mnas_error_set(MNAS_ERR_ARG, "%s is %s, not above the %s before; give the shortest first",
                            i == n - 1 ? "--full" : "--lengths", name, before);
    }
    return rc;
}
