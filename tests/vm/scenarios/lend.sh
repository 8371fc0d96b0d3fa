#: summary one card with the console on it: lent, really used by a QEMU, and taken back
#: devices gpu
#: kernels 6.1 6.12 7
# shellcheck shell=bash

pve_conf 100 <<-END
	hostpci0: 0000:01:00,pcie=1
	hookscript: local:snippets/pvebind
END
snap before
ok "pre-start succeeds" pve_hook 100 pre-start
is "the display is on vfio-pci" "$(driver 01:00.0)" vfio-pci
is "the sound is on vfio-pci" "$(driver 01:00.1)" vfio-pci
is "the override is vfio-pci" "$(override 01:00.0)" vfio-pci
is "it is kept awake, which vfio-pci would not" "$(cat "$(dev 01:00.0)/power/control")" on
ok "both pipes end with the hook" test "$HOOK_EOF_MS" -lt 300
ok "post-stop succeeds" pve_hook 100 post-stop
same_as before "everything is as it was"
ok "no id was added to vfio-pci" no_new_id 01:00.0
# console.bound: that a vtconsole was bound by hand is a fact of the boot, not of a lend.
is "no state is left but locks" "$(cd /run/pvebind && echo *)" "100.lock console.bound console.turn.lock"
