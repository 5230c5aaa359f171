/*
 * sources.c: given > scope > environment > default.
 *
 * Each source is asked in turn, and the first that says something of an option is the last to be
 * asked. Inside a call the search ends at the call, unless its run is transparent (one worker):
 * then it goes on around the run.
 */
#include "options/sources.h"

#include <string.h>

#include "ground/port.h"

static const char prefix[] = "PARCEL_";

static struct parcel__scope_walk start_walk(void)
{
    const struct parcel_current_call *current = parcel__current_get();
    return (struct parcel__scope_walk){
        current, current ? current->scopes : parcel__scope_of_thread(), false};
}

/* The next scope's options, or NULL after the last. */
static const parcel_options *next_scope(struct parcel__scope_walk *walk)
{
    while (!walk->next && walk->current && walk->current->nest->sees_outside) {
        walk->current = walk->current->around;
        walk->next = walk->current ? walk->current->scopes : parcel__scope_of_thread();
    }
    walk->is_closed = walk->current != NULL;
    if (!walk->next)
        return NULL;
    const struct parcel__scope *scope = walk->next;
    walk->next = scope->outer;
    return &scope->options;
}

struct parcel__sources parcel__sources_find(const parcel_options *options)
{
    struct parcel__scope_walk walk = start_walk();
    char **variables = parcel__port_next_variable(NULL, prefix);
    bool is_outermost = !walk.current && !walk.next;
    return (struct parcel__sources){options, walk, variables, is_outermost && !variables};
}

const parcel_options *parcel__sources_walk(const struct parcel__sources *sources,
                                           bool (*holds)(const parcel_options *options))
{
    const parcel_options *options = sources->options;
    struct parcel__scope_walk walk = sources->walk;
    while (options && !holds(options))
        options = next_scope(&walk);
    return options;
}

bool parcel__sources_ask(const struct parcel__sources *sources, const struct parcel__option *option,
                         struct parcel__setting *setting, struct parcel__text *error)
{
    const parcel_options *options = sources->options;
    struct parcel__scope_walk walk = sources->walk;
    for (setting->source = PARCEL__GIVEN; options; setting->source = PARCEL__FROM_SCOPE) {
        if (parcel__table_read(option, options, setting))
            return parcel__table_check(option, setting, error);
        if (sources->are_only_options)
            break;
        options = next_scope(&walk);
    }
    setting->source = PARCEL__FROM_DEFAULT;
    setting->options = NULL;
    bool asks = sources->variables && !walk.is_closed && option->variable;
    const char *value = asks ? parcel__port_variable(option->variable) : NULL;
    return !value || parcel__table_parse(option, value, setting, error);
}

/* Other programs have variables that begin so, too: those are further off. */
void parcel__sources_warn(const struct parcel__sources *sources, struct parcel__text *warnings)
{
    struct parcel__scope_walk walk = sources->walk;
    while (next_scope(&walk))
        continue;
    char **variable = walk.is_closed ? NULL : sources->variables;
    for (; variable; variable = parcel__port_next_variable(variable, prefix)) {
        size_t length = strcspn(*variable, "=");
        const char *nearest = parcel__table_nearest(*variable, length);
        if (nearest)
            parcel__text_format(warnings, "%.*s means nothing: is %s meant?\n", (int)length,
                                *variable, nearest);
    }
}
