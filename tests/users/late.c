/* late.c: a shared object that a program loads while worker processes stand; see
 * processes_program.c. */
#include <parcel.h>

static int triple(int i)
{
    return 3 * i;
}
DELAYED(int, triple, int);

parcel_calls *late_calls(int count);

parcel_calls *late_calls(int count)
{
    parcel_calls *calls = parcel_calls_new();
    for (int i = 0; i < count; i++)
        parcel_calls_add(calls, delayed(triple)(i));
    return calls;
}
