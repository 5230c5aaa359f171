/* signals.h: SIGINT and SIGTERM while runs ask for them. */
#ifndef PARCEL__SIGNALS_H
#define PARCEL__SIGNALS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Installs the handler, if it is not yet; each open is followed by a close with the mark that it
 * returned. The last one puts the old actions back, or lets the handler do so once no more signals
 * are expected. Threads: any. */
unsigned parcel__signals_open(void);
void parcel__signals_close(unsigned mark);

/* The signal that came since the mark, or 0. Threads: any. */
int parcel__signals_seen(unsigned mark);

/* Another process of the job has seen the signal: it counts as one that came here, and this
 * process's own, if it comes within PARCEL__SIGNALS_ALL seconds, as the same one. */
void parcel__signals_hear(int number);

/* ---- what a signal means ---- */

/* Seconds in which a signal is the same as the one before: who ends a process and its group sends
 * two at once. And those in which each process of a job gets its own. */
#define PARCEL__SIGNALS_SAME 1.0
#define PARCEL__SIGNALS_ALL 10.0

/* All of it is written by handlers, too, which may interrupt any other writer. */
struct parcel__signals {
    /* How many runs are open, how many of them know of a signal, the number of the last one, and
     * how many there were: 16, 16, 8 and 24 bits, which change together. */
    _Atomic uint64_t runs;
    _Atomic double last;     /* when a signal came that was not the same, by the clock */
    _Atomic double expected; /* until when one is that another process has told of */
};

enum parcel__verdict {
    PARCEL__IS_THE_SAME, /* as the one before, and nobody has to know of it */
    PARCEL__STOPS_RUNS,  /* the open ones, of which some did not know of any */
    PARCEL__ENDS         /* the process: there are no runs, or some was stopped before */
};

/* A signal comes now. Threads: any, in handlers too. */
enum parcel__verdict parcel__signals_judge(struct parcel__signals *signals, int number, double now);

/* True when one that comes now may be the same one, whatever runs there are. */
bool parcel__signals_linger(const struct parcel__signals *signals, double now);

/* What open, close, seen and hear do to the state. */
unsigned parcel__signals_enter(struct parcel__signals *signals);
void parcel__signals_leave(struct parcel__signals *signals, unsigned mark);
int parcel__signals_since(const struct parcel__signals *signals, unsigned mark);
void parcel__signals_expect(struct parcel__signals *signals, int number, double now);

#endif
