/* memory.c: how much memory the process has, as Linux says. */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

/* A line of /proc/self/status, in bytes. */
static double status_bytes(const char *key)
{
    char line[128];
    double kilobytes = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && kilobytes < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            kilobytes = strtod(line + strlen(key), NULL);
    if (file)
        fclose(file);
    bench_require(kilobytes >= 0, "/proc/self/status does not say how much memory is used");
    return 1024 * kilobytes;
}

double resident_bytes(void)
{
    return status_bytes("VmRSS:");
}

double peak_bytes(void)
{
    return status_bytes("VmHWM:");
}

void reset_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    bool is_reset = file && fputs("5", file) >= 0;
    if (file)
        is_reset = fclose(file) == 0 && is_reset;
    bench_require(is_reset, "/proc/self/clear_refs cannot be written");
}

double grown_by(void (*action)(void *state), void *state)
{
    reset_peak();
    double before = resident_bytes();
    action(state);
    return peak_bytes() - before;
}
