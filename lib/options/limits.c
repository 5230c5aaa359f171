/* limits.c: after how many calls of which kind a run stops, as GNU parallel's --halt says it. */
#include "options/limits.h"

#include <limits.h>
#include <string.h>

static const char *const kinds[] = {
    [PARCEL__HALT_FAIL] = "fail", [PARCEL__HALT_SUCCESS] = "success", [PARCEL__HALT_DONE] = "done"};

/* Moves the text behind the word. False: it does not begin so. */
static bool skip(const char **text, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(*text, word, length) != 0)
        return false;
    *text += length;
    return true;
}

static bool parse_kind(struct parcel__halt *halt, const char **text)
{
    for (unsigned kind = PARCEL__HALT_FAIL; kind <= PARCEL__HALT_DONE; kind++)
        if (skip(text, kinds[kind])) {
            halt->counts = kind;
            return skip(text, "=");
        }
    return false;
}

/* Digits, with a percent sign behind them or not, and nothing else. */
static bool parse_number(struct parcel__halt *halt, const char *text)
{
    long long number = 0;
    size_t digits = strspn(text, "0123456789");
    for (size_t i = 0; i < digits; i++) {
        int digit = text[i] - '0';
        if (number > (LLONG_MAX - digit) / 10)
            return false;
        number = 10 * number + digit;
    }
    halt->number = number;
    halt->is_percent = text[digits] == '%';
    return number > 0 && (!halt->is_percent || number <= 100) &&
           text[digits + halt->is_percent] == '\0';
}

bool parcel__halt_parse(struct parcel__halt *halt, const char *text)
{
    *halt = (struct parcel__halt){.counts = PARCEL__HALT_NEVER};
    if (strcmp(text, "never") == 0)
        return true;
    halt->now = skip(&text, "now,");
    return (halt->now || skip(&text, "soon,")) && parse_kind(halt, &text) &&
           parse_number(halt, text);
}

void parcel__halt_put(struct parcel__text *text, const struct parcel__halt *halt)
{
    if (halt->counts == PARCEL__HALT_UNSET)
        parcel__text_put(text, "none");
    else if (halt->counts == PARCEL__HALT_NEVER)
        parcel__text_put(text, "never");
    else
        parcel__text_format(text, "%s,%s=%lld%s", halt->now ? "now" : "soon", kinds[halt->counts],
                            halt->number, halt->is_percent ? "%" : "");
}

size_t parcel__halt_enough(const struct parcel__halt *halt, size_t n_calls)
{
    size_t number = (size_t)halt->number;
    if (!halt->is_percent)
        return number;
    return n_calls / 100 * number + (n_calls % 100 * number + 99) / 100;
}
