/* messages.h: what ranks say to each other. All ranks run the same build: so the layouts agree. */
#ifndef PARCEL__MESSAGES_H
#define PARCEL__MESSAGES_H

#include <parcel.h>
#include <stdint.h>

#include "ground/bytes.h"
#include "ranks/post.h"
#include "results/tally.h"

enum {
    /* Before a run. */
    PARCEL__SAYS_HELLO = 1, /* to rank 0: struct parcel__hello, and maybe why it cannot run */
    PARCEL__SAYS_LEAVE,     /* to rank 0: struct parcel__note: it waits no longer, and why */
    PARCEL__SAYS_BYE,       /* to rank 0: it comes to no more runs */
    PARCEL__SAYS_DONE,      /* from rank 0: there are no more runs to serve */
    PARCEL__SAYS_FAREWELL,  /* from rank 0: its last message */
    PARCEL__SAYS_COMPARE,   /* from rank 0: struct parcel__comparison: is this part the same? */
    PARCEL__SAYS_COMPARED,  /* to rank 0: struct parcel__comparison, and a call as text */
    PARCEL__SAYS_REFUSE,    /* from rank 0: struct parcel__note, and why there is no run */
    PARCEL__SAYS_BEGIN,     /* from the rank above: struct parcel__terms, of all ranks */

    /* In a run, down the tree of ranks: */
    PARCEL__SAYS_WORK,        /* struct parcel__work, and the calls if they are sent */
    PARCEL__SAYS_RECALL,      /* some that were not begun are wanted back */
    PARCEL__SAYS_HALT,        /* struct parcel__stopped: the run stops */
    PARCEL__SAYS_ALLOWED,     /* struct parcel__allowed: for how long each call may run */
    PARCEL__SAYS_END,         /* struct parcel__end, and texts: what became of it */
    PARCEL__SAYS_ALL_RESULTS, /* struct parcel__all_results, and results */

    /* and up: */
    PARCEL__SAYS_RESULTS, /* any number of struct parcel__piece, each with its results */
    PARCEL__SAYS_NOT_RUN, /* struct parcel__unrun, and, if the calls failed, why */
    PARCEL__SAYS_RETURN,  /* struct parcel__unrun: the end of a block is given back */
    PARCEL__SAYS_STOPPED, /* struct parcel__stopped, and maybe why: the run is to stop */

    /* and both: struct parcel__wish: something large that was offered is wanted, or is not. */
    PARCEL__SAYS_WANT,
    PARCEL__SAYS_DROP
};

/* How a rank comes to a run. */
enum parcel__role { PARCEL__LISTS, PARCEL__GENERATES, PARCEL__SERVES };

enum { PARCEL__LONGEST_HOST = 60 };

/* Of a run that does not begin: what has stopped it, or PARCEL__GOES_ON: something else. */
struct parcel__note {
    unsigned serial;
    int reason;      /* enum parcel__reason */
    int signal;      /* that was caught, or 0 */
    double deadline; /* of the rank, in seconds, or 0 */
};

struct parcel__hello {
    unsigned serial; /* its n-th run */
    int role;        /* enum parcel__role */
    int n_cpus;      /* that are its part, if it is not told how many workers to have */
    int n_allowed;   /* cpus that it may use */
    int n_most;      /* workers that it can have */
    bool has_token;
    size_t count;    /* of its calls, */
    uint64_t digest; /* and what they are */
    char host[PARCEL__LONGEST_HOST];
    bool forbids_writes;       /* by its own options, of which rank 0's hold */
    bool may_write;            /* its calls, through pointers to what is this rank's own, */
    bool cannot_run;           /* or they cannot run at all */
    char *fault;               /* why, owned, behind it in the message; or NULL: out of memory */
    struct parcel__note leave; /* of the last run that it does not wait for */
};

/* A question about the calls from low on, below high; or the answer, behind which a call stands as
 * text when there is only one. */
struct parcel__comparison {
    unsigned serial;
    bool is_same;
    bool with_types; /* a call is told with the types of its arguments */
    size_t low;
    size_t high;
    uint64_t digest;
};

/* Calls of a block: block and offset are what the rank above knows them by. */
struct parcel__work {
    unsigned block;
    size_t offset;
    size_t first; /* the number of the first in the run */
    size_t count;
    size_t first_offer; /* of the large arrays in them */
};

/* Some results of a block. The sums are of all of it, and stand in its first piece. */
struct parcel__piece {
    unsigned block;
    size_t offset;
    size_t count;
    size_t size; /* bytes of them, behind this */
    size_t first_offer;
    struct parcel__tally sums;
};

struct parcel__unrun {
    unsigned block;
    size_t offset;
    size_t count;
};

struct parcel__wish {
    size_t offer;
};

struct parcel__stopped {
    unsigned serial;
    int reason; /* enum parcel__reason */
    int signal; /* that was caught, or 0 */
};

struct parcel__allowed {
    unsigned serial;
    double seconds;
};

struct parcel__end {
    size_t count;
    struct parcel__tally sums;
    double wall_time;
    bool has_results;  /* they follow */
    size_t error_size; /* of the texts behind it; 0: there is none */
    size_t warnings_size;
    size_t why_not_run_size;
};

/* Some of all results; behind them the large arrays that are left out in them. */
struct parcel__all_results {
    size_t first;
    size_t count;
    size_t size;
    bool is_last;
};

/* What stands behind a header begins at a multiple of 16 bytes (ground/bytes.h), but for texts. */

/* Sends a header and a text right behind it; NULL: the header alone. */
void parcel__messages_tell(struct parcel__post *post, int to, int kind, const void *header,
                           size_t size, const char *text);

/* The text behind a header of that size, or NULL. */
const char *parcel__messages_text(const struct parcel__message *message, size_t size);

/* True when the message has all that one of its kind has at least. */
bool parcel__messages_is_sound(const struct parcel__message *message);

/* Frees a message that was kept; NULL: nothing. */
void parcel__messages_free(struct parcel__message *message);

#endif
