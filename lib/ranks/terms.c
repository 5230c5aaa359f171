/* terms.c: what holds for a run on all ranks, as rank 0 says. */
#include "ranks/ranks.h"

#include <string.h>

#include "ground/memory.h"

int parcel__terms_first_worker(const struct parcel__terms *terms, int rank)
{
    int first = 0;
    for (int i = 0; i < rank; i++)
        first += terms->parts[i].n_workers;
    return first;
}

static int workers_of(const struct parcel__hello *hello, int n_jobs)
{
    int n = n_jobs > 0 ? n_jobs : n_jobs < 0 ? hello->n_cpus + 1 + n_jobs : hello->n_cpus;
    n = n < hello->n_most ? n : hello->n_most;
    return n > 0 ? n : 1;
}

struct parcel__terms *parcel__terms_new(struct parcel__ranks *ranks, int n_jobs)
{
    int n_ranks = ranks->transport->n_ranks;
    struct parcel__terms *terms = parcel__memory_new(parcel__terms_size(n_ranks));
    if (!terms) {
        parcel__ranks_refuse(ranks, "rank 0 is out of memory");
        return NULL;
    }
    memset(terms, 0, parcel__terms_size(n_ranks));
    terms->serial = ranks->serial;
    terms->n_ranks = n_ranks;
    for (int i = 0; i < n_ranks; i++) {
        terms->parts[i].n_workers = workers_of(&ranks->hellos[i], n_jobs);
        memcpy(terms->parts[i].host, ranks->hellos[i].host, PARCEL__LONGEST_HOST);
        terms->sends_calls |= ranks->hellos[i].role != PARCEL__LISTS;
        terms->has_token |= ranks->hellos[i].has_token;
    }
    return terms;
}

void parcel__terms_announce(struct parcel__ranks *ranks, const struct parcel__terms *terms)
{
    ranks->closed = ranks->serial;
    ranks->has_kept_values |= !terms->all_ranks;
    parcel__ranks_pass_on(ranks, PARCEL__SAYS_BEGIN, terms, parcel__terms_size(terms->n_ranks));
    parcel__ranks_flush(ranks);
}

void parcel__terms_put_warnings(const struct parcel__ranks *ranks,
                                const struct parcel__terms *terms, struct parcel__text *text)
{
    int n_short = 0, first = -1;
    if (ranks->transport->note)
        parcel__text_put(text, ranks->transport->note);
    for (int i = 0; i < terms->n_ranks; i++) {
        bool is_short = ranks->hellos[i].n_allowed < terms->parts[i].n_workers;
        n_short += is_short;
        first = is_short && first < 0 ? i : first;
    }
    if (n_short == 0)
        return;
    const struct parcel__hello *hello = &ranks->hellos[first];
    parcel__text_format(text, "rank %d on %s ", first, hello->host);
    if (n_short > 1)
        parcel__text_format(text, "(and %d more) ", n_short - 1);
    parcel__text_format(text,
                        "may use %d cpu%s for %d workers: start with mpiexec --bind-to none or "
                        "--map-by slot:PE=%d (Open MPI), mpiexec -bind-to none (MPICH) or srun "
                        "--cpus-per-task=%d, or ask for n_jobs = %d\n",
                        hello->n_allowed, hello->n_allowed == 1 ? "" : "s",
                        terms->parts[first].n_workers, terms->parts[first].n_workers,
                        terms->parts[first].n_workers, hello->n_allowed);
}

bool parcel__terms_set_hosts(const struct parcel__terms *terms, parcel_results *results)
{
    size_t n_ranks = (size_t)terms->n_ranks;
    int *first_worker = parcel__memory_new((n_ranks + 1) * sizeof *first_worker);
    const char **names = parcel__memory_new(n_ranks * sizeof *names);
    struct parcel__hosts *hosts = NULL;
    for (size_t i = 0; first_worker && names && i < n_ranks; i++) {
        first_worker[i] = i == 0 ? 0 : first_worker[i - 1] + terms->parts[i - 1].n_workers;
        names[i] = terms->parts[i].host;
    }
    if (first_worker && names) {
        first_worker[n_ranks] = first_worker[n_ranks - 1] + terms->parts[n_ranks - 1].n_workers;
        hosts = parcel__hosts_new(terms->n_ranks, first_worker, names);
    }
    parcel__memory_free(first_worker);
    parcel__memory_free(names);
    if (!hosts)
        return false;
    parcel__results_set_hosts(results, hosts);
    parcel__hosts_release(hosts);
    return true;
}
