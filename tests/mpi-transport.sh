#!/bin/sh
# The suite of the transport, on several numbers of ranks.
# shellcheck source=script.sh
. "${srcdir:-.}/script.sh"

need_mpi
for ranks in 1 2 3; do
    echo "$ranks ranks"
    ./mpi-run $ranks ./test_mpi_transport
done
