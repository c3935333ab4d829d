/* simulate_finalists.c - the winner among a search's best ones, which are evaluated again because what looked best was lucky, too.
 *
 * The search had n - K R evaluations; its K best observed networks share the rest, and the best mean of all that was seen of
 * one wins. See simulate_curve.h.
 */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "search/simulate_curve.h"

typedef struct finalist {
    const mnas_sim_trial *trial;
    int n;        /* evaluations, the search's among them */
    double shown; /* value of their mean */
} finalist;

static int best_first(const void *a, const void *b) {
    const finalist *x = a, *y = b;
    if (x->shown != y->shown) return x->shown > y->shown ? -1 : 1;
    return x->trial < y->trial ? -1 : 1;
}

static void sort(finalist *list, int n) {
    qsort(list, (size_t)n, sizeof *list, best_first);
}

static void ask_again(finalist *f, const mnas_sim_record *r, const mnas_sim_setup *s) {
    const mnas_sim_trial *t = f->trial;
    const double mean = mnas_sim_observe(s, r->seed, t->id, t->truth.accuracy_frac, ++f->n);
    f->shown = mnas_sim_value(s, mean, t->truth.second);
}

/* Each once; then, one at a time, that of the two leaders of which less is known. Who is behind costs no more. */
static void race(finalist *list, int n, int budget, const mnas_sim_record *r, const mnas_sim_setup *s) {
    for (int i = 0; i < n; i++) ask_again(&list[i], r, s);
    for (int left = budget - n; left > 0; left--) {
        sort(list, n);
        ask_again(&list[n > 1 && list[1].n < list[0].n], r, s);
    }
}

int mnas_sim_choose_finalist(double *value, const mnas_sim_record *r, int n, const mnas_sim_setup *s) {
    const int budget = s->finalists * s->finalist_repeats, n_searched = n - budget;
    if (s->finalists == 0 || n_searched < s->finalists || n_searched > r->n) return 0;
    finalist *list = calloc((size_t)n_searched, sizeof *list);
    if (!list) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: finalists of %d networks", n_searched);
    for (int i = 0; i < n_searched; i++) list[i] = (finalist){&r->trials[i], 1, r->trials[i].observed};
    sort(list, n_searched);
    if (s->finalist_race)
        race(list, s->finalists, budget, r, s);
    else
        for (int i = 0; i < budget; i++) ask_again(&list[i % s->finalists], r, s);
    sort(list, s->finalists);
    *value = list[0].trial->value;
    free(list);
    return 0;
}
