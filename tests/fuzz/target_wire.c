/* What host and measuring process say to each other. The first byte: 0 a request, 1 a reply, 2 layers' times, 3 logits, 4 what the
 * machine is, 5 its peaks. */
#include <stdlib.h>
#include <string.h>

#include "base/proc.h"
#include "device/wire.h"
#include "fuzz.h"

static void check_request(const char *text) {
    mnas_wire_request request, again;
    char *printed;
    if (mnas_wire_parse_request(&request, text) == 0 && mnas_wire_print_request(&printed, &request) == 0) {
        FUZZ_CHECK(mnas_wire_parse_request(&again, printed) == 0);
        FUZZ_CHECK(strcmp(request.model, again.model) == 0 && request.runs == again.runs);
        FUZZ_CHECK(!request.sentinel == !again.sentinel);
        mnas_wire_free_request(&again);
        free(printed);
    }
    mnas_wire_free_request(&request);
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

static void check_logits(const char *text) {
    float *logits, *again;
    int n, n_again;
    char *printed;
    if (mnas_wire_parse_logits(&logits, &n, text) < 0) return;
    FUZZ_CHECK(mnas_wire_print_logits(&printed, logits, n) == 0);
    FUZZ_CHECK(mnas_wire_parse_logits(&again, &n_again, printed) == 0 && n == n_again);
    FUZZ_CHECK(memcmp(logits, again, (size_t)n * sizeof *logits) == 0);
    free(again);
    free(printed);
    free(logits);
}

static void check_info(const char *text) {
    mnas_wire_info info, again;
    char *printed;
    if (mnas_wire_parse_info(&info, text) < 0) return;
    if (mnas_wire_print_info(&printed, &info) == 0) { /* a text may be cut within a character */
        FUZZ_CHECK(mnas_wire_parse_info(&again, printed) == 0 && info.n_cores == again.n_cores);
        mnas_wire_free_info(&again);
        free(printed);
    }
    mnas_wire_free_info(&info);
}

static void check_peaks(const char *text) {
    mnas_peaks peaks, again;
    char *printed;
    if (mnas_wire_parse_peaks(&peaks, text) < 0) return;
    if (mnas_wire_print_peaks(&printed, &peaks) < 0) return;
    FUZZ_CHECK(mnas_wire_parse_peaks(&again, printed) == 0 && again.n_levels == peaks.n_levels);
    free(printed);
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
    switch (data[0]) {
    case 0:
        check_request(text);
        break;
    case 1:
        check_reply(text);
        break;
    case 3:
        check_logits(text);
        break;
    case 4:
        check_info(text);
        break;
    case 5:
        check_peaks(text);
        break;
    default:
        check_layers(text);
    }
    free(text);
    return 0;
}
