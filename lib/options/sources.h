/* sources.h: given > scope > environment > default. */
#ifndef PARCEL__SOURCES_H
#define PARCEL__SOURCES_H

#include "calls/current.h"
#include "options/scope.h"
#include "options/table.h"

/* The walk from scope to scope, outwards. */
struct parcel__scope_walk {
    const struct parcel_current_call *current; /* NULL when it has left all calls */
    const struct parcel__scope *next;
    bool is_closed; /* it ended at a call that does not see what is around its run */
};

/* Where settings may come from: the options given, the scopes around, the environment. */
struct parcel__sources {
    const parcel_options *options;
    struct parcel__scope_walk walk;
    char **variables;      /* the first of the environment that may be ours, or NULL */
    bool are_only_options; /* there is nothing else, as for most runs */
};

/* The sources of a run with these options in this thread, now. */
struct parcel__sources parcel__sources_find(const parcel_options *options);

/* The nearest options of which that holds, of those of the scopes around, too; or NULL. */
const parcel_options *parcel__sources_walk(const struct parcel__sources *sources,
                                           bool (*holds)(const parcel_options *options));

/* The same. Most runs have only their own options. */
static inline const parcel_options *
parcel__sources_nearest(const struct parcel__sources *sources,
                        bool (*holds)(const parcel_options *options))
{
    if (holds(sources->options))
        return sources->options;
    return sources->are_only_options ? NULL : parcel__sources_walk(sources, holds);
}

/* Asks each source in turn. False: a value is not allowed, as error says. */
bool parcel__sources_ask(const struct parcel__sources *sources, const struct parcel__option *option,
                         struct parcel__setting *setting, struct parcel__text *error);

/* Warns of variables that miss one of ours by a letter or two: they would set nothing, without a
 * word. */
void parcel__sources_warn(const struct parcel__sources *sources, struct parcel__text *warnings);

#endif
