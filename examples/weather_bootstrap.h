/* weather_bootstrap.h: what bootstrap_weather and weather_mpi do alike. */
#ifndef WEATHER_BOOTSTRAP_H
#define WEATHER_BOOTSTRAP_H

#include <stdbool.h>

/* Estimates, reports and draws, as the arguments of the program say: [CSV [SVG [REPLICATES]]].
 * has_results: false on a rank that has a part in the run and none in its report. Returns the exit
 * status; what is wrong is one sentence on stderr. */
int weather_bootstrap(const char *program, int argc, char **argv, bool has_results);

#endif
