/* machine.h: where and with what the figures were measured. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdio.h>

/* Writes some lines, each behind the prefix: processor, load, date, compiler, runtime, peers. */
void put_machine(FILE *file, const char *prefix);

#endif
