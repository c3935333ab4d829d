/* profile_flame.c - the picture of a profile: time along one side, and across it network > blocks > layers > operators, each
 * as long as it takes; below them how much of its time each operator would need at least.
 *
 * It is drawn twice, lying for wide screens and standing for narrow ones, so that its words keep a readable size; the style
 * shows one of them. What a piece is stands in its title, which a pointer shows without a script.
 */
#include <math.h>
#include <string.h>

#include "base/human.h"
#include "search/profile.h"
#include "search/report.h"

/* Across the picture, in pixels: where the lanes begin and end. */
enum { LANE_NETWORK, LANE_BLOCK, LANE_LAYER, LANE_OPERATOR, LANE_FLOOR, N_LANES };
static const double lying_lanes[N_LANES][2] = {{0, 26}, {28, 54}, {56, 82}, {84, 150}, {156, 216}},
                    standing_lanes[N_LANES][2] = {{0, 24}, {26, 100}, {102, 150}, {152, 316}, {322, 400}};

typedef struct flame {
    mnas_str *out;
    const mnas_profile *p;
    bool standing;
    double length; /* pixels of the whole time */
} flame;

typedef struct box {
    double x, y, w, h;
} box;

/* From and to are ms from the start; of the lane the part low..high, 0..1. */
static box place(const flame *f, double from_ms, double to_ms, int lane, double low, double high) {
    const double scale = f->length / f->p->layers_ms,
                 *ends = (f->standing ? standing_lanes : lying_lanes)[lane],
                 across = ends[0] + low * (ends[1] - ends[0]), thick = (high - low) * (ends[1] - ends[0]),
                 along = from_ms * scale, length = (to_ms - from_ms) * scale;
    return f->standing ? (box){across, along, thick, length} : (box){along, across, length, thick};
}

static void rect(const flame *f, box b, const char *class, const char *title) {
    mnas_str_appendf(f->out, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" class=\"%s\">", b.x,
                     b.y, b.w, b.h, class);
    if (title) {
        mnas_str_append(f->out, "<title>");
        mnas_report_escape(f->out, title);
        mnas_str_append(f->out, "</title>");
    }
    mnas_str_append(f->out, "</rect>\n");
}

/* In the middle of the box, where it fits; letters are some 7 pixels wide. */
static void label(const flame *f, box b, const char *words, const char *class) {
    if (7.2 * (double)strlen(words) + 4 > b.w || b.h < 13) return;
    mnas_str_appendf(f->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" class=\"%s\">",
                     b.x + b.w / 2, b.y + b.h / 2 + 4.3, class);
    mnas_report_escape(f->out, words);
    mnas_str_append(f->out, "</text>\n");
}

/* ---- operators ---- */

const char *const mnas_profile_kind_names[MNAS_PROFILE_KINDS] = {
    "convolution", "1&#215;1 convolution or dense", "depthwise", "squeeze-and-excitation",
    "pooling, addition"};

int mnas_profile_kind(const mnas_layer_profile *l) {
    if (strcmp(l->op, "conv") == 0) return l->kernel == 1 ? 1 : 0;
    if (strcmp(l->op, "dwconv") == 0) return 2;
    if (strcmp(l->op, "dense") == 0) return 1;
    return strcmp(l->op, "se") == 0 ? 3 : 4;
}

static void short_name(const mnas_layer_profile *l, char buf[40]) {
    if (l->kernel > 1)
        snprintf(buf, 40, "%.10s %dx%d", l->op, l->kernel, l->kernel);
    else
        snprintf(buf, 40, "%.20s", l->op);
}

static void title_of(const mnas_layer_profile *l, char *buf, size_t n) {
    char ms[MNAS_HUMAN_BYTES], name[40];
    mnas_human_ms(l->ms, ms);
    short_name(l, name);
    int at = snprintf(buf, n, "%s\n%s to %d x %d x %d: %s, %.1f %%", l->name, name, l->out_h, l->out_w,
                      l->out_c, ms, 100 * l->share_frac);
    if (isfinite(l->flops_per_s))
        at += snprintf(buf + at, n - (size_t)at, "\n%.1f GFLOP/s", l->flops_per_s / 1e9);
    if (isfinite(l->reached_frac))
        snprintf(buf + at, n - (size_t)at, "\nbound by %s; at best %.4f ms, %.0f %% of its time",
                 l->memory_ms > l->arithmetic_ms ? "memory" : "arithmetic",
                 fmax(l->memory_ms, l->arithmetic_ms), 100 * l->reached_frac);
}

static void draw_operator(const flame *f, const mnas_layer_profile *l, double from_ms) {
    char title[512], name[40];
    const double to_ms = from_ms + l->ms;
    const box b = place(f, from_ms, to_ms, LANE_OPERATOR, 0, 1);
    title_of(l, title, sizeof title);
    short_name(l, name);
    rect(f, b, (const char[]){'f', (char)('0' + mnas_profile_kind(l)), '\0'}, title);
    label(f, b, name, "on");
    if (isnan(l->reached_frac)) return;
    /* lying it stands on the lower edge, standing it begins at the left one */
    const double reached = fmin(l->reached_frac, 1), low = f->standing ? 0 : 1 - reached;
    rect(f, place(f, from_ms, to_ms, LANE_FLOOR, 0, 1), "room", NULL);
    rect(f, place(f, from_ms, to_ms, LANE_FLOOR, low, low + reached),
         l->memory_ms > l->arithmetic_ms ? "by-memory" : "by-arithmetic", title);
}

/* ---- what holds them ---- */

/* What of its name says where a layer stands: 1 its block, 2 also its repeat. "blocks.2.0.conv_dw" -> "block 3", "3.1". */
static void group_name(const mnas_layer_profile *l, int level, char buf[32]) {
    int block, repeat;
    if (sscanf(l->name, "blocks.%d.%d.", &block, &repeat) != 2)
        snprintf(buf, 32, "%s", level > 1 ? "" : strcmp(l->name, "conv_stem") == 0 ? "stem" : "head");
    else if (level > 1)
        snprintf(buf, 32, "%d.%d", block + 1, repeat + 1);
    else
        snprintf(buf, 32, "block %d", block + 1);
}

static void draw_group(const flame *f, int lane, const char *name, double from_ms, double to_ms) {
    char title[128], ms[MNAS_HUMAN_BYTES];
    const box b = place(f, from_ms, to_ms, lane, 0, 1);
    if (!name[0]) return;
    mnas_human_ms(to_ms - from_ms, ms);
    snprintf(title, sizeof title, "%s: %s, %.1f %%", name, ms, 100 * (to_ms - from_ms) / f->p->layers_ms);
    rect(f, b, lane == LANE_BLOCK ? "g1" : "g2", title);
    /* "block 3", or where that is too long "3" */
    const char *number =
        strncmp(name, "block ", 6) == 0 && 7.2 * (double)strlen(name) + 4 > b.w ? name + 6 : name;
    label(f, b, number, "note");
}

static void draw_groups(const flame *f, int lane, int level) {
    char name[32], next[32];
    double from_ms = 0, at_ms = 0;
    for (int i = 0; i < f->p->n_layers; i++) {
        group_name(&f->p->layers[i], level, name);
        at_ms += f->p->layers[i].ms;
        if (i + 1 < f->p->n_layers) {
            group_name(&f->p->layers[i + 1], level, next);
            if (strcmp(name, next) == 0) continue;
        }
        draw_group(f, lane, name, from_ms, at_ms);
        from_ms = at_ms;
    }
}

/* ---- the whole ---- */

static void draw_network(const flame *f) {
    char title[128], ms[MNAS_HUMAN_BYTES];
    mnas_human_ms(f->p->layers_ms, ms);
    snprintf(title, sizeof title, "%d layers, one by one %s together", f->p->n_layers, ms);
    const box b = place(f, 0, f->p->layers_ms, LANE_NETWORK, 0, 1);
    rect(f, b, "g0", title);
    label(f, b, title, "note");
}

static void draw(mnas_str *out, const mnas_profile *p, bool standing) {
    /* standing: a line of text for each layer on average, so that most can be named */
    const flame f = {out, p, standing, standing ? fmax(500, 17.0 * p->n_layers) : 960};
    double at_ms = 0;
    mnas_str_appendf(
        out,
        "<svg class=\"flame %s\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"where the time "
        "goes, layer by layer\">\n",
        standing ? "narrow" : "wide", standing ? 400 : f.length,
        standing                ? f.length
        : p->peaks.n_levels > 0 ? 216.0
                                : 150.0);
    draw_network(&f);
    draw_groups(&f, LANE_BLOCK, 1);
    draw_groups(&f, LANE_LAYER, 2);
    for (int i = 0; i < p->n_layers; i++) {
        draw_operator(&f, &p->layers[i], at_ms);
        at_ms += p->layers[i].ms;
    }
    mnas_str_append(out, "</svg>\n");
}

static void key(mnas_str *out, const char *class, const char *words) {
    mnas_str_appendf(out,
                     "<span><svg class=\"key flame\" viewBox=\"0 0 22 12\"><rect width=\"22\" height=\"12\" "
                     "class=\"%s\"/></svg>%s</span>\n",
                     class, words);
}

void mnas_profile_flame(const mnas_profile *p, mnas_str *out) {
    draw(out, p, false);
    draw(out, p, true);
    mnas_str_append(out, "<p class=\"keys\">\n");
    for (int i = 0; i < MNAS_PROFILE_KINDS; i++)
        key(out, (const char[]){'f', (char)('0' + i), '\0'}, mnas_profile_kind_names[i]);
    if (p->peaks.n_levels > 0) {
        key(out, "by-arithmetic", "at least needed, bound by arithmetic");
        key(out, "by-memory", "bound by memory");
        key(out, "room", "above that");
    }
    mnas_str_append(out, "</p>\n");
}

void mnas_profile_flame_style(mnas_str *out) {
    mnas_str_append(
        out,
        ":root{--by-memory:#c79a00;--by-arithmetic:#3d4a57}@media(prefers-color-scheme:dark){:root{--by-"
        "memory:#d9b42c;"
        "--by-arithmetic:#c3ccd4}}\n"
        ".flame rect{stroke:var(--card);stroke-width:.6}.flame .f0{fill:var(--p0)}.flame .f1{fill:var(--p1)}"
        ".flame .f2{fill:var(--p2)}.flame .f3{fill:var(--p3)}.flame .f4{fill:var(--p4)}\n"
        ".flame .g0{fill:var(--line)}.flame .g1,.flame .g2{fill:var(--code)}.flame .room{fill:var(--grid)}"
        ".flame .by-arithmetic{fill:var(--by-arithmetic)}.flame .by-memory{fill:var(--by-memory)}\n"
        ".flame text{font-size:12px}.flame text.on{fill:var(--card)}.flame rect:hover{stroke:var(--ink);"
        "stroke-width:1.5}svg.key.flame rect{stroke:none}\n"
        ".numbers.profile th:nth-child(-n+3),.numbers.profile "
        "td:nth-child(-n+3){text-align:left;width:auto}\n");
}
