#: summary two cards with one console: lending one leaves it alive on the other; both go and come back, in either order
#: devices gpu gpu2
#: kernels 6.1 6.12 7
#: timeout 240
# shellcheck shell=bash

pve_conf 100 <<<'hostpci0: 0000:01:00,pcie=1'
pve_conf 101 <<<'hostpci0: 0000:02:00,pcie=1'
# bound - vtconsoles on a frame buffer; they are gone with the last of those
bound() { grep -l 'frame buffer' /sys/class/vtconsole/*/name | wc -l; }
# See onlycard.sh: only what we write shows.
dmesg -n 1
printf '\033[?25l\033[2J\033[Hthe host, before any lend\n' >/dev/tty1

# write TEXT - a line on the console, and which of the cards' pictures it changes: LIT is "1", "2", "12" or ""
LIT='' ONE='' TWO='' WRITES=0
write() {
	local one two until
	WRITES=$((WRITES + 1))
	one=$(shot gpu1 $WRITES-gpu1-before)
	two=$(shot gpu2 $WRITES-gpu2-before)
	echo "$1" >/dev/tty1
	LIT='' until=$((SECONDS + 3))
	# It is painted in the background: the picture that changes is the one to wait for.
	until ONE=$(shot gpu1 $WRITES-gpu1-after) TWO=$(shot gpu2 $WRITES-gpu2-after)
		[ "$ONE$TWO" != "$one$two" ] || [ $SECONDS -ge $until ]; do
		sleep 0.2
	done
	[ "$ONE" = "$one" ] || LIT=1
	[ "$TWO" = "$two" ] || LIT=${LIT}2
}
# again - all that was written, written anew on a clean screen: the pictures have to be the same as before
again() {
	printf '\033[2J\033[H' >/dev/tty1
	printf '%s\n' "$@" >/dev/tty1
}
vtcon() { cat /sys/class/vtconsole/vtcon*/bind | tr -d '\n'; }

is "two frame buffers" "$(wc -l </proc/fb)" 2
write "both cards at home"
is "the console is on the first card" "$LIT" 1
dark=$TWO
snap before
vtcons=$(vtcon)

# --- the first card goes: the console lives on, on the second ---
ok "the first card is lent" pve_start 100
is "a QEMU has the first" "$(holders 01:00)" "$(cat /run/qemu-server/100.pid)"
is "one frame buffer is left" "$(wc -l </proc/fb)" 1
is "the vtconsoles are as they were" "$(vtcon)" "$vtcons"
write "written while the first card was away"
is "the console is alive on the second card" "$LIT" 2
isnt "which showed nothing before" "$TWO" "$dark"
both=$TWO
again 'the host, before any lend' 'both cards at home' 'written while the first card was away'
shows "the text is what was on the first, and the line" gpu2 2-gpu2-anew "$both"

# --- then the second, for another VM: none is left ---
ok "the second card is lent" pve_start 101
like "now the console is taken off the screen" "$TRY_OUT" 'console off the screen'
is "a QEMU has the second" "$(holders 02:00)" "$(cat /run/qemu-server/101.pid)"
is "the console is off" "$(bound)" 0
write "written while both cards were away"
is "it shows nowhere" "$LIT" ""

# --- back in the order they went: the first to come brings the console ---
ok "the first card is taken back" pve_stop 100
is "the console is on again" "$(bound)" 1
write "written while the second card was away"
is "the console is on the first card" "$LIT" 1
all=$ONE
again 'the host, before any lend' 'both cards at home' 'written while the first card was away' \
	'written while both cards were away' 'written while the second card was away'
shows "with all that was written before and meanwhile" gpu1 4-gpu1-anew "$all"
ok "the second card is taken back" pve_stop 101
write "both back"
is "the console stays on the first card" "$LIT" 1
same_as before "everything is as it was"

# --- both away again, without QEMUs, and back the other way round ---
ok "the second card is lent first" pve_hook 101 pre-start
write "the second card is away"
is "the console stays on the first card, again" "$LIT" 1
ok "the first card is lent" pve_hook 100 pre-start
is "the console is off, again" "$(bound)" 0
ok "the first that was lent is taken back first" pve_hook 101 post-stop
is "the console is on, again" "$(bound)" 1
write "the second card is home alone"
is "the console is on the second card" "$LIT" 2
ok "the other is taken back" pve_hook 100 post-stop
write "all home"
like "the console is on a card" "$LIT" '^[12]$'
same_as before "everything is as it was, again"

# --- somebody binds one by hand at the very moment when the other, the last, gives the console away: the kernel puts it
# on the one that comes ---
# delayed MICROSECONDS enter|exit PATH VMID - its pre-start in the background (HOOK_PID, /run/VMID.out); writes to PATH wait so
# long before or after
delayed() {
	strace -f -qq -o "$OUT/strace-$4.log" -e trace=write -P "$(realpath "$3")" -e "inject=write:delay_$2=$1" \
		"$HOOK" "$4" pre-start </dev/null >"/run/$4.out" 2>&1 &
	HOOK_PID=$!
}
is "the second card has the first frame buffer" "$(cd /sys/bus/pci/devices/0000:02:00.0/graphics && echo *)" fb0
ok "the second card is lent" pve_hook 101 pre-start
delayed 6000000 exit /sys/class/vtconsole/vtcon1/bind 100
ok "the console is off for the first card's sake" wait_for 20 grep -qx 0 /sys/class/vtconsole/vtcon1/bind
echo 0000:02:00.0 >/sys/bus/pci/drivers/vfio-pci/unbind
echo >/sys/bus/pci/devices/0000:02:00.0/driver_override
echo 0000:02:00.0 >/sys/bus/pci/drivers/bochs-drm/bind
wait $HOOK_PID
is "the first is lent nevertheless" "$?" 0
like "as the console is on the other now" "$(cat /run/100.out)" 'the console went to another card'
write "the second card came just now"
is "and lives there" "$LIT" 2
ok "the second card is taken back, where it is" pve_hook 101 post-stop
ok "the first card is taken back" pve_hook 100 post-stop
same_as before "everything is as it was after that"

# --- both start at once: whose card does not show the console has looked, and is slow, when the other moves the console there ---
write "all home, again"
like "the console is on a card, still" "$LIT" '^[12]$'
shown=$LIT dark=$((3 - LIT))
delayed 6000000 enter /sys/bus/pci/drivers/bochs-drm/unbind $((99 + dark))
ok "the lend of the dark card is under way" wait_for 20 grep -q 'intent op=1' "/run/pvebind/$((99 + dark)).journal"
ok "the card with the console is lent" pve_hook $((99 + shown)) pre-start
ok "after the other" test "$HOOK_MS" -ge 1000
wait $HOOK_PID
is "which is lent, too" "$?" 0
is "the delay was there" "$(grep -c DELAYED "$OUT/strace-$((99 + dark)).log")" 1
is "the console is off, once more" "$(bound)" 0
write "written to nowhere"
is "and the host lives on" "$LIT" ""
ok "the card that showed it is taken back" pve_hook $((99 + shown)) post-stop
ok "and the dark one" pve_hook $((99 + dark)) post-stop
write "all home, after all"
like "the console is on one of them" "$LIT" '^[12]$'
same_as before "everything is as it was after that, too"

# --- the card with the console on it goes once more, now that the vtconsole has been bound by hand before, as every
# return does: left to itself, fbcon may then keep terminals on a frame buffer that is no more ---
echo 0 >/sys/class/vtconsole/vtcon1/bind
echo 1 >/sys/class/vtconsole/vtcon1/bind
write "bound by hand"
like "the console is on one of the cards" "$LIT" '^[12]$'
here=$LIT
ok "the card with the console is lent" pve_hook "$((99 + here))" pre-start
write "the card with the console is away"
is "the console lives on, on the other" "$LIT" "$((3 - here))"
is "the vtconsoles are as they were, once more" "$(vtcon)" "$vtcons"
ok "it is taken back" pve_hook "$((99 + here))" post-stop
write "all home once more"
like "the console is on one of the cards, still" "$LIT" '^[12]$'
same_as before "everything is as it was, once more"
is "no state is left but locks" "$(cd /run/pvebind && find . -type f ! -name '*.lock' ! -name console.bound)" ""
