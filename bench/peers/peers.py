"""Runs many short calls the Python ways, for compare.

A line in: PEER FUNCTION COUNT STEPS. A line out: the seconds that COUNT calls took; for a COUNT of
0 the versions, or what is missing. The calls are those of functions.c, by ctypes, which lets other
threads run meanwhile. The module is imported, not run, so that worker processes can import it too.
"""

import ctypes
import functools
import multiprocessing
import os
import platform
import sys
import time

try:
    import joblib
except ImportError:
    joblib = None

WORKERS = 2
library = ctypes.CDLL(os.environ["BENCH_FUNCTIONS"])


def empty(first, second):
    return library.empty(first, second)


def spin(steps, seed):
    return library.spin(steps, seed)


def large(size, seed):
    """Made in no time: what takes time is its way."""
    return bytes(size)


@functools.lru_cache(maxsize=None)
def open_parallel(backend):
    """One that keeps its workers, as a context does."""
    return joblib.Parallel(n_jobs=WORKERS, backend=backend).__enter__()


@functools.lru_cache(maxsize=None)
def open_pool():
    return multiprocessing.Pool(WORKERS)


def close():
    """Ends the workers; else joblib complains of what they leave behind."""
    if open_pool.cache_info().currsize:
        open_pool().terminate()
        open_pool().join()
    if open_parallel.cache_info().currsize:
        joblib.externals.loky.get_reusable_executor().shutdown(wait=True)
    open_pool.cache_clear()
    open_parallel.cache_clear()


def run_joblib(backend, function, arguments):
    return open_parallel(backend)(joblib.delayed(function)(*each) for each in arguments)


def run_pool(chunk, function, arguments):
    return open_pool().starmap(function, arguments, chunksize=chunk)


PEERS = {
    "threading": functools.partial(run_joblib, "threading"),
    "loky": functools.partial(run_joblib, "loky"),
    "map": functools.partial(run_pool, None),
    "map1": functools.partial(run_pool, 1),
    "loky-cold": functools.partial(run_joblib, "loky"),
    "map-cold": functools.partial(run_pool, None),
}


def describe(peer):
    if joblib:
        return f"Python {platform.python_version()}, joblib {joblib.__version__}"
    if PEERS[peer].func is run_joblib:
        return "missing: joblib (Debian: python3-joblib)"
    return f"Python {platform.python_version()}"


def measure(peer, function, count, steps):
    """The last result shows that the calls were made. Cold workers start and end with the calls."""
    arguments = [(steps, seed) for seed in range(count)]
    is_cold = peer.endswith("-cold")
    if is_cold:
        close()
    start = time.perf_counter()
    results = PEERS[peer](function, arguments)
    if is_cold:
        close()
    seconds = time.perf_counter() - start
    if len(results) != count or results[-1] != function(*arguments[-1]):
        return "a result is wrong"
    return f"{seconds:.9f}"


def serve():
    for line in sys.stdin:
        peer, function, count, steps = line.split()
        if count == "0":
            answer = describe(peer)
        else:
            answer = measure(peer, globals()[function], int(count), int(steps))
        print(answer, flush=True)
    close()
