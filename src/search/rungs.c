/* rungs.c - see rungs.h.
 *
 * Invariants: members up to n_decided[r] brackets are past rung r, one way or the other; n_decided never grows from one rung
 * to the next.
 */
#include "search/rungs.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/stats.h"

/* ---- the plan ---- */

static int power(int base, int exponent) {
    int value = 1;
    for (int i = 0; i < exponent && value <= MNAS_MAX_BRACKET; i++) value *= base;
    return value;
}

/* A front has many members: to stop eight of nine loses more of it than their epochs are worth (docs/rungs.md). */
static int keep_of(const mnas_rungs_plan *plan) {
    const int most = plan->factor < 4 ? plan->factor : 4;
    return plan->keep > 0 ? plan->keep : most;
}

int mnas_rungs_default_factor(int n) {
    return n == 2 ? 9 : 3;
}

int mnas_rungs_check(const mnas_rungs_plan *plan) {
    if (plan->n < 0 || plan->n == 1 || plan->n > MNAS_MAX_RUNGS)
        return mnas_error_set(MNAS_ERR_ARG, "rungs is %d; allowed: 0 (none), or 2 to %d", plan->n,
                              MNAS_MAX_RUNGS);
    if (plan->n == 0) return 0;
    if (plan->factor < 2 || plan->factor > 27)
        return mnas_error_set(MNAS_ERR_ARG, "rung-factor is %d; allowed: 2 to 27", plan->factor);
    if (power(plan->factor, plan->n - 1) > MNAS_MAX_BRACKET)
        return mnas_error_set(MNAS_ERR_ARG,
                              "%d rungs of factor %d begin below 1/%d of a training; give fewer rungs, or a "
                              "smaller rung-factor",
                              plan->n, plan->factor, MNAS_MAX_BRACKET);
    if (plan->keep < 0 || plan->keep == 1 || plan->keep > 27)
        return mnas_error_set(MNAS_ERR_ARG,
                              "rung-keep is %d; allowed: 0 (rung-factor, at most 4), or 2 to 27", plan->keep);
    if (power(keep_of(plan), plan->n - 1) <= MNAS_MAX_BRACKET) return 0;
    return mnas_error_set(
        MNAS_ERR_ARG,
        "%d rungs from which one in %d goes on need brackets of more than %d networks; give "
        "fewer rungs, or a smaller rung-keep",
        plan->n, keep_of(plan), MNAS_MAX_BRACKET);
}

int mnas_rungs_bracket(const mnas_rungs_plan *plan) {
    return plan->n < 2 ? 1 : power(keep_of(plan), plan->n - 1);
}

double mnas_rungs_share(const mnas_rungs_plan *plan, int rung) {
    return plan->n < 2 ? 1 : 1.0 / power(plan->factor, plan->n - 1 - rung);
}

/* Rounded, at least one. */
int mnas_rungs_count(const mnas_rungs_plan *plan, int n_members, int rung) {
    const int divisor = power(keep_of(plan), rung), n = (2 * n_members + divisor) / (2 * divisor);
    return n > 1 ? n : 1;
}

double mnas_rungs_cost(const mnas_rungs_plan *plan) {
    const int n = mnas_rungs_bracket(plan);
    double sum = 0;
    for (int r = 0; r < plan->n; r++)
        sum += mnas_rungs_count(plan, n, r) *
               (mnas_rungs_share(plan, r) - (r > 0 ? mnas_rungs_share(plan, r - 1) : 0));
    return plan->n < 2 ? 1 : sum / n;
}

/* ---- the area under a front ---- */

typedef struct point {
    double x, y; /* log latency, accuracy */
} point;

/* All points that it is the front of, by ascending x. */
typedef struct front {
    point *points;
    size_t n;
    double floor, end; /* the area lies above the one and left of the other */
} front;

static double height(const front *f, double x) {
    double y = f->floor;
    for (size_t i = 0; i < f->n && f->points[i].x <= x; i++) y = fmax(y, f->points[i].y);
    return y;
}

/* The area that p adds: from p to the right, as long as it lies above what is there. */
static double added_area(const front *f, point p) {
    double at = p.x, level = height(f, p.x), area = 0;
    for (size_t i = 0; i < f->n && level < p.y; i++) {
        if (f->points[i].x <= p.x) continue;
        area += (f->points[i].x - at) * (p.y - level);
        at = f->points[i].x;
        level = fmax(level, f->points[i].y);
    }
    return level < p.y ? area + (f->end - at) * (p.y - level) : area;
}

static void add_point(front *f, point p) {
    size_t i = f->n++;
    for (; i > 0 && f->points[i - 1].x > p.x; i--) f->points[i] = f->points[i - 1];
    f->points[i] = p;
}

/* ---- who goes on ---- */

static bool has_gone_on(const mnas_rungs_member *m, int rung) {
    if (m->n_results <= rung) return false;
    return m->n_results > rung + 1 || m->state == MNAS_RUNGS_TRAINS || m->failed;
}

static point point_of(const mnas_rungs_member *m, int rung) {
    return (point){log(m->latency_ms), m->accuracy_frac[rung]};
}

/* A reference that the results move: the worst tenth of them is worth nothing, nor is being a little slower than the slowest. */
static void set_reference(front *f, const mnas_rungs_book *b, size_t n, int rung, double *values) {
    size_t n_values = 0;
    f->end = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (b->members[i].n_results <= rung) continue;
        values[n_values++] = b->members[i].accuracy_frac[rung];
        f->end = fmax(f->end, log(b->members[i].latency_ms) + 0.05);
    }
    f->floor = n_values ? mnas_stats_quantile(values, n_values, 0.1) : 0;
}

/* What has gone on from this rung among the first n members. Release points. */
static int open_front(front *f, const mnas_rungs_book *b, size_t n, int rung) {
    double *values = calloc(n, sizeof *values);
    *f = (front){.points = calloc(n, sizeof *f->points)};
    if (!values || !f->points) {
        free(values);
        free(f->points);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a rung of %zu networks", n);
    }
    set_reference(f, b, n, rung, values);
    for (size_t i = 0; i < n; i++)
        if (has_gone_on(&b->members[i], rung)) add_point(f, point_of(&b->members[i], rung));
    free(values);
    return 0;
}

static bool waits_at(const mnas_rungs_member *m, int rung) {
    return m->state == MNAS_RUNGS_WAITS && m->n_results == rung + 1;
}

/* Of the members first .. end - 1 that wait, or NULL. */
static mnas_rungs_member *best_waiting(mnas_rungs_book *b, size_t first, size_t end, int rung,
                                       const front *f) {
    mnas_rungs_member *best = NULL;
    double best_area = 0, best_excess = 0;
    for (size_t i = first; i < end; i++) {
        mnas_rungs_member *m = &b->members[i];
        if (!waits_at(m, rung)) continue;
        const point p = point_of(m, rung);
        const double area = added_area(f, p), excess = p.y - height(f, p.x);
        if (best && (area < best_area || (area == best_area && excess <= best_excess))) continue;
        best = m, best_area = area, best_excess = excess;
    }
    return best;
}

static int decide_bracket(mnas_rungs_book *b, size_t first, size_t end, int rung) {
    front f;
    mnas_rungs_member *m;
    const int n_on = mnas_rungs_count(&b->plan, (int)(end - first), rung + 1);
    const int rc = open_front(&f, b, end, rung);
    if (rc < 0) return rc;
    for (int i = 0; i < n_on && (m = best_waiting(b, first, end, rung, &f)); i++) {
        m->state = MNAS_RUNGS_TRAINS;
        add_point(&f, point_of(m, rung));
    }
    for (size_t i = first; i < end; i++)
        if (waits_at(&b->members[i], rung)) b->members[i].state = MNAS_RUNGS_STOPPED;
    free(f.points);
    return 0;
}

/* One after the last member of a bracket; 0 where that is not known yet. */
static size_t end_of(const mnas_rungs_book *b, size_t bracket) {
    const size_t size = (size_t)mnas_rungs_bracket(&b->plan), end = (bracket + 1) * size;
    if (end <= b->n) return end;
    return b->closed && bracket * size < b->n ? b->n : 0;
}

static bool is_complete(const mnas_rungs_book *b, size_t first, size_t end, int rung) {
    for (size_t i = first; i < end; i++) {
        const mnas_rungs_member *m = &b->members[i];
        const bool is_before =
            m->n_results <= rung && m->state != MNAS_RUNGS_STOPPED && m->state != MNAS_RUNGS_DONE;
        if (is_before) return false;
    }
    return true;
}

/* Brackets one after the other, so that each knows what has gone on before. */
static int decide(mnas_rungs_book *b) {
    const size_t size = (size_t)mnas_rungs_bracket(&b->plan);
    for (int r = 0; r < b->plan.n - 1 && !b->plan.async; r++) {
        size_t end;
        while ((end = end_of(b, (size_t)b->n_decided[r])) > 0) {
            const size_t first = (size_t)b->n_decided[r] * size;
            if (!is_complete(b, first, end, r)) break;
            const int rc = decide_bracket(b, first, end, r);
            if (rc < 0) return rc;
            b->n_decided[r]++;
        }
    }
    return 0;
}

/* Of all that have come to this rung one in `keep` goes on, while it adds to them. */
static int decide_at_once(mnas_rungs_book *b, mnas_rungs_member *m, int rung) {
    front f;
    int n_come = 0;
    for (size_t i = 0; i < b->n; i++) n_come += b->members[i].n_results > rung;
    const int rc = open_front(&f, b, b->n, rung);
    if (rc < 0) return rc;
    const bool goes_on =
        (int)f.n * keep_of(&b->plan) < n_come && (f.n == 0 || added_area(&f, point_of(m, rung)) > 0);
    m->state = goes_on ? MNAS_RUNGS_TRAINS : MNAS_RUNGS_STOPPED;
    free(f.points);
    return 0;
}

/* ---- the book ---- */

void mnas_rungs_free(mnas_rungs_book *book) {
    free(book->members);
    *book = (mnas_rungs_book){.plan = book->plan};
}

int mnas_rungs_add(mnas_rungs_book *book, double latency_ms) {
    assert(!book->closed);
    if (book->n == book->room) {
        const size_t room = book->room ? 2 * book->room : 64;
        mnas_rungs_member *grown = realloc(book->members, room * sizeof *grown);
        if (!grown) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: rungs of %zu networks", room);
        book->members = grown;
        book->room = room;
    }
    book->members[book->n] = (mnas_rungs_member){.latency_ms = latency_ms};
    return (int)book->n++;
}

int mnas_rungs_result(mnas_rungs_book *book, int member, double accuracy_frac) {
    mnas_rungs_member *m = &book->members[member];
    assert(m->state == MNAS_RUNGS_TRAINS && m->n_results < book->plan.n);
    m->accuracy_frac[m->n_results++] = accuracy_frac;
    if (m->n_results == book->plan.n) {
        m->state = MNAS_RUNGS_DONE;
        return 0;
    }
    m->state = MNAS_RUNGS_WAITS;
    return book->plan.async ? decide_at_once(book, m, m->n_results - 1) : decide(book);
}

int mnas_rungs_fail(mnas_rungs_book *book, int member) {
    book->members[member].failed = true;
    book->members[member].state = MNAS_RUNGS_DONE;
    return decide(book);
}

int mnas_rungs_close(mnas_rungs_book *book) {
    book->closed = true;
    return decide(book);
}

/* ---- what came of it ---- */

static size_t bracket_of(const mnas_rungs_book *b, int member) {
    return b->plan.async ? (size_t)member : (size_t)member / (size_t)mnas_rungs_bracket(&b->plan);
}

static bool is_over(const mnas_rungs_member *m) {
    return m->state == MNAS_RUNGS_STOPPED || m->state == MNAS_RUNGS_DONE;
}

bool mnas_rungs_is_settled(const mnas_rungs_book *book, int member) {
    if (book->plan.async) return is_over(&book->members[member]);
    const size_t bracket = bracket_of(book, member), end = end_of(book, bracket);
    for (size_t i = bracket * (size_t)mnas_rungs_bracket(&book->plan); i < end; i++)
        if (!is_over(&book->members[i])) return false;
    return end > 0;
}

/* Median of the first n members' gains from this rung to the next; 0 where there are none. */
static double median_gain(const mnas_rungs_book *b, size_t n, int rung) {
    double *gains = calloc(n, sizeof *gains);
    size_t n_gains = 0;
    for (size_t i = 0; i < n && gains; i++) {
        const mnas_rungs_member *m = &b->members[i];
        if (m->n_results > rung + 1) gains[n_gains++] = m->accuracy_frac[rung + 1] - m->accuracy_frac[rung];
    }
    const double gain = n_gains ? mnas_stats_median(gains, n_gains) : 0;
    free(gains);
    return gain;
}

double mnas_rungs_expected(const mnas_rungs_book *book, int member) {
    const mnas_rungs_member *m = &book->members[member];
    const size_t end = book->plan.async ? book->n : end_of(book, bracket_of(book, member));
    if (m->n_results == 0) return NAN;
    double accuracy_frac = m->accuracy_frac[m->n_results - 1];
    for (int r = m->n_results - 1; r < book->plan.n - 1; r++) accuracy_frac += median_gain(book, end, r);
    return fmin(accuracy_frac, 1);
}
