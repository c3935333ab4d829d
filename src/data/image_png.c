/* image_png.c - PNG through libpng, the only file that knows it.
 *
 * libpng reports errors by a function that must not return: it jumps back to `guarded`. Invariant: everything that is allocated
 * hangs on the job, so that a jump loses nothing. Every PNG is read as 8-bit grey, grey + alpha, RGB or RGBA, then converted.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "base/error.h"
#include "data/image_codec.h"

/* Text and profiles in a PNG can claim any size; pixels are not counted here. */
enum { MAX_CHUNK_BYTES = 8 << 20 };

typedef struct png_job {
    png_structp png;
    png_infop info;
    jmp_buf jump;
    char message[160];
    bool memory; /* none was left */
    const uint8_t *bytes;
    size_t n, at;
    int rc, components;
    mnas_image *image;
    uint8_t *raw;    /* [height, width, components] */
    png_bytep *rows; /* [height]: interlaced images come in passes over all of them */
} png_job;

static void fail(png_structp png, png_const_charp message) {
    png_job *job = png_get_error_ptr(png);
    snprintf(job->message, sizeof job->message, "%s", message);
    longjmp(job->jump, 1);
}

/* libpng's own words do not tell a lack of memory from damage, for which a file is skipped. */
static png_voidp allocate(png_structp png, png_alloc_size_t n) {
    png_job *job = png_get_mem_ptr(png);
    void *p = malloc(n);
    if (!p) job->memory = true;
    return p;
}

static void release(png_structp png, png_voidp p) {
    (void)png;
    free(p);
}

static void ignore_warning(png_structp png, png_const_charp message) {
    (void)png, (void)message;
}

static void read_bytes(png_structp png, png_bytep out, size_t n) {
    png_job *job = png_get_io_ptr(png);
    if (n > job->n - job->at) png_error(png, "the file is cut short");
    memcpy(out, job->bytes + job->at, n);
    job->at += n;
}

static void read_header(png_job *job) {
    png_set_user_limits(job->png, MNAS_IMAGE_MAX_SIDE, MNAS_IMAGE_MAX_SIDE);
    png_set_chunk_malloc_max(job->png, MAX_CHUNK_BYTES);
    png_set_read_fn(job->png, job, read_bytes);
    png_read_info(job->png, job->info);
    uint32_t height = png_get_image_height(job->png, job->info),
             width = png_get_image_width(job->png, job->info);
    job->image->height = (int)height, job->image->width = (int)width;
    job->rc = mnas_image_check_size(height, width, "PNG");
}

static void start(png_job *job) {
    png_set_expand(job->png); /* palettes, 1 to 4 bits, transparent colours */
    png_set_scale_16(job->png);
    png_set_interlace_handling(job->png);
    png_read_update_info(job->png, job->info);
    job->components = png_get_channels(job->png, job->info);
    size_t n = (size_t)job->image->height * (size_t)job->image->width;
    job->raw = malloc(n * (size_t)job->components);
    job->rows = malloc((size_t)job->image->height * sizeof *job->rows);
    job->image->pixels = malloc(n * (size_t)job->image->channels);
    if (!job->raw || !job->rows || !job->image->pixels)
        job->rc = mnas_error_set(MNAS_ERR_MEMORY, "no memory for a PNG of %zu pixels", n);
}

static void read_rows(png_job *job) {
    size_t row_bytes = (size_t)job->image->width * (size_t)job->components;
    for (int y = 0; y < job->image->height; y++) job->rows[y] = job->raw + (size_t)y * row_bytes;
    png_read_image(job->png, job->rows);
    png_read_end(job->png, NULL);
}

static uint8_t on_white(uint8_t v, uint8_t alpha) {
    return (uint8_t)((v * alpha + 255 * (255 - alpha) + 127) / 255);
}

/* components: 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA. */
static void convert(const png_job *job) {
    int components = job->components, channels = job->image->channels;
    size_t n = (size_t)job->image->height * (size_t)job->image->width;
    const uint8_t *in = job->raw;
    uint8_t *out = job->image->pixels;
    for (size_t i = 0; i < n; i++, in += components, out += channels) {
        uint8_t rgb[3], alpha = components % 2 == 0 ? in[components - 1] : 255;
        for (int c = 0; c < 3; c++) rgb[c] = on_white(in[components >= 3 ? c : 0], alpha);
        if (channels == 1)
            out[0] = components >= 3 ? mnas_image_luma(rgb) : rgb[0];
        else
            memcpy(out, rgb, 3);
    }
}

/* One step; libpng's complaint becomes ours. */
static int guarded(png_job *job, void (*step)(png_job *)) {
    if (setjmp(job->jump) != 0)
        return mnas_error_set(job->memory ? MNAS_ERR_MEMORY : MNAS_ERR_FORMAT, "%sPNG: %s",
                              job->memory ? "out of memory: " : "", job->message);
    step(job);
    return job->rc;
}

int mnas_image_decode_png(mnas_image *out, const uint8_t *bytes, size_t n, int channels, bool size_only) {
    png_job job = {.bytes = bytes, .n = n, .image = out};
    *out = (mnas_image){.channels = channels};
    job.png =
        png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &job, fail, ignore_warning, &job, allocate, release);
    if (job.png) job.info = png_create_info_struct(job.png);
    int rc = job.info ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "no memory to decode a PNG");
    if (rc == 0) rc = guarded(&job, read_header);
    if (rc == 0 && !size_only) rc = guarded(&job, start);
    if (rc == 0 && !size_only) rc = guarded(&job, read_rows);
    if (rc == 0 && !size_only) convert(&job);
    png_destroy_read_struct(&job.png, &job.info, NULL);
    free(job.raw);
    free(job.rows);
    if (rc < 0) {
        free(out->pixels);
        *out = (mnas_image){0};
    }
    return rc;
}
