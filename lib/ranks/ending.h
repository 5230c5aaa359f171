/* ending.h: what became of a run, as all ranks get to know it. */
#ifndef PARCEL__ENDING_H
#define PARCEL__ENDING_H

#include "ranks/ranks.h"

/* On rank 0: tells all ranks, and gives them the results, too, if with_results. False: they could
 * not have all of these, since memory ran out. */
bool parcel__ending_tell(const struct parcel__ranks *ranks, parcel_results *results,
                         bool with_results);

/* On the others: the messages of it. With the post held. */
struct parcel__ending {
    struct parcel__message *first;
    struct parcel__message *last;
};

/* Keeps a message, and passes it on to the ranks below. */
void parcel__ending_hear(struct parcel__ending *ending, const struct parcel__ranks *ranks,
                         struct parcel__message *message);

/* True when all is there. */
bool parcel__ending_is_whole(const struct parcel__ending *ending);

/* Writes it into results, which were made for the same calls if they are to have values. False:
 * memory ran out. */
bool parcel__ending_read(const struct parcel__ending *ending, parcel_results *results);

void parcel__ending_free(struct parcel__ending *ending);

#endif
