/* policy.h: what every worker of a run must know of its options, wherever it is. */
#ifndef PARCEL__POLICY_H
#define PARCEL__POLICY_H

#include "options/limits.h"

/* Plain bytes, which processes of one build send each other as they lie. Pointers in it are the
 * program's, and mean nothing elsewhere. */
struct parcel__policy {
    bool collect;  /* failures do not stop the run */
    bool is_timed; /* each call of about a microsecond and more has its own time */
    bool isolate;  /* calls run in processes of their own, where that is not so anyway */
    parcel_schedule schedule;
    size_t batch_size;            /* 0: adaptive */
    struct parcel__limits limits; /* when it stops, and what its calls may take */
    struct parcel__worker_limits worker_limits;
};

#endif
