/* simulate_specs.h - several strategies in one word: "ppo:batch=8,clip=0.1,evolution;random". A comma belongs to the spec before it where
 * KEY= follows; any other one begins a new spec, and so does a semicolon. What stands within double quotes is left alone. */
#ifndef MNAS_SEARCH_SIMULATE_SPECS_H
#define MNAS_SEARCH_SIMULATE_SPECS_H

enum { MNAS_SIM_MAX_SPECS = 64 };

typedef struct mnas_sim_specs {
    char *spec[MNAS_SIM_MAX_SPECS + 1]; /* malloc'ed */
    int n;
} mnas_sim_specs;

/* MNAS_ERR_ARG for none and for more than 64. Free it also after a failure. */
int mnas_sim_specs_split(mnas_sim_specs *out, const char *text);
void mnas_sim_specs_free(mnas_sim_specs *specs);

#endif
