/* floating.c: the modes of a thread's floating-point environment; flags stay as they are. */
#include "ground/floating.h"

#include <string.h>

#ifdef __x86_64__

/* The x87 traps at the next operation when a flag stands that is no longer masked: it may be of a
 * call that ended long ago. */
static void drop_flags_that_would_trap(unsigned short control)
{
    unsigned short status;
    __asm__ volatile("fnstsw %0" : "=m"(status) : : "memory");
    if (status & ~control & PARCEL__FLOATING_FLAGS)
        __asm__ volatile("fnclex" : : : "memory");
}

void parcel__floating_write(const struct parcel__floating *modes)
{
    unsigned flags = __builtin_ia32_stmxcsr() & PARCEL__FLOATING_FLAGS;
    drop_flags_that_would_trap(modes->control);
    __asm__ volatile("fldcw %0" : : "m"(modes->control) : "memory");
    __builtin_ia32_ldmxcsr(modes->mxcsr | flags);
}

#else

struct parcel__floating parcel__floating_read(void)
{
    struct parcel__floating modes;
    memset(&modes, 0, sizeof modes);
    fegetenv(&modes.environment);
    return modes;
}

bool parcel__floating_equal(const struct parcel__floating *one,
                            const struct parcel__floating *other)
{
    return memcmp(one, other, sizeof *one) == 0;
}

void parcel__floating_write(const struct parcel__floating *modes)
{
    fexcept_t flags;
    fegetexceptflag(&flags, FE_ALL_EXCEPT);
    fesetenv(&modes->environment);
    fesetexceptflag(&flags, FE_ALL_EXCEPT);
}

#endif
