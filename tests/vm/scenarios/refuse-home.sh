#: summary half a lend is undone; a home driver that refuses the card is told, and the rest goes home all the same
#: devices gpu
#: timeout 240
# shellcheck shell=bash

pve_conf 100 <<<'hostpci0: 0000:01:00,pcie=1'
where() { echo "$(driver 01:00.0) '$(override 01:00.0)' $(driver 01:00.1) '$(override 01:00.1)'"; }
home="bochs-drm '' snd_hda_intel ''"
lent="vfio-pci 'vfio-pci' vfio-pci 'vfio-pci'"
left() { (cd /run/pvebind && find . -type f ! -name '*.lock' ! -name console.bound); }
hook=$HOOK
dmesg -n 1
printf '\033[?25l\033[2J\033[Hthe host\n' >/dev/tty1
before=$(shot gpu1 before)
modprobe -a vfio-pci vfio_iommu_type1
is "at home" "$(where)" "$home"
snap before

# --- the second function does not go to vfio-pci ---
# A worker of its own moves it. The writes looked at are "unbind" of its home driver, which only this one does, and
# "bind" of vfio-pci: so its second one is that bind, with the device out of its home already.
cat >/tmp/faulty <<-END
	#!/bin/sh
	exec strace -f -qq -o $OUT/strace.log -e trace=write -P /sys/bus/pci/drivers/snd_hda_intel/unbind \
		-P /sys/bus/pci/drivers/vfio-pci/bind -e inject=write:error=EIO:when=2 $hook "\$@"
END
chmod +x /tmp/faulty
HOOK=/tmp/faulty
fails_with 1 "the lend fails" pve_hook 100 pre-start
HOOK=$hook
cat "$OUT/strace.log"
is "one write was made to fail" "$(grep -c INJECTED "$OUT/strace.log")" 1
worker=$(awk '/INJECTED/ { print $1 }' "$OUT/strace.log")
is "the second of two that the second function's worker made" \
	"$(grep -c "^$worker .*write([0-9]*, \"0000:01:00\.1\"" "$OUT/strace.log")" 2
like "after it had left home" "$HOOK_OUT" '0000:01:00\.1: unbound from snd_hda_intel'
like "while the first had been moved" "$HOOK_OUT" '0000:01:00\.0: bound to vfio-pci'
like "the device and the reason are told" "$HOOK_OUT" 'error: .*0000:01:00\.1.*Input/output error'
like "the first is told to be home" "$HOOK_OUT" '0000:01:00\.0: home on bochs-drm'
is "both are home" "$(where)" "$home"
same_as before "everything is as it was"
shows "the console, too" gpu1 after-failed "$before"
is "no state is left" "$(left)" ""
ok "no id was added to vfio-pci" no_new_id 01:00.1

# --- the home driver's module is gone when the card comes back ---
# Where it lies differs from kernel to kernel; all of the sound modules are hidden.
hide=/lib/modules/$(uname -r)/kernel/sound
ok "the card is lent" pve_hook 100 pre-start
rmmod snd_hda_intel
mount -t tmpfs hide "$hide"
ok "its module cannot be found" test ! -e "$(modinfo -n snd_hda_intel 2>/dev/null || echo /nowhere)"
fails_with 4 "it does not come home whole" pve_hook 100 post-stop
like "the device and the reason are told" "$HOOK_OUT" 'error: 0000:01:00\.1: .*snd_hda_intel'
like "and what to do" "$HOOK_OUT" 'error: VM 100: not everything is home: .*0000:01:00\.1.*recover'
is "the display is home, the sound is not, and nothing pins it" "$(where)" "bochs-drm '' none ''"
shows "the console is back" gpu1 after-hidden "$before"
isnt "what is left is remembered" "$(left)" ""
fails_with 4 "post-stop again has no better news" pve_hook 100 post-stop
like "and says so again" "$HOOK_OUT" 'error: 0000:01:00\.1: .*snd_hda_intel'
is "nor does it touch what is home" "$(where)" "bochs-drm '' none ''"
fails_with 4 "nor has recover" "${hook%-hook}" recover 100
umount "$hide"
ok "with the module there, recover brings it home" "${hook%-hook}" recover 100
is "both are home again" "$(where)" "$home"
same_as before "everything is as it was after the hidden module"
is "no state is left of it" "$(left)" ""

# --- the home driver is there, but does not take the device ---
ok "the card is lent, again" pve_hook 100 pre-start
rmmod snd_hda_intel
modprobe snd_hda_intel enable=0
ok "the home driver is there" test -d /sys/bus/pci/drivers/snd_hda_intel
fails_with 4 "it refuses the device" pve_hook 100 post-stop
like "which is told by name" "$HOOK_OUT" 'error: 0000:01:00\.1: snd_hda_intel did not take it'
unlike "nobody says that the driver is not there" "$HOOK_OUT" 'snd_hda_intel is not there'
is "the display is home, the sound is not" "$(where)" "bochs-drm '' none ''"
shows "the console is back, again" gpu1 after-refused "$before"
# The next start, with the cause gone, first brings home what is left, then lends.
rmmod snd_hda_intel
modprobe snd_hda_intel
ok "the next start goes well" pve_start 100
like "and first puts right what was left" "$TRY_OUT" 'bringing home first what was left from before'
is "the card is lent as a whole" "$(where)" "$lent"
is "a QEMU has it" "$(holders 01:00)" "$(cat /run/qemu-server/100.pid)"
ok "PVE stops the VM" pve_stop 100
is "and both are home in the end" "$(where)" "$home"
same_as before "everything is as it was in the end"
is "no state is left in the end" "$(left)" ""
