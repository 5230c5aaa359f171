/* token.c: what stops a run from outside of it. */
#include "job/token.h"

#include <stddef.h>

/* Of a worker that is a process of its own: what it writes into the run's token is a copy. Written
 * between two orders, by the only thread that runs calls. */
static const parcel_token *original;
static parcel_token *twin;

void parcel__token_pair(const parcel_token *token, parcel_token *other)
{
    original = token;
    twin = other;
}

void parcel_cancel(parcel_token *token)
{
    if (token)
        __atomic_store_n(&token->parcel__cancelled, 1, __ATOMIC_RELEASE);
    if (token && token == original)
        __atomic_store_n(&twin->parcel__cancelled, 1, __ATOMIC_RELEASE);
}

bool parcel_token_cancelled(const parcel_token *token)
{
    return token && __atomic_load_n(&token->parcel__cancelled, __ATOMIC_ACQUIRE) != 0;
}

void parcel_token_reset(parcel_token *token)
{
    if (token)
        __atomic_store_n(&token->parcel__cancelled, 0, __ATOMIC_RELEASE);
}
