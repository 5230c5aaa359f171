// peer_std.cc: the parallel algorithms of the C++ library; GNU's run on oneTBB.
#include "peers.h"

#include <algorithm>
#include <execution>

#include <tbb/global_control.h>

void std_par(raw_call *calls, size_t count)
{
    static tbb::global_control limit(tbb::global_control::max_allowed_parallelism, PEER_WORKERS);
    std::for_each(std::execution::par, calls, calls + count,
                  [](raw_call &call) { call.result = call.function(call.first, call.second); });
}
