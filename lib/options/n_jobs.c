/* n_jobs.c: how many workers a run may have, and what is theirs. */
#include "options/n_jobs.h"

#include <stdlib.h>

#include "ground/once.h"
#include "ground/openmp.h"
#include "options/sources.h"

static struct parcel__cpus cpus;
static struct parcel__once cpus_once;

static void count_cpus(void)
{
    cpus = parcel__port_cpus(parcel__openmp_bound_cpus());
}

struct parcel__cpus parcel__n_jobs_cpus(void)
{
    parcel__once_run(&cpus_once, count_cpus);
    return cpus;
}

int parcel_cpu_count(void)
{
    parcel__once_run(&cpus_once, count_cpus);
    return cpus.count;
}

static int most_threads;
static struct parcel__once most_threads_once;

static void read_thread_limit(void)
{
    most_threads = parcel__port_thread_limit();
}

/* What the system allows is read once, and only for a run that wants more workers than cpus. */
static int limit_threads(int wanted)
{
    if (wanted <= parcel_cpu_count())
        return wanted;
    parcel__once_run(&most_threads_once, read_thread_limit);
    return wanted < most_threads ? wanted : most_threads;
}

int parcel__n_jobs_limit(const struct parcel_current_call *current, int n_jobs)
{
    int most = current ? current->nest->workers : 0;
    return most > 0 && n_jobs > most ? most : n_jobs;
}

/* The first number of OMP_NUM_THREADS, or 0 when it has none. */
static int openmp_n_jobs(void)
{
    const char *variable = parcel__port_variable("OMP_NUM_THREADS");
    long number = variable ? strtol(variable, NULL, 10) : 0;
    return number > 0 && number <= PARCEL__MOST_JOBS ? (int)number : 0;
}

/* What a run has when nobody says. */
static int default_n_jobs(const struct parcel_current_call *current)
{
    if (current && current->nest->workers > 0)
        return current->nest->workers;
    int number = openmp_n_jobs();
    return number > 0 ? number : parcel_cpu_count();
}

bool parcel__n_jobs_is_from_openmp(void)
{
    const struct parcel_current_call *current = parcel__current_get();
    return !(current && current->nest->workers > 0) && openmp_n_jobs() > 0;
}

/* The workers that a setting means. */
static int count_workers(long long n_jobs, const struct parcel_current_call *current)
{
    if (n_jobs == 0)
        return default_n_jobs(current);
    if (n_jobs > 0)
        return (int)n_jobs;
    long long some = parcel_cpu_count() + 1 + n_jobs;
    return some > 1 ? (int)some : 1;
}

struct parcel__nest parcel__n_jobs_nest(const struct parcel_current_call *current, int n_jobs,
                                        int n_workers)
{
    struct parcel__nest nest = {0, 0, 0, true};
    if (current)
        nest = *current->nest;
    nest.level++;
    nest.sees_outside = n_jobs == 1;
    if (n_jobs == 1)
        return nest;
    int threads = nest.threads > 0 ? nest.threads : parcel_cpu_count();
    if (threads < n_jobs)
        threads = n_jobs;
    nest.workers = n_jobs > n_workers ? n_jobs / n_workers : 1;
    nest.threads = threads > n_workers ? threads / n_workers : 1;
    return nest;
}

struct parcel__n_jobs parcel__n_jobs_count(long long setting, struct parcel__text *warnings)
{
    const struct parcel_current_call *current = parcel__current_get();
    int wanted = count_workers(setting, current);
    int limit = limit_threads(wanted);
    struct parcel__n_jobs n_jobs = {.asked = setting ? (int)setting : wanted,
                                    .count = parcel__n_jobs_limit(current, wanted),
                                    .is_unset = !setting && !parcel__n_jobs_is_from_openmp()};
    if (n_jobs.count > limit) {
        parcel__text_format(warnings,
                            "n_jobs = %d: the run has %d worker%s, as many threads as a process "
                            "may start safely here\n",
                            wanted, limit, limit == 1 ? "" : "s");
        n_jobs.count = limit;
    }
    return n_jobs;
}

int parcel_effective_n_jobs(int n_jobs)
{
    struct parcel__text text = {0};
    const parcel_options options = {.n_jobs = n_jobs};
    const struct parcel__sources sources = parcel__sources_find(&options);
    struct parcel__setting setting = {.source = PARCEL__FROM_DEFAULT};
    int count = 1;
    if (parcel__sources_ask(&sources, &parcel__table[PARCEL__N_JOBS], &setting, &text))
        count = parcel__n_jobs_count(setting.number, &text).count;
    parcel__text_free(&text);
    return count;
}
