#: summary one card from VM to VM: a return under way is waited for, a VM that runs is refused by name; a migration's target
#: devices edu
#: modules yes
#: timeout 300
# shellcheck shell=bash

EDU=0000:05:00.0
for vmid in 100 101 102; do pve_conf $vmid <<<"hostpci0: 05:00.0"; done
modprobe -a vfio-pci vfio_iommu_type1
adversary adversary
snap before

# --- a return that takes its time ---
ok "VM 100 starts" pve_start 100
set_param adversary probe_ms 6000
pve_hook 100 pre-stop
pve_end 100 TERM
# Its post-stop in the background, with pipes of its own; PVE holds the lock of VM 100, not of 101.
(flock 9; LC_ALL=C exec "$HOOK" 100 post-stop 9>&-) 9>/run/lock/qemu-server/lock-100.conf </dev/null >/run/post-stop.out 2>&1 &
stopping=$!
ok "its return is under way" wait_for 20 grep -q 'state is=returning' /run/pvebind/100.journal
ok "and still is" kill -0 $stopping
ok "VM 101 starts meanwhile" pve_hook 101 pre-start
ok "after it has waited" test "$HOOK_MS" -ge 2000
like "and it is lent the card" "$HOOK_OUT" 'VM 101: lent 0000:05:00.0'
wait $stopping
is "the return of VM 100 ended well" $? 0
like "and said so" "$(cat /run/post-stop.out)" 'VM 100: 0000:05:00.0 home again'
is "the card is on vfio-pci" "$(driver $EDU)" vfio-pci
is "nothing is left of VM 100 but its lock" "$(cd /run/pvebind && find . -name '100.*')" ./100.lock
ok "post-stop of VM 101" pve_hook 101 post-stop
is "the card is home" "$(driver $EDU)" adversary
set_param adversary probe_ms 0

# --- a VM that runs ---
ok "VM 101 starts" pve_start 101
since=$(date '+%Y-%m-%d %H:')
began=${EPOCHREALTIME/./}
fails_with 1 "VM 102 does not" pve_hook 102 pre-start
ok "which is told without waiting" test $(((${EPOCHREALTIME/./} - began) / 1000)) -lt 5000
like "with the name of who has it, since when, and that it runs" "$HOOK_OUT" \
	"refused \\(held\\): 0000:05:00.0 is lent to VM 101 since ${since}[0-9:]+ \\(running\\): stop VM 101 first"
is "VM 101 has its card still" "$(holders $EDU)" "$(cat /run/qemu-server/101.pid)"
ok "VM 101 stops" pve_stop 101
ok "now VM 102 starts" pve_start 102
ok "and stops" pve_stop 102

# --- who was killed on its way home is no obstacle ---
ok "VM 100 is lent the card" pve_hook 100 pre-start
set_param adversary probe_ms 8000
"$HOOK" 100 post-stop </dev/null >/dev/null 2>&1 &
stopping=$!
ok "its return is under way" wait_for 20 grep -q 'undo op' /run/pvebind/100.journal
kill -KILL $stopping
wait $stopping 2>/dev/null
set_param adversary probe_ms 0
ok "VM 101's start first brings it home" pve_hook 101 pre-start
like "and says so" "$HOOK_OUT" 'bringing home first what VM 100 has \(returning\)'
ok "and VM 101 gives it back" pve_hook 101 post-stop

# --- the target of a live migration: the config still lies with the node that the VM comes from ---
mkdir -p /etc/pve/nodes/pve2/qemu-server
echo 'hostpci0: 05:00.0' >/etc/pve/nodes/pve2/qemu-server/103.conf
fails_with 3 "without a word on the migration there is no config" pve_hook 103 pre-start
export PVE_MIGRATED_FROM=pve2
ok "the target of a migration is lent the card" pve_hook 103 pre-start
unset PVE_MIGRATED_FROM
is "which is on vfio-pci" "$(driver $EDU)" vfio-pci
mv /etc/pve/nodes/pve2/qemu-server/103.conf /etc/pve/qemu-server/
ok "and gives it back when it stops" pve_hook 103 post-stop
same_as before "everything is as it was"
is "no state is left" "$(cd /run/pvebind && find . -type f ! -name '*.lock')" ""
