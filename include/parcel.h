/*
 * parcel.h: a loop of independent calls in one line, on OpenMP.
 *
 *     DELAYED(double, simulate, int, double);          // at file scope
 *
 *     parcel_calls *calls = parcel_calls_new();
 *     for (int i = 0; i < n; i++)
 *         parcel_calls_add(calls, delayed(simulate)(i, 0.5));
 *     parcel_results *results = Parallel(.n_jobs = -1)(calls);
 *
 * is the parallel form of this loop, with a record of each call beside its value:
 *
 *     for (int i = 0; i < n; i++)
 *         value[i] = simulate(i, 0.5);
 *
 * Contents, from the first day on: errors, delayed calls, running them, results, inside a call,
 * executors, other processes and hosts, and the macros. This header includes what is only needed
 * later, and nobody else has to: all options (parcel/options.h), all that results tell
 * (parcel/results.h), calls without macros and what a call finds around it (parcel/function.h),
 * boxed values (parcel/value.h). A backend of your own: parcel/backend.h. The ranks of an MPI job:
 * parcel_mpi.h. Manuals: parcel(3), parcel-processes(7), parcel-mpi(7).
 *
 * Words with one meaning: "borrowed" is read and must outlive what is said; "copied" may go at
 * once; "taken" is freed by Parcel; "new" is freed by you, with the function that is named.
 * "Threads: any" says that any number of threads may call it at once.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef PARCEL_H
#define PARCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <parcel/value.h>

#define PARCEL_VERSION_MAJOR 0
#define PARCEL_VERSION_MINOR 1
#define PARCEL_VERSION_PATCH 0
/* True when this header is at least the version given. */
#define PARCEL_VERSION_AT_LEAST(major, minor, patch) \
    (PARCEL_VERSION_MAJOR * 1000000 + PARCEL_VERSION_MINOR * 1000 + PARCEL_VERSION_PATCH >= \
     (major)*1000000 + (minor)*1000 + (patch))

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that runs, as "0.1.0". Threads: any. Since 0.1. */
const char *parcel_version(void);

/* ------------------------------------------------------------------------------------------- *
 * Errors
 *
 * Nothing here prints, exits, aborts or installs a signal handler unasked. A run always returns
 * results; what went wrong is parcel_results_error(results), one sentence, or NULL. Functions
 * that build something return NULL or false when they could not; NULL in a pointer parameter is
 * a mistake that is reported so, and never a crash. Freeing NULL does nothing.
 * ------------------------------------------------------------------------------------------- */

/* What became of a call. */
typedef enum parcel_status {
    PARCEL_NOT_RUN = 0, /* never handed out, because a call failed before; or no such call */
    PARCEL_OK,
    PARCEL_FAILED,    /* it called parcel_fail */
    PARCEL_CANCELLED, /* never handed out, because the run was stopped; its message says why */
    PARCEL_TIMED_OUT, /* it overran its time limit */
    PARCEL_LOST       /* its worker or its backend lost it */
} parcel_status;

/* ------------------------------------------------------------------------------------------- *
 * Delayed calls
 * ------------------------------------------------------------------------------------------- */

/* One parameter, a function that can be delayed, a call that has not happened yet, and a list of
 * calls: DELAYED(R, f, A, B), delayed(f)(a, b) and parcel_calls_new make them. */
#include <parcel/function.h>

/* A new, empty list (free with parcel_calls_free), or NULL when memory ran out.
 * Threads: any. Since 0.1. */
parcel_calls *parcel_calls_new(void);

/* Frees the list and its copies. Not while it runs. Threads: one at a time. Since 0.1. */
void parcel_calls_free(parcel_calls *calls);

/* The number of calls; 0 when they are generated. Threads: any, while nobody adds. Since 0.1. */
size_t parcel_calls_count(const parcel_calls *calls);

/* Why an earlier add was refused (memory ran out; the list was running), or NULL. A run of the
 * list reports it too, and then runs nothing: a sweep with holes is no sweep.
 * Borrowed from the list. Threads: any, while nobody adds. Since 0.1. */
const char *parcel_calls_error(const parcel_calls *calls);

/* Adds a call to a list: the call is copied, its strings included (what a parcel_array or a
 * pointer points at is borrowed until the run ends). Returns false when memory ran out, when
 * calls is NULL or a map, or while the list runs; the list is then as it was, with its error set.
 * Threads: one at a time per list. Since 0.1. */
static __inline__ bool parcel_calls_add(parcel_calls *calls, parcel_call call)
{
    return parcel__calls_put(calls, &call);
}

/* ------------------------------------------------------------------------------------------- *
 * Running
 * ------------------------------------------------------------------------------------------- */

/* One call's record, and all that results tell; and the options of a run: n_jobs, verbose,
 * batch_size, on_error, backend, return_as, on_result, timeouts, retries, ... What is 0 or NULL is
 * not set. */
#include <parcel/results.h>
#include <parcel/options.h>

/* Runs the calls and waits for them: the parallel form of
 *
 *     for (size_t i = 0; i < parcel_calls_count(calls); i++)
 *         value[i] = the call i;
 *
 * Results stand in the order of the calls, whatever ran first. The calls run in any order and in
 * several threads; with n_jobs = 1 in order, in the calling thread. A call that calls parcel_fail
 * stops the handing out (on_error) but never loses what was finished.
 * options: borrowed; NULL for every default. calls: borrowed; several threads may run one list at
 * once. Returns new results (free with parcel_results_free), never NULL.
 * Errors: in parcel_results_error. Threads: any, also inside a call: a nested run shares its
 * call's part of the workers. A run with one worker (n_jobs = 1, or the sequential backend) is
 * transparent: runs inside its calls have what they would have in its place. Since 0.1. What a call
 * finds around it: parcel/function.h. */
parcel_results *parcel_run(const parcel_options *options, const parcel_calls *calls);

/* ---- calls that are generated while they run ---- */

/* What a generator says of the call that it was asked for. */
typedef enum parcel_next_status {
    PARCEL_NEXT_CALL = 1, /* it is written */
    PARCEL_NEXT_END = 2,  /* there is none: all calls were given */
    PARCEL_NEXT_ERROR = 3 /* there may be more, but they cannot be had */
} parcel_next_status;

/* Writes the next call: *call = delayed(f)(a, b). What it points at is copied before the generator
 * is asked again (what a parcel_array or a pointer points at is borrowed until the call has run).
 * The message of an error is that of a parcel_fail before. It is asked by one thread at a time,
 * but by any worker's thread; on ranks see parcel_on_result. It may wait, and the calls that it
 * gave run meanwhile; for the result of one of them it may wait only with .batch_size = 1. */
typedef parcel_next_status parcel_next(void *state, parcel_call *call);

/* New calls (free with parcel_calls_free) that are generated while they run: the parallel form of
 *
 *     while (next(state, &call) == PARCEL_NEXT_CALL)
 *         run the call;
 *
 * Any number of calls needs no more memory than a window of them, with .on_result or a stream. An
 * error ends the run, which reports it. A generator is run once: another run of it is an error.
 * state: borrowed, given to next. NULL when next is NULL or memory ran out.
 * Threads: any. Since 0.1. */
parcel_calls *parcel_calls_generate(parcel_next *next, void *state);

/* ------------------------------------------------------------------------------------------- *
 * Results
 *
 * Indices are the calls' numbers, from 0. An index out of range and NULL results are harmless:
 * each function says what it then returns. All reading functions: Threads: any. Since 0.1.
 * Strings and what values point at are borrowed from the results. Results, like lists and
 * executors, borrow the descriptors of the functions that ran: those of a plugin must be done with
 * before it is unloaded. The library itself stays, with the threads of the OpenMP runtime.
 * ------------------------------------------------------------------------------------------- */

/* The number of calls of the run. */
size_t parcel_results_count(const parcel_results *results);

/* NULL when every call that ran succeeded and nobody cancelled the run, else one sentence, as
 * "1 of 10 calls failed; first: call 3, root(-1): root of a negative number: -1" or
 * "cancelled by SIGINT: 12 of 100 calls had run". */
const char *parcel_results_error(const parcel_results *results);

/* The number of calls that failed, timed out or were lost. */
size_t parcel_results_failures(const parcel_results *results);

/* What a user should know (a fallback, a limit), one sentence a line, or NULL. Like an error it
 * ends without a full stop and without a newline. */
const char *parcel_results_warnings(const parcel_results *results);

/* PARCEL_NOT_RUN out of range. */
parcel_status parcel_results_status(const parcel_results *results, size_t index);

/* Why the call failed, was lost or was cancelled, or NULL. */
const char *parcel_results_message(const parcel_results *results, size_t index);

/* The boxed value; None for a call without one. */
parcel_value parcel_results_value(const parcel_results *results, size_t index);

/* Seconds that the call took; NaN when it did not run. Calls of about a microsecond and more have
 * each their own measured time. Shorter ones, which reading a clock would double, share their
 * batch's: see parcel_results_estimated. */
double parcel_results_duration(const parcel_results *results, size_t index);

/* Prints the values as Python prints a list, and a newline: [1, 2.5, 'a', None, <failed: why>].
 * Returns false when a write failed or memory ran out. */
bool parcel_results_print(const parcel_results *results, FILE *file);

/* Prints calls, failures, wall time, total time, speed-up, efficiency, what workers waited for a
 * cpu if it is more than a twentieth of the total time, and the slowest call, one a line. Returns
 * false when a write failed. */
bool parcel_results_print_summary(const parcel_results *results, FILE *file);

/* Frees the results and all that was read from them. Threads: one at a time. */
void parcel_results_free(parcel_results *results);

/* ------------------------------------------------------------------------------------------- *
 * Inside a call
 *
 * These work in the thread that runs the call. For threads that the call starts itself,
 * parcel_current() gives a handle to hand on, and each function has a form that takes it; the
 * handle is valid until the call returns. Threads: any. Since 0.1.
 * ------------------------------------------------------------------------------------------- */

typedef struct parcel_current_call parcel_current_call;

/* The call that runs in this thread, borrowed; NULL outside of any. */
parcel_current_call *parcel_current(void);

/* Marks this call as failed; the message is formatted as printf does, in the program's locale, and
 * copied. The call goes on until it returns; what it returns is ignored, and not freed. The first
 * failure of a call holds. Outside of any call: nothing. */
void parcel_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void parcel_fail_in(parcel_current_call *current, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Stops the run of this call, as when a search has found what it looks for: nothing new is handed
 * out, other running calls are asked to return, and what did not run is PARCEL_CANCELLED. That is
 * no failure, and no error of the run. Outside of any call: nothing. */
void parcel_stop(void);
void parcel_stop_in(parcel_current_call *current);

/* True when the call may as well return early: its run stopped at a failure, a parcel_stop, a
 * cancelled token, a signal, a deadline or a halt of the kind "now", its stream was closed or its
 * on_result wanted no more, it overran its own time, or a
 * call around it is asked the same for one of these reasons. False outside of any call. */
bool parcel_cancelled(void);
bool parcel_cancelled_in(const parcel_current_call *current);

/* The call's number in its run; SIZE_MAX outside of any call. */
size_t parcel_index(void);
size_t parcel_index_in(const parcel_current_call *current);

/* The worker's number in its run, from 0; -1 outside of any call. */
int parcel_worker(void);
int parcel_worker_in(const parcel_current_call *current);

/* What on_worker_start made for this worker, borrowed; NULL without one, and outside of any call.
 */
void *parcel_worker_state(void);
void *parcel_worker_state_in(const parcel_current_call *current);

/* How deep the call is nested: 0 outside of any call, 1 in a call, 2 in a call of its nested run.
 */
int parcel_level(void);
int parcel_level_in(const parcel_current_call *current);

/* ------------------------------------------------------------------------------------------- *
 * Executors: a team and its memory, kept for several runs
 * ------------------------------------------------------------------------------------------- */

typedef struct parcel_executor parcel_executor;

/* Resolves the options once and keeps workers and memory for the runs to come. options: copied;
 * NULL for every default. Returns a new executor (close with parcel_close), never NULL: when
 * something is wrong, each run reports it. Threads: any. Since 0.1. */
parcel_executor *parcel_open(const parcel_options *options);

/* parcel_run with the executor's options, workers and memory. While a stream of the executor is
 * neither at its end nor closed, another run is an error. Threads: any number of threads may run
 * one executor at once. Since 0.1. */
parcel_results *parcel_executor_run(parcel_executor *executor, const parcel_calls *calls);

/* Frees the executor, not its results; its stream is closed. Not while it runs. Since 0.1. */
void parcel_close(parcel_executor *executor);

/* Gives back the memory that is kept between runs (at most 128 MiB). Threads: any. Since 0.1. */
void parcel_trim(void);

/* ------------------------------------------------------------------------------------------- *
 * Other processes and hosts
 *
 * With .backend = "processes" the calls run in worker processes of this machine, which are copies
 * of the program as it was when the first of them was needed. A call that crashes, ends its
 * process, is killed or never returns costs its own record and no more: it is PARCEL_LOST, and its
 * message says how the process ended. What one must know: arguments and results travel, and what a
 * call writes to the program's memory is its worker's own. So a run with a pointer through which a
 * call may write is refused, unless the memory is from parcel_shared_alloc, the parameter is a
 * pointer to const, or .read_only is set. All of it is in parcel-processes(7): what a worker is,
 * crashes, limits, files, locks, signals, children and costs.
 *
 * With .backend = "mpi" the calls run on all ranks of an MPI job, each with workers of its own:
 * threads, or with .isolate processes. The program calls parcel_mpi_init before (parcel_mpi.h).
 * Either each rank makes the same list and comes to the run, or rank 0 makes it and the others call
 * parcel_mpi_serve. Rank 0 has the results, and with .mpi_results all; the options are rank 0's.
 * What a call writes through a pointer is refused likewise. All of it is in parcel-mpi(7).
 * ------------------------------------------------------------------------------------------- */

/* New, zeroed memory (free with parcel_shared_free) that calls in worker processes read and write
 * as those in threads do: they see what the caller wrote, and the caller what they wrote. Workers
 * have what was allocated before they started; a run with a pointer to newer memory starts others.
 * It starts at a page, and takes whole pages: one block for many numbers, not a block for each. Two
 * calls that write one place need the atomics that threads need. NULL when memory ran out. Threads:
 * any. Since 0.1. */
void *parcel_shared_alloc(size_t size);

/* Frees such memory, for worker processes too; anything else is left alone. Not while calls use it.
 * Threads: any. Since 0.1. */
void parcel_shared_free(void *memory);

#ifdef __cplusplus
}
#endif

/* ------------------------------------------------------------------------------------------- *
 * The macros, in C
 * ------------------------------------------------------------------------------------------- */

#ifndef __cplusplus

#include <parcel/delayed.h>

/* parcel_map(f, array, count): one call of f for each element of an array of f's only parameter
 * type; Python's map(delayed(f), array). Borrows the array, allocates nothing, lives in the
 * enclosing block. Equal to
 *
 *     for (size_t i = 0; i < count; i++)
 *         parcel_calls_add(calls, delayed(f)(array[i]));
 *
 * An array of another type, or a function of two, does not compile. Since 0.1. */
#define parcel_map(f, array, count) \
    ((const parcel_calls *)&(parcel_calls){.parcel__count = (count), \
                                           .parcel__mapped = parcel_function_of(f), \
                                           .parcel__running = parcel__ASSERT_ARRAY_OF(array, f), \
                                           .parcel__elements = (array)})

/* parcel_array(pointer, count): the count elements at pointer, borrowed. Since 0.1. */
#define parcel_array(pointer, n) \
    ((parcel_array){.data = (void *)(pointer), \
                    .count = (n), \
                    .kind = parcel__KIND_OF(*(pointer)), \
                    .element_size = sizeof *(pointer)})

/* parcel_get(results, i, type): the value of call i, converted as C converts numbers; for a call
 * without one, or with one that cannot be that type, NaN for floating types, else zero or NULL.
 * parcel_get_or chooses what it is then; parcel_holds tells whether there is one. What a string
 * or an array points at lives as long as the results. Since 0.1. */
#define parcel_get(results, index, type) \
    (*(type const *)parcel__results_get(results, index, parcel__KIND(type), \
                                        sizeof(type) + parcel__ASSERT_KNOWN(type), \
                                        parcel__SCRATCH(type)))
#define parcel_get_or(results, index, type, otherwise) \
    (parcel_holds(results, index, type) ? parcel_get(results, index, type) : (otherwise))
#define parcel_holds(results, index, type) \
    parcel__results_holds(results, index, parcel__KIND(type), sizeof(type))

/* parcel_get_all(results, array, count): parcel_get for the calls 0 to count - 1 into an array.
 * Returns how many of them have a value of that type. Since 0.1. */
#define parcel_get_all(results, array, count) \
    parcel__results_get_all(results, array, count, parcel__KIND_OF(*(array)), sizeof *(array))

/* parcel_parallel(.n_jobs = 4)(calls): parcel_run with the options given, by their names; without
 * any, parcel_parallel()(calls). Parallel is the same, in fewer lines of a compiler's errors.
 * Since 0.1. */
#define parcel_parallel(...) \
    parcel__RUN((parcel_options){.parcel__first = parcel__NAMED(__VA_ARGS__), __VA_ARGS__})
#ifndef PARCEL_NO_SHORT_NAMES
#define Parallel(...) \
    parcel__RUN((parcel_options){.parcel__first = parcel__NAMED(__VA_ARGS__), __VA_ARGS__})
#endif

/* parcel_config_push(.n_jobs = 2): parcel_config_push_options with the options given. Since 0.1. */
#define parcel_config_push(...) \
    parcel_config_push_options( \
        &(parcel_options){.parcel__first = parcel__NAMED(__VA_ARGS__), __VA_ARGS__})

/* From here on gcc shows an error in what a macro has made at the macro's line, in four lines
 * instead of forty. It would also be silent on some that it finds wrong with the values that a
 * macro is given: those that are given some stand above. */
#if defined __GNUC__ && !defined __clang__
#pragma GCC system_header
#endif

/* PARCEL_DELAYED(R, f, A, B, ...), at file scope, once in each file that delays f: makes
 * parcel_delayed(f) and parcel_map(f, ...). R: void, any arithmetic type, char * (allocated with
 * malloc, taken), const char * (copied), a struct (copied), parcel_array (its malloc'ed data is
 * taken), parcel_value (copied, with its content). Parameters, 0 to 10 of them, 240 bytes
 * together: arithmetic types, const char * and char * (copied; a char * is a copy that is private
 * to the call and writable), structs (copied), parcel_array (its data is borrowed), parcel_value,
 * and pointers (borrowed). Without parameters: PARCEL_DELAYED(R, f) or PARCEL_DELAYED(R, f, void).
 *
 * R, A, B, ... are the types of f's own declaration, const and the like aside; others do not
 * compile. long and long long are two types, whatever their size; an enum is also the integer that
 * the compiler takes for it. R may be void where f has a result, and const char * where that is
 * char *. Where f's last parameter is ..., behind at most three others, the types of what is
 * passed are written: PARCEL_DELAYED(int, printf, const char *, int). No kind is for __int128,
 * _Float16, __float128 and other numbers that standard C does not have: a struct holds one.
 * Since 0.1. */
#define PARCEL_DELAYED(...) parcel__PASTE(parcel__DELAYED_, parcel__COUNT(__VA_ARGS__))(__VA_ARGS__)

/* parcel_delayed(f)(a, b): the call f(a, b), by value. Wrong arguments are the compiler's
 * ordinary diagnostics. Since 0.1. */
#define parcel_delayed(f) parcel__CONSTRUCTOR(f)

/* The descriptor of a delayed function, for parcel_call_from_values. Since 0.1. */
#define parcel_function_of(f) (&parcel__PASTE(parcel__made_by_DELAYED_, f).function)

/* PARCEL_STRUCT(struct model, temperature, size), at file scope: describes the struct's fields (1
 * to 32), so that it is printed, compared and hashed field by field. Since 0.1. */
#define PARCEL_STRUCT(...) parcel__STRUCT(parcel__PASTE(parcel__, __COUNTER__), __VA_ARGS__)

/* The short names of PARCEL_DELAYED, parcel_delayed and parcel_parallel. A program that has such
 * names of its own defines PARCEL_NO_SHORT_NAMES before it includes the header, and writes the long
 * ones. */
#ifndef PARCEL_NO_SHORT_NAMES
#define DELAYED(...) PARCEL_DELAYED(__VA_ARGS__)
#define delayed(f) parcel_delayed(f)
#endif

#endif /* not C++ */
#endif
