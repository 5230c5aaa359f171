/*
 * blas.c: the thread counts of BLAS libraries that have their own.
 *
 * Libraries are looked for again only when the process has loaded objects since the last look. In a
 * child that was forked while a run held them down, none will ever put them back: the child's next
 * run does, whose limit is the first there.
 */
#include "ground/blas.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ground/mutexes.h"
#include "ground/objects.h"

enum { MOST_OBJECTS = 16, MOST_LIBRARIES = 8 };

/* What a BLAS calls its setter and getter; wide ones count in 64-bit integers. */
static const struct {
    const char *set;
    const char *get;
    bool wide;
} families[] = {
    {"openblas_set_num_threads", "openblas_get_num_threads", false},
    {"openblas_set_num_threads64_", "openblas_get_num_threads64_", false},
    {"bli_thread_set_num_threads", "bli_thread_get_num_threads", true},
    {"MKL_Set_Num_Threads", "MKL_Get_Max_Threads", false},
};

struct library {
    union {
        void (*narrow)(int);
        void (*wide)(int64_t);
    } set;
    union {
        int (*narrow)(void);
        int64_t (*wide)(void);
    } get;
    bool wide;
    int64_t before; /* what the first of the overlapping runs found */
};

/* All protected by the mutex. */
static struct {
    unsigned long long objects_loaded; /* when the libraries were last looked for */
    struct library libraries[MOST_LIBRARIES];
    int n_libraries;
    int runs;
    int limit;         /* the least of the runs' limits */
    bool is_inherited; /* the counts are those of a run of the process that forked this one */
} blas;

static int count_loaded(struct dl_phdr_info *info, size_t size, void *count)
{
    (void)size;
    *(unsigned long long *)count = info->dlpi_adds;
    return 1;
}

struct names {
    char path[MOST_OBJECTS][PATH_MAX];
    int count;
};

/* dlopen must not be called while the list of objects is walked: another thread may load. */
static int note_candidate(struct dl_phdr_info *info, size_t size, void *data)
{
    struct names *names = data;
    (void)size;
    const char *file = strrchr(info->dlpi_name, '/');
    file = file ? file + 1 : info->dlpi_name;
    if (names->count < MOST_OBJECTS && strlen(info->dlpi_name) < PATH_MAX &&
        (strstr(file, "blas") || strstr(file, "blis") || strstr(file, "mkl_rt")))
        snprintf(names->path[names->count++], PATH_MAX, "%s", info->dlpi_name);
    return 0;
}

static void add_library(void *handle, size_t family)
{
    struct library found = {.wide = families[family].wide};
    void *set = dlsym(handle, families[family].set);
    void *get = dlsym(handle, families[family].get);
    if (!set || !get || blas.n_libraries == MOST_LIBRARIES)
        return;
    memcpy(&found.set, &set, sizeof set);
    memcpy(&found.get, &get, sizeof get);
    for (int i = 0; i < blas.n_libraries; i++)
        if (memcmp(&blas.libraries[i].set, &found.set, sizeof found.set) == 0)
            return;
    blas.libraries[blas.n_libraries++] = found;
}

static void add_libraries_of(void *handle)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        add_library(handle, i);
}

static void look_for_libraries(void)
{
    unsigned long long loaded = 0;
    static struct names names; /* protected by the mutex; too large for a small stack */
    parcel__objects_walk(count_loaded, &loaded);
    if (loaded == blas.objects_loaded)
        return;
    blas.objects_loaded = loaded;
    blas.n_libraries = 0;
    names.count = 0;
    parcel__objects_walk(note_candidate, &names);
    add_libraries_of(RTLD_DEFAULT);
    for (int i = 0; i < names.count; i++) {
        void *handle = dlopen(names.path[i], RTLD_LAZY | RTLD_NOLOAD);
        if (!handle)
            continue;
        add_libraries_of(handle);
        dlclose(handle);
    }
}

/* In a child. */
static void forget_runs(void)
{
    blas.is_inherited |= blas.runs > 0;
    blas.runs = 0;
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forget_runs);
}

static int64_t threads_of(const struct library *library)
{
    return library->wide ? library->get.wide() : library->get.narrow();
}

static void set_threads(const struct library *library, int64_t threads)
{
    if (library->wide)
        library->set.wide(threads);
    else
        library->set.narrow((int)threads);
}

/* What the libraries had before any run. */
static void note_threads(void)
{
    look_for_libraries();
    for (int i = 0; i < blas.n_libraries; i++)
        if (!blas.is_inherited || blas.libraries[i].before == 0)
            blas.libraries[i].before = threads_of(&blas.libraries[i]);
    blas.is_inherited = false;
}

void parcel__blas_limit(int threads)
{
    parcel__mutexes_lock(PARCEL__MUTEX_BLAS);
    bool first = blas.runs++ == 0;
    if (first)
        note_threads();
    if (first || threads < blas.limit) {
        blas.limit = threads;
        for (int i = 0; i < blas.n_libraries; i++)
            if (blas.libraries[i].before > threads)
                set_threads(&blas.libraries[i], threads);
    }
    parcel__mutexes_unlock(PARCEL__MUTEX_BLAS);
}

/* A run that began before the fork may end in a child, too. */
void parcel__blas_restore(void)
{
    parcel__mutexes_lock(PARCEL__MUTEX_BLAS);
    if (blas.runs > 0 && --blas.runs == 0)
        for (int i = 0; i < blas.n_libraries; i++)
            if (blas.libraries[i].before > blas.limit)
                set_threads(&blas.libraries[i], blas.libraries[i].before);
    parcel__mutexes_unlock(PARCEL__MUTEX_BLAS);
}
