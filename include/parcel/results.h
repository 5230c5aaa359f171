/*
 * results.h: what there is to know of each call and of the run, and streams of results. parcel.h
 * includes it, and has what most programs need.
 *
 * As there: an index out of range and NULL results are harmless. Reading functions: Threads: any.
 * Since 0.1. Strings and what values point at are borrowed from the results.
 */
#ifndef PARCEL_H
#include <parcel.h>
#elif !defined PARCEL_RESULTS_H
#define PARCEL_RESULTS_H

#ifdef __cplusplus
extern "C" {
#endif

/* What there is to know of one call, as the functions of these names say. message is borrowed from
 * the result. */
typedef struct parcel_record {
    size_t index;
    parcel_status status;
    const char *message;
    double start;
    double duration;
    int worker;
    bool estimated;
    int attempts;
    int pid; /* of the process that ran it; -1 when it did not run */
    int rank;
    const char *host; /* borrowed from the result */
} parcel_record;

/* What a run gives back. */
typedef struct parcel_results parcel_results;

/* ---- each call ---- */

/* Seconds from the start of the run to the start of the call; NaN when it did not run. */
double parcel_results_start(const parcel_results *results, size_t index);

/* True when start and duration are the call's share of its batch's measured time. */
bool parcel_results_estimated(const parcel_results *results, size_t index);

/* The worker that ran the call, from 0; -1 when it did not run. */
int parcel_results_worker(const parcel_results *results, size_t index);

/* The process that ran the call, or last tried to; -1 when it did not run. */
int parcel_results_pid(const parcel_results *results, size_t index);

/* The rank that ran the call: 0 where one process runs all; -1 when it did not run. */
int parcel_results_rank(const parcel_results *results, size_t index);

/* The name of the host where the call ran; NULL when it did not run. */
const char *parcel_results_host(const parcel_results *results, size_t index);

/* How often the call was tried (see retries); 0 when it did not run. */
int parcel_results_attempts(const parcel_results *results, size_t index);

/* All of these of one call at once. record: written; its message and host are borrowed from the
 * results. False: no such call, or its record was not kept (a stream's, on another rank), and
 * *record then tells of a call that did not run, or record is NULL. */
bool parcel_results_record(const parcel_results *results, size_t index, parcel_record *record);

/* ---- the run ---- */

/* The workers of the run: of threads as many as the OpenMP runtime gave. */
int parcel_results_workers(const parcel_results *results);

/* The name of the backend that ran the calls; "" when none did. */
const char *parcel_results_backend(const parcel_results *results);

/* Seconds from the start of the run to its end. */
double parcel_results_wall_time(const parcel_results *results);

/* Seconds, the sum of all calls' durations, what they waited for a cpu included. */
double parcel_results_total_time(const parcel_results *results);

/* (total time - waited) / wall time: how many cpus worked for the calls; NaN when nothing ran.
 * waited: what workers waited for a cpu while they had one of the calls, as where there are more
 * workers than cpus, or other programs. Linux tells it (/proc/thread-self/schedstat), and each
 * worker's is right to some milliseconds; elsewhere it counts as 0, and the summary says "workers
 * busy" instead. A call that sleeps waits for no cpu. */
double parcel_results_speedup(const parcel_results *results);

/* speed-up / workers; NaN when nothing ran. */
double parcel_results_efficiency(const parcel_results *results);

/* The index of the call that took longest; SIZE_MAX when nothing ran. */
size_t parcel_results_slowest(const parcel_results *results);

/* ---- streams ---- */

/* One result of a stream. */
typedef struct parcel_result {
    size_t index;
    parcel_value value;   /* None for a call without one */
    parcel_record record; /* record.index is index */
    void *parcel__hold;
} parcel_result;

/* Waits for the next result of a run with .return_as = PARCEL_GENERATOR (in order) or
 * PARCEL_GENERATOR_UNORDERED (as the calls complete), while the workers go on:
 *
 *     while (parcel_results_next(results, &result)) {
 *         ... result.index, result.value, result.record ...
 *         parcel_result_free(&result);
 *     }
 *     if (parcel_results_error(results)) ...
 *
 * Calls that did not run because the run stopped are passed over. result: written, new (free with
 * parcel_result_free, before or after the stream). False: the end, and *result is empty; only
 * then error, failures and times are those of the run. False also for results that are no stream
 * and inside the stream's own calls. Threads: one at a time per stream. Since 0.1. */
bool parcel_results_next(parcel_results *results, parcel_result *result);

/* Frees what the result holds, and empties it; an empty one is harmless. Threads: any, one at a
 * time per result. Since 0.1. */
void parcel_result_free(parcel_result *result);

/* Ends a stream early: nothing new starts, and the calls that run are waited for. Says how many
 * results were taken, how many waited in vain, and how many calls did not run (of a generator:
 * of those it gave); each number may be NULL. If not all were taken, one sentence with these
 * numbers is among the warnings. parcel_results_free does it unasked. The calls must live until
 * a stream has ended. False for results that are no stream. Threads: one at a time per stream, but
 * none of its own calls. Since 0.1. */
bool parcel_results_close(parcel_results *results, size_t *used, size_t *unused, size_t *cancelled);

/* ---- for the macros ---- */

const void *parcel__results_get(const parcel_results *results, size_t index, parcel_kind kind,
                                size_t size, void *scratch);
bool parcel__results_holds(const parcel_results *results, size_t index, parcel_kind kind,
                           size_t size);
size_t parcel__results_get_all(const parcel_results *results, void *array, size_t count,
                               parcel_kind kind, size_t size);
#ifdef __cplusplus
}
#endif

#endif
