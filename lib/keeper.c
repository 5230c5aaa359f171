/*
 * keeper.c: worker processes, and the process that keeps them.
 *
 * The program asks by writing into the worker's seat and ringing the keeper's word; the keeper
 * answers by the seat's state and its bell. Only the keeper waits for workers and sends them
 * signals, so that no pid is stale. Whatever makes the keeper look adds to its word, signals too:
 * nothing comes between its last look and its sleep.
 *
 * When the keeper is killed, the kernel kills its workers. Nobody rings then: the program notices
 * when it looks.
 */
#include "keeper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "death.h"
#include "openmp.h"
#include "port.h"
#include "process.h"

enum { PARENT_ENDED = SIGUSR1 }; /* harmless when others send it */
enum { MOST_LOST = 5 };          /* keepers, before a start gives up */

static const double patience = 0.2;  /* seconds in which a fork that failed is tried again */
static const double next_try = 0.01; /* seconds between such tries */
static const double quiet = 0.01;    /* seconds after which nobody waits for the keeper */
static const double look = 1;        /* seconds after which everybody looks without being rung */

/* STARTING is written by the program, RUNNING and REFUSED by the keeper, ENDED by the keeper, or
 * by the program when there is no keeper. */
enum state { IDLE, STARTING, RUNNING, REFUSED, ENDED };

/* One worker's. A seat is used by one thread of the program; of two seats, by several. */
struct seat {
    _Alignas(128) atomic_uint bell;
    atomic_int state;     /* release, so that who reads it finds what stands below */
    atomic_int signal;    /* that the program wants it to be sent, or 0; taken by the keeper */
    atomic_int pid;       /* written by the keeper */
    pthread_mutex_t life; /* robust: held by the worker's process while it can write */
    int sent;             /* the last signal it was sent, or 0; the keeper's */
    int error;            /* errno of the fork that failed; the keeper's until REFUSED */
    double first_try;     /* to fork it; 0: none yet; the keeper's while STARTING */
    struct parcel__death death;
};

struct parcel__keeper {
    struct parcel__keeper_options options; /* constant */
    size_t size;                           /* of these pages; constant */
    pid_t program;                         /* constant */
    sigset_t mask;                         /* of the thread that forked; constant while it lives */
    bool has_stack;                        /* that of the thread that forked; the program's */

    pthread_mutex_t mutex; /* the program's: whoever holds it buries a keeper and forks another */
    atomic_int pid;        /* 0: it is gone; written with the mutex held */

    atomic_bool is_closing;
    atomic_uint word; /* on which the keeper waits */
    struct seat seats[];
};

static int state_of(const struct seat *seat)
{
    return atomic_load_explicit(&seat->state, memory_order_acquire);
}

static void settle(struct seat *seat, int state)
{
    atomic_store_explicit(&seat->state, state, memory_order_release);
    parcel__process_ring(&seat->bell);
}

/* ---- the worker's process ---- */

/* What the program had, for the workers. */
static struct sigaction child_action, parent_action;

/* The kernel kills a worker when the keeper ends; it may have ended before that was asked for. */
static _Noreturn void be_worker(struct parcel__keeper *keeper, int worker, pid_t parent)
{
    struct seat *seat = &keeper->seats[worker];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    if (pthread_mutex_lock(&seat->life) == EOWNERDEAD) /* the last worker */
        pthread_mutex_consistent(&seat->life);
    sigaction(SIGCHLD, &child_action, NULL);
    sigaction(PARENT_ENDED, &parent_action, NULL);
    parcel__death_watch(&seat->death, parent, &keeper->mask);
    keeper->options.work(keeper->options.context, keeper, worker);
    parcel__process_flush();
    _exit(EXIT_SUCCESS);
}

/* ---- the keeper's process ---- */

static struct parcel__keeper *kept;
static bool has_started; /* a worker, since the last look at what the kernel counts */

static void look_again(int signal)
{
    (void)signal;
    atomic_fetch_add_explicit(&kept->word, 1, memory_order_relaxed);
}

static void catch_signals(void)
{
    sigset_t caught;
    struct sigaction action = {.sa_handler = look_again, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    sigfillset(&action.sa_mask);
    sigaction(SIGCHLD, &action, &child_action);
    sigaction(PARENT_ENDED, &action, &parent_action);
    sigemptyset(&caught);
    sigaddset(&caught, SIGCHLD);
    sigaddset(&caught, PARENT_ENDED);
    sigprocmask(SIG_UNBLOCK, &caught, NULL);
}

/* A limit of 1 byte also keeps the kernel from piping the core to a program. */
static void dump_no_core(void)
{
    struct rlimit core;
    if (getrlimit(RLIMIT_CORE, &core) != 0)
        return;
    core.rlim_cur = core.rlim_max < 1 ? core.rlim_max : 1;
    setrlimit(RLIMIT_CORE, &core);
}

static struct seat *seat_of(struct parcel__keeper *keeper, pid_t pid)
{
    for (int i = 0; i < keeper->options.n_workers; i++) {
        struct seat *seat = &keeper->seats[i];
        if (state_of(seat) == RUNNING && atomic_load(&seat->pid) == pid)
            return seat;
    }
    return NULL;
}

/* Waits for all that have ended; with flags 0, until all have. */
static void reap(struct parcel__keeper *keeper, int flags)
{
    struct rusage usage;
    int status;
    pid_t pid;
    while ((pid = wait4(-1, &status, flags, &usage)) > 0 || (pid < 0 && errno == EINTR)) {
        parcel__openmp_clean_up(pid);
        struct seat *seat = pid > 0 ? seat_of(keeper, pid) : NULL;
        if (!seat)
            continue;
        parcel__death_record(&seat->death, status, &usage, seat->sent);
        settle(seat, ENDED);
    }
}

static _Noreturn void leave(struct parcel__keeper *keeper)
{
    sigset_t all;
    sigfillset(&all); /* each of the workers' ends would take its time */
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (int i = 0; i < keeper->options.n_workers; i++)
        if (state_of(&keeper->seats[i]) == RUNNING) {
            keeper->seats[i].sent = SIGKILL;
            kill(atomic_load(&keeper->seats[i].pid), SIGKILL);
        }
    reap(keeper, 0);
    parcel__openmp_clean_up(getpid());
    _exit(EXIT_SUCCESS);
}

/* False: the fork failed, and is worth another try. */
static bool fork_worker(struct parcel__keeper *keeper, int worker)
{
    struct seat *seat = &keeper->seats[worker];
    pid_t self = getpid();
    memset(&seat->death, 0, sizeof seat->death);
    seat->sent = 0;
    pid_t pid = fork();
    if (pid == 0)
        be_worker(keeper, worker, self);
    if (pid > 0) {
        atomic_store_explicit(&seat->pid, pid, memory_order_relaxed);
        settle(seat, RUNNING);
        has_started = true;
        return true;
    }
    seat->error = errno;
    if (parcel__port_now() < seat->first_try + patience)
        return false;
    settle(seat, REFUSED);
    return true;
}

static bool start_wanted(struct parcel__keeper *keeper, int worker)
{
    struct seat *seat = &keeper->seats[worker];
    if (state_of(seat) != STARTING)
        return true;
    if (seat->first_try == 0)
        seat->first_try = parcel__port_now();
    return fork_worker(keeper, worker);
}

static void send_wanted(struct seat *seat)
{
    int signal = atomic_exchange_explicit(&seat->signal, 0, memory_order_relaxed);
    if (signal == 0 || state_of(seat) != RUNNING)
        return;
    seat->sent = signal;
    kill(atomic_load(&seat->pid), signal);
}

/* Does what is wanted. Returns after how many seconds it must look again. */
static double serve(struct parcel__keeper *keeper)
{
    double pause = look;
    for (int i = 0; i < keeper->options.n_workers; i++) {
        if (!start_wanted(keeper, i))
            pause = next_try;
        send_wanted(&keeper->seats[i]);
    }
    return pause;
}

/* The signal of the parent's end also comes when only the thread that forked has ended. */
static void keep(void *data)
{
    struct parcel__keeper *keeper = kept = data;
    prctl(PR_SET_PDEATHSIG, PARENT_ENDED);
    catch_signals();
    parcel__death_catch_exits();
    if (!keeper->options.dumps_core)
        dump_no_core();
    for (;;) {
        unsigned seen = atomic_load_explicit(&keeper->word, memory_order_acquire);
        reap(keeper, WNOHANG);
        if (atomic_load(&keeper->is_closing) || getppid() != keeper->program)
            leave(keeper);
        double pause = serve(keeper);
        parcel__process_wait(&keeper->word, seen, has_started ? quiet : pause);
        if (has_started && atomic_load(&keeper->word) == seen) {
            parcel__death_look();
            has_started = false;
        }
    }
}

/* ---- the program ---- */

static void put_error(char *why, size_t why_size, int error)
{
    const char *name = error == EAGAIN ? " (EAGAIN)" : error == ENOMEM ? " (ENOMEM)" : "";
    snprintf(why, why_size, "fork: %s%s", strerror(error), name);
}

/* It is asked for without being waited for: who finds it gone must still look at its seats. */
static bool keeper_lives(const struct parcel__keeper *keeper)
{
    siginfo_t info = {0};
    int pid = atomic_load(&keeper->pid);
    return pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
}

/* When the keeper ends the kernel kills the workers, but they may still run for an instant, and
 * write; one that has changed its user is left. The pid is sound while the process holds life. */
static void await_end(struct seat *seat)
{
    int taken = pthread_mutex_trylock(&seat->life);
    if (taken == EBUSY) {
        if (state_of(seat) == RUNNING)
            kill(atomic_load(&seat->pid), SIGKILL);
        taken = pthread_mutex_lock(&seat->life);
    }
    if (taken == EOWNERDEAD)
        pthread_mutex_consistent(&seat->life);
    pthread_mutex_unlock(&seat->life);
}

/* Called with the mutex held, when the keeper is gone. */
static void bury_keeper(struct parcel__keeper *keeper)
{
    int pid = atomic_exchange(&keeper->pid, 0);
    if (pid > 0) {
        waitpid(pid, NULL, WNOHANG);
        parcel__openmp_clean_up(pid);
    }
    for (int i = 0; i < keeper->options.n_workers; i++) {
        struct seat *seat = &keeper->seats[i];
        await_end(seat);
        if (state_of(seat) != RUNNING)
            continue;
        parcel__openmp_clean_up(atomic_load(&seat->pid));
        seat->death.lost_keeper = true;
        seat->death.has_ended = true;
        settle(seat, ENDED);
    }
}

/* Called with the mutex held. False: errno says why. */
static bool fork_keeper(struct parcel__keeper *keeper)
{
    pthread_sigmask(SIG_SETMASK, NULL, &keeper->mask);
    pid_t pid = parcel__process_fork(keep, keeper, &keeper->has_stack);
    if (pid > 0)
        atomic_store(&keeper->pid, pid);
    return pid > 0;
}

/* Sees to a keeper that lives. */
static bool revive(struct parcel__keeper *keeper, char *why, size_t why_size)
{
    pthread_mutex_lock(&keeper->mutex);
    bool lives = keeper_lives(keeper);
    if (!lives) {
        bury_keeper(keeper);
        lives = fork_keeper(keeper);
        if (!lives)
            put_error(why, why_size, errno);
    }
    pthread_mutex_unlock(&keeper->mutex);
    return lives;
}

static void open_mutexes(struct parcel__keeper *keeper)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    for (int i = 0; i < keeper->options.n_workers; i++)
        pthread_mutex_init(&keeper->seats[i].life, &attributes);
    pthread_mutexattr_destroy(&attributes);
    pthread_mutex_init(&keeper->mutex, NULL);
}

struct parcel__keeper *parcel__keeper_open(const struct parcel__keeper_options *options, char *why,
                                           size_t why_size)
{
    size_t size = sizeof(struct parcel__keeper) + (size_t)options->n_workers * sizeof(struct seat);
    struct parcel__keeper *keeper = parcel__process_share(size);
    if (!keeper) {
        snprintf(why, why_size, "no memory for %d worker%s", options->n_workers,
                 options->n_workers == 1 ? "" : "s");
        return NULL;
    }
    keeper->options = *options;
    keeper->size = size;
    keeper->program = getpid();
    open_mutexes(keeper);
    for (int i = 0; i < options->n_started; i++)
        atomic_init(&keeper->seats[i].state, STARTING);
    for (double start = parcel__port_now(); !fork_keeper(keeper); parcel__port_sleep(next_try))
        if (errno != EAGAIN || parcel__port_now() - start > patience) {
            put_error(why, why_size, errno);
            parcel__process_unshare(keeper, size);
            return NULL;
        }
    return keeper;
}

bool parcel__keeper_has_stack(const struct parcel__keeper *keeper)
{
    return keeper->has_stack;
}

static void await_keeper(const struct parcel__keeper *keeper)
{
    int pid = atomic_load(&keeper->pid);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

/* In a process that the program forked, there is nothing of ours to end. */
void parcel__keeper_close(struct parcel__keeper *keeper)
{
    if (!keeper)
        return;
    if (keeper->program == getpid()) {
        atomic_store(&keeper->is_closing, true);
        parcel__process_ring(&keeper->word);
        await_keeper(keeper);
        bury_keeper(keeper);
        pthread_mutex_destroy(&keeper->mutex);
    }
    parcel__process_unshare(keeper, keeper->size);
}

atomic_uint *parcel__keeper_bell(struct parcel__keeper *keeper, int worker)
{
    return &keeper->seats[worker].bell;
}

bool parcel__keeper_is_alive(struct parcel__keeper *keeper, int worker)
{
    struct seat *seat = &keeper->seats[worker];
    if (keeper->program != getpid())
        return false;
    if (state_of(seat) != RUNNING || keeper_lives(keeper))
        return state_of(seat) == RUNNING;
    pthread_mutex_lock(&keeper->mutex);
    if (!keeper_lives(keeper))
        bury_keeper(keeper);
    pthread_mutex_unlock(&keeper->mutex);
    return state_of(seat) == RUNNING;
}

/* False: why is filled. lost: keepers that were gone before the worker had started; something may
 * kill each as soon as it is there. */
static bool see_to_keeper(struct parcel__keeper *keeper, int *lost, char *why, size_t why_size)
{
    if (keeper_lives(keeper))
        return true;
    if (++*lost <= MOST_LOST)
        return revive(keeper, why, why_size);
    snprintf(why, why_size, "the process that keeps the workers is killed again and again");
    return false;
}

static bool await_start(struct parcel__keeper *keeper, struct seat *seat, char *why,
                        size_t why_size)
{
    for (int lost = 0;;) {
        unsigned seen = atomic_load_explicit(&seat->bell, memory_order_acquire);
        int state = state_of(seat);
        if (state == REFUSED)
            put_error(why, why_size, seat->error);
        if (state != STARTING)
            return state != REFUSED;
        if (!see_to_keeper(keeper, &lost, why, why_size))
            return false;
        parcel__process_wait(&seat->bell, seen, quiet);
    }
}

bool parcel__keeper_start(struct parcel__keeper *keeper, int worker, char *why, size_t why_size)
{
    struct seat *seat = &keeper->seats[worker];
    /* Looked at once, before all else: the keeper may make it RUNNING at any moment, and a seat
     * must not be started twice. It may be one of those that were started at once. */
    bool is_starting = state_of(seat) == STARTING;
    if (!is_starting && parcel__keeper_is_alive(keeper, worker))
        return true;
    if (keeper->program != getpid()) {
        snprintf(why, why_size, "this process was forked from the one that keeps the workers");
        return false;
    }
    if (!is_starting) {
        seat->first_try = 0;
        atomic_store_explicit(&seat->signal, 0, memory_order_relaxed);
        atomic_store_explicit(&seat->state, STARTING, memory_order_release);
        parcel__process_ring(&keeper->word);
    }
    return await_start(keeper, seat, why, why_size);
}

pid_t parcel__keeper_pid(const struct parcel__keeper *keeper, int worker)
{
    return atomic_load_explicit(&keeper->seats[worker].pid, memory_order_relaxed);
}

void parcel__keeper_kill(struct parcel__keeper *keeper, int worker, int signal)
{
    atomic_store_explicit(&keeper->seats[worker].signal, signal, memory_order_relaxed);
    parcel__process_ring(&keeper->word);
}

void parcel__keeper_put_death(struct parcel__text *text, const struct parcel__keeper *keeper,
                              int worker)
{
    parcel__death_put(text, &keeper->seats[worker].death);
}
