/* signals.h: SIGINT and SIGTERM while runs ask for them. */
#ifndef PARCEL__SIGNALS_H
#define PARCEL__SIGNALS_H

/* Installs the handler, if it is not yet; each open is followed by a close, and the last one puts
 * the old actions back. Returns a mark for seen. Threads: any. */
unsigned parcel__signals_open(void);
void parcel__signals_close(void);

/* The signal that came since the mark, or 0. Threads: any. */
int parcel__signals_seen(unsigned mark);

#endif
