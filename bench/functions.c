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

__attribute__((noinline)) int spin(int steps, int seed)
{
    unsigned state = (unsigned)seed;
    for (int i = 0; i < steps; i++) {
        state = state * 1664525u + 1013904223u;
        __asm__ volatile("" : "+r"(state)); /* no step is worked out ahead */
    }
    return (int)(state >> 1);
}

__attribute__((noinline)) int spin_pair(struct pair pair)
{
    return spin(pair.first, pair.second);
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
