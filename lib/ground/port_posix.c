/*
 * port_posix.c: POSIX and Linux behind port.h.
 *
 * Cgroup quotas are read along the process's own path, from its own group up to the root: a limit
 * of any group on the way holds (joblib reads the root only, and misses Slurm's and systemd's).
 *
 * The file stays whole, so that the system is on one page.
 */
#include "ground/port.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ground/once.h"

enum { HUGE_PAGE = 2 << 20, MOST_THREADS = 4096 };

static const long long no_limit = LLONG_MAX;
static const char cgroup_root[] = "/sys/fs/cgroup";
static const char process_cgroups[] = "/proc/self/cgroup";

double parcel__port_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

uint64_t parcel__port_ticks(void)
{
#if defined __x86_64__ || defined __i386__
    return __builtin_ia32_rdtsc(); /* 10 ns */
#else
    return (uint64_t)(parcel__port_now() * 1e9);
#endif
}

void parcel__port_yield(void)
{
    sched_yield();
}

static struct timespec timespec_of(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds};
    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    return time;
}

void parcel__port_sleep(double seconds)
{
    struct timespec duration = timespec_of(seconds);
    nanosleep(&duration, NULL); /* a signal may cut it short: it is only a pause */
}

void parcel__port_open_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

void parcel__port_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, double seconds)
{
    double end = parcel__port_now() + seconds;
    struct timespec due = timespec_of(end);
    pthread_cond_timedwait(condition, mutex, &due);
}

int parcel__port_cpu(void)
{
    return sched_getcpu();
}

void parcel__port_leave_cpu(int cpu)
{
    cpu_set_t all, others;
    if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    others = all;
    CPU_CLR((size_t)cpu, &others);
    if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0)
        sched_setaffinity(0, sizeof all, &all);
}

void *parcel__port_map(size_t size, bool sparse)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (size >= HUGE_PAGE && !sparse)
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

char **parcel__port_next_variable(char **before, const char *prefix)
{
    for (char **variable = before ? before + 1 : environ; variable && *variable; variable++) {
        size_t i = 0;
        if (**variable != *prefix)
            continue;
        while (prefix[i] && (*variable)[i] == prefix[i])
            i++;
        if (!prefix[i])
            return variable;
    }
    return NULL;
}

static locale_t c_locale;
static struct parcel__once c_locale_once;

/* It takes no memory: the C library has this one. */
static void open_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

locale_t parcel__port_enter_c_locale(void)
{
    parcel__once_run(&c_locale_once, open_c_locale);
    return uselocale(c_locale);
}

void parcel__port_leave_c_locale(locale_t before)
{
    uselocale(before);
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\n\v\f\r")] == '\0';
}

bool parcel__port_parse(const char *text, long long least, long long most, long long *number)
{
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (end == text || errno == ERANGE || !is_blank(end) || parsed < least || parsed > most)
        return false;
    *number = parsed;
    return true;
}

bool parcel__port_parse_real(const char *text, double *number)
{
    char *end;
    locale_t before = parcel__port_enter_c_locale();
    double parsed = strtod(text, &end);
    parcel__port_leave_c_locale(before);
    if (end == text || !is_blank(end))
        return false;
    *number = parsed;
    return true;
}

static void (*when_exiting)(int status);

#ifdef HAVE_ON_EXIT
static void tell_status(int status, void *unused)
{
    (void)unused;
    when_exiting(status);
}
#else
static void tell_nothing(void)
{
    when_exiting(-1);
}
#endif

void parcel__port_at_exit(void (*leave)(int status))
{
    when_exiting = leave;
#ifdef HAVE_ON_EXIT
    on_exit(tell_status, NULL);
#else
    atexit(tell_nothing);
#endif
}

int parcel__port_hold_cancel(void)
{
    int before;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}

void parcel__port_release_cancel(int before)
{
    pthread_setcancelstate(before, &before);
}

/* A directory has a link of its own, one in its parent, and one for each directory in it. */
bool parcel__port_is_only_thread(void)
{
    struct stat threads;
    return stat("/proc/self/task", &threads) == 0 && threads.st_nlink == 2 + 1;
}

size_t parcel__port_physical_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (size_t)pages * (size_t)size : (size_t)1 << 30;
}

/* Nanoseconds on a cpu, nanoseconds of waiting for one, and times that it got one: 0 of a thread
 * that runs is a system which does not count. */
static double read_wait(const char *text)
{
    unsigned long long numbers[3];
    for (int i = 0; i < 3; i++) {
        char *end;
        numbers[i] = strtoull(text, &end, 10);
        if (end == text || (*end != ' ' && *end != '\n'))
            return NAN;
        text = end;
    }
    return numbers[2] > 0 ? 1e-9 * (double)numbers[1] : NAN;
}

double parcel__port_waited(const char *name)
{
    char text[80];
    int file = open(name, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return NAN;
    ssize_t size = read(file, text, sizeof text - 1);
    close(file);
    if (size <= 0)
        return NAN;
    text[size] = '\0';
    return read_wait(text);
}

/* Relaxed: whoever reads it wrote the same, or finds 0 and asks. */
static atomic_int process;
static struct parcel__once fork_once;

static void forget_process(void)
{
    atomic_store_explicit(&process, 0, memory_order_relaxed);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forget_process);
}

int parcel__port_pid(void)
{
    int pid = atomic_load_explicit(&process, memory_order_relaxed);
    if (pid > 0)
        return pid;
    parcel__once_run(&fork_once, watch_forks);
    pid = (int)getpid();
    atomic_store_explicit(&process, pid, memory_order_relaxed);
    return pid;
}

static char host[256]; /* its last byte stays zero */
static struct parcel__once host_once;

static void read_host(void)
{
    if (gethostname(host, sizeof host - 1) != 0)
        strcpy(host, "localhost");
}

const char *parcel__port_host(void)
{
    parcel__once_run(&host_once, read_host);
    return host;
}

int parcel__port_online_cpus(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 && online < INT_MAX ? (int)online : 1;
}

/* The number of cpus in the mask, and a hash of it, which is 0 before; 0: it is not known. */
static int read_affinity(uint64_t *hash)
{
    /* The kernel's mask may be wider than cpu_set_t: grow until it fits. */
    for (int cpus = CPU_SETSIZE; cpus <= PARCEL__LARGEST_CPU_SET; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        if (!set)
            return 0;
        size_t size = CPU_ALLOC_SIZE((size_t)cpus);
        bool known = sched_getaffinity(0, size, set) == 0;
        int count = known ? CPU_COUNT_S(size, set) : 0;
        for (int i = 0; known && i < cpus; i++)
            if (CPU_ISSET_S((size_t)i, size, set))
                *hash = *hash * 0x9e3779b97f4a7c15u + (uint64_t)i + 1;
        CPU_FREE(set);
        if (count > 0)
            return count;
    }
    return 0;
}

int parcel__port_affinity_cpus(void)
{
    uint64_t hash = 0;
    int count = read_affinity(&hash);
    return count > 0 ? count : INT_MAX;
}

uint64_t parcel__port_affinity_hash(void)
{
    uint64_t hash = 0;
    (void)read_affinity(&hash);
    return hash;
}

/* Reads up to two numbers from a group's file; returns how many there were. "max" is none. */
static int read_numbers(const char *folder, const char *name, double *first, double *second)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    int count = fscanf(file, "%lf %lf", first, second);
    fclose(file);
    return count > 0 ? count : 0;
}

/* The number behind a word at the start of a line of a group's file; no_limit: there is none. */
static long long read_line(const char *folder, const char *name, const char *word)
{
    char path[PATH_MAX + 32], line[128];
    long long number = no_limit;
    size_t length = strlen(word);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return no_limit;
    while (number == no_limit && fgets(line, sizeof line, file))
        if (strncmp(line, word, length) == 0 && line[length] == ' ')
            parcel__port_parse(line + length, 0, no_limit, &number);
    fclose(file);
    return number;
}

/* Reads the second and the third number of a file of /proc. */
static bool read_fields(const char *path, double numbers[2])
{
    FILE *file = fopen(path, "re");
    int read = file ? fscanf(file, "%*s %lf %lf", &numbers[0], &numbers[1]) : 0;
    if (file)
        fclose(file);
    return read == 2;
}

size_t parcel__port_memory(void)
{
    struct rusage usage;
    double pages[2];
    if (read_fields("/proc/self/statm", pages) && pages[0] > pages[1])
        return (size_t)(pages[0] - pages[1]) * (size_t)sysconf(_SC_PAGESIZE);
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (size_t)usage.ru_maxrss * 1024 : 0;
}

static int overcommit;
static struct parcel__once overcommit_once;

static void read_overcommit(void)
{
    double mode, unused;
    if (read_numbers("/proc/sys/vm", "overcommit_memory", &mode, &unused) > 0)
        overcommit = (int)mode;
}

bool parcel__port_is_under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded && strstr(preloaded, "vgpreload");
}

size_t parcel__port_spare_addresses(void)
{
    enum { NEVER = 2 }; /* the system promises only what it has */
    struct rlimit limit;
    size_t spare = SIZE_MAX >> (sizeof spare > 4 ? 20 : 3);
    if (parcel__port_is_under_valgrind()) /* it keeps a table of them, used or not */
        spare = (size_t)1 << 28;
    parcel__once_run(&overcommit_once, read_overcommit);
    if (overcommit == NEVER && parcel__port_physical_memory() / 16 < spare)
        spare = parcel__port_physical_memory() / 16;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur / 4 < spare)
        spare = (size_t)limit.rlim_cur / 4;
    return spare;
}

/* A group's cpu quota, rounded up. */
static long long cpu_quota(const char *folder, bool unified)
{
    double quota = 0, period = 0, unused;
    int read = unified ? read_numbers(folder, "cpu.max", &quota, &period) - 1
                       : read_numbers(folder, "cpu.cfs_quota_us", &quota, &unused);
    if (!unified && read > 0)
        read = read_numbers(folder, "cpu.cfs_period_us", &period, &unused);
    if (read < 1 || !(quota > 0) || !(period > 0) || quota / period >= INT_MAX)
        return no_limit;
    return (long long)ceil(quota / period);
}

/* The threads that a group may still start. */
static long long free_threads(const char *folder, bool unified)
{
    double most, used, unused;
    (void)unified; /* both hierarchies name the files alike */
    if (read_numbers(folder, "pids.max", &most, &unused) < 1 ||
        read_numbers(folder, "pids.current", &used, &unused) < 1 || !(most < INT_MAX))
        return no_limit;
    return most > used ? (long long)(most - used) : 0;
}

/* The old hierarchy says "no limit" by a number near the largest. */
static long long most_memory(const char *folder, bool unified)
{
    double most, unused;
    const char *name = unified ? "memory.max" : "memory.limit_in_bytes";
    if (read_numbers(folder, name, &most, &unused) < 1 || !(most < 1e18))
        return no_limit;
    return (long long)most;
}

static long long memory_kills(const char *folder, bool unified)
{
    return read_line(folder, unified ? "memory.events" : "memory.oom_control", "oom_kill");
}

/* One controller and its limit in one group; no_limit when there is none. */
struct controller {
    const char *name;
    long long (*limit)(const char *folder, bool unified);
    bool is_own; /* it concerns no other group on the way to the root */
};

static const struct controller cpu_controller = {"cpu", cpu_quota, false};
static const struct controller pids_controller = {"pids", free_threads, false};
static const struct controller memory_controller = {"memory", most_memory, false};
static const struct controller kills_controller = {"memory", memory_kills, true};

/* The least limit from the group itself up to the root of its hierarchy. */
static long long least_limit(const struct controller *controller, const char *mount,
                             const char *group, bool unified)
{
    char folder[PATH_MAX];
    size_t root = strlen(mount);
    long long least = no_limit;
    if ((size_t)snprintf(folder, sizeof folder, "%s%s", mount, group) >= sizeof folder)
        return no_limit;
    for (;;) {
        long long limit = controller->limit(folder, unified);
        least = limit < least ? limit : least;
        char *slash = strrchr(folder + root, '/');
        if (!slash || controller->is_own)
            return least;
        *slash = '\0';
    }
}

/* The path that a line of /proc/self/cgroup gives for the controller, or NULL: "0::/path" in the
 * unified hierarchy, "4:cpu,cpuacct:/path" in the old one. */
static const char *group_in(char *line, const char *controller, bool *unified)
{
    char *names = strchr(line, ':');
    char *path = names ? strchr(++names, ':') : NULL;
    if (!path)
        return NULL;
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    *unified = *names == '\0';
    char *rest = NULL;
    for (char *name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
        if (strcmp(name, controller) == 0)
            return path;
    return *unified ? path : NULL;
}

static long long cgroup_limit(const struct controller *controller, const char *root,
                              const char *groups)
{
    char line[PATH_MAX], mount[PATH_MAX];
    long long least = no_limit;
    FILE *file = fopen(groups, "re");
    if (!file)
        return no_limit;
    while (fgets(line, sizeof line, file)) {
        bool unified = false;
        const char *group = group_in(line, controller->name, &unified);
        if (!group)
            continue;
        snprintf(mount, sizeof mount, "%s%s%s", root, unified ? "" : "/",
                 unified ? "" : controller->name);
        long long limit = least_limit(controller, mount, group, unified);
        least = limit < least ? limit : least;
    }
    fclose(file);
    return least;
}

static int as_int(long long limit)
{
    return limit < INT_MAX ? (int)limit : INT_MAX;
}

int parcel__port_cgroup_cpus(const char *root, const char *groups)
{
    return as_int(cgroup_limit(&cpu_controller, root, groups));
}

long long parcel__port_cgroup_memory(const char *root, const char *groups)
{
    return cgroup_limit(&memory_controller, root, groups);
}

long long parcel__port_cgroup_kills(const char *root, const char *groups)
{
    return cgroup_limit(&kills_controller, root, groups);
}

long long parcel__port_memory_kills(void)
{
    return parcel__port_cgroup_kills(cgroup_root, process_cgroups);
}

long long parcel__port_memory_limit(void)
{
    struct rlimit space;
    long long limit = parcel__port_cgroup_memory(cgroup_root, process_cgroups);
    long long machine = sysconf(_SC_PHYS_PAGES) * (long long)sysconf(_SC_PAGESIZE);
    if (machine > 0 && machine < limit)
        limit = machine;
    if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY &&
        space.rlim_cur < (rlim_t)limit)
        limit = (long long)space.rlim_cur;
    return limit;
}

/* A positive whole number in a variable; INT_MAX when it is missing or is none, since these
 * variables are not ours to complain about. */
static int limit_in(const char *variable)
{
    const char *text = parcel__port_variable(variable);
    long long number;
    return text && parcel__port_parse(text, 1, INT_MAX, &number) ? (int)number : INT_MAX;
}

/* The number behind "cpu=" or "cpu:" in a list as "cpu=4,gres/gpu=1"; INT_MAX: there is none. */
static int limit_in_list(const char *variable)
{
    static const char word[] = "cpu";
    char number[16];
    long long cpus;
    const char *item = parcel__port_variable(variable);
    while (item) {
        size_t length = strcspn(item, ","), before = sizeof word;
        bool names_cpus = strncmp(item, word, before - 1) == 0 &&
                          (item[before - 1] == '=' || item[before - 1] == ':');
        if (names_cpus && length - before < sizeof number) {
            memcpy(number, item + before, length - before);
            number[length - before] = '\0';
            return parcel__port_parse(number, 1, INT_MAX, &cpus) ? (int)cpus : INT_MAX;
        }
        item = item[length] ? item + length + 1 : NULL;
    }
    return INT_MAX;
}

/* What batch systems and OpenMP say. Those of a host are for all of a job's processes there; those
 * of several hosts bound one of them, too. */
static const struct {
    const char *name;
    int (*read)(const char *name);
    bool is_shared;
} variables[] = {
    {"OMP_THREAD_LIMIT", limit_in, false},
    {"SLURM_CPUS_PER_TASK", limit_in, false},
    {"SLURM_TRES_PER_TASK", limit_in_list, false},
    {"SLURM_CPUS_ON_NODE", limit_in, true},
    {"PBS_NCPUS", limit_in, true},
    {"NCPUS", limit_in, true},
    {"LSB_DJOB_NUMPROC", limit_in, true}, /* LSF */
    {"NSLOTS", limit_in, true},           /* Grid Engine */
};

static void bound(struct parcel__cpus *cpus, int limit, bool is_shared, const char *by)
{
    if (is_shared && limit < cpus->shared)
        cpus->shared = limit;
    if (limit >= cpus->count)
        return;
    cpus->count = limit;
    cpus->by = by;
}

struct parcel__cpus parcel__port_cpus(int bound_cpus)
{
    struct parcel__cpus cpus = {.count = INT_MAX, .shared = INT_MAX, .by = "online cpus"};
    int online = parcel__port_online_cpus(), affinity = parcel__port_affinity_cpus();
    affinity = affinity > bound_cpus ? affinity : bound_cpus;
    cpus.affinity = affinity;
    bound(&cpus, online, affinity >= online, "online cpus");
    bound(&cpus, affinity, false, "affinity");
    bound(&cpus, parcel__port_cgroup_cpus(cgroup_root, process_cgroups), true, "cgroup quota");
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        bound(&cpus, variables[i].read(variables[i].name), variables[i].is_shared,
              variables[i].name);
    cpus.count = cpus.count > 1 ? cpus.count : 1;
    return cpus;
}

int parcel__port_thread_limit(void)
{
    struct rlimit processes;
    int limit = limit_in("OMP_THREAD_LIMIT");
    int free = as_int(cgroup_limit(&pids_controller, cgroup_root, process_cgroups)) / 2;
    limit = limit < MOST_THREADS ? limit : MOST_THREADS;
    limit = limit < free ? limit : free;
    /* Half of what is left: others start threads too. RLIMIT_NPROC does not bind root. */
    if (geteuid() != 0 && getrlimit(RLIMIT_NPROC, &processes) == 0 &&
        processes.rlim_cur != RLIM_INFINITY && processes.rlim_cur / 2 < (rlim_t)limit)
        limit = (int)(processes.rlim_cur / 2);
    return limit > 1 ? limit : 1;
}
