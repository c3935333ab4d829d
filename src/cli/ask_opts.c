/* ask_opts.c - see ask_opts.h. */
#include "cli/ask_opts.h"

static const char *text_or_null(const char *text) {
    return text[0] ? text : NULL;
}

mnas_ask_options mnas_cli_ask_options(const mnas_cli_ask_opts *o, const char *study) {
    return (mnas_ask_options){.study = study,
                              .space = text_or_null(o->space),
                              .decisions = text_or_null(o->decisions),
                              .objective = text_or_null(o->objective),
                              .reward = text_or_null(o->reward),
                              .target_ms = o->target_ms,
                              .strategy = text_or_null(o->strategy),
                              .trials = (int)o->trials,
                              .parallel = (int)o->parallel,
                              .seed = (uint64_t)o->seed,
                              .command_line = mnas_cli_command_line()};
}
