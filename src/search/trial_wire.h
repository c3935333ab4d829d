/* trial_wire.h - what goes between the search and the processes of its trials: one JSON request, then JSON lines back.
 *
 *     -> {"model": YAML, "data": ..., "recipe": ..., "epochs": number or null, "max_images", "threads", "seed",
 *        "output": file for the weights or null, "stop_epochs", "checkpoint", "from": of mnas_train_options}
 *     <- {"step": 3, "n_steps": 100}                      a few times a second
 *     <- {"epoch": 1, "val_accuracy_frac": 0.7}           after each epoch
 *     <- {"result": {...}}  or  {"error": "nan", "message": ...}
 *
 *     -> {"model": YAML, "devices": ["ssh:host=pi", ...]}
 *     <- {"latency": {...}}                               after each device; or an error, and no more
 *
 * Numbers survive to the last bit.
 */
#ifndef MNAS_SEARCH_TRIAL_WIRE_H
#define MNAS_SEARCH_TRIAL_WIRE_H

#include "search/job.h"

int mnas_trial_wire_print_request(char **text, const mnas_job_request *request);
/* data, recipe and output point into *hold, which is to be released with mnas_trial_wire_free_request. */
typedef struct mnas_trial_wire_request {
    mnas_model model;
    mnas_train_options options;
    void *hold;
} mnas_trial_wire_request;
int mnas_trial_wire_parse_request(mnas_trial_wire_request *out, const char *text);
void mnas_trial_wire_free_request(mnas_trial_wire_request *trial);

int mnas_trial_wire_print_measure(char **text, const mnas_measure_request *request);
/* devices point into *hold, which is to be released with mnas_trial_wire_free_measure. */
typedef struct mnas_trial_wire_measure {
    mnas_model model;
    const char *devices[MNAS_MAX_DEVICES];
    int n_devices;
    void *hold;
} mnas_trial_wire_measure;
int mnas_trial_wire_parse_measure(mnas_trial_wire_measure *out, const char *text);
void mnas_trial_wire_free_measure(mnas_trial_wire_measure *measure);

/* Lines of the child processes, newline included. */
int mnas_trial_wire_print_epoch(FILE *out, const mnas_epoch *epoch);
int mnas_trial_wire_print_result(FILE *out, const mnas_train_result *result);
int mnas_trial_wire_print_latency(FILE *out, const mnas_latency *latency);
int mnas_trial_wire_print_error(FILE *out, int status, const char *message);

typedef enum {
    MNAS_TRIAL_WIRE_STEP,
    MNAS_TRIAL_WIRE_EPOCH,
    MNAS_TRIAL_WIRE_RESULT,
    MNAS_TRIAL_WIRE_LATENCY,
    MNAS_TRIAL_WIRE_ERROR
} mnas_trial_wire_kind;
typedef struct mnas_trial_wire_line {
    mnas_trial_wire_kind kind;
    double frac;          /* step */
    double accuracy_frac; /* epoch */
    mnas_train_result result;
    mnas_latency latency;
    int status; /* error */
    char message[1024];
} mnas_trial_wire_line;
/* MNAS_ERR_FORMAT for anything else. */
int mnas_trial_wire_parse_line(mnas_trial_wire_line *out, const char *text);

#endif
