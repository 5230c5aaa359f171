/*
 * contest.h: the same calls of spin by every peer and by Parcel.
 *
 * Efficiency is the least time that two workers can take, max(serial / 2, the longest call), over
 * the time they took; 1 is perfect.
 */
#ifndef BENCH_CONTEST_H
#define BENCH_CONTEST_H

#include "peers.h"
#include "report.h"
#include "runs.h"

/* The serial loop comes first, then the peers, then Parcel's map and its list, which is judged. */
struct contest {
    size_t count, n_peers;
    struct raw_call *raw;
    parcel_calls *calls;
    parcel_calls mapped; /* what parcel_map makes lives no longer than its block */
    struct run list, map;
    struct peer_run serial, runs[MOST_PEERS];
    struct bench_contender contenders[MOST_PEERS + 3];
};

enum { CONTEST_MOST_CALLS = 1 << 20 };

/* Fills in the contenders over these calls, which are borrowed. Free with free_contest. */
void new_contest(struct contest *contest, struct pair *pairs, size_t count);
void free_contest(struct contest *contest);

/* Takes the peers out that are not in the list, which NULL ends. */
void keep_peers(struct contest *contest, const char *const *names);

/* The contenders of a matrix: all but the serial loop. */
struct bench_contender *shown(struct contest *contest);
size_t n_shown(const struct contest *contest);

/* Prints a matrix's heading. */
void contest_heading(const char *question, const char *first, const char *const *names);

/* Measures, turns seconds into efficiencies, and prints the line; the list is held to the floor. */
void ask_contest(struct bench *bench, const char *name, struct contest *contest, double floor);

/* The same without a serial loop: figures are parts of the best contender's speed. */
void ask_against_best(struct bench *bench, const char *name, struct contest *contest);

/* Turns the rounds' seconds into efficiencies. least: what part of the serial loop's time the work
 * takes at least. */
void turn_into_efficiencies(const struct bench *bench, const struct bench_contender *serial,
                            struct bench_contender *contenders, size_t count, double least);

/* Memory for calls. */
struct pair *new_pairs(size_t count);

#endif
