/* worker_job.c - see worker_job.h. It times nothing. */
#include "device/worker_job.h"

#include <limits.h>
#include <malloc.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

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

/* The lowest of the real-time priorities goes before all that have none; the kernel still leaves others a twentieth of the
 * core. Where it is not allowed, being nice to nobody may be. */
bool mnas_worker_raise_priority(void) {
    const struct sched_param lowest = {.sched_priority = sched_get_priority_min(SCHED_RR)};
    return sched_setscheduler(0, SCHED_RR, &lowest) == 0 || setpriority(PRIO_PROCESS, 0, -20) == 0;
}

/* One heap on huge pages, and no memory given back between: which small pages the kernel happens to give makes the same network
 * faster in one process than in the next. Only a hint; elsewhere than in glibc nothing happens. */
static void use_huge_pages(void) {
#ifdef __GLIBC__
    const size_t huge = (size_t)2 << 20, reserve = (size_t)256 << 20;
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    mallopt(M_TOP_PAD, (int)reserve);
    const uintptr_t start = ((uintptr_t)sbrk(0) + huge - 1) / huge * huge;
    void *volatile first =
        malloc(huge); /* moves the end of the heap by the reserve; volatile: it is no dead store */
    free(first);
    const uintptr_t end = (uintptr_t)sbrk(0) / huge * huge;
    if (end > start) (void)madvise((void *)start, end - start, MADV_HUGEPAGE);
#endif
}

int mnas_worker_open(mnas_worker_job *job, FILE *in) {
    char *text = NULL;
    int rc;
    job->core = -1;
    if ((rc = mnas_proc_read_request(&text, in, "measuring request")) < 0) goto out;
    if ((rc = mnas_wire_parse_request(&job->request, text)) < 0) goto out;
    if (job->request.threads == 1)
        if ((rc = mnas_conditions_choose_core(job->request.core, &job->core)) < 0) goto out;
    /* before any page is touched or thread started: both inherit it */
    if ((rc = pin(job->core)) < 0) goto out;
    (void)mnas_worker_raise_priority(); /* without, disturbed rounds show it */
    use_huge_pages();
out:
    free(text);
    return rc;
}

void mnas_worker_close(mnas_worker_job *job) {
    mnas_wire_free_request(&job->request);
}

static int build_graph(mnas_worker_net *net, const char *yaml) {
    mnas_graph *graph = NULL;
    mnas_model model;
    int rc = mnas_model_parse(&model, yaml, strlen(yaml), "request");
    if (rc == 0) rc = mnas_net_build(&graph, &model);
    if (rc == 0) rc = mnas_fold(&net->graph, &net->weights, graph, NULL);
    mnas_graph_destroy(graph);
    return rc;
}

/* Noise: zeros would let activations die out, and subnormal numbers have their own speed. */
static int run_on_noise(mnas_worker_net *net, int seed) {
    const size_t n = mnas_shape_size(net->graph->nodes[0].out),
                 n_out = mnas_shape_size(net->graph->nodes[net->graph->n_nodes - 1].out);
    float *image = malloc(n * sizeof *image);
    net->logits = malloc(n_out * sizeof *net->logits);
    net->n_logits = (int)n_out;
    int rc = 0;
    if (!image || !net->logits) rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: image of %zu floats", n);
    if (rc == 0) {
        mnas_rng rng = mnas_rng_stream((uint64_t)seed, 0, "latency image");
        for (size_t i = 0; i < n; i++) image[i] = (float)(2 * mnas_rng_uniform(&rng) - 1);
        rc = mnas_infer_run(net->net, image, net->logits);
    }
    free(image);
    return rc;
}

int mnas_worker_build(mnas_worker_net *out, const mnas_worker_job *job, const char *model_yaml,
                      bool by_layer) {
    int rc = build_graph(out, model_yaml);
    if (rc < 0) return rc;
    const mnas_infer_job infer = {.graph = out->graph,
                                  .weights = out->weights,
                                  .n_threads = job->request.threads,
                                  .by_layer = by_layer};
    rc = mnas_infer_create(&out->net, job->request.engine, &infer);
    if (rc == 0) rc = run_on_noise(out, job->request.seed);
    return rc;
}

void mnas_worker_unbuild(mnas_worker_net *net) {
    mnas_infer_destroy(net->net);
    mnas_weights_destroy(net->weights);
    mnas_graph_destroy(net->graph);
    free(net->logits);
    *net = (mnas_worker_net){0};
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
