/*
 * function.h: what a delayed call is made of, for who makes one without DELAYED; and what a call
 * finds around it. parcel.h includes it.
 */
#ifndef PARCEL_H
#include <parcel.h>
#elif !defined PARCEL_FUNCTION_H
#define PARCEL_FUNCTION_H

#ifdef __cplusplus
extern "C" {
#endif

enum { PARCEL_MAX_PARAMETERS = 10, PARCEL_MAX_ARGUMENT_BYTES = 240 };

/* One parameter of a delayed function, or its result. */
typedef struct parcel_parameter {
    unsigned kind;    /* parcel_kind */
    unsigned size;    /* bytes */
    unsigned offset;  /* bytes from the start of the arguments; for a result, its alignment */
    const char *type; /* as it is written in DELAYED */
} parcel_parameter;

/* What a worker and the loops that DELAYED makes share of a running call. */
typedef struct parcel_running {
    size_t index;    /* the call's number; written before each call */
    unsigned events; /* atomic; when it is not 0, the loop ends after the call that runs */
} parcel_running;

/* Calls of one function that lie side by side. Since 0.1. */
typedef struct parcel_stretch {
    const unsigned char *arguments; /* of the first */
    size_t stride;                  /* bytes from one call's arguments to the next's */
    unsigned char *results;         /* where the first result goes */
    size_t result_stride;
    size_t first; /* the first call's number */
    size_t count; /* at least 1 */
} parcel_stretch;

/* A function that can be delayed. DELAYED makes one; C++ and others may fill one by hand (all of
 * it constant, with static storage). thunk calls the function with the arguments at their
 * offsets and writes the result, if there is one. A result that is void is
 * {PARCEL_NONE, 0, 1, "void"}. */
typedef struct parcel_function {
    unsigned size;         /* sizeof(parcel_function) */
    unsigned n_parameters; /* at most PARCEL_MAX_PARAMETERS */
    const char *name;
    void (*address)(void); /* with the name, the function's identity */
    void (*thunk)(const void *arguments, void *result);
    const parcel_parameter *parameters;
    unsigned argument_bytes;     /* at most PARCEL_MAX_ARGUMENT_BYTES */
    unsigned argument_alignment; /* at most 16 */
    parcel_parameter result;
    /* Calls the function for one call of the stretch after the other, as thunk does, until
     * running->events is not 0. Returns how many ran. NULL: the library does it with thunk. */
    size_t (*loop)(const parcel_stretch *stretch, parcel_running *running);
} parcel_function;

/* A call that has not happened yet: a function and its boxed arguments, by value. It borrows the
 * strings and arrays that its arguments point at. Made by delayed(f)(...), by
 * parcel_call_from_values, or by hand: function is set, and each argument copied to its offset in
 * arguments, as a value of its type. Since 0.1. */
typedef struct parcel_call {
    const parcel_function *function;
    void *parcel__reserved; /* keeps the arguments aligned to 16 bytes */
    unsigned char arguments[PARCEL_MAX_ARGUMENT_BYTES];
} __attribute__((aligned(16))) parcel_call;

/* A list of calls, an array that a function is mapped over, or calls that are generated while they
 * run. Its members are private: they stand here for the inline add and for parcel_map. */
typedef struct parcel_calls {
    unsigned char *parcel__next;             /* where the next record goes */
    size_t parcel__room;                     /* records that still fit there */
    const parcel_function *parcel__repeated; /* a call of this one needs no more than a copy */
    size_t parcel__stride;                   /* bytes from a record to the next */
    size_t parcel__count;
    size_t parcel__argument_offset;
    void *parcel__list;                    /* a list's memory, else NULL */
    const parcel_function *parcel__mapped; /* a map's function, else NULL */
    const void *parcel__elements;          /* a map's array; borrowed */
    void *parcel__generator;               /* what generates the calls, else NULL */
    void *parcel__reserved[5];
    /* Runs of this list now; atomic, written by each run, and so apart from what workers read. */
    long parcel__running;
} parcel_calls;

bool parcel__calls_add(parcel_calls *calls, const parcel_call *call);

static __inline__ bool parcel__calls_put(parcel_calls *calls, const parcel_call *call)
{
    unsigned char *record;
    unsigned char *arguments;
    size_t argument_bytes;
    size_t i;
    if (!calls || calls->parcel__repeated != call->function || calls->parcel__room == 0 ||
        __atomic_load_n(&calls->parcel__running, __ATOMIC_RELAXED) != 0)
        return parcel__calls_add(calls, call);
    record = calls->parcel__next;
    arguments = record + calls->parcel__argument_offset;
    argument_bytes = call->function->argument_bytes;
    memcpy(record, &call->function, sizeof call->function);
    /* Records are multiples of 16 bytes, so whole words fit: a memcpy would be a call. */
    for (i = 0; i < argument_bytes; i += 8)
        memcpy(arguments + i, call->arguments + i, 8);
    calls->parcel__next = record + calls->parcel__stride;
    calls->parcel__room--;
    calls->parcel__count++;
    return true;
}

/* ------------------------------------------------------------------------------------------- *
 * What a call finds around it
 *
 * Each call begins with the floating-point modes (rounding, flush to zero, exceptions that trap)
 * that the thread which calls the run has then, on every backend; on ranks, with rank 0's. Flags
 * stay in the thread that raised them. Regions of OpenMP in a call have its part of the threads,
 * max(cpus, n_jobs) / workers, unless the call says how many it wants: omp_set_num_threads(4) in a
 * call gives 4 on every backend. What a call changes of its modes and of these settings the next
 * one does not see, and the caller has its own again behind the run; but calls that share a batch
 * and take less than 1 us, or have .timing = PARCEL_NO, should put back what they change, and so
 * should those that change OpenMP's dynamic threads or levels and not the number of threads.
 * OMP_DYNAMIC is for regions in calls, and no more than that: the run has the workers that it asks
 * for. Under LLVM's libomp, which would abort there, it is not for calls of several workers. Where
 * the OpenMP runtime gives fewer threads (OMP_THREAD_LIMIT, OMP_MAX_ACTIVE_LEVELS)
 * parcel_results_workers says how many there were, and a warning tells.
 *
 * Worker threads have the stack size that OMP_STACKSIZE says, else that of ulimit -s, and where
 * that is unlimited 2 MB under libgomp, which is a warning of the run: OMP_STACKSIZE=64M. They keep
 * errno and threadprivate data from one run to the next. A C++ exception must not leave a call.
 * Threads sleep after some milliseconds without work, and the kernel may wake them on the caller's
 * cpu, where they wait until it is free: a region of OpenMP then takes up to 8 ms more. A run whose
 * thread had none for 2 ms makes way for them and moves them, which leaves some 0.2 ms;
 * OMP_PROC_BIND=true spares that, OMP_WAIT_POLICY=active also their waking.
 *
 * A process that the program forks may run whatever its parent did, or does in other threads: with
 * several threads under libgomp on a new one of its own, so that the thread that runs is none of
 * the workers. Executors, lists and results it has as copies; a stream it inherits is at its end,
 * with an error that says so. A process that a call forks ends when it returns from the call, with
 * status 1 and nothing flushed, unless the run has one worker only.
 *
 * A pthread_cancel of a thread that runs, pulls or closes something, or of a worker, acts when that
 * has returned. A call must not leave by pthread_exit or longjmp: in a process it is then lost like
 * one that exits (behind a longjmp the process goes on with a copy of the program until that ends);
 * in a thread the run may never end.
 * ------------------------------------------------------------------------------------------- */

/* ------------------------------------------------------------------------------------------- *
 * Calls without macros
 * ------------------------------------------------------------------------------------------- */

/* Boxes a call from values. Number and types of the arguments are checked, and converted where
 * nothing is lost (3 to double, 3.0 to int, 1 to bool, None to a NULL string). A mismatch returns
 * false and writes a sentence that names the function, the position, what is expected and what
 * is given into error (at most error_size bytes; NULL and 0 to go without).
 * call: written. function: borrowed for as long as the call lives. arguments: strings, bytes and
 * arrays are borrowed until the call is added to a list. Threads: any. Since 0.1. */
bool parcel_call_from_values(parcel_call *call, const parcel_function *function,
                             const parcel_value *arguments, size_t count, char *error,
                             size_t error_size);

#ifdef __cplusplus
}
#endif

#endif
