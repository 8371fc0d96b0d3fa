#: summary what the host lives on is refused by name: disks mounted, swap, held, root; the NIC with the route
#: devices nvme nic
#: timeout 240
# shellcheck shell=bash

pve_conf 100 <<<'hostpci0: 04:00.0'
pve_conf 101 <<<'hostpci0: 03:00.0'
disk=/dev/nvme0n1
refused() { fails_with 1 "$1" pve_hook "$2" pre-start; like "… and says why" "$HOOK_OUT" "$3"; }

mkfs.ext4 -q $disk || mke2fs -q $disk
mkdir -p /mnt/data
mount $disk /mnt/data
snap mounted
refused "a mounted disk is refused" 100 "refused \(host-disk\): 0000:04:00\.0 .*nvme0n1.*/mnt/data"
same_as mounted "nothing changed"
umount -l /mnt/data

# Root on NVMe, as the hook would see it on such a host.
mount $disk /mnt/data
mkdir -p /mnt/data/{usr,bin,sbin,lib,lib64,etc,dev,proc,sys,run,work,tmp,old,root,var}
cat >/tmp/root-on-nvme <<END
for d in usr bin sbin lib lib64 etc dev proc sys run tmp root var; do mount --rbind /\$d /mnt/data/\$d; done
mkdir -p /mnt/data$TOP && mount --rbind $TOP /mnt/data$TOP
cd /mnt/data && pivot_root . old && exec $HOOK 100 pre-start
END
fails_with 1 "root on NVMe is refused" unshare -m sh /tmp/root-on-nvme
like "by name" "$TRY_OUT" "refused \(host-disk\): 0000:04:00\.0 .*nvme0n1.* /( |,|;|:|\))"
umount /mnt/data

# A table by hand, as its entries are so few bytes: two Linux partitions of 20 MiB at 1 and 21 MiB.
mbr_entry() { printf '\\0\\0\\0\\0\\203\\0\\0\\0\\%o\\%o\\0\\0\\0\\240\\0\\0' $(($1 & 255)) $(($1 >> 8)); }
# shellcheck disable=SC2059 # the format is the bytes
{
	dd if=/dev/zero bs=446 count=1 2>/dev/null
	printf "$(mbr_entry 2048)$(mbr_entry 43008)"
	dd if=/dev/zero bs=32 count=1 2>/dev/null
	printf '\125\252'
} | dd of=$disk conv=fsync 2>/dev/null
ok "the disk has partitions" blockdev --rereadpt $disk
ok "which are there" test -b ${disk}p2
mkswap ${disk}p2 >/dev/null
ok "one of which is swap" swapon ${disk}p2
refused "swap is refused" 100 "host-disk\): 0000:04:00\.0 .*nvme0n1p2.*swap"
swapoff ${disk}p2

modprobe -q dm-mod
ok "a device mapper volume lies on it" dmsetup create held --table "0 20480 linear ${disk}p1 0"
refused "a disk below a mapper volume is refused" 100 "host-disk\): 0000:04:00\.0 .*nvme0n1p1.*(dm-0|held)"
dmsetup remove held

# Held by nothing that sysfs shows: as ZFS holds its disks.
perl -e 'use Fcntl; $| = 1; sysopen(F, $ARGV[0], O_RDWR|O_EXCL) or die; print "held\n"; sleep 600' $disk >/tmp/held &
holder=$!
ok "a process holds the disk" wait_for 5 grep -q held /tmp/held
refused "a disk held exclusively is refused" 100 "host-disk\): 0000:04:00\.0 .*nvme0n1.*(exclusive|held|in use)"
kill $holder
wait $holder 2>/dev/null

ok "an unused disk is lent" pve_hook 100 pre-start
is "it is on vfio-pci" "$(driver 04:00.0)" vfio-pci
ok "and taken back" pve_hook 100 post-stop
is "it is on nvme" "$(driver 04:00.0)" nvme

# The network.
nic=$(ls /sys/bus/pci/devices/0000:03:00.0/net)
ip link set "$nic" up
ip addr add 192.0.2.1/24 dev "$nic"
refused "a NIC with an address is refused" 101 "host-network\): 0000:03:00\.0 .*$nic.*192\.0\.2\.1"
ip route add default via 192.0.2.254
refused "the NIC with the default route is refused" 101 "host-network\): 0000:03:00\.0 .*default route"
ip addr flush dev "$nic"
ip link add vmbr0 type bridge
ip link set "$nic" master vmbr0
ip link set vmbr0 up
ip addr add 192.0.2.1/24 dev vmbr0
refused "a NIC in a bridge with an address is refused" 101 "host-network\): 0000:03:00\.0 .*vmbr0"
mkdir -p /etc/pvebind
printf '[vm 101]\nallow = host-network:0000:03:00.0\n' >/etc/pvebind/pvebind.ini
ok "unless it is allowed on purpose" pve_hook 101 pre-start
like "which is said" "$HOOK_OUT" 'allowed on purpose \(host-network\): 0000:03:00'
is "it is on vfio-pci" "$(driver 03:00.0)" vfio-pci
ok "and taken back" pve_hook 101 post-stop
is "it is on e1000e" "$(driver 03:00.0)" e1000e
