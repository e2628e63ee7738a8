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
within() { (echo 0 > $group/cgroup.procs; exec workload "$@" >> $report) || finish "workload-failed $1"; }
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
for step in $(echo "$steps" | tr ',' ' '); do
    echo "dse: step $step"
    say "step $step"
    case $step in
    symbols) grep -i ' [tw] ' /proc/kallsyms | sed 's/^/symbol /' >> $report ;;
    fill-*)
        backend "${step#fill-}"
        swapon /dev/vda || finish no-swapon
        within operation 16 8 0 "${step#fill-}" # what the group allocates once
        swapoff /dev/vda
        within snapshot before
        swapon /dev/vda || finish no-swapon
        within fill "$pages" "${step#fill-}"
        swapoff /dev/vda
        ;;
    operation-*)
        backend "${step#operation-}"
        case $step in *-zswap) which=1 ;; *-zero) which=11 ;; *) which=21 ;; esac
        swapon /dev/vda || finish no-swapon
        workload arm
        sleep 1
        within operation "$background" "$operations" "$which" "${step#operation-}"
        swapoff /dev/vda
        ;;
    esac
done
finish ok
