/*
 * expression.c: arithmetic in the number of workers.
 *
 * A parser of one function for each level of the grammar, from what binds least to what binds
 * most. The expression's length bounds how deep it calls itself.
 */
#include "ground/expression.h"

#include <math.h>
#include <string.h>

#include "ground/port.h"

struct parser {
    const char *expression;
    const char *next;
    int n_jobs;
    struct parcel__text *error;
    bool failed;
};

static double parse_sum(struct parser *parser);
static double parse_sign(struct parser *parser);

/* The first fault is the one that is told. */
static void note_fault(struct parser *parser, const char *why)
{
    if (parser->failed)
        return;
    parser->failed = true;
    parcel__text_format(parser->error, "'%s' %s", parser->expression, why);
}

static void refuse_syntax(struct parser *parser)
{
    note_fault(parser,
               "is not a valid or supported arithmetic expression: numbers, n_jobs, + - * / "
               "// % ** and parentheses are allowed");
}

/* Each value on the way is bounded, so that no power takes long or overflows. */
static double bounded(struct parser *parser, double value)
{
    if (parser->failed)
        return 0;
    if (isnan(value)) /* a root of a negative number */
        refuse_syntax(parser);
    else if (fabs(value) > (double)PARCEL__EXPRESSION_LIMIT) {
        parser->failed = true;
        parcel__text_format(parser->error, "'%s': numeric literal %.1f is too large, max is %d",
                            parser->expression, value, PARCEL__EXPRESSION_LIMIT);
    }
    return parser->failed ? 0 : value;
}

/* Takes the operator if it comes next; "*" is not the first half of "**". */
static bool accept(struct parser *parser, const char *symbol)
{
    size_t length = strlen(symbol);
    parser->next += strspn(parser->next, " \t\n");
    if (strncmp(parser->next, symbol, length) != 0)
        return false;
    if (length == 1 && strchr("*/", *symbol) && parser->next[1] == *symbol)
        return false;
    parser->next += length;
    return true;
}

static double parse_number(struct parser *parser)
{
    char digits[PARCEL__EXPRESSION_LENGTH + 1];
    size_t length = strspn(parser->next, "0123456789.");
    /* Only decimal digits: the port would take "inf" and hexadecimal numbers too. */
    memcpy(digits, parser->next, length);
    digits[length] = '\0';
    double value = 0;
    if (!parcel__port_parse_real(digits, &value))
        refuse_syntax(parser);
    parser->next += length;
    return value;
}

static bool is_part_of_a_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static double parse_atom(struct parser *parser)
{
    if (accept(parser, "(")) {
        double value = parse_sum(parser);
        if (!accept(parser, ")"))
            refuse_syntax(parser);
        return value;
    }
    if (!accept(parser, "n_jobs"))
        return bounded(parser, parse_number(parser));
    if (is_part_of_a_word(*parser->next))
        refuse_syntax(parser);
    return parser->n_jobs;
}

/* Binds to the right, and on its right side less than a sign does: 2 ** -1. */
static double parse_power(struct parser *parser)
{
    double base = parse_atom(parser);
    if (!accept(parser, "**"))
        return base;
    double exponent = parse_sign(parser);
    if (base == 0 && exponent < 0)
        note_fault(parser, "divides by zero");
    return bounded(parser, pow(base, exponent));
}

static double parse_sign(struct parser *parser)
{
    if (accept(parser, "-"))
        return -parse_sign(parser);
    if (accept(parser, "+"))
        return parse_sign(parser);
    return parse_power(parser);
}

static double divide(struct parser *parser, char symbol, double left, double right)
{
    if (right == 0)
        note_fault(parser, "divides by zero");
    if (parser->failed)
        return 0;
    if (symbol == '/')
        return left / right;
    double quotient = floor(left / right);
    return symbol == 'f' ? quotient : left - quotient * right;
}

static double parse_product(struct parser *parser)
{
    double value = parse_sign(parser);
    while (!parser->failed) {
        if (accept(parser, "*"))
            value *= parse_sign(parser);
        else if (accept(parser, "//"))
            value = divide(parser, 'f', value, parse_sign(parser));
        else if (accept(parser, "/"))
            value = divide(parser, '/', value, parse_sign(parser));
        else if (accept(parser, "%"))
            value = divide(parser, '%', value, parse_sign(parser));
        else
            return value;
        value = bounded(parser, value);
    }
    return 0;
}

static double parse_sum(struct parser *parser)
{
    double value = parse_product(parser);
    while (!parser->failed) {
        if (accept(parser, "+"))
            value += parse_product(parser);
        else if (accept(parser, "-"))
            value -= parse_product(parser);
        else
            return value;
        value = bounded(parser, value);
    }
    return 0;
}

bool parcel__expression_evaluate(const char *expression, int n_jobs, double *value,
                                 struct parcel__text *error)
{
    struct parser parser = {expression, expression, n_jobs, error, false};
    size_t length = strlen(expression);
    if (length > PARCEL__EXPRESSION_LENGTH) {
        parcel__text_format(error, "Expression '%.*s'... is too long. Max length is %d, got %zu.",
                            PARCEL__EXPRESSION_LENGTH, expression, PARCEL__EXPRESSION_LENGTH,
                            length);
        return false;
    }
    *value = parse_sum(&parser);
    if (!accept(&parser, "") || *parser.next)
        refuse_syntax(&parser);
    return !parser.failed;
}
