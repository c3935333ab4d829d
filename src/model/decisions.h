/* decisions.h - plain decisions, without networks: names and choices from a YAML file (docs/ask-tell.md).
 *
 *     decisions:
 *       learning-rate: [0.0003, 0.001, 0.003, 0.01]
 *       optimizer: [sgd, momentum, adam]
 *       width: {choices: [small, medium, large], ordinal: true}
 *
 * Choices that are all numbers are ordinal, and rise or fall; words are where they say so. Neither names nor choices have blanks
 * in them, so that a whole proposal is one line "learning-rate=0.001 optimizer=adam".
 */
#ifndef MNAS_MODEL_DECISIONS_H
#define MNAS_MODEL_DECISIONS_H

#include "base/arena.h"
#include "mnas.h"

typedef struct mnas_decisions {
    mnas_arena *arena; /* owns everything below */
    const char *text;  /* that it was read from */
    int n;
    mnas_decision *list; /* [n] */
} mnas_decisions;

int mnas_decisions_open(mnas_decisions **out, const char *path);
/* From text[n]; `file` is for messages. */
int mnas_decisions_parse(mnas_decisions **out, const char *file, const char *text, size_t n);
void mnas_decisions_close(mnas_decisions *decisions); /* NULL is allowed */

#endif
