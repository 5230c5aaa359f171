#include <parcel.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char *work(int i, int j) /* an ordinary C function */
{
    char *name = malloc(32);
    printf("Function receives the arguments: (%d, %d)\n", i, j);
    sleep(1);
    snprintf(name, 32, "%d_%d", i, j);
    printf("%s\n", name);
    return name; /* char *: taken, freed with the results */
}
DELAYED(char *, work, int, int); /* makes delayed(work) */

int main(void)
{
    parcel_calls *calls = parcel_calls_new();
    for (int j = 1; j <= 4; j++)
        parcel_calls_add(calls, delayed(work)(1, j));

    parcel_results *results = Parallel(.n_jobs = 4, .verbose = 1, .backend = "threading")(calls);
    if (parcel_results_error(results)) /* NULL when every call succeeded */
        fprintf(stderr, "%s\n", parcel_results_error(results));
    parcel_results_print(results, stdout);

    parcel_results_free(results);
    parcel_calls_free(calls);
    return 0;
}
