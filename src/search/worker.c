/* worker.c - the child processes: `mnas worker trial` trains one network, `mnas worker latency` times one,
 * `mnas worker layers` each of its layers, `mnas worker steps` a few steps of its training.
 *
 * The answers go out through a private copy of stdout; stdout itself is then stderr, so that a library's
 * print cannot garble them. Exit codes: 0 answered, 1 failed and said so in the answer, 2 wrong usage.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/proc.h"
#include "device/device.h"
#include "search/forecast.h"
#include "search/trial_wire.h"

static void tell(void *user, const mnas_epoch *epoch) {
    /* a parent that no longer reads has other ways to end us */
    mnas_trial_wire_print_epoch(user, epoch);
}

static int train(FILE *in, FILE *out) {
    char *text = NULL;
    mnas_trial_wire_request trial = {0};
    mnas_train_result result;
    int rc = mnas_proc_read_request(&text, in, "training request");
    if (rc == 0) rc = mnas_trial_wire_parse_request(&trial, text);
    if (rc == 0) {
        trial.options.progress = tell;
        trial.options.user = out;
        rc = mnas_train(&result, &trial.model, &trial.options);
    }
    if (rc == 0)
        rc = mnas_trial_wire_print_result(out, &result);
    else
        mnas_trial_wire_print_error(out, rc, mnas_error_message());
    mnas_trial_wire_free_request(&trial);
    free(text);
    return rc < 0 ? 1 : 0;
}

typedef int worker(FILE *in, FILE *out);

static worker *worker_of(const char *kind) {
    static const struct {
        const char *kind;
        worker *work;
    } workers[] = {{"trial", train},
                   {"latency", mnas_device_worker_latency},
                   {"layers", mnas_device_worker_layers},
                   {"steps", mnas_forecast_worker}};
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++)
        if (strcmp(kind, workers[i].kind) == 0) return workers[i].work;
    return NULL;
}

int mnas_worker_main(const char *kind) {
    worker *work = worker_of(kind);
    if (!work) {
        mnas_error_set(MNAS_ERR_ARG, "unknown worker \"%s\"; known: trial, latency, layers, steps", kind);
        return 2;
    }
    FILE *out = mnas_proc_take_stdout();
    if (!out) return 1;
    int code = work(stdin, out);
    if (fclose(out) != 0 && code == 0) code = 1;
    return code;
}
