#!/bin/bash
# down.sh DIR PREFIX: takes one lab away, whatever state it is in: processes, cgroups, network namespaces, loop devices,
# mounts, the directory. Nothing outside DIR and PREFIX is touched, every wait is bounded, and it may be run twice.
dir=$1 prefix=$2
case $dir in /*/wkl-*) ;; *) echo "down: $dir is no lab" >&2; exit 2 ;; esac
case $prefix in wkl[0-9]*) ;; *) echo "down: $prefix is no prefix of a lab" >&2; exit 2 ;; esac

below() { awk -v dir="$dir" '$2 == dir || index($2, dir "/") == 1 { print $2 }' /proc/self/mounts | tac; }

# A frozen file system first: what waits for it cannot even be killed.
awk -v dir="$dir" 'index($2, dir "/") == 1 && $3 == "ext4" { print $2 }' /proc/self/mounts |
  while read -r mount; do timeout -s KILL 2 fsfreeze -u "$mount" 2>/dev/null; done

cgroup=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
for group in "$cgroup/$prefix"-*; do
  [ -d "$group" ] || continue
  echo 0 >"$group/cgroup.freeze" 2>/dev/null
  echo 1 >"$group/cgroup.kill" 2>/dev/null
done
spaces=$(ip netns list | awk -v p="$prefix-" 'index($1, p) == 1 { print $1 }')
for space in $spaces; do ip netns pids "$space" | xargs -r kill -9 2>/dev/null; done
for group in "$cgroup/$prefix"-*; do
  [ -d "$group" ] || continue
  for _ in $(seq 100); do
    find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null
    [ -d "$group" ] || break
    sleep 0.05
  done
done
for space in $spaces; do ip netns del "$space"; done

loops=$(losetup -ln -O NAME,BACK-FILE | awk -v dir="$dir/" 'index($2, dir) == 1 { print $1 }')
for _ in 1 2 3; do
  below | while read -r mount; do umount "$mount" 2>/dev/null || umount -l "$mount" 2>/dev/null; done
  [ -z "$(below)" ] && break
  sleep 0.2
done
for loop in $loops; do losetup -d "$loop" 2>/dev/null; done
[ -n "$(below)" ] && { echo "down: still mounted: $(below | tr '\n' ' ')" >&2; exit 1; }
# Only what was below the mounts is left: empty directories and the owner's mark.
rm -f "$dir/owner"
rmdir "$dir" 2>/dev/null || [ ! -e "$dir" ]
