/*
 * random_programs.c: programs made at random, against what a serial loop would have done.
 *
 *     ./random_programs [SECONDS [SEED [ROUND]]]      (default: PARCEL_TEST_SECONDS, else 60; 1)
 *
 * Each round is a program: calls of random functions from a list, a map or a generator; random
 * options; results that are kept, taken or pulled; calls that fail, crash, hang, stop and cancel;
 * and, in every other round, memory, pages, processes and threads that the system does not give.
 * `make check` makes the same programs each time; a seed of 0 is the time of day. It is printed:
 * `random_programs 0 SEED ROUND` runs that round alone.
 */
#include "suite.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "random_faults.h"
#include "random_signatures.h"

/* A program whose calls go on is no hang, however slow the machine and a sanitizer make it; but one
 * that makes its calls again and again is. */
enum { SECONDS_BETWEEN_LOOKS = 60, MOST_LOOKS = 10, MOST_COMPLAINTS = 20 };

/* One round. */
struct program {
    uint64_t seed;
    parcel_options options;
    unsigned n_calls;
    bool is_map;
    bool is_generated;
    bool is_executor;
    bool may_stop; /* something ends the run before its last call */
    bool may_time_out;
    bool is_isolated; /* calls may crash */
    bool has_faults;
    bool is_closed_early;
    /* What came of it. */
    size_t n_taken;
    size_t last_taken;
    bool is_taken[MOST_PLANNED];
};

static uint64_t seed;
static unsigned long round_number;
static unsigned n_wrong;
static unsigned long n_faults;

/* What random numbers are drawn for: each has its own, so that a new one changes no other. */
enum choice {
    SIZE = 1000,
    BACKEND,
    JOBS,
    BATCH,
    SCHEDULE,
    TIMING,
    ON_ERROR,
    TROUBLE,
    RETRIES,
    SOURCE,
    SINK,
    WINDOW,
    LIMITS,
    CALLBACKS,
    FAULTS,
    WAYS,
    PROGRESS,
    FUNCTIONS
};

static unsigned draw(const struct program *program, enum choice choice, unsigned below)
{
    return (unsigned)(mixed(program->seed, choice, 0) >> 20) % below;
}

static void complain(const char *what, size_t index, const char *detail)
{
    if (++n_wrong > MOST_COMPLAINTS)
        return;
    fprintf(stderr, "random_programs 0 %llu %lu: %s (call %zu): %s\n", (unsigned long long)seed,
            round_number, what, index, detail ? detail : "-");
}

/* ---- a program ---- */

static const unsigned sizes[] = {0, 1, 2, 3, 7, 20, 64, 200, 1009};
static const int jobs[] = {1, 2, 3, 7};
static const char *const backends[] = {"sequential", "threading", "threading", "processes"};
static const char *const pre_dispatches[] = {NULL, "all", "2 * n_jobs", "n_jobs"};

static void *start_worker(void *state, int worker)
{
    (void)worker;
    return state;
}

static void end_worker(void *state, int worker, void *worker_state)
{
    (void)state, (void)worker, (void)worker_state;
}

static void ignore_line(void *state, const char *line)
{
    (void)state, (void)line;
}

static bool take(void *state, size_t index, parcel_value value, const parcel_record *record);

static void choose_control(struct program *program)
{
    parcel_options *options = &program->options;
    unsigned limits = draw(program, LIMITS, 12);
    options->cancel = &plan->token;
    options->max_failures = limits == 0 ? 3 : 0;
    options->halt = limits == 1 ? "soon,fail=2" : limits == 2 ? "now,done=50%" : NULL;
    options->deadline = limits == 3 ? 0.05 : 0;
    options->timeout = limits == 4 || limits == 5 ? 0.05 : 0;
    options->timeout_factor = limits == 6 ? 50 : 0;
    options->kill_after = 0.2;
    program->may_stop = limits < 4;
    program->may_time_out = limits >= 4 && limits <= 6;
    if (draw(program, RETRIES, 4) == 0)
        options->retries = 1 + (int)draw(program, RETRIES, 3);
}

static void choose_workers(struct program *program)
{
    parcel_options *options = &program->options;
    unsigned callbacks = draw(program, CALLBACKS, 8);
    if (callbacks < 2)
        options->on_worker_start = start_worker;
    if (callbacks == 0)
        options->on_worker_end = end_worker;
    if (callbacks == 2 || callbacks == 1) /* some twenty workers at most, one after the other */
        options->max_calls_per_worker = 5 + program->n_calls / 20;
    if (callbacks == 3)
        options->max_worker_memory = 1 << 30;
}

static void choose_results(struct program *program)
{
    parcel_options *options = &program->options;
    unsigned sink = draw(program, SINK, 6);
    options->return_as = sink == 3 ? PARCEL_GENERATOR : sink >= 4 ? PARCEL_GENERATOR_UNORDERED : 0;
    if (sink == 1 || sink == 2 || sink == 5) {
        options->on_result = take;
        options->on_result_state = program;
    }
    if ((options->return_as || options->on_result) && draw(program, WINDOW, 4) == 0)
        options->window = 1 + draw(program, WINDOW, 50);
    options->pre_dispatch = pre_dispatches[draw(program, WINDOW, LENGTH(pre_dispatches))];
    program->is_closed_early = draw(program, WAYS, 6) == 0;
}

static bool is_pulled(const struct program *program)
{
    return program->options.return_as && !program->options.on_result;
}

/* A sanitizer's allocator may be locked by the thread that pulls when the stream's thread forks. */
static bool can_run(const struct program *program)
{
    return !SUITE_IS_SANITIZED || !program->is_isolated || !is_pulled(program);
}

static void choose(struct program *program)
{
    parcel_options *options = &program->options;
    program->n_calls = sizes[draw(program, SIZE, LENGTH(sizes))];
    options->backend = backends[draw(program, BACKEND, LENGTH(backends))];
    if (strcmp(options->backend, "threading") == 0 && !suite_has_threads())
        options->backend = "sequential";
    program->is_isolated = strcmp(options->backend, "processes") == 0;
    options->n_jobs = jobs[draw(program, JOBS, LENGTH(jobs))];
    options->batch_size = draw(program, BATCH, 3) == 0 ? 1 + draw(program, BATCH, 40) : 0;
    options->schedule = draw(program, SCHEDULE, 5);
    options->timing = draw(program, TIMING, 3);
    options->on_error = draw(program, ON_ERROR, 3) == 0 ? PARCEL_STOP : PARCEL_COLLECT;
    options->verbose = (int)draw(program, PROGRESS, 3) * 20;
    options->sink = ignore_line;
    program->is_map = draw(program, SOURCE, 4) == 0;
    program->is_generated = draw(program, SOURCE, 4) == 1;
    program->is_executor = draw(program, WAYS, 4) == 1;
    program->has_faults = draw(program, FAULTS, 2) == 0;
    choose_control(program);
    choose_workers(program);
    choose_results(program);
}

/* ---- its calls ---- */

/* What a nested run asks the system for is its own affair; and the thread sanitizer knows no
 * threads that begin in a forked process. */
static bool may_nest(const struct program *program)
{
    return !program->has_faults && !(SUITE_IS_SANITIZED && program->is_isolated);
}

static bool is_possible(const struct program *program, enum behaviour behaviour)
{
    switch (behaviour) {
    case EXITS:
    case CRASHES:
        return program->is_isolated;
    case HANGS:
        return program->options.timeout > 0 || program->options.deadline > 0;
    case NESTS:
        return may_nest(program);
    default:
        return true;
    }
}

/* In most programs nothing special happens in most calls. */
static enum behaviour random_behaviour(const struct program *program, unsigned number)
{
    static const unsigned one_of[] = {0, 3, 20, 200};
    unsigned rate = one_of[draw(program, TROUBLE, LENGTH(one_of))];
    uint64_t bits = mixed(program->seed, TROUBLE, number) >> 8;
    enum behaviour behaviour = (enum behaviour)(bits / 1000 % N_BEHAVIOURS);
    if (rate == 0 || bits % rate > 0 || !is_possible(program, behaviour))
        return RETURNS;
    return behaviour;
}

static bool ends_run(const struct program *program, enum behaviour behaviour)
{
    bool stops_at_failure = program->options.on_error != PARCEL_COLLECT;
    bool fails = behaviour == FAILS || behaviour == EXITS || behaviour == CRASHES ||
                 behaviour == HANGS || (behaviour == FAILS_FIRST && program->options.retries == 0);
    return behaviour == STOPS || behaviour == CANCELS || (fails && stops_at_failure);
}

static void plan_calls(struct program *program)
{
    plan->seed = program->seed;
    parcel_token_reset(&plan->token);
    program->may_stop |= program->may_time_out && program->options.on_error != PARCEL_COLLECT;
    for (unsigned i = 0; i < program->n_calls; i++) {
        uint64_t bits = mixed(program->seed, FUNCTIONS, i) >> 16;
        plan->calls[i].function =
            program->is_map ? signature_of_number() : signature_at(bits % N_SIGNATURES);
        plan->calls[i].behaviour = random_behaviour(program, i);
        atomic_store(&plan->calls[i].n_ran, 0);
        program->may_stop |= ends_run(program, plan->calls[i].behaviour);
    }
}

static parcel_next_status next(void *state, parcel_call *call)
{
    unsigned *number = state;
    if (*number == 0)
        return PARCEL_NEXT_END;
    unsigned count = *number >> 16, at = *number & 0xffff;
    if (at == count)
        return PARCEL_NEXT_END;
    *call = planned_call(at);
    ++*number;
    return PARCEL_NEXT_CALL;
}

/* NULL: memory ran out. */
static parcel_calls *make_list(const struct program *program)
{
    parcel_calls *calls = parcel_calls_new();
    for (unsigned i = 0; calls && i < program->n_calls; i++) {
        parcel_call call = planned_call(i);
        (void)parcel_calls_add(calls, call); /* the run tells of a list that is not whole */
    }
    return calls;
}

/* ---- what is right ---- */

static bool is_whole(const struct program *program)
{
    return !program->may_stop && !program->has_faults && !program->is_closed_early;
}

/* How often a call may have run: a result that is torn by a crash is made anew, twice at most. */
static int most_attempts(const struct program *program)
{
    int attempts = 1 + program->options.retries;
    return program->is_isolated ? attempts * 3 : attempts;
}

static bool is_planned_failure(const struct program *program, enum behaviour behaviour,
                               const char *message)
{
    if (program->has_faults && message && strstr(message, "memory"))
        return true;
    return message && strcmp(message, "planned") == 0 &&
           (behaviour == FAILS || behaviour == FAILS_FIRST);
}

/* Whether a call may have ended so. */
static bool is_right_status(const struct program *program, unsigned number, parcel_status status,
                            const char *message)
{
    enum behaviour behaviour = plan->calls[number].behaviour;
    bool crashes = behaviour == EXITS || behaviour == CRASHES;
    int n_ran = atomic_load(&plan->calls[number].n_ran);
    bool ends_badly = program->may_stop || program->has_faults || program->is_closed_early;
    switch (status) {
    case PARCEL_OK:
        return n_ran > 0 && behaviour != FAILS && !crashes &&
               (behaviour != FAILS_FIRST || program->options.retries > 0);
    case PARCEL_FAILED:
        return is_planned_failure(program, behaviour, message);
    case PARCEL_LOST:
        return message && (crashes || program->has_faults);
    case PARCEL_TIMED_OUT:
        /* A process may be killed in a call that has not come to count itself. */
        return message && (n_ran > 0 || program->is_isolated) && program->may_time_out;
    case PARCEL_CANCELLED:
        return message && ends_badly;
    default:
        return ends_badly && n_ran == 0;
    }
}

static bool says_not_started(const char *message)
{
    return message && strncmp(message, "not started", strlen("not started")) == 0;
}

static void check_call(const struct program *program, unsigned number, parcel_status status,
                       const char *message, parcel_value value)
{
    int n_ran = atomic_load(&plan->calls[number].n_ran);
    char detail[300];
    snprintf(detail, sizeof detail, "status %d, ran %d times, behaviour %d, %s: %s", (int)status,
             n_ran, (int)plan->calls[number].behaviour, plan->calls[number].function->name,
             message ? message : "-");
    if (!is_right_status(program, number, status, message))
        complain("the status is wrong", number, detail);
    if (n_ran > most_attempts(program))
        complain("it ran too often", number, detail);
    if (n_ran > 0 && says_not_started(message))
        complain("it ran, and is said not to have started", number, detail);
    if (status == PARCEL_OK && !is_planned_value(number, value))
        complain("the value is wrong", number, detail);
    if (status != PARCEL_OK && value.tag != PARCEL_TAG_NONE)
        complain("there is a value", number, detail);
}

/* A result that is taken while the run lasts. */
static void note_taken(struct program *program, size_t index, parcel_value value,
                       const parcel_record *record)
{
    bool in_order = program->options.return_as != PARCEL_GENERATOR_UNORDERED;
    if (index >= program->n_calls || program->is_taken[index]) {
        complain("it was taken before, or is none", index, record->message);
        return;
    }
    if (in_order && program->n_taken > 0 && index <= program->last_taken)
        complain("it was taken out of order", index, record->message);
    program->is_taken[index] = true;
    program->last_taken = index;
    program->n_taken++;
    check_call(program, (unsigned)index, record->status, record->message, value);
}

static bool take(void *state, size_t index, parcel_value value, const parcel_record *record)
{
    struct program *program = state;
    faults_pause();
    note_taken(program, index, value, record);
    faults_resume();
    return !program->is_closed_early || program->n_taken < 5;
}

static void pull(struct program *program, parcel_results *results)
{
    parcel_result result;
    while ((!program->is_closed_early || program->n_taken < 5) &&
           parcel_results_next(results, &result)) {
        faults_pause();
        note_taken(program, result.index, result.value, &result.record);
        faults_resume();
        parcel_result_free(&result);
    }
    (void)parcel_results_close(results, NULL, NULL, NULL);
}

static void check_kept(const struct program *program, const parcel_results *results)
{
    size_t failures = 0;
    for (unsigned i = 0; i < parcel_results_count(results); i++) {
        parcel_status status = parcel_results_status(results, i);
        failures += status == PARCEL_FAILED || status == PARCEL_LOST || status == PARCEL_TIMED_OUT;
        check_call(program, i, status, parcel_results_message(results, i),
                   parcel_results_value(results, i));
    }
    if (failures != parcel_results_failures(results))
        complain("failures are miscounted", failures, parcel_results_error(results));
}

static void describe(const struct program *program, const parcel_results *results)
{
    const parcel_options *options = &program->options;
    fprintf(stderr,
            "backend %s, n_jobs %d, batch_size %lld, schedule %d, on_error %d, retries %d, timeout "
            "%g, deadline %g, halt %s, max_failures %lld, return_as %d, window %lld, pre_dispatch "
            "%s, max_calls %lld, %u calls:%s%s%s%s%s%s%s%s\nerror: %s\n",
            options->backend, options->n_jobs, options->batch_size, (int)options->schedule,
            (int)options->on_error, options->retries, options->timeout, options->deadline,
            options->halt ? options->halt : "-", options->max_failures, (int)options->return_as,
            options->window, options->pre_dispatch ? options->pre_dispatch : "-",
            options->max_calls_per_worker, program->n_calls, program->is_map ? " map" : "",
            program->is_generated ? " generator" : "", program->is_executor ? " executor" : "",
            options->on_result ? " on_result" : "", options->on_worker_start ? " states" : "",
            program->may_stop ? " may stop" : "", program->has_faults ? " faults" : "",
            program->is_closed_early ? " closed early" : "",
            parcel_results_error(results) ? parcel_results_error(results) : "-");
}

static void check_run(const struct program *program, const parcel_results *results)
{
    unsigned n_before = n_wrong;
    const char *error = parcel_results_error(results);
    bool is_taken = program->options.on_result || is_pulled(program);
    if (program->n_taken < program->n_calls && is_taken && is_whole(program))
        complain("results are missing", program->n_taken, error);
    if (parcel_results_count(results) != program->n_calls && !is_taken && is_whole(program))
        complain("the count is wrong", parcel_results_count(results), error);
    if (parcel_results_failures(results) > 0 && !error)
        complain("failures, and no error", parcel_results_failures(results), NULL);
    if (is_whole(program) && parcel_results_failures(results) == 0 && error)
        complain("an error without a failure", 0, error);
    if (!is_taken)
        check_kept(program, results);
    if (n_wrong > n_before)
        describe(program, results);
}

/* ---- a round ---- */

static void run_program(struct program *program, const parcel_calls *calls)
{
    parcel_executor *executor = program->is_executor ? parcel_open(&program->options) : NULL;
    parcel_results *results =
        executor ? parcel_executor_run(executor, calls) : parcel_run(&program->options, calls);
    if (is_pulled(program))
        pull(program, results);
    faults_pause();
    check_run(program, results);
    faults_resume();
    parcel_results_free(results);
    parcel_close(executor);
}

static void run_round(void)
{
    static struct program program;
    static unsigned numbers[MOST_PLANNED];
    program = (struct program){.seed = mixed(seed, round_number, 7)};
    choose(&program);
    if (!can_run(&program))
        return;
    plan_calls(&program);
    for (unsigned i = 0; i < program.n_calls; i++)
        numbers[i] = i;
    unsigned state = program.n_calls << 16;
    if (program.has_faults)
        faults_begin(program.seed);
    parcel_calls map = {.parcel__count = program.n_calls,
                        .parcel__mapped = signature_of_number(),
                        .parcel__elements = numbers};
    parcel_calls *calls = program.is_map         ? &map
                          : program.is_generated ? parcel_calls_generate(next, &state)
                                                 : make_list(&program);
    if (calls)
        run_program(&program, calls);
    if (!program.is_map)
        parcel_calls_free(calls);
    if (program.has_faults)
        n_faults += faults_end();
}

/* Of the handler; looks is set before each round, when no alarm is due. */
static volatile sig_atomic_t looks;
static volatile unsigned long n_ran_before;

static unsigned long count_attempts(void)
{
    unsigned long n_ran = 0;
    for (unsigned i = 0; i < MOST_PLANNED; i++)
        n_ran += (unsigned long)atomic_load(&plan->calls[i].n_ran);
    return n_ran;
}

static void look_for_hang(int number)
{
    char text[160];
    (void)number;
    unsigned long n_ran = count_attempts();
    alarm(SECONDS_BETWEEN_LOOKS);
    if (++looks == 1 || (n_ran != n_ran_before && looks < MOST_LOOKS)) {
        n_ran_before = n_ran;
        return;
    }
    int length =
        snprintf(text, sizeof text, "random_programs 0 %llu %lu: does not end (%lu attempts)\n",
                 (unsigned long long)seed, round_number, n_ran);
    (void)!write(STDERR_FILENO, text, (size_t)length);
    _exit(1);
}

static double default_seconds(void)
{
    const char *given = getenv("PARCEL_TEST_SECONDS");
    return given ? atof(given) : 60;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : default_seconds();
    time_t end = time(NULL) + (time_t)seconds;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    seed = seed > 0 ? seed : (uint64_t)time(NULL);
    round_number = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    suite_clear_environment();
    if (!signatures_open(seed))
        return 2;
    signal(SIGALRM, look_for_hang);
    unsigned long n_rounds = 0;
    do {
        looks = 0;
        alarm(SECONDS_BETWEEN_LOOKS);
        run_round();
        n_rounds++;
        round_number++;
    } while (time(NULL) < end && n_wrong == 0);
    printf("seed %llu: %lu rounds, %lu injected faults, %u wrong\n", (unsigned long long)seed,
           n_rounds, n_faults, n_wrong);
    return n_wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
