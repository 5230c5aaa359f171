/*
 * backends.c: the known backends. Those that are built in are listed by the build, in
 * backends.inc; an application enters its own.
 */
#include "options/backends.h"

#include <stdatomic.h>
#include <string.h>

#include "ground/mutexes.h"

enum { MOST_REGISTERED = 64 };

#define PARCEL_BACKEND(word) extern const parcel_backend parcel__##word;
#include "backends.inc"
#undef PARCEL_BACKEND

#define PARCEL_BACKEND(word) &parcel__##word,
static const parcel_backend *const built_in[] = {
#include "backends.inc"
};
#undef PARCEL_BACKEND

enum { N_BUILT_IN = sizeof built_in / sizeof *built_in };

/* All protected by the mutex. */
static struct {
    const parcel_backend *backends[MOST_REGISTERED];
    size_t count;
    /* The default, when an application made one. Read without the mutex, by each run: acquire,
     * and release to write, so that who finds it finds the descriptor complete. */
    _Atomic(const parcel_backend *) preferred;
} registered;

static const parcel_backend *at(size_t index)
{
    if (index < N_BUILT_IN)
        return built_in[index];
    return index - N_BUILT_IN < registered.count ? registered.backends[index - N_BUILT_IN] : NULL;
}

const parcel_backend *parcel_backend_at(size_t index)
{
    parcel__mutexes_lock(PARCEL__MUTEX_BACKENDS);
    const parcel_backend *backend = at(index);
    parcel__mutexes_unlock(PARCEL__MUTEX_BACKENDS);
    return backend;
}

/* Most names differ in their first letter, and each run that names a backend looks. */
static bool is_same(const char *one, const char *other)
{
    return *one == *other && strcmp(one, other) == 0;
}

static bool has_name(const parcel_backend *backend, const char *name)
{
    if (is_same(backend->name, name))
        return true;
    for (const char *const *alias = backend->aliases; alias && *alias; alias++)
        if (is_same(*alias, name))
            return true;
    return false;
}

static const parcel_backend *find(const char *name)
{
    const parcel_backend *backend;
    for (size_t i = 0; (backend = at(i)) != NULL; i++)
        if (has_name(backend, name))
            return backend;
    return NULL;
}

const parcel_backend *parcel__backends_find(const char *name)
{
    parcel__mutexes_lock(PARCEL__MUTEX_BACKENDS);
    const parcel_backend *backend = find(name);
    parcel__mutexes_unlock(PARCEL__MUTEX_BACKENDS);
    return backend;
}

const parcel_backend *parcel__backends_default(void)
{
    const parcel_backend *preferred =
        atomic_load_explicit(&registered.preferred, memory_order_acquire);
    return preferred ? preferred : &parcel__backend_openmp;
}

const parcel_backend *parcel__backends_fallback(void)
{
    return &parcel__backend_sequential;
}

bool parcel__backends_spans_hosts(const parcel_backend *backend)
{
    return backend == &parcel__backend_mpi;
}

const parcel_backend *parcel__backends_threads(void)
{
    return &parcel__backend_openmp;
}

void parcel__backends_put_names(struct parcel__text *text)
{
    const parcel_backend *backend;
    parcel__mutexes_lock(PARCEL__MUTEX_BACKENDS);
    for (size_t i = 0; (backend = at(i)) != NULL; i++)
        parcel__text_format(text, "%s'%s'", i > 0 ? ", " : "[", backend->name);
    parcel__text_put(text, "]");
    parcel__mutexes_unlock(PARCEL__MUTEX_BACKENDS);
}

/* NULL, or why the backend cannot be entered. Called with the mutex held. */
static const char *enter(const parcel_backend *backend)
{
    if (find(backend->name))
        return "a backend of this name is known already";
    for (const char *const *alias = backend->aliases; alias && *alias; alias++)
        if (find(*alias))
            return "a backend of one of these aliases is known already";
    if (registered.count == MOST_REGISTERED)
        return "64 backends are registered already";
    registered.backends[registered.count++] = backend;
    return NULL;
}

const char *parcel_register_backend(const parcel_backend *backend, bool make_default)
{
    if (!backend)
        return "backend is NULL";
    if (backend->size < sizeof *backend)
        return "the size of the backend is not sizeof(parcel_backend)";
    if (!backend->name || !*backend->name)
        return "the backend has no name";
    if (!backend->run)
        return "the backend has no run function";
    parcel__mutexes_lock(PARCEL__MUTEX_BACKENDS);
    const char *fault = enter(backend);
    if (!fault && make_default)
        atomic_store_explicit(&registered.preferred, backend, memory_order_release);
    parcel__mutexes_unlock(PARCEL__MUTEX_BACKENDS);
    return fault;
}

bool parcel_unregister_backend(const char *name)
{
    bool found = false;
    if (!name)
        return false;
    parcel__mutexes_lock(PARCEL__MUTEX_BACKENDS);
    for (size_t i = 0; i < registered.count && !found; i++) {
        found = strcmp(registered.backends[i]->name, name) == 0;
        if (!found)
            continue;
        if (parcel__backends_default() == registered.backends[i])
            atomic_store_explicit(&registered.preferred, NULL, memory_order_release);
        registered.count--;
        memmove(&registered.backends[i], &registered.backends[i + 1],
                (registered.count - i) * sizeof *registered.backends);
    }
    parcel__mutexes_unlock(PARCEL__MUTEX_BACKENDS);
    return found;
}
