/*
 * port_posix.c: POSIX and Linux behind port.h.
 *
 * Cgroup quotas are read along the process's own path, from its own group up to the root: a limit
 * of any group on the way holds (joblib reads the root only, and misses Slurm's and systemd's).
 */
#include "port.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { HUGE_PAGE = 2 << 20, MOST_THREADS = 4096, LARGEST_CPU_SET = 65536 };

double parcel__port_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void *parcel__port_map(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (size >= HUGE_PAGE)
        madvise(pages, size, MADV_HUGEPAGE); /* only advice: a refusal costs speed, nothing else */
#endif
    return pages;
}

void parcel__port_unmap(void *pages, size_t size)
{
    munmap(pages, size);
}

const char *parcel__port_variable(const char *name)
{
    const char *text = getenv(name);
    return text && *text ? text : NULL;
}

bool parcel__port_parse(const char *text, long long least, long long most, long long *number)
{
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (end == text || errno == ERANGE)
        return false;
    while (isspace((unsigned char)*end))
        end++;
    if (*end || parsed < least || parsed > most)
        return false;
    *number = parsed;
    return true;
}

int parcel__port_online_cpus(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 && online < INT_MAX ? (int)online : 1;
}

int parcel__port_affinity_cpus(void)
{
    /* The kernel's mask may be wider than cpu_set_t: grow until it fits. */
    for (int cpus = CPU_SETSIZE; cpus <= LARGEST_CPU_SET; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        if (!set)
            return INT_MAX;
        size_t size = CPU_ALLOC_SIZE((size_t)cpus);
        bool known = sched_getaffinity(0, size, set) == 0;
        int count = known ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0)
            return count;
    }
    return INT_MAX;
}

/* The quota in a group's file, in cpus rounded up; INT_MAX when there is none. */
static int quota_of(const char *folder, bool unified)
{
    char path[PATH_MAX + 32];
    char text[64] = "";
    double quota = 0, period = 0;
    snprintf(path, sizeof path, "%s/%s", folder, unified ? "cpu.max" : "cpu.cfs_quota_us");
    FILE *file = fopen(path, "re");
    if (!file)
        return INT_MAX;
    bool read = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    if (!read || (unified ? sscanf(text, "%lf %lf", &quota, &period) != 2
                          : sscanf(text, "%lf", &quota) != 1))
        return INT_MAX; /* "max 100000" has no number first */
    if (!unified) {
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        file = fopen(path, "re");
        read = file && fscanf(file, "%lf", &period) == 1;
        if (file)
            fclose(file);
        if (!read)
            return INT_MAX;
    }
    if (quota <= 0 || period <= 0 || quota / period >= INT_MAX)
        return INT_MAX;
    return (int)ceil(quota / period);
}

/* The least quota from the group itself up to the root of its hierarchy. */
static int least_quota(const char *mount, const char *group, bool unified)
{
    char folder[PATH_MAX];
    size_t root = strlen(mount);
    int least = INT_MAX;
    if ((size_t)snprintf(folder, sizeof folder, "%s%s", mount, group) >= sizeof folder)
        return INT_MAX;
    for (;;) {
        int quota = quota_of(folder, unified);
        least = quota < least ? quota : least;
        char *slash = strrchr(folder + root, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

/* The path a line of /proc/self/cgroup gives for the cpu controller, or NULL: "0::/path" in the
 * unified hierarchy, "4:cpu,cpuacct:/path" in the old one. */
static const char *cpu_group(char *line, bool *unified)
{
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(++controllers, ':') : NULL;
    if (!path)
        return NULL;
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    *unified = *controllers == '\0';
    for (char *rest, *name = strtok_r(controllers, ",", &rest); name && !*unified;
         name = strtok_r(NULL, ",", &rest))
        if (strcmp(name, "cpu") == 0)
            return path;
    return *unified ? path : NULL;
}

int parcel__port_cgroup_cpus(const char *root, const char *process_cgroups)
{
    char line[PATH_MAX], mount[PATH_MAX];
    int least = INT_MAX;
    FILE *file = fopen(process_cgroups, "re");
    if (!file)
        return INT_MAX;
    while (fgets(line, sizeof line, file)) {
        bool unified = false;
        const char *group = cpu_group(line, &unified);
        if (!group)
            continue;
        snprintf(mount, sizeof mount, "%s%s", root, unified ? "" : "/cpu");
        int quota = least_quota(mount, group, unified);
        least = quota < least ? quota : least;
    }
    fclose(file);
    return least;
}

/* A positive whole number in a variable; INT_MAX when it is missing or is none, since these
 * variables are not ours to complain about. */
static int limit_in(const char *variable)
{
    const char *text = parcel__port_variable(variable);
    long long number;
    return text && parcel__port_parse(text, 1, INT_MAX, &number) ? (int)number : INT_MAX;
}

int parcel__port_cpu_count(void)
{
    const int limits[] = {parcel__port_online_cpus(), parcel__port_affinity_cpus(),
                          parcel__port_cgroup_cpus("/sys/fs/cgroup", "/proc/self/cgroup"),
                          limit_in("SLURM_CPUS_PER_TASK"), limit_in("OMP_THREAD_LIMIT")};
    int least = INT_MAX;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        least = limits[i] < least ? limits[i] : least;
    return least > 1 ? least : 1;
}

int parcel__port_thread_limit(void)
{
    struct rlimit processes;
    int limit = limit_in("OMP_THREAD_LIMIT");
    if (limit > MOST_THREADS)
        limit = MOST_THREADS;
    /* Half of what the user may start: other programs of his count too. Root is not limited. */
    if (geteuid() != 0 && getrlimit(RLIMIT_NPROC, &processes) == 0 &&
        processes.rlim_cur != RLIM_INFINITY && processes.rlim_cur / 2 < (rlim_t)limit)
        limit = (int)(processes.rlim_cur / 2);
    return limit > 1 ? limit : 1;
}
