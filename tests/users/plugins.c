/*
 * plugins.c: a program that is not linked with Parcel loads a plugin that is, uses it, and unloads
 * it, again and again: threads of the OpenMP runtime, and executors, outlive each.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int plugin_function(const char *backend, int is_kept);

static plugin_function *find_sum(void *plugin)
{
    void *symbol = dlsym(plugin, "plugin_sum");
    plugin_function *function;
    memcpy(&function, &symbol, sizeof symbol);
    return function;
}

/* Kept executors are never closed, and what holds them is unloaded: to a leak checker they leak. */
#ifdef __SANITIZE_ADDRESS__
enum { WAYS_TO_KEEP = 1 };
#else
enum { WAYS_TO_KEEP = 2 };
#endif

/* True when the plugin's answer was right. */
static int use_once(const char *backend, int is_kept, int scope)
{
    void *plugin = dlopen(PLUGIN, RTLD_NOW | scope);
    if (!plugin) {
        fprintf(stderr, "%s\n", dlerror());
        return 0;
    }
    int sum = find_sum(plugin)(backend, is_kept);
    dlclose(plugin);
    if (sum == 3 * 50 * 49 / 2)
        return 1;
    fprintf(stderr, "backend %s, kept %d: %d\n", backend, is_kept, sum);
    return 0;
}

int main(void)
{
    static const char *const backends[] = {BACKENDS};
    int n_wrong = 0;
    if (!dlopen(NULL, RTLD_NOW)) {
        puts("skipped: this program is static and loads no objects");
        return 77;
    }
    alarm(300); /* what hangs ends */
    for (int turn = 0; turn < 10; turn++)
        for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
            for (int is_kept = 0; is_kept < WAYS_TO_KEEP; is_kept++)
                n_wrong += !use_once(backends[i], is_kept, turn % 2 ? RTLD_LOCAL : RTLD_GLOBAL);
    return n_wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
