/*
 * forkserver.c: worker processes, and the process that keeps them.
 *
 * The program asks by writing into the worker's seat and ringing the forkserver's word; the
 * forkserver answers by the seat's state and its bell. Only the forkserver waits for workers and
 * sends them signals, so that no pid is stale. Whatever makes the forkserver look adds to its word,
 * signals too: nothing comes between its last look and its sleep.
 *
 * When the forkserver is killed, the kernel kills its workers. Nobody rings then: the program
 * notices when it looks.
 *
 * The file stays whole: both ends of a seat are here, and each is right by what the other does.
 */
#include "processes/forkserver.h"

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

#include "ground/openmp.h"
#include "ground/port.h"
#include "processes/death.h"
#include "processes/process.h"
#include "processes/programs.h"

enum { PARENT_ENDED = SIGUSR1 }; /* harmless when others send it */
enum { MOST_LOST = 5 };          /* forkservers, before a start gives up */

static const double patience = 0.2;  /* seconds in which a fork that failed is tried again */
static const double next_try = 0.01; /* seconds between such tries */
static const double quiet = 0.01;    /* seconds after which nobody waits for the forkserver */
static const double look = 0.25;     /* seconds after which it looks without being rung */
static const double instant = 1e-3;  /* seconds in which what was killed ends */

/* STARTING is written by the program, RUNNING and REFUSED by the forkserver, ENDED by the
 * forkserver, or by the program when there is no forkserver. */
enum state { IDLE, STARTING, RUNNING, REFUSED, ENDED };

/* One worker's. A seat is used by one thread of the program; of two seats, by several. */
struct seat {
    _Alignas(128) atomic_uint bell;
    atomic_int state;     /* release, so that who reads it finds what stands below */
    atomic_int signal;    /* that the program wants it to be sent, or 0; taken by the forkserver */
    atomic_int pid;       /* written by the forkserver */
    pthread_mutex_t life; /* robust: held by the worker's process while it can write */
    int sent;         /* the last signal it was sent, or 0; the forkserver's, as the next two: */
    unsigned number;  /* of all processes that the forkserver forked; 0: none yet */
    bool is_dead;     /* and waited for, but the program does not know it yet */
    int error;        /* errno of the fork that failed; the forkserver's until REFUSED */
    double first_try; /* to fork it; 0: none yet; the forkserver's while STARTING */
    struct parcel__death death;
};

struct parcel__forkserver {
    struct parcel__forkserver_options options; /* constant */
    size_t size;                               /* of these pages; constant */
    pid_t program;                             /* constant */
    sigset_t mask;  /* of the thread that forked; constant while it lives */
    bool has_stack; /* that of the thread that forked; the program's */

    pthread_mutex_t
        mutex;      /* the program's: whoever holds it buries a forkserver and forks another */
    atomic_int pid; /* 0: it is gone; written with the mutex held */

    atomic_bool is_closing;
    atomic_uint word; /* on which the forkserver waits */
    struct seat seats[];
};

static int state_of(const struct seat *seat)
{
    return atomic_load_explicit(&seat->state, memory_order_acquire);
}

static void set_state(struct seat *seat, int state)
{
    atomic_store_explicit(&seat->state, state, memory_order_release);
    parcel__process_ring(&seat->bell);
}

/* ---- the worker's process ---- */

/* What the program had, for the workers. */
static struct sigaction child_action, parent_action;

/* The kernel kills a worker when the forkserver ends; it may have ended before that was asked for.
 */
static _Noreturn void be_worker(struct parcel__forkserver *forkserver, int worker, pid_t parent)
{
    struct seat *seat = &forkserver->seats[worker];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    if (pthread_mutex_lock(&seat->life) == EOWNERDEAD) /* the last worker */
        pthread_mutex_consistent(&seat->life);
    sigaction(SIGCHLD, &child_action, NULL);
    sigaction(PARENT_ENDED, &parent_action, NULL);
    parcel__death_watch(&seat->death, parent, &forkserver->mask);
    parcel__programs_mark(parent, seat->number);
    forkserver->options.work(forkserver->options.context, forkserver, worker);
    parcel__death_leave();
}

/* ---- the forkserver's process ---- */

static struct parcel__forkserver *kept;
static unsigned long image; /* what the program executes, as the forkserver may see it */
static bool has_started;    /* a worker, since the last look at what the kernel counts */
static unsigned n_started;  /* workers */
static unsigned n_lost;     /* workers that did not end in order */

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

static struct seat *seat_of(struct parcel__forkserver *forkserver, pid_t pid)
{
    for (int i = 0; i < forkserver->options.n_workers; i++) {
        struct seat *seat = &forkserver->seats[i];
        if (state_of(seat) == RUNNING && !seat->is_dead && atomic_load(&seat->pid) == pid)
            return seat;
    }
    return NULL;
}

/* Waits for one that has ended: a worker, or what was started by one that is gone. False: there is
 * none. */
static bool reap_one(struct parcel__forkserver *forkserver, int flags)
{
    struct rusage usage;
    int status;
    pid_t pid = wait4(-1, &status, flags, &usage);
    if (pid <= 0)
        return pid < 0 && errno == EINTR;
    parcel__openmp_clean_up(pid);
    struct seat *seat = seat_of(forkserver, pid);
    if (!seat)
        return true;
    parcel__death_record(&seat->death, status, &usage, seat->sent);
    seat->is_dead = true;
    n_lost += !parcel__death_was_in_order(&seat->death);
    return true;
}

/* Waits for all that have ended. */
static void reap(struct parcel__forkserver *forkserver)
{
    while (reap_one(forkserver, WNOHANG))
        continue;
}

/* Programs end with the call that started them, whose worker is lost. */
static bool is_of_lost(void *context, pid_t pid, unsigned worker)
{
    const struct parcel__forkserver *forkserver = context;
    (void)pid;
    for (int i = 0; i < forkserver->options.n_workers; i++) {
        const struct seat *seat = &forkserver->seats[i];
        if (seat->number == worker)
            return seat->is_dead && !parcel__death_was_in_order(&seat->death);
    }
    return false;
}

/* The others end with the forkserver, but for those that left the program's session to outlive it.
 */
static bool is_of_session(void *context, pid_t pid, unsigned worker)
{
    return is_of_lost(context, pid, worker) || getsid(pid) == getsid(0);
}

/* What is killed may just have started another. */
static void end_programs(struct parcel__forkserver *forkserver,
                         bool (*ends)(void *context, pid_t pid, unsigned worker))
{
    enum { MOST_TRIES = 100 };
    for (int i = 0; i < MOST_TRIES && parcel__programs_kill(getpid(), ends, forkserver); i++) {
        parcel__port_sleep(instant);
        reap(forkserver);
    }
}

/* Tells the program of workers that have ended, when what they started has, too. */
static void bury_workers(struct parcel__forkserver *forkserver)
{
    reap(forkserver);
    for (unsigned n_known = 0; n_known < n_lost;) {
        n_known = n_lost;
        end_programs(forkserver, is_of_lost);
    }
    n_lost = 0;
    for (int i = 0; i < forkserver->options.n_workers; i++)
        if (forkserver->seats[i].is_dead) {
            forkserver->seats[i].is_dead = false;
            set_state(&forkserver->seats[i], ENDED);
        }
}

static bool has_worker(const struct parcel__forkserver *forkserver)
{
    for (int i = 0; i < forkserver->options.n_workers; i++)
        if (state_of(&forkserver->seats[i]) == RUNNING && !forkserver->seats[i].is_dead)
            return true;
    return false;
}

static bool has_child(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static _Noreturn void end_forkserver(struct parcel__forkserver *forkserver)
{
    sigset_t all;
    sigfillset(&all); /* each of the workers' ends would take its time */
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (int i = 0; i < forkserver->options.n_workers; i++)
        if (state_of(&forkserver->seats[i]) == RUNNING) {
            forkserver->seats[i].sent = SIGKILL;
            kill(atomic_load(&forkserver->seats[i].pid), SIGKILL);
        }
    while (has_worker(forkserver) && reap_one(forkserver, 0))
        continue;
    reap(forkserver);
    if (has_child())
        end_programs(forkserver, is_of_session);
    bury_workers(forkserver);
    parcel__openmp_clean_up(getpid());
    _exit(EXIT_SUCCESS);
}

/* False: the fork failed, and is worth another try. */
static bool fork_worker(struct parcel__forkserver *forkserver, int worker)
{
    struct seat *seat = &forkserver->seats[worker];
    pid_t self = getpid();
    memset(&seat->death, 0, sizeof seat->death);
    seat->sent = 0;
    seat->number = ++n_started;
    pid_t pid = fork();
    if (pid == 0)
        be_worker(forkserver, worker, self);
    if (pid > 0) {
        atomic_store_explicit(&seat->pid, pid, memory_order_relaxed);
        set_state(seat, RUNNING);
        has_started = true;
        return true;
    }
    seat->error = errno;
    if (parcel__port_now() < seat->first_try + patience)
        return false;
    set_state(seat, REFUSED);
    return true;
}

static bool start_wanted(struct parcel__forkserver *forkserver, int worker)
{
    struct seat *seat = &forkserver->seats[worker];
    if (state_of(seat) != STARTING)
        return true;
    if (seat->first_try == 0)
        seat->first_try = parcel__port_now();
    return fork_worker(forkserver, worker);
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
static double serve(struct parcel__forkserver *forkserver)
{
    double pause = look;
    for (int i = 0; i < forkserver->options.n_workers; i++) {
        if (!start_wanted(forkserver, i))
            pause = next_try;
        send_wanted(&forkserver->seats[i]);
    }
    return pause;
}

/* A program that executed another is gone, though its process is not, and nobody tells. */
static bool program_lives(const struct parcel__forkserver *forkserver)
{
    unsigned long now = parcel__programs_image(forkserver->program);
    return getppid() == forkserver->program && (now == image || now == 0);
}

/* The signal of the parent's end also comes when only the thread that forked has ended. */
static void keep_workers(void *data)
{
    struct parcel__forkserver *forkserver = kept = data;
    bool is_quiet = true;
    prctl(PR_SET_PDEATHSIG, PARENT_ENDED);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    image = parcel__programs_image(forkserver->program);
    parcel__programs_mark(getpid(), 0);
    catch_signals();
    parcel__death_catch_exits();
    if (!forkserver->options.dumps_core)
        dump_no_core();
    for (;;) {
        unsigned seen = atomic_load_explicit(&forkserver->word, memory_order_acquire);
        bury_workers(forkserver);
        if (atomic_load(&forkserver->is_closing) || getppid() != forkserver->program ||
            (is_quiet && !program_lives(forkserver)))
            end_forkserver(forkserver);
        double pause = serve(forkserver);
        parcel__process_wait(&forkserver->word, seen, has_started ? quiet : pause);
        is_quiet = atomic_load(&forkserver->word) == seen;
        if (has_started && is_quiet) {
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
static bool forkserver_lives(const struct parcel__forkserver *forkserver)
{
    siginfo_t info = {0};
    int pid = atomic_load(&forkserver->pid);
    return pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
}

/* When the forkserver ends the kernel kills the workers, but they may still run for an instant, and
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

static bool is_any(void *context, pid_t pid, unsigned worker)
{
    (void)context, (void)pid, (void)worker;
    return true;
}

/* Waits for the forkserver, and does what one could not do that was killed. */
static void await_forkserver(pid_t pid, int flags)
{
    int status = 0;
    while (waitpid(pid, &status, flags) < 0 && errno == EINTR)
        continue;
    if (WIFSIGNALED(status))
        (void)parcel__programs_kill(pid, is_any, NULL);
    parcel__openmp_clean_up(pid);
}

/* Called with the mutex held, or when nobody else may use the forkserver. flags: of waitpid. */
static void bury_forkserver(struct parcel__forkserver *forkserver, int flags)
{
    int pid = atomic_exchange(&forkserver->pid, 0);
    if (pid > 0)
        await_forkserver(pid, flags);
    for (int i = 0; i < forkserver->options.n_workers; i++) {
        struct seat *seat = &forkserver->seats[i];
        await_end(seat);
        if (state_of(seat) != RUNNING)
            continue;
        parcel__openmp_clean_up(atomic_load(&seat->pid));
        seat->death.lost_forkserver = true;
        seat->death.has_ended = true;
        set_state(seat, ENDED);
    }
}

/* Called with the mutex held. False: errno says why. */
static bool fork_forkserver(struct parcel__forkserver *forkserver)
{
    pthread_sigmask(SIG_SETMASK, NULL, &forkserver->mask);
    pid_t pid = parcel__process_fork(keep_workers, forkserver, &forkserver->has_stack);
    if (pid > 0)
        atomic_store(&forkserver->pid, pid);
    return pid > 0;
}

/* Sees to a forkserver that lives. */
static bool revive(struct parcel__forkserver *forkserver, char *why, size_t why_size)
{
    pthread_mutex_lock(&forkserver->mutex);
    bool lives = forkserver_lives(forkserver);
    if (!lives) {
        bury_forkserver(forkserver, WNOHANG);
        lives = fork_forkserver(forkserver);
        if (!lives)
            put_error(why, why_size, errno);
    }
    pthread_mutex_unlock(&forkserver->mutex);
    return lives;
}

static void open_mutexes(struct parcel__forkserver *forkserver)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    for (int i = 0; i < forkserver->options.n_workers; i++)
        pthread_mutex_init(&forkserver->seats[i].life, &attributes);
    pthread_mutexattr_destroy(&attributes);
    pthread_mutex_init(&forkserver->mutex, NULL);
}

struct parcel__forkserver *parcel__forkserver_open(const struct parcel__forkserver_options *options,
                                                   char *why, size_t why_size)
{
    size_t size =
        sizeof(struct parcel__forkserver) + (size_t)options->n_workers * sizeof(struct seat);
    struct parcel__forkserver *forkserver = parcel__process_share(size);
    if (!forkserver) {
        snprintf(why, why_size, "no memory for %d worker%s", options->n_workers,
                 options->n_workers == 1 ? "" : "s");
        return NULL;
    }
    forkserver->options = *options;
    forkserver->size = size;
    forkserver->program = getpid();
    open_mutexes(forkserver);
    for (int i = 0; i < options->n_started; i++)
        atomic_init(&forkserver->seats[i].state, STARTING);
    for (double start = parcel__port_now(); !fork_forkserver(forkserver);
         parcel__port_sleep(next_try))
        if (errno != EAGAIN || parcel__port_now() - start > patience) {
            put_error(why, why_size, errno);
            parcel__process_unshare(forkserver, size);
            return NULL;
        }
    return forkserver;
}

bool parcel__forkserver_has_stack(const struct parcel__forkserver *forkserver)
{
    return forkserver->has_stack;
}

/* In a process that the program forked, there is nothing of ours to end. */
void parcel__forkserver_close(struct parcel__forkserver *forkserver)
{
    if (!forkserver)
        return;
    if (forkserver->program == getpid()) {
        atomic_store(&forkserver->is_closing, true);
        parcel__process_ring(&forkserver->word);
        bury_forkserver(forkserver, 0);
        pthread_mutex_destroy(&forkserver->mutex);
    }
    parcel__process_unshare(forkserver, forkserver->size);
}

atomic_uint *parcel__forkserver_bell(struct parcel__forkserver *forkserver, int worker)
{
    return &forkserver->seats[worker].bell;
}

bool parcel__forkserver_is_alive(struct parcel__forkserver *forkserver, int worker)
{
    struct seat *seat = &forkserver->seats[worker];
    if (forkserver->program != getpid())
        return false;
    if (state_of(seat) != RUNNING || forkserver_lives(forkserver))
        return state_of(seat) == RUNNING;
    pthread_mutex_lock(&forkserver->mutex);
    if (!forkserver_lives(forkserver))
        bury_forkserver(forkserver, WNOHANG);
    pthread_mutex_unlock(&forkserver->mutex);
    return state_of(seat) == RUNNING;
}

/* False: why is filled. lost: forkservers that were gone before the worker had started; something
 * may kill each as soon as it is there. */
static bool see_to_forkserver(struct parcel__forkserver *forkserver, int *lost, char *why,
                              size_t why_size)
{
    if (forkserver_lives(forkserver))
        return true;
    if (++*lost <= MOST_LOST)
        return revive(forkserver, why, why_size);
    snprintf(why, why_size, "the process that keeps the workers is killed again and again");
    return false;
}

static bool await_start(struct parcel__forkserver *forkserver, struct seat *seat, char *why,
                        size_t why_size)
{
    for (int lost = 0;;) {
        unsigned seen = atomic_load_explicit(&seat->bell, memory_order_acquire);
        int state = state_of(seat);
        if (state == REFUSED)
            put_error(why, why_size, seat->error);
        if (state != STARTING)
            return state != REFUSED;
        if (!see_to_forkserver(forkserver, &lost, why, why_size))
            return false;
        parcel__process_wait(&seat->bell, seen, quiet);
    }
}

bool parcel__forkserver_start(struct parcel__forkserver *forkserver, int worker, char *why,
                              size_t why_size)
{
    struct seat *seat = &forkserver->seats[worker];
    /* Looked at once, before all else: the forkserver may make it RUNNING at any moment, and a seat
     * must not be started twice. It may be one of those that were started at once. */
    bool is_starting = state_of(seat) == STARTING;
    if (!is_starting && parcel__forkserver_is_alive(forkserver, worker))
        return true;
    if (forkserver->program != getpid()) {
        snprintf(why, why_size, "this process was forked from the one that keeps the workers");
        return false;
    }
    if (!is_starting) {
        seat->first_try = 0;
        atomic_store_explicit(&seat->signal, 0, memory_order_relaxed);
        atomic_store_explicit(&seat->state, STARTING, memory_order_release);
        parcel__process_ring(&forkserver->word);
    }
    return await_start(forkserver, seat, why, why_size);
}

pid_t parcel__forkserver_pid(const struct parcel__forkserver *forkserver, int worker)
{
    return atomic_load_explicit(&forkserver->seats[worker].pid, memory_order_relaxed);
}

void parcel__forkserver_kill(struct parcel__forkserver *forkserver, int worker, int signal)
{
    atomic_store_explicit(&forkserver->seats[worker].signal, signal, memory_order_relaxed);
    parcel__process_ring(&forkserver->word);
}

void parcel__forkserver_put_death(struct parcel__text *text,
                                  const struct parcel__forkserver *forkserver, int worker)
{
    parcel__death_put(text, &forkserver->seats[worker].death);
}
