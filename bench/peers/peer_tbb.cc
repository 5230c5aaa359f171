// peer_tbb.cc: oneTBB's loops, and a task for each call.
#include "peers.h"

#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_group.h>

static void limit_workers()
{
    static tbb::global_control limit(tbb::global_control::max_allowed_parallelism, PEER_WORKERS);
}

template <class Partitioner> static void run_loop(raw_call *calls, size_t count)
{
    limit_workers();
    tbb::parallel_for(
        tbb::blocked_range<size_t>(0, count),
        [calls](const tbb::blocked_range<size_t> &range) {
            for (size_t i = range.begin(); i < range.end(); i++)
                calls[i].result = calls[i].function(calls[i].first, calls[i].second);
        },
        Partitioner());
}

void tbb_auto(raw_call *calls, size_t count)
{
    run_loop<tbb::auto_partitioner>(calls, count);
}

void tbb_simple(raw_call *calls, size_t count)
{
    run_loop<tbb::simple_partitioner>(calls, count);
}

void tbb_tasks(raw_call *calls, size_t count)
{
    limit_workers();
    tbb::task_group group;
    for (size_t i = 0; i < count; i++)
        group.run([call = &calls[i]] { call->result = call->function(call->first, call->second); });
    group.wait();
}
