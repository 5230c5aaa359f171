/* hosts.h: where the workers of a run are: which rank has which, and the ranks' hosts. */
#ifndef PARCEL__HOSTS_H
#define PARCEL__HOSTS_H

/* Shared by all results that tell of one run; constant but for the number of those. */
struct parcel__hosts {
    int n_holders;     /* atomic */
    int n_ranks;       /* at least 1 */
    int *first_worker; /* n_ranks + 1, ascending: a rank's workers are those up to the next one's */
    char **names;      /* of each rank's host */
};

/* New hosts (free with parcel__hosts_release), everything copied. NULL: out of memory. */
struct parcel__hosts *parcel__hosts_new(int n_ranks, const int *first_worker,
                                        const char *const *names);

/* The same hosts, which are freed when each holder has released them. NULL is none. Threads: any.
 */
struct parcel__hosts *parcel__hosts_hold(struct parcel__hosts *hosts);
void parcel__hosts_release(struct parcel__hosts *hosts);

/* The rank of a worker. NULL: there is one rank, which is this process. */
int parcel__hosts_rank(const struct parcel__hosts *hosts, int worker);

/* The name of the worker's host, which lives as long as the hosts. */
const char *parcel__hosts_name(const struct parcel__hosts *hosts, int worker);

#endif
