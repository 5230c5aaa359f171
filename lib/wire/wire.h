/* wire.h: calls and results as bytes, for processes that do not see each other's memory, and which
 * calls may go there. */
#ifndef PARCEL__WIRE_H
#define PARCEL__WIRE_H

#include <parcel.h>
#include <string.h>

#include "ground/bytes.h"
#include "ground/memory.h"
#include "ground/text.h"

/*
 * All starts at multiples of 16 bytes, and so must bytes and base here. What was cut off or
 * overwritten on its way is refused, and never a crash: sizes are looked at before what they
 * speak of.
 */

/* Writes a call. Returns the bytes written, or 0: no room. */
size_t parcel__wire_put_call(unsigned char *bytes, size_t room, const parcel_function *function,
                             const unsigned char *arguments);

/* Reads a call, whose strings, values and arrays then point into bytes; an array in a value is
 * completed there. Returns the bytes read, or 0: not sound. */
size_t parcel__wire_get_call(unsigned char *bytes, size_t size, parcel_call *call);

/* The other end is a process of the same build that is no fork of ours: pointers go as identities,
 * and the data of large arrays may be left out. */
struct parcel__wire_away {
    size_t least; /* bytes of an array whose data is left out */
    /* Told of such data, in this order at both ends; NULL where it is read. False: no memory. */
    bool (*leave_out)(void *state, unsigned part, void *data, size_t size);
    void *state;
    unsigned part;   /* that was looked at last, the one that failed */
    bool is_unknown; /* since it points at what the other end, or this one, does not have */
    bool has_no_memory;
};

/* What may stand in the arguments of a call, or in one result. */
struct parcel__wire_layout {
    const parcel_parameter *parts;
    unsigned n_parts;
    size_t size;
};

/* Bytes that an object takes, content included but for what is left out, of which nobody is told
 * yet. 0: it cannot go. */
size_t parcel__wire_size_away(const struct parcel__wire_layout *layout, const void *object,
                              struct parcel__wire_away *away);

/* Writes an object. Returns the bytes written, or 0: no room, or it cannot go. */
size_t parcel__wire_put_away(unsigned char *bytes, size_t room,
                             const struct parcel__wire_layout *layout, const void *object,
                             struct parcel__wire_away *away);

/* Reads an object, which then points into bytes. Returns the bytes read, or 0: not sound, or it
 * points at what is not here. */
size_t parcel__wire_get_away(unsigned char *bytes, size_t size,
                             const struct parcel__wire_layout *layout, void *object,
                             struct parcel__wire_away *away);

/* True when elements of the array are, or have, pointers that are not NULL. */
bool parcel__wire_has_pointers(const parcel_array *array);

/* ---- content, for wire_result.c ---- */

/* Bytes of one content; so many can be added up without an overflow. */
#define PARCEL__WIRE_LARGEST (SIZE_MAX / 64)

/* Bytes that are written one behind the other; bytes is NULL where they are only counted. */
struct parcel__wire_output {
    unsigned char *bytes;
    size_t room;
    size_t used;
    struct parcel__wire_away *away; /* NULL: to a fork */
};

/* What is read; away: NULL from a fork. */
struct parcel__wire_input {
    struct parcel__bytes bytes;
    struct parcel__wire_away *away;
};

/* False: there is no room. */
static inline bool parcel__wire_put_bytes(struct parcel__wire_output *output, const void *content,
                                          size_t size)
{
    if (size > PARCEL__WIRE_LARGEST || parcel__bytes_padded(size) > output->room - output->used)
        return false;
    if (output->bytes && size > 0)
        memcpy(output->bytes + output->used, content, size);
    if (output->bytes && output->away) /* nothing else of our memory leaves the process */
        memset(output->bytes + output->used + size, 0, parcel__bytes_padded(size) - size);
    output->used += parcel__bytes_padded(size);
    return true;
}

/* The content of a value, which then says what is needed to find its end; and the way back. False:
 * no room, or not sound. */
bool parcel__wire_put_value(struct parcel__wire_output *output, unsigned char *place);
bool parcel__wire_get_value(struct parcel__wire_input *input, unsigned char *place);

/* The bytes of an array's data. False: more than there can be, or no sizes that go with the kind.
 */
bool parcel__wire_size_data(const parcel_array *array, size_t *size);

/* ---- results (wire_result.c) ---- */

/* One result on its way. What fits 16 bytes stands in it; the rest lies in the sender's pages. */
struct parcel__wire_result {
    _Alignas(16) unsigned char value[16];
    uint64_t offset;
    uint64_t size;
};

/* Where a sender puts content. In the lower half it grows up from used, a multiple of 16, and is
 * copied by the receiver. The data of large arrays grows down from large, size at first, in whole
 * pages of the upper half, which the receiver may keep as views: large only ever goes down while
 * the pages are shared; when it has come down, all is copied. base: start of a page. */
struct parcel__wire_room {
    unsigned char *base;
    size_t size;
    size_t used;
    size_t large;
};

/* Writes a result. place: where it stands (the slot, or what it points at). False: no room, and the
 * room is as it was. Frees nothing. */
bool parcel__wire_put_result(struct parcel__wire_result *result, struct parcel__wire_room *room,
                             const parcel_function *function, const void *place);

/* Writes the result into its slot as a call that ran here would have left it: a char * and an
 * array's data are new, the rest is in the arena. size: of the sender's room. Returns NULL, or why
 * not, a constant; then the slot is as it was. */
const char *parcel__wire_get_result(const struct parcel__wire_result *result, unsigned char *base,
                                    size_t size, const parcel_function *function,
                                    struct parcel__arena *arena, void *slot);

/* The message of a failure. False: it was cut to the room, at worst to nothing. */
bool parcel__wire_put_text(struct parcel__wire_result *result, struct parcel__wire_room *room,
                           const char *text);

/* Borrowed from base. NULL: not sound. */
const char *parcel__wire_get_text(const struct parcel__wire_result *result,
                                  const unsigned char *base, size_t size);

/* ---- which calls may go (wire_check.c) ---- */

/* A process that does not share our memory, and what calls do there. */
struct parcel__wire_target {
    unsigned serial;  /* of the newest shared block that it has; 0: it has none */
    bool is_snapshot; /* it has what our pointers point at: a copy as of its fork, or, of a rank
                       * that made the same calls, memory of its own */
    bool read_only;   /* the calls write through none of their pointers */
    bool is_known;    /* the call that is refused, to who reads why: it need not be named */
    bool is_rank;     /* another rank, which has none of our shared blocks */
};

/* A process of this host. The serial of one that is still to be forked is UINT_MAX. */
static inline struct parcel__wire_target parcel__wire_to_process(unsigned serial, bool is_snapshot,
                                                                 bool read_only)
{
    return (struct parcel__wire_target){
        .serial = serial, .is_snapshot = is_snapshot, .read_only = read_only};
}

/* A rank that gets the calls as bytes. */
static inline struct parcel__wire_target parcel__wire_to_rank(bool is_known)
{
    return (struct parcel__wire_target){.is_rank = true, .is_known = is_known};
}

/* A rank that made the same calls. */
static inline struct parcel__wire_target parcel__wire_to_twin(void)
{
    return (struct parcel__wire_target){.is_rank = true, .is_snapshot = true};
}

/* May these calls go there? If not, adds why. Fine are NULL, the shared blocks that it has and what
 * is constant in a loaded object; in a snapshot also pointers to const, and all that are only read.
 */
bool parcel__wire_check(const parcel_calls *calls, size_t first, size_t count,
                        const struct parcel__wire_target *target, struct parcel__text *why);

/* In a worker: may the result of such a call go to the process that it was forked from? NULL, or
 * why not, a constant. The pointers in it may be NULL, into shared blocks that are as old as the
 * serial, and to what is constant. place: where it stands. */
const char *parcel__wire_check_result(const parcel_function *function, const void *place,
                                      unsigned serial);

/* True when some pointer is only right in a process that is forked from now on: it points neither
 * into a shared block as old as the serial, nor to a constant of a loaded object. */
bool parcel__wire_needs_snapshot(const parcel_calls *calls, unsigned serial);

#endif
