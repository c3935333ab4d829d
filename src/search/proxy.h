/* proxy.h - how well short trainings rank networks: statistics of accuracies at several lengths (proxy_stats.c), in words
 * (proxy_words.c), of a table (proxy_table.c), of a record of trainings (proxy_record.c) and by training (proxy_run.c).
 *
 * What always holds: an accuracy is a number, -INFINITY where the training diverged, or NaN where there is none. Only orders
 * are compared, so a diverged one is simply the last.
 */
#ifndef MNAS_SEARCH_PROXY_H
#define MNAS_SEARCH_PROXY_H

#include "mnas.h"
#include "search/job.h"

/* All networks trained to one length. */
typedef struct mnas_proxy_length {
    char name[64];
    int64_t n_images; /* -1: unknown */
    double epochs;    /* of all images, where it is given so; NaN */
    double minutes;   /* of one training; NaN */
    double *accuracy; /* [n]: what ranks them */
    double *noise;    /* [n][n_noise]: with several seeds, the first among them; NULL: none */
    int n_noise;
} mnas_proxy_length;

typedef struct mnas_proxy_data {
    int n, n_lengths;           /* networks; lengths, the last one full */
    mnas_proxy_length *lengths; /* [n_lengths] */
    double *macs, *params;      /* [n] or NULL */
    bool is_percent;            /* accuracies are per cent, in words only */
} mnas_proxy_data;

/* n_lengths lengths of n networks, everything unknown, n_noise places for seeds (0: none); sizes: room for macs and params. */
int mnas_proxy_data_init(mnas_proxy_data *out, int n, int n_lengths, int n_noise, bool sizes);
void mnas_proxy_data_free(mnas_proxy_data *data);

/* n_samples of the bootstrap; the same data give the same intervals. MNAS_ERR_ARG with fewer than 10 networks to compare. */
int mnas_proxy_compute(mnas_proxy_check *out, const mnas_proxy_data *data, int n_samples);
/* Two full trainings of the same networks order them no more alike than chance would: nothing can be chosen. */
bool mnas_proxy_is_orderless(const mnas_proxy_check *check);
/* words of *check; malloc'ed. */
int mnas_proxy_words(const mnas_proxy_check *check, char **words);

/* Split "a,b,c" at its commas in place; returns how many, at most max. Empty ones count. */
int mnas_proxy_split(char *list, char *words[], int max);

enum { MNAS_PROXY_MAX_LENGTHS = 16, MNAS_PROXY_MAX_SEEDS = 16, MNAS_PROXY_MAX_NETWORKS = 1000 };

/* ---- lengths of trainings (proxy_spans.c) ---- */

/* Of one training, as it is asked for; one of the two is 0. */
typedef struct mnas_proxy_span {
    int64_t images; /* so many different ones, each seen in every epoch of the recipe */
    double epochs;  /* of all images */
} mnas_proxy_span;

typedef struct mnas_proxy_task {
    int n_train;   /* images there are */
    double epochs; /* of the recipe */
} mnas_proxy_task;

enum { MNAS_PROXY_SPAN_NAME = 48 };
bool mnas_proxy_span_read(mnas_proxy_span *out,
                          const char *word); /* "5000" or "3ep"; false for anything else */
bool mnas_proxy_span_equal(const mnas_proxy_span *a, const mnas_proxy_span *b);
void mnas_proxy_span_name(const mnas_proxy_span *span, char name[MNAS_PROXY_SPAN_NAME]); /* "3 epochs" */
double mnas_proxy_span_seen(const mnas_proxy_span *span,
                            const mnas_proxy_task *task); /* images, repeats counted */
/* "5000,1ep" and "9ep" into spans[MNAS_PROXY_MAX_LENGTHS], the full one last. Returns how many, or a status. */
int mnas_proxy_spans_read(mnas_proxy_span *spans, const char *lengths, const char *full);
/* They grow, and none wants more images than there are. */
int mnas_proxy_spans_check(const mnas_proxy_span *spans, int n, const mnas_proxy_task *task);

/* ---- a record of trainings ---- */

/* One training: a line of the record. */
typedef struct mnas_proxy_training {
    char key[17];         /* of the network */
    mnas_proxy_span span; /* asked for */
    int seed;             /* 0.. */
    double accuracy_frac; /* -INFINITY: it diverged, or failed otherwise */
    double train_s;
    int64_t macs, params;
} mnas_proxy_training;

typedef struct mnas_proxy_record {
    char task[17]; /* hash of what all its trainings share: data, recipe; "" while it is empty */
    mnas_proxy_training *list;
    int n, room;
} mnas_proxy_record;

/* An empty one where there is no file. Lies are MNAS_ERR_FORMAT with file and line: a training twice with different
 * results, an accuracy outside 0..1, two tasks. `mend` as of mnas_jsonl_read. */
int mnas_proxy_record_read(mnas_proxy_record *out, const char *path, bool mend);
void mnas_proxy_record_free(mnas_proxy_record *record);
const mnas_proxy_training *mnas_proxy_record_find(const mnas_proxy_record *record, const char *key,
                                                  const mnas_proxy_span *span, int seed);
/* To the file, durably, and to the list. */
int mnas_proxy_record_append(mnas_proxy_record *record, const char *path,
                             const mnas_proxy_training *training);

/* mnas_proxy_check_run with other hands that train. */
int mnas_proxy_run_with(mnas_proxy_check *out, const mnas_proxy_options *options,
                        const mnas_job_runner *runner);

#endif
