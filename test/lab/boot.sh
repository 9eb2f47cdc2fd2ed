#!/bin/bash
# What node.ts runs to boot a node of the lab, in two steps:
#   boot.sh enter CGROUP NETNS ROOT NAME [SOURCE TARGET]...   in the host: joins CGROUP and NETNS, makes the other namespaces
#   boot.sh become ROOT NAME [SOURCE TARGET]...               inside them: mounts what a machine has and becomes systemd
# ROOT is the node's overlay; each SOURCE of the host is bound at TARGET in the node.
set -e
step=$1
shift
if [ "$step" = enter ]; then
  echo $$ >"$1/cgroup.procs"
  netns=$2
  shift 2
  exec ip netns exec "$netns" unshare --mount --uts --ipc --pid --cgroup --fork --kill-child --propagation private \
    bash "$0" become "$@"
fi
root=$1 name=$2
shift 2
cd "$root"
hostname "$name"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t cgroup2 cgroup sys/fs/cgroup
# Each boot is another one, as it is of a machine: the kernel's own number stays, for it is the host's.
cat proc/sys/kernel/random/uuid >run/boot-id
mount --bind run/boot-id proc/sys/kernel/random/boot_id
while [ $# -gt 1 ]; do
  mount --bind "$1" "$root$2"
  shift 2
done
mkdir -p .host
pivot_root . .host
cd /
umount -l /.host
rmdir /.host
exec env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --log-target=journal
