/* examples.c - listings in memory, and images read from where they lie. Decodes nothing but headers. */
#include "data/examples.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "data/grow.h"
#include "data/image_file.h"

enum { SIZE_SAMPLE = 300 };
static const size_t MAX_FILE_BYTES = 256u << 20;

static int no_memory(void) {
    return mnas_error_set(MNAS_ERR_MEMORY, "no memory for a list of images");
}

/* ---- listing ---- */

static uint64_t keep_text(mnas_listing *l, const char *text) {
    uint64_t at = l->text.len;
    mnas_str_append_n(&l->text, text, strlen(text) + 1);
    return at;
}

/* The time wraps round for years that a file may claim and nobody sees: it is compared alone. */
bool mnas_place_look(mnas_place *out, const char *path) {
    struct stat st;
    if (stat(path, &st) < 0) return false;
    out->size = S_ISDIR(st.st_mode) ? -1 : (int64_t)st.st_size;
    out->mtime_ns = (int64_t)((uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec);
    return true;
}

int mnas_listing_place(mnas_listing *l, const char *path) {
    mnas_place place;
    if (!mnas_place_look(&place, path)) return mnas_error_errno("%s", path);
    if (!mnas_grow(&l->places, &l->cap_places, l->n_places, sizeof *l->places)) return no_memory();
    place.path = keep_text(l, path);
    l->places[l->n_places] = place;
    return (int)l->n_places++;
}

int mnas_listing_add(mnas_listing *l, mnas_example example, const char *name, int label,
                     mnas_split_kind split) {
    size_t cap = l->cap, cap_labels = l->cap, cap_splits = l->cap;
    if (!mnas_grow(&l->list, &cap, l->n, sizeof *l->list) ||
        !mnas_grow(&l->labels, &cap_labels, l->n, sizeof *l->labels) ||
        !mnas_grow(&l->splits, &cap_splits, l->n, sizeof *l->splits))
        return no_memory();
    l->cap = cap;
    example.name = keep_text(l, name);
    l->list[l->n] = example;
    l->labels[l->n] = (uint16_t)label;
    l->splits[l->n++] = (uint8_t)split;
    return 0;
}

void mnas_listing_skip(mnas_listing *l, const char *file, const char *reason) {
    mnas_dataset_append_skipped(&l->skipped, file, reason);
    l->n_skipped++;
}

/* A stable sort by split. */
static int sort_by_split(mnas_listing *l, mnas_examples *out) {
    mnas_example *list = malloc((l->n + 1) * sizeof *list);
    uint16_t *labels = malloc((l->n + 1) * sizeof *labels);
    if (!list || !labels) {
        free(list), free(labels);
        return no_memory();
    }
    size_t n = 0;
    for (int split = 0; split < 3; split++) {
        size_t first = n;
        for (size_t i = 0; i < l->n; i++)
            if (l->splits[i] == split) list[n] = l->list[i], labels[n++] = l->labels[i];
        out->n_split[split] = (int)(n - first);
    }
    free(l->list), free(l->labels);
    l->list = list, l->labels = labels;
    return 0;
}

int mnas_listing_finish(mnas_listing *l, mnas_examples *out) {
    *out = (mnas_examples){0};
    if (!mnas_str_ok(&l->text) || !mnas_str_ok(&l->class_names) || !mnas_str_ok(&l->skipped))
        return no_memory();
    if (l->n > INT32_MAX)
        return mnas_error_set(MNAS_ERR_FORMAT, "%zu images; allowed: up to %d", l->n, INT32_MAX);
    int rc = sort_by_split(l, out);
    if (rc < 0) return rc;
    out->n = l->n, out->list = l->list, out->labels = l->labels;
    out->places = l->places, out->n_places = l->n_places;
    out->text = l->text.data, out->n_text = l->text.len;
    out->classes = l->classes, out->n_ignored = l->n_ignored, out->n_skipped = l->n_skipped;
    out->class_names = (mnas_cache_text){l->class_names.data, l->class_names.len};
    out->skipped = (mnas_cache_text){l->skipped.data, l->skipped.len};
    return 0;
}

void mnas_listing_free(mnas_listing *l) {
    mnas_str_free(&l->text);
    mnas_str_free(&l->class_names);
    mnas_str_free(&l->skipped);
    free(l->places), free(l->list), free(l->labels), free(l->splits);
    *l = (mnas_listing){0};
}

/* ---- reading ---- */

bool mnas_is_passing(int rc) {
    return rc == MNAS_ERR_MEMORY || rc == MNAS_ERR_IO;
}

void mnas_examples_name(const mnas_examples *e, size_t i, char *out, size_t n) {
    const mnas_place *place = &e->places[e->list[i].place];
    snprintf(out, n, "%s%s%s", e->text + place->path, place->size < 0 ? "/" : ": ",
             e->text + e->list[i].name);
}

static int open_place(int *fd, const mnas_examples *e, const mnas_example *x) {
    char path[4096];
    const mnas_place *place = &e->places[x->place];
    bool folder = place->size < 0;
    int n = snprintf(path, sizeof path, "%s%s%s", e->text + place->path, folder ? "/" : "",
                     folder ? e->text + x->name : "");
    if (n < 0 || (size_t)n >= sizeof path)
        return mnas_error_set(MNAS_ERR_MISSING, "its path is longer than %zu bytes", sizeof path - 1);
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd >= 0) return 0;
    bool ours = errno != ENOENT && errno != EACCES && errno != ENOTDIR && errno != ELOOP && errno != EPERM;
    int rc = mnas_error_errno("cannot be opened");
    return ours ? rc : MNAS_ERR_MISSING;
}

/* What the file says of its size is where reading starts; a growing file is read on. */
static int file_size(size_t *n, int fd) {
    struct stat st;
    if (fstat(fd, &st) < 0) return mnas_error_errno("cannot be looked at");
    if (S_ISDIR(st.st_mode)) return mnas_error_set(MNAS_ERR_MISSING, "is a folder");
    if (st.st_size < 0 || (uint64_t)st.st_size > MAX_FILE_BYTES)
        return mnas_error_set(MNAS_ERR_FORMAT, "%jd bytes; allowed: up to %zu", (intmax_t)st.st_size,
                              MAX_FILE_BYTES);
    *n = (size_t)st.st_size;
    return 0;
}

/* An index that lies about a file costs no memory. */
static int check_range(int fd, uint64_t offset, size_t n) {
    struct stat st;
    if (fstat(fd, &st) < 0) return mnas_error_errno("cannot be looked at");
    const uint64_t size = st.st_size > 0 ? (uint64_t)st.st_size : 0,
                   there = offset < size ? size - offset : 0;
    if (n <= there) return 0;
    return mnas_error_set(MNAS_ERR_FORMAT, "cut short: %zu of %zu bytes are there", (size_t)there, n);
}

static int reserve(mnas_bytes *b, size_t n) {
    if (n <= b->cap && b->data) return 0;
    size_t cap = n + n / 2 + 4096;
    free(b->data);
    b->data = malloc(cap);
    b->cap = b->data ? cap : 0;
    return b->data ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "no memory for a file of %zu bytes", n);
}

static int read_range(int fd, uint64_t offset, size_t n, mnas_bytes *out) {
    int rc = reserve(out, n);
    for (out->n = 0; rc == 0 && out->n < n;) {
        ssize_t got = pread(fd, out->data + out->n, n - out->n, (off_t)(offset + out->n));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) rc = mnas_error_errno("cannot be read");
        if (got == 0)
            rc = mnas_error_set(MNAS_ERR_FORMAT, "cut short: %zu of %zu bytes are there", out->n, n);
        if (got > 0) out->n += (size_t)got;
    }
    return rc;
}

int mnas_examples_read(const mnas_examples *e, size_t i, mnas_bytes *out) {
    const mnas_example *x = &e->list[i];
    int fd, rc = open_place(&fd, e, x);
    if (rc < 0) return rc;
    size_t n = x->size;
    rc = n == 0 ? file_size(&n, fd) : check_range(fd, x->offset, n);
    if (rc == 0) rc = read_range(fd, x->offset, n, out);
    close(fd);
    return rc;
}

void mnas_examples_expect(const mnas_examples *e, size_t i) {
    int fd;
    if (open_place(&fd, e, &e->list[i]) < 0) return;
    posix_fadvise(fd, (off_t)e->list[i].offset, e->list[i].size, POSIX_FADV_WILLNEED);
    close(fd);
}

/* ---- the size that suits ---- */

static int compare_ints(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

/* Median shorter side of a sample spread over the images; 0 where none has a size. */
static int median_side(int *median, const mnas_examples *e) {
    int sides[SIZE_SAMPLE + 1], n = 0, rc = 0;
    size_t n_seen = (size_t)e->n_split[MNAS_SPLIT_TRAIN] + (size_t)e->n_split[MNAS_SPLIT_VAL];
    mnas_bytes bytes = {0};
    for (size_t i = 0; i < n_seen && n < SIZE_SAMPLE; i += n_seen / SIZE_SAMPLE + 1) {
        int height, width;
        rc = mnas_examples_read(e, i, &bytes);
        if (rc == 0) rc = mnas_image_size(&height, &width, bytes.data, bytes.n);
        if (mnas_is_passing(rc)) break;
        if (rc == 0) sides[n++] = height < width ? height : width;
    }
    free(bytes.data);
    if (mnas_is_passing(rc)) return rc;
    qsort(sides, (size_t)n, sizeof *sides, compare_ints);
    *median = n > 0 ? sides[n / 2] : 0;
    return 0;
}

/* The median itself where all are tiny. */
int mnas_examples_side(int *side, const mnas_examples *e) {
    static const int usual[] = {224, 192, 160, 128, 96, 64, 48, 32};
    int rc = median_side(side, e), median = *side;
    if (rc < 0) return rc;
    if (median == 0) *side = 32; /* nothing decodes: decoding will say so */
    for (size_t i = sizeof usual / sizeof *usual; i-- > 0;)
        if (usual[i] <= median) *side = usual[i];
    return 0;
}
