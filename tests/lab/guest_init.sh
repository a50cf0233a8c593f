#!/bin/busybox sh
# The first program of the virtual machine of bin/lab vm. Its root is this computer's, read-only; what
# must be written goes into memory or into the folder that bin/lab looks at afterwards.
bb=/bin/busybox
host=/host
# Not /tmp or /run: the checkout may be in there, and must not be hidden.
memory=$host/mnt
shared=$memory/bem-vm

attach() {
    $bb mount "$@" || echo "guest: cannot mount $*"
}

$bb mkdir -p /proc $host
attach -t proc proc /proc
while read -r module; do
    $bb insmod "/modules/$module" || echo "guest: cannot load $module"
done </modules/order
attach -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=524288 computer $host
attach -t proc proc $host/proc
attach -t sysfs sysfs $host/sys
attach -t devtmpfs devices $host/dev
$bb mkdir -p $host/dev/pts $host/dev/shm
attach -t devpts -o ptmxmode=666 terminals $host/dev/pts
attach -t tmpfs memory $host/dev/shm
attach -t tmpfs memory $memory
$bb mkdir -p $shared $memory/scratch
attach -t 9p -o trans=virtio,version=9p2000.L,msize=524288 results $shared
$bb hostname bem-vm
$bb chroot $host /bin/sh /mnt/bem-vm/run
echo $? >$shared/code
$bb sync
$bb poweroff -f
