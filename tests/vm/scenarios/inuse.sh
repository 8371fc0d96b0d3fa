#: summary another VM has the card: lent, open, or reserved; refused by name, and not one write
#: devices gpu nvme
# shellcheck shell=bash

pve_conf 100 <<<'hostpci0: 0000:01:00,pcie=1'
pve_conf 101 <<<'hostpci0: 0000:01:00,pcie=1'
PRODUCT=$HOOK

# What the hook does to the world: writes below /sys, and to a lend other than its own.
cat >/tmp/traced <<'END'
#!/bin/sh
# Woken for these calls alone: each of a look at all processes, stopped twice, takes longer than such a look may.
exec strace -f --seccomp-bpf -y -qq -e trace=write,pwrite64,writev,rename,renameat,renameat2,unlink,unlinkat,ftruncate -o /tmp/trace "$PRODUCT" "$@"
END
chmod +x /tmp/traced
export PRODUCT
# (Not 101 anywhere: a process or a pipe may have that in its number.)
wrote() { grep -E '</sys/|[/"](101\.|0000:)' /tmp/trace | grep -v '</run/pipes/'; }

# 1. lent to VM 101
ok "VM 101 gets the card" pve_start 101
journal=$(cat /run/pvebind/101.journal)
HOOK=/tmp/traced
snap held
fails_with 1 "VM 100 is refused" pve_hook 100 pre-start
like "as held" "$HOOK_OUT" 'refused \(held\): 0000:01:00\.0 is lent to VM 101 since 20'
like "for each function" "$HOOK_OUT" 'refused \(held\): 0000:01:00\.1 is lent to VM 101'
like "and as open, by the same VM" "$HOOK_OUT" 'refused \(in-use-by-vm\): 0000:01:00\.0 is in use by VM 101'
like "and as reserved" "$HOOK_OUT" 'refused \(reserved-by-pve\): .*VM 101'
like "in all, nothing changed" "$HOOK_OUT" 'VM 100: nothing was lent and nothing changed \([0-9]+ reasons'
ok "the trace saw the hook speak" grep -q 'refused (held)' /tmp/trace
is "not one write to sysfs or to VM 101's state" "$(wrote)" ""
same_as held "the host is as it was"
is "VM 101's journal is as it was" "$(cat /run/pvebind/101.journal)" "$journal"
ok "VM 101 still runs" pve_running 101
HOOK=$PRODUCT
ok "VM 101 stops" pve_stop 101
is "the card is home" "$(driver 01:00.0)" bochs-drm

# 2. open by a VM that pvebind knows nothing of
HOOK=/bin/true
ok "VM 101 gets the card by PVE alone" pve_start 101
pve_unreserve 101
HOOK=/tmp/traced
fails_with 1 "VM 100 is refused" pve_hook 100 pre-start
like "as open" "$HOOK_OUT" 'refused \(in-use-by-vm\): 0000:01:00\.0 is in use by VM 101 .*which has /dev/vfio/[0-9]+ open'
unlike "not as held" "$HOOK_OUT" '\(held\)'
is "not one write" "$(wrote)" ""
HOOK=/bin/true
ok "VM 101 stops" pve_stop 101
for f in 0 1; do
	ids 01:00.$f >/sys/bus/pci/drivers/vfio-pci/remove_id
	echo 0000:01:00.$f >/sys/bus/pci/drivers/vfio-pci/unbind
	echo 0000:01:00.$f >/sys/bus/pci/drivers_probe
done
is "the card is home again" "$(driver 01:00.0)" bochs-drm

# 3. reserved: VM 101 is between its pre-start and its QEMU
HOOK=/tmp/traced
pve_reserve 101 "time:$((EPOCHSECONDS + 30))" 0000:01:00.0
fails_with 1 "VM 100 is refused" pve_hook 100 pre-start
like "as reserved" "$HOOK_OUT" 'refused \(reserved-by-pve\): 0000:01:00.*VM 101'
is "not one write" "$(wrote)" ""
pve_unreserve 101
pve_reserve 101 "time:$((EPOCHSECONDS - 30))" 0000:01:00.0
ok "a reservation that is over does not count" pve_hook 100 pre-start
ok "and back" pve_hook 100 post-stop
