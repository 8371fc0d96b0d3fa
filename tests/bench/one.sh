#: summary one function, in turns: three writes from C, the hook without and with a guard, and what else there is
#: append norandmaps
#: qemu -device bochs-display,id=gpu1,bus=rp1
#: devices nic
#: memory 2048
#: timeout 3600
# shellcheck shell=bash disable=SC2154,SC1091
. tests/bench/words.sh

# dpdk-devbind moves no graphics card, so that there is a NIC for it.
CARD=0000:01:00.0 NODE=pci_0000_01_00_0 NIC=0000:03:00.0
modprobe -a vfio-pci vfio_iommu_type1
for vmid in 100 101; do pve_conf $vmid <<<"hostpci0: $CARD"; done
pve_conf 102 <<<"hostpci0: $NIC"
printf '[defaults]\nreset = none\n[vm 100]\nguard = no\n[vm 102]\nguard = no\n' >/etc/pve/pvebind.ini
# A guard ends after its VM's post-stop; what comes next is not to be measured beside it.
cat >/run/unguarded <<-'END'
	#!/bin/sh
	n=0
	while [ -e /run/pvebind/101.guard ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
END
chmod +x /run/unguarded
cp tests/bench/shellhook /run/local/

cp -a "$PEERS"/. /
ldconfig
# Their defaults, but for who may ask: libvirt would have polkit asked over D-Bus, and there is none here. The user is
# what its package makes.
mkdir -p /etc/libvirt /var/log/libvirt
echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin' >>/etc/passwd
echo 'libvirt-qemu:x:64055:' >>/etc/group
printf 'auth_unix_rw = "none"\nauth_unix_ro = "none"\n' >/etc/libvirt/libvirtd.conf
libvirtd >/run/libvirtd.log 2>&1 19>&- &
ok "libvirt knows the card" wait_for 240 virsh -c qemu:///system nodedev-info $NODE

there_and_back() {
	local_files "$HOOK" 100 pre-start
	local_files "$HOOK" 100 post-stop
	local_files driverctl --nosave set-override $CARD vfio-pci
	local_files driverctl --nosave unset-override $CARD
	local_files dpdk-devbind.py -b vfio-pci $NIC
	local_files dpdk-devbind.py -b e1000e $NIC
	local_files virsh -q -c qemu:///system nodedev-detach $NODE
	local_files virsh -q -c qemu:///system nodedev-reattach $NODE
	local_files /run/local/shellhook 100 pre-start
	local_files /run/local/shellhook 100 post-stop
}
pve_lock 100
exec 7>/run/lock/qemu-server/lock-101.conf
flock 7
there_and_back
snap before
race one <<-END
	three.out $BENCH/three $CARD vfio-pci
	three.home $BENCH/three $CARD -

	hook.out $HOOK 100 pre-start
	hook.home $HOOK 100 post-stop

	guarded.out $HOOK 101 pre-start
	guarded.home $HOOK 101 post-stop
	- /run/unguarded

	shell.out /run/local/shellhook 100 pre-start
	shell.home /run/local/shellhook 100 post-stop

	driverctl.out driverctl --nosave set-override $CARD vfio-pci
	driverctl.home driverctl --nosave unset-override $CARD

	nic-three.out $BENCH/three $NIC vfio-pci
	nic-three.home $BENCH/three $NIC -

	nic-hook.out $HOOK 102 pre-start
	nic-hook.home $HOOK 102 post-stop

	dpdk.out dpdk-devbind.py -b vfio-pci $NIC
	dpdk.home dpdk-devbind.py -b e1000e $NIC

	virsh.out virsh -q -c qemu:///system nodedev-detach $NODE
	virsh.home virsh -q -c qemu:///system nodedev-reattach $NODE
END
{
	cat "$PEERS/versions"
	echo "bash $BASH_VERSION"
} >"$OUT/versions"
same_as before "the host is as before"
