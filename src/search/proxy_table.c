/* proxy_table.c - a check of proxies from columns of a CSV file. See proxy.h.
 *
 * An empty cell is unknown. "nan" is a training that diverged, and so is "inf" of either sign.
 */
#include "search/proxy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "base/error.h"
#include "base/str.h"

enum { MAX_NOISE = MNAS_PROXY_MAX_SEEDS, N_SAMPLES = 1000 };

int mnas_proxy_split(char *list, char *words[], int max) {
    int n = 0;
    for (char *at = list; at && n < max; n++) {
        words[n] = at;
        at = strchr(at, ',');
        if (at) *at++ = '\0';
        words[n] += strspn(words[n], " ");
        words[n][strcspn(words[n], " ")] = '\0';
    }
    return n;
}

static bool given(const char *text) {
    return text && text[0];
}

/* Names of one option as columns. */
typedef struct names {
    char *text;
    size_t columns[MNAS_PROXY_MAX_LENGTHS];
    const char *list[MNAS_PROXY_MAX_LENGTHS];
    int n;
} names;

static int find_names(names *out, const mnas_csv *csv, const char *what, const char *list) {
    char *words[MNAS_PROXY_MAX_LENGTHS + 1];
    *out = (names){0};
    if (!given(list)) return 0;
    out->text = strdup(list);
    if (!out->text) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %s", what);
    const int n = mnas_proxy_split(out->text, words, MNAS_PROXY_MAX_LENGTHS + 1);
    if (n > MNAS_PROXY_MAX_LENGTHS)
        return mnas_error_set(MNAS_ERR_ARG, "%s has more than %d columns", what, MNAS_PROXY_MAX_LENGTHS);
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        out->list[i] = words[i];
        rc = mnas_csv_find(csv, what, words[i], &out->columns[i]);
    }
    out->n = n;
    return rc;
}

/* ---- numbers ---- */

static int bad_cell(const mnas_csv *csv, size_t row, size_t column, const char *allowed) {
    return mnas_error_set(MNAS_ERR_FORMAT, "%s:%d: column \"%s\" has \"%s\"; allowed: %s", csv->path,
                          mnas_csv_line(csv, row), mnas_csv_name(csv, column),
                          mnas_csv_cell(csv, row, column), allowed);
}

static int read_accuracy(const mnas_csv *csv, size_t row, size_t column, double *out) {
    const char *cell = mnas_csv_cell(csv, row, column);
    *out = NAN;
    if (!cell[0]) return 0;
    if (!mnas_str_to_f64(cell, out)) {
        char *end;
        *out = strtod(cell, &end);
        if (*end || isfinite(*out)) return bad_cell(csv, row, column, "0 to 100, nan (diverged), or nothing");
    }
    if (!isfinite(*out)) *out = -INFINITY;
    if (*out > 100 || (isfinite(*out) && *out < 0))
        return bad_cell(csv, row, column, "0 to 1 or 0 to 100, nan (diverged), or nothing");
    return 0;
}

static int read_size(const mnas_csv *csv, size_t row, size_t column, double *out) {
    const char *cell = mnas_csv_cell(csv, row, column);
    if (!mnas_str_to_f64(cell, out) || !(*out > 0) || !isfinite(*out))
        return bad_cell(csv, row, column, "above 0");
    return 0;
}

/* ---- the columns ---- */

typedef struct columns {
    mnas_csv csv;
    names proxies, full, noise, macs, params;
} columns;

static int find_columns(columns *c, const mnas_proxy_table *t) {
    int rc = find_names(&c->proxies, &c->csv, "--proxy", t->proxies);
    if (rc == 0) rc = find_names(&c->full, &c->csv, "--full", t->full);
    if (rc == 0) rc = find_names(&c->noise, &c->csv, "--noise-columns", t->noise);
    if (rc == 0) rc = find_names(&c->macs, &c->csv, "--macs", t->macs);
    if (rc == 0) rc = find_names(&c->params, &c->csv, "--params", t->parameters);
    if (rc < 0) return rc;
    if (c->proxies.n == 0) return mnas_error_set(MNAS_ERR_ARG, "--proxy names no column of %s", t->path);
    if (c->full.n != 1)
        return mnas_error_set(MNAS_ERR_ARG, "--full has to name one column, not %d", c->full.n);
    if (c->macs.n > 1 || c->params.n > 1 || c->macs.n != c->params.n)
        return mnas_error_set(MNAS_ERR_ARG, "--macs and --params go together, a column each");
    if (c->noise.n == 1)
        return mnas_error_set(MNAS_ERR_ARG, "--noise-columns wants two columns or more, one a seed");
    if (c->csv.n_rows > 1000000)
        return mnas_error_set(MNAS_ERR_ARG, "%s has more than 1,000,000 rows", t->path);
    return 0;
}

static void free_columns(columns *c) {
    free(c->proxies.text);
    free(c->full.text);
    free(c->noise.text);
    free(c->macs.text);
    free(c->params.text);
    mnas_csv_free(&c->csv);
}

static int read_row(const columns *c, mnas_proxy_data *d, int row) {
    const size_t r = (size_t)row;
    mnas_proxy_length *full = &d->lengths[d->n_lengths - 1];
    int rc = 0;
    for (int l = 0; l < c->proxies.n && rc == 0; l++)
        rc = read_accuracy(&c->csv, r, c->proxies.columns[l], &d->lengths[l].accuracy[row]);
    if (rc == 0) rc = read_accuracy(&c->csv, r, c->full.columns[0], &full->accuracy[row]);
    for (int i = 0; i < c->noise.n && rc == 0; i++)
        rc = read_accuracy(&c->csv, r, c->noise.columns[i], &full->noise[row * full->n_noise + i]);
    if (rc == 0 && d->macs) rc = read_size(&c->csv, r, c->macs.columns[0], &d->macs[row]);
    if (rc == 0 && d->macs) rc = read_size(&c->csv, r, c->params.columns[0], &d->params[row]);
    return rc;
}

static int name_lengths(const columns *c, mnas_proxy_data *d, const char *images) {
    char copy[400] = "", *words[MNAS_PROXY_MAX_LENGTHS + 2];
    for (int l = 0; l < d->n_lengths; l++)
        snprintf(d->lengths[l].name, sizeof d->lengths[l].name, "%s",
                 l < c->proxies.n ? c->proxies.list[l] : c->full.list[0]);
    if (!given(images)) return 0;
    if (mnas_str_format(copy, sizeof copy, "%s", images) < 0 ||
        mnas_proxy_split(copy, words, MNAS_PROXY_MAX_LENGTHS + 2) != d->n_lengths)
        return mnas_error_set(MNAS_ERR_ARG,
                              "--images %s: %d numbers are wanted, one for each proxy and one for %s", images,
                              d->n_lengths, c->full.list[0]);
    for (int l = 0; l < d->n_lengths; l++) {
        mnas_proxy_span span;
        if (!mnas_proxy_span_read(&span, words[l]))
            return mnas_error_set(MNAS_ERR_ARG,
                                  "--images %s: \"%s\" is no number of images (5000), or of epochs (3ep)",
                                  images, words[l]);
        if (span.images > 0)
            d->lengths[l].n_images = span.images;
        else
            d->lengths[l].epochs = span.epochs;
    }
    return 0;
}

/* Fractions, or per cent where one is above 1. */
static void find_unit(mnas_proxy_data *d) {
    for (int l = 0; l < d->n_lengths; l++)
        for (int i = 0; i < d->n; i++) d->is_percent = d->is_percent || d->lengths[l].accuracy[i] > 1;
}

static int read_data(const columns *c, mnas_proxy_data *d, const char *images) {
    int rc = mnas_proxy_data_init(d, (int)c->csv.n_rows, c->proxies.n + 1, c->noise.n, c->macs.n > 0);
    if (rc == 0) rc = name_lengths(c, d, images);
    for (int row = 0; row < d->n && rc == 0; row++) rc = read_row(c, d, row);
    if (rc == 0) find_unit(d);
    return rc;
}

int mnas_proxy_check_table(mnas_proxy_check *out, const mnas_proxy_table *table) {
    columns c = {0};
    mnas_proxy_data data = {0};
    *out = (mnas_proxy_check){.chosen = -1};
    int rc = mnas_csv_read(&c.csv, table->path);
    if (rc < 0) return rc;
    rc = find_columns(&c, table);
    if (rc == 0) rc = read_data(&c, &data, table->images);
    if (rc == 0) rc = mnas_proxy_compute(out, &data, N_SAMPLES);
    mnas_proxy_data_free(&data);
    free_columns(&c);
    return rc;
}
