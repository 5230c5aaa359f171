/*
 * executor.c: several runs, one team. Each run tries 8 points of a bracket at once and keeps the
 * part where the sign changes; the next run needs its answer, so they cannot be one run.
 */
#include <parcel.h>

enum { POINTS = 8 };

static double f(double x)
{
    return x * x * x - 2 * x - 5; /* Wallis's example of 1685: the root is 2.0945514815... */
}
DELAYED(double, f, double);

/* Where the i-th of the points that cut the bracket stands. */
static double point(double low, double high, int i)
{
    return low + (high - low) * i / (POINTS - 1);
}

static void narrow(parcel_executor *team, double *low, double *high)
{
    double x[POINTS], y[POINTS];
    for (int i = 0; i < POINTS; i++)
        x[i] = point(*low, *high, i);

    parcel_results *results = parcel_executor_run(team, parcel_map(f, x, POINTS));
    parcel_get_all(results, y, POINTS);
    parcel_results_free(results);

    int i = 1;
    while (i < POINTS - 1 && y[i] < 0)
        i++;
    *low = x[i - 1];
    *high = x[i];
}

int main(void)
{
    double low = 2, high = 3;
    parcel_executor *team = parcel_open(&(parcel_options){.n_jobs = 2});
    for (int run = 1; run <= 5; run++) {
        narrow(team, &low, &high);
        printf("run %d: the root lies between %.6f and %.6f\n", run, low, high);
    }
    parcel_close(team);
    return 0;
}
