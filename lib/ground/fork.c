/* fork.c: what a fork took from the thread that it left in the child. */
#include "ground/fork.h"

#include <pthread.h>

#include "ground/port.h"

/* Of a thread that forks: it is not the only one. Of a child's first thread: what it had of a team
 * is lost. */
static _Thread_local bool has_others, has_lost_team;

/* Of a process that the program forked, or one before it: there were other threads. The only thread
 * of a child writes it. */
static bool was_of_several;

static void look_for_others(void)
{
    has_others = !parcel__port_is_only_thread();
}

static void note_fork(void)
{
    has_lost_team |= has_others;
    was_of_several |= has_others;
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(look_for_others, NULL, note_fork);
}

bool parcel__fork_lost_team(void)
{
    return has_lost_team;
}

void parcel__fork_forget_team(void)
{
    has_lost_team = false;
}

bool parcel__fork_lost_threads(void)
{
    return was_of_several;
}
