/* peer_pthreadpool.c: the loop of a pool of POSIX threads. */
#include <pthreadpool.h>

#include "peers.h"

static void run_call(void *calls, size_t i)
{
    struct raw_call *call = (struct raw_call *)calls + i;
    call->result = call->function(call->first, call->second);
}

void pthreadpool_1d(struct raw_call *calls, size_t count)
{
    static pthreadpool_t pool;
    if (!pool)
        pool = pthreadpool_create(PEER_WORKERS);
    bench_require(pool != NULL, "pthreadpool has no threads");
    pthreadpool_parallelize_1d(pool, run_call, calls, count, 0);
}
