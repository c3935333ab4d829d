/* What search and the processes of its trials say to each other. The first byte: 0 a request to train, 2 one to measure, else
 * a line of an answer. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "search/trial_wire.h"

static void check_request(const char *text) {
    mnas_trial_wire_request request, again;
    char *printed;
    if (mnas_trial_wire_parse_request(&request, text) < 0) return;
    const mnas_train_options *o = &request.options;
    const mnas_job_request job = {.model = &request.model,
                                  .data = o->data,
                                  .recipe = o->recipe,
                                  .epochs = o->epochs,
                                  .max_images = o->max_images,
                                  .threads = o->threads,
                                  .seed = o->seed};
    FUZZ_CHECK(mnas_trial_wire_print_request(&printed, &job) == 0);
    FUZZ_CHECK(mnas_trial_wire_parse_request(&again, printed) == 0);
    FUZZ_CHECK(strcmp(o->data, again.options.data) == 0 && o->seed == again.options.seed);
    mnas_trial_wire_free_request(&again);
    mnas_trial_wire_free_request(&request);
    free(printed);
}

static void check_measure(const char *text) {
    mnas_trial_wire_measure request, again;
    char *printed;
    if (mnas_trial_wire_parse_measure(&request, text) < 0) return;
    FUZZ_CHECK(request.n_devices >= 1 && request.n_devices <= MNAS_MAX_DEVICES);
    const mnas_measure_request job = {&request.model, request.devices, request.n_devices};
    FUZZ_CHECK(mnas_trial_wire_print_measure(&printed, &job) == 0);
    FUZZ_CHECK(mnas_trial_wire_parse_measure(&again, printed) == 0);
    FUZZ_CHECK(again.n_devices == request.n_devices && strcmp(again.devices[0], request.devices[0]) == 0);
    mnas_trial_wire_free_measure(&again);
    mnas_trial_wire_free_measure(&request);
    free(printed);
}

/* The line that `print` writes reads back. */
static void check_printed(const mnas_trial_wire_line *line) {
    char *text = NULL;
    size_t n = 0;
    mnas_trial_wire_line again;
    const mnas_epoch epoch = {.epoch = 1, .step = 3, .n_steps = 7, .val_accuracy_frac = line->accuracy_frac};
    FILE *out = open_memstream(&text, &n);
    FUZZ_CHECK(out);
    if (line->kind == MNAS_TRIAL_WIRE_RESULT)
        FUZZ_CHECK(mnas_trial_wire_print_result(out, &line->result) == 0);
    else if (line->kind == MNAS_TRIAL_WIRE_LATENCY)
        FUZZ_CHECK(mnas_trial_wire_print_latency(out, &line->latency) == 0);
    else if (line->kind == MNAS_TRIAL_WIRE_ERROR)
        FUZZ_CHECK(mnas_trial_wire_print_error(out, line->status, line->message) == 0);
    else
        FUZZ_CHECK(mnas_trial_wire_print_epoch(out, &epoch) == 0);
    fclose(out);
    text[strcspn(text, "\n")] = '\0';
    FUZZ_CHECK(mnas_trial_wire_parse_line(&again, text) == 0);
    free(text);
}

static void check_line(const char *text) {
    mnas_trial_wire_line line = {0};
    if (mnas_trial_wire_parse_line(&line, text) < 0) return;
    check_printed(&line);
    switch (line.kind) {
    case MNAS_TRIAL_WIRE_RESULT:
        FUZZ_CHECK(line.result.val_accuracy_frac >= 0 && line.result.val_accuracy_frac <= 1);
        break;
    case MNAS_TRIAL_WIRE_ERROR:
        FUZZ_CHECK(line.status < 0 && strlen(line.message) < sizeof line.message);
        break;
    case MNAS_TRIAL_WIRE_LATENCY:
        FUZZ_CHECK(line.latency.median_ms > 0);
        break;
    case MNAS_TRIAL_WIRE_EPOCH:
        break;
    case MNAS_TRIAL_WIRE_STEP:
        FUZZ_CHECK(!isnan(line.frac));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n == 0) return 0;
    char *text = fuzz_text(data + 1, n - 1);
    if (data[0] == 0)
        check_request(text);
    else if (data[0] == 2)
        check_measure(text);
    else
        check_line(text);
    free(text);
    return 0;
}
