#: summary lent and returned twenty times, twice with a QEMU on it: nothing wears off, nothing stays behind
#: devices gpu
#: timeout 400
# shellcheck shell=bash

pve_conf 100 <<-END
	hostpci0: 0000:01:00,pcie=1
	hookscript: local:snippets/pvebind
END

# look - what a lend changes, into WHERE. As it is asked forty times, with one fork only.
WHERE=''
look() {
	local a dir driver override control d3cold name bind=gone drivers
	mapfile -t drivers < <(readlink "$(dev 01:00.0)/driver" "$(dev 01:00.1)/driver")
	WHERE=''
	for a in 0 1 bridge; do
		dir=/sys/bus/pci/devices/0000:01:00.$a
		[ $a != bridge ] || dir=/sys/bus/pci/devices/$bridge
		read -r control <"$dir/power/control"
		read -r d3cold <"$dir/d3cold_allowed"
		read -r override <"$dir/driver_override"
		driver=none
		[ $a = bridge ] || driver=${drivers[a]##*/}
		WHERE="$WHERE$a $driver $override $control $d3cold
"
	done
	# The frame buffer's vtconsole is gone while there is no frame buffer at all.
	for dir in /sys/class/vtconsole/*; do
		read -r name <"$dir/name"
		case $name in *'frame buffer'*) read -r bind <"$dir/bind" ;; esac
	done
	WHERE=${WHERE}console=$bind
}
bridge=$(readlink -f "$(dev 01:00.0)/..")
bridge=${bridge##*/}
lent="0 vfio-pci vfio-pci on 0
1 vfio-pci vfio-pci on 0
bridge none (null) on 0
console=gone"
home="0 bochs-drm (null) auto 1
1 snd_hda_intel (null) auto 1
bridge none (null) auto 1
console=1"

# There must be something to keep awake, or nothing could be left awake.
for a in 01:00.0 01:00.1 "$bridge"; do
	echo auto >"$(dev "$a")/power/control"
	echo 1 >"$(dev "$a")/d3cold_allowed"
done
modprobe -a vfio-pci vfio_iommu_type1
look
is "at home: own drivers, no override, may sleep, console on" "$WHERE" "$home"
snap before

# round N - lend and return; fails, and says why, if anything is not as it must be
round() {
	pve_hook 100 pre-start || return 1
	look
	[ "$WHERE" = "$lent" ] || { echo "while lent: $WHERE"; return 1; }
	pve_hook 100 post-stop || return 1
	look
	[ "$WHERE" = "$home" ] || { echo "after: $WHERE"; return 1; }
}

# with_qemu N - the same with all of PVE around it, and a QEMU that holds the card
with_qemu() {
	ok "round $1: PVE starts the VM" pve_start 100
	unlike "round $1: and binds the card without a complaint" "$TRY_OUT" 'Cannot bind|hookscript error'
	is "round $1: QEMU has the group open" "$(holders 01:00)" "$(cat /run/qemu-server/100.pid)"
	look
	is "round $1: the card is lent" "$WHERE" "$lent"
	ok "round $1: PVE's own bind after the hook added no id (display)" no_new_id 01:00.0
	ok "round $1: PVE's own bind after the hook added no id (sound)" no_new_id 01:00.1
	ok "round $1: PVE stops the VM" pve_stop 100
	is "round $1: nobody has the group open" "$(holders 01:00)" ""
	same_as before "round $1: everything is as it was"
}

for ((n = 1; n <= 20; n++)); do
	case $n in
	7 | 20) with_qemu $n ;; # the host as a whole is looked at after these
	*) ok "round $n" round $n ;;
	esac
done
look
is "at home after twenty rounds" "$WHERE" "$home"
ok "no id was added to vfio-pci" no_new_id 01:00.0
ok "nor for the second function" no_new_id 01:00.1
ls -la /run/pvebind
# console.bound, empty, tells until the next boot that a vtconsole has been bound by hand.
is "no state is left but locks" "$(cd /run/pvebind && find . -type f ! -name '*.lock' ! -name console.bound)" ""
is "and those are empty" "$(find /run/pvebind -type f -size +0)" ""

# The checks above can fail:
ids 01:00.0 >/sys/bus/pci/drivers/vfio-pci/new_id
fails_with 1 "an added id would have been found" no_new_id 01:00.0
echo on >"$(dev "$bridge")/power/control"
look
isnt "a bridge left awake would have been found" "$WHERE" "$home"
