/*
 * sweep.c: a parameter sweep, structs in and structs out.
 *
 * The model is Ising's: spins up or down on a square lattice with periodic edges, each of which
 * likes to point as its neighbours do. Small lattices are summed exactly, state by state, so the
 * program prints the same numbers everywhere. A lattice of size 4 costs 4096 times one of size
 * 2: calls so unequal are what dynamic scheduling is for.
 */
#include <math.h>
#include <parcel.h>

struct model {
    double temperature;
    int size;
};

struct observables {
    double energy, magnetization; /* means for each spin */
};

static int spin(unsigned state, int size, int row, int column)
{
    return (state >> (row % size * size + column % size)) & 1 ? 1 : -1;
}

/* Each spin counts the bonds to the right and below, so that every bond is counted once. */
static void measure(unsigned state, int size, int *energy, int *magnetization)
{
    *energy = *magnetization = 0;
    for (int row = 0; row < size; row++) {
        for (int column = 0; column < size; column++) {
            int here = spin(state, size, row, column);
            *energy -= here * spin(state, size, row, column + 1);
            *energy -= here * spin(state, size, row + 1, column);
            *magnetization += here;
        }
    }
}

static struct observables simulate(struct model m)
{
    int spins = m.size * m.size;
    double weights = 0, energies = 0, magnetizations = 0;
    for (unsigned state = 0; state < 1u << spins; state++) {
        int energy, magnetization;
        measure(state, m.size, &energy, &magnetization);
        double weight = exp(-energy / m.temperature);
        weights += weight;
        energies += weight * energy;
        magnetizations += weight * fabs((double)magnetization);
    }
    return (struct observables){energies / weights / spins, magnetizations / weights / spins};
}
DELAYED(struct observables, simulate, struct model);

int main(void)
{
    enum { N = 12 };
    struct model grid[N];
    for (int i = 0; i < N; i++)
        grid[i] = (struct model){.temperature = 1.5 + 0.5 * (i % 4), .size = 2 + i / 4};

    parcel_results *results = Parallel(.n_jobs = -1, .verbose = 10)(parcel_map(simulate, grid, N));
    if (parcel_results_error(results))
        fprintf(stderr, "%s\n", parcel_results_error(results));
    printf("size  temperature  energy  magnetization\n");
    for (size_t i = 0; i < N; i++) {
        struct observables o = parcel_get(results, i, struct observables);
        printf("%4d  %11.1f  %6.3f  %13.3f\n", grid[i].size, grid[i].temperature, o.energy,
               o.magnetization);
    }
    parcel_results_free(results);
    return 0;
}
