/*
 * bootstrap_weather.c: how sure are two numbers drawn from four years of daily weather?
 *
 *     bootstrap_weather [CSV [SVG [REPLICATES]]]
 *
 * What is estimated and run is in weather_bootstrap.c; weather_mpi.c is the same on several hosts.
 */
#include "weather_bootstrap.h"

int main(int argc, char **argv)
{
    return weather_bootstrap("bootstrap_weather", argc, argv, true);
}
