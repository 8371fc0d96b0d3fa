#: summary phases in every order, a QEMU that lets go late, a return from the journal alone, reboots
#: devices gpu edu
#: timeout 300
# shellcheck shell=bash

gpu100() { pve_conf 100 <<<'hostpci0: 0000:01:00,pcie=1'; }
gpu100
snap before

ok "post-stop without pre-start does nothing" pve_hook 100 post-stop
is "and says nothing: whose number it is only /etc/pve could tell" "$HOOK_OUT" ""
same_as before "nothing changed"
ok "pre-start lends" pve_hook 100 pre-start
snap lent
ok "a second pre-start does nothing" pve_hook 100 pre-start
like "and says so" "$HOOK_OUT" 'VM 100: lent already, nothing to do'
same_as lent "nothing changed"
ok "post-stop takes back" pve_hook 100 post-stop
same_as before "all is home"
ok "a second post-stop does nothing" pve_hook 100 post-stop
same_as before "all is home"
ok "an unknown phase does nothing" pve_hook 100 pre-tea
like "and says so" "$HOOK_OUT" "phase 'pre-tea' is not known"
ok "pre-stop does nothing" pve_hook 100 pre-stop

# A VM that runs, again.
ok "the VM starts" pve_start 100
ok "post-stop of a VM that runs again does nothing" pve_hook 100 post-stop
like "and says so" "$HOOK_OUT" 'VM 100 is running \(again\), nothing is taken back'
is "the card stays" "$(driver 01:00.0)" vfio-pci
ok "pre-start of a VM that runs does nothing" pve_hook 100 pre-start
like "and says so" "$HOOK_OUT" 'VM 100 runs already'

# The pid file is gone, QEMU is not: a big guest that lets go of its memory.
pid=$(cat /run/qemu-server/100.pid)
pve_unreserve 100
kill -STOP "$pid"
kill -TERM "$pid"
mv /run/qemu-server/100.pid /tmp/100.pid
rm -f /run/qemu-server/100.cleanup
is "QEMU has the group open" "$(holders 01:00)" "$pid"
(sleep 5; kill -CONT "$pid") &
began=${EPOCHREALTIME/./}
ok "post-stop waits for it" pve_hook 100 post-stop
ok "until it let go, 5 s later" test $((${EPOCHREALTIME/./} - began)) -ge 4000000
ok "not longer" test "$HOOK_MS" -lt 12000
wait_for 5 pve_gone "$pid"
same_as before "all is home"

# The way home is in the journal alone.
mkdir -p /etc/pvebind
printf '[vm 100]\nreset = none\n' >/etc/pvebind/pvebind.ini
chmod 600 /etc/pvebind/pvebind.ini
ok "the VM's devices are lent" pve_hook 100 pre-start
echo '[vm 100' >/etc/pvebind/pvebind.ini
rm /etc/pve/qemu-server/100.conf
umount /etc/pve
ok "with a broken INI, no config and no /etc/pve they come back" pve_hook 100 post-stop
same_as before "all is home"
rm /etc/pvebind/pvebind.ini
pve_setup
gpu100

# qm reboot: post-stop, and a pre-start at once.
ok "the VM's devices are lent" pve_hook 100 pre-start
touch /run/qemu-server/100.reboot
ok "post-stop of a reboot keeps them" pve_hook 100 post-stop
like "and says so" "$HOOK_OUT" 'stay on vfio \(it starts again at once\)'
is "the card stays" "$(driver 01:00.0)" vfio-pci
rm /run/qemu-server/100.reboot
ok "the pre-start finds them lent" pve_hook 100 pre-start
like "and says so" "$HOOK_OUT" 'lent already'
ok "a real stop takes them back" pve_hook 100 post-stop
same_as before "all is home"
printf '[vm 100]\non-reboot = return\n' >/etc/pvebind/pvebind.ini
ok "lent, with on-reboot = return" pve_hook 100 pre-start
touch /run/qemu-server/100.reboot
ok "post-stop of a reboot returns them" pve_hook 100 post-stop
same_as before "all is home"
rm /run/qemu-server/100.reboot

# on-stop = keep, then another VM wants the card.
printf '[vm 100]\non-stop = keep\n' >/etc/pvebind/pvebind.ini
ok "lent, with on-stop = keep" pve_hook 100 pre-start
ok "post-stop keeps them" pve_hook 100 post-stop
like "and says so" "$HOOK_OUT" 'stay on vfio \(on-stop = keep\)'
pve_conf 101 <<<'hostpci0: 0000:01:00.0;01:00.1'
ok "VM 101 gets the card all the same" pve_hook 101 pre-start
like "after it was brought home" "$HOOK_OUT" 'bringing home first what VM 100 has \(kept\)'
ok "VM 101 gives it back" pve_hook 101 post-stop
same_as before "all is home"
rm /etc/pvebind/pvebind.ini

# A template's backup, a stopped VM's backup, a running VM's backup in stop mode.
pve_conf 100 <<<$'template: 1\nhostpci0: 01:00'
ok "a template is lent nothing" pve_hook 100 pre-start
like "and says so" "$HOOK_OUT" 'template'
same_as before "nothing changed"
pve_conf 100 <<<$'lock: backup\nhostpci0: 01:00'
ok "a stopped VM's backup is lent the card" pve_hook 100 pre-start
ok "and gives it back" pve_hook 100 post-stop
same_as before "all is home"
gpu100
ok "a running VM" pve_hook 100 pre-start
pve_conf 100 <<<$'lock: backup\nhostpci0: 01:00'
ok "is stopped for its backup" pve_hook 100 post-stop
is "and keeps the card" "$(driver 01:00.0)" vfio-pci
ok "is started for it" pve_hook 100 pre-start
gpu100
ok "and stops for good" pve_hook 100 post-stop
same_as before "all is home"

# A mapping with alternatives: the first in the file's order that is not reserved.
printf '%s\n' any $'\tmap node=pve,path=0000:05:00.0,id=1234:11e8' $'\tmap node=pve,path=0000:01:00,id=1234:1111' \
	>/etc/pve/mapping/pci.cfg
pve_conf 100 <<<'hostpci0: mapping=any'
ok "a mapping with two alternatives" pve_hook 100 pre-start
is "is lent the first" "$(driver 05:00.0) $(driver 01:00.0)" 'vfio-pci bochs-drm'
ok "and gives it back" pve_hook 100 post-stop
pve_reserve 101 "time:$((EPOCHSECONDS + 300))" 0000:05:00.0
ok "while another VM has that reserved" pve_hook 100 pre-start
is "it is lent the second" "$(driver 05:00.0) $(driver 01:00.0)" 'none vfio-pci'
ok "and gives it back, too" pve_hook 100 post-stop
pve_unreserve 101
same_as before "all is home"
rm /etc/pve/mapping/pci.cfg
gpu100

# A stopped VM whose config lost the device since the lend.
ok "lent" pve_hook 100 pre-start
pve_conf 100 <<<'cores: 1'
ok "a config without devices lends nothing, and brings home what was lent" pve_hook 100 pre-start
same_as before "all is home"
gpu100
ok "lent" pve_hook 100 pre-start
pve_conf 100 <<<'hostpci0: 05:00.0'
ok "another device in the config: the old one goes home first" pve_hook 100 pre-start
is "the card is home" "$(driver 01:00.0)" bochs-drm
is "the other device is lent" "$(driver 05:00.0)" vfio-pci
ok "and taken back" pve_hook 100 post-stop
same_as before "all is home"
