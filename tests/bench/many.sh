#: summary sixteen functions whose driver takes half a second to remove and to probe: of one VM, and of sixteen at once
#: append norandmaps
#: modules yes
#: memory 2048
#: timeout 3600
#: qemu -device pcie-root-port,id=xp0,bus=pcie.0,chassis=101,slot=101,addr=0x2.0,multifunction=on -device edu,bus=xp0
#: qemu -device pcie-root-port,id=xp1,bus=pcie.0,chassis=102,slot=102,addr=0x2.1,multifunction=on -device edu,bus=xp1
#: qemu -device pcie-root-port,id=xp2,bus=pcie.0,chassis=103,slot=103,addr=0x2.2,multifunction=on -device edu,bus=xp2
#: qemu -device pcie-root-port,id=xp3,bus=pcie.0,chassis=104,slot=104,addr=0x2.3,multifunction=on -device edu,bus=xp3
#: qemu -device pcie-root-port,id=xp4,bus=pcie.0,chassis=105,slot=105,addr=0x2.4,multifunction=on -device edu,bus=xp4
#: qemu -device pcie-root-port,id=xp5,bus=pcie.0,chassis=106,slot=106,addr=0x2.5,multifunction=on -device edu,bus=xp5
#: qemu -device pcie-root-port,id=xp6,bus=pcie.0,chassis=107,slot=107,addr=0x2.6,multifunction=on -device edu,bus=xp6
#: qemu -device pcie-root-port,id=xp7,bus=pcie.0,chassis=108,slot=108,addr=0x2.7,multifunction=on -device edu,bus=xp7
#: qemu -device pcie-root-port,id=xp8,bus=pcie.0,chassis=109,slot=109,addr=0x3.0,multifunction=on -device edu,bus=xp8
#: qemu -device pcie-root-port,id=xp9,bus=pcie.0,chassis=110,slot=110,addr=0x3.1,multifunction=on -device edu,bus=xp9
#: qemu -device pcie-root-port,id=xp10,bus=pcie.0,chassis=111,slot=111,addr=0x3.2,multifunction=on -device edu,bus=xp10
#: qemu -device pcie-root-port,id=xp11,bus=pcie.0,chassis=112,slot=112,addr=0x3.3,multifunction=on -device edu,bus=xp11
#: qemu -device pcie-root-port,id=xp12,bus=pcie.0,chassis=113,slot=113,addr=0x3.4,multifunction=on -device edu,bus=xp12
#: qemu -device pcie-root-port,id=xp13,bus=pcie.0,chassis=114,slot=114,addr=0x3.5,multifunction=on -device edu,bus=xp13
#: qemu -device pcie-root-port,id=xp14,bus=pcie.0,chassis=115,slot=115,addr=0x3.6,multifunction=on -device edu,bus=xp14
#: qemu -device pcie-root-port,id=xp15,bus=pcie.0,chassis=116,slot=116,addr=0x3.7,multifunction=on -device edu,bus=xp15
# shellcheck shell=bash disable=SC2154,SC1091
. tests/bench/words.sh

MS=500
adversary adversary
modprobe -a vfio-pci vfio_iommu_type1
mapfile -t functions < <(cd /sys/bus/pci/drivers/adversary && printf '%s\n' 0000:* | sort)
is "there are sixteen functions" "${#functions[@]}" 16

# VM 100 has all of them, 101 to 116 one each.
for i in "${!functions[@]}"; do
	echo "hostpci$i: ${functions[i]}"
	pve_conf $((101 + i)) <<<"hostpci0: ${functions[i]}"
done | pve_conf 100
printf '[defaults]\nreset = none\nguard = no\n' >/etc/pve/pvebind.ini
set_param adversary remove_ms $MS
set_param adversary probe_ms $MS
# together PHASE - one call for each of VM 101 to 116, to be run at once
together() {
	local vmid and=''
	for vmid in {101..116}; do
		printf '%s' "$and$HOOK $vmid $1"
		and=' & '
	done
}
snap before
race many <<-END
	one.out $HOOK 101 pre-start
	one.home $HOOK 101 post-stop

	functions.out $HOOK 100 pre-start
	functions.home $HOOK 100 post-stop

	vms.out $(together pre-start)
	vms.home $(together post-stop)
END
same_as before "the host is as before"
