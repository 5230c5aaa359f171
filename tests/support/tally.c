/* tally.c: see tally.h. */
#include "tally.h"

#include <signal.h>
#include <unistd.h>

struct tally *tally;
struct shared *shared;

#ifdef SUITE_ON_RANKS
#define new_tally ranks_begin_test
#define free_tally ranks_end_test
#define ELSEWHERE "mpi"
#else
#define ELSEWHERE "processes"

static void new_tally(void)
{
    tally = parcel_shared_alloc(sizeof *tally);
    shared = parcel_shared_alloc(sizeof *shared);
    ck_assert(tally && shared);
    shared->runner = getpid();
    suite_share_meeting(&shared->meeting);
}

static void free_tally(void)
{
    parcel_shared_free(tally);
    parcel_shared_free(shared);
}
#endif

TCase *tallied_case(Suite *suite, const char *name)
{
    TCase *tests = suite_case(suite, name);
    tcase_add_checked_fixture(tests, new_tally, free_tally);
    return tests;
}

static void prefer_elsewhere(void)
{
    setenv("PARCEL_BACKEND", ELSEWHERE, 1);
}

static void forget_elsewhere(void)
{
    unsetenv("PARCEL_BACKEND");
}

TCase *case_elsewhere(Suite *suite)
{
    TCase *tests = tallied_case(suite, "on " ELSEWHERE);
    tcase_add_checked_fixture(tests, prefer_elsewhere, forget_elsewhere);
    return tests;
}

/* A rank that ignores the signal would not end when its job is killed. */
void take_time(void)
{
#ifdef SUITE_ON_RANKS
    bool may_be_killed = ranks_is_forked();
#else
    bool may_be_killed = getpid() != shared->runner;
#endif
    if (may_be_killed)
        signal(SIGTERM, SIG_IGN);
}

bool was_held_up(const parcel_results *results, size_t i)
{
    static const char killed[] = "killed as it ran: ";
    const char *message = parcel_results_message(results, i);
    return parcel_results_status(results, i) == PARCEL_CANCELLED && message &&
           strncmp(message, killed, sizeof killed - 1) == 0;
}

void note(char kind, int i)
{
    char note[8];
    int length = snprintf(note, sizeof note, "%c%d ", kind, i);
    size_t place = atomic_fetch_add(&tally->length, (size_t)length);
    if (place + sizeof note < sizeof tally->text)
        memcpy(tally->text + place, note, (size_t)length);
}
