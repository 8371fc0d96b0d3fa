# Proxmox VE, played: what qemu-server does around a hookscript, in its order. Sourced before every scenario.
#
# Source of the facts: PVE/QemuServer.pm (vm_start_nolock, vm_stop, vm_stop_cleanup), PVE/QemuServer/PCI.pm
# (reservations), PVE/SysFSTools.pm (binding), PVE/GuestHelpers.pm (exec_hookscript), PVE/CLI/qm.pm (cleanup).
# shellcheck shell=bash

HOOK=${HOOK:-$TOP/build/pvebind-hook}
HOOK_STATUS='' HOOK_OUT='' HOOK_ERR='' HOOK_MS='' HOOK_EOF_MS=''
RESERVATIONS=/run/qemu-server/pci-id-reservations

# The cluster file system, its links as on PVE. A tmpfs, so that a scenario can unmount it.
pve_setup() {
	[ ! -d /etc/pve/nodes ] || return 0
	mkdir -p /etc/pve
	mount -t tmpfs -o mode=755 pmxcfs /etc/pve
	mkdir -p /etc/pve/nodes/pve/qemu-server /etc/pve/mapping /run/qemu-server /run/lock/qemu-server /run/pipes
	ln -s nodes/pve /etc/pve/local
	ln -s nodes/pve/qemu-server /etc/pve/qemu-server
	ln -sf "$(command -v qemu-system-x86_64)" /usr/bin/kvm
	mkfifo /run/pipes/out /run/pipes/err
}
pve_setup

# pve_conf VMID < TEXT - write the VM's config
pve_conf() { cat >"/etc/pve/qemu-server/$1.conf"; }

# pve_hook VMID PHASE - call the hookscript as PVE does: stdin empty, stdout and stderr pipes of their own, read to
# end-of-file. Afterwards: HOOK_STATUS, HOOK_OUT and HOOK_ERR (text), HOOK_MS (until it ended), HOOK_EOF_MS (how much
# longer a pipe stayed open: a child that keeps one would block PVE, here 60 s at most). Returns the status.
pve_hook() {
	local began ended readers=() pipe line
	for pipe in out err; do
		(
			IFS= read -r -d '' -t 60 line
			printf %s "$line" >/run/pipes/$pipe.txt
		) </run/pipes/$pipe 8>&- &
		readers+=($!)
	done
	began=${EPOCHREALTIME/./}
	LC_ALL=C "$HOOK" "$1" "$2" </dev/null >/run/pipes/out 2>/run/pipes/err 8>&- 19>&-
	HOOK_STATUS=$?
	ended=${EPOCHREALTIME/./}
	wait "${readers[@]}"
	HOOK_EOF_MS=$(((${EPOCHREALTIME/./} - ended) / 1000))
	HOOK_MS=$(((ended - began) / 1000))
	HOOK_OUT=$(</run/pipes/out.txt)
	HOOK_ERR=$(</run/pipes/err.txt)
	printf '%s %s: status %s, %s ms, pipes %s ms longer\n' "$1" "$2" "$HOOK_STATUS" "$HOOK_MS" "$HOOK_EOF_MS"
	while IFS= read -r line; do
		[ -z "$line" ] || echo "  hook: $line"
	done <<<"$HOOK_OUT
$HOOK_ERR"
	return "$HOOK_STATUS"
}

# pve_running VMID - as PVE sees it: a live process that is a kvm or qemu and has -pidfile VMID.pid
pve_running() {
	local pid cmd
	read -r pid 2>/dev/null <"/run/qemu-server/$1.pid" || return 1
	cmd=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 1
	case $cmd in *kvm\ *-pidfile\ /var/run/qemu-server/"$1".pid\ *) ;; *) return 1 ;; esac
}

# pve_hostpci VMID - "ADDRESS OPTIONS" of each function its config names, in the current section only
pve_hostpci() {
	local line host rest id function
	while IFS= read -r line; do
		case $line in '['*) break ;; hostpci[0-9]*) ;; *) continue ;; esac
		line=${line#*: }
		host=${line%%,*} rest=${line#"${line%%,*}"}
		case $host in mapping=*) host=$(pve_mapping "${host#*=}") ;; esac
		host=${host#host=}
		for id in ${host//;/ }; do
			case $id in *:*:*) ;; *) id=0000:$id ;; esac
			case $id in
			*.*) echo "$id ${rest#,}" ;;
			*) for function in /sys/bus/pci/devices/"$id".*; do echo "${function##*/} ${rest#,}"; done ;;
			esac
		done
	done <"/etc/pve/qemu-server/$1.conf"
}
# pve_mapping NAME - the ids of its first entry for this node
pve_mapping() {
	awk -v name="$1" '/^[^ \t]/ { on = $1 == name } on && /node=pve(,|$)/ && match($0, /path=[^,]*/) {
		print substr($0, RSTART + 5, RLENGTH - 5); exit }' /etc/pve/mapping/pci.cfg
}

# pve_reserve VMID time:SECONDS|pid:PID ADDRESS… - all or none; refused while another VM that runs has one
pve_reserve() {
	local vmid=$1 what=$2 id other
	shift 2
	touch $RESERVATIONS
	while read -r id other _; do
		case " $* " in *" $id "*) ;; *) continue ;; esac
		if [ "$other" != "$vmid" ] && pve_running "$other"; then
			echo "PCI device '$id' already in use by VMID '$other'"
			return 1
		fi
	done <$RESERVATIONS
	pve_unreserve "$vmid"
	for id; do
		echo "$id $vmid $what"
	done >>$RESERVATIONS
}
pve_unreserve() { [ ! -e $RESERVATIONS ] || sed -i "/^[^ ]* $1 /d" $RESERVATIONS; }

# pve_group_bind ADDRESS - every member of its IOMMU group but the bridges to vfio-pci, as SysFSTools does it
pve_group_bind() {
	local d a vfio=/sys/bus/pci/drivers/vfio-pci
	[ -d $vfio ] || modprobe vfio-pci
	for d in "$(dev "$1")"/iommu_group/devices/*; do
		a=${d##*/}
		if [ -e "$d/pci_bus" ] || [ -e "$vfio/$a" ]; then continue; fi
		ids "$a" >$vfio/new_id
		[ ! -e "$d/driver" ] || [ -e "$vfio/$a" ] || echo "$a" >"$d/driver/unbind"
		[ -e "$vfio/$a" ] || echo "$a" >$vfio/bind
		[ -e "$vfio/$a" ] || { echo "Cannot bind $a to vfio"; return 1; }
	done
}

# pve_lock VMID / pve_unlock - the config lock, held by this shell (fd 8), not by the hook
pve_lock() { exec 8>"/run/lock/qemu-server/lock-$1.conf" && flock 8; }
pve_unlock() { exec 8>&-; }

# pve_phase VMID PHASE - the hook, with the VM's lock held as PVE does; once that is free, and no VM runs, the guard may act.
# Where a VM would run, between pre-start and post-stop, the lock is held throughout.
pve_phase() {
	local status
	pve_lock "$1"
	pve_hook "$@"
	status=$?
	pve_unlock
	return $status
}

# pve_start VMID [QEMU ARGUMENT…] - `qm start`. Without arguments the VM is paused and has nothing but its devices,
# which is a real holder of them in 1 to 2 s. PVE_OLD=yes: as versions did that had no VMID.cleanup.
pve_start() {
	local status
	pve_lock "$1"
	pve_start_locked "$@"
	status=$?
	pve_unlock
	return $status
}

pve_start_locked() {
	local vmid=$1 accel=tcg list id opts slot='' port=0 function addresses=() args=()
	shift
	pve_hook "$vmid" pre-start || { echo "start failed: hookscript error for $vmid on pre-start"; return 1; }
	list=$(pve_hostpci "$vmid")
	while read -r id opts; do
		[ -n "$id" ] || continue
		addresses+=("$id")
		case ,$opts, in
		*,pcie=1,*)
			# The functions of one slot stay together in the guest, behind a root port of their own.
			if [ "$slot" != "${id%.*}" ]; then
				slot=${id%.*} port=$((port + 1)) function=0
				args+=(-device "pcie-root-port,id=port$port,chassis=$port,slot=$port")
			fi
			args+=(-device "vfio-pci,host=$id,bus=port$port,addr=0x0.$function,multifunction=on")
			function=$((function + 1))
			;;
		*) args+=(-device "vfio-pci,host=$id") ;;
		esac
	done <<<"$list"
	pve_reserve "$vmid" "time:$((EPOCHSECONDS + 30))" "${addresses[@]}" || return 1
	while read -r id opts; do
		case ,$opts, in *,driver=keep,*) continue ;; esac
		[ -n "$id" ] || continue
		pve_group_bind "$id" || { pve_unreserve "$vmid"; return 1; }
		(echo 1 >"$(dev "$id")/reset") 2>/dev/null || echo "warning: failed to reset PCI device '$id', but trying to continue"
	done <<<"$list"
	[ $# -gt 0 ] || set -- -S -m 64
	# vfio's soft dependency, or /etc/modules, has it on a real host.
	[ -d /sys/module/vfio_iommu_type1 ] || modprobe vfio_iommu_type1
	[ ! -e /dev/kvm ] || accel=kvm
	# PVE's own -id VMID is a patch of theirs; nothing else of the command line counts.
	if ! /usr/bin/kvm -name "vm$vmid" -pidfile "/var/run/qemu-server/$vmid.pid" -daemonize -machine q35,hpet=off \
		-accel $accel -nodefaults -display none -qmp "unix:/run/qemu-server/$vmid.qmp,server=on,wait=off" "${args[@]}" "$@" \
		</dev/null 8>&- 19>&-; then
		echo "start failed: QEMU exited with code 1"
		pve_unreserve "$vmid"
		return 1
	fi
	pve_reserve "$vmid" "pid:$(<"/run/qemu-server/$vmid.pid")" "${addresses[@]}"
	[ "${PVE_OLD:-no}" = yes ] || : >"/run/qemu-server/$vmid.cleanup"
	pve_hook "$vmid" post-start || echo "warning: hookscript error for $vmid on post-start"
}

# pve_stop VMID - `qm stop`: QEMU is asked to quit
pve_stop() {
	pve_lock "$1"
	pve_hook "$1" pre-stop
	pve_end "$1" TERM
	pve_after "$1"
	pve_unlock
}

# pve_stop_forced VMID - PVE's last resort: SIGKILL, a second's sleep, pid file gone, whether QEMU has let go or not
pve_stop_forced() {
	local pid
	pve_lock "$1"
	pve_hook "$1" pre-stop
	read -r pid <"/run/qemu-server/$1.pid"
	kill -KILL "$pid"
	sleep 1
	rm -f "/run/qemu-server/$1.pid"
	pve_after "$1"
	pve_unlock
}

# pve_end VMID SIGNAL - make QEMU end, and wait for it
pve_end() {
	local pid
	read -r pid 2>/dev/null <"/run/qemu-server/$1.pid" || return 0
	kill "-$2" "$pid"
	wait_for 30 pve_gone "$pid" || kill -KILL "$pid"
	rm -f "/run/qemu-server/$1.pid"
}
pve_gone() { [ ! -d "/proc/$1" ]; }

# pve_after VMID - what follows a VM's end: the reservation goes; post-stop, once, if there was a start
pve_after() {
	pve_unreserve "$1"
	[ -e "/run/qemu-server/$1.cleanup" ] || return 0
	rm -f "/run/qemu-server/$1.cleanup"
	pve_hook "$1" post-stop || echo "warning: hookscript error for $1 on post-stop"
	# Its guard sees that, and ends, in its own time; a scenario that compares processes must not see it go.
	[ -e "/run/pvebind/$1.journal" ] || wait_for 10 test ! -e "/run/pvebind/$1.guard"
}

# pve_cleanup VMID - `qm cleanup`, which qmeventd calls when a guest powered itself off: no pre-stop
pve_cleanup() {
	pve_lock "$1"
	pve_running "$1" && { pve_unlock; echo "vm still running"; return 1; }
	pve_after "$1"
	pve_unlock
}
