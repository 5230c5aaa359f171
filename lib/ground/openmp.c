/*
 * openmp.c: the OpenMP settings of the calling thread.
 *
 * A process may hold two runtimes: a library built by clang in a program built by gcc runs its
 * regions on libomp, while the user's code runs its own on libgomp. So there are two sets of
 * functions: as the user's code finds them, by their names at run time, and as this library is
 * linked. Where both are one runtime, the second set stays empty.
 */
#include "ground/openmp.h"

#include <ctype.h>
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ground/memory.h"
#include "ground/mutexes.h"
#include "ground/once.h"
#include "ground/port.h"

#ifdef _OPENMP
#include <omp.h>
#endif

struct runtime {
    void (*set_num_threads)(int);
    int (*get_max_threads)(void);
    void (*set_max_active_levels)(int);
    int (*get_max_active_levels)(void);
    int (*get_active_level)(void);
    void (*set_dynamic)(int);
    int (*get_dynamic)(void);
    int (*get_num_places)(void);            /* may be NULL: OpenMP 4.5 */
    int (*get_place_num_procs)(int);        /* the same */
    void (*get_place_proc_ids)(int, int *); /* the same */
    int (*pause_resource_all)(int);         /* may be NULL: OpenMP 5.0 */
};

enum { PAUSE_SOFT = 1 }; /* omp_pause_soft; the hard pause makes libomp abort in the child */

/* Constant once found_once has run. */
static struct runtime runtimes[PARCEL__OPENMP_RUNTIMES];
static int n_runtimes;
static bool has_libomp;
static struct parcel__once found_once;

/* ISO C has no conversion from an object pointer to a function pointer; POSIX has their bytes. */
static void find(const char *name, void *function)
{
    void *symbol = dlsym(RTLD_DEFAULT, name);
    memcpy(function, &symbol, sizeof symbol);
}

/* False: the program has none. */
static bool find_users_runtime(struct runtime *runtime)
{
    find("omp_set_num_threads", &runtime->set_num_threads);
    find("omp_get_max_threads", &runtime->get_max_threads);
    find("omp_set_max_active_levels", &runtime->set_max_active_levels);
    find("omp_get_max_active_levels", &runtime->get_max_active_levels);
    find("omp_get_active_level", &runtime->get_active_level);
    find("omp_set_dynamic", &runtime->set_dynamic);
    find("omp_get_dynamic", &runtime->get_dynamic);
    find("omp_get_num_places", &runtime->get_num_places);
    find("omp_get_place_num_procs", &runtime->get_place_num_procs);
    find("omp_get_place_proc_ids", &runtime->get_place_proc_ids);
    find("omp_pause_resource_all", &runtime->pause_resource_all);
    return runtime->set_num_threads && runtime->get_max_threads && runtime->set_max_active_levels &&
           runtime->get_max_active_levels && runtime->get_active_level && runtime->set_dynamic &&
           runtime->get_dynamic;
}

#ifdef _OPENMP
static int pause_linked(int kind)
{
#if defined __clang__ || __GNUC__ >= 9
    return omp_pause_resource_all((omp_pause_resource_t)kind);
#else
    (void)kind;
    return -1;
#endif
}
#endif

/* The GNU C library loads its unwinder when a thread first ends by pthread_exit, as libgomp's do:
 * at any time, and a child that is forked just then can load nothing. So it is loaded before. */
static void load_unwinder(void)
{
    (void)dlopen("libgcc_s.so.1", RTLD_LAZY);
}

static void look_for_runtimes(void)
{
    has_libomp = dlsym(RTLD_DEFAULT, "__kmpc_fork_call") != NULL;
    n_runtimes = find_users_runtime(&runtimes[0]);
#ifdef _OPENMP
    const struct runtime linked = {
        omp_set_num_threads,       omp_get_max_threads,  omp_set_max_active_levels,
        omp_get_max_active_levels, omp_get_active_level, omp_set_dynamic,
        omp_get_dynamic,           omp_get_num_places,   omp_get_place_num_procs,
        omp_get_place_proc_ids,    pause_linked};
    if (n_runtimes == 0 || linked.set_num_threads != runtimes[0].set_num_threads)
        runtimes[n_runtimes++] = linked;
#endif
}

/* The loader, and a runtime that begins when it is first asked, as libomp, know nothing of forks
 * meanwhile: a child would find their locks held. */
static void find_runtimes(void)
{
    parcel__mutexes_lock(PARCEL__MUTEX_RUNTIMES);
    load_unwinder();
    look_for_runtimes();
    for (int i = 0; i < n_runtimes; i++)
        runtimes[i].get_max_threads();
    parcel__mutexes_unlock(PARCEL__MUTEX_RUNTIMES);
}

static void read_setting(const struct runtime *runtime, struct parcel__openmp_setting *setting)
{
    setting->threads = runtime->get_max_threads();
    setting->levels = runtime->get_max_active_levels();
    setting->is_dynamic = runtime->get_dynamic() != 0;
}

void parcel__openmp_read(struct parcel__openmp_settings *settings)
{
    parcel__once_run(&found_once, find_runtimes);
    for (int i = 0; i < n_runtimes; i++)
        read_setting(&runtimes[i], &settings->of[i]);
}

/* libomp aborts where a region of a team's thread is dynamic while the first thread's are not, as
 * they are not while it opens a run's region, or a nested run's. */
static bool may_be_dynamic(int threads)
{
    return threads == 0 || !has_libomp;
}

void parcel__openmp_read_for_calls(struct parcel__openmp_settings *settings, int threads)
{
    parcel__openmp_read(settings);
    for (int i = 0; i < n_runtimes; i++) {
        struct parcel__openmp_setting *setting = &settings->of[i];
        int levels = setting->levels - runtimes[i].get_active_level(), least = threads > 0;
        setting->levels = levels > least ? levels : least;
        setting->threads = threads > 0 ? threads : setting->threads;
        setting->is_dynamic = setting->is_dynamic && may_be_dynamic(threads);
    }
}

static void change(const struct runtime *runtime, const struct parcel__openmp_setting *before,
                   const struct parcel__openmp_setting *setting)
{
    if (before->threads != setting->threads)
        runtime->set_num_threads(setting->threads);
    if (before->levels != setting->levels)
        runtime->set_max_active_levels(setting->levels);
    if (before->is_dynamic != setting->is_dynamic)
        runtime->set_dynamic(setting->is_dynamic);
}

static void set(const struct runtime *runtime, const struct parcel__openmp_setting *setting)
{
    struct parcel__openmp_setting before;
    read_setting(runtime, &before);
    change(runtime, &before, setting);
}

void parcel__openmp_set(const struct parcel__openmp_settings *settings)
{
    for (int i = 0; i < n_runtimes; i++)
        if (settings->of[i].threads > 0)
            set(&runtimes[i], &settings->of[i]);
}

bool parcel__openmp_begin(struct parcel__openmp_settings *now,
                          const struct parcel__openmp_settings *before,
                          const struct parcel__openmp_settings *of_calls)
{
    bool is_known = false;
    *now = *of_calls;
    for (int i = 0; i < n_runtimes; i++) {
        if (now->of[i].threads == 0)
            continue;
        int level = runtimes[i].get_active_level(), most = INT_MAX - level;
        now->of[i].levels = level + (now->of[i].levels < most ? now->of[i].levels : most);
        change(&runtimes[i], &before->of[i], &now->of[i]);
        is_known = true;
    }
    return is_known;
}

void parcel__openmp_renew(const struct parcel__openmp_settings *settings)
{
    for (int i = 0; i < n_runtimes; i++)
        if (settings->of[i].threads > 0 && settings->of[i].threads != runtimes[i].get_max_threads())
            set(&runtimes[i], &settings->of[i]);
}

/* The cpus of all places. */
static int count_cpus(const struct runtime *runtime)
{
    int cpus = 0;
    if (!runtime->get_num_places || !runtime->get_place_num_procs)
        return 0;
    for (int place = 0; place < runtime->get_num_places(); place++)
        cpus += runtime->get_place_num_procs(place);
    return cpus;
}

bool parcel__openmp_in_region(void)
{
#ifdef _OPENMP
    return omp_get_level() > 0;
#else
    return false;
#endif
}

/* A number, of kilobytes unless a letter says otherwise. */
size_t parcel__openmp_stack_size(void)
{
    static const char letters[] = "BKMG";
    const char *variable = parcel__port_variable("OMP_STACKSIZE");
    char *end = NULL;
    unsigned long long number = variable ? strtoull(variable, &end, 10) : 0;
    const char *letter = end && *end ? strchr(letters, toupper((unsigned char)*end)) : NULL;
    int shift = letter ? 10 * (int)(letter - letters) : 10;
    return number < SIZE_MAX >> 31 ? (size_t)number << shift : 0;
}

int parcel__openmp_bound_cpus(void)
{
    int most = 0;
    parcel__once_run(&found_once, find_runtimes);
    for (int i = 0; i < n_runtimes; i++) {
        int cpus = count_cpus(&runtimes[i]);
        most = cpus > most ? cpus : most;
    }
    return most;
}

static int list_places(const struct runtime *runtime, int *cpus, int room)
{
    int count = 0;
    if (!runtime->get_num_places || !runtime->get_place_num_procs || !runtime->get_place_proc_ids)
        return 0;
    for (int place = 0; place < runtime->get_num_places(); place++) {
        int more = runtime->get_place_num_procs(place);
        if (more > room - count)
            break;
        runtime->get_place_proc_ids(place, cpus + count);
        count += more;
    }
    return count;
}

int *parcel__openmp_list_bound_cpus(int *count)
{
    int most = parcel__openmp_bound_cpus();
    int *cpus = most > 0 ? parcel__memory_new((size_t)most * sizeof *cpus) : NULL;
    *count = 0;
    for (int i = 0; cpus && i < n_runtimes; i++) {
        int listed = list_places(&runtimes[i], cpus, most);
        *count = listed > *count ? listed : *count;
    }
    return cpus;
}

bool parcel__openmp_has_libomp(void)
{
    parcel__once_run(&found_once, find_runtimes);
    return has_libomp;
}

/* Finds a function of a library that is loaded. */
static void find_in(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
}

int *parcel__openmp_list_cpus_of_others(int *count)
{
    struct runtime theirs = {0}, other = {0};
    void *library = dlopen("libgomp.so.1", RTLD_LAZY | RTLD_NOLOAD);
    *count = 0;
    if (!library)
        return NULL;
    find("omp_get_num_places", &theirs.get_num_places);
    find_in(library, "omp_get_num_places", &other.get_num_places);
    find_in(library, "omp_get_place_num_procs", &other.get_place_num_procs);
    find_in(library, "omp_get_place_proc_ids", &other.get_place_proc_ids);
    bool is_theirs = !theirs.get_num_places || theirs.get_num_places == other.get_num_places;
    int most = is_theirs ? 0 : count_cpus(&other);
    int *cpus = most > 0 ? parcel__memory_new((size_t)most * sizeof *cpus) : NULL;
    if (cpus)
        *count = list_places(&other, cpus, most);
    dlclose(library);
    return cpus;
}

bool parcel__openmp_before_fork(void)
{
    bool is_paused = true;
    parcel__once_run(&found_once, find_runtimes);
    for (int i = 0; i < n_runtimes; i++) {
        const struct runtime *runtime = &runtimes[i];
        if (!runtime->pause_resource_all || runtime->pause_resource_all(PAUSE_SOFT) != 0)
            is_paused = false;
    }
    return is_paused;
}

void parcel__openmp_clean_up(pid_t pid)
{
    char path[64];
    if (!has_libomp)
        return;
    snprintf(path, sizeof path, "/dev/shm/__KMP_REGISTERED_LIB_%d_%d", (int)pid, (int)getuid());
    unlink(path);
}
