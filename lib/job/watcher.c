/* watcher.c: see watcher.h. */
#include "job/watcher.h"

void parcel__watcher_tell_ended(const struct parcel__watcher *watchers,
                                const struct parcel__lot *lot, size_t first, size_t count)
{
    if (!watchers || count == 0)
        return;
    for (; watchers->ended; watchers++)
        watchers->ended(watchers->state, lot, first, count);
}

void parcel__watcher_tell_overran(const struct parcel__watcher *watchers, size_t index,
                                  double seconds, double allowed)
{
    if (!watchers)
        return;
    for (; watchers->ended; watchers++)
        if (watchers->overran)
            watchers->overran(watchers->state, index, seconds, allowed);
}
