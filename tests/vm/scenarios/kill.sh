#: summary the hook, its workers and its guard killed at 54 of their state-changing calls: recover brings all home
#: devices gpu edu
#: timeout 900
# shellcheck shell=bash

. tests/vm/sweep.sh
sweep_setup
sweep "killed at 22 calls of pre-start" kill pre-start --sample 22
sweep "killed at 18 calls of post-stop" kill post-stop --sample 18
same_as before "everything is as it was"
# As Proxmox VE calls it: a guard is there, and does what recover would, or leaves it to that.
pve_lock 100
sweep "killed at 6 calls of pre-start, with a guard" kill pre-start --sample 6
sweep "killed at 8 of the steps in which a guard comes to be" guard pre-start --sample 8
pve_unlock
same_as before "everything is as it was with a guard"

# The sweep can fail: here, recover does nothing.
mkdir /run/idle
ln -s "$HOOK" /run/idle/pvebind-hook
cat >/run/idle/pvebind <<-END
	#!/bin/sh
	[ "\$1" = recover ] || exec ${HOOK%-hook} "\$@"
END
chmod +x /run/idle/pvebind
hook=$HOOK
HOOK=/run/idle/pvebind-hook
fails_with 1 "without recover a worker killed after its unbind is noticed" \
	tests/vm/sweep kill post-stop --only 'killall worker: write /sys/bus/pci/drivers/bochs-drm/bind'
like "by what is not home" "$TRY_OUT" '0000:01:00.0: none .*, not bochs-drm'
HOOK=$hook
same_as before "everything is as it was, still"
