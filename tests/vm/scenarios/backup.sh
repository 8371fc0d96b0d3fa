#: summary backups with a real QEMU and a guard: of a stopped VM, in stop mode of one that runs; a template's
#: devices gpu
#: timeout 300
# shellcheck shell=bash
. tests/vm/guard.sh

conf=/etc/pve/qemu-server/100.conf
has_group() { [ "$(holders 01:00)" = "$(cat /run/qemu-server/100.pid)" ]; }
# vzdump's own word in the config, written and taken away under the VM's lock
backup_begins() { pve_lock 100 && sed -i '1i lock: backup' $conf; pve_unlock; }
backup_ends() { pve_lock 100 && sed -i '/^lock: backup$/d' $conf; pve_unlock; }
untouched() { lent 100 && on 01:00.0 vfio-pci && on 01:00.1 vfio-pci && ! grep -q returning /run/pvebind/100.journal; }

pve_conf 100 <<<'hostpci0: 0000:01:00,pcie=1'
snap before

# --- a VM that was stopped: started for it, paused, and stopped with the lock still in its config ---
backup_begins
ok "a stopped VM is started for its backup" pve_start 100
ok "its QEMU has the card" has_group
ok "it has a guard" guard_of 100
ok "it is stopped when the backup is done" pve_stop 100
unlike "and keeps nothing" "$TRY_OUT" 'stay on vfio'
like "but gives back" "$TRY_OUT" '0000:01:00.0, 0000:01:00.1 home again'
ok "the guard ends" wait_for 10 unguarded 100
backup_ends
same_as before "all is home"

# --- a VM that ran, in stop mode ---
ok "a VM runs" pve_start 100
ok "and has a guard" guard_of 100
backup_begins
ok "it is stopped for its backup" pve_stop 100
like "and keeps its card" "$TRY_OUT" 'stay on vfio \(it starts again at once\)'
ok "nobody has it open" test -z "$(holders 01:00)"
ok "the guard is there still" guard_of 100
first=$GUARD
# The lock is free for a moment, then the start's, which is slow. A guard that took this for a failed start, or for an
# end without post-stop (10 s), would act.
sleep 12
ok "no lock, no VM: the card stays" untouched
ok "the lock is held" hold_lock 100 15
sleep 12
ok "it is held still" pve_locked 100
ok "and the card stays" untouched
is "with the same guard" "$(guard_pid 100)" "$first"
ok "the VM is started again" pve_start 100
like "with what it has" "$TRY_OUT" 'lent already'
ok "its QEMU has the card" has_group
ok "it has a guard" guard_of 100
isnt "of its own: the lend began anew" "$GUARD" "$first"
backup_ends
ok "after the backup it runs" has_group
ok "then it stops, as ever" pve_stop 100
like "and gives back" "$TRY_OUT" '0000:01:00.0, 0000:01:00.1 home again'
ok "the guard ends" wait_for 10 unguarded 100
same_as before "all is home"

# The start that follows fails: that is a failed start, with the backup's lock or without.
ok "a VM runs" pve_start 100
backup_begins
ok "it is stopped for its backup" pve_stop 100
fails_with 1 "and cannot be started again" pve_start 100 -device no-such-device
like "though it had its card" "$TRY_OUT" 'lent already'
ok "the card comes home" wait_for 20 back 100
ok "the guard ends" wait_for 10 unguarded 100
backup_ends
rm -f /run/qemu-server/100.cleanup
same_as before "all is home"

# --- a template: its disks alone are started, with no device ---
pve_conf 100 <<<$'template: 1\nlock: backup\nhostpci0: 0000:01:00,pcie=1'
pve_lock 100
ok "a template's backup" pve_hook 100 pre-start
pve_unlock
like "is lent nothing" "$HOOK_OUT" 'it is a template, nothing to lend'
ok "and has no guard" unguarded 100
same_as before "the card stays"
pve_lock 100
ok "nor has it to give back anything" pve_hook 100 post-stop
pve_unlock
same_as before "the card stays"
