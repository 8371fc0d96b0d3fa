#: summary a container that shares the card and has pvebind for its hookscript: told which VM has it, stopped for it, started again
#: devices gpu
#: timeout 300
# shellcheck shell=bash

ini=/etc/pvebind/pvebind.ini
mkdir -p /etc/pvebind /var/lib/vz/snippets
ln -sf "$HOOK" /var/lib/vz/snippets/pvebind
pve_conf 100 <<<'hostpci0: 0000:01:00,pcie=1'
card=$(echo "$(dev 01:00.0)"/drm/card*) card=/dev/dri/${card##*/}
pct_setup
pct_conf 105 "exec sleep infinity 7<$card"
printf 'hookscript: local:snippets/pvebind\ndev0: %s,mode=0660\n' "$card" >>/etc/pve/lxc/105.conf
hook_error="hookscript error for 105 on pre-start: command '/var/lib/vz/snippets/pvebind 105 pre-start' failed: exit code 1"

# has_card - the container runs, and has the card open
has_card() { [ "$(pct status 105)" = 'status: running' ] && has_open "$(pct_pid 105)" "$card"; }
snap before

# --- the container has it: a VM is refused -----------------------------------------------------------------------

ok "the container starts while nobody has the card" pct start 105
is "its hookscript has nothing to say" "$TRY_OUT" ''
ok "it has the card open" wait_for 10 has_card
pid=$(pct_pid 105)
fails_with 1 "then the VM does not start" pve_start 100
like "because of that container" "$TRY_OUT" "refused \(held\): 0000:01:00.0 is in use: sleep \(pid $pid, container 105\) has $card open"
like "which may be named" "$TRY_OUT" 'busy = stop and stop-containers = 105'
is "it runs on" "$(pct_pid 105) $(pct status 105)" "$pid status: running"
is "the card stays" "$(driver 01:00.0)" bochs-drm

# --- the VM has it: the container is told -------------------------------------------------------------------------

ok "the container is shut down" pct shutdown 105 --timeout 10 --forceStop 0
is "its hookscript has nothing to say" "$TRY_OUT" ''
ok "now the VM starts" pve_start 100
ok "the container's device node has gone with the driver" test ! -e "$card"
fails_with 255 "the container does not start" pct start 105
like "it is told who has its card" "$TRY_OUT" \
	"container 105: $card is not there \(/etc/pve/lxc/105.conf:5\); 0000:01:00.0, 0000:01:00.1: lent to VM 100 \(running\): if that is its card, stop VM 100 first"
like "by an exit status that Proxmox VE heeds" "$TRY_OUT" "$hook_error"
is "it is stopped" "$(pct status 105)" 'status: stopped'
is "nothing has moved" "$(driver 01:00.0) $(driver 01:00.1)" 'vfio-pci vfio-pci'
ok "the VM runs on" pve_running 100

# Without pvebind it is not told: what Proxmox VE says names no VM.
sed -i 's/^hookscript/#&/' /etc/pve/lxc/105.conf
fails_with 255 "without a hookscript it does not start either" pct start 105
is "and nobody says why" "$TRY_OUT" "startup for container '105' failed"
sed -i 's/^#hookscript/hookscript/' /etc/pve/lxc/105.conf

ok "the VM stops" pve_stop 100
ok "now the container starts" pct start 105
is "its hookscript has nothing to say" "$TRY_OUT" ''
ok "and has the card again" wait_for 10 has_card

# --- stopped for the VM, started again after it -------------------------------------------------------------------

printf '[vm 100]\nbusy = stop\nstop-containers = 105\n' >$ini
rm -f /run/pct.log
ok "the VM starts" pve_start 100
like "the container was stopped for it" "$TRY_OUT" 'stopped container 105 \('
is "it is stopped" "$(pct status 105)" 'status: stopped'
unlike "not killed" "$(cat /run/pct.log)" '^stop|forceStop 1'
fails_with 255 "it does not start meanwhile" pct start 105
like "it is told why" "$TRY_OUT" \
	'container 105 does without its card: 0000:01:00.0, 0000:01:00.1: lent to VM 100 \(running\); its stop-containers has this container: stop VM 100 first'
ok "the VM stops" pve_stop 100
like "the container is started again" "$TRY_OUT" 'started container 105 again \('
ok "and has the card" wait_for 10 has_card
is "the VM's stop is done with" "$(find /run/pvebind -name '100.journal')" ''

# One that did not run is left alone.
pct shutdown 105 --timeout 10
ok "the VM starts once more" pve_start 100
ok "and stops" pve_stop 100
is "a container that did not run does not run now" "$(pct status 105)" 'status: stopped'

# --- kept on vfio ---------------------------------------------------------------------------------------------------

printf '[vm 100]\non-stop = keep\n' >$ini
ok "a VM that keeps the card starts" pve_start 100
ok "and stops" pve_stop 100
fails_with 255 "the container does not start" pct start 105
like "it is told how to have the card back" "$TRY_OUT" 'kept on vfio for VM 100 \(kept\): if that is its card, bring it home with: pvebind return 100'
ok "so it is done" "$TOP/build/pvebind" return 100
ok "the container starts" pct start 105
ok "and has the card" wait_for 10 has_card
pct shutdown 105 --timeout 10
same_as before "all is as it was"
