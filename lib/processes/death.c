/*
 * death.c: how a worker process ended.
 *
 * The worker's handlers are inherited by processes that a call forks. There they do what would
 * be done without them, since what they write concerns the worker only.
 */
#include "processes/death.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ground/port.h"
#include "processes/process.h"

enum { FAULT_STACK = 64 << 10 };

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
enum { N_FAULTS = sizeof faults / sizeof *faults };

static struct {
    struct parcel__death *death;
    pid_t pid;
    pid_t forkserver;
    bool is_copy; /* a process that a call forked */
} worker;         /* constant once it watches, but for is_copy; pid is 0 in other processes */

static bool is_worker(void)
{
    return worker.pid != 0 && getpid() == worker.pid;
}

/* ---- last words ---- */

/* For a handler: the signal stays blocked until it returns. */
static void die_by(int number)
{
    signal(number, SIG_DFL);
    raise(number);
}

/* The address means something only when an instruction was at fault, and is not told of all. */
static void note_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (is_worker() && info->si_code > 0 && info->si_code != SI_KERNEL && number != SIGABRT) {
        atomic_store_explicit(&worker.death->address, (uintptr_t)info->si_addr,
                              memory_order_relaxed);
        atomic_store_explicit(&worker.death->has_address, true, memory_order_relaxed);
    }
    die_by(number);
}

/* A batch system sends SIGTERM to all processes at once. */
static void end_if_forkserver_says(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (!is_worker() || (info->si_code == SI_USER && info->si_pid == worker.forkserver))
        die_by(number);
}

static void leave_to_program(int number)
{
    if (!is_worker())
        die_by(number);
}

static void watch_faults(void)
{
    static unsigned char memory[FAULT_STACK]; /* the worker's own stack may be full */
    const stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    struct sigaction action = {.sa_sigaction = note_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaltstack(&stack, NULL);
    for (int i = 0; i < N_FAULTS; i++)
        sigaction(faults[i], &action, NULL);
}

/* What the program ignores stays so, and is ignored by what a call executes. */
static void watch_interrupts(void)
{
    struct sigaction before;
    struct sigaction action = {.sa_handler = leave_to_program, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, NULL, &before);
    if (before.sa_handler != SIG_IGN)
        sigaction(SIGINT, &action, NULL);
    action.sa_sigaction = end_if_forkserver_says;
    action.sa_flags |= SA_SIGINFO;
    sigaction(SIGTERM, &action, NULL);
}

static void set_mask(sigset_t mask)
{
    sigdelset(&mask, SIGTERM);
    for (int i = 0; i < N_FAULTS; i++)
        sigdelset(&mask, faults[i]);
    sigprocmask(SIG_SETMASK, &mask, NULL);
}

static void note_copy(void)
{
    worker.is_copy = true;
}

void parcel__death_watch(struct parcel__death *death, pid_t forkserver, const sigset_t *mask)
{
    worker.death = death;
    worker.forkserver = forkserver;
    worker.pid = getpid();
    worker.is_copy = false;
    pthread_atfork(NULL, NULL, note_copy); /* asking for the pid behind each call costs more */
    watch_faults();
    watch_interrupts();
    set_mask(*mask);
}

void parcel__death_end_copy(void)
{
    if (worker.is_copy)
        _exit(EXIT_FAILURE);
}

_Noreturn void parcel__death_leave(void)
{
    atomic_store_explicit(&worker.death->had_left, true, memory_order_relaxed);
    exit(EXIT_SUCCESS);
}

/* Behind what calls registered with atexit and before what the program did. The buffers hold only
 * what this process wrote. A report of leaks ends the process with a status of its own. */
static void end_process(int status)
{
    const bool had_left =
        is_worker() && atomic_load_explicit(&worker.death->had_left, memory_order_relaxed);
    parcel__process_flush();
    parcel__process_write_counts();
    if (had_left)
        parcel__process_report_leaks();
    if (status >= 0)
        _exit(status);
    if (is_worker() && !had_left)
        atomic_store_explicit(&worker.death->was_untold, true, memory_order_relaxed);
    _exit(had_left ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void leave_quickly(void)
{
    if (is_worker())
        atomic_store_explicit(&worker.death->was_quick, true, memory_order_relaxed);
    _exit(EXIT_FAILURE);
}

/* What is entered last is called first. */
void parcel__death_catch_exits(void)
{
    parcel__port_at_exit(end_process);
    at_quick_exit(leave_quickly);
}

/* ---- what the system tells ---- */

static const double nearly_all = 0.8; /* of a limit */

static long long kills_seen = LLONG_MAX; /* not told */

void parcel__death_look(void)
{
    kills_seen = parcel__port_memory_kills();
}

/* The kernel does not tell who sent SIGKILL. It is likely that it did itself, for lack of memory,
 * when it counts one more such kill, or the process had nearly all there was. */
static void guess_cause(struct parcel__death *death)
{
    long long before = kills_seen;
    parcel__death_look();
    death->limit = (double)parcel__port_memory_limit();
    bool has_risen = before < kills_seen && kills_seen < LLONG_MAX;
    death->out_of_memory = has_risen || death->resident >= nearly_all * death->limit;
}

void parcel__death_record(struct parcel__death *death, int status, const struct rusage *usage,
                          int signal)
{
    death->status = status;
    death->was_told = signal != 0 && WIFSIGNALED(status) && WTERMSIG(status) == signal;
    death->resident = 1024.0 * (double)usage->ru_maxrss;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !death->was_told)
        guess_cause(death);
    death->has_ended = true;
}

bool parcel__death_was_in_order(const struct parcel__death *death)
{
    return atomic_load_explicit(&death->had_left, memory_order_relaxed) && death->status == 0;
}

/* ---- texts ---- */

static const struct {
    int number;
    const char *name;
} names[] = {
    {SIGHUP, "SIGHUP"},       {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"}, {SIGILL, "SIGILL"},
    {SIGTRAP, "SIGTRAP"},     {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
    {SIGKILL, "SIGKILL"},     {SIGUSR1, "SIGUSR1"}, {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},
    {SIGPIPE, "SIGPIPE"},     {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"}, {SIGXCPU, "SIGXCPU"},
    {SIGXFSZ, "SIGXFSZ"},     {SIGPROF, "SIGPROF"}, {SIGPOLL, "SIGPOLL"}, {SIGSYS, "SIGSYS"},
    {SIGVTALRM, "SIGVTALRM"},
};

static void put_signal(struct parcel__text *text, int number)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == number) {
            parcel__text_put(text, names[i].name);
            return;
        }
    parcel__text_format(text, "signal %d", number);
}

static void put_bytes(struct parcel__text *text, double bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (bytes /= 1024; bytes >= 1023.5 && unit + 1 < sizeof units / sizeof *units; unit++)
        bytes /= 1024;
    parcel__text_format(text, bytes < 10 ? "%.2g %s" : "%.0f %s", bytes, units[unit]);
}

static void put_killed(struct parcel__text *text, const struct parcel__death *death)
{
    parcel__text_put(text, "killed by ");
    put_signal(text, WTERMSIG(death->status));
    if (atomic_load_explicit(&death->has_address, memory_order_relaxed))
        parcel__text_format(text, " (address 0x%jx)",
                            (uintmax_t)atomic_load_explicit(&death->address, memory_order_relaxed));
    if (!death->out_of_memory)
        return;
    parcel__text_put(text, ", likely out of memory: ");
    put_bytes(text, death->resident);
    parcel__text_put(text, " resident, limit ");
    put_bytes(text, death->limit);
}

void parcel__death_put(struct parcel__text *text, const struct parcel__death *death)
{
    if (!death->has_ended)
        parcel__text_put(text, "has not ended");
    else if (death->lost_forkserver)
        parcel__text_put(text, "killed with the process that keeps the workers");
    else if (WIFSIGNALED(death->status))
        put_killed(text, death);
    else if (atomic_load_explicit(&death->was_quick, memory_order_relaxed))
        parcel__text_put(text, "ended by quick_exit");
    else if (atomic_load_explicit(&death->was_untold, memory_order_relaxed))
        parcel__text_put(text, "ended by exit");
    else
        parcel__text_format(text, "exited with status %d", WEXITSTATUS(death->status));
}
