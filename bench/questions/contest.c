/* contest.c: the same calls of spin by every peer and by Parcel. */
#include "contest.h"

#include <stdlib.h>
#include <string.h>

DELAYED(int, spin_pair, struct pair);

struct pair *new_pairs(size_t count)
{
    struct pair *pairs = malloc(count * sizeof *pairs);
    bench_require(pairs != NULL, "out of memory");
    return pairs;
}

/* ---- the contenders ---- */

struct bench_contender *shown(struct contest *contest)
{
    return contest->contenders + 1;
}

size_t n_shown(const struct contest *contest)
{
    return contest->n_peers + 2;
}

static void add_parcel(struct contest *contest)
{
    struct bench_contender *map = &shown(contest)[contest->n_peers];
    map[0] = parcel_contender("parcel map", &contest->map);
    map[0].column = "map";
    map[1] = parcel_contender("parcel list", &contest->list);
    map[1].column = "list";
}

void new_contest(struct contest *contest, struct pair *pairs, size_t count)
{
    const struct peer *peers[MOST_PEERS];
    int last = spin_pair(pairs[count - 1]);
    *contest = (struct contest){.count = count,
                                .n_peers = find_peers(peers),
                                .raw = new_raw_calls(spin, pairs, count),
                                .calls = new_spin_list(pairs, count)};
    contest->list = (struct run){contest->calls, {.n_jobs = BENCH_WORKERS}, last, false, 0};
    contest->map = contest->list;
    contest->mapped = *parcel_map(spin_pair, pairs, count);
    contest->map.calls = &contest->mapped;
    contest->serial = (struct peer_run){NULL, contest->raw, count};
    contest->contenders[0] = serial_contender(&contest->serial);
    for (size_t i = 0; i < contest->n_peers; i++) {
        contest->runs[i] = contest->serial;
        shown(contest)[i] = peer_contender(peers[i], &contest->runs[i]);
    }
    add_parcel(contest);
}

void free_contest(struct contest *contest)
{
    parcel_calls_free(contest->calls);
    free(contest->raw);
}

static bool is_among(const char *const *names, const char *name)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

void keep_peers(struct contest *contest, const char *const *names)
{
    struct bench_contender *peers = shown(contest);
    size_t kept = 0;
    for (size_t i = 0; i < contest->n_peers; i++)
        if (is_among(names, peers[i].name))
            peers[kept++] = peers[i];
    contest->n_peers = kept;
    add_parcel(contest);
}

void contest_heading(const char *question, const char *first, const char *const *names)
{
    struct contest contest;
    struct pair none = {0};
    new_contest(&contest, &none, 1);
    if (names)
        keep_peers(&contest, names);
    bench_matrix_heading(question, first, shown(&contest), n_shown(&contest));
    free_contest(&contest);
}

/* ---- efficiency ---- */

/* The longest of the calls as a part of all of them, by their steps. */
static double longest_part(const struct contest *contest)
{
    double longest = 0, sum = 0;
    for (size_t i = 0; i < contest->count; i++) {
        sum += contest->raw[i].first;
        if (contest->raw[i].first > longest)
            longest = contest->raw[i].first;
    }
    return longest / sum;
}

static double least_part(const struct contest *contest)
{
    double longest = longest_part(contest), share = 1.0 / (double)BENCH_WORKERS;
    return longest > share ? longest : share;
}

void turn_into_efficiencies(const struct bench *bench, const struct bench_contender *serial,
                            struct bench_contender *contenders, size_t count, double least)
{
    for (size_t i = 0; i < count; i++)
        for (int round = 0; round < bench->rounds; round++)
            contenders[i].samples[round] =
                least * serial->samples[round] / contenders[i].samples[round];
}

static void print_line(struct bench *bench, const char *name, struct contest *contest,
                       const char *unit, double floor)
{
    const struct bench_contender *contenders = shown(contest);
    bench_print_line(bench,
                     &(struct bench_line){name, contenders, n_shown(contest), contest->n_peers,
                                          &contenders[contest->n_peers + 1], floor, unit});
}

void ask_contest(struct bench *bench, const char *name, struct contest *contest, double floor)
{
    bench_rounds(bench, contest->contenders, n_shown(contest) + 1);
    turn_into_efficiencies(bench, &contest->contenders[0], shown(contest), n_shown(contest),
                           least_part(contest));
    print_line(bench, name, contest, "efficiency", floor);
}

static double least_median(const struct bench *bench, struct contest *contest)
{
    double least = bench_median(bench, shown(contest));
    for (size_t i = 1; i < n_shown(contest); i++) {
        double median = bench_median(bench, &shown(contest)[i]);
        least = median < least ? median : least;
    }
    return least;
}

void ask_against_best(struct bench *bench, const char *name, struct contest *contest)
{
    bench_rounds(bench, shown(contest), n_shown(contest));
    double least = least_median(bench, contest);
    for (size_t i = 0; i < n_shown(contest); i++)
        for (int round = 0; round < bench->rounds; round++)
            shown(contest)[i].samples[round] = least / shown(contest)[i].samples[round];
    print_line(bench, name, contest, "of the best", 0);
}
