/* machine.c: where and with what the figures were measured. */
#include "machine.h"

#include <dlfcn.h>
#include <parcel.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "peers.h"
#include "python.h"

/* The text behind the colon of the first line of /proc/cpuinfo with that key. */
static void put_processor(char *text, size_t size)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(text, size, "unknown processor");
    while (file && fgets(line, sizeof line, file)) {
        const char *value = strchr(line, ':');
        if (!value || strncmp(line, "model name", strlen("model name")) != 0)
            continue;
        snprintf(text, size, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
        break;
    }
    if (file)
        fclose(file);
}

/* libomp has libgomp's entry points too, so its own are looked for first. */
static const char *runtime_name(void)
{
    if (dlsym(RTLD_DEFAULT, "__kmpc_fork_call"))
        return "libomp";
    return dlsym(RTLD_DEFAULT, "GOMP_parallel") ? "libgomp" : "unknown OpenMP runtime";
}

static void put_hardware(FILE *file, const char *prefix)
{
    char processor[128], date[32];
    double load[3];
    time_t now = time(NULL);
    put_processor(processor, sizeof processor);
    if (getloadavg(load, 3) < 1)
        load[0] = -1;
    strftime(date, sizeof date, "%Y-%m-%d %H:%M %z", localtime(&now));
    fprintf(file, "%s%s, %d cpus (%ld online), load %.2f, %s\n", prefix, processor,
            parcel_cpu_count(), sysconf(_SC_NPROCESSORS_ONLN), load[0], date);
}

static void put_software(FILE *file, const char *prefix)
{
    static const char *const variables[] = {"OMP_PROC_BIND", "OMP_PLACES", "OMP_WAIT_POLICY",
                                            "GOMP_SPINCOUNT", "KMP_BLOCKTIME"};
#ifdef __clang__
    fprintf(file, "%s%s", prefix, __VERSION__);
#else
    fprintf(file, "%sgcc %s", prefix, __VERSION__);
#endif
    fprintf(file, ", %s, parcel %s", runtime_name(), parcel_version());
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        if (getenv(variables[i]))
            fprintf(file, ", %s=%s", variables[i], getenv(variables[i]));
    fputc('\n', file);
}

void put_machine(FILE *file, const char *prefix)
{
    put_hardware(file, prefix);
    put_software(file, prefix);
    put_peers(file, prefix);
    put_python(file, prefix);
}
