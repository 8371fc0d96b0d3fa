#: summary UEFI, the console on the firmware's frame buffer: lent; back with the native driver, found by modalias
#: devices vga
#: firmware ovmf
#: coldplug no
#: kernels 6.1 6.12 7
#: timeout 180
# shellcheck shell=bash

pve_conf 100 <<<'hostpci0: 0000:08:00,pcie=1'
bound() { grep -l 'frame buffer' /sys/class/vtconsole/*/name | wc -l; }
dmesg -n 1

# --- the premises ---
ok "the host was started by UEFI" test -d /sys/firmware/efi
echo "frame buffer: $(cat /proc/fb)"
like "the console is on the firmware's frame buffer" "$(cat /proc/fb)" '^0 (EFI VGA|simpledrmdrmfb|simple|efi)'
is "the card has no driver" "$(driver 08:00.0)" none
ok "and its own was never loaded" test ! -e /sys/module/bochs
is "the console is on" "$(bound)" 1
printf '\033[?25l\033[2J\033[Hthe host, on what the firmware left\n' >/dev/tty1
before=$(shot vga 1-before)
echo "a line" >/dev/tty1
isnt "what is written shows" "$(shot vga 2-line)" "$before"

# --- lent ---
ok "PVE starts the VM" pve_start 100
like "what will show the console afterwards is said before" "$TRY_OUT" "firmware's frame buffer cannot come back.*bochs"
is "the card is on vfio-pci" "$(driver 08:00.0)" vfio-pci
is "QEMU has it" "$(holders 08:00)" "$(cat /run/qemu-server/100.pid)"
is "the firmware's frame buffer is gone" "$(cat /proc/fb)" ""
is "the console is off" "$(bound)" 0
lent=$(shot vga 3-lent)
echo "written while the card was away" >/dev/tty1
shows "the line does not show on a card that is away" vga 4-lent-line "$lent"

# --- back ---
ok "PVE stops the VM" pve_stop 100
like "the driver is named" "$TRY_OUT" '0000:08:00\.0: home on bochs-drm'
is "the native driver has the card" "$(driver 08:00.0) $(override 08:00.0)" "bochs-drm "
like "it has a frame buffer" "$(cat /proc/fb)" '^0 bochs'
is "the console is on" "$(bound)" 1
after=$(shot vga 5-after)
unlike "the screen is not blank" "$after" ' 1$'
isnt "nor what the borrower left" "$after" "$lent"
# The text that is there now, written anew on a clean screen of the same driver, gives the same picture.
printf '\033[2J\033[Hthe host, on what the firmware left\na line\nwritten while the card was away\n' >/dev/tty1
shows "but the text from before and the line from meanwhile, to the pixel" vga 6-anew "$after"

# --- and from now on like any card ---
snap home
ok "it is lent again" pve_hook 100 pre-start
unlike "nothing is said of the firmware any more" "$HOOK_OUT" 'firmware'
ok "and taken back" pve_hook 100 post-stop
shows "the screen is the same" vga 7-again "$after"
same_as home "everything is as it was"
ok "no id was added to vfio-pci" no_new_id 08:00.0
is "no state is left but locks" "$(cd /run/pvebind && find . -type f ! -name '*.lock' ! -name console.bound)" ""
