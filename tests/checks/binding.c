/*
 * binding.c: for check-binding.sh. Plain, it prints how many threads a region has, and which cpus
 * these have together, or, with an argument, whether a forked child can use the runtime that its
 * parent has begun; with WITH_PARCEL it looks whether the workers have all cpus of the program.
 */
#define _GNU_SOURCE
#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_CPUS = 64 };

/* The cpus of this thread, as far as they are among the first. */
static unsigned long long cpus(void)
{
    cpu_set_t set;
    unsigned long long mask = 0;
    sched_getaffinity(0, sizeof set, &set);
    for (int i = 0; i < MOST_CPUS; i++)
        mask |= (unsigned long long)(CPU_ISSET(i, &set) != 0) << i;
    return mask;
}

#ifdef WITH_PARCEL

#include <parcel.h>
#include <stdatomic.h>

static atomic_int n_here;

/* The cpus of a call that is only done when so many are here at once; 0 waits for none. */
static unsigned long long cpus_of_call(int guests)
{
    atomic_fetch_add(&n_here, 1);
    while (atomic_load(&n_here) < guests)
        sched_yield();
    return omp_get_max_threads() > 0 ? cpus() : 0;
}
DELAYED(unsigned long long, cpus_of_call, int);

/* The cpus of the workers, together. */
static unsigned long long cpus_of(const char *backend, int guests)
{
    unsigned long long mask = 0;
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < parcel_cpu_count(); i++)
        parcel_calls_add(calls, delayed(cpus_of_call)(guests));
    parcel_results *results = Parallel(.n_jobs = -1, .batch_size = 1, .schedule = PARCEL_STATIC,
                                       .backend = backend)(calls);
    for (size_t i = 0; i < parcel_results_count(results); i++)
        mask |= parcel_get(results, i, unsigned long long);
    parcel_results_free(results);
    parcel_calls_free(calls);
    return mask;
}

/* The argument: how many cpus the program has when it is started. */
int main(int argc, char **argv)
{
    int wanted = argc > 1 ? atoi(argv[1]) : 0;
    int in_processes = __builtin_popcountll(cpus_of("processes", 0));
    int in_threads = __builtin_popcountll(cpus_of("threading", parcel_cpu_count()));
    printf("%d cpus, %d of processes, %d of threads\n", parcel_cpu_count(), in_processes,
           in_threads);
    return in_processes == wanted && in_threads >= parcel_cpu_count() ? EXIT_SUCCESS : EXIT_FAILURE;
}

#else

static int fork_one(void)
{
    int status;
    int threads = omp_get_max_threads();
    pid_t child = fork();
    if (child == 0)
        _exit(omp_get_max_threads() == threads ? EXIT_SUCCESS : EXIT_FAILURE);
    return waitpid(child, &status, 0) == child && status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    int threads = 0;
    unsigned long long mask = 0;
    (void)argv;
    if (argc > 1)
        return fork_one();
#pragma omp parallel reduction(+ : threads) reduction(| : mask)
    {
        threads++;
        mask |= cpus();
    }
    printf("%d threads, cpus %llx\n", threads, mask);
    return EXIT_SUCCESS;
}

#endif
