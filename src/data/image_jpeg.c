/* image_jpeg.c - JPEG through libjpeg-turbo, the only file that knows it.
 *
 * libjpeg reports errors by a function that must not return: it jumps back to `guarded`. Invariant: everything that is
 * allocated hangs on the job, so that a jump loses nothing. Damage that libjpeg only warns of (data cut short, bad codes) is an
 * error here: half a grey picture is no example of its class.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include <jerror.h>

#include "base/error.h"
#include "data/image_codec.h"

/* A file of a few bytes can hold thousands of scans over a large picture; real ones have about ten. */
enum { MAX_SCANS = 200 };

typedef struct jpeg_job {
    struct jpeg_decompress_struct cinfo; /* first: libjpeg hands it back */
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    char message[JMSG_LENGTH_MAX];
    bool memory;
    const uint8_t *bytes;
    size_t n;
    int min_side, orientation, rc;
    mnas_rect part; /* wanted of the upright image; height 0: all of it */
    mnas_rect rows; /* to be read of the stored image as it comes out, scaled */
    mnas_image *image;
    uint8_t *row; /* of CMYK */
} jpeg_job;

static void fail(j_common_ptr cinfo) {
    jpeg_job *job = (jpeg_job *)(void *)cinfo;
    cinfo->err->format_message(cinfo, job->message);
    job->memory = cinfo->err->msg_code == JERR_OUT_OF_MEMORY;
    longjmp(job->jump, 1);
}

static void warn(j_common_ptr cinfo, int level) {
    int code = cinfo->err->msg_code;
    if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
                      code == JWRN_MUST_RESYNC || code == JWRN_ARITH_BAD_CODE))
        fail(cinfo);
}

static void watch_scans(j_common_ptr cinfo) {
    jpeg_job *job = (jpeg_job *)(void *)cinfo;
    if (job->cinfo.input_scan_number <= MAX_SCANS) return;
    snprintf(job->message, sizeof job->message, "more than %d scans", MAX_SCANS);
    longjmp(job->jump, 1);
}

static int read_orientation(const struct jpeg_decompress_struct *cinfo) {
    for (jpeg_saved_marker_ptr m = cinfo->marker_list; m; m = m->next) {
        int orientation = mnas_exif_orientation(m->data, m->data_length);
        if (orientation != 1) return orientation;
    }
    return 1;
}

static void read_header(jpeg_job *job) {
    struct jpeg_decompress_struct *c = &job->cinfo;
    jpeg_create_decompress(c);
    c->progress = &job->progress;
    jpeg_mem_src(c, job->bytes, job->n);
    jpeg_save_markers(c, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(c, TRUE);
    job->orientation = read_orientation(c);
    job->image->height = (int)c->image_height, job->image->width = (int)c->image_width;
    job->rc = mnas_image_check_size(c->image_height, c->image_width, "JPEG");
}

/* The smallest of 1/8, 1/4, 1/2, 1 that leaves min_side pixels: these have fast transforms. */
static unsigned scale_of(unsigned height, unsigned width, int min_side) {
    unsigned side = height < width ? height : width, eighths = 1;
    if (min_side <= 0) return 8;
    while (eighths < 8 && side * eighths / 8 < (unsigned)min_side) eighths *= 2;
    return eighths;
}

/* From the sample before position `from` to the one behind the last of n, at eighths/8 of the size. */
static void scale_span(int *first, int *count, int from, int n, unsigned eighths, unsigned n_scaled) {
    int e = (int)eighths, low = ((2 * from + 1) * e - 8) / 16, high = ((2 * (from + n) - 1) * e - 8) / 16 + 2;
    if (high > (int)n_scaled) high = (int)n_scaled;
    *first = low;
    *count = high - low;
}

static void choose_rows(jpeg_job *job) {
    const struct jpeg_decompress_struct *c = &job->cinfo;
    job->rows = (mnas_rect){0, 0, (int)c->output_height, (int)c->output_width};
    if (job->part.height == 0) return;
    mnas_rect p = mnas_exif_stored(job->part, (int)c->image_height, (int)c->image_width, job->orientation);
    scale_span(&job->rows.y, &job->rows.height, p.y, p.height, c->scale_num, c->output_height);
    scale_span(&job->rows.x, &job->rows.width, p.x, p.width, c->scale_num, c->output_width);
}

/* Colour is interpolated between neighbours, hence one more pixel on either side than is wanted. libjpeg begins where its blocks do. */
static void choose_columns(jpeg_job *job) {
    struct jpeg_decompress_struct *c = &job->cinfo;
    int end = job->rows.x + job->rows.width + 1;
    JDIMENSION x = job->rows.x > 0 ? (JDIMENSION)job->rows.x - 1 : 0;
    JDIMENSION width = (end > (int)c->output_width ? c->output_width : (JDIMENSION)end) - x;
    if (width < c->output_width) jpeg_crop_scanline(c, &x, &width);
    job->rows.x = (int)x, job->rows.width = (int)width;
}

static void start(jpeg_job *job) {
    struct jpeg_decompress_struct *c = &job->cinfo;
    bool cmyk = c->jpeg_color_space == JCS_CMYK || c->jpeg_color_space == JCS_YCCK;
    c->out_color_space = cmyk ? JCS_CMYK : job->image->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    /* libjpeg cannot make grey of what was stored as RGB */
    if (c->jpeg_color_space == JCS_RGB) c->out_color_space = JCS_RGB;
    bool whole = job->part.height == 0;
    c->scale_num = scale_of(whole ? c->image_height : (unsigned)job->part.height,
                            whole ? c->image_width : (unsigned)job->part.width, job->min_side);
    c->scale_denom = 8;
    jpeg_start_decompress(c);
    choose_rows(job);
    if (!whole) choose_columns(job);
    job->image->height = job->rows.height, job->image->width = job->rows.width;
    size_t n = (size_t)job->rows.height * (size_t)job->rows.width;
    job->image->pixels = malloc(n * (size_t)job->image->channels);
    job->row = malloc((size_t)c->output_width * 4);
    if (!job->image->pixels || !job->row)
        job->rc = mnas_error_set(MNAS_ERR_MEMORY, "no memory for a JPEG of %zu pixels", n);
}

/* Adobe stores 255 - ink: R = C K / 255 of what stands in the file. */
static void convert_row(uint8_t *out, const uint8_t *row, unsigned width, int components, int channels) {
    for (unsigned x = 0; x < width; x++, row += components, out += channels) {
        uint8_t rgb[3];
        for (int c = 0; c < 3; c++)
            rgb[c] = components == 4 ? (uint8_t)((row[c] * row[3] + 127) / 255) : row[c];
        if (channels == 1)
            out[0] = mnas_image_luma(rgb);
        else
            out[0] = rgb[0], out[1] = rgb[1], out[2] = rgb[2];
    }
}

static void read_rows(jpeg_job *job) {
    struct jpeg_decompress_struct *c = &job->cinfo;
    size_t row_bytes = (size_t)c->output_width * (size_t)job->image->channels;
    bool direct = c->output_components == job->image->channels;
    uint8_t *to = job->image->pixels;
    if (job->rows.y > 0) jpeg_skip_scanlines(c, (JDIMENSION)job->rows.y);
    for (int y = 0; y < job->rows.height; y++, to += row_bytes) {
        uint8_t *row = direct ? to : job->row;
        jpeg_read_scanlines(c, &row, 1);
        if (!direct) convert_row(to, row, c->output_width, c->output_components, job->image->channels);
    }
    if (job->part.height == 0) jpeg_finish_decompress(c);
}

/* One step; libjpeg's complaint becomes ours. */
static int guarded(jpeg_job *job, void (*step)(jpeg_job *)) {
    if (setjmp(job->jump) != 0)
        return mnas_error_set(job->memory ? MNAS_ERR_MEMORY : MNAS_ERR_FORMAT, "%sJPEG: %s",
                              job->memory ? "out of memory: " : "", job->message);
    step(job);
    return job->rc;
}

static jpeg_job *create_job(mnas_image *out, const uint8_t *bytes, size_t n, int channels, int min_side) {
    jpeg_job *job = calloc(1, sizeof *job);
    if (!job) {
        mnas_error_set(MNAS_ERR_MEMORY, "no memory to decode a JPEG");
        return NULL;
    }
    *out = (mnas_image){.channels = channels};
    job->bytes = bytes, job->n = n, job->min_side = min_side, job->image = out;
    job->cinfo.err = jpeg_std_error(&job->errors);
    job->errors.error_exit = fail, job->errors.emit_message = warn;
    job->progress.progress_monitor = watch_scans;
    return job;
}

static int end_job(jpeg_job *job, int rc) {
    if (rc < 0) {
        free(job->image->pixels);
        *job->image = (mnas_image){0};
    }
    jpeg_destroy_decompress(&job->cinfo);
    free(job->row);
    free(job);
    return rc;
}

int mnas_image_decode_jpeg(mnas_image *out, const uint8_t *bytes, size_t n, int channels, int min_side,
                           bool size_only) {
    jpeg_job *job = create_job(out, bytes, n, channels, min_side);
    if (!job) return MNAS_ERR_MEMORY;
    int rc = guarded(job, read_header);
    if (rc == 0 && !size_only) rc = guarded(job, start);
    if (rc == 0 && !size_only) rc = guarded(job, read_rows);
    if (rc == 0 && !size_only) rc = mnas_exif_apply(out, job->orientation);
    if (rc == 0 && size_only && job->orientation >= 5)
        *out = (mnas_image){out->width, out->height, channels, NULL};
    return end_job(job, rc);
}

int mnas_image_decode_jpeg_part(mnas_image_part *out, const uint8_t *bytes, size_t n, int channels,
                                mnas_rect part, int min_side) {
    jpeg_job *job = create_job(&out->image, bytes, n, channels, min_side);
    if (!job) return MNAS_ERR_MEMORY;
    job->part = part;
    int rc = guarded(job, read_header);
    if (rc == 0) rc = guarded(job, start);
    if (rc == 0) rc = guarded(job, read_rows);
    if (rc == 0) rc = mnas_exif_apply(&out->image, job->orientation);
    if (rc == 0) {
        double scale = job->cinfo.scale_num / 8.0;
        mnas_exif_origin(&out->y, &out->x, job->rows, job->cinfo.image_height * scale,
                         job->cinfo.image_width * scale, job->orientation);
        out->eighths = (int)job->cinfo.scale_num;
    }
    return end_job(job, rc);
}
