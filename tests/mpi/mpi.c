/*
 * mpi.c: what only ranks have. Each rank runs each test, in step; see mpi_ranks.h. What ends a job
 * is in mpi_faults.c.
 */
#include "tally.h"

#include <parcel_mpi.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#define RUN(workers, calls, ...) \
    run_and_free(&(parcel_options){.backend = "mpi", .n_jobs = (workers), __VA_ARGS__}, calls)

/* In a call: who waits for others in vain has failed. */
static void meet_others(int guests)
{
    if (!meet(&shared->meeting, guests))
        parcel_fail("the others do not come");
}

static int last_rank(void)
{
    return ranks_count() - 1;
}

/* The error must be the same text on all ranks, or none on all. */
static void check_same_error(const parcel_results *results)
{
    char text[1024] = "", of_rank_0[1024];
    const char *error = parcel_results_error(results);
    snprintf(text, sizeof text, "%s", error ? error : "none");
    memcpy(of_rank_0, text, sizeof text);
    MPI_Bcast(of_rank_0, sizeof of_rank_0, MPI_CHAR, 0, MPI_COMM_WORLD);
    ck_assert_str_eq(text, of_rank_0);
}

static void check_same_number(size_t number)
{
    unsigned long long own = number, of_rank_0 = number;
    MPI_Bcast(&of_rank_0, 1, MPI_UNSIGNED_LONG_LONG, 0, MPI_COMM_WORLD);
    ck_assert_uint_eq(own, of_rank_0);
}

static void check_same_counts(const parcel_results *results)
{
    check_same_error(results);
    check_same_number(parcel_results_count(results));
    check_same_number(parcel_results_failures(results));
    check_same_number((size_t)parcel_results_workers(results));
}

/* ---- lists that differ ---- */

struct model {
    double temperature;
    int size;
};
PARCEL_STRUCT(struct model, temperature, size);

static int count_number(double x, int i)
{
    atomic_fetch_add(&tally->started, 1);
    return (int)x + i;
}
DELAYED(int, count_number, double, int);

static int count_other(double x, int i)
{
    atomic_fetch_add(&tally->started, 1);
    return (int)x - i;
}
DELAYED(int, count_other, double, int);

static int count_text(const char *text)
{
    atomic_fetch_add(&tally->started, 1);
    return (int)strlen(text);
}
DELAYED(int, count_text, const char *);

static int count_model(struct model model)
{
    atomic_fetch_add(&tally->started, 1);
    return model.size;
}
DELAYED(int, count_model, struct model);

enum difference { NUMBER, FUNCTION, TEXT, FIELD, COUNT, N_DIFFERENCES };
enum { N_CALLS = 500, DIFFERENT = 321 };

static void add_call(parcel_calls *calls, int i, enum difference difference, bool differs)
{
    if (difference == NUMBER)
        parcel_calls_add(calls, delayed(count_number)(1.5, differs ? -1 : i));
    else if (difference == FUNCTION && differs)
        parcel_calls_add(calls, delayed(count_other)(1.5, i));
    else if (difference == TEXT)
        parcel_calls_add(calls, delayed(count_text)(differs ? "this" : "that"));
    else if (difference == FIELD)
        parcel_calls_add(calls, delayed(count_model)((struct model){differs ? 1 : 2, i}));
    else
        parcel_calls_add(calls, delayed(count_number)(1.5, i));
}

/* A list that differs in one call, or in its length. */
static parcel_calls *new_list(enum difference difference, bool differs)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < N_CALLS; i++)
        add_call(calls, i, difference, differs && i == DIFFERENT);
    if (difference == COUNT && differs)
        add_call(calls, N_CALLS, difference, false);
    return calls;
}

START_TEST(lists_that_differ_are_found_before_anything_runs)
{
    char rank[32];
    if (ranks_count() == 1)
        return;
    ck_assert_ptr_null(parcel_mpi_init(MPI_COMM_WORLD)); /* there were no runs */
    bool differs = ranks_rank() == last_rank();
    parcel_results *results = RUN(1, new_list((enum difference)_i, differs), 0);
    check_same_error(results);
    snprintf(rank, sizeof rank, "rank %d", last_rank());
    ck_contains(parcel_results_error(results), rank);
    ck_contains(parcel_results_error(results), _i == COUNT ? "501" : "call 321");
    ck_assert_ptr_null(strstr(parcel_results_error(results), "earlier runs"));
    if (_i == COUNT)
        ck_contains(parcel_results_error(results), "500");
    ck_assert_int_eq(atomic_load(&tally->started), 0);
    parcel_results_free(results);
    results = RUN(1, new_list((enum difference)_i, false), 0); /* the next run is as any other */
    ck_ran_well(results);
    ck_assert_int_eq(atomic_load(&tally->started), N_CALLS);
    parcel_results_free(results);
}
END_TEST

/* A list that is made of results needs them on all ranks. */
START_TEST(a_list_of_results_that_other_ranks_do_not_have_is_told)
{
    if (ranks_count() == 1)
        return;
    for (int all = 0; all < 2; all++) {
        parcel_results *first =
            RUN(1, squares(20), .mpi_results = all ? PARCEL_ALL_RANKS : PARCEL_RANK_0);
        parcel_calls *calls = parcel_calls_new();
        for (size_t i = 0; i < 20; i++)
            if (parcel_get(first, i, int) > 100)
                parcel_calls_add(calls, delayed(square)(parcel_get(first, i, int)));
        parcel_results *second = RUN(1, calls, 0);
        if (all) {
            ck_ran_well(second);
        } else {
            check_same_error(second);
            ck_assert_str_eq(parcel_results_error(second),
                             "the lists differ: 9 calls on rank 0, 0 calls on rank 1; rank 1 has "
                             "no results of earlier runs, which .mpi_results = PARCEL_ALL_RANKS "
                             "gives to all ranks");
        }
        parcel_results_free(first);
        parcel_results_free(second);
        ck_assert_ptr_null(parcel_mpi_init(MPI_COMM_WORLD)); /* all is as new */
    }
}
END_TEST

/* What does not travel is each rank's own: pointers differ, and so may what they point at. */
static int read_number(const int *number, int i)
{
    return (number ? *number : 0) + i;
}
DELAYED(int, read_number, const int *, int);

static int add_to(int *sum, int i)
{
    return __atomic_add_fetch(sum, i, __ATOMIC_RELAXED);
}
DELAYED(int, add_to, int *, int);

START_TEST(pointers_are_each_ranks_own)
{
    int numbers[16] = {0};
    int *number = &numbers[ranks_rank()]; /* another place on each rank's stack */
    *number = 7;
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        parcel_calls_add(calls, delayed(read_number)(number, i));
    parcel_results *results = RUN(1, calls, .batch_size = 1);
    ck_ran_well(results);
    for (int i = 0; ranks_rank() == 0 && i < 100; i++)
        ck_assert_int_eq(parcel_get_or(results, (size_t)i, int, -1), 7 + i);
    parcel_results_free(results);
}
END_TEST

/* How results of calls that might write are asked for. */
static const parcel_options writers[] = {
    {.backend = "mpi", .n_jobs = 1},
    {.backend = "mpi", .n_jobs = 1, .isolate = PARCEL_YES},
    {.backend = "mpi", .n_jobs = 1, .mpi_results = PARCEL_ALL_RANKS},
    {.backend = "mpi", .n_jobs = 1, .return_as = PARCEL_GENERATOR},
};

static parcel_calls *additions(int *sum)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 1; i <= 100; i++)
        parcel_calls_add(calls, delayed(add_to)(sum, i));
    return calls;
}

static void check_that_none_ran(parcel_results *results, const int *sum, const char *begin)
{
    parcel_result result;
    ck_assert(!parcel_results_next(results, &result));
    check_same_error(results);
    const char *error = parcel_results_error(results);
    ck_assert_ptr_nonnull(error);
    ck_assert_msg(strncmp(error, begin, strlen(begin)) == 0, "%s", error);
    ck_contains(error, "parameter 1 of add_to is int *, whose memory other ranks do not share: "
                       "return what the call writes, make it const int *, or set .read_only");
    ck_assert_int_eq(*sum, 0);
    parcel_results_free(results);
}

static bool isolates(const parcel_options *options)
{
    return options->isolate == PARCEL_YES;
}

/* What one rank's calls write, the others do not have: memory of parcel_shared_alloc is one rank's,
 * too. Alone, a rank is a program of threads, or of processes. */
START_TEST(what_other_ranks_would_not_have_is_not_written)
{
    const parcel_options *options = &writers[_i];
    parcel_result result;
    int own = 0, *blocks = parcel_shared_alloc(sizeof *blocks), *sums[] = {&own, blocks};
    for (size_t k = isolates(options) && ranks_count() == 1; k < LENGTH(sums); k++) {
        parcel_calls *calls = additions(sums[k]);
        parcel_results *results = parcel_run(options, calls);
        if (ranks_count() > 1) {
            check_that_none_ran(results, sums[k], "call 0, add_to(");
        } else {
            while (parcel_results_next(results, &result))
                parcel_result_free(&result);
            ck_assert_int_eq(*sums[k], 5050);
            parcel_results_free(results);
        }
        parcel_calls_free(calls);
    }
    parcel_shared_free(blocks);
}
END_TEST

START_TEST(what_only_the_last_rank_would_write_is_refused_on_all)
{
    int own = 0;
    char begin[64];
    if (ranks_count() == 1)
        return;
    snprintf(begin, sizeof begin, "rank %d: call 0, add_to(", last_rank());
    parcel_calls *calls = additions(ranks_rank() == last_rank() ? &own : NULL);
    check_that_none_ran(parcel_run(&writers[_i], calls), &own, begin);
    parcel_calls_free(calls);
}
END_TEST

static int peek(int *number, int i)
{
    return *number + i;
}
DELAYED(int, peek, int *, int);

/* Rank 0's word for it holds. */
START_TEST(pointers_that_are_only_read_are_each_ranks_own)
{
    int own = 7;
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        parcel_calls_add(calls, delayed(peek)(&own, i));
    parcel_results *results = RUN(1, calls, .read_only = ranks_rank() == 0 ? PARCEL_YES : 0,
                                  .isolate = _i ? PARCEL_YES : PARCEL_NO);
    ck_ran_well(results);
    for (int i = 0; ranks_rank() == 0 && i < 100; i++)
        ck_assert_int_eq(parcel_get_or(results, (size_t)i, int, -1), 7 + i);
    parcel_results_free(results);
}
END_TEST

/* Calls without a pointer, but for one. */
struct pointing {
    int n_given, at;
    int *number;
};

static parcel_next_status next_pointing(void *state, parcel_call *call)
{
    struct pointing *pointing = state;
    if (pointing->n_given == 200)
        return PARCEL_NEXT_END;
    bool points = pointing->n_given++ == pointing->at;
    *call = delayed(read_number)(points ? pointing->number : NULL, 1);
    return PARCEL_NEXT_CALL;
}

static int first_word(parcel_array words)
{
    return ((const char *const *)words.data)[0][0];
}
DELAYED(int, first_word, parcel_array);

static parcel_next_status next_words(void *state, parcel_call *call)
{
    *call = delayed(first_word)(parcel_array((const char **)state, 1));
    return PARCEL_NEXT_CALL;
}

/* So many calls ran before, on whatever rank. */
static void check_that_it_is_refused(parcel_calls *calls, int n_before, const char *what)
{
    char sentence[256];
    parcel_results *results = RUN(1, calls, .batch_size = 1);
    snprintf(sentence, sizeof sentence,
             "the generator gave a wrong call after %d call%s: parameter 1 of %s, whose memory "
             "other ranks do not share: give it as a parcel_array, a string or a struct",
             n_before, n_before == 1 ? "" : "s", what);
    ck_assert_str_eq(parcel_results_error(results), sentence);
    check_same_counts(results);
    ck_assert_uint_eq(parcel_results_count(results), (size_t)n_before);
    ck_assert_uint_eq(parcel_results_failures(results), 0);
    for (int i = 0; ranks_rank() == 0 && i < n_before; i++)
        ck_assert_int_eq(parcel_get_or(results, (size_t)i, int, -1), 1);
    parcel_results_free(results);
}

/* Wherever it would run: many are rank 0's own. */
START_TEST(a_pointer_of_a_generator_is_refused)
{
    int number = 7;
    char word[] = "word";
    const char *words[] = {word};
    for (int at = 0; ranks_count() > 1 && at < 20; at++) {
        struct pointing pointing = {.at = at, .number = &number};
        check_that_it_is_refused(parcel_calls_generate(next_pointing, &pointing), at,
                                 "read_number is const int *");
    }
    if (ranks_count() > 1)
        check_that_it_is_refused(parcel_calls_generate(next_words, words), 0,
                                 "first_word is an array of pointers");
}
END_TEST

/* ---- who has what ---- */

static void check_has_squares(const parcel_results *results, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(parcel_get_or(results, i, int, -1), (int)(i * i));
}

static void check_has_none(const parcel_results *results, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ck_assert(!parcel_holds(results, i, int));
        ck_assert_int_eq(parcel_results_value(results, i).tag, PARCEL_TAG_NONE);
        ck_assert_int_eq(parcel_results_worker(results, i), -1);
        ck_assert_int_eq(parcel_results_rank(results, i), -1);
        ck_assert_ptr_null(parcel_results_host(results, i));
        ck_assert_ptr_null(parcel_results_message(results, i));
    }
}

static const size_t sizes[] = {0, 1, 2, 3, 1009, 20000};

START_TEST(rank_0_has_the_results_and_all_know_how_it_went)
{
    for (int n_jobs = 1; n_jobs <= 2; n_jobs++) {
        parcel_results *results = RUN(n_jobs, squares(sizes[_i]), 0);
        check_same_counts(results);
        ck_ran_well(results);
        ck_assert_uint_eq(parcel_results_count(results), sizes[_i]);
        ck_assert(parcel_results_wall_time(results) >= 0);
        ck_assert_str_eq(parcel_results_backend(results), "mpi");
        if (ranks_rank() == 0)
            check_has_squares(results, sizes[_i]);
        else
            check_has_none(results, sizes[_i]);
        parcel_results_free(results);
    }
}
END_TEST

START_TEST(all_ranks_have_the_results_when_asked)
{
    parcel_results *results = RUN(1, squares(sizes[_i]), .mpi_results = PARCEL_ALL_RANKS);
    check_same_counts(results);
    check_has_squares(results, sizes[_i]);
    for (size_t i = 0; i < sizes[_i]; i++) {
        check_same_number((size_t)parcel_results_worker(results, i));
        i += i / 10; /* some of them */
    }
    parcel_results_free(results);
}
END_TEST

static double root(double x)
{
    if (x < 0)
        parcel_fail("root of a negative number: %g", x);
    return x;
}
DELAYED(double, root, double);

/* Calls of which each tenth fails. */
static parcel_calls *some_roots(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 200; i++)
        parcel_calls_add(calls, delayed(root)(i % 10 == 7 ? -i : i));
    return calls;
}

START_TEST(failures_are_told_on_all_ranks_alike)
{
    parcel_results *results = RUN(1, some_roots(), .on_error = PARCEL_COLLECT);
    check_same_counts(results);
    ck_assert_str_eq(parcel_results_error(results),
                     "20 of 200 calls failed; first: call 7, root(-7): root of a negative number: "
                     "-7");
    ck_assert_uint_eq(parcel_results_failures(results), 20);
    parcel_results_free(results);
    results = RUN(1, some_roots(), .mpi_results = PARCEL_ALL_RANKS, .on_error = PARCEL_COLLECT);
    ck_assert_int_eq(parcel_results_status(results, 17), PARCEL_FAILED);
    ck_assert_str_eq(parcel_results_message(results, 17), "root of a negative number: -17");
    ck_assert_double_eq(parcel_get(results, 18, double), 18);
    parcel_results_free(results);
    results = RUN(1, some_roots(), 0);
    check_same_counts(results);
    ck_assert_uint_ge(parcel_results_failures(results), 1);
    parcel_results_free(results);
}
END_TEST

/* Only rank 0's options hold. */
START_TEST(the_options_of_rank_0_hold_for_all)
{
    bool is_first = ranks_rank() == 0;
    parcel_results *results =
        RUN(is_first ? 1 : 2, some_roots(), .on_error = is_first ? PARCEL_COLLECT : PARCEL_STOP,
            .deadline = is_first ? 0 : 1e-9);
    check_same_counts(results);
    ck_assert_uint_eq(parcel_results_failures(results), 20);
    ck_assert_int_eq(parcel_results_workers(results), ranks_count());
    parcel_results_free(results);
}
END_TEST

/* Rank 0's, or those of the last rank: nobody waits for who cannot come. */
START_TEST(bad_options_of_one_rank_are_told_on_all)
{
    int who = _i * last_rank();
    parcel_results *results = RUN(1, squares(10), .batch_size = ranks_rank() == who ? -1 : 0);
    check_same_error(results);
    ck_contains(parcel_results_error(results), "batch_size = -1");
    parcel_results_free(results);
    if (ranks_rank() == who)
        setenv("PARCEL_BATCH_SIZE", "nonsense", 1);
    results = RUN(1, squares(10), 0);
    unsetenv("PARCEL_BATCH_SIZE");
    check_same_error(results);
    ck_contains(parcel_results_error(results), "PARCEL_BATCH_SIZE=nonsense");
    parcel_results_free(results);
    results = RUN(1, squares(10), 0);
    ck_ran_well(results);
    parcel_results_free(results);
}
END_TEST

/* A refused executor keeps what it was asked for, not the strings that said so. */
START_TEST(a_refused_executor_is_refused_on_all)
{
    int who = _i * last_rank();
    char *backend = strdup("mpi");
    parcel_executor *executor = parcel_open(&(parcel_options){
        .backend = backend, .n_jobs = 1, .batch_size = ranks_rank() == who ? -1 : 0});
    memset(backend, '?', strlen(backend));
    free(backend);
    parcel_calls *calls = squares(10);
    parcel_results *results = parcel_executor_run(executor, calls);
    check_same_error(results);
    ck_contains(parcel_results_error(results), "batch_size = -1");
    parcel_results_free(results);
    parcel_close(executor);
    parcel_calls_free(calls);
}
END_TEST

/* A run that this rank begins when it likes. */
static parcel_results *run_alone(const parcel_options *options)
{
    parcel_calls *calls = squares(10);
    parcel_results *results = ranks_run_alone(options, calls);
    parcel_calls_free(calls);
    return results;
}

/* The others come when rank 0 has gone on. */
START_TEST(a_refused_run_of_rank_0_does_not_wait_for_ever)
{
    parcel_options options = {.backend = "mpi", .n_jobs = 1, .mpi_timeout = 0.1};
    parcel_results *results = NULL;
    const char *why = "batch_size = -1";
    if (ranks_rank() == 0) {
        options.batch_size = -1;
        results = run_alone(&options);
        why = ranks_count() > 1 ? "did not call Parallel within 0.1 s" : why;
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (ranks_rank() > 0) {
        results = run_alone(&options);
        why = "(mpi_timeout)";
    }
    ck_contains(parcel_results_error(results), why);
    parcel_results_free(results);
    MPI_Barrier(MPI_COMM_WORLD);
}
END_TEST

static int *point(const char *text)
{
    (void)text;
    return NULL;
}
DELAYED(int *, point, const char *);

START_TEST(a_refusal_is_told_whole)
{
    char text[300];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    parcel_calls *calls = parcel_calls_new();
    parcel_calls_add(calls, delayed(point)(text));
    parcel_results *results = RUN(1, calls, 0);
    if (ranks_count() > 1) {
        check_same_error(results);
        ck_contains(parcel_results_error(results), "return what it points at");
    }
    parcel_results_free(results);
}
END_TEST

static atomic_int n_ran_here;

static int count_here(void)
{
    return atomic_fetch_add(&n_ran_here, 1);
}
DELAYED(int, count_here);

/* Where the calls run is rank 0's to say: in threads, which count for all. */
START_TEST(isolate_counts_on_rank_0_only)
{
    int here, total;
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 10; i++)
        parcel_calls_add(calls, delayed(count_here)());
    atomic_store(&n_ran_here, 0);
    parcel_results *results = RUN(1, calls, .isolate = ranks_rank() > 0 ? PARCEL_YES : PARCEL_NO);
    ck_ran_well(results);
    here = atomic_load(&n_ran_here);
    MPI_Allreduce(&here, &total, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    ck_assert_int_eq(total, 10);
    parcel_results_free(results);
}
END_TEST

static parcel_next_status next_square(void *state, parcel_call *call)
{
    int *given = state;
    if (*given == 3000)
        return PARCEL_NEXT_END;
    *call = delayed(square)((*given)++);
    return PARCEL_NEXT_CALL;
}

START_TEST(halt_counts_on_rank_0_only)
{
    int given = 0;
    parcel_calls *calls = parcel_calls_generate(next_square, &given);
    parcel_results *results = RUN(1, calls, .halt = ranks_rank() > 0 ? "soon,fail=50%" : NULL);
    ck_ran_well(results);
    parcel_results_free(results);
}
END_TEST

START_TEST(rank_0_alone_speaks)
{
    static struct lines lines;
    lines.length = 0;
    lines.text[0] = '\0';
    parcel_results *results =
        RUN(1, squares(100), .verbose = 2, .sink = keep_line, .sink_state = &lines);
    if (ranks_rank() == 0)
        ck_contains(lines.text, "Done 100 out of 100 | elapsed:");
    else
        ck_assert_str_eq(lines.text, "");
    parcel_results_free(results);
}
END_TEST

/* ---- workers, ranks and hosts ---- */

struct seat {
    int rank;
    int worker;
    bool met;
};

static struct seat sit_down(int guests)
{
    return (struct seat){ranks_rank(), parcel_worker(), meet(&shared->meeting, guests)};
}
DELAYED(struct seat, sit_down, int);

/* The first call of each worker waits for those of all others. */
static void meet_at_first(int guests)
{
    if (atomic_fetch_add(&tally->ran[parcel_worker()], 1) == 0)
        meet_others(guests);
}
DELAYED(void, meet_at_first, int);

static const parcel_options ways[] = {{.timing = PARCEL_NO},        {.max_failures = 1},
                                      {.halt = "now,success=1000"}, {.batch_size = 5},
                                      {.schedule = PARCEL_STATIC},  {.schedule = PARCEL_GUIDED},
                                      {.schedule = PARCEL_DYNAMIC}};

START_TEST(no_option_leaves_a_worker_without_calls)
{
    enum { WORKERS = 3 };
    int guests = WORKERS * ranks_count();
    parcel_options options = ways[_i];
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 10 * guests; i++)
        parcel_calls_add(calls, delayed(meet_at_first)(guests));
    options.backend = "mpi";
    options.n_jobs = WORKERS;
    parcel_results *results = run_and_free(&options, calls);
    ck_ran_well(results);
    parcel_results_free(results);
}
END_TEST

/* All workers of all ranks at once, each with a number of its own. */
START_TEST(workers_are_numbered_over_all_ranks)
{
    for (int n_jobs = 1; n_jobs <= 2; n_jobs++) {
        int workers = n_jobs * ranks_count(), rank_of[16];
        parcel_calls *calls = parcel_calls_new();
        memset(rank_of, -1, sizeof rank_of);
        for (int i = 0; i < workers; i++)
            parcel_calls_add(calls, delayed(sit_down)(workers));
        parcel_results *results =
            RUN(n_jobs, calls, .batch_size = 1, .mpi_results = PARCEL_ALL_RANKS);
        ck_ran_well(results);
        ck_assert_int_eq(parcel_results_workers(results), workers);
        for (size_t i = 0; i < (size_t)workers; i++) {
            struct seat seat = parcel_get(results, i, struct seat);
            ck_assert(seat.met);
            ck_assert_int_eq(seat.worker, parcel_results_worker(results, i));
            ck_assert_int_eq(seat.rank, parcel_results_rank(results, i));
            ck_assert(seat.worker >= 0 && seat.worker < workers);
            ck_assert_int_eq(rank_of[seat.worker], -1);
            rank_of[seat.worker] = seat.rank;
        }
        parcel_results_free(results);
    }
}
END_TEST

static int own_pid(int guests)
{
    meet_others(guests);
    return (int)getpid();
}
DELAYED(int, own_pid, int);

START_TEST(records_name_host_and_process)
{
    char host[256];
    gethostname(host, sizeof host);
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < ranks_count(); i++)
        parcel_calls_add(calls, delayed(own_pid)(ranks_count()));
    parcel_results *results = RUN(1, calls, .batch_size = 1, .mpi_results = PARCEL_ALL_RANKS);
    for (size_t i = 0; i < parcel_results_count(results); i++) {
        ck_assert_str_eq(parcel_results_host(results, i), host);
        ck_assert_int_eq(parcel_results_pid(results, i), parcel_get(results, i, int));
        ck_assert((parcel_results_pid(results, i) == (int)getpid()) ==
                  (parcel_results_rank(results, i) == ranks_rank()));
    }
    parcel_results_free(results);
}
END_TEST

struct taken {
    size_t count;
    size_t right;
};

static int own_rank(int i)
{
    return i * 100 + ranks_rank();
}
DELAYED(int, own_rank, int);

static bool take(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    struct taken *taken = state;
    taken->right += taken->count == index && value.as.int64 / 100 == (int64_t)index &&
                    value.as.int64 % 100 == record->rank && record->host;
    taken->count++;
    return true;
}

/* Rank 0 takes the results, whichever rank had the call. */
START_TEST(results_flow_to_rank_0)
{
    struct taken taken = {0};
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 5000; i++)
        parcel_calls_add(calls, delayed(own_rank)(i));
    parcel_results *results = RUN(1, calls, .on_result = take, .on_result_state = &taken);
    check_same_counts(results);
    ck_ran_well(results);
    ck_assert_uint_eq(taken.count, ranks_rank() == 0 ? 5000 : 0);
    ck_assert_uint_eq(taken.right, taken.count);
    parcel_results_free(results);
}
END_TEST

/* Rank 0 need not ask for more results than there are. */
START_TEST(a_stream_is_over_for_all_when_its_calls_have_run)
{
    const parcel_options options = {.backend = "mpi", .n_jobs = 1, .return_as = PARCEL_GENERATOR};
    parcel_calls *calls = squares(50);
    parcel_results *results = ranks_run_alone(&options, calls);
    for (int i = 0; ranks_rank() == 0 && i < 50; i++) {
        parcel_result result;
        ck_assert(parcel_results_next(results, &result));
        ck_assert_int_eq((int)result.value.as.int64, i * i);
        parcel_result_free(&result);
    }
    parcel_results *next = ranks_run_alone(&(parcel_options){.backend = "mpi"}, calls);
    ck_ran_well(next);
    MPI_Barrier(MPI_COMM_WORLD);
    parcel_results_free(next);
    parcel_results_free(results);
    parcel_calls_free(calls);
}
END_TEST

/* ---- generators ---- */

START_TEST(generated_calls_run_on_all_ranks)
{
    int given = 0;
    parcel_results *results = RUN(1, parcel_calls_generate(next_square, &given), 0);
    check_same_counts(results);
    ck_ran_well(results);
    ck_assert_uint_eq(parcel_results_count(results), 3000);
    if (ranks_rank() == 0) {
        ck_assert_int_eq(given, 3000);
        check_has_squares(results, 3000);
    }
    parcel_results_free(results);
}
END_TEST

/* ---- runs inside of calls ---- */

static bool rank_is(int rank)
{
    return rank == ranks_rank();
}
DELAYED(bool, rank_is, int);

/* True when all of an inner run's calls were on the rank of the outer call. */
static bool run_inside(bool names_mpi)
{
    bool is_here = true;
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 50; i++)
        parcel_calls_add(calls, delayed(rank_is)(ranks_rank()));
    parcel_results *results =
        run_and_free(&(parcel_options){.n_jobs = 2, .backend = names_mpi ? "mpi" : NULL}, calls);
    for (size_t i = 0; i < 50; i++)
        is_here &= parcel_get_or(results, i, bool, false);
    if (parcel_results_error(results))
        parcel_fail("%s", parcel_results_error(results));
    parcel_results_free(results);
    return is_here;
}
DELAYED(bool, run_inside, bool);

START_TEST(a_run_inside_a_call_stays_on_its_rank)
{
    for (int n_jobs = 1; n_jobs <= 2; n_jobs++) {
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < 30; i++)
            parcel_calls_add(calls, delayed(run_inside)(_i));
        setenv("PARCEL_BACKEND", "mpi", 1);
        parcel_results *results = run_and_free(
            &(parcel_options){.n_jobs = n_jobs, .mpi_results = PARCEL_ALL_RANKS}, calls);
        unsetenv("PARCEL_BACKEND");
        ck_ran_well(results);
        for (size_t i = 0; i < 30; i++)
            ck_assert(parcel_get_or(results, i, bool, false));
        parcel_results_free(results);
    }
}
END_TEST

/* ---- communicators and messages of the user's own ---- */

START_TEST(halves_of_the_ranks_run_side_by_side)
{
    MPI_Comm half;
    int rank, size;
    MPI_Comm_split(MPI_COMM_WORLD, ranks_rank() % 2, ranks_rank(), &half);
    ck_assert_ptr_null(parcel_mpi_init(half));
    MPI_Comm_rank(half, &rank);
    MPI_Comm_size(half, &size);
    MPI_Comm_free(&half); /* it was duplicated */
    ck_assert_int_eq(parcel_mpi_rank(), rank);
    ck_assert_int_eq(parcel_mpi_ranks(), size);
    for (size_t run = 0; run < 20; run++) { /* not in step with the other half */
        size_t count = 100 * (run + 1) + 7 * (size_t)(ranks_rank() % 2);
        parcel_calls *calls = squares(count);
        parcel_results *results =
            ranks_run_alone(&(parcel_options){.backend = "mpi", .n_jobs = 1}, calls);
        ck_ran_well(results);
        ck_assert_uint_eq(parcel_results_count(results), count);
        if (rank == 0)
            check_has_squares(results, count);
        parcel_results_free(results);
        parcel_calls_free(calls);
    }
    ck_assert_ptr_null(parcel_mpi_init(MPI_COMM_WORLD));
    ck_assert_int_eq(parcel_mpi_ranks(), ranks_count());
}
END_TEST

/* A message to the next rank that waits while runs go on, and is found behind them as it was. */
START_TEST(messages_that_wait_are_left_alone)
{
    enum { TAG = 1 };
    int next = (ranks_rank() + 1) % ranks_count(), sent = ranks_rank(), received = -1;
    MPI_Request request;
    MPI_Status status;
    MPI_Isend(&sent, 1, MPI_INT, next, TAG, MPI_COMM_WORLD, &request);
    for (int run = 0; run < 3; run++) {
        parcel_results *results = RUN(1, squares(1000), 0);
        ck_ran_well(results);
        parcel_results_free(results);
    }
    MPI_Recv(&received, 1, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    ck_assert_int_eq(received, (ranks_rank() + ranks_count() - 1) % ranks_count());
    ck_assert_int_eq(status.MPI_TAG, TAG);
}
END_TEST

/* Sends numbers around until it is told to stop; the last one goes around, too. */
static void *send_around(void *stops)
{
    int next = (ranks_rank() + 1) % ranks_count();
    int before = (ranks_rank() + ranks_count() - 1) % ranks_count();
    static int wrong;
    for (int turn = 0, stop = 0; !stop; turn++) {
        int number = -1, wants = atomic_load((atomic_int *)stops);
        MPI_Sendrecv(&turn, 1, MPI_INT, next, 0, &number, 1, MPI_INT, before, MPI_ANY_TAG,
                     MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        wrong += number != turn;
        MPI_Allreduce(&wants, &stop, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
        sched_yield();
    }
    return &wrong;
}

START_TEST(a_thread_that_sends_messages_is_not_disturbed)
{
    int level;
    pthread_t thread;
    void *wrong;
    atomic_int stops = 0;
    MPI_Query_thread(&level);
    if (level < MPI_THREAD_MULTIPLE)
        return;
    ck_assert_int_eq(pthread_create(&thread, NULL, send_around, &stops), 0);
    bool is_right = true;
    for (int run = 0; run < 5; run++) {
        parcel_results *results = RUN(1, squares(1000), 0);
        is_right &= !parcel_results_error(results);
        parcel_results_free(results);
    }
    atomic_store(&stops, 1);
    pthread_join(thread, &wrong);
    ck_assert(is_right);
    ck_assert_int_eq(*(int *)wrong, 0);
}
END_TEST

/* MPI used by a call, where its level allows it, for what concerns nobody else. */
static bool ask_mpi(void)
{
    int rank = -1, sent = 7, received = 0, level;
    MPI_Query_thread(&level);
    if (level < MPI_THREAD_MULTIPLE)
        return true;
    MPI_Comm_rank(MPI_COMM_SELF, &rank);
    MPI_Sendrecv(&sent, 1, MPI_INT, 0, 5, &received, 1, MPI_INT, 0, 5, MPI_COMM_SELF,
                 MPI_STATUS_IGNORE);
    return rank == 0 && received == 7;
}
DELAYED(bool, ask_mpi);

START_TEST(a_call_may_use_mpi)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 200; i++)
        parcel_calls_add(calls, delayed(ask_mpi)());
    parcel_results *results = RUN(1, calls, .mpi_results = PARCEL_ALL_RANKS);
    ck_ran_well(results);
    for (size_t i = 0; i < 200; i++)
        ck_assert(parcel_get(results, i, bool));
    parcel_results_free(results);
}
END_TEST

/* ---- results that are large ---- */

static parcel_array fill(size_t count, int guests)
{
    meet_others(guests); /* so that each rank makes one */
    double *numbers = malloc(count * sizeof *numbers);
    for (size_t i = 0; numbers && i < count; i++)
        numbers[i] = (double)i;
    if (!numbers)
        parcel_fail("no memory for %zu numbers", count);
    return parcel_array(numbers, count);
}
DELAYED(parcel_array, fill, size_t, int);

static parcel_calls *arrays(size_t count)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < ranks_count(); i++)
        parcel_calls_add(calls, delayed(fill)(count, ranks_count()));
    return calls;
}

static bool is_filled(parcel_array array, size_t count)
{
    const double *numbers = array.data;
    bool right = array.count == count && array.kind == PARCEL_DOUBLE && numbers;
    for (size_t i = 0; right && i < count; i++)
        right = numbers[i] == (double)i;
    return right;
}

START_TEST(large_results_arrive_whole)
{
    static const size_t counts[] = {0, 1, 1000, 8191, 8192, 100000, 12500000};
    for (size_t k = 0; k < LENGTH(counts); k++) {
        parcel_results *results = RUN(1, arrays(counts[k]), .batch_size = 1);
        ck_ran_well(results);
        for (int i = 0; ranks_rank() == 0 && i < ranks_count(); i++)
            ck_assert(is_filled(parcel_get(results, (size_t)i, parcel_array), counts[k]));
        parcel_results_free(results);
    }
}
END_TEST

START_TEST(large_results_reach_all_ranks)
{
    parcel_results *results = RUN(1, arrays(100000), .mpi_results = PARCEL_ALL_RANKS);
    ck_ran_well(results);
    for (int i = 0; i < ranks_count(); i++)
        ck_assert(is_filled(parcel_get(results, (size_t)i, parcel_array), 100000));
    parcel_results_free(results);
}
END_TEST

static size_t addresses_in_use(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Rank 0 has room for small results only; the others' large ones are failures that say so. */
START_TEST(results_that_rank_0_has_no_memory_for_are_failures)
{
    enum { LARGE = 50000000, ROOM = 200 << 20 }; /* 400 MB, and what is left for it */
    struct rlimit before;
    if (ranks_count() == 1 || SUITE_IS_SANITIZED)
        return;
    parcel_results_free(RUN(1, squares(100), 0)); /* what it takes to run at all is there */
    getrlimit(RLIMIT_AS, &before);
    struct rlimit limit = {addresses_in_use() + ROOM, before.rlim_max};
    if (ranks_rank() == 0)
        setrlimit(RLIMIT_AS, &limit);
    parcel_results *results = RUN(1, arrays(LARGE), .batch_size = 1, .on_error = PARCEL_COLLECT);
    setrlimit(RLIMIT_AS, &before);
    check_same_counts(results);
    ck_assert_uint_eq(parcel_results_failures(results), (size_t)ranks_count());
    for (size_t i = 0; ranks_rank() == 0 && i < parcel_results_count(results); i++)
        ck_contains(parcel_results_message(results, i), "memory");
    parcel_results_free(results);
    results = RUN(1, squares(1000), 0);
    ck_ran_well(results);
    parcel_results_free(results);
}
END_TEST

/* ---- crashes and signals ---- */

static int crash_at(int i)
{
    if (i % 50 == 25)
        raise(SIGSEGV);
    return i;
}
DELAYED(int, crash_at, int);

static void *start_idly(void *state, int worker)
{
    (void)worker;
    return state;
}

/* With on_worker_start each crash is the first call of its worker. */
START_TEST(a_crash_in_a_worker_of_a_rank_costs_one_record)
{
    for (int n_jobs = 1; n_jobs <= 2; n_jobs++) {
        parcel_calls *calls = parcel_calls_new();
        for (int i = 0; i < 200; i++)
            parcel_calls_add(calls, delayed(crash_at)(i));
        parcel_results *results =
            RUN(n_jobs, calls, .isolate = PARCEL_YES, .on_error = PARCEL_COLLECT,
                .mpi_results = PARCEL_ALL_RANKS, .on_worker_start = _i ? start_idly : NULL,
                .max_calls_per_worker = _i);
        check_same_counts(results);
        ck_assert_uint_eq(parcel_results_failures(results), 4);
        for (size_t i = 0; i < 200; i++)
            if (i % 50 == 25) {
                ck_assert_int_eq(parcel_results_status(results, i), PARCEL_LOST);
                ck_contains(parcel_results_message(results, i), "SIGSEGV");
            } else {
                ck_assert_int_eq(parcel_get_or(results, i, int, -1), (int)i);
                ck_assert_int_gt(parcel_results_pid(results, i), 0);
                ck_assert_int_ne(parcel_results_pid(results, i), (int)getpid());
            }
        parcel_results_free(results);
    }
}
END_TEST

static int signal_all(int i)
{
    if (atomic_fetch_add(&tally->started, 1) == 20)
        for (int rank = 0; rank < ranks_count(); rank++)
            kill((pid_t)atomic_load(&tally->ran[rank]), SIGTERM);
    while (atomic_load(&tally->started) > 20 && !parcel_cancelled())
        sched_yield();
    return i;
}
DELAYED(int, signal_all, int);

/* As a scheduler ends a job: what is finished is kept, and each rank goes on. */
START_TEST(sigterm_to_all_ranks_keeps_what_is_finished)
{
    size_t finished = 0;
    int pid = (int)getpid(), pids[16];
    MPI_Allgather(&pid, 1, MPI_INT, pids, 1, MPI_INT, MPI_COMM_WORLD);
    for (int rank = 0; rank < ranks_count(); rank++)
        atomic_store(&tally->ran[rank], pids[rank]);
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 5000; i++)
        parcel_calls_add(calls, delayed(signal_all)(i));
    parcel_results *results =
        RUN(2, calls, .handle_signals = PARCEL_YES, .mpi_results = PARCEL_ALL_RANKS);
    check_same_counts(results);
    ck_contains(parcel_results_error(results), "cancelled by SIGTERM: ");
    for (size_t i = 0; i < 5000; i++)
        if (parcel_results_status(results, i) == PARCEL_OK) {
            ck_assert_int_eq(parcel_get_or(results, i, int, -1), (int)i);
            finished++;
        } else {
            ck_assert_int_eq(parcel_results_status(results, i), PARCEL_CANCELLED);
        }
    ck_assert_uint_eq(finished, (size_t)atomic_load(&tally->started));
    parcel_results_free(results);
}
END_TEST

static void wait_until_asked(void)
{
    while (!parcel_cancelled())
        sched_yield();
}
DELAYED(void, wait_until_asked);

static void interrupt_last_rank(void)
{
    if (ranks_rank() == last_rank() && atomic_fetch_add(&tally->started, 1) == 0)
        raise(SIGINT);
    while (!parcel_cancelled())
        sched_yield();
}
DELAYED(void, interrupt_last_rank);

START_TEST(a_signal_at_another_rank_is_named)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        parcel_calls_add(calls, delayed(interrupt_last_rank)());
    parcel_results *results = RUN(1, calls, .handle_signals = PARCEL_YES);
    check_same_error(results);
    ck_contains(parcel_results_error(results), "cancelled by SIGINT: ");
    parcel_results_free(results);
}
END_TEST

static void end_by_last_rank(void)
{
    if (ranks_rank() == last_rank() && atomic_fetch_add(&tally->started, 1) == 0)
        raise(SIGTERM);
    while (!parcel_cancelled())
        sched_yield();
}
DELAYED(void, end_by_last_rank);

/* A scheduler's reach the ranks one after the other, and the run has returned by the first: the
 * program goes on, and its next run knows of none. */
START_TEST(the_ranks_own_signals_behind_a_run_end_nothing)
{
    void (*before)(int) = signal(SIGTERM, SIG_DFL);
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        parcel_calls_add(calls, delayed(end_by_last_rank)());
    parcel_results *results = RUN(1, calls, .handle_signals = PARCEL_YES);
    check_same_error(results);
    ck_contains(parcel_results_error(results), "cancelled by SIGTERM: ");
    parcel_results_free(results);
    raise(SIGTERM);
    raise(SIGTERM);
    results = RUN(1, squares(100), .handle_signals = PARCEL_YES);
    ck_ran_well(results);
    parcel_results_free(results);
    MPI_Barrier(MPI_COMM_WORLD);
    signal(SIGTERM, before);
}
END_TEST

static parcel_token own_token;

/* The calls of a run inside of it end when it is cancelled, and then the run does. */
static bool cancel_and_run_inside(int guests)
{
    meet_others(guests);
    if (ranks_rank() == last_rank())
        parcel_cancel(&own_token);
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        parcel_calls_add(calls, delayed(wait_until_asked)());
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 1}, calls);
    const char *error = parcel_results_error(results);
    bool is_told = error && strstr(error, "cancelled");
    parcel_results_free(results);
    return is_told;
}
DELAYED(bool, cancel_and_run_inside, int);

START_TEST(a_token_of_one_rank_reaches_runs_inside_of_calls_on_all)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < ranks_count(); i++)
        parcel_calls_add(calls, delayed(cancel_and_run_inside)(ranks_count()));
    parcel_token_reset(&own_token);
    parcel_results *results =
        RUN(1, calls, .cancel = ranks_rank() == last_rank() ? &own_token : NULL,
            .mpi_results = PARCEL_ALL_RANKS, .batch_size = 1);
    for (int i = 0; i < ranks_count(); i++)
        ck_assert(parcel_get_or(results, (size_t)i, bool, false));
    parcel_results_free(results);
}
END_TEST

static void check_cancelled(parcel_results *results, const char *error)
{
    check_same_error(results);
    ck_assert_str_eq(parcel_results_error(results), error);
    ck_assert_uint_eq(parcel_results_count(results), 100);
    for (size_t i = 0; ranks_rank() == 0 && i < 100; i++)
        ck_assert_int_eq(parcel_results_status(results, i), PARCEL_CANCELLED);
    ck_assert_int_eq(atomic_load(&tally->started), 0);
    parcel_results_free(results);
}

static int count_call(int i)
{
    return i + 0 * atomic_fetch_add(&tally->started, 1);
}
DELAYED(int, count_call, int);

static parcel_calls *counted(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        parcel_calls_add(calls, delayed(count_call)(i));
    return calls;
}

START_TEST(a_token_of_any_rank_that_is_cancelled_before_lets_nothing_run)
{
    for (int rank = 0; rank < ranks_count(); rank++) {
        parcel_token_reset(&own_token);
        if (ranks_rank() == rank)
            parcel_cancel(&own_token);
        parcel_results *results = RUN(1, counted(), .cancel = &own_token);
        check_cancelled(results, "cancelled by its token: 0 of 100 calls had run");
    }
}
END_TEST

/* One comes when the others have given up. */
START_TEST(ranks_that_wait_for_another_are_stopped_as_those_that_run)
{
    static const parcel_options options = {.backend = "mpi", .n_jobs = 1, .deadline = 0.02};
    int late = _i ? last_rank() : 0;
    if (ranks_count() == 1)
        return;
    parcel_calls *calls = counted();
    if (ranks_rank() == late)
        MPI_Barrier(MPI_COMM_WORLD);
    parcel_results *results = ranks_run_alone(&options, calls);
    parcel_calls_free(calls);
    if (ranks_rank() != late)
        MPI_Barrier(MPI_COMM_WORLD);
    check_cancelled(results, "the deadline of 0.02 s had passed: 0 of 100 calls had run");
    results = RUN(1, squares(100), 0);
    ck_ran_well(results);
    parcel_results_free(results);
}
END_TEST

/* On ranks other than 0 each call lasts until it is asked: none of them has a median of its own.
 * The first of each rank waits for the others', so that all have one. */
static void last_on_other_ranks(void)
{
    if (atomic_fetch_add(&tally->ran[ranks_rank()], 1) == 0)
        meet_others(ranks_count());
    while (ranks_rank() > 0 && !parcel_cancelled())
        sched_yield();
}
DELAYED(void, last_on_other_ranks);

START_TEST(the_median_is_of_the_calls_of_all_ranks)
{
    int n_late = 0;
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++)
        parcel_calls_add(calls, delayed(last_on_other_ranks)());
    parcel_results *results = RUN(1, calls, .batch_size = 1, .timeout_factor = 1000,
                                  .on_error = PARCEL_COLLECT, .mpi_results = PARCEL_ALL_RANKS);
    for (size_t i = 0; i < 100; i++) {
        bool is_late = parcel_results_status(results, i) == PARCEL_TIMED_OUT;
        ck_assert(is_late || parcel_results_worker(results, i) == 0);
        n_late += is_late;
    }
    ck_assert_int_ge(n_late, last_rank());
    parcel_results_free(results);
}
END_TEST

/* ---- rank 0 builds, the others serve ---- */

/* Runs the test on rank 0 while the others serve, which the next init ends. */
static void while_others_serve(void (*test)(void))
{
    if (ranks_rank() > 0)
        ck_assert_ptr_null(parcel_mpi_serve());
    else
        test();
    ck_assert_ptr_null(parcel_mpi_init(MPI_COMM_WORLD));
}

/* Runs that rank 0 begins alone. */
static parcel_results *run_served(parcel_calls *calls)
{
    parcel_results *results =
        ranks_run_alone(&(parcel_options){.backend = "mpi", .n_jobs = 1, .batch_size = 1}, calls);
    parcel_calls_free(calls);
    return results;
}

static char *describe(const char *text, struct model model, int guests)
{
    char *description = malloc(64);
    meet_others(guests);
    snprintf(description, 64, "%s %g %d", text, model.temperature, model.size);
    return description;
}
DELAYED(char *, describe, const char *, struct model, int);

static double sum(parcel_array array, int guests)
{
    const double *numbers = array.data;
    double total = 0;
    meet_others(guests);
    for (size_t i = 0; i < array.count; i++)
        total += numbers[i];
    return total;
}
DELAYED(double, sum, parcel_array, int);

static void send_texts_and_structs(void)
{
    char expected[64];
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 5 * ranks_count(); i++)
        parcel_calls_add(calls, delayed(describe)(i % 2 ? "odd" : "even",
                                                  (struct model){i / 4.0, i}, ranks_count()));
    parcel_results *results = run_served(calls);
    ck_ran_well(results);
    for (int i = 0; i < 5 * ranks_count(); i++) {
        snprintf(expected, sizeof expected, "%s %g %d", i % 2 ? "odd" : "even", i / 4.0, i);
        ck_assert_str_eq(parcel_get_or(results, (size_t)i, const char *, ""), expected);
    }
    parcel_results_free(results);
}

START_TEST(texts_and_structs_travel_to_ranks_that_serve)
{
    while_others_serve(send_texts_and_structs);
}
END_TEST

static void send_arrays(void)
{
    static const size_t counts[] = {0, 1, 8191, 8192, 1000000};
    enum { MOST = 1000000 };
    double *numbers = malloc(MOST * sizeof *numbers);
    for (size_t i = 0; i < MOST; i++)
        numbers[i] = (double)(i % 100);
    for (size_t k = 0; k < LENGTH(counts); k++) {
        parcel_calls *calls = parcel_calls_new();
        double expected = 0;
        for (size_t i = 0; i < counts[k]; i++)
            expected += numbers[i];
        for (int i = 0; i < 2 * ranks_count(); i++)
            parcel_calls_add(calls, delayed(sum)(parcel_array(numbers, counts[k]), ranks_count()));
        parcel_results *results = run_served(calls);
        ck_ran_well(results);
        for (size_t i = 0; i < parcel_results_count(results); i++)
            ck_assert_double_eq(parcel_get(results, i, double), expected);
        parcel_results_free(results);
    }
    free(numbers);
}

START_TEST(arrays_of_any_size_travel_to_ranks_that_serve)
{
    while_others_serve(send_arrays);
}
END_TEST

static void send_pointer(void)
{
    int sum = 0;
    parcel_calls *calls = squares(3);
    parcel_calls_add(calls, delayed(add_to)(&sum, 1));
    parcel_results *results = run_served(calls);
    ck_contains(parcel_results_error(results), "add_to");
    ck_contains(parcel_results_error(results), "parameter 1");
    ck_assert_int_eq(parcel_results_status(results, 0), PARCEL_NOT_RUN);
    ck_assert_int_eq(sum, 0);
    parcel_results_free(results);
    results = run_served(squares(100));
    ck_assert(are_squares(results, 100));
    parcel_results_free(results);
}

START_TEST(pointers_to_ranks_that_serve_are_refused_by_name)
{
    if (ranks_count() > 1)
        while_others_serve(send_pointer);
}
END_TEST

static void send_generated(void)
{
    int given = 0;
    parcel_results *results = run_served(parcel_calls_generate(next_square, &given));
    ck_assert_int_eq(given, 3000);
    ck_assert(are_squares(results, 3000));
    parcel_results_free(results);
}

START_TEST(generated_calls_travel_to_ranks_that_serve)
{
    while_others_serve(send_generated);
}
END_TEST

/* Whichever rank it is on, a run inside of a call that is cancelled is, too. */
static bool is_cancelled_inside(int guests)
{
    meet_others(guests);
    parcel_cancel(&shared->token);
    while (!parcel_cancelled())
        sched_yield();
    parcel_results *results = run_and_free(&(parcel_options){.n_jobs = 1}, squares(100));
    const char *error = parcel_results_error(results);
    bool is_told = error && strstr(error, "cancelled with the call around it: 0 of 100 calls");
    parcel_results_free(results);
    return is_told;
}
DELAYED(bool, is_cancelled_inside, int);

static void cancel_inside(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < ranks_count(); i++)
        parcel_calls_add(calls, delayed(is_cancelled_inside)(ranks_count()));
    parcel_results *results = ranks_run_alone(
        &(parcel_options){.backend = "mpi", .n_jobs = 1, .cancel = &shared->token}, calls);
    ck_ran_well(results);
    for (size_t i = 0; i < parcel_results_count(results); i++)
        ck_assert(parcel_get(results, i, bool));
    parcel_results_free(results);
    parcel_calls_free(calls);
}

START_TEST(runs_inside_of_cancelled_calls_stop_on_any_rank)
{
    while_others_serve(cancel_inside);
}
END_TEST

static void *start_nothing(void *state, int worker)
{
    (void)worker;
    return state;
}

static void send_state(void)
{
    parcel_calls *calls = squares(10);
    parcel_results *results = ranks_run_alone(&(parcel_options){.backend = "mpi",
                                                                .on_worker_start = start_nothing,
                                                                .worker_state = &shared->token},
                                              calls);
    ck_contains(parcel_results_error(results), "worker_state and retry_state are memory of rank 0");
    parcel_results_free(results);
    results = run_served(calls);
    ck_assert(are_squares(results, 10));
    parcel_results_free(results);
}

START_TEST(states_for_ranks_that_serve_are_refused)
{
    if (ranks_count() > 1)
        while_others_serve(send_state);
}
END_TEST

static void run_often(void)
{
    for (size_t run = 0; run < 200; run++) {
        parcel_results *results = run_served(squares(run % 7));
        ck_assert(are_squares(results, run % 7));
        parcel_results_free(results);
    }
}

START_TEST(ranks_that_serve_serve_many_runs)
{
    while_others_serve(run_often);
}
END_TEST

/* ---- registered names ---- */

/* Descriptors with a thunk of their own on each rank: what only a name tells. */
static void thunk_here(const void *arguments, void *result)
{
    int x;
    memcpy(&x, arguments, sizeof x);
    x = 3 * x;
    memcpy(result, &x, sizeof x);
}

static void nowhere(void)
{
}

static const parcel_parameter one_int[] = {{PARCEL_INT, sizeof(int), 0, "int"}};
static const parcel_function by_name = {.size = sizeof by_name,
                                        .n_parameters = 1,
                                        .name = "triple",
                                        .address = nowhere,
                                        .thunk = thunk_here,
                                        .parameters = one_int,
                                        .argument_bytes = sizeof(int),
                                        .argument_alignment = _Alignof(int),
                                        .result = {PARCEL_INT, sizeof(int), _Alignof(int), "int"}};

static void send_by_name(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < 100; i++) {
        parcel_call call;
        const parcel_value argument = parcel_value_int(i);
        ck_assert(parcel_call_from_values(&call, &by_name, &argument, 1, NULL, 0));
        parcel_calls_add(calls, call);
    }
    parcel_results *results = run_served(calls);
    ck_ran_well(results);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(parcel_get_or(results, (size_t)i, int, -1), 3 * i);
    parcel_results_free(results);
}

/* One that no other rank can find, behind calls that all can: nothing runs. */
static void send_nameless(void)
{
    parcel_function nameless = by_name;
    parcel_calls *calls = squares(50);
    parcel_call call = {.function = &nameless};
    parcel_calls_add(calls, call);
    parcel_results *results = run_served(calls);
    if (ranks_count() > 1) {
        ck_contains(parcel_results_error(results),
                    "call 50, triple(0): triple cannot be found by other ranks");
        ck_assert_int_eq(parcel_results_status(results, 0), PARCEL_NOT_RUN);
    }
    parcel_results_free(results);
}

START_TEST(functions_that_other_ranks_cannot_find_are_refused)
{
    while_others_serve(send_nameless);
}
END_TEST

START_TEST(registered_functions_are_found_by_name)
{
    ck_assert_ptr_null(parcel_mpi_register("mpi.c: triple", &by_name));
    ck_assert_ptr_nonnull(parcel_mpi_register(NULL, &by_name));
    ck_assert_ptr_nonnull(parcel_mpi_register("mpi.c: nothing", NULL));
    while_others_serve(send_by_name);
}
END_TEST

/* ---- the suite ---- */

static void add_list_tests(TCase *tests)
{
    tcase_add_loop_test(tests, lists_that_differ_are_found_before_anything_runs, 0, N_DIFFERENCES);
    tcase_add_test(tests, a_list_of_results_that_other_ranks_do_not_have_is_told);
    tcase_add_test(tests, pointers_are_each_ranks_own);
    tcase_add_loop_test(tests, what_other_ranks_would_not_have_is_not_written, 0, LENGTH(writers));
    tcase_add_loop_test(tests, what_only_the_last_rank_would_write_is_refused_on_all, 0,
                        LENGTH(writers));
    tcase_add_loop_test(tests, pointers_that_are_only_read_are_each_ranks_own, 0, 2);
    tcase_add_test(tests, a_pointer_of_a_generator_is_refused);
    tcase_add_loop_test(tests, rank_0_has_the_results_and_all_know_how_it_went, 0, LENGTH(sizes));
    tcase_add_loop_test(tests, all_ranks_have_the_results_when_asked, 0, LENGTH(sizes));
    tcase_add_test(tests, failures_are_told_on_all_ranks_alike);
    tcase_add_test(tests, rank_0_alone_speaks);
    tcase_add_test(tests, generated_calls_run_on_all_ranks);
    tcase_add_test(tests, results_flow_to_rank_0);
    tcase_add_test(tests, a_stream_is_over_for_all_when_its_calls_have_run);
}

static void add_option_tests(TCase *tests)
{
    tcase_add_test(tests, the_options_of_rank_0_hold_for_all);
    tcase_add_loop_test(tests, bad_options_of_one_rank_are_told_on_all, 0, 2);
    tcase_add_loop_test(tests, a_refused_executor_is_refused_on_all, 0, 2);
    tcase_add_test(tests, a_refused_run_of_rank_0_does_not_wait_for_ever);
    tcase_add_test(tests, a_refusal_is_told_whole);
    tcase_add_test(tests, isolate_counts_on_rank_0_only);
    tcase_add_test(tests, halt_counts_on_rank_0_only);
}

static void add_place_tests(TCase *tests)
{
    tcase_add_test(tests, workers_are_numbered_over_all_ranks);
    tcase_add_loop_test(tests, no_option_leaves_a_worker_without_calls, 0, LENGTH(ways));
    tcase_add_test(tests, records_name_host_and_process);
    tcase_add_loop_test(tests, a_run_inside_a_call_stays_on_its_rank, 0, 2);
    tcase_add_test(tests, halves_of_the_ranks_run_side_by_side);
    tcase_add_test(tests, messages_that_wait_are_left_alone);
    tcase_add_test(tests, a_thread_that_sends_messages_is_not_disturbed);
    tcase_add_test(tests, a_call_may_use_mpi);
}

static void add_fault_tests(TCase *tests)
{
    tcase_add_test(tests, large_results_arrive_whole);
    tcase_add_test(tests, large_results_reach_all_ranks);
    tcase_add_test(tests, results_that_rank_0_has_no_memory_for_are_failures);
    tcase_add_loop_test(tests, a_crash_in_a_worker_of_a_rank_costs_one_record, 0, 2);
    tcase_add_test(tests, sigterm_to_all_ranks_keeps_what_is_finished);
    tcase_add_test(tests, a_token_of_one_rank_reaches_runs_inside_of_calls_on_all);
    tcase_add_test(tests, a_token_of_any_rank_that_is_cancelled_before_lets_nothing_run);
    tcase_add_loop_test(tests, ranks_that_wait_for_another_are_stopped_as_those_that_run, 0, 2);
    tcase_add_test(tests, a_signal_at_another_rank_is_named);
    tcase_add_test(tests, the_ranks_own_signals_behind_a_run_end_nothing);
    tcase_add_test(tests, the_median_is_of_the_calls_of_all_ranks);
}

static void add_serving_tests(TCase *tests)
{
    tcase_add_test(tests, texts_and_structs_travel_to_ranks_that_serve);
    tcase_add_test(tests, arrays_of_any_size_travel_to_ranks_that_serve);
    tcase_add_test(tests, pointers_to_ranks_that_serve_are_refused_by_name);
    tcase_add_test(tests, generated_calls_travel_to_ranks_that_serve);
    tcase_add_test(tests, runs_inside_of_cancelled_calls_stop_on_any_rank);
    tcase_add_test(tests, states_for_ranks_that_serve_are_refused);
    tcase_add_test(tests, ranks_that_serve_serve_many_runs);
    tcase_add_test(tests, registered_functions_are_found_by_name);
    tcase_add_test(tests, functions_that_other_ranks_cannot_find_are_refused);
}

int main(void)
{
    Suite *suite = suite_create("mpi");
    setenv("SUITE_RANKS", "apart", 1);
    add_list_tests(tallied_case(suite, "lists"));
    add_place_tests(tallied_case(suite, "places"));
    add_fault_tests(tallied_case(suite, "faults"));
    add_serving_tests(tallied_case(suite, "serving"));
    add_option_tests(tallied_case(suite, "options"));
    return suite_run(suite);
}
