/*
 * openmp.c: the OpenMP settings of the calling thread.
 *
 * The runtime is found at run time, as the user's own code finds it: a library built by gcc in a
 * program built by clang meets libomp, and the reverse meets libgomp. Without a runtime there is
 * nothing to set.
 */
#include "openmp.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

/* Constant once found_once has run. */
static struct {
    void (*set_num_threads)(int);
    int (*get_max_threads)(void);
    void (*set_max_active_levels)(int);
    int (*get_max_active_levels)(void);
    int (*get_active_level)(void);
} runtime;
static pthread_once_t found_once = PTHREAD_ONCE_INIT;

/* ISO C has no conversion from an object pointer to a function pointer; POSIX has their bytes. */
static void find(const char *name, void *function)
{
    void *symbol = dlsym(RTLD_DEFAULT, name);
    memcpy(function, &symbol, sizeof symbol);
}

static void find_runtime(void)
{
    find("omp_get_max_threads", &runtime.get_max_threads);
    find("omp_set_max_active_levels", &runtime.set_max_active_levels);
    find("omp_get_max_active_levels", &runtime.get_max_active_levels);
    find("omp_get_active_level", &runtime.get_active_level);
    find("omp_set_num_threads", &runtime.set_num_threads);
    if (!runtime.get_max_threads || !runtime.set_max_active_levels ||
        !runtime.get_max_active_levels || !runtime.get_active_level)
        runtime.set_num_threads = NULL;
}

void parcel__openmp_limit(int threads, struct parcel__openmp_settings *saved)
{
    saved->changed = false;
    pthread_once(&found_once, find_runtime);
    if (!runtime.set_num_threads)
        return;
    saved->changed = true;
    saved->threads = runtime.get_max_threads();
    saved->levels = runtime.get_max_active_levels();
    runtime.set_num_threads(threads);
    int needed = runtime.get_active_level() + 1;
    if (threads > 1 && saved->levels < needed)
        runtime.set_max_active_levels(needed);
}

void parcel__openmp_restore(const struct parcel__openmp_settings *saved)
{
    if (!saved->changed)
        return;
    runtime.set_num_threads(saved->threads);
    if (runtime.get_max_active_levels() != saved->levels)
        runtime.set_max_active_levels(saved->levels);
}
