/* scope.h: the settings that parcel_config_push opens, each thread's and each call's own. */
#ifndef PARCEL__SCOPE_H
#define PARCEL__SCOPE_H

#include <parcel.h>

struct parcel__scope {
    struct parcel__scope *outer;
    parcel_options options; /* its strings are owned */
};

/* The innermost scope of this thread outside of any call. */
struct parcel__scope *parcel__scope_of_thread(void);

/* Closes the scope and all around it. */
void parcel__scope_close_all(struct parcel__scope *scope);

#endif
