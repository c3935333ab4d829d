/* tflite_stand_in.c - a shared library with the functions of TensorFlow Lite's C API, for a machine that has none: it computes no
 * network, but logit i as (i + 1) times the sum of the image. STAND_IN_BYTES has the bytes of image and logits, STAND_IN_FAILS the
 * step that is to fail.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tensor {
    size_t bytes;
    float *data;
} tensor;

typedef struct interpreter {
    tensor in, out;
    int threads;
} interpreter;

static int fails(const char *step) {
    const char *wanted = getenv("STAND_IN_FAILS");
    return wanted && strcmp(wanted, step) == 0;
}

const char *TfLiteVersion(void);
void *TfLiteModelCreate(const void *bytes, size_t n);
void TfLiteModelDelete(void *model);
void *TfLiteInterpreterOptionsCreate(void);
void TfLiteInterpreterOptionsDelete(void *options);
void TfLiteInterpreterOptionsSetNumThreads(void *options, int32_t n);
void *TfLiteInterpreterCreate(const void *model, const void *options);
void TfLiteInterpreterDelete(void *p);
int TfLiteInterpreterAllocateTensors(void *p);
tensor *TfLiteInterpreterGetInputTensor(interpreter *p, int32_t i);
const tensor *TfLiteInterpreterGetOutputTensor(interpreter *p, int32_t i);
int TfLiteInterpreterInvoke(interpreter *p);
void *TfLiteTensorData(const tensor *t);
size_t TfLiteTensorByteSize(const tensor *t);

const char *TfLiteVersion(void) {
    return "stand-in";
}

void *TfLiteModelCreate(const void *bytes, size_t n) {
    const unsigned char *b = bytes;
    if (fails("model") || n < 8 || memcmp(b + 4, "TFL3", 4) != 0) return NULL;
    return calloc(1, 1);
}

void TfLiteModelDelete(void *model) {
    free(model);
}

void *TfLiteInterpreterOptionsCreate(void) {
    return calloc(1, sizeof(int));
}

void TfLiteInterpreterOptionsDelete(void *options) {
    free(options);
}

void TfLiteInterpreterOptionsSetNumThreads(void *options, int32_t n) {
    *(int *)options = n;
}

void *TfLiteInterpreterCreate(const void *model, const void *options) {
    const char *sizes = getenv("STAND_IN_BYTES");
    if (fails("interpreter") || !model || *(const int *)options != 1 || !sizes) return NULL;
    interpreter *p = calloc(1, sizeof *p);
    if (p && sscanf(sizes, "%zu,%zu", &p->in.bytes, &p->out.bytes) == 2) return p;
    free(p);
    return NULL;
}

void TfLiteInterpreterDelete(void *p) {
    interpreter *i = p;
    free(i->in.data);
    free(i->out.data);
    free(i);
}

int TfLiteInterpreterAllocateTensors(void *p) {
    interpreter *i = p;
    i->in.data = calloc(1, i->in.bytes);
    i->out.data = calloc(1, i->out.bytes);
    return fails("allocate") || !i->in.data || !i->out.data;
}

tensor *TfLiteInterpreterGetInputTensor(interpreter *p, int32_t i) {
    return i == 0 ? &p->in : NULL;
}

const tensor *TfLiteInterpreterGetOutputTensor(interpreter *p, int32_t i) {
    return i == 0 ? &p->out : NULL;
}

int TfLiteInterpreterInvoke(interpreter *p) {
    double sum = 0;
    for (size_t k = 0; k < p->in.bytes / sizeof(float); k++) sum += (double)p->in.data[k];
    for (size_t k = 0; k < p->out.bytes / sizeof(float); k++) p->out.data[k] = (float)(sum * (double)(k + 1));
    return fails("invoke");
}

void *TfLiteTensorData(const tensor *t) {
    return t->data;
}

size_t TfLiteTensorByteSize(const tensor *t) {
    return t->bytes;
}
