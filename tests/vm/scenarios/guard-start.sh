#: summary the guard while a VM starts: failed starts, dead hooks, a slow start, a killed guard
#: devices gpu
#: timeout 600
# shellcheck shell=bash
. tests/vm/guard.sh

pve_conf 100 <<<'hostpci0: 0000:01:00,pcie=1'
snap before

# The start fails after pre-start. Proxmox VE calls no hook any more.
fails_with 1 "a start that fails after pre-start" pve_start 100 -device no-such-device
like "the devices had been lent for it" "$HOOK_OUT" 'VM 100: lent 0000:01:00.0, 0000:01:00.1'
unlike "and no post-stop came" "$TRY_OUT" post-stop
ok "they come home all the same" wait_for 20 back 100
ok "the guard ends" wait_for 10 unguarded 100
same_as before "all is home"

# caught_at SIGNAL ERE - the hook gets the signal as its journal has that. False: this shell was so slow that all was lent by then.
caught_at() {
	hook_bg 100 pre-start
	ok "pre-start has come to '$2'" journal_has 100 "$2" 20
	kill -"$1" $HOOK_PID 2>/dev/null
	[ "$1" = STOP ] || wait $HOOK_PID 2>/dev/null
	! grep -q ' state is=lent' /run/pvebind/100.journal || [[ $2 = state* ]]
}
# home_by SECONDS - the guard brings all home, or what it left says why not
home_by() {
	wait_for "$1" back 100 && return
	cat /run/pvebind/100.journal
	"${HOOK%-hook}" status
	return 1
}
# caught SIGNAL ERE - the same, begun anew until it was in time. Proxmox VE's lock is held.
caught() {
	pve_lock 100
	until caught_at "$@"; do
		kill -CONT $HOOK_PID 2>/dev/null
		wait $HOOK_PID 2>/dev/null
		pve_unlock
		ok "a lend that was quicker is undone" home_by 30
		ok "the guard ends" wait_for 10 unguarded 100
		pve_lock 100
	done
}

# It begins behind everything else: one that never comes to itself. Then it is as any other, also while it waits.
mkdir /run/aside
cp "$HOOK" "$HOOK-kmod" /run/aside/
printf '#!/bin/sh\necho $$ >/run/aside/pid\nexec sleep 1000\n' >/run/aside/pvebind-guard
chmod +x /run/aside/pvebind-guard
HOOK=/run/aside/pvebind-hook ok "lent with a guard that does nothing" pve_phase 100 pre-start
ok "it runs" wait_for 10 test -s /run/aside/pid
ok "what becomes the guard has the lowest priority" nice_is "$(</run/aside/pid)" 19
kill "$(</run/aside/pid)"
ok "its lend is taken back" pve_phase 100 post-stop
caught STOP 'intent op=0'
ok "a guard is as any other process while the lend is being made" wait_for 10 guard_nice 100 0
kill -CONT $HOOK_PID
wait $HOOK_PID
ok "it is made" journal_has 100 'state is=lent' 1
pve_unlock
ok "the devices come home" home_by 30
ok "the guard ends" wait_for 10 unguarded 100
same_as before "all is home"

# Killed at each of these, while Proxmox VE's lock stays held.
for at in 'intent op=0' 'intent op=3' 'state is=lent'; do
	caught KILL "$at"
	case $at in *lent)
		sleep 3
		ok "one that was killed behind its work has lent: the start may go on" lent 100
		pve_unlock
		;;
	esac
	ok "killed there, the devices come home" home_by 30
	pve_unlock
	ok "the guard ends" wait_for 10 unguarded 100
	same_as before "all is home"
done

# The task's process group gets it, PVE's worker that has the lock with the hook.
task_start() {
	# shellcheck disable=SC2016
	setsid bash -c 'exec 8>/run/lock/qemu-server/lock-100.conf; flock 8; "$HOOK" 100 pre-start 8>&-; sleep 60' \
		</dev/null >/run/task.out 2>&1 19>&- &
	TASK=$!
}
for signal in TERM KILL; do
	task_start
	ok "a task's pre-start is under way" journal_has 100 'intent op=2' 20
	kill -$signal -- -$TASK
	wait $TASK 2>/dev/null
	ok "SIG$signal to the task's process group: the devices come home" wait_for 30 back 100
	ok "the guard ends" wait_for 10 unguarded 100
	same_as before "all is home"
done

# A start of 30 seconds: big memory, slow storage.
rm /usr/bin/kvm
cat >/usr/bin/kvm <<'END'
#!/bin/bash
sleep 30
exec -a /usr/bin/kvm qemu-system-x86_64 "$@"
END
chmod +x /usr/bin/kvm
ok "a start that takes 30 s" pve_start 100
guard=$(guard_pid 100)
isnt "has its guard" "$guard" ''
unlike "which did nothing" "$(cat /run/pvebind/100.journal)" returning
ok "the VM has the card" test "$(holders 01:00)" = "$(cat /run/qemu-server/100.pid)"
ln -sf "$(command -v qemu-system-x86_64)" /usr/bin/kvm

# The guard is killed, the VM dies: nobody is left to act. The next start makes good.
kill -KILL "$guard"
vm_dies 100
rm /run/qemu-server/100.pid /run/qemu-server/100.cleanup
sleep 5
ok "without a guard the devices stay lent" lent 100
ok "the next start" pve_start 100
like "finds them lent" "$HOOK_OUT$TRY_OUT" 'lent already'
ok "and has a guard" guard_of 100
ok "the VM stops" pve_stop 100
ok "the guard ends" wait_for 10 unguarded 100
same_as before "all is home"

# A VM dies, and its post-stop does, too: .cleanup has gone, the lock is free again, the devices are still lent.
ok "the VM starts" pve_start 100
guard_of 100
vm_dies 100
rm /run/qemu-server/100.pid /run/qemu-server/100.cleanup
ok "its devices come home" wait_for 30 back 100
ok "the guard ends" wait_for 10 unguarded 100
same_as before "all is home"

# By hand there is nothing to guard: no start is under way whose end would tell.
ok "pre-start by hand, without Proxmox VE's lock" pve_hook 100 pre-start
like "says that there is no guard" "$HOOK_OUT" 'no guard watches what is lent'
sleep 2
ok "and there is none" unguarded 100
ok "post-stop takes back" pve_hook 100 post-stop
same_as before "all is home"

# guard = no
mkdir -p /etc/pvebind
printf '[vm 100]\nguard = no\n' >/etc/pvebind/pvebind.ini
fails_with 1 "a start that fails, with guard = no" pve_start 100 -device no-such-device
sleep 5
ok "stays as Proxmox VE leaves it" lent 100
ok "until somebody takes back" "$TOP/build/pvebind" return 100
same_as before "all is home"
