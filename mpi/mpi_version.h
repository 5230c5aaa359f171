/* mpi_version.h: that libparcel_mpi runs with the libparcel that it was made for. */
#ifndef PARCEL__MPI_VERSION_H
#define PARCEL__MPI_VERSION_H

#include <stdbool.h>
#include <stddef.h>

/* True when a libparcel of that version, as parcel_version has it, is this one's: they share what
 * no header promises. False: a sentence is written that says both. */
bool parcel__mpi_version_check(const char *loaded, char *sentence, size_t size);

#endif
