/*
 * mock_backend.c: see mock_backend.h. Each worker but the first is a pthread; the counter of
 * batches is the run's, so that what is lost does not depend on who took it.
 */
#include "mock_backend.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { MOST_WORKERS = 64, MOST_WINDOW = 16 };

const char mock_reason[] = "the mock has no wire to talk over";

struct run {
    const struct mock *mock;
    parcel_job *job;
    atomic_int asked; /* batches that workers asked for */
    atomic_int taken; /* and that they were given */
};

struct worker {
    pthread_t thread;
    struct run *run;
    int number;
    bool started;
};

static const struct mock shuffle = {.window = 4, .twice = true};
const parcel_backend mock_shuffling = MOCK_BACKEND("mock-shuffling", &shuffle);

static const struct mock hold = {.hold_first = true};
const parcel_backend mock_holding = MOCK_BACKEND("mock-holding", &hold);

int mock_open(const parcel_backend *backend, int n_workers, void **state, char *why,
              size_t why_size)
{
    const struct mock *mock = backend->parameter;
    *state = (void *)mock;
    if (mock->inactive)
        return 0;
    if (mock->open_answer < 0)
        snprintf(why, why_size, "%s", mock_reason);
    if (mock->open_answer != 0)
        return mock->open_answer;
    return n_workers < MOST_WORKERS ? n_workers : MOST_WORKERS;
}

static bool falls_on(int number, int every)
{
    return every > 0 && number % every == 0;
}

/* Takes a batch, unless the run is to be left early. The number counts all batches, from 1: who
 * finds none must not use one up. */
static bool take(struct run *run, int worker, parcel_batch *batch, int *number)
{
    int leave_after = run->mock->leave_after;
    if (leave_after > 0 && atomic_fetch_add(&run->asked, 1) >= leave_after)
        return false;
    if (!parcel_job_next(run->job, worker, batch))
        return false;
    *number = atomic_fetch_add(&run->taken, 1) + 1;
    return true;
}

static void deliver(struct run *run, parcel_batch *batch, int number)
{
    if (falls_on(number, run->mock->forget_every))
        return;
    if (falls_on(number, run->mock->lose_every)) {
        parcel_job_lost(run->job, batch, "the mock lost it on purpose");
        return;
    }
    parcel_job_execute(run->job, batch);
    if (run->mock->twice)
        parcel_job_execute(run->job, batch);
}

static void work(struct run *run, int worker)
{
    parcel_batch batches[MOST_WINDOW];
    int numbers[MOST_WINDOW];
    int window = run->mock->window > 0 ? run->mock->window : 1;
    int count;
    do {
        for (count = 0; count < window; count++)
            if (!take(run, worker, &batches[count], &numbers[count]))
                break;
        for (int i = count; i-- > 0;)
            deliver(run, &batches[i], numbers[i]);
    } while (count > 0);
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    work(worker->run, worker->number);
    return NULL;
}

/* A thread that does not start leaves its share to the others. */
static void work_in_threads(struct run *run, int n_workers)
{
    struct worker workers[MOST_WORKERS];
    for (int i = 1; i < n_workers; i++) {
        workers[i] = (struct worker){.run = run, .number = i};
        workers[i].started =
            pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]) == 0;
    }
    work(run, 0);
    for (int i = 1; i < n_workers; i++)
        if (workers[i].started)
            pthread_join(workers[i].thread, NULL);
}

void mock_run(void *state, parcel_job *job, int n_workers)
{
    struct run run = {.mock = state, .job = job};
    parcel_batch first;
    int number;
    bool held = run.mock->hold_first && take(&run, 0, &first, &number);
    work_in_threads(&run, n_workers);
    if (held)
        deliver(&run, &first, number);
}
