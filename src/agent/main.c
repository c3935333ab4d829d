/* main.c - mnas-agent, the program on a device that is measured: one question on stdin, one line of JSON on stdout, the end.
 *
 * It is the measuring side of `mnas worker` (device/worker.h) and nothing else: no search, no training, no oneDNN, no files of its
 * own. Rounds are the asking side's business. A person at the device may give the question as words instead:
 *
 *     mnas-agent latency < request.json
 *     mnas-agent latency mnasnet-b1@0.5 --threads 2
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/proc.h"
#include "device/conditions.h"
#include "device/wire.h"
#include "device/worker.h"
#include "model/model.h"

enum { DONE = 0, FAILED = 1, USAGE = 2 };

typedef struct agent_opts {
    int64_t threads, core, runs, input, classes, seed, limit_s;
    double time_ms, warmup_ms;
    char engine[MNAS_OPT_STR];
    bool help;
} agent_opts;

#define AT(field) offsetof(agent_opts, field)
static const mnas_opt options[] = {
    {"threads", MNAS_OPT_INT, AT(threads), "1", 1, 1024, "threads", "of the network", NULL},
    {"core", MNAS_OPT_INT, AT(core), "-1", MNAS_CORE_NOT_PINNED, 1023, "core",
     "to pin to; -1: the fastest, -2: none", NULL},
    {"runs", MNAS_OPT_INT, AT(runs), "20", 1, MNAS_WIRE_MAX_RUNS, "runs", "timed at least", NULL},
    {"time", MNAS_OPT_FLOAT, AT(time_ms), "100", 1, 60000, "ms", "timed at least", NULL},
    {"warmup", MNAS_OPT_FLOAT, AT(warmup_ms), "50", 1, 60000, "ms", "before timing at least", NULL},
    {"seed", MNAS_OPT_INT, AT(seed), "1", 0, INT32_MAX, "seed", "of the image", NULL},
    {"engine", MNAS_OPT_STRING, AT(engine), "xnnpack", 0, 0, "ENGINE", "what computes the network", NULL},
    {"input", MNAS_OPT_INT, AT(input), "0", 0, MNAS_MAX_INPUT, "pixels", "image size; 0: the model's own",
     NULL},
    {"classes", MNAS_OPT_INT, AT(classes), "0", 0, MNAS_MAX_CLASSES, "classes",
     "width of the classifier; 0: the model's own", NULL},
    {"limit", MNAS_OPT_INT, AT(limit_s), "0", 0, 86400, "s", "ends the program, answered or not; 0: never",
     NULL},
    {"help", MNAS_OPT_BOOL, AT(help), NULL, 0, 0, NULL, "this text", NULL},
    MNAS_OPT_END};
#undef AT

static int print_help(void) {
    mnas_str text = {0};
    mnas_opts_help(options, "--", &text);
    printf("mnas-agent %s: how long a network takes on this device\n\n"
           "Usage: mnas-agent KIND < REQUEST     a question as mnas asks it\n"
           "       mnas-agent KIND MODEL [...]   the same from words; MODEL is a file, a name of the zoo or "
           "block strings\n"
           "       mnas-agent info\n"
           "       mnas-agent version\n\n"
           "KIND is one of %s. The answer is one line of JSON. A latency is of one round:\n"
           "mnas measure takes several, each in a fresh process, and tells how far they agree.\n\n%s",
           mnas_version(), mnas_device_worker_kinds(), mnas_str_ok(&text) ? text.data : "");
    mnas_str_free(&text);
    return fflush(stdout) == 0 ? DONE : FAILED;
}

static int fail(int code) {
    fprintf(stderr, "mnas-agent: %s\n", mnas_error_message());
    return code;
}

/* Block strings have '_' and no '/', names of the zoo the reverse. */
static int open_model(mnas_model *out, const char *arg, const agent_opts *o) {
    int rc = 0;
    if (mnas_model_is_path(arg) || !strchr(arg, '_')) {
        rc = mnas_model_open_local(out, arg, (int)o->input);
    } else {
        mnas_model_defaults(out);
        if (o->input > 0) out->input_size = (int)o->input;
        rc = mnas_model_set_arch(out, arg);
    }
    if (rc == 0 && o->classes > 0) out->classes = (int)o->classes;
    return rc;
}

/* The request that mnas would send. */
static int print_request(char **text, const char *model_arg, const agent_opts *o) {
    mnas_model model;
    mnas_wire_request request = {.threads = (int)o->threads,
                                 .core = (int)o->core,
                                 .runs = (int)o->runs,
                                 .time_ms = o->time_ms,
                                 .warmup_ms = o->warmup_ms,
                                 .seed = (int)o->seed};
    snprintf(request.engine, sizeof request.engine, "%s", o->engine);
    int rc = open_model(&model, model_arg, o);
    if (rc == 0) rc = mnas_model_print(&model, &request.model);
    if (rc == 0) rc = mnas_wire_print_request(text, &request);
    free(request.model);
    return rc;
}

/* Who asked has gone when nobody reads our answer any more: a process that times for nobody would disturb the next one. The
 * thread sleeps all the while. */
static void *end_with_reader(void *fd) {
    struct pollfd reader = {*(int *)fd, 0, 0};
    for (;;)
        if (poll(&reader, 1, -1) > 0 && reader.revents & (POLLERR | POLLHUP)) _exit(FAILED);
    return NULL;
}

static int answer(mnas_device_worker *work, FILE *in) {
    static int fd; /* outlives the thread */
    pthread_t thread;
    FILE *out = mnas_proc_take_stdout();
    if (!out) return fail(FAILED);
    fd = fileno(out);
    if (pthread_create(&thread, NULL, end_with_reader, &fd) == 0) pthread_detach(thread);
    if (mnas_conditions_emulated())
        fputs("mnas-agent: this machine is emulated; times taken here say nothing about the real one\n",
              stderr);
    return work(in, out) == 0 ? DONE : FAILED; /* the worker has flushed; the thread may still look at fd */
}

static int answer_words(mnas_device_worker *work, const char *model_arg, const agent_opts *o) {
    char *text = NULL;
    if (print_request(&text, model_arg, o) < 0) return fail(FAILED);
    FILE *in = fmemopen(text, strlen(text), "r");
    const int code = in ? answer(work, in) : FAILED;
    if (in) fclose(in);
    free(text);
    return code;
}

int main(int argc, char **argv) {
    agent_opts o;
    int n_words = 0;
    mnas_opts_defaults(options, &o);
    if (mnas_opts_parse_args(options, &o, "mnas-agent", argc - 1, argv + 1, &n_words) < 0) return fail(USAGE);
    if (o.help || n_words < 1) return print_help();
    const char *const kind = argv[1];
    if (strcmp(kind, "version") == 0) return puts(mnas_version()) >= 0 && fflush(stdout) == 0 ? DONE : FAILED;
    mnas_device_worker *work = mnas_device_worker_find(kind);
    if (!work || n_words > 2) {
        mnas_error_set(MNAS_ERR_ARG, "the words are \"%s%s\"; allowed: version, or one of %s and a MODEL",
                       kind, n_words > 2 ? " ..." : "", mnas_device_worker_kinds());
        return fail(USAGE);
    }
    if (o.limit_s > 0) alarm((unsigned)o.limit_s);
    return n_words == 2 ? answer_words(work, argv[2], &o) : answer(work, stdin);
}
