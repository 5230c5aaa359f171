/* run.h: a run of a plan on a team. */
#ifndef PARCEL__RUN_H
#define PARCEL__RUN_H

#include "calls/calls.h"
#include "run/team.h"
#include "stream/stream.h"
#include "watchers/progress.h"

/* The results of the stream that is pulled from a team, or NULL; release when it ends, acquire
 * before the team is used otherwise. */
typedef _Atomic(parcel_results *) parcel__streaming;

/* What a run that is one process's part of a larger one leaves to who connects the parts. */
struct parcel__run_part_functions {
    /* Gives the options of a stream, before it is opened, what concerns the other parts. */
    void (*prepare)(void *state, struct parcel__stream_options *options);

    /* The stream has its part between the two. */
    void (*begin)(void *state, struct parcel__stream *stream);
    void (*end)(void *state);

    /* A stream that is pulled is over. */
    void (*conclude)(void *state, parcel_results *ending);
};

struct parcel__run_part {
    size_t count;                     /* calls of the larger run */
    struct parcel__floating floating; /* the modes that they begin with */
    int first_worker;                 /* the number of this part's first */
    double start;                     /* when all parts were told to begin, by the clock */
    bool catches_signals;             /* since this process came to the run, */
    unsigned signals_before;          /* when there had been so many */
    const struct parcel__run_part_functions *functions;
    void *state; /* NULL: it is no part */
};

struct parcel__run {
    const struct parcel__plan *plan;
    const struct parcel__team *team;
    const parcel_calls *calls;
    parcel_results *results;
    int n_jobs;    /* workers that it might have in this process, */
    int n_workers; /* and that it has */
    struct parcel__progress progress;
    struct parcel__watcher watchers[2]; /* all that there are, and an empty one */
    struct parcel__control control;
    struct parcel__state_set *states; /* of the workers; NULL: they have none */
    parcel__streaming *streaming;     /* of a team that is kept, or NULL */

    struct parcel__run_part part; /* all 0 when it is no part of a larger run */
};

extern const char parcel__run_already_streaming[];

/* NULL when the calls can be run now, which uses a generator up; else why not. Without a plan, by
 * one that is not known. */
const char *parcel__run_check(const struct parcel__plan *plan, const parcel_calls *calls);

/* False: the calls cannot go to the team's workers, which do not share our memory, as why
 * says. Generated calls are looked at one by one as they come. */
bool parcel__run_check_pointers(const struct parcel__run *run, struct parcel__text *why);

/* New results for a run, which may have n_jobs workers. NULL: out of memory. */
parcel_results *parcel__run_new_results(const struct parcel__plan *plan,
                                        const struct parcel__team *team, const parcel_calls *calls,
                                        int n_jobs);

/* New results of a run that control has stopped before it began; the error is taken. */
parcel_results *parcel__run_cancel(const struct parcel__control *control,
                                   struct parcel__text *error, const parcel_calls *calls);

/* Results that report the error, which is taken. */
parcel_results *parcel__run_refuse(struct parcel__text *error, const parcel_calls *calls);

/* Runs the calls into the run's results, or starts to. NULL, or why not. */
const char *parcel__run_execute(struct parcel__run *run);

/* ---- its steps, for a part that another process leads ---- */

/* Opens what stops the run, inside of the call around it or of none. False: out of memory; it is to
 * be closed all the same. */
bool parcel__run_open_control(struct parcel__run *run, const parcel_current_call *around);
void parcel__run_close_control(struct parcel__run *run);

struct parcel__stream_options parcel__run_stream_options(struct parcel__run *run);

/* Runs a job of the run, which is the context, on the team. */
void parcel__run_on_team(void *run, struct parcel_job *job);

#endif
