/* plugins.c - see plugins.h. */
#include "cli/plugins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"

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

static int print_text(const mnas_str *text) {
    if (!mnas_str_ok(text)) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: help");
    fputs(text->data, stdout);
    return 0;
}

int mnas_cli_print_plugins(const mnas_cli_plugins *lists, int n, bool json) {
    json_t *object = json_object();
    mnas_str all = {0};
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        char *text;
        if ((rc = mnas_plugins_help(&text, lists[i].kind)) < 0) break;
        json_object_set_new(object, lists[i].key, parse(text));
        if (i > 0) mnas_str_append(&all, "\n");
        if (lists[i].title) mnas_str_appendf(&all, "%s\n", lists[i].title);
        mnas_str_append(&all, text);
        free(text);
    }
    if (rc == 0 && json)
        rc = mnas_json_print(json_incref(object));
    else if (rc == 0)
        rc = print_text(&all);
    mnas_str_free(&all);
    json_decref(object);
    return rc;
}
