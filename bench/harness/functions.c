/* functions.c: what the benches call. */
#include "functions.h"

__attribute__((noinline)) int empty(int first, int second)
{
    return first + second;
}

__attribute__((noinline)) int empty_pair(struct pair pair)
{
    return pair.first + pair.second;
}

/* Waits for all instructions before it. Without it a processor runs the ends of one short call and
 * the beginnings of the next at the same time; by how much depends on where the code happens to
 * stand, so that two loops over the same calls would differ by a third. */
static void wait_for_earlier_instructions(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_lfence();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* No step is worked out ahead. */
#define STEP \
    state = state * 1664525u + 1013904223u; \
    __asm__ volatile("" : "+r"(state));
#define STEPS_1 STEP
#define STEPS_2 STEP STEP
#define STEPS_4 STEPS_2 STEPS_2
#define STEPS_8 STEPS_4 STEPS_4
#define STEPS_16 STEPS_8 STEPS_8
#define STEPS_32 STEPS_16 STEPS_16
#define STEPS_64 STEPS_32 STEPS_32
#define IF_BIT(count) \
    if (steps & count) { \
        STEPS_##count \
    }

/* Straight on, in blocks and then by the bits of what is left: the end of a loop of single steps
 * would be foreseen in one caller and not in another, and a wrong guess costs several steps. */
static inline __attribute__((always_inline)) int run_steps(int steps, int seed)
{
    unsigned state = (unsigned)seed;
    wait_for_earlier_instructions();
    for (int i = steps / 64; i > 0; i--) {
        STEPS_64
    }
    IF_BIT(32)
    IF_BIT(16)
    IF_BIT(8)
    IF_BIT(4)
    IF_BIT(2)
    IF_BIT(1)
    return (int)(state >> 1);
}

__attribute__((noinline)) int spin(int steps, int seed)
{
    return run_steps(steps, seed);
}

__attribute__((noinline)) int spin_pair(struct pair pair)
{
    return run_steps(pair.first, pair.second);
}

__attribute__((noinline)) const char *name_of(int number)
{
    static const char *const names[] = {"one", "two", "three", "four"};
    return names[number & 3];
}

__attribute__((noinline)) struct small small_of(int number)
{
    return (struct small){{number, number, number}};
}

__attribute__((noinline)) struct large large_of(int number)
{
    struct large large = {{0}};
    large.values[11] = number;
    return large;
}
