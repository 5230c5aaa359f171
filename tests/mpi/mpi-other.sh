#!/bin/sh
# The tests of MPI once more, with the other one of Open MPI and MPICH, where it is installed. They
# are counted as those of the first.
# shellcheck source=../support/script.sh
. "${srcdir:-.}/support/script.sh"

need_mpi
case $MPI in
    Open*) other=mpicc.mpich ;;
    *) other=mpicc.openmpi ;;
esac
need "$other"

copy_sources mpi
configure_in build CC="$CC" --with-mpi="$other" --disable-static
make -s -C lib >/dev/null
make -s -C mpi >/dev/null
status=0
make -s -k -C tests check-mpi >check-mpi.out 2>&1 || status=$?
cat tests/mpi/*.log || cat check-mpi.out
exit $status
