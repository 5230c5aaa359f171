/* decimal.h: numbers as text: the shortest decimals that read back, in any locale. */
#ifndef PARCEL__DECIMAL_H
#define PARCEL__DECIMAL_H

#include <stdbool.h>

#include "ground/text.h"

/* Adds the shortest digits that read back as the double or, when is_float, as the float, and of
 * those the nearest; in plain notation from 1e-4 to 1e16. whole: what follows a number without a
 * fraction, ".0" or nothing. */
void parcel__decimal_put(struct parcel__text *text, double number, bool is_float,
                         const char *whole);
void parcel__decimal_put_long(struct parcel__text *text, long double number, const char *whole);

void parcel__decimal_put_integer(struct parcel__text *text, long long number);
void parcel__decimal_put_unsigned(struct parcel__text *text, unsigned long long number);

#endif
