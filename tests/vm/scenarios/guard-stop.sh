#: summary the guard when VMs end: lost post-stops, locks held by others, slow ones, a reboot that never starts; and idle
#: devices gpu gpu2 edu testdev nic usb vga
#: memory 2048
#: timeout 900
#: long
# shellcheck shell=bash disable=SC2034
. tests/vm/guard.sh

# One VM a case, so that they wait at the same time.
pve_conf 100 <<<'hostpci0: 0000:01:00,pcie=1' # QEMU is killed; qm cleanup gave up, as something else had the lock
pve_conf 101 <<<'hostpci0: 05:00.0'           # as 103, and something else has the lock for a minute
pve_conf 102 <<<'hostpci0: 0000:02:00,pcie=1' # a post-stop that dies
pve_conf 103 <<<'hostpci0: 03:00.0'           # an older Proxmox VE: no flag
pve_conf 104 <<<'hostpci0: 06:00.0'           # a reboot that never starts
pve_conf 105 <<<'hostpci0: 07:00.0'           # runs all the time
pve_conf 106 <<<'hostpci0: 08:00.0'           # a backup in stop mode whose start is long in coming, and never does
usb=$(driver 07:00)
snap before
for vm in 100 101 102 103 104 105 106; do
	PVE_OLD=no
	case $vm in 101 | 103) PVE_OLD=yes ;; esac
	ok "VM $vm starts" pve_start $vm
done
PVE_OLD=no
for vm in 101 103; do
	ok "VM $vm's is an older Proxmox VE" test ! -e /run/qemu-server/$vm.cleanup
done
for vm in 100 101 102 103 104 105 106; do
	ok "VM $vm has a guard" guard_of $vm
done

guard_of 105
# VM 105 runs. Its lock is taken and released ten times meanwhile.
idle=$GUARD
switches() { awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$idle/status"; }
private() { awk '/^Private_(Clean|Dirty)/ { n += $2 } END { print n }' "/proc/$idle/smaps_rollup"; }
sleep 2
slept=$(switches)
idle_began=$SECONDS
(for _ in 1 2 3 4 5 6 7 8 9 10; do
	flock /run/lock/qemu-server/lock-105.conf sleep 6
	sleep 6
done) </dev/null >/dev/null 2>&1 19>&- &
locker=$!
say "the guard has $(private) KiB of private memory"
ok "the guard has at most 1 MiB of memory of its own" test "$(private)" -le 1024
ok "and some, or the measure is wrong" test "$(private)" -gt 10

# home_after VMID - note how long it takes from now until its devices are home, in /run/home-VMID, and when, in /run/back-VMID
home_after() {
	local began=${EPOCHREALTIME/./}
	(
		while [ -e "/run/pvebind/$1.journal" ]; do sleep 0.5; done
		echo "${EPOCHREALTIME/./}" >"/run/back-$1"
		ms_since "$began" >"/run/home-$1"
	) </dev/null >/dev/null 2>&1 8>&- 19>&- &
}

# These take as long as Proxmox VE may: 90 s and some.
ok "something else has VM 100's lock" hold_lock 100 65
vm_dies 100
home_after 100
rm /run/qemu-server/100.pid
# Stopped by a reboot. The start that would follow never comes.
touch /run/qemu-server/104.reboot
ok "VM 104 stops to start again" pve_stop 104
like "and keeps its device" "$TRY_OUT" 'stay on vfio \(it starts again at once\)'
home_after 104
guard_of 104
reboot_guard=$GUARD
sed -i '1i lock: backup' /etc/pve/qemu-server/106.conf
ok "VM 106 stops for its backup" pve_stop 106
like "and keeps its device" "$TRY_OUT" 'stay on vfio \(it starts again at once\)'
ok "its start has the lock" hold_lock 106 135
home_after 106

# The flag goes just before post-stop, which then dies with all of PVE's worker; the lock is held 5 s more.
pve_lock 102
vm_dies 102
rm /run/qemu-server/102.pid
rm /run/qemu-server/102.cleanup
sleep 5
ok "while the lock is held a post-stop may be under way: nothing is done" lent 102
ok "and the card is not on its way" on 02:00 vfio-pci
pve_unlock
freed=${EPOCHREALTIME/./}
ok "when it is free the card comes home" wait_for 30 back 102
ok "at once" test "$(ms_since "$freed")" -lt 15000
is "to its driver" "$(driver 02:00)" bochs-drm

# No flag at all: ten seconds, then the lock, which something else has of VM 101.
ok "something else has VM 101's lock" hold_lock 101 60
vm_dies 101
died=${EPOCHREALTIME/./}
home_after 101
rm /run/qemu-server/101.pid
vm_dies 103
ended=${EPOCHREALTIME/./}
rm /run/qemu-server/103.pid
sleep 5
ok "without a flag post-stop may come still: nothing is done for some seconds" lent 103
ok "then the device comes home" wait_for 40 back 103
ok "not before ten seconds" test "$(ms_since "$ended")" -ge 9500
ok "VM 101's lock is held still" pve_locked 101
ok "and nothing is done" lent 101
is "its device is where it was" "$(driver 05:00)" vfio-pci
unlike "no return has begun" "$(cat /run/pvebind/101.journal)" returning

# VM 102 again: it lets go late. post-stop waits, and the guard leaves it alone.
ok "VM 102 starts" pve_start 102
guard_of 102
read -r pid </run/qemu-server/102.pid
kill -STOP "$pid"
kill -TERM "$pid"
mv /run/qemu-server/102.pid /run/102.pid
(sleep 12; kill -CONT "$pid") </dev/null >/dev/null 2>&1 8>&- 19>&- &
pve_lock 102
ok "a post-stop that takes long" pve_after 102
pve_unlock
ok "took long" test "$HOOK_MS" -gt 9000
like "and did it itself" "$HOOK_OUT" '0000:02:00.0, 0000:02:00.1 home again'
ok "the guard ends" wait_for 10 unguarded 102

# And longer than the hook's time: the guard finishes.
mkdir -p /etc/pvebind
printf '[vm 102]\nhook-timeout = 10s\n' >/etc/pvebind/pvebind.ini
ok "VM 102 starts" pve_start 102
guard_of 102
read -r pid </run/qemu-server/102.pid
kill -STOP "$pid"
kill -TERM "$pid"
mv /run/qemu-server/102.pid /run/102.pid
pve_lock 102
ok "a post-stop that has not the time is content" pve_after 102
pve_unlock
like "since the guard will finish" "$HOOK_OUT" 'VM 102: its devices are not let go of yet; the guard will finish'
is "QEMU has the group still" "$(holders 02:00)" "$pid"
sleep 3
ok "nothing is forced" on 02:00 vfio-pci
kill -CONT "$pid"
ok "when QEMU has let go the card comes home" wait_for 40 back 102
is "to its driver" "$(driver 02:00)" bochs-drm

# Without a guard that is somebody's business.
ok "VM 102 starts" pve_start 102
guard_of 102
kill -TERM "$GUARD"
ok "a guard that is told to go goes" wait_for 10 unguarded 102
ok "and touches nothing" on 02:00 vfio-pci
read -r pid </run/qemu-server/102.pid
kill -STOP "$pid"
kill -TERM "$pid"
mv /run/qemu-server/102.pid /run/102.pid
rm -f /run/qemu-server/102.cleanup
fails_with 4 "a post-stop without time and guard wants attention" pve_hook 102 post-stop
kill -CONT "$pid"
wait_for 20 pve_gone "$pid"
ok "and a person's return" "$TOP/build/pvebind" return 102
rm /etc/pvebind/pvebind.ini

# A forced stop: SIGKILL, the pid file gone, post-stop a second later.
ok "VM 103 starts" pve_start 103
guard_of 103
ok "a forced stop" pve_stop_forced 103
like "takes back by itself" "$TRY_OUT" 'home again'
ok "the guard ends" wait_for 10 unguarded 103

# Now those that took their time.
for vm in 100 101 104 106; do
	ok "VM $vm's devices come home" wait_for 150 test -s /run/home-$vm
	say "VM $vm: home after $(cat /run/home-$vm) ms"
done
ok "VM 100's not before qm cleanup must have given up" test "$(cat /run/home-100)" -ge 99000
ok "nor much later" test "$(cat /run/home-100)" -lt 130000
ok "though its lock was free again by then" test "$(cat /run/back-100)" -gt $(($(cat /run/freed-100) + 20000000))
freed=$(cat /run/freed-101)
ok "VM 101's lock was held for a minute from its end on" test $((freed - died)) -ge 55000000
ok "its device did not come home meanwhile" test "$(cat /run/back-101)" -ge "$freed"
ok "but as soon as the lock was free" test "$(cat /run/back-101)" -lt $((freed + 15000000))
ok "VM 104's not before its start is overdue" test "$(cat /run/home-104)" -ge 118000
freed=$(cat /run/freed-106)
ok "VM 106's did not while the lock was held, overdue or not" test "$(cat /run/back-106)" -ge "$freed"
ok "but as soon as it was free" test "$(cat /run/back-106)" -lt $((freed + 15000000))
ok "the guards end" wait_for 10 unguarded 104
isnt "there was one for VM 104" "$reboot_guard" ''

# VM 105 has run all along.
wait $locker
ok "two minutes have passed" test $((SECONDS - idle_began)) -ge 115
is "VM 105's guard is there" "$(guard_pid 105)" "$idle"
ok "the VM has its device" test "$(holders 07:00)" = "$(cat /run/qemu-server/105.pid)"
woke=$(($(switches) - slept))
say "the guard ran $woke times in two minutes"
ok "its guard slept all the time" test $woke -le 2
ok "VM 105 stops" pve_stop 105
is "its device is home" "$(driver 07:00)" "$usb"
rm -f /run/qemu-server/*.cleanup /run/qemu-server/*.reboot /run/qemu-server/10?.pid
same_as before "all is home"
