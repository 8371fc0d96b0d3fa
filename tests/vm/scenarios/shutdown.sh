#: summary the host goes down: nothing is lent any more, what is lent comes home
#: devices gpu edu
#: init systemd
#: timeout 240
# shellcheck shell=bash

state_is() { [ "$(systemctl is-system-running)" = "$1" ]; }

pve_conf 100 <<-END
	hostpci0: 0000:01:00,pcie=1
END
pve_conf 101 <<-END
	hostpci0: 0000:05:00,pcie=1
END
ok "the host is up" wait_for 20 state_is running
snap before
ok "a card is lent to a VM" pve_start 100
is "and is on vfio-pci" "$(driver 01:00.0)" vfio-pci
ok "while the host is up, another device would be lent" pve_hook 101 pre-start
ok "and comes home" pve_hook 101 post-stop

# In PVE's order: its guests are stopped while everything else is still there.
at_shutdown() {
	is "the system is stopping" "$(systemctl is-system-running)" stopping
	snap 101-before
	fails_with 1 "a start is refused" pve_hook 101 pre-start
	like "the refusal is named, and says why" "$HOOK_OUT$HOOK_ERR" 'disabled.*the host is shutting down'
	same_as 101-before "and has changed nothing"
	ok "the VM with the card stops" pve_stop 100
	is "post-stop succeeded" "$HOOK_STATUS" 0
	is "the display is home" "$(driver 01:00.0)" bochs-drm
	is "the sound is home" "$(driver 01:00.1)" snd_hda_intel
	same_as before "everything is as it was"
	is "the system is still stopping" "$(systemctl is-system-running)" stopping
}
