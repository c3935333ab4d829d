/* rewards.c - the picture of docs/rewards.md: curves of equal reward over accuracy and latency, from the rewards' own code.
 *
 *     bench_rewards >docs/img/rewards.svg
 *
 * Each curve is found by bisection in the accuracy, of which every reward is a growing function; its reward is the accuracy where it
 * meets the target. The dots are published networks on a Pixel 1, which the paper's target of 75 ms was for. Nothing here is
 * fitted or measured.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "search/reward.h"

enum { PANEL_WIDTH = 400, PANEL_HEIGHT = 300, LEFT = 46, RIGHT = 14, TOP = 44, BOTTOM = 44, N_STEPS = 40 };
static const double low_ms = 30, high_ms = 220, low_acc = 0.68, high_acc = 0.80, target_ms = 75;

static const struct {
    const char *name;
    double accuracy_frac, latency_ms, dx, dy; /* d: of the name, from the dot */
} networks[] = {{"MnasNet-A1", 0.752, 78, -68, -2},
                {"A2", 0.756, 84, -8, -8},
                {"A3", 0.767, 103, -6, -8},
                {"MobileNetV2", 0.720, 75, 6, 13},
                {"MobileNetV2 1.4", 0.747, 143, -30, -8},
                {"NASNet-A", 0.740, 183, -24, 16}};

typedef struct panel {
    const char *spec, *title;
    double window_frac; /* 0: none */
    double x0, y0;
} panel;

static double x_of(const panel *p, double ms) {
    return p->x0 + LEFT + (PANEL_WIDTH - LEFT - RIGHT) * log(ms / low_ms) / log(high_ms / low_ms);
}

static double y_of(const panel *p, double accuracy_frac) {
    return p->y0 + TOP + (PANEL_HEIGHT - TOP - BOTTOM) * (high_acc - accuracy_frac) / (high_acc - low_acc);
}

/* The accuracy in 0 .. 1 at which the reward has this value there; NaN where none has. */
static double accuracy_for(const mnas_reward *r, double value, double ms) {
    double low = 0, high = 1;
    if (mnas_reward_value(r, high, &ms) < value || mnas_reward_value(r, low, &ms) > value) return NAN;
    for (int i = 0; i < 50; i++) {
        const double middle = (low + high) / 2;
        if (mnas_reward_value(r, middle, &ms) < value)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

/* The target is one of the points: that is where curves have their kinks. */
static void draw_curve(const panel *p, const mnas_reward *r, double value, double from_ms, double to_ms) {
    bool down = false;
    printf("<path class=\"iso\" clip-path=\"url(#%s%g)\" d=\"", p->spec, p->window_frac);
    for (int i = -N_STEPS; i <= N_STEPS; i++) {
        const double ms =
            target_ms * pow(i < 0 ? from_ms / target_ms : to_ms / target_ms, abs(i) / (double)N_STEPS);
        const double accuracy = accuracy_for(r, value, ms);
        /* a little more than is shown, since the edges cut it off */
        const bool inside = accuracy >= low_acc - 0.05 && accuracy <= high_acc + 0.05; /* false for NaN */
        if (inside) printf("%s%.1f %.1f", down ? " " : "M", x_of(p, ms), y_of(p, accuracy));
        down = inside;
    }
    printf("\"/>\n");
}

/* The edges, by a name that the curves give. */
static void define_edges(const panel *p) {
    printf("<clipPath id=\"%s%g\"><rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\"/></clipPath>\n",
           p->spec, p->window_frac, p->x0 + LEFT, p->y0 + TOP, PANEL_WIDTH - LEFT - RIGHT,
           PANEL_HEIGHT - TOP - BOTTOM);
}

/* What is measured and not trained. */
static void shade(const panel *p, double from_ms, double to_ms) {
    printf("<rect class=\"outside\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
           x_of(p, from_ms), p->y0 + TOP, x_of(p, to_ms) - x_of(p, from_ms),
           (double)(PANEL_HEIGHT - TOP - BOTTOM));
}

static void draw_axes(const panel *p) {
    static const int ticks_ms[] = {30, 50, 75, 100, 150, 200};
    const double bottom = p->y0 + PANEL_HEIGHT - BOTTOM, right = p->x0 + PANEL_WIDTH - RIGHT;
    printf("<text class=\"title\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", p->x0 + LEFT, p->y0 + 28, p->title);
    for (size_t i = 0; i < sizeof ticks_ms / sizeof *ticks_ms; i++)
        printf("<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/><text class=\"tick\" x=\"%.1f\" y=\"%.1f\" "
               "text-anchor=\"middle\">%d</text>\n",
               x_of(p, ticks_ms[i]), bottom, p->y0 + TOP, x_of(p, ticks_ms[i]), bottom + 15, ticks_ms[i]);
    for (int percent = 68; percent <= 80; percent += 2)
        printf("<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/><text class=\"tick\" x=\"%.1f\" y=\"%.1f\" "
               "text-anchor=\"end\">%d</text>\n",
               p->x0 + LEFT, y_of(p, percent / 100.0), right, p->x0 + LEFT - 6, y_of(p, percent / 100.0) + 4,
               percent);
    printf("<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">latency, ms</text>\n",
           (p->x0 + LEFT + right) / 2, bottom + 32);
    printf("<path class=\"target\" d=\"M%.1f %.1fV%.1f\"/>\n", x_of(p, target_ms), bottom, p->y0 + TOP);
}

static void draw_networks(const panel *p) {
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        const double x = x_of(p, networks[i].latency_ms), y = y_of(p, networks[i].accuracy_frac);
        printf("<circle class=\"net\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/><text class=\"name\" x=\"%.1f\" "
               "y=\"%.1f\">%s</text>\n",
               x, y, x + networks[i].dx, y + networks[i].dy, networks[i].name);
    }
}

static int draw_panel(const panel *p) {
    mnas_reward reward;
    const int rc = mnas_reward_open(&reward, p->spec, &target_ms, 1);
    if (rc < 0) return rc;
    const bool whole = p->window_frac == 0;
    const double from_ms = whole ? low_ms : (1 - p->window_frac) * target_ms,
                 to_ms = whole ? high_ms : target_ms;
    define_edges(p);
    draw_axes(p);
    if (!whole) shade(p, low_ms, from_ms), shade(p, to_ms, high_ms);
    for (int percent = 54; percent <= 94; percent += 2)
        draw_curve(p, &reward, percent / 100.0, from_ms, to_ms);
    draw_networks(p);
    return 0;
}

int main(void) {
    static const panel panels[] = {
        {"soft", "soft: ACC × (LAT/75 ms)^-0.07", 0, 0, 0},
        {"hard", "hard: ACC, above 75 ms ACC × 75 ms/LAT", 0, PANEL_WIDTH, 0},
        {"abs", "abs: ACC − 0.07 |LAT/75 ms − 1|", 0, 0, PANEL_HEIGHT},
        {"hard", "--window 0.02: only 73.5 to 75 ms is trained", 0.02, PANEL_WIDTH, PANEL_HEIGHT}};
    printf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\">\n"
           "<style>.title{font-size:14px}.tick,.name{font-size:11px}.tick{fill:#555}.outside{fill:#eee}"
           ".grid{stroke:#e8e8e8}.target{stroke:#c53030;stroke-dasharray:4 "
           "3}.iso{fill:none;stroke:#2b6cb0;stroke-width:1.3}"
           ".net{fill:#222}</style>\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
           2 * PANEL_WIDTH, 2 * PANEL_HEIGHT, 2 * PANEL_WIDTH, 2 * PANEL_HEIGHT);
    for (size_t i = 0; i < sizeof panels / sizeof *panels; i++)
        if (draw_panel(&panels[i]) < 0) {
            fprintf(stderr, "%s\n", mnas_error_message());
            return EXIT_FAILURE;
        }
    printf("</svg>\n");
    return EXIT_SUCCESS;
}
