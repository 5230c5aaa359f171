/*
 * programs.c: the processes that the calls of workers started, and what they started in turn.
 *
 * The kernel forgets who started a process whose parent has ended. Groups and sessions would tell,
 * but take the terminal away. So workers bear a mark that is inherited and outlives exec: their
 * soft limit of the time that a real-time thread may run, in microseconds, so high that nobody
 * meets it.
 */
#include "processes/programs.h"

#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const rlim_t marked = (rlim_t)1 << 62; /* and the forkserver from the 32nd bit on */

static rlim_t mark_of(pid_t forkserver, unsigned worker)
{
    return marked | (rlim_t)forkserver << 32 | worker;
}

void parcel__programs_mark(pid_t forkserver, unsigned worker)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_RTTIME, &limit) != 0)
        return;
    limit.rlim_cur = mark_of(forkserver, worker);
    setrlimit(RLIMIT_RTTIME, &limit); /* fails where the hard limit is lower: then there is none */
}

/* The worker of the forkserver that the process is of; 0: of none. */
static unsigned worker_of(pid_t forkserver, pid_t pid)
{
    struct rlimit limit;
    if (prlimit(pid, RLIMIT_RTTIME, NULL, &limit) != 0)
        return 0;
    rlim_t number = limit.rlim_cur ^ mark_of(forkserver, 0);
    return number <= UINT32_MAX ? (unsigned)number : 0;
}

bool parcel__programs_kill(pid_t forkserver,
                           bool (*ends)(void *context, pid_t pid, unsigned worker), void *context)
{
    bool has_killed = false;
    const struct dirent *entry;
    DIR *processes = opendir("/proc");
    while (processes && (entry = readdir(processes)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        unsigned worker = pid > 0 ? worker_of(forkserver, pid) : 0;
        if (worker > 0 && ends(context, pid, worker))
            has_killed |= kill(pid, SIGKILL) == 0;
    }
    if (processes)
        closedir(processes);
    return has_killed;
}

/* Where its stack starts: the kernel chooses another place for each program. */
unsigned long parcel__programs_image(pid_t pid)
{
    enum { BEFORE = 26 }; /* fields between the name and it */
    char text[1024], name[32];
    snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(name, "re");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[length] = '\0';
    const char *field = strrchr(text, ')'); /* the name may hold anything */
    for (int i = 0; field && i < BEFORE; i++)
        field = strchr(field + 1, ' ');
    return field ? strtoul(field, NULL, 10) : 0;
}
