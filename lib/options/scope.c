/*
 * scope.c: the settings that parcel_config_push opens.
 *
 * Inside a call the scopes hang on the call, so that its worker can close those it leaves open;
 * outside of any call they hang on the thread.
 */
#include "options/scope.h"

#include "calls/current.h"
#include "ground/memory.h"

static _Thread_local struct parcel__scope *thread_scopes;

struct parcel__scope *parcel__scope_of_thread(void)
{
    return thread_scopes;
}

static struct parcel__scope **innermost(void)
{
    struct parcel_current_call *current = parcel__current_get();
    return current ? &current->scopes : &thread_scopes;
}

/* Copies the string in place; false when memory ran out. */
static bool own(const char **string)
{
    if (!*string)
        return true;
    *string = parcel__memory_copy_string(*string);
    return *string != NULL;
}

static void disown(const char **string)
{
    union {
        const char *read;
        char *write;
    } owned = {*string};
    parcel__memory_free(owned.write);
    *string = NULL;
}

enum { N_STRINGS = 5 };

/* The place of each string of the options. */
static const char **string_of(parcel_options *options, int i)
{
    const char **const strings[N_STRINGS] = {&options->backend, &options->prefer, &options->require,
                                             &options->halt, &options->pre_dispatch};
    return strings[i];
}

static void free_options(parcel_options *options)
{
    for (int i = 0; i < N_STRINGS; i++)
        disown(string_of(options, i));
}

/* Copies options with their strings; false, with nothing owned, when memory ran out. */
static bool copy_options(parcel_options *copy, const parcel_options *options)
{
    bool copied = true;
    *copy = *options;
    for (int i = 0; i < N_STRINGS; i++) {
        if (copied)
            copied = own(string_of(copy, i));
        else
            *string_of(copy, i) = NULL;
    }
    if (!copied)
        free_options(copy);
    return copied;
}

bool parcel_config_push_options(const parcel_options *options)
{
    struct parcel_current_call *current = parcel__current_get();
    struct parcel__scope *scope = options ? parcel__memory_new(sizeof *scope) : NULL;
    if (!scope)
        return false;
    if (!copy_options(&scope->options, options)) {
        parcel__memory_free(scope);
        return false;
    }
    scope->outer = *innermost();
    *innermost() = scope;
    if (current)
        parcel__current_signal(current, PARCEL__EVENT_SCOPE);
    return true;
}

static struct parcel__scope *close_one(struct parcel__scope *scope)
{
    struct parcel__scope *outer = scope->outer;
    free_options(&scope->options);
    parcel__memory_free(scope);
    return outer;
}

bool parcel_config_pop(void)
{
    struct parcel__scope **scope = innermost();
    if (!*scope)
        return false;
    *scope = close_one(*scope);
    return true;
}

void parcel__scope_close_all(struct parcel__scope *scope)
{
    while (scope)
        scope = close_one(scope);
}
