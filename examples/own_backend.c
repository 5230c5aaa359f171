/*
 * own_backend.c: a backend of one's own. This one takes batches until none is left, then runs the
 * last of them first: a test of whether a program depends on the order of its calls.
 */
#include <parcel/backend.h>

enum { HELD = 16 };

static int open_reverse(const parcel_backend *backend, int n_workers, void **state, char *why,
                        size_t why_size)
{
    (void)backend, (void)n_workers, (void)state, (void)why, (void)why_size;
    return 1; /* one worker: the calling thread */
}

static void run_reverse(void *state, parcel_job *job, int n_workers)
{
    (void)state, (void)n_workers;
    parcel_batch batches[HELD];
    size_t held;
    do {
        for (held = 0; held < HELD && parcel_job_next(job, 0, &batches[held]); held++)
            ;
        for (size_t i = held; i > 0; i--)
            parcel_job_execute(job, &batches[i - 1]);
    } while (held == HELD);
}

/* Capabilities are what callers ask for, not names: a run with .require = "sharedmem" takes this
 * backend, because its calls write memory that the caller reads. */
static const parcel_backend reverse = {.size = sizeof reverse,
                                       .name = "reverse",
                                       .capabilities = PARCEL_SHARES_MEMORY,
                                       .open = open_reverse,
                                       .run = run_reverse};

static int say(int i)
{
    printf("call %d runs\n", i);
    return i;
}
DELAYED(int, say, int);

int main(void)
{
    int numbers[] = {0, 1, 2, 3, 4, 5};
    const char *error = parcel_register_backend(&reverse, false);
    if (error)
        fprintf(stderr, "%s\n", error);

    /* One job, the default where there is one cpu, would be the plain loop. */
    parcel_results *results =
        Parallel(.backend = "reverse", .n_jobs = 2, .batch_size = 2)(parcel_map(say, numbers, 6));
    parcel_results_print(results, stdout); /* in the order of the calls all the same */
    parcel_results_free(results);
    return 0;
}
