/* plugins.c - see plugins.h. */
#include "cli/plugins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* "name   help" of the lines that are not indented */
static json_t *parse(const char *text) {
    json_t *list = json_array();
    while (*text) {
        size_t n = strcspn(text, "\n"), name = strcspn(text, " \n");
        if (name > 0) {
            size_t gap = strspn(text + name, " ");
            json_array_append_new(list, json_pack("{s:s%, s:s%}", "name", text, name, "help",
                                                  text + name + gap, n - name - gap));
        }
        text += n + (text[n] == '\n');
    }
    return list;
}

int mnas_cli_print_plugins(const char *kind, const char *key, bool json) {
    char *text;
    int rc = mnas_plugins_help(&text, kind);
    if (rc < 0) return rc;
    if (json) {
        rc = mnas_json_print(json_pack("{s:o}", key, parse(text)));
    } else {
        fputs(text, stdout);
    }
    free(text);
    return rc;
}
