# A device that is pulled out of the machine between two steps. Sourced by the scenarios vanish and vanish-all.
# shellcheck shell=bash

EDU=0000:05:00.0
plug() {
	[ ! -e "$(dev $EDU)" ] || return 0
	qmp '{"execute":"device_add","arguments":{"driver":"edu","id":"edu","bus":"rp5"}}' && wait_for 20 plugged
}
plugged() { [ -e "$(dev $EDU)/driver_override" ] && [ "$(driver $EDU)" = adversary ]; }
unplugged() { [ ! -e "$(dev $EDU)" ]; }

vanish_setup() {
	pve_conf 100 <<<$'hostpci0: 05:00.0\nhostpci1: 06:00.0'
	printf '[vm 100]\ndevice-timeout = 20s\nhook-timeout = 60s\n' >/etc/pve/pvebind.ini
	modprobe -a vfio-pci vfio_iommu_type1
	TRACER=$TOP/build/tests/tracer
	if [ tests/vm/tracer.c -nt "$TRACER" ] || [ tests/vm/call.c -nt "$TRACER" ]; then
		TRACER=/run/tracer
		ok "the tracer is built" cc -D_GNU_SOURCE -o $TRACER tests/vm/tracer.c tests/vm/call.c
	fi
	# The tracer runs this while everything stands still.
	cat >/run/unplug <<-END
		#!/bin/bash
		cd $TOP && . tests/vm/lib.sh && . tests/vm/pve.sh && . tests/vm/vanish.sh
		qmp '{"execute":"device_del","arguments":{"id":"edu"}}' && wait_for 20 unplugged && echo gone >/run/unplugged
	END
	chmod +x /run/unplug
	adversary adversary
	ok "the devices are at home" wait_for 10 plugged
}

# traced PHASE [TRACER ARGUMENT…] - the hook under the tracer; its status in HOOK_STATUS, lines in HOOK_OUT, calls in /run/calls
traced() {
	local phase=$1
	shift
	"$TRACER" -o 3 "$@" "$HOOK" 100 "$phase" 3>/run/calls >/run/hook.out 2>&1 </dev/null 19>&-
	HOOK_OUT=$(</run/hook.out)
	HOOK_STATUS=$(sed -n 's/^ended //p' /run/calls)
	sed 's/^/  hook: /' /run/hook.out
}
# points PHASE - the calls that have to do with the device, "PROC CALL" a line, once each; the host is then one phase further
points() {
	traced "$1"
	sed -n 's/^call \(worker\|hook\) /\1 /p' /run/calls | grep -F -e $EDU -e '.journal' | grep -vF /run/hook.out | awk '!seen[$0]++'
}
home() { [ "$(driver 06:00.0)" = adversary ] && [ -z "$(override 06:00.0)" ]; }
left() { (cd /run/pvebind && find . -type f ! -name '*.lock'); }

# vanish_at PHASE PROC CALL - one test case: the device goes before that call, and nobody minds
vanish_at() {
	local text="$1: gone before $2 $3" faults=''
	rm -f /run/unplugged
	traced "$1" -p "$2" -c "$3" -n 1 -a /run/unplug
	[ -e /run/unplugged ] || faults="$faults; the device was not unplugged"
	case $1,$HOOK_STATUS in
	# The last steps of a lend need no device any more: then it is lent, or what is left of it.
	pre-start,0) "$HOOK" 100 post-stop >/run/hook.out 2>&1 || faults="$faults; post-stop gave $?: $(cat /run/hook.out)" ;;
	pre-start,1 | post-stop,0) ;;
	*) faults="$faults; status $HOOK_STATUS" ;;
	esac
	[ "$1,$HOOK_STATUS" != pre-start,1 ] || grep -q "error: .*$EDU" <<<"$HOOK_OUT" || faults="$faults; no error names the device"
	home || faults="$faults; 06:00.0 is on $(driver 06:00.0)"
	[ -z "$(left)" ] || faults="$faults; left: $(left | tr '\n' ' ')"
	verdict "$([ -z "$faults" ]; echo $?)" "$text" "$faults
$HOOK_OUT"
	try "${HOOK%-hook}" recover || verdict 1 "recover after: $text" "$TRY_OUT"
	plug
}

# vanish EVERY - at every EVERYth point of both phases
vanish() {
	local every=$1 phase list n
	vanish_setup
	snap before
	for phase in pre-start post-stop; do
		[ $phase = pre-start ] || try "$HOOK" 100 pre-start
		points $phase >/run/points
		[ $phase = post-stop ] || try "$HOOK" 100 post-stop
		mapfile -t list < <(grep -v '^  hook:' /run/points)
		verdict "$((${#list[@]} <= 15))" "$phase has ${#list[@]} points" "too few: $(cat /run/points)"
		for ((n = every / 2; n < ${#list[@]}; n += every)); do
			[ $phase = pre-start ] || try "$HOOK" 100 pre-start
			vanish_at $phase "${list[n]%% *}" "${list[n]#* }"
		done
	done
	ok "all is plugged in" wait_for 10 plugged
	same_as before "everything is as it was"
}
