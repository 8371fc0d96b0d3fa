#: summary setup --reserve, a boot with the initramfs that it had made, --unreserve, a boot: the static way, and back
#: devices gpu nic nvme
#: timeout 900
# shellcheck shell=bash

# Three boots: the second and third from an initramfs that Debian's initramfs-tools made in the boot before. The graphics
# driver is in there, too, so that udev lets it and vfio-pci contend for the card; of its sound it does so in the root.

pvebind=$TOP/build/pvebind
release=$(uname -r)
reserved=/etc/modprobe.d/pvebind.conf
initramfs=/boot/initrd.img-$release

# carry NAME - boot again, with the host's initramfs, and what of its root this is about
carry() {
	cp "$initramfs" "$OUT/$1"
	again "$1" /boot /etc/default/grub /etc/initramfs-tools /etc/modprobe.d /etc/modules-load.d /usr/sbin/update-grub \
		/var/lib/pvebind
}
# drivers ADDRESS… - their drivers, in one line
drivers() { local a d=(); for a; do d+=("$(driver "$a")"); done; echo "${d[@]}"; }
card() { drivers 01:00.0 01:00.1; }
rest() { drivers 03:00.0 04:00.0; }
# had - what the kernel's log has of the card's own drivers
had() { dmesg | grep -oE 'Initialized bochs-drm|hdaudioC0D0' | sort -u | tr '\n' ' '; }
had_both() { [ "$(had)" = 'Initialized bochs-drm hdaudioC0D0 ' ]; }
# loaded - of these modules those that are there, in the order of their coming; the root comes with overlay
loaded() { tac /proc/modules | awk '$1 ~ /^(vfio_pci|bochs|snd_hda_intel|overlay)$/ { printf "%s ", $1 }'; }

# What installing Debian's kernel, initramfs-tools and GRUB leaves; the initramfs itself is update-initramfs's matter. Made
# quick and small, with the graphics driver as on a host with FRAMEBUFFER=y or plymouth, and a root like the bed's.
installed() {
	cp "$KERNEL_DIR/config" "/boot/config-$release"
	cp "$KERNEL_DIR/vmlinuz" "/boot/vmlinuz-$release"
	: >"$initramfs"
	mkdir -p /boot/grub /etc/default
	: >/boot/grub/grub.cfg
	echo 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"' >/etc/default/grub
	cat >/usr/sbin/update-grub <<'END'
#!/bin/sh
. /etc/default/grub
echo "linux $GRUB_CMDLINE_LINUX_DEFAULT" >/boot/grub/grub.cfg
END
	printf '%s\n' MODULES=list COMPRESS=zstd COMPRESSLEVEL=1 RESUME=none BUSYBOX=n >/etc/initramfs-tools/conf.d/bed
	cat >/etc/initramfs-tools/hooks/bed <<'END'
#!/bin/sh
[ "$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules virtio_pci 9pnet_virtio 9p overlay bochs
END
	cp tests/vm/initrd-init /etc/initramfs-tools/scripts/bed
	chmod 755 /usr/sbin/update-grub /etc/initramfs-tools/hooks/bed
}
# coldplug - all of udev's, in the root
coldplug() {
	/lib/systemd/systemd-udevd --daemon --resolve-names=never
	udevadm trigger --type=devices --action=add
	udevadm settle --timeout=60
	udevadm control --exit
}

pve_conf 100 <<<'hostpci0: 0000:01:00,pcie=1'

case $BOOT in
1)
	is "the card is on its own drivers" "$(card)" 'bochs-drm snd_hda_intel'
	is "the rest, too" "$(rest)" 'e1000e nvme'
	ok "they say so" wait_for 20 had_both
	installed
	# A card whose driver nothing will load.
	echo 'blacklist e1000e' >/etc/modprobe.d/mine.conf
	snap before
	ok "reserve" "$pvebind" setup --reserve 01:00.0 03:00 --apply --yes
	like "it is for the next boot" "$TRY_OUT" 'reboot'
	is "the file has all of the card" "$(grep ^options $reserved)" 'options vfio-pci ids=1234:1111,8086:2668,8086:10d3'
	same_as before "nothing moves before"
	inside=$(lsinitramfs "$initramfs")
	for file in etc/modprobe.d/pvebind.conf bochs.ko vfio-pci.ko; do
		like "$file is in the initramfs" "$inside" "/?$file\$"
	done
	carry reserved.img
	;;
2)
	is "vfio-pci has the card" "$(card)" 'vfio-pci vfio-pci'
	is "it came before the card's own drivers: in the initramfs one, the other in the root" "$(loaded)" \
		'vfio_pci bochs overlay snd_hda_intel '
	ok "all of udev's coldplug, once more in the root" coldplug
	is "vfio-pci has the card still" "$(card)" 'vfio-pci vfio-pci'
	is "its own drivers never had it" "$(had)" ""
	is "nothing of it is there" "$(cat /proc/fb; ls -d /dev/dri /dev/snd/controlC* 2>/dev/null)" ""
	is "and the other that is reserved, but not the rest" "$(rest)" 'vfio-pci nvme'
	ok "reserve again" "$pvebind" setup --reserve 01:00 03:00 --apply --yes
	like "is nothing to do" "$TRY_OUT" 'nothing to do'
	snap reserved
	ok "the VM starts" pve_start 100
	is "with the card" "$(holders 01:00)" "$(cat /run/qemu-server/100.pid)"
	ok "and stops" pve_stop 100
	same_as reserved "the card stays reserved"
	ok "the card alone is given back" "$pvebind" setup --unreserve 01:00 --apply --yes
	is "the other is kept" "$(grep ^options $reserved)" 'options vfio-pci ids=8086:10d3'
	same_as reserved "nothing moves before the next boot"
	carry unreserved.img
	;;
3)
	is "the card is on its own drivers again" "$(card)" 'bochs-drm snd_hda_intel'
	is "in the initramfs already, the same but for the file" "$(loaded)" 'bochs overlay snd_hda_intel '
	ok "they say so" wait_for 20 had_both
	is "the other that is reserved has no driver, as it is blacklisted" "$(rest)" 'none nvme'
	ok "modules that are loaded at boot" /lib/systemd/systemd-modules-load
	is "bring vfio-pci, which takes it" "$(rest)" 'vfio-pci nvme'
	snap home
	ok "the VM starts" pve_start 100
	is "with the card" "$(card) $(holders 01:00)" "vfio-pci vfio-pci $(cat /run/qemu-server/100.pid)"
	ok "and stops" pve_stop 100
	same_as home "the card is home"
	;;
esac
