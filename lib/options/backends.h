/* backends.h: the known backends. */
#ifndef PARCEL__BACKENDS_H
#define PARCEL__BACKENDS_H

#include <parcel/backend.h>

#include "ground/text.h"

/* The backend of that name or alias, or NULL. */
const parcel_backend *parcel__backends_find(const char *name);

/* What runs when nobody names a backend, and what runs where that one cannot. */
const parcel_backend *parcel__backends_default(void);
const parcel_backend *parcel__backends_fallback(void);

/* True for the one whose runs are made by several processes together, on whatever hosts. */
bool parcel__backends_spans_hosts(const parcel_backend *backend);

/* What such a process runs its own part on. */
const parcel_backend *parcel__backends_threads(void);

/* Adds "['sequential', 'threading']". */
void parcel__backends_put_names(struct parcel__text *text);

#endif
