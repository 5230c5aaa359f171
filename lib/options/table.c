/* table.c: the rows of all options, and what each kind of row means. */
#include "options/table.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "ground/port.h"
#include "ground/spelling.h"
#include "options/plan.h"

#define ROW(ID, name_, kind_, ...) \
    [PARCEL__##ID] = {.name = #name_, \
                      .offset = offsetof(parcel_options, name_), \
                      .kind = PARCEL__##kind_, \
                      __VA_ARGS__},
#define IN(member) .place = offsetof(struct parcel__plan, member)
#define BY(ID) .variable = "PARCEL_" #ID
#define WHOLE(name, ID, member, least_, most_) \
    ROW(ID, name, WHOLE, IN(member), BY(ID), .least = least_, .most = most_)
#define WIDE(name, ID, member, zero_, unit_) \
    ROW(ID, name, WIDE, IN(member), BY(ID), .least = 1, .most = LLONG_MAX, .zero = zero_, \
        .unit = unit_)
#define REAL(name, ID, member, least_, unit_) \
    ROW(ID, name, REAL, IN(member), BY(ID), .least = least_, .most = PARCEL__MOST_SECONDS, \
        .unit = unit_)
#define WORDS(...) \
    .least = 1, .most = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
    .words = {__VA_ARGS__}
#define CHOICE(name, ID, member, ...) ROW(ID, name, CHOICE, IN(member), BY(ID), WORDS(__VA_ARGS__))
#define FLAG(name, ID, member, truth_, ...) \
    ROW(ID, name, FLAG, IN(member), BY(ID), .truth = truth_, WORDS(__VA_ARGS__))
#define NAME(name, ID) ROW(ID, name, NAME, BY(ID))
#define NAME_HERE(name, ID) ROW(ID, name, NAME, .variable = NULL)
#define POINTER_HERE(name, ID, member, what) ROW(ID, name, POINTER, IN(member), .unit = what)

const struct parcel__option parcel__table[PARCEL__N_OPTIONS] = {
    PARCEL__OPTIONS(WHOLE, WIDE, REAL, CHOICE, FLAG, NAME, NAME_HERE, POINTER_HERE)};

/* ---- what is allowed ---- */

/* Adds the name that the choice has in a program. */
static void put_choice(struct parcel__text *text, const struct parcel__option *option, int choice)
{
    parcel__text_put(text, "PARCEL_");
    for (const char *letter = option->words[choice - 1]; *letter; letter++)
        parcel__text_format(text, "%c", *letter >= 'a' && *letter <= 'z' ? *letter - 32 : *letter);
}

/* Adds "stop or collect is allowed", by the environment's words or a program's names. */
static void put_choices(struct parcel__text *error, const struct parcel__option *option,
                        bool by_words)
{
    for (int i = 0; option->words[i]; i++) {
        if (i > 0)
            parcel__text_put(error, option->words[i + 1] ? ", " : " or ");
        if (by_words)
            parcel__text_put(error, option->words[i]);
        else
            put_choice(error, option, i + 1);
    }
    parcel__text_put(error, " is allowed");
}

static void put_range(struct parcel__text *error, const struct parcel__option *option)
{
    if (parcel__table_has_words(option))
        put_choices(error, option, false);
    else if (option->kind == PARCEL__WIDE)
        parcel__text_put(error, option - parcel__table == PARCEL__BATCH_SIZE
                                    ? "a positive integer is allowed, or 0 for an adaptive size"
                                    : "a positive integer is allowed, 0 means not set");
    else
        parcel__text_format(error,
                            option->kind == PARCEL__REAL
                                ? "numbers above %lld and up to %lld are allowed, 0 means not set"
                                : "integers from %lld to %lld are allowed, 0 means not set",
                            option->least, option->most);
}

/* Not a number is out of every range. */
static bool is_in_range(const struct parcel__option *option, const struct parcel__setting *setting)
{
    if (option->kind == PARCEL__REAL)
        return setting->real > (double)option->least && setting->real <= (double)option->most;
    return option->kind == PARCEL__NAME || option->kind == PARCEL__POINTER ||
           (setting->number >= option->least && setting->number <= option->most);
}

bool parcel__table_check(const struct parcel__option *option, const struct parcel__setting *setting,
                         struct parcel__text *error)
{
    if (is_in_range(option, setting))
        return true;
    parcel__text_format(error, "%s = ", option->name);
    if (option->kind == PARCEL__REAL)
        parcel__text_format(error, "%g", setting->real);
    else
        parcel__text_format(error, "%lld", setting->number);
    parcel__text_put(error, " is out of range: ");
    put_range(error, option);
    return false;
}

/* ---- what a variable says ---- */

static bool parse_choice(const struct parcel__option *option, const char *value,
                         struct parcel__setting *setting, struct parcel__text *error)
{
    for (int i = 0; option->words[i]; i++)
        if (strcmp(value, option->words[i]) == 0) {
            setting->number = i + 1;
            return true;
        }
    parcel__text_format(error, "%s=%s: ", option->variable, value);
    put_choices(error, option, true);
    return false;
}

static bool parse_integer(const struct parcel__option *option, const char *value,
                          struct parcel__setting *setting, struct parcel__text *error)
{
    const char *fault = "";
    bool is_n_jobs = option - parcel__table == PARCEL__N_JOBS;
    if (!parcel__port_parse(value, LLONG_MIN, LLONG_MAX, &setting->number))
        fault = "could not be converted to int";
    else if (setting->number == 0 && is_n_jobs)
        fault = "== 0 in Parallel has no meaning";
    else if (!is_in_range(option, setting))
        fault = "is out of range";
    else
        return true;
    parcel__text_format(error, "%s=%s: %s %s: an integer from %lld to %lld is allowed%s",
                        option->variable, value, option->name, fault, option->least, option->most,
                        is_n_jobs ? ", but not 0" : "");
    return false;
}

static bool parse_real(const struct parcel__option *option, const char *value,
                       struct parcel__setting *setting, struct parcel__text *error)
{
    const char *fault = "is out of range";
    if (!parcel__port_parse_real(value, &setting->real))
        fault = "could not be converted to float";
    else if (is_in_range(option, setting))
        return true;
    parcel__text_format(error, "%s=%s: %s %s: a number above %lld and up to %lld is allowed",
                        option->variable, value, option->name, fault, option->least, option->most);
    return false;
}

bool parcel__table_parse(const struct parcel__option *option, const char *value,
                         struct parcel__setting *setting, struct parcel__text *error)
{
    setting->source = PARCEL__FROM_ENVIRONMENT;
    if (parcel__table_has_words(option))
        return parse_choice(option, value, setting, error);
    if (option->kind == PARCEL__REAL)
        return parse_real(option, value, setting, error);
    if (option->kind != PARCEL__NAME)
        return parse_integer(option, value, setting, error);
    setting->name = value;
    return true;
}

const char *parcel__table_nearest(const char *name, size_t length)
{
    size_t least = 3;
    const char *nearest = NULL;
    for (int i = 0; i < PARCEL__N_OPTIONS; i++) {
        const char *variable = parcel__table[i].variable;
        if (!variable)
            continue;
        if (strncmp(variable, name, length) == 0 && !variable[length])
            return NULL;
        size_t distance = parcel__spelling_distance(name, length, variable);
        if (distance < least) {
            least = distance;
            nearest = variable;
        }
    }
    return nearest;
}

/* ---- in a plan ---- */

void parcel__table_store(const struct parcel__option *option, const struct parcel__setting *setting,
                         struct parcel__plan *plan)
{
    unsigned char *place = (unsigned char *)plan + option->place;
    const int number = (int)setting->number;
    const size_t wide = (size_t)setting->number;
    const bool is_true = number == option->truth;
    switch (option->kind) {
    case PARCEL__WHOLE:
    case PARCEL__CHOICE:
        memcpy(place, &number, sizeof number);
        return;
    case PARCEL__WIDE:
        memcpy(place, &wide, sizeof wide);
        return;
    case PARCEL__FLAG:
        memcpy(place, &is_true, sizeof is_true);
        return;
    case PARCEL__REAL:
    case PARCEL__POINTER:
        memcpy(place, &setting->pointer, sizeof setting->pointer);
        return;
    case PARCEL__NAME:
        return; /* it has no place */
    }
}

static void put_wide(struct parcel__text *text, const struct parcel__option *option, size_t number)
{
    if (number == 0)
        parcel__text_put(text, option->zero);
    else
        parcel__text_format(text, "%zu%s%s", number, option->unit,
                            *option->unit && number > 1 ? "s" : "");
}

static void put_real(struct parcel__text *text, const struct parcel__option *option, double number)
{
    if (number > 0 && isfinite(number))
        parcel__text_format(text, "%g%s", number, option->unit);
    else
        parcel__text_put(text, "none");
}

void parcel__table_put(struct parcel__text *text, const struct parcel__option *option,
                       const struct parcel__plan *plan)
{
    const unsigned char *place = (const unsigned char *)plan + option->place;
    union {
        int number;
        size_t wide;
        double real;
        bool is_true;
        const void *pointer;
    } value = {.wide = 0};
    switch (option->kind) {
    case PARCEL__WHOLE:
        memcpy(&value.number, place, sizeof value.number);
        parcel__text_format(text, "%d", value.number);
        return;
    case PARCEL__WIDE:
        memcpy(&value.wide, place, sizeof value.wide);
        put_wide(text, option, value.wide);
        return;
    case PARCEL__REAL:
        memcpy(&value.real, place, sizeof value.real);
        put_real(text, option, value.real);
        return;
    case PARCEL__CHOICE:
        memcpy(&value.number, place, sizeof value.number);
        put_choice(text, option, value.number);
        return;
    case PARCEL__FLAG: /* of two words, one is the truth */
        memcpy(&value.is_true, place, sizeof value.is_true);
        put_choice(text, option, value.is_true ? option->truth : 3 - option->truth);
        return;
    case PARCEL__POINTER:
        memcpy(&value.pointer, place, sizeof value.pointer);
        parcel__text_put(text, value.pointer ? option->unit : "none");
        return;
    case PARCEL__NAME:
        return;
    }
}
