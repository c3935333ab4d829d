/* worker.c - the child processes: `mnas worker trial` trains one network, `mnas worker steps` a few steps of its training;
 * `mnas worker measure` has one network measured elsewhere; the other kinds measure here (device/worker.h).
 *
 * The answers go out through a private copy of stdout; stdout itself is then stderr, so that a library's
 * print cannot garble them. Exit codes: 0 answered, 1 failed and said so in the answer, 2 wrong usage.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/proc.h"
#include "device/worker.h"
#include "search/forecast.h"
#include "search/measuring.h"
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

/* What measures is the device layer's own (device/worker.h). */
static mnas_device_worker *worker_of(const char *kind) {
    if (strcmp(kind, "trial") == 0) return train;
    if (strcmp(kind, "steps") == 0) return mnas_forecast_worker;
    if (strcmp(kind, "measure") == 0) return mnas_measuring_worker;
    return mnas_device_worker_find(kind);
}

int mnas_worker_main(const char *kind) {
    mnas_device_worker *work = worker_of(kind);
    if (!work) {
        mnas_error_set(MNAS_ERR_ARG, "unknown worker \"%s\"; known: trial, measure, steps, %s", kind,
                       mnas_device_worker_kinds());
        return 2;
    }
    FILE *out = mnas_proc_take_stdout();
    if (!out) return 1;
    int code = work(stdin, out);
    if (fclose(out) != 0 && code == 0) code = 1;
    return code;
}
