/* worker_main.h: the worker's end of a mailbox. */
#ifndef PARCEL__WORKER_MAIN_H
#define PARCEL__WORKER_MAIN_H

#include "processes/mailbox.h"

/* What a worker process does: carries out one order after the other until the last. */
void parcel__worker_main_work(const struct parcel__mail *mail);

#endif
