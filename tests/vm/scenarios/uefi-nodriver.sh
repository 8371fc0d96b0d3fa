#: summary UEFI, the console on the firmware's frame buffer, and no driver for the card: said before and after
#: devices vga
#: firmware ovmf
#: coldplug no
# shellcheck shell=bash

# The host has no driver for the card: a blacklist keeps the alias from loading it.
echo 'blacklist bochs' >/etc/modprobe.d/pvebind-test.conf
pve_conf 100 <<<'hostpci0: 0000:08:00,pcie=1'
bound() { grep -l 'frame buffer' /sys/class/vtconsole/*/name | wc -l; }
dmesg -n 1

# --- the premises ---
modprobe -b "$(cat "$(dev 08:00)/modalias")"
ok "nothing comes for the card's alias" test ! -e /sys/module/bochs
like "the console is on the firmware's frame buffer" "$(cat /proc/fb)" '^0 (EFI VGA|simpledrmdrmfb|simple|efi)'
is "the card has no driver" "$(driver 08:00.0)" none
is "the console is on" "$(bound)" 1

ok "the card is lent" pve_hook 100 pre-start
like "that the screen stays dark is said before" "$HOOK_OUT" "0000:08:00\.0: the console is on the firmware's frame buffer, which cannot come back, and this host has no driver"
is "it is on vfio-pci" "$(driver 08:00.0)" vfio-pci
is "the frame buffer is gone" "$(cat /proc/fb)" ""
lent=$(shot vga 1-lent)

ok "it is taken back, which is no failure" pve_hook 100 post-stop
like "that the screen stays dark is said after" "$HOOK_OUT" 'warning: .*0000:08:00\.0.*no driver'
is "it has no driver, and nothing pins it" "$(driver 08:00.0) $(override 08:00.0)" "none "
is "there is no frame buffer" "$(cat /proc/fb)" ""
echo "a line that nobody will see" >/dev/tty1
shows "what is written does not show" vga 2-after "$lent"
is "no state is left but locks" "$(cd /run/pvebind && find . -type f ! -name '*.lock' ! -name console.bound)" ""
ok "post-stop again has nothing to do" pve_hook 100 post-stop

# A person mends it: the console comes by itself, as pvebind left nothing in its way.
rm /etc/modprobe.d/pvebind-test.conf
modprobe bochs
is "the driver, loaded by hand, has the card" "$(driver 08:00.0)" bochs-drm
is "the console is on" "$(bound)" 1
