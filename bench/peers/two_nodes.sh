#!/bin/sh
# Runs an MPI program as two ranks that reach each other over TCP only, as on two nodes.
#
#     two_nodes.sh PROGRAM [ARGUMENT]...
#
# Each rank is in a network namespace with a host name of its own; a pair of virtual network cards
# joins them. It needs root and iproute2, and says so when it lacks them (status 77). It ends after
# LIMIT seconds (60), and leaves no namespace and no process behind, however it ends. MPIEXEC is the
# launcher, of Open MPI or of MPICH (and its kin with Hydra).
launcher=${MPIEXEC:-mpiexec}
first=parcel-$$-a second=parcel-$$-b network=10.213.77

skip()
{
    echo "two_nodes: skipped: $1" >&2
    exit 77
}

[ "$(id -u)" = 0 ] || skip "only root can make network namespaces"
for tool in ip unshare timeout; do
    command -v $tool >/dev/null || skip "$tool is missing (Debian: iproute2, util-linux, coreutils)"
done
version=$($launcher --version 2>&1) || skip "$launcher does not run"

clean_up()
{
    trap - EXIT
    trap '' INT TERM HUP
    for node in "$first" "$second"; do
        ip netns pids "$node" 2>/dev/null | xargs -r kill -KILL 2>/dev/null
        ip netns del "$node" 2>/dev/null
    done
    ip link del "pcl$$1" 2>/dev/null # where it has not moved yet
    rm -rf "$directory"
}

# add_node NAME NUMBER: the card with the node's name moves into its namespace.
add_node()
{
    ip netns add "$1" &&
        ip link set "pcl$$$2" netns "$1" name node0 &&
        ip -n "$1" address add $network."$2"/24 dev node0 &&
        ip -n "$1" link set node0 up && ip -n "$1" link set lo up
}

# What a launcher runs instead of ssh: HOST COMMAND... Whatever options stand before are of no use.
write_agent()
{
    cat >"$directory/agent" <<END
#!/bin/sh
while [ "\${1#$network.}" = "\$1" ]; do shift; done
number=\${1#$network.}
shift
node=$first
[ "\$number" = 1 ] || node=$second
exec ip netns exec "\$node" unshare -u sh -c "hostname node-\$number; \$*"
END
    chmod +x "$directory/agent"
}

trap 'exit 130' INT TERM HUP
trap clean_up EXIT
directory=$(mktemp -d) || exit 1
ip link add "pcl$$1" type veth peer name "pcl$$2" 2>/dev/null || skip "there are no virtual cards"
add_node "$first" 1 && add_node "$second" 2 || skip "the namespaces could not be made"
write_agent

case $version in
*"Open MPI"* | *OpenRTE*)
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    export OMPI_MCA_plm_rsh_agent="$directory/agent" OMPI_MCA_hwloc_base_binding_policy=none
    export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,tcp
    export OMPI_MCA_btl_tcp_if_include=$network.0/24 OMPI_MCA_oob_tcp_if_include=$network.0/24
    set -- --host $network.1:1,$network.2:1 -n 2 "$@"
    ;;
*)
    export UCX_TLS=tcp,self UCX_NET_DEVICES=node0 FI_PROVIDER=tcp
    set -- -launcher ssh -launcher-exec "$directory/agent" -iface node0 \
        -hosts $network.1,$network.2 -n 2 "$@"
    ;;
esac

# In the background, so that a signal to this script is not put off until it ends.
timeout -k 2 "${LIMIT:-60}" "$directory/agent" $network.1 exec "$launcher" "$@" <&0 &
wait $!
