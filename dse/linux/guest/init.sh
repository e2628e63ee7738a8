#!/bin/busybox sh
# First program of the guest: loads modules, runs the experiments that the command line names, writes the report on the second disk.
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t debugfs debug /sys/kernel/debug
mount -t cgroup2 group /sys/fs/cgroup
report=/tmp/report
say() { echo "$*" >> $report; }
finish() {
    say "end $1"
    cat $report > /dev/vdb
    sync
    echo "dse: end $1"
    poweroff -f
}
while read -r module; do
    insmod "/modules/$module" || say "refused $module"
done < /modules/order
for word in $(cat /proc/cmdline); do
    case $word in dse.*) eval "$(echo "${word#dse.}")" ;; esac
done
echo "dse: guest $(uname -r)"
say "release $(uname -r)"
say "version $(uname -v)"
[ -b /dev/vdb ] || finish no-disk
zswap=/sys/module/zswap/parameters
[ -d $zswap ] || finish no-zswap
echo 0 > /proc/sys/vm/page-cluster
echo 0 > /proc/sys/kernel/kptr_restrict
mkswap /dev/vda > /dev/null || finish no-swap
echo +memory > /sys/fs/cgroup/cgroup.subtree_control
group=/sys/fs/cgroup/dse
mkdir $group
[ -f $group/memory.max ] || say "refused memory cgroup"
echo 0 > /sys/block/vda/queue/rotational # clusters per CPU, as on an SSD
say "rotational $(cat /sys/block/vda/queue/rotational)"
within() { (echo 0 > $group/cgroup.procs; exec workload "$@" >> $report) || finish "workload-failed $1, status $?"; }
backend() {
    if [ "$1" = disk ]; then
        echo N > $zswap/enabled
        return
    fi
    [ -f $zswap/zpool ] && echo zsmalloc > $zswap/zpool
    echo "$compressor" > $zswap/compressor
    echo 90 > $zswap/max_pool_percent
    echo N > $zswap/shrinker_enabled
    echo Y > $zswap/enabled
    [ "$(cat $zswap/compressor)" = "$compressor" ] || finish no-compressor
}
say "lru_gen $(cat /sys/kernel/mm/lru_gen/enabled)"
on() { swapon /dev/vda || finish no-swapon; }
histograms() { # allocations by call site, pages by stack; movable ones are the program's and the pool's
    tracing=/sys/kernel/tracing/events/kmem
    [ -d $tracing ] || mount -t tracefs trace /sys/kernel/tracing
    for event in kmem_cache_alloc kmalloc; do
        echo "$1hist:keys=call_site.sym:vals=bytes_alloc:size=4096" > $tracing/$event/trigger || say "refused histogram $event"
    done
    echo "$1hist:keys=common_stacktrace,order:size=4096 if migratetype != 1" > $tracing/mm_page_alloc/trigger || say "refused histogram pages"
    large="hist:keys=common_stacktrace,bytes_req,ptr:vals=bytes_alloc:size=512 if bytes_req >= 4096 && ptr != 0"
    echo "$1$large" >> $tracing/kmalloc/trigger || say "refused histogram large" # beside the first: > replaces it
}
armed=
arm() {
    [ -n "$armed" ] && return
    armed=yes
    workload arm
    sleep 1
}
for step in $(echo "$steps" | tr ',' ' '); do
    echo "dse: step $step"
    say "step $step"
    IFS=-
    set -- $step
    unset IFS
    case $1 in
    symbols) grep -i ' [tw] ' /proc/kallsyms | sed 's/^/symbol /' >> $report ;;
    fill) # BACKEND
        backend "$2"
        on
        within operation 16 8 0 "$2" # what the group allocates once
        swapoff /dev/vda
        histograms ""
        within snapshot before
        on
        within fill "$pages" "$2"
        swapoff /dev/vda
        histograms "!"
        ;;
    trace) # LISTS BACKEND NAME PAGES
        case $2 in mglru) echo 7 ;; *) echo 0 ;; esac > /sys/kernel/mm/lru_gen/enabled || finish no-lists
        backend "$3"
        turn=0
        while [ $turn -lt "$repeats" ]; do
            turn=$((turn + 1))
            say "turn $turn"
            on
            mkdir /sys/fs/cgroup/run
            echo "${limit}M" > /sys/fs/cgroup/run/memory.max
            (exec workload trace "/traces/$4" "$5" "$3" /sys/fs/cgroup/run >> $report) || finish "workload-failed $step, status $?"
            swapoff /dev/vda
            rmdir /sys/fs/cgroup/run
        done
        ;;
    operation) # BACKEND MARK
        backend "$2"
        on
        arm
        within operation "$background" "$operations" "$3" "$2"
        swapoff /dev/vda
        ;;
    range | folio) # BACKEND MARK
        backend "$2"
        on
        arm
        within "$1" "$3" "$2"
        swapoff /dev/vda
        ;;
    swapoff) # BACKEND MARK
        backend "$2"
        arm
        within swapoff "$3" "$many" "$2"
        ;;
    writeback) # BACKEND MARK
        backend "$2"
        on
        arm
        within writeback "$3" "$many"
        swapoff /dev/vda
        ;;
    esac
done
finish ok
