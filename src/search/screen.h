/* screen.h - candidates that a latency model expects to be far too slow, or outside a window, left out before they cost
 * anything.
 *
 * A candidate is left out where even the prediction less its stated error lies above factor x target on the first
 * device; with a window, where nine of ten such guesses would lie outside of it. Where the model cannot state an error (a network unlike those it saw) nothing is left out. It is a function of the
 * file, the factor, the target and the network alone. What is reported is always measured.
 */
#ifndef MNAS_SEARCH_SCREEN_H
#define MNAS_SEARCH_SCREEN_H

#include <stdbool.h>

#include "mnas.h"
#include "search/window.h"

typedef struct mnas_screen {
    mnas_latency_model *model;
    double limit_ms;
    mnas_window window;
    char fixed[64]; /* the file's hash and the factor: what a study keeps */
} mnas_screen;

/* factor 0: 1.5. Errors are MNAS_ERR_ARG, or those of the file. Close it also after a failure. */
int mnas_screen_open(mnas_screen *out, const char *path, double factor, double target_ms);
/* Instead of what is far too slow, what is expected to lie outside the window is left out. */
void mnas_screen_aim(mnas_screen *screen, const mnas_window *window);
void mnas_screen_close(mnas_screen *screen);
/* MNAS_ERR_ARG where the model states no error for any network with images like this one's: it would leave out nothing. */
int mnas_screen_check(const mnas_screen *screen, const mnas_model *network);
/* Fills the prediction of *trial. */
int mnas_screen_look(const mnas_screen *screen, const mnas_model *network, mnas_trial *trial, bool *out);

#endif
