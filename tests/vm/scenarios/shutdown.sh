#: summary the host goes down: nothing is lent any more, what is lent comes home, nothing that was stopped for it starts
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
# What has the card is stopped for VM 100: a unit and a container.
mkdir -p /etc/pvebind
printf '[vm 100]\nbusy = stop\nstop-units = player.service\nstop-containers = 105\n' >/etc/pvebind/pvebind.ini
card=$(echo "$(dev 01:00.0)"/drm/card*) card=/dev/dri/${card##*/}
pct_setup
pct_conf 105 "exec sleep infinity 7<$card"
ok "a unit has the card" unit_with player "exec sleep infinity 7<$card"
wait_for 10 has_open "$(unit_pid player)" "$card"
ok "a container, too" pct start 105
wait_for 10 has_open "$(pct_pid 105)" "$card"
ok "a card is lent to a VM" pve_start 100
is "and is on vfio-pci" "$(driver 01:00.0)" vfio-pci
ok "the unit was stopped for it" unit_is player inactive
is "and the container" "$(pct status 105)" 'status: stopped'
ok "while the host is up, both start again" pve_stop 100
ok "the unit does" unit_is player active
is "and the container" "$(pct status 105)" 'status: running'
ok "the card is lent again" pve_start 100
ok "for which they are stopped" unit_is player inactive
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
	for what in player.service 'container 105'; do
		like "$what is left as it is, which is said" "$HOOK_OUT" "$what is not started again: the host is shutting down"
	done
	ok "the unit does not run" unit_is player inactive
	is "nobody has tried to start it" "$(systemctl list-jobs --no-legend --plain | grep player)" ''
	is "nor the container" "$(pct status 105)" 'status: stopped'
	unlike "which nobody has told to start" "$(sed '1,/^shutdown/d' /run/pct.log | sed '1,/^shutdown/d')" '^start'
	is "the display is home" "$(driver 01:00.0)" bochs-drm
	is "the sound is home" "$(driver 01:00.1)" snd_hda_intel
	same_as before "everything is as it was"
	is "the system is still stopping" "$(systemctl is-system-running)" stopping
}
