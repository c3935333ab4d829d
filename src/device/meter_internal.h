/* meter_internal.h - what the files of the meter share: one question (meter.c), a latency (meter_latency.c), and why it was
 * refused, in words (meter_words.c).
 */
#ifndef MNAS_DEVICE_METER_INTERNAL_H
#define MNAS_DEVICE_METER_INTERNAL_H

#include "device/limit.h"
#include "device/meter.h"
#include "device/protocol.h"
#include "device/sentinel.h"

struct mnas_meter {
    mnas_link link;
    const mnas_meter_options *options;
    char *name;
    mnas_limit limit;
    bool emulated; /* so said its last answer: times mean nothing there, and no sentinel is asked for */
    bool has_reference;
    mnas_sentinel_reference reference; /* of the sentinel on this device */
};

/* One question, with the time that is left. */
int mnas_meter_ask(mnas_meter *meter, const char *kind, const char *request, char **answer);
/* What the question came to: a device that fails is named. */
int mnas_meter_status(const mnas_meter *meter, int rc);
/* `sentinel` NULL: without. *text is malloc'ed. */
int mnas_meter_request(char **text, const mnas_meter *meter, const mnas_model *model,
                       const mnas_model *sentinel, int seed);

/* A measurement under way or done. */
typedef struct mnas_meter_session {
    mnas_meter *meter;
    const char *request;
    mnas_protocol protocol;
    mnas_round rounds[MNAS_PROTOCOL_MAX_ROUNDS];
    int n_rounds;
    mnas_wire_reply first, last;
    mnas_protocol_summary summary;
} mnas_meter_session;

/* Sets MNAS_ERR_REFUSED with what was seen and what would mend it; `what` was measured ("small"). Returns it. */
int mnas_meter_refuse(const mnas_meter_session *session, const char *what);

#endif
