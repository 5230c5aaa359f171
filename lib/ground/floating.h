/*
 * floating.h: the modes of a thread's floating-point environment: rounding, flush to zero,
 * precision and which exceptions trap.
 *
 * They are looked at around each batch, so on x86-64 by the two control words themselves, which
 * takes 1.5 ns: fegetenv takes 80. Flags that operations raised are no modes, and each thread's
 * own.
 */
#ifndef PARCEL__FLOATING_H
#define PARCEL__FLOATING_H

#include <stdbool.h>

#ifdef __x86_64__

struct parcel__floating {
    unsigned mxcsr;         /* without its flags */
    unsigned short control; /* of the x87 */
};

enum { PARCEL__FLOATING_FLAGS = 0x3f };

/* The modes of this thread. */
static inline struct parcel__floating parcel__floating_read(void)
{
    struct parcel__floating modes = {__builtin_ia32_stmxcsr() & ~(unsigned)PARCEL__FLOATING_FLAGS,
                                     0};
    __asm__ volatile("fnstcw %0" : "=m"(modes.control) : : "memory");
    return modes;
}

static inline bool parcel__floating_equal(const struct parcel__floating *one,
                                          const struct parcel__floating *other)
{
    return one->mxcsr == other->mxcsr && one->control == other->control;
}

#else

#include <fenv.h>

/* The whole environment, flags too: wherever that is cheap. */
struct parcel__floating {
    fenv_t environment;
};

struct parcel__floating parcel__floating_read(void);
bool parcel__floating_equal(const struct parcel__floating *one,
                            const struct parcel__floating *other);

#endif

/* Makes the modes those of this thread. */
void parcel__floating_write(const struct parcel__floating *modes);

/* The same, where they differ. Returns whether they did. */
static inline bool parcel__floating_set(const struct parcel__floating *modes)
{
    const struct parcel__floating now = parcel__floating_read();
    if (parcel__floating_equal(&now, modes))
        return false;
    parcel__floating_write(modes);
    return true;
}

#endif
