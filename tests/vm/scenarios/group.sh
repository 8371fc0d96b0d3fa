#: summary who moves along and where home is: groups, no driver, vfio-pci by hand, names that differ, ids in new_id
#: devices shared usb gpu edu testdev
#: timeout 240
# shellcheck shell=bash

vfio=/sys/bus/pci/drivers/vfio-pci
module() { base "$(dev "$1")/driver/module" || echo none; }
# both ADDRESS - "driver override" of a device
both() { echo "$(driver "$1") $(override "$1")"; }

# --- the premises ---
is "a group of two devices and their bridge" "$(members 0a:01)" "0000:09:00.0 0000:0a:01.0 0000:0a:02.0"
is "one has no driver" "$(driver 0a:01.0)" none
is "the other is a NIC" "$(driver 0a:02.0)" e1000
ok "with an interface that nobody uses" test -d "$(dev 0a:02.0)/net"
is "the USB controller's driver is not named as its module" "$(driver 07:00.0) $(module 07:00.0)" "xhci_hcd xhci_pci"
is "nor is the display's" "$(driver 01:00.0) $(module 01:00.0)" "bochs-drm bochs"
ok "the USB controller has a disk" wait_for 30 test -b /dev/sda

# An id written by hand (or by PVE before there was a hook), and vfio-pci loaded before the home drivers: from now
# on, whatever asks the kernel to choose gets vfio-pci.
modprobe -a vfio-pci vfio_iommu_type1
for a in 0a:02.0 07:00.0 01:00.0; do
	ids $a >$vfio/new_id
done
ids 06:00.0 >$vfio/new_id # takes it at once, as it has no driver
echo vfio-pci >"$(dev 05:00.0)/driver_override"
echo 0000:05:00.0 >/sys/bus/pci/drivers_probe
is "a device was put on vfio-pci by its id" "$(both 06:00.0)" "vfio-pci "
is "another by an override" "$(both 05:00.0)" "vfio-pci vfio-pci"
snap before

# --- a group that moves as a whole, for a VM that names one device of it ---
pve_conf 100 <<<'hostpci0: 0000:0a:01.0'
ok "PVE starts the VM" pve_start 100
like "the other device is said to move along" "$TRY_OUT" '0000:0a:02\.0 .*moves along'
unlike "the bridge is not" "$TRY_OUT" '0000:09:00\.0 moves'
is "the device is on vfio-pci" "$(both 0a:01.0)" "vfio-pci vfio-pci"
is "so is the one that moved along" "$(both 0a:02.0)" "vfio-pci vfio-pci"
is "the bridge has stayed" "$(driver 09:00.0)" none
is "QEMU has the group open" "$(holders 0a:01)" "$(cat /run/qemu-server/100.pid)"
ok "PVE had nothing left to bind: no id was added for the device" no_new_id 0a:01.0
ok "PVE stops the VM" pve_stop 100
like "home without a driver is said" "$TRY_OUT" '0000:0a:01\.0: home without a driver'
like "home on its own driver is said" "$TRY_OUT" '0000:0a:02\.0: home on e1000'
is "the device has no driver again" "$(both 0a:01.0)" "none "
is "the NIC is home in spite of its id in vfio-pci" "$(both 0a:02.0)" "e1000 "
ok "with its interface" test -d "$(dev 0a:02.0)/net"
same_as before "everything is as it was after the group"

# --- the home driver's module goes while the device is away: it comes last then, behind vfio-pci ---
pve_conf 100 <<<'hostpci0: 0000:0a:02.0'
ok "the NIC is lent" pve_hook 100 pre-start
is "and on vfio-pci" "$(driver 0a:02.0)" vfio-pci
rmmod e1000
ok "its home driver is gone" test ! -e /sys/bus/pci/drivers/e1000
ok "the NIC is taken back" pve_hook 100 post-stop
is "it is home" "$(both 0a:02.0)" "e1000 "
same_as before "everything is as it was after the NIC"

# --- drivers that are not named as their modules, unloaded meanwhile too ---
pve_conf 101 <<-END
	hostpci0: 0000:07:00
	hostpci1: 0000:01:00
END
ok "the USB controller and the card are lent" pve_hook 101 pre-start
is "both are on vfio-pci" "$(driver 07:00.0) $(driver 01:00.0) $(driver 01:00.1)" "vfio-pci vfio-pci vfio-pci"
ok "the disk is gone" wait_for 10 test ! -e /dev/sda
rmmod xhci_pci
rmmod bochs
ok "the module of the USB controller's driver is gone" test ! -e /sys/module/xhci_pci -a ! -e /sys/bus/pci/drivers/xhci_hcd
ok "that of the display's is gone" test ! -e /sys/module/bochs -a ! -e /sys/bus/pci/drivers/bochs-drm
ok "they are taken back" pve_hook 101 post-stop
is "the USB controller is home" "$(both 07:00.0)" "xhci_hcd "
is "the display is home" "$(both 01:00.0)" "bochs-drm "
is "the sound is home" "$(both 01:00.1)" "snd_hda_intel "
ok "the disk is there again" wait_for 30 test -b /dev/sda
same_as before "everything is as it was after the two"

# --- on vfio-pci already: there they stay ---
pve_conf 102 <<-END
	hostpci0: 0000:06:00
	hostpci1: 0000:05:00
END
ok "PVE starts a VM with what was on vfio-pci already" pve_start 102
like "that it stays there is said of the first" "$TRY_OUT" '0000:06:00\.0 is on vfio-pci already and stays there'
like "and of the second" "$TRY_OUT" '0000:05:00\.0 is on vfio-pci already and stays there'
is "QEMU has the first open" "$(holders 06:00)" "$(cat /run/qemu-server/102.pid)"
ok "PVE stops it" pve_stop 102
like "that they stay is said again" "$TRY_OUT" '0000:05:00\.0, 0000:06:00\.0 stays? on vfio'
unlike "and not that they went home" "$TRY_OUT" 'home again'
is "the first is on vfio-pci still" "$(both 06:00.0)" "vfio-pci "
is "the second, too" "$(both 05:00.0)" "vfio-pci vfio-pci"
same_as before "everything is as it was after those"
is "no state is left but locks" "$(cd /run/pvebind && find . -type f ! -name '*.lock' ! -name console.bound)" ""

# --- the premise of all this: the ids were in vfio-pci's list all the time, and it would have come first ---
echo 0000:0a:02.0 >/sys/bus/pci/drivers/e1000/unbind
echo 0000:0a:02.0 >/sys/bus/pci/drivers_probe
is "a probe without an override gives the NIC to vfio-pci" "$(both 0a:02.0)" "vfio-pci "
for a in 0a:02.0 07:00.0 01:00.0; do
	fails_with 1 "the id of $a was in vfio-pci's list" no_new_id $a
done
