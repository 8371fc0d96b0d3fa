#: summary the guard as a unit of systemd's: seen, failed where a card is not home, stopped; and the host goes down
#: devices gpu edu
#: init systemd
#: timeout 1000
# shellcheck shell=bash
. tests/vm/guard.sh

units() { systemctl list-units --all --plain --no-legend 'pvebind-guard-*' | awk '{ print $1, $4 }'; }
no_units() { [ -z "$(units)" ]; }
said() { journalctl --no-pager -o cat -t pvebind "$@"; }
# events VMID - those of its log, in order
events() { journalctl --sync; "$TOP/build/pvebind" log "$1" | awk '{ print $5 }' | xargs; }
state_is() { [ "$(systemctl is-system-running)" = "$1" ]; }

pve_conf 100 <<<'hostpci0: 0000:01:00,pcie=1'
ok "the host is up" wait_for 30 state_is running
snap before

ok "a VM starts" pve_start 100
ok "and has a guard" guard_of 100
unit=$(units)
like "which is a unit" "$unit" '^pvebind-guard-100-[0-9]+\.service running$'
unit=${unit% *}
is "its process is the guard" "$(unit_pid "$unit")" "$GUARD"
is "in a cgroup of its own, not in that of the task" "$(cat "/proc/$GUARD/cgroup")" "0::/system.slice/$unit"
is "described for people" "$(systemctl show -P Description "$unit")" "pvebind: guard of the devices of VM 100"
like "status shows it" "$("$TOP/build/pvebind" status)" "its guard is process $GUARD\$"
pve_conf 101 <<<'hostpci0: 0000:01:00,pcie=1'
fails_with 1 "another VM's start is refused" pve_start 101
ok "the VM stops" pve_stop 100
ok "the unit goes, without a trace" wait_for 20 no_units
same_as before "all is home"

fails_with 1 "a start that fails" pve_start 100 -device no-such-device
ok "comes home" wait_for 30 back 100
like "the system's log says why" "$(said)" 'VM 100: its start failed: taking back 0000:01:00.0, 0000:01:00.1'
ok "the unit goes" wait_for 20 no_units
same_as before "all is home"

# Stopped as any unit: it goes, touching nothing.
ok "a VM starts" pve_start 100
guard_of 100
unit=$(units)
ok "its guard's unit is stopped" systemctl stop "${unit% *}"
ok "the guard is gone" unguarded 100
is "the VM has its card" "$(holders 01:00)" "$(cat /run/qemu-server/100.pid)"
like "status says that nobody is there" "$("$TOP/build/pvebind" status)" 'it has no guard'
ok "the VM stops" pve_stop 100
rm -f /run/pvebind/100.guard
same_as before "all is home"

# The sound's driver is nowhere to be found when the VM dies: that is for whoever watches the units.
hide=/lib/modules/$(uname -r)/kernel/sound
ok "a VM starts" pve_start 100
guard_of 100
unit=$(units) unit=${unit% *}
rmmod snd_hda_intel
mount -t tmpfs hide "$hide"
vm_dies 100
rm /run/qemu-server/100.pid /run/qemu-server/100.cleanup
pve_unreserve 100
ok "a card that cannot be brought home fails the unit" wait_for 90 unit_is "$unit" failed
is "with the status for that" "$(systemctl show -P ExecMainStatus "$unit")" 4
ok "so does the system" state_is degraded
like "the system's log says why" "$(said -p err)" '^0000:01:00\.1: .*snd_hda_intel'
like "and that it was tried again" "$(said)" 'VM 100: its guard has tried in vain'
is "what could go home is there" "$(driver 01:00.0)" bochs-drm
umount "$hide"
ok "a person's recover" "$TOP/build/pvebind" recover 100
ok "and reset-failed" systemctl reset-failed "$unit"
same_as before "all is home"

# All of that, as journald has kept it.
life=$(events 100)
like "the log has the start and the stop" "$life" '^lend lent running return home '
like "the start that failed" "$life" ' home lend lent recover home '
like "the card that could not be brought home" "$life" ' lend lent running recover (failed )+not-home recover (failed )+not-home not-home '
like "and the person's recover" "$life" ' not-home recover home$'
like "the refusals are the other VM's" "$(events 101)" '^refused( refused)*$'
like "with its name" "$("$TOP/build/pvebind" log 101 --json)" '"refusal": *"held"'
like "people see how long it was lent" "$("$TOP/build/pvebind" log 100)" 'home +[0-9.]+ m?s  0000:01:00.0, 0000:01:00.1 home again, lent for [0-9]'
like "the steps are in it when asked for" "$("$TOP/build/pvebind" log 100 --all)" '0000:01:00.1: bound to vfio-pci'
like "what is not home is found by its fields" "$(journalctl --no-pager -o cat PVEBIND_EVENT=not-home PVEBIND_DEVICE=0000:01:00.1 PRIORITY=3)" \
	'VM 100: not everything is home'
setpriv --reuid=65534 --clear-groups logger --journald <<END
MESSAGE=VM 100: lent 0000:01:00.0
SYSLOG_IDENTIFIER=pvebind
PVEBIND_VM=100
PVEBIND_EVENT=lent
END
is "what another user writes under that name" "$(journalctl --sync; journalctl -q -o cat -t pvebind _UID=65534)" 'VM 100: lent 0000:01:00.0'
is "is not in it" "$(events 100)" "$life"

# The host goes down while the VM runs.
ok "a VM starts" pve_start 100
guard_of 100
generation=$("$TOP/build/pvebind" status --json | sed -n 's/.*"generation": *\([0-9]*\).*/\1/p')
at_shutdown() {
	ok "the guard goes with the other units" wait_for 20 unguarded 100
	is "the VM has its card" "$(holders 01:00)" "$(cat /run/qemu-server/100.pid)"
	# And one that is there still: it sees the VM end without a post-stop, waits for it, and leaves all as it is.
	"$TOP/build/pvebind-guard" 100 "$generation" </dev/null >/run/guard.out 2>&1 8>&- 19>&- &
	guard=$!
	ok "another guard" guard_of 100
	vm_dies 100
	rm /run/qemu-server/100.pid /run/qemu-server/100.cleanup
	wait $guard
	is "it ends in peace" $? 0
	ok "the card is where it was" on 01:00 vfio-pci
	ok "and the lend" lent 100
	state_is stopping || verdict 1 "the premise: the host is going down"
}
