/* checkpoint.c - see checkpoint.h. safetensors.c knows the container; here is what lies in it. */
#include "train/checkpoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "model/safetensors.h"

enum { NAME_BYTES = 128 };
static const char kind[] = "mnas training, 1"; /* the number changes with the meaning of anything in it */

/* ---- progress ---- */

#define LARGEST 9007199254740992.0 /* 2^53 */
#define COUNT(name, field, max)                                                                              \
    { name, MNAS_OPT_INT, offsetof(mnas_progress, field), NULL, 0, max, NULL, NULL, NULL }
#define NUMBER(name, field)                                                                                  \
    { name, MNAS_OPT_FLOAT, offsetof(mnas_progress, field), NULL, 0, 0, NULL, NULL, NULL }
static const mnas_opt progress_table[] = {COUNT("step", step, INT32_MAX),
                                          COUNT("passes-done", passes_done, INT32_MAX),
                                          COUNT("loader-step", loader_step, LARGEST),
                                          COUNT("averaged", n_averaged, LARGEST),
                                          COUNT("epochs-done", epochs_done, INT32_MAX),
                                          COUNT("evaluated-step", evaluated_step, INT32_MAX),
                                          COUNT("epoch-steps", epoch_steps, INT32_MAX),
                                          COUNT("epoch-top1", epoch_top1, LARGEST),
                                          NUMBER("epoch-loss", epoch_loss),
                                          COUNT("entry-steps", entry_steps, INT32_MAX),
                                          COUNT("entry-top1", entry_top1, LARGEST),
                                          NUMBER("entry-loss", entry_loss),
                                          NUMBER("entry-s", entry_s),
                                          NUMBER("train-loss", train_loss),
                                          COUNT("val-n", val_n, LARGEST),
                                          NUMBER("val-top1", val_top1),
                                          NUMBER("val-top5", val_top5),
                                          NUMBER("val-loss", val_loss),
                                          NUMBER("val-balanced", val_balanced),
                                          COUNT("best-epoch", best_epoch, INT32_MAX),
                                          NUMBER("best-accuracy", best_accuracy),
                                          NUMBER("train-s", train_s),
                                          NUMBER("eval-s", eval_s),
                                          NUMBER("elapsed-s", elapsed_s),
                                          MNAS_OPT_END};

mnas_progress mnas_progress_begin(void) {
    return (mnas_progress){.train_loss = NAN,
                           .val_top1 = NAN,
                           .val_top5 = NAN,
                           .val_loss = NAN,
                           .val_balanced = NAN,
                           .best_accuracy = NAN};
}

/* Counts that are not there stay unset, far below 0. */
static int check_progress(const mnas_progress *p) {
    for (const mnas_opt *opt = progress_table; opt->name; opt++) {
        int64_t count;
        if (opt->type != MNAS_OPT_INT) continue;
        memcpy(&count, (const char *)p + opt->offset, sizeof count);
        if (count < 0) return mnas_error_set(MNAS_ERR_FORMAT, "progress: %s is missing", opt->name);
    }
    return 0;
}

/* ---- tensors ---- */

/* In the order of the file: slab by slab, each in the order of the graph. */
typedef struct contents {
    mnas_tensor *tensors;
    char (*names)[NAME_BYTES];
    size_t n;
} contents;

static bool holds(const mnas_checkpoint *c, int slab, const mnas_param *param) {
    return param->trainable || !c->slabs[slab].trainable_only;
}

static int list_contents(contents *out, const mnas_checkpoint *c) {
    const size_t most = (size_t)(c->n_slabs * c->graph->n_params) + 1;
    *out =
        (contents){.tensors = calloc(most, sizeof *out->tensors), .names = calloc(most, sizeof *out->names)};
    if (!out->tensors || !out->names)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: names of %zu tensors", most);
    for (int s = 0; s < c->n_slabs; s++) {
        for (int i = 0; i < c->graph->n_params; i++) {
            const mnas_param *param = &c->graph->params[i];
            if (!holds(c, s, param)) continue;
            mnas_tensor *t = &out->tensors[out->n];
            *t = (mnas_tensor){.name = out->names[out->n], .dtype = "F32", .n_dims = param->n_dims};
            for (int d = 0; d < param->n_dims; d++) t->dims[d] = param->dims[d];
            t->begin = out->n ? t[-1].end : 0;
            t->end = t->begin + param->size * sizeof(float);
            int rc = mnas_str_format(out->names[out->n++], NAME_BYTES, "%s%s%s", c->slabs[s].prefix,
                                     param->name, c->slabs[s].suffix);
            if (rc < 0) return rc;
        }
    }
    return 0;
}

static void free_contents(contents *c) {
    free(c->tensors);
    free(c->names);
}

/* ---- writing ---- */

static int write_header(mnas_file_writer *w, const mnas_checkpoint *c, const contents *tensors) {
    const char *metadata[2 * MNAS_CHECKPOINT_FACTS + 5] = {"kind", kind};
    mnas_str header = {0}, progress = {0};
    int n = 2;
    mnas_opts_print(progress_table, &c->progress, &progress);
    for (int i = 0; i < c->n_facts; i++) {
        metadata[n++] = c->facts[i].name;
        metadata[n++] = c->facts[i].text.data;
    }
    metadata[n++] = "progress";
    metadata[n++] = progress.data;
    int rc = mnas_str_ok(&progress) ? mnas_safetensors_header(&header, tensors->tensors, tensors->n, metadata)
                                    : MNAS_ERR_MEMORY;
    if (rc == 0) rc = mnas_file_writer_write(w, header.data, header.len);
    mnas_str_free(&progress);
    mnas_str_free(&header);
    return rc;
}

static int write_slabs(mnas_file_writer *w, const mnas_checkpoint *c) {
    for (int s = 0; s < c->n_slabs; s++) {
        for (int i = 0; i < c->graph->n_params; i++) {
            const mnas_param *param = &c->graph->params[i];
            if (!holds(c, s, param)) continue;
            int rc = mnas_file_writer_write(w, mnas_weights_of(c->slabs[s].weights, param),
                                            param->size * sizeof(float));
            if (rc < 0) return rc;
        }
    }
    return 0;
}

int mnas_checkpoint_write(const mnas_checkpoint *checkpoint, const char *path) {
    contents tensors;
    mnas_file_writer writer;
    int rc = list_contents(&tensors, checkpoint);
    if (rc == 0 && (rc = mnas_file_writer_open(&writer, path)) == 0) {
        rc = write_header(&writer, checkpoint, &tensors);
        if (rc == 0) rc = write_slabs(&writer, checkpoint);
        if (rc == 0) rc = mnas_file_writer_commit(&writer);
        mnas_file_writer_abort(&writer);
    }
    free_contents(&tensors);
    return rc;
}

/* ---- reading ---- */

/* The first line of a that is none of b's; false where there is none. */
static bool first_missing(const char **line, int *n, const char *a, const char *b) {
    for (; *a; a += *n + (a[*n] == '\n')) {
        *n = (int)strcspn(a, "\n");
        bool found = false;
        for (const char *p = b; *p && !found; p += strcspn(p, "\n"), p += *p == '\n')
            found = strcspn(p, "\n") == (size_t)*n && memcmp(p, a, (size_t)*n) == 0;
        *line = a;
        if (!found) return true;
    }
    return false;
}

static int tell_difference(const char *name, const char *was, const char *now) {
    const char *old, *new;
    int n_old, n_new;
    if (!first_missing(&old, &n_old, was, now)) old = "less", n_old = 4;
    if (!first_missing(&new, &n_new, now, was)) new = "less", n_new = 4;
    return mnas_error_set(MNAS_ERR_MISMATCH,
                          "is of another training: its %s has \"%.*s\", this one's \"%.*s\"", name,
                          n_old < 200 ? n_old : 200, old, n_new < 200 ? n_new : 200, new);
}

static int compare_facts(const mnas_checkpoint *c, const mnas_safetensors *file) {
    const char *has = mnas_safetensors_metadata(file, "kind");
    if (!has || strcmp(has, kind) != 0)
        return mnas_error_set(MNAS_ERR_FORMAT, "is no checkpoint of a training (kind: %.40s; expected: %s)",
                              has ? has : "none", kind);
    for (int i = 0; i < c->n_facts; i++) {
        const char *name = c->facts[i].name, *was = mnas_safetensors_metadata(file, name);
        if (!was) return mnas_error_set(MNAS_ERR_FORMAT, "does not say of which %s it is", name);
        if (strcmp(was, c->facts[i].text.data) != 0) return tell_difference(name, was, c->facts[i].text.data);
    }
    return 0;
}

static int check_tensors(const contents *wanted, const mnas_safetensors *file) {
    for (size_t i = 0; i < wanted->n; i++) {
        char has[160], expected[160];
        const mnas_tensor *tensor = mnas_safetensors_find(file, wanted->names[i]);
        mnas_tensor_describe(&wanted->tensors[i], expected, sizeof expected);
        if (!tensor)
            return mnas_error_set(MNAS_ERR_FORMAT, "tensor %s is missing; expected %s", wanted->names[i],
                                  expected);
        mnas_tensor_describe(tensor, has, sizeof has);
        if (strcmp(has, expected) != 0)
            return mnas_error_set(MNAS_ERR_FORMAT, "tensor %s is %s; expected %s", wanted->names[i], has,
                                  expected);
    }
    return 0;
}

static void copy_tensors(mnas_checkpoint *c, const contents *wanted, const mnas_safetensors *file) {
    size_t at = 0;
    for (int s = 0; s < c->n_slabs; s++) {
        for (int i = 0; i < c->graph->n_params; i++) {
            const mnas_param *param = &c->graph->params[i];
            if (!holds(c, s, param)) continue;
            const mnas_tensor *tensor = mnas_safetensors_find(file, wanted->names[at++]);
            memcpy(mnas_weights_of(c->slabs[s].weights, param), mnas_safetensors_data(file, tensor),
                   param->size * sizeof(float));
        }
    }
}

static int read_file(mnas_checkpoint *c, const contents *wanted, const mnas_safetensors *file) {
    mnas_progress progress;
    int rc = compare_facts(c, file);
    if (rc == 0) rc = check_tensors(wanted, file);
    if (rc < 0) return rc;
    const char *text = mnas_safetensors_metadata(file, "progress");
    rc = mnas_opts_parse_pairs(progress_table, &progress, "progress", text);
    if (rc == MNAS_ERR_ARG) rc = MNAS_ERR_FORMAT; /* the words are the file's, not the user's */
    if (rc == 0) rc = check_progress(&progress);
    if (rc < 0) return rc;
    c->progress = progress;
    copy_tensors(c, wanted, file);
    return 0;
}

int mnas_checkpoint_parse(mnas_checkpoint *checkpoint, const uint8_t *bytes, size_t n) {
    contents wanted;
    mnas_safetensors *file = NULL;
    int rc = list_contents(&wanted, checkpoint);
    if (rc == 0) rc = mnas_safetensors_parse(&file, bytes, n);
    if (rc == 0) rc = read_file(checkpoint, &wanted, file);
    mnas_safetensors_free(file);
    free_contents(&wanted);
    return rc;
}

int mnas_checkpoint_read(mnas_checkpoint *checkpoint, const char *path) {
    const void *bytes;
    size_t n;
    int rc = mnas_file_map(path, &bytes, &n);
    if (rc < 0) return rc;
    rc = mnas_checkpoint_parse(checkpoint, bytes, n);
    mnas_file_unmap(bytes, n);
    return rc < 0 ? mnas_error_context(rc, "%s", path) : 0;
}

void mnas_checkpoint_free(mnas_checkpoint *checkpoint) {
    for (int i = 0; i < checkpoint->n_facts; i++) mnas_str_free(&checkpoint->facts[i].text);
    checkpoint->n_facts = 0;
}
