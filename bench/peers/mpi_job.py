"""The calls of mpi_job.c by mpi4py.futures, for compare.

    mpiexec -n 2 python3 mpi_job.py CHUNK FUNCTION COUNT STEPS RANKS

Rank 0 hands the calls out in chunks of so many, and runs none.
"""

import ctypes
import os
import sys
import time

try:
    from mpi4py import MPI
    from mpi4py.futures import MPICommExecutor
except ImportError:
    sys.exit("missing: mpi4py (Debian: python3-mpi4py)")

library = ctypes.CDLL(os.environ["BENCH_FUNCTIONS"])


def empty(first, second):
    return library.empty(first, second)


def spin(steps, seed):
    return library.spin(steps, seed)


def main():
    chunk, name, count, steps, ranks = sys.argv[1:]
    count, steps = int(count), int(steps)
    if MPI.COMM_WORLD.Get_size() != int(ranks):
        sys.exit("missing: mpi4py for this MPI")
    rises = name == "rise"
    function = empty if name == "empty" else spin
    first = [int(2 * steps * (i + 0.5) / count) if rises else steps for i in range(count)]
    with MPICommExecutor(MPI.COMM_WORLD, root=0) as executor:
        if executor is None:
            return
        for _ in range(2):  # the first is for connections and memory
            start = time.perf_counter()
            results = list(executor.map(function, first, range(count), chunksize=int(chunk)))
            seconds = time.perf_counter() - start
        if len(results) != count or results[-1] != function(first[-1], count - 1):
            sys.exit("a result is wrong")
        print(f"{seconds:.9f}", flush=True)


main()
