/*
 * mock_backend.h: a backend that does on purpose what a slow or broken one does by accident. It
 * delays, runs batches in another order and from several threads, and loses batches, as its
 * parameter says. It learns of the run only what parcel/backend.h gives it.
 */
#ifndef MOCK_BACKEND_H
#define MOCK_BACKEND_H

#include <parcel/backend.h>

/* The parameter of a mock backend. What is 0 does not happen. */
struct mock {
    int window;      /* a worker takes so many batches, then runs them from the last to the first */
    bool hold_first; /* the first batch of a run is run when all others are through */
    int lose_every;  /* of so many batches one is reported lost */
    int forget_every; /* of so many batches nothing is ever said of one */
    int leave_after;  /* run returns when so many batches were taken */
    bool twice;       /* runs each batch a second time, which must do nothing */
    int open_answer;  /* what open returns instead of its workers: below 0 with mock_reason */
    bool inactive;    /* open returns 0 */
};

extern const char mock_reason[];

int mock_open(const parcel_backend *backend, int n_workers, void **state, char *why,
              size_t why_size);
void mock_run(void *state, parcel_job *job, int n_workers);

/* A descriptor with static storage in its place. options: a const struct mock. */
#define MOCK_BACKEND(title, options) \
    { \
        .size = sizeof(parcel_backend), .name = title, .capabilities = PARCEL_SHARES_MEMORY, \
        .parameter = options, .open = mock_open, .run = mock_run \
    }

/* Two that lose nothing: every property must hold with them. */
extern const parcel_backend mock_shuffling; /* several batches at once, in reverse, twice */
extern const parcel_backend mock_holding;   /* the first batch last */

#endif
