/* report_networks.c - the networks of the front drawn layer by layer, a row each, with bars that show where the time
 * goes.
 *
 * A layer is the paper's: what a block repeats, with its expansion, depthwise and projection in one row, each
 * a part of the bar. Bars are milliseconds where the layers were timed, else multiply-adds, and say so; those
 * of one unit have one scale on the whole page, so that networks can be compared by eye.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/human.h"
#include "model/model.h"
#include "search/report.h"

enum { MAX_OPEN = 4 };

typedef enum { PART_CONV, PART_POINTWISE, PART_DEPTHWISE, PART_SE, PART_REST, N_PARTS } part;

static const char *const part_names[N_PARTS] = {"convolution", "1&#215;1 convolution or dense", "depthwise",
                                                "squeeze-and-excitation", "pooling, addition"};

typedef struct row {
    int block, layer; /* -1: stem, head, classifier */
    const mnas_layer_cost *first, *last;
    double value[N_PARTS]; /* ms or million multiply-adds */
    bool has_se, has_add, has_pool;
} row;

static part part_of(const mnas_layer_cost *l) {
    if (strcmp(l->op, "conv") == 0) return l->kernel == 1 ? PART_POINTWISE : PART_CONV;
    if (strcmp(l->op, "dwconv") == 0) return PART_DEPTHWISE;
    if (strcmp(l->op, "dense") == 0) return PART_POINTWISE;
    return strcmp(l->op, "se") == 0 ? PART_SE : PART_REST;
}

static bool is_timed(const mnas_report_network *net) {
    return net->n_times > 0;
}

static double value_of(const mnas_report_network *net, const mnas_layer_cost *l) {
    if (!is_timed(net)) return (double)l->macs / 1e6;
    for (int i = 0; i < net->n_times; i++)
        if (strcmp(net->times[i].name, l->name) == 0) return net->times[i].ms;
    return 0; /* folded away */
}

static double row_total(const row *r) {
    double sum = 0;
    for (int i = 0; i < N_PARTS; i++) sum += r->value[i];
    return sum;
}

/* Whether the layer begins a row of its own; the head's pooling and classifier share one. */
static bool begins_row(const row *last, const mnas_layer_cost *l, int block, int layer) {
    if (!last || last->block != block || last->layer != layer) return true;
    return block < 0 && (strcmp(l->name, "conv_head") == 0 || strcmp(l->op, "gap") == 0);
}

/* rows[cost.n_layers]; returns how many. */
static int collect(row *rows, const mnas_report_network *net) {
    int n = 0;
    for (int i = 0; i < net->cost.n_layers; i++) {
        const mnas_layer_cost *l = &net->cost.layers[i];
        int block = -1, layer = -1;
        if (strcmp(l->op, "bn") == 0 || strcmp(l->op, "dropout") == 0) continue;
        if (sscanf(l->name, "blocks.%d.%d.", &block, &layer) != 2) block = layer = -1;
        if (begins_row(n > 0 ? &rows[n - 1] : NULL, l, block, layer))
            rows[n++] = (row){.block = block, .layer = layer, .first = l};
        row *r = &rows[n - 1];
        r->last = l;
        r->value[part_of(l)] += value_of(net, l);
        r->has_se = r->has_se || strcmp(l->op, "se") == 0;
        r->has_add = r->has_add || strcmp(l->op, "add") == 0;
        r->has_pool = r->has_pool || strstr(l->name, ".skip_pool");
    }
    return n;
}

/* ---- words ---- */

static void label(mnas_str *out, const row *r) {
    if (r->block >= 0 && r->layer == 0)
        mnas_str_appendf(out, "%d", r->block + 1);
    else if (r->block < 0)
        mnas_str_append(out, strcmp(r->first->name, "conv_stem") == 0   ? "stem"
                             : strcmp(r->first->name, "conv_head") == 0 ? "head"
                                                                        : "end");
}

static void chip(mnas_str *out, const char *words) {
    mnas_str_appendf(out, " <span>%s</span>", words);
}

static void block_words(mnas_str *out, const mnas_block *b, const row *r) {
    if (b->op == MNAS_OP_MBCONV)
        mnas_str_appendf(out, "<em><b>MBConv%d</b>", b->expand);
    else
        mnas_str_append(out, b->op == MNAS_OP_SEP ? "<em><b>SepConv</b>" : "<em><b>Conv</b>");
    mnas_str_appendf(out, " %d&#215;%d</em>", b->kernel, b->kernel);
    if (r->has_se) {
        char text[32];
        snprintf(text, sizeof text, "SE %g", b->se_ratio);
        chip(out, text);
    }
    if (b->act != MNAS_ACT_NONE) chip(out, mnas_act_names[b->act]);
    if (r->layer == 0 && b->stride > 1) chip(out, "stride 2");
    if (r->has_add) chip(out, r->has_pool ? "pool skip" : "skip");
}

static void words(mnas_str *out, const mnas_model *model, const row *r) {
    if (r->block >= 0 && r->block < model->n_blocks)
        block_words(out, &model->blocks[r->block], r);
    else if (strcmp(r->first->op, "conv") == 0) {
        mnas_str_appendf(out, "<em><b>Conv</b> %d&#215;%d</em>", r->first->kernel, r->first->kernel);
        if (r->first->stride > 1) chip(out, "stride 2");
    } else {
        mnas_str_append(out, "pooling, dense");
    }
}

/* ---- bars ---- */

static void number(mnas_str *out, double value) {
    char text[MNAS_HUMAN_BYTES];
    mnas_human_number(value, text);
    mnas_str_append(out, text);
}

static void bar(mnas_str *out, const row *r, double scale) {
    mnas_str_append(out, "<td class=\"bar\"><div>");
    for (int i = 0; i < N_PARTS; i++)
        if (r->value[i] > 0)
            mnas_str_appendf(out, "<i class=\"p%d\" style=\"width:%.1f%%\"></i>", i,
                             100 * r->value[i] / scale);
    mnas_str_append(out, "</div></td>");
}

static void draw_row(mnas_str *out, const mnas_model *model, const row *r, double scale, bool is_most) {
    mnas_str_append(out, r->block < 0 || r->layer == 0 ? "<tr class=\"new\"><th>" : "<tr><th>");
    label(out, r);
    mnas_str_append(out, "</th><td class=\"what\">");
    words(out, model, r);
    mnas_str_appendf(out, "</td><td class=\"map\">%d&#215;%d&#215;%d</td>", r->last->out_h, r->last->out_w,
                     r->last->out_c);
    bar(out, r, scale);
    mnas_str_append(out, is_most ? "<td class=\"most\">" : "<td>");
    number(out, row_total(r));
    mnas_str_append(out, "</td></tr>\n");
}

static void caption(mnas_str *out, const mnas_trial *t, const mnas_report_network *net, double sum) {
    char accuracy[MNAS_HUMAN_BYTES], latency[MNAS_HUMAN_BYTES], macs[MNAS_HUMAN_BYTES];
    mnas_human_percent(t->accuracy_frac, accuracy);
    mnas_human_ms(t->latency.median_ms, latency);
    mnas_human_count(t->macs, macs);
    mnas_str_appendf(out, "<figcaption><b>Trial %d</b>: %s at %s, %s multiply-adds", t->number, accuracy,
                     latency, macs);
    if (is_timed(net) && t->latency.median_ms > 0)
        mnas_str_appendf(out, "<br/><span>layers one by one: %.0f&#160;%% of that latency</span>",
                         100 * sum / t->latency.median_ms);
    else
        mnas_str_append(out, "<br/><span>layers not timed: bars are multiply-adds</span>");
    mnas_str_append(out, "</figcaption>\n");
}

static void draw(const mnas_trial *t, const mnas_report_network *net, double scale, mnas_str *out) {
    row *rows = calloc((size_t)net->cost.n_layers + 1, sizeof *rows);
    double sum = 0;
    int most = 0;
    if (!rows) {
        out->failed = true;
        return;
    }
    const int n = collect(rows, net);
    for (int i = 0; i < n; i++) {
        sum += row_total(&rows[i]);
        if (row_total(&rows[i]) > row_total(&rows[most])) most = i;
    }
    mnas_str_appendf(out, "<figure data-t=\"%d\">", t->number);
    caption(out, t, net, sum);
    mnas_str_appendf(out,
                     "<table class=\"layers\">\n<thead><tr><th>block</th><th>layer</th><th>output</th><th></"
                     "th><th>%s</th></tr></thead>\n<tbody>\n",
                     is_timed(net) ? "ms" : "million");
    for (int i = 0; i < n; i++) draw_row(out, &net->model, &rows[i], scale, i == most);
    mnas_str_append(out, "</tbody></table></figure>\n");
    free(rows);
}

/* ---- the section ---- */

/* The longest bar of all networks that are timed, or that are not. */
static double longest(const mnas_report_facts *f, bool timed, mnas_str *out) {
    double most = 0;
    for (int k = 0; k < f->n_front; k++) {
        const mnas_report_network *net = &f->source->networks[k];
        row *rows = calloc((size_t)net->cost.n_layers + 1, sizeof *rows);
        if (!rows) out->failed = true;
        const int n = rows && is_timed(net) == timed ? collect(rows, net) : 0;
        for (int i = 0; i < n; i++) most = fmax(most, row_total(&rows[i]));
        free(rows);
    }
    return most > 0 ? most : 1;
}

/* Among the MAX_OPEN highest rewards of the front; the first on it where there are none. */
static bool is_open(const mnas_report_facts *f, int k) {
    int n_better = 0;
    for (int i = 0; i < f->n_front; i++) {
        const double a = f->front[i]->reward, b = f->front[k]->reward;
        n_better += a > b || (!(b > a) && i < k);
    }
    return n_better < MAX_OPEN;
}

static void draw_some(const mnas_report_facts *f, bool open, const double scale[2], mnas_str *out) {
    mnas_str_append(out, "<div class=\"nets\">\n");
    for (int k = 0; k < f->n_front; k++) {
        const mnas_report_network *net = &f->source->networks[k];
        if (is_open(f, k) == open) draw(f->front[k], net, scale[is_timed(net)], out);
    }
    mnas_str_append(out, "</div>\n");
}

void mnas_report_networks(const mnas_report_facts *f, mnas_str *out) {
    if (!f->source->networks || f->n_front == 0) return;
    const double scale[2] = {longest(f, false, out), longest(f, true, out)};
    mnas_str_append(
        out,
        "<section class=\"networks\">\n<h2>The best networks, layer by layer</h2>\n<p class=\"keys\">\n");
    for (int i = 0; i < N_PARTS; i++)
        mnas_str_appendf(out, "<span><i class=\"swatch p%d\"></i>%s</span>\n", i, part_names[i]);
    mnas_str_append(out, "</p>\n");
    draw_some(f, true, scale, out);
    if (f->n_front > MAX_OPEN) {
        mnas_str_appendf(out, "<details><summary>The other %d of the front</summary>\n",
                         f->n_front - MAX_OPEN);
        draw_some(f, false, scale, out);
        mnas_str_append(out, "</details>\n");
    }
    mnas_str_append(
        out, "<p class=\"small\">Shown are the highest rewards of the front, fastest first. A row is a "
             "layer, with "
             "the map it makes (height &#215; width &#215; filters); bars of all networks have one scale. "
             "MBConv<i>e</i>: 1&#215;1 convolution to <i>e</i> times the filters, depthwise k&#215;k, "
             "1&#215;1 back. "
             "SepConv: depthwise k&#215;k, then 1&#215;1. Conv: one k&#215;k convolution. SE: "
             "squeeze-and-excitation. skip: the layer's input is added to its output; pool skip: the same "
             "through an average pooling.</p>\n</section>\n");
}
