/* simulate_specs.c - see simulate_specs.h. Whether a spec is a strategy is told by whoever opens it. */
#include "search/simulate_specs.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static bool separates(const char *p) {
    if (*p == ';') return true;
    return *p == ',' && p[1 + strcspn(p + 1, ",;:=")] != '=';
}

static size_t spec_length(const char *text) {
    bool quoted = false;
    size_t n = 0;
    for (; text[n] && (quoted || !separates(text + n)); n++)
        if (text[n] == '"') quoted = !quoted;
    return n;
}

static int add(mnas_sim_specs *out, const char *text, size_t n) {
    while (n > 0 && *text == ' ') text++, n--;
    while (n > 0 && text[n - 1] == ' ') n--;
    if (n == 0) return 0;
    if (out->n == MNAS_SIM_MAX_SPECS)
        return mnas_error_set(MNAS_ERR_ARG, "--strategies: more than %d strategies", MNAS_SIM_MAX_SPECS);
    out->spec[out->n] = strndup(text, n);
    if (!out->spec[out->n]) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a strategy");
    out->n++;
    return 0;
}

int mnas_sim_specs_split(mnas_sim_specs *out, const char *text) {
    int rc = 0;
    *out = (mnas_sim_specs){.n = 0};
    for (size_t n; *text && rc == 0; text += n + (text[n] != '\0')) {
        n = spec_length(text);
        rc = add(out, text, n);
    }
    if (rc == 0 && out->n == 0)
        return mnas_error_set(MNAS_ERR_ARG,
                              "--strategies names none; for example ppo,evolution,local,random");
    return rc;
}

void mnas_sim_specs_free(mnas_sim_specs *s) {
    for (int i = 0; i < s->n; i++) free(s->spec[i]);
    *s = (mnas_sim_specs){.n = 0};
}
