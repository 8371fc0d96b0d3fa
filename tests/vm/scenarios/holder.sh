#: summary the bed itself: PVE's own way to lend a card, without a hookscript, and a QEMU that really holds it
#: devices gpu
#: kernels 6.1 6.12 7
# shellcheck shell=bash disable=SC2034 # HOOK is pve_hook's

HOOK=/bin/true
pve_conf 100 <<-END
	cores: 1
	hostpci0: 0000:01:00,pcie=1

	[PENDING]
	hostpci1: 0000:05:00
END
snap before
same_as before "nothing happened, nothing changed"
is "the config names both functions" "$(pve_hostpci 100 | tr '\n' ' ')" "0000:01:00.0 pcie=1 0000:01:00.1 pcie=1 "

ok "PVE starts the VM" pve_start 100
is "the display is on vfio-pci" "$(driver 01:00.0)" vfio-pci
is "the sound is on vfio-pci" "$(driver 01:00.1)" vfio-pci
ok "the VM runs" pve_running 100
is "QEMU has the group open" "$(holders 01:00)" "$(cat /run/qemu-server/100.pid)"
like "the reservation names it" "$(cat "$RESERVATIONS")" "^0000:01:00.0 100 pid:$(cat /run/qemu-server/100.pid)\$"
pve_conf 101 <<<'hostpci0: 01:00'
fails_with 1 "another VM is refused" pve_start 101
fails_with 1 "PVE's bind left an id in vfio-pci" no_new_id 01:00.0

ok "PVE stops the VM" pve_stop 100
is "nobody has the group open" "$(holders 01:00)" ""
is "PVE leaves the card where it is" "$(driver 01:00.0)" vfio-pci
is "no reservation is left" "$(cat "$RESERVATIONS")" ""

pve_lock 100
fails_with 1 "the lock is held while PVE works" flock -n /run/lock/qemu-server/lock-100.conf true
pve_unlock
ok "and free afterwards" flock -n /run/lock/qemu-server/lock-100.conf true

# shellcheck disable=SC2016
printf '#!/bin/sh\necho out $*\necho err >&2\nsleep 3 &\nexit 7\n' >/tmp/leaky
chmod +x /tmp/leaky
HOOK=/tmp/leaky
fails_with 7 "a hook's status is kept" pve_hook 100 pre-start
is "its output is, too" "$HOOK_OUT/$HOOK_ERR" "out 100 pre-start/err"
ok "a child that keeps a pipe open shows" test "$HOOK_EOF_MS" -gt 2000
