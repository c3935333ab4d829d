/* What host and measuring process say to each other. The first byte: 0 a request, 1 a reply, else layers' times. */
#include <stdlib.h>
#include <string.h>

#include "base/proc.h"
#include "device/wire.h"
#include "fuzz.h"

static void check_request(const char *text) {
    mnas_wire_request request, again;
    char *yaml, *yaml_again, *printed;
    if (mnas_wire_parse_request(&request, &yaml, text) < 0) return;
    FUZZ_CHECK(mnas_wire_print_request(&printed, &request, yaml) == 0);
    FUZZ_CHECK(mnas_wire_parse_request(&again, &yaml_again, printed) == 0);
    FUZZ_CHECK(strcmp(yaml, yaml_again) == 0 && request.runs == again.runs);
    free(yaml);
    free(yaml_again);
    free(printed);
}

static void check_reply(const char *text) {
    mnas_wire_reply reply, again;
    char *printed, *twice;
    if (mnas_wire_parse_reply(&reply, text) < 0) return;
    if (mnas_wire_print_reply(&printed, &reply) < 0) return; /* a text cut within a character */
    FUZZ_CHECK(mnas_wire_parse_reply(&again, printed) == 0);
    FUZZ_CHECK(mnas_wire_print_reply(&twice, &again) == 0);
    FUZZ_CHECK(strcmp(printed, twice) == 0);
    free(printed);
    free(twice);
}

static void check_layers(const char *text) {
    mnas_layer_time *layers, *again;
    int n, n_again;
    char *printed;
    if (mnas_wire_parse_layers(&layers, &n, text) < 0) return;
    if (mnas_wire_print_layers(&printed, layers, n) == 0) { /* a name may be cut within a character */
        FUZZ_CHECK(mnas_wire_parse_layers(&again, &n_again, printed) == 0 && n == n_again);
        free(again);
        free(printed);
    }
    free(layers);
}

/* As the child takes it: from a stream, to its end. */
static char *read_request(const uint8_t *data, size_t n) {
    char *text;
    FILE *in = n > 0 ? fmemopen((void *)(uintptr_t)data, n, "r") : NULL;
    if (!in) return NULL;
    const int rc = mnas_proc_read_request(&text, in, "input");
    fclose(in);
    return rc < 0 ? NULL : text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n == 0) return 0;
    char *text = read_request(data + 1, n - 1);
    if (!text) return 0;
    if (data[0] == 0)
        check_request(text);
    else if (data[0] == 1)
        check_reply(text);
    else
        check_layers(text);
    free(text);
    return 0;
}
