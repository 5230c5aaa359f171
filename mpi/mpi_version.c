/* mpi_version.c: that libparcel_mpi runs with the libparcel that it was made for. */
#include "mpi_version.h"

#include <parcel.h>

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

static const char own[] = TEXT_OF(PARCEL_VERSION_MAJOR) "." TEXT_OF(
    PARCEL_VERSION_MINOR) "." TEXT_OF(PARCEL_VERSION_PATCH);

bool parcel__mpi_version_check(const char *loaded, char *sentence, size_t size)
{
    if (strcmp(loaded, own) == 0)
        return true;
    snprintf(sentence, size,
             "parcel_mpi_init: libparcel_mpi is of version %s, and the libparcel that is loaded of "
             "%s: both have to be of one version",
             own, loaded);
    return false;
}
