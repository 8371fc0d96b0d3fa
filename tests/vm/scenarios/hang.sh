#: summary remove(), probe() and resets that hang: the hook answers in time, the rest goes home, the hung device is left alone and comes home by itself
#: devices edu testdev
#: qemu -device edu,id=slot0,bus=rp1,addr=0.0,multifunction=on -device pci-testdev,id=slot1,bus=rp1,addr=0.1
#: modules yes
#: timeout 600
# shellcheck shell=bash

EDU=0000:05:00.0
# shellcheck disable=SC2153 # HOOK is pve.sh's
pvebind=${HOOK%-hook}
pve_conf 100 <<<$'hostpci0: 05:00\nhostpci1: 06:00'
times() { printf '[vm 100]\ndevice-timeout = %s\nhook-timeout = %s\n' "$1" "$2" >/etc/pve/pvebind.ini; }
times 3s 8s

# answers TEXT - the last hook answered in time, and left PVE's pipes with its end
answers() {
	ok "$1: within hook-timeout and 2 s" test "$HOOK_MS" -lt 10000
	ok "$1: both pipes end with the hook" test "$HOOK_EOF_MS" -lt 1000
}
# left_alone ADDRESS - it is marked as stuck: a second try, and every command, answers at once without touching it
left_alone() {
	local mark before now began
	mark=$(echo /run/pvebind/*"$1"*stuck*)
	ok "it is marked as stuck" test -s "$mark"
	before="$(d_state)$(get_param adversary probes)/$(get_param adversary removes)"
	try pve_phase 100 pre-start
	like "a second pre-start is refused" "$HOOK_STATUS" '^[14]$'
	like "as stuck" "$HOOK_OUT$HOOK_ERR" "stuck.*$1|$1.*(stuck|hangs in the kernel)"
	ok "at once" test "$HOOK_MS" -lt 2000
	ok "its pipes end with it" test "$HOOK_EOF_MS" -lt 1000
	pve_conf 101 <<<"hostpci0: $1"
	try pve_phase 101 pre-start
	like "another VM's is refused" "$HOOK_STATUS" '^[14]$'
	like "as stuck, too" "$HOOK_OUT$HOOK_ERR" "stuck.*$1|$1.*(stuck|hangs in the kernel)"
	ok "at once" test "$HOOK_MS" -lt 2000
	for command in "status" "plan 100" "recover 100" "return 100"; do
		began=${EPOCHREALTIME/./}
		# shellcheck disable=SC2086 # words are wanted
		try timeout -k 1 20 $pvebind $command </dev/null
		echo "$command: status $?"
		ok "pvebind $command answers at once" test $((${EPOCHREALTIME/./} - began)) -lt 3000000
	done
	now="$(d_state)$(get_param adversary probes)/$(get_param adversary removes)"
	[ "$now" = "$before" ] || head /proc/[0-9]*/{cmdline,stack} 2>/dev/null | grep -a -A4 -B3 pvebind >"$OUT/touched"
	is "none of them touched it" "$now" "$before"
}
# d_state - the processes that sleep beyond the reach of signals, kernel threads apart
d_state() {
	local f pids=''
	# shellcheck disable=SC2013 # no blanks there
	for f in $(grep -ls '^State:.D' /proc/[0-9]*/status); do
		# only kernel threads have no parent but 2
		grep -qs '^PPid:.2$' "$f" || pids="$pids$(echo "$f" | cut -d/ -f3) "
	done
	echo "$pids"
}
some_d_state() { [ -n "$(d_state)" ]; }
home() { [ "$(driver "$1")" = adversary ]; }
# comes_home NAME ADDRESS… - what hung has been told to go on; the host is as it was before, without a command
comes_home() {
	local address home=0 before=$1
	shift
	for address; do
		wait_for 20 home "$address" || home=1
	done
	verdict $home "after the hang it comes home without a command" "$* is on $(driver "$1")"
	ok "and the journal is gone, without a command" wait_for 20 test ! -e /run/pvebind/100.journal
	ok "recover has nothing to do, or does it" timeout -k 1 20 "$pvebind" recover 100 </dev/null
	wait_for 10 eval '! pgrep -f "pvebind-(hook|guard)"' || pgrep -af pvebind
	same_as "$before" "the host is as before"
}

adversary adversary "only=$EDU"
modprobe -a vfio-pci vfio_iommu_type1 # not what is measured
snap before

# --- remove(), on the way out ---
set_param adversary hang_remove Y
try pve_phase 100 pre-start
like "remove() hangs: pre-start fails, and one device is not home" "$HOOK_STATUS" '^4$'
answers "remove() hangs"
like "it names the device and what it does" "$HOOK_OUT$HOOK_ERR" "05:00\.0.*unbind.*hangs"
ok "remove() hangs indeed" some_d_state
is "the other device is home" "$(driver 06:00.0)" adversary
is "with no override" "$(override 06:00.0)" ""
left_alone $EDU
set_param adversary hang_remove N
comes_home before 05:00.0

# --- asked to stop while it hangs ---
times 60s 90s
set_param adversary hang_remove Y
pve_lock 100
"$HOOK" 100 pre-start </dev/null >/tmp/hook.out 2>&1 8>&- 19>&- &
hook=$!
ok "remove() hangs" wait_for 20 some_d_state
began=${EPOCHREALTIME/./}
kill -TERM $hook
wait $hook
status=$?
pve_unlock
cat /tmp/hook.out
ok "told to end, the hook ends within 5 s" test $((${EPOCHREALTIME/./} - began)) -lt 5500000
is "one device is not home" $status 4
is "the other is" "$(driver 06:00.0)" adversary
set_param adversary hang_remove N
comes_home before 05:00.0
times 3s 8s

# --- the hook killed while it hangs: its worker is left, and has the device's lock ---
set_param adversary hang_remove Y
"$HOOK" 100 pre-start </dev/null >/tmp/hook.out 2>&1 8>&- 19>&- &
hook=$!
ok "remove() hangs" wait_for 20 some_d_state
kill -KILL $hook
wait $hook
is "the hook is killed" $? 137
began=${EPOCHREALTIME/./}
fails_with 4 "recover cannot bring it home" timeout -k 1 30 "$pvebind" recover 100 </dev/null
like "it names the device" "$TRY_OUT" "05:00\.0.*hangs in the kernel"
ok "it ends when the device's time is over" test $((${EPOCHREALTIME/./} - began)) -lt 6000000
is "the other is home" "$(driver 06:00.0)" adversary
left_alone $EDU
set_param adversary hang_remove N
ok "the worker ends with the hang" wait_for 20 eval '! some_d_state'
ok "recover finishes it" timeout -k 1 20 "$pvebind" recover 100 </dev/null
is "it is home" "$(driver 05:00.0)" adversary
same_as before "the host is as before"

# --- probe(), on the way home ---
pve_lock 100
ok "the devices are lent" pve_hook 100 pre-start
is "to vfio-pci" "$(driver 05:00.0) $(driver 06:00.0)" "vfio-pci vfio-pci"
set_param adversary hang_probe Y
fails_with 4 "probe() hangs: post-stop says that one device is not home" pve_hook 100 post-stop
pve_unlock
answers "probe() hangs"
like "it names the device and what it does" "$HOOK_OUT$HOOK_ERR" "05:00\.0.*(bind|home).*hangs"
ok "probe() hangs indeed" some_d_state
is "the other device is home" "$(driver 06:00.0)" adversary
left_alone $EDU
set_param adversary hang_probe N
comes_home before 05:00.0

# --- a reset, on the way out ---
adversary deadcard device=$EDU hang=Y
try pve_phase 100 pre-start
like "the reset hangs: pre-start fails, and one device is not home" "$HOOK_STATUS" '^4$'
answers "the reset hangs"
ok "a reset has begun" test "$(get_param deadcard resets)" -ge 1
ok "and hangs indeed" some_d_state
is "the other device is home" "$(driver 06:00.0)" adversary
left_alone $EDU
set_param deadcard hang N
comes_home before 05:00.0

# --- a reset, on the way home ---
pve_lock 100
ok "the devices are lent" pve_hook 100 pre-start
set_param deadcard hang Y
fails_with 4 "the reset hangs: post-stop says that one device is not home" pve_hook 100 post-stop
pve_unlock
answers "the reset hangs"
ok "it hangs indeed" some_d_state
is "the other device is home" "$(driver 06:00.0)" adversary
left_alone $EDU
set_param deadcard hang N
comes_home before 05:00.0
rmmod deadcard

# --- the reset of a slot, on the way out ---
pve_conf 100 <<<$'hostpci0: 01:00\nhostpci1: 06:00'
adversary deadcard device=0000:01:00.0 hang=Y
try pve_phase 100 pre-start
like "the slot's reset hangs: pre-start fails, and devices are not home" "$HOOK_STATUS" '^4$'
answers "the slot's reset hangs"
ok "a reset has begun" test "$(get_param deadcard resets)" -ge 1
ok "and hangs indeed" some_d_state
is "the other device is home" "$(driver 06:00.0)" adversary
left_alone 0000:01:00.0
set_param deadcard hang N
comes_home before 01:00.0 01:00.1
rmmod deadcard
