#!/bin/sh
# The suite of the transport, on several numbers of ranks.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

need_mpi
for ranks in 1 2 3; do
    echo "$ranks ranks"
    ./mpi-run $ranks ./mpi/test_mpi_transport
done
