/* mpi_transport.h: ranks that reach each other by MPI. */
#ifndef PARCEL__MPI_TRANSPORT_H
#define PARCEL__MPI_TRANSPORT_H

#include <mpi.h>

#include "ranks/transport.h"

/* The highest tag that is used. MPI promises 32767, and every MPI has many more. */
enum { PARCEL__MPI_HIGHEST_TAG = 65535 };

/* Most bytes of what MPI is given at once; its counts are ints. */
#define PARCEL__MPI_PIECE ((size_t)1 << 30)

/* All of it constant while it is open. */
struct parcel__mpi_transport {
    struct parcel__transport seam;
    MPI_Comm messages; /* what is found by probe */
    MPI_Comm data;
    size_t piece;
    char host[256];
};

/* Duplicates the communicator: collective. The transport stays where it is until it is closed.
 * piece: the same on all ranks; tests have small ones. */
void parcel__mpi_transport_open(struct parcel__mpi_transport *transport, MPI_Comm communicator,
                                size_t piece);

/* True in a thread that MPI was called by and that has not returned: who asks was called by MPI. */
bool parcel__mpi_transport_is_calling(void);

/* Nothing is on its way any more: collective. */
void parcel__mpi_transport_close(struct parcel__mpi_transport *transport);

#endif
