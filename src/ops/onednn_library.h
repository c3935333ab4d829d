/* onednn_library.h - what the wrappers of oneDNN's C API share (onednn.c, onednn_layer.c); nobody else includes it. */
#ifndef MNAS_OPS_ONEDNN_LIBRARY_H
#define MNAS_OPS_ONEDNN_LIBRARY_H

#include <oneapi/dnnl/dnnl.h>

/* The process's one CPU engine and stream, started when first asked for. 0 or a status. */
int mnas_onednn_library(dnnl_engine_t *engine, dnnl_stream_t *stream);
/* A status with its message. */
int mnas_onednn_fail(dnnl_status_t status, const char *what);

#endif
