/* parallel.c - see parallel.h. Threads take numbers from one counter; messages of failures are thread-local, so the one that
 * counts is carried over. */
#include "search/parallel.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "search/machine.h"

typedef struct pool {
    pthread_mutex_t mutex;
    size_t next, n_jobs;
    int (*job)(void *user, size_t i);
    void *user;
    int status;
    size_t failed; /* which job */
    char message[1024];
} pool;

static size_t take(pool *p) {
    pthread_mutex_lock(&p->mutex);
    const size_t i = p->status < 0 ? p->n_jobs : p->next;
    p->next += i < p->n_jobs;
    pthread_mutex_unlock(&p->mutex);
    return i;
}

static void keep_failure(pool *p, size_t i, int status) {
    pthread_mutex_lock(&p->mutex);
    if (p->status == 0 || i < p->failed) {
        p->status = status;
        p->failed = i;
        strncpy(p->message, mnas_error_message(), sizeof p->message - 1);
    }
    pthread_mutex_unlock(&p->mutex);
}

static void *work(void *pool_of_jobs) {
    pool *p = pool_of_jobs;
    for (size_t i; (i = take(p)) < p->n_jobs;) {
        const int rc = p->job(p->user, i);
        if (rc < 0) keep_failure(p, i, rc);
    }
    return NULL;
}

int mnas_parallel_run(int n_threads, size_t n_jobs, int (*job)(void *user, size_t i), void *user) {
    pool p = {.n_jobs = n_jobs, .job = job, .user = user};
    size_t n = (size_t)(n_threads > 0 ? n_threads : mnas_machine_cores()), n_started = 0;
    if (n > n_jobs) n = n_jobs;
    pthread_t *threads = calloc(n ? n : 1, sizeof *threads);
    if (!threads) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu threads", n);
    pthread_mutex_init(&p.mutex, NULL);
    while (n_started + 1 < n && pthread_create(&threads[n_started], NULL, work, &p) == 0) n_started++;
    work(&p); /* this thread is one of them, and the only one where no other can be had */
    for (size_t i = 0; i < n_started; i++) pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&p.mutex);
    free(threads);
    return p.status < 0 ? mnas_error_set(p.status, "%s", p.message) : 0;
}

/* A progress function may set it while other threads look: without the atomic that were a race. */
bool mnas_parallel_is_cancelled(const volatile bool *cancel) {
    return cancel && __atomic_load_n(cancel, __ATOMIC_RELAXED);
}
