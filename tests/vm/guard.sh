# Guards: what scenarios about them share. Sourced by those, not by every one.
# shellcheck shell=bash
# shellcheck disable=SC2034 # what is set here is for the scenarios

# guard_pid VMID - the pid of its guard, if one lives
guard_pid() {
	local pid
	read -r pid _ 2>/dev/null <"/run/pvebind/$1.guard" || return 1
	[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = pvebind-guard ] && echo "$pid"
}
unguarded() { ! guard_pid "$1"; }
# guard_of VMID - wait for its guard, which starts beside the hook; its pid is in GUARD
GUARD=''
guard_of() { wait_for 20 guard_pid "$1" && GUARD=$(guard_pid "$1"); }

# nice_is PID NICE - it has that, nice(2)
nice_is() { [ "$(ps -o nice= -p "$1" | tr -d ' ')" = "$2" ]; }
# guard_nice VMID NICE - its guard has
guard_nice() {
	local pid
	pid=$(guard_pid "$1") && nice_is "$pid" "$2"
}

# on ADDRESS DRIVER - it is on that driver ("none")
on() { [ "$(driver "$1")" = "$2" ]; }
# lent VMID - there is a journal
lent() { [ -e "/run/pvebind/$1.journal" ]; }
back() { ! lent "$1"; }

# hook_bg VMID PHASE - the hook, not waited for; its pid is in HOOK_PID, what it says in /run/hook.out
hook_bg() {
	LC_ALL=C "$HOOK" "$1" "$2" </dev/null >/run/hook.out 2>&1 8>&- 19>&- &
	HOOK_PID=$!
}
# journal_has VMID ERE SECONDS - wait until it does, without a process: the hook is quick
journal_has() {
	local text until=$((SECONDS + $3))
	until read -r -d '' text 2>/dev/null <"/run/pvebind/$1.journal"; [[ ${text:-} =~ $2 ]]; do
		[ $SECONDS -lt $until ] || return 1
	done
}
# hold_lock VMID SECONDS - something else has the VM's lock: a snapshot, a clone. When it lets go is in /run/freed-VMID.
hold_lock() {
	(
		exec 8>"/run/lock/qemu-server/lock-$1.conf"
		flock 8
		sleep "$2"
		echo "${EPOCHREALTIME/./}" >"/run/freed-$1"
	) </dev/null >/dev/null 2>&1 19>&- &
	wait_for 10 pve_locked "$1"
}
# vm_dies VMID - QEMU is killed, and nobody calls post-stop. Returns when it is gone.
vm_dies() {
	local pid
	read -r pid <"/run/qemu-server/$1.pid"
	kill -KILL "$pid"
	wait_for 20 pve_gone "$pid"
}
# ms_since MICROSECONDS (of EPOCHREALTIME)
ms_since() { echo $(((${EPOCHREALTIME/./} - $1) / 1000)); }
pve_locked() { ! flock -n "/run/lock/qemu-server/lock-$1.conf" true; }
