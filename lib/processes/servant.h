/* servant.h: the worker's end of a mailbox. */
#ifndef PARCEL__SERVANT_H
#define PARCEL__SERVANT_H

#include "processes/mailbox.h"

/* What a worker process does: carries out one order after the other until the last. */
void parcel__servant_work(const struct parcel__mail *mail);

#endif
