/* expression.h: arithmetic in the number of workers, as "2 * n_jobs". Pure. */
#ifndef PARCEL__EXPRESSION_H
#define PARCEL__EXPRESSION_H

#include <stdbool.h>

#include "ground/text.h"

enum { PARCEL__EXPRESSION_LENGTH = 30, PARCEL__EXPRESSION_LIMIT = 1000000 };

/* Evaluates numbers, n_jobs, + - * / // % **, signs and parentheses as Python does. False: it is
 * no such expression, it divides by zero, or a number of it is beyond the limit; error says so. */
bool parcel__expression_evaluate(const char *expression, int n_jobs, double *value,
                                 struct parcel__text *error);

#endif
