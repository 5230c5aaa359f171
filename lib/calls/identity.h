/* identity.h: functions and constants by what they are called in every process that has loaded the
 * same programs and libraries, wherever these lie. */
#ifndef PARCEL__IDENTITY_H
#define PARCEL__IDENTITY_H

#include <parcel.h>

struct parcel__identity {
    uint64_t object; /* its build; 0: a registered function */
    uint64_t offset; /* from where it was loaded; of a registered function, the hash of its name */
};

/* Of what lies in a loaded object, or of a registered function. False: it is neither.
 * Threads: any. */
bool parcel__identity_of(const void *address, struct parcel__identity *identity);

/* Where so many bytes of it lie here. NULL: no such object is loaded, none of it has such bytes, or
 * no function is registered so. Threads: any. */
const void *parcel__identity_find(struct parcel__identity identity, size_t size);

/* The file of the object that the address lies in, without its folders; "the program" for the main
 * one, NULL when it is in none. Borrowed while that is loaded. Threads: any. */
const char *parcel__identity_object_name(const void *address);

/* Of the main program. */
uint64_t parcel__identity_build(void);

/* From now on the function goes by its name, which is copied, wherever it lies. NULL, or why not, a
 * constant. Threads: any. */
const char *parcel__identity_register(const char *name, const parcel_function *function);

#endif
