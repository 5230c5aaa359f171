/* spelling.c: how far two names are apart, by the table of Levenshtein's, of which a row is kept.
 */
#include "ground/spelling.h"

#include <stdint.h>
#include <string.h>

enum { LONGEST = 63 };

static int small(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter;
}

static size_t least(size_t one, size_t two)
{
    return one < two ? one : two;
}

size_t parcel__spelling_distance(const char *one, size_t length, const char *other)
{
    size_t row[LONGEST + 1], other_length = strlen(other);
    if (length > LONGEST || other_length > LONGEST)
        return SIZE_MAX;
    for (size_t j = 0; j <= other_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= length; i++) {
        size_t diagonal = row[0]; /* the entry of the row before, one to the left */
        row[0] = i;
        for (size_t j = 1; j <= other_length; j++) {
            size_t changed = diagonal + (small(one[i - 1]) != small(other[j - 1]));
            diagonal = row[j];
            row[j] = least(changed, least(row[j - 1], diagonal) + 1);
        }
    }
    return row[other_length];
}
