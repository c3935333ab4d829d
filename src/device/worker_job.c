/* worker_job.c - see worker_job.h. It times nothing. */
#include "device/worker_job.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/proc.h"
#include "base/rng.h"
#include "blocks/fold.h"
#include "blocks/net.h"
#include "model/model.h"

static int pin(int core) {
    cpu_set_t set;
    if (core < 0) return 0;
    if (core >= CPU_SETSIZE)
        return mnas_error_set(MNAS_ERR_ARG, "core is %d; allowed: 0 to %d", core, CPU_SETSIZE - 1);
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    if (sched_setaffinity(0, sizeof set, &set) == 0) return 0;
    mnas_error_errno("cannot pin to core %d", core);
    return MNAS_ERR_DEVICE;
}

/* Noise: zeros would let activations die out, and subnormal numbers have their own speed. */
static int draw_image(mnas_worker_job *job) {
    const size_t n = mnas_shape_size(job->graph->nodes[0].out),
                 n_out = mnas_shape_size(job->graph->nodes[job->graph->n_nodes - 1].out);
    job->image = malloc(n * sizeof *job->image);
    job->logits = malloc(n_out * sizeof *job->logits);
    if (!job->image || !job->logits)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: image of %zu floats", n);
    mnas_rng rng = mnas_rng_stream(1, 0, "latency image");
    for (size_t i = 0; i < n; i++) job->image[i] = (float)(2 * mnas_rng_uniform(&rng) - 1);
    return 0;
}

static int build(mnas_worker_job *job, const char *yaml) {
    mnas_graph *graph = NULL;
    mnas_model model;
    int rc = mnas_model_parse(&model, yaml, strlen(yaml), "request");
    if (rc == 0) rc = mnas_net_build(&graph, &model);
    if (rc == 0) rc = mnas_fold(&job->graph, &job->weights, graph, NULL);
    mnas_graph_destroy(graph);
    return rc;
}

int mnas_worker_open(mnas_worker_job *job, FILE *in) {
    char *text = NULL, *yaml = NULL;
    int rc;
    if ((rc = mnas_proc_read_request(&text, in, "measuring request")) < 0) goto out;
    if ((rc = mnas_wire_parse_request(&job->request, &yaml, text)) < 0) goto out;
    /* before any page is touched or thread started: both inherit it */
    if ((rc = pin(job->request.threads == 1 ? job->request.core : -1)) < 0) goto out;
    /* where we are allowed to, ahead of whoever else wants the core; without, disturbed rounds show it */
    (void)setpriority(PRIO_PROCESS, 0, -20);
    if ((rc = build(job, yaml)) == 0) rc = draw_image(job);
out:
    free(yaml);
    free(text);
    return rc;
}

void mnas_worker_close(mnas_worker_job *job) {
    mnas_weights_destroy(job->weights);
    mnas_graph_destroy(job->graph);
    free(job->image);
    free(job->logits);
    *job = (mnas_worker_job){0};
}

int mnas_worker_switches(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (int)usage.ru_nivcsw;
}

int mnas_worker_answer(FILE *out, int status, char *reply) {
    if (status < 0 && mnas_wire_print_failure(&reply, status, mnas_error_message()) < 0) return 1;
    const bool written = fprintf(out, "%s\n", reply) > 0 && fflush(out) == 0;
    free(reply);
    return written ? 0 : 1;
}
