/* tally.c: see tally.h. */
#include "tally.h"

#include <signal.h>
#include <unistd.h>

struct tally *tally;

static void new_tally(void)
{
    tally = parcel_shared_alloc(sizeof *tally);
    ck_assert_ptr_nonnull(tally);
    tally->runner = getpid();
    suite_share_meeting(&tally->meeting);
}

static void free_tally(void)
{
    parcel_shared_free(tally);
}

TCase *tallied_case(Suite *suite, const char *name)
{
    TCase *tests = suite_case(suite, name);
    tcase_add_checked_fixture(tests, new_tally, free_tally);
    return tests;
}

static void prefer_processes(void)
{
    setenv("PARCEL_BACKEND", "processes", 1);
}

static void forget_processes(void)
{
    unsetenv("PARCEL_BACKEND");
}

TCase *case_on_processes(Suite *suite)
{
    TCase *tests = tallied_case(suite, "on processes");
    tcase_add_checked_fixture(tests, prefer_processes, forget_processes);
    return tests;
}

bool is_on_processes(void)
{
    return getenv("PARCEL_BACKEND");
}

void take_time(void)
{
    if (getpid() != tally->runner)
        signal(SIGTERM, SIG_IGN);
}

void note(char kind, int i)
{
    char note[8];
    int length = snprintf(note, sizeof note, "%c%d ", kind, i);
    size_t place = atomic_fetch_add(&tally->length, (size_t)length);
    if (place + sizeof note < sizeof tally->text)
        memcpy(tally->text + place, note, (size_t)length);
}
