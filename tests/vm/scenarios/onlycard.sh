#: summary the only card: console gone and back, by pictures
#: devices gpu
#: kernels 6.1 6.12 7
#: timeout 180
# shellcheck shell=bash

pve_conf 100 <<<'hostpci0: 0000:01:00,pcie=1'

# bound - vtconsoles on a frame buffer; they are gone with the last of those
bound() { grep -l 'frame buffer' /sys/class/vtconsole/*/name | wc -l; }
# paint COLOUR - fill the card's memory, as whoever borrowed it may. What the host shows afterwards is drawn anew
# then, and not what has been standing there all the time. Needs a card that is on vfio-pci and open nowhere.
paint() {
	python3 - "$(dev 01:00.0)" "$1" <<-'END'
		import mmap, os, sys
		device, colour = sys.argv[1], int(sys.argv[2], 16).to_bytes(4, "little")
		config = os.open(device + "/config", os.O_RDWR)
		command = os.pread(config, 2, 4)
		os.pwrite(config, bytes([command[0] | 2, command[1]]), 4)  # answer to memory accesses
		bar = os.open(device + "/resource0", os.O_RDWR)
		with mmap.mmap(bar, 1280 * 800 * 4) as memory:
		    memory[:] = colour * (1280 * 800)
		os.pwrite(config, command, 4)
	END
}
# Only what we write changes the picture: no cursor, no messages of the kernel. At most 25 lines of 80: the kernel's
# console is that small while it has no frame buffer.
dmesg -n 1
screen() { printf '\033[?25l\033[2J\033[Hthe host before the lend\n\n  a second line\n' >/dev/tty1; }
line='written while the card was away'

screen
is "the console is on the frame buffer" "$(bound)" 1
before=$(shot gpu1 1-before)
# What the screen will have to look like once the line is on it, made with the card at home.
echo "$line" >/dev/tty1
expected=$(shot gpu1 2-expected)
isnt "a line shows" "$expected" "$before"
screen
shows "the same text is the same picture" gpu1 3-before "$before"
snap before

# --- away and back, and nobody wrote anything ---
ok "the card is lent" pve_hook 100 pre-start
is "the console is off" "$(bound)" 0
is "no frame buffer is left" "$(cat /proc/fb)" ""
ok "the borrower paints the screen" paint 0000aa
away=$(shot gpu1 4-away)
isnt "the host's text is gone from it" "$away" "$before"
like "all is of one colour" "$away" ' 1$'
ok "the card is taken back" pve_hook 100 post-stop
is "the console is on the frame buffer again" "$(bound)" 1
shows "the screen is what it was, to the pixel" gpu1 5-after "$before"
same_as before "everything is as it was"

# --- away with a QEMU on it, and a line written meanwhile ---
ok "PVE starts the VM" pve_start 100
is "QEMU has the card" "$(holders 01:00)" "$(cat /run/qemu-server/100.pid)"
lent=$(shot gpu1 6-lent)
echo "$line" >/dev/tty1
shows "the line does not show on a card that is away" gpu1 7-lent-line "$lent"
ok "PVE stops the VM" pve_stop 100
after=$(shot gpu1 8-after-line)
isnt "the screen is not the borrower's" "$after" "$away"
isnt "nor what it was before" "$after" "$before"
is "but the old text and the new line, to the pixel" "$after" "$expected"
same_as before "everything is as it was, again"
