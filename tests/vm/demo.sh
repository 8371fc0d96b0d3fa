#: summary the main job, shown: a card with the host's console goes to a VM and comes back
#: devices gpu
#: append quiet
#: qemu -global bochs-display.xres=800 -global bochs-display.yres=600
#: memory 2048
#: timeout 230
# What the demo does in the emulated host; `demo` boots it and prints what is said. Not a test (see scenarios/),
# though it fails like one.
# shellcheck shell=bash

slot=01:00
serial=$OUT/guest-serial.log

# loud COMMAND… - run it, each line of its output said as it comes
loud() {
	local status
	"$@" > >(while IFS= read -r line; do [ -z "$line" ] || say "  $line"; done) 2>&1
	status=$?
	wait $! # for the reader, or its last lines come late
	return $status
}
in_use() { lspci -nnk -s "$1" | grep -vE 'Subsystem|Kernel modules'; }

say "The host: Linux $(uname -r), node $(hostname). Its console is on the card:"
loud in_use $slot
# No cursor, whose blinking would make two pictures differ. At most 25 lines of 80: while there is no frame buffer the console is that small, and would cut off the rest.
{
	printf '\033[?25l\033[2J\033[H\033[1;32m'
	echo
	echo "  THIS IS THE HOST, $(hostname), Linux $(uname -r)"
	printf '\033[0m\n'
	echo "  This text was written before the card was lent."
	in_use $slot | cut -c1-70 | sed 's/^/    /'
} >/dev/tty1
before=$(shot gpu1 1-before)
say "Picture 1, before: $before"

pve_conf 100 <<-END
	name: demo
	machine: q35
	memory: 320
	hookscript: local:snippets/pvebind
	hostpci0: 0000:$slot,pcie=1
END
say "VM 100 has:"
loud grep -E '^host|^hook' /etc/pve/qemu-server/100.conf

# The emulated processor can itself virtualize (SVM), so the VM is a real KVM guest, as on PVE. But each of its exits
# is dear, and a boot message is many: hence quiet, and no timer that would have to be emulated. Nor shall KVM write
# about a register it does not know on the screen that is shown.
modprobe kvm ignore_msrs=1 report_ignored_msrs=0
modprobe kvm_amd
say "qm start 100 (PVE's part is played: lock, pre-start, reservation, group to vfio-pci, QEMU, post-start)"
ok "VM 100 starts" loud pve_start 100 -m 320 -cpu host -serial "file:$serial" \
	-kernel "$KERNEL_DIR/vmlinux" -initrd "$KERNEL_DIR/demo.cpio" \
	-append "console=tty1 console=ttyS0 quiet mitigations=off nokaslr audit=0 rodata=off tsc=reliable clocksource=tsc cryptomgr.notests no_timer_check"
loud in_use $slot
is "the host's display function is lent" "$(driver $slot.0)" vfio-pci
is "the host's sound function is lent" "$(driver $slot.1)" vfio-pci
is "QEMU holds the card" "$(holders $slot)" "$(cat /run/qemu-server/100.pid)"

printf '\n  And this line was written while the card was away.\n' >/dev/tty1
say "A line was written to the host's console while the card is away."

say "The guest boots (a virtual machine in an emulated one; about 25 s)"
began=$SECONDS
until grep -q '^guest: done' "$serial" 2>/dev/null; do
	[ $((SECONDS - began)) -lt 150 ] || break
	pve_running 100 || break
	sleep 5
	say "  … $((SECONDS - began)) s"
done
like "the guest came up" "$(cat "$serial")" '^guest: done'
say "The guest's own lspci -nnk says of the card:"
grep -aE -A 9 'Display controller|Audio device' "$serial" | grep -aE 'Display|Audio|in use' | while IFS= read -r line; do
	say "  ${line%$'\r'}"
done
like "the guest's own driver drives the display" "$(cat "$serial")" 'Kernel driver in use: bochs-drm'
like "the guest's own driver drives the sound" "$(cat "$serial")" 'Kernel driver in use: snd_hda_intel'
guest=$(shot gpu1 2-guest)
say "Picture 2, the same card while the guest has it: $guest"

say "qm stop 100 (pre-stop, QEMU ends, post-stop)"
ok "VM 100 stops" loud pve_stop 100
loud in_use $slot
is "the display is home" "$(driver $slot.0)" bochs-drm
is "the sound is home" "$(driver $slot.1)" snd_hda_intel
is "no override is left" "$(override $slot.0)$(override $slot.1)" ""
like "the console has the old text" "$(cat /dev/vcs1)" 'written before the card was lent'
like "and the new line" "$(cat /dev/vcs1)" 'written while the card was away'
after=$(shot gpu1 3-after)
say "Picture 3, after: $after"
isnt "the guest painted the card's screen" "$guest" "$before"
isnt "the host's screen is back" "$after" "$guest"
isnt "with the line that was written meanwhile" "$after" "$before"
