/* results.h: the records of a run, by index. */
#ifndef PARCEL__RESULTS_H
#define PARCEL__RESULTS_H

#include <parcel.h>

#include "ground/memory.h"
#include "ground/text.h"
#include "results/firsts.h"
#include "results/hosts.h"
#include "results/tally.h"

/* When and where a call ran. Calls that share their batch's time share the record of the first of
 * them, with their mean duration; see parcel__results_mark. */
struct parcel__record {
    double start; /* seconds from the start of the run */
    union {
        double duration; /* seconds */
        size_t n_held;   /* of the first call of a batch that a backend holds: calls in it */
    };
    int worker;
    int pid; /* of the process that ran it; 0: the one that made the results */
};

/*
 * While the run lasts, what belongs to a call is written by the worker that runs it, and nothing
 * by two; the rest is written by the run's own thread before the workers start and after they are
 * joined. Afterwards all is constant.
 */
struct parcel_results {
    size_t count;
    size_t capacity; /* of results that grow; else 0 */
    size_t slot_size;
    unsigned char *slots;                /* values; for a call without one, its message */
    struct parcel__record *records;      /* where the mark says that a record stands */
    struct parcel__record *long_records; /* one for each 32 calls, so that they lie close */
    unsigned char *marks;              /* one for each call: its parcel_status and the bits below */
    struct parcel__firsts firsts;      /* of the marks */
    const parcel_function *function;   /* of all calls, or NULL when they differ */
    const parcel_function **functions; /* one for each call, or NULL */
    struct parcel__block memory;       /* of all but records, and of few records too */
    struct parcel__block record_memory; /* of many records */
    int pid;                            /* of the process that made them */
    int n_arenas;
    int n_workers;
    int n_absent; /* planned ones that the backend had no thread for */
    const char *backend;
    bool are_elsewhere; /* rank 0 has them */
    char *error;        /* NULL, static text, or owned when owns_error */
    bool owns_error;
    char *warnings;
    struct parcel__block attempt_memory;
    int *attempts;             /* of each call; NULL: one of each that ran */
    bool keeps_attempts;       /* results that grow will have them */
    const char *why_not_run;   /* if so, calls that are NOT_RUN count as CANCELLED, with this */
    struct parcel__tally sums; /* of all calls that ran or were lost */
    double wall_time;
    struct parcel__hosts *hosts;   /* where the workers were; NULL: in this process */
    struct parcel__pull *pulled;   /* the stream that is pulled, or NULL */
    struct parcel__arena arenas[]; /* one for each worker: what slots point at */
};

enum {
    PARCEL__MARK_STATUS = 0x0F,
    PARCEL__MARK_FIRST = 0x10,  /* the record at this index is this call's */
    PARCEL__MARK_SHARED = 0x20, /* the record at the nearest FIRST before is shared */
    PARCEL__MARK_HANDED = 0x40, /* the first of a batch that a backend holds; its record counts */
    PARCEL__MARK_LONG = 0x80,   /* beside FIRST: the record is among the long ones */
    PARCEL__LONG_SHIFT = 5      /* no two stretches of 32 and more calls start within 32 */
};

/* New results for the calls, all NOT_RUN, or NULL when memory ran out. */
parcel_results *parcel__results_new(const parcel_calls *calls, int n_workers);

/* New results of a run that keeps nothing of its calls, or gets to know them as it goes. */
parcel_results *parcel__results_new_empty(int n_workers);

/* Makes results, as they are or with what they were before forgotten, ready for count calls from
 * first on, all NOT_RUN. What they gave memory of must have been released. False: out of memory. */
bool parcel__results_prepare(parcel_results *results, const parcel_calls *calls, size_t first,
                             size_t count);

/* Frees what calls allocated themselves and gave us: of one call, and of all. */
void parcel__results_release(parcel_results *results, size_t index);
void parcel__results_release_all(parcel_results *results);

/* A walk through all calls in order. Zero at its start. */
struct parcel__walk {
    parcel_record record; /* of the call that was read last */
    size_t first;         /* the call whose record that is, */
    double start;         /* and its start */
};

/* Reads the next call, and that is its index, into the walk's record. */
void parcel__results_walk(const parcel_results *results, size_t index, struct parcel__walk *walk);

/* The record of one call, with a start of its own when it is shared. False: there is none. Before
 * the marks are constant only calls whose own mark is FIRST may be asked for. */
bool parcel__results_record(const parcel_results *results, size_t index,
                            struct parcel__record *record);

/* Where the record of a call that is marked FIRST stands. */
static inline struct parcel__record *parcel__results_record_at(const parcel_results *results,
                                                               size_t first)
{
    return results->marks[first] & PARCEL__MARK_LONG
               ? &results->long_records[first >> PARCEL__LONG_SHIFT]
               : &results->records[first];
}

/* True when the call's slot has what it returned. */
static inline bool parcel__results_has_value(const parcel_results *results, size_t index)
{
    return (results->marks[index] & PARCEL__MARK_STATUS) == PARCEL_OK;
}

/* The function of one call. */
const parcel_function *parcel__results_function(const parcel_results *results, size_t index);

/* The lowest index whose call failed, timed out or was lost; there is one. */
size_t parcel__results_first_failure(const parcel_results *results);

/* Makes room for calls up to that count whose results are of the part's kind; before they run, so
 * that none is lost that is there. False: out of memory. */
bool parcel__results_reserve(parcel_results *results, size_t count, const parcel_results *part);

/* Moves the records of a part, whose slots point at what these results own, to the indices from
 * first on, for which there is room. Then makes the part empty. */
void parcel__results_place(parcel_results *results, size_t first, parcel_results *part);

/* Adds calls that were not run, up to that count. False: out of memory. */
bool parcel__results_extend(parcel_results *results, size_t count);

/* parcel_results_free, of results that are no stream. */
void parcel__results_free(parcel_results *results);

/* New results without records, which report the error (copied); never NULL. */
parcel_results *parcel__results_of_error(const char *error, size_t count);

/* Marks calls as run, with one record: count > 1 shares its time evenly. */
void parcel__results_mark(parcel_results *results, size_t first, size_t count, parcel_status status,
                          struct parcel__record record);

/* The same, where the duration is that of each call; is_shared: it is a mean, as it must be of more
 * than one. */
void parcel__results_mark_each(parcel_results *results, size_t first, size_t count,
                               parcel_status status, bool is_shared, struct parcel__record record);

/* Notes that a backend holds a batch, so that one which it forgets is found. */
void parcel__results_hand_out(parcel_results *results, size_t first, size_t count);

/* Removes that note. Returns the batch's count, or 0 when no batch that is held starts here. */
size_t parcel__results_take_back(parcel_results *results, size_t first);

/* Marks one call as failed or lost, with its message (kept: from an arena of these results). */
void parcel__results_fail(parcel_results *results, size_t index, parcel_status status,
                          const char *message);

/* Keeps how often each call was tried. False when memory ran out. */
bool parcel__results_keep_attempts(parcel_results *results);
void parcel__results_note_attempts(parcel_results *results, size_t index, int attempts);

/* Frees what the call allocated itself and gave us: a char * or an array's data. */
void parcel__results_free_taken(const parcel_results *results, size_t index);

/* Lets the records tell where their workers were. hosts: held; NULL: in this process. */
void parcel__results_set_hosts(parcel_results *results, struct parcel__hosts *hosts);

/* The error of the run, taken. The first holds; a later one is freed. */
void parcel__results_set_error(parcel_results *results, char *error);

/* Adds to the warnings, and frees the text: sentences, each with a newline behind it. */
void parcel__results_warn(parcel_results *results, struct parcel__text *sentences);

/* Says that so many workers have fewer cpus, if they do. */
void parcel__results_put_sharing(struct parcel__text *text, int n_workers);

/* Counts the workers that there were, where some were absent, and says so among the warnings. */
void parcel__results_tell_absent(parcel_results *results);

/* Copies the run's sums out of other results: failures, times, the slowest call, absent workers. */
void parcel__results_copy_sums(parcel_results *results, const parcel_results *of);

/* Writes what became of a run, which is taken out of other results. */
void parcel__results_take_ending(parcel_results *results, parcel_results *ending);

#endif
