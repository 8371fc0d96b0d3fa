#: summary a driver that waits for its users: unloaded and loaded again, refused while used, never waited for
#: devices edu gpu
#: qemu -device edu,id=edu2,bus=rp6
#: modules yes
#: timeout 420
# shellcheck shell=bash

CARD=0000:05:00.0 OTHER=0000:06:00.0
pve_conf 100 <<<"hostpci0: $CARD"
# ini UNLOAD - what VM 100 wants unloaded
ini() { printf '[vm 100]\nguard = no\nunload = %s\n' "$1" >/etc/pve/pvebind.ini; }
family() { (cd /sys/module && echo nvidia*); }
ALL="nvidia nvidia_drm nvidia_modeset nvidia_uvm"
# hold NODE - by a process of its own, USER_PID
hold() {
	(exec -a holder sleep 1000 5<"$1") </dev/null >/dev/null 2>&1 19>&- &
	USER_PID=$!
	wait_for 10 test -e /proc/$USER_PID/fd/5
}
let_go() {
	kill "$USER_PID"
	wait "$USER_PID" 2>/dev/null
	wait_for 10 pve_gone "$USER_PID"
}
quick() { [ "$HOOK_MS" -lt 8000 ] && [ "$HOOK_EOF_MS" -lt 1000 ]; }
clean() { is "no state is left but locks" "$(cd /run/pvebind && find . -type f ! -name '*.lock' ! -name console.bound ! -name '*generation*')" ""; }
# meanwhile COMMAND… - run it while the hook, in the background, is unloading nvidia_uvm, which takes its time
meanwhile() {
	set_param nvidia_uvm exit_ms 4000
	(pve_hook 100 pre-start; echo "$HOOK_STATUS" >/tmp/status; echo "$HOOK_OUT" >/tmp/out) </dev/null >/dev/null 2>&1 19>&- &
	JOB=$!
	wait_for 20 grep -q going /sys/module/nvidia_uvm/initstate && "$@"
}

# The family where modprobe finds it, beside what libkmod has to find else: nothing, as it is loaded.
modprobe -a vfio-pci vfio_iommu_type1
mount -t tmpfs modules "/lib/modules/$(uname -r)"
cp "$ADVERSARY"/nvidia*.ko "/lib/modules/$(uname -r)"
depmod 2>/dev/null
mkdir -p /etc/modprobe.d
echo 'options nvidia_drm modeset=1' >/etc/modprobe.d/nvidia.conf
echo none >"$(dev 06:00)/driver_override"
ok "the family loads" modprobe -a nvidia_drm nvidia_uvm
nvidia_nodes
is "all of it" "$(family)" "$ALL"
is "the card is on it" "$(driver 05:00)" nvidia
is "nvidia_drm holds it from inside the kernel" "$(get_param nvidia_drm modeset)" Y
ini auto
snap before

# --- one card: everything is unloaded, and loaded again ---
ok "the VM starts" pve_start 100
is "the card is on vfio-pci" "$(driver 05:00)" vfio-pci
is "a QEMU has it" "$(holders 05:00)" "$(cat /run/qemu-server/100.pid)"
is "nothing of the family is loaded" "$(family)" "nvidia*"
like "the modules are named" "$TRY_OUT" "$CARD: unloaded the module nvidia_drm"
fails_with 1 "what loads it now does not get the card" modprobe nvidia
is "which stays" "$(driver 05:00)" vfio-pci
ok "the VM stops" pve_stop 100
is "the card is home" "$(driver 05:00)" nvidia
is "all of it is loaded again" "$(family)" "$ALL"
is "with modprobe.d's options" "$(get_param nvidia_drm modeset)" Y
same_as before "everything is as it was"
clean

# --- only what was loaded ---
rmmod nvidia_uvm
ok "lent without nvidia_uvm" pve_hook 100 pre-start
ok "and back" pve_hook 100 post-stop
is "it is not loaded then" "$(family)" "nvidia nvidia_drm nvidia_modeset"
modprobe nvidia_uvm
nvidia_nodes

# --- somebody uses it ---
ok "a process has it open" hold /dev/nvidia0
fails_with 1 "the VM is refused" pve_hook 100 pre-start
like "by the process's name" "$HOOK_OUT" "refused \(held\): $CARD .*pid $USER_PID.* /dev/nvidia0"
unlike "nothing was unloaded" "$HOOK_OUT" 'unloaded'
ok "at once" quick
is "all of it is there" "$(family)" "$ALL"
let_go

# --- who comes after the look: unloading fails at once, and what was unloaded is loaded again ---
ok "a process opens it while nvidia_uvm is being unloaded" meanwhile hold /dev/nvidia0
wait "$JOB"
is "the lend fails" "$(cat /tmp/status)" 1
like "the last of the family could not be unloaded" "$(cat /tmp/out)" "$CARD: cannot unload the kernel module nvidia: it is in use: .*pid $USER_PID.* has /dev/nvidia0 open"
like "the others could" "$(cat /tmp/out)" 'unloaded the module nvidia_modeset'
like "and are loaded again" "$(cat /tmp/out)" 'loaded the module nvidia_modeset again'
is "all of it is there" "$(family)" "$ALL"
is "the card is where it was" "$(driver 05:00)" nvidia
is "its override too" "$(override 05:00)" ""
let_go
same_as before "everything is as it was, again"
clean

# --- unload = none ---
ini none
fails_with 1 "with modeset it is refused then" pve_hook 100 pre-start
like "which is said" "$HOOK_OUT" "refused \(driver-gate\): $CARD cannot be unbound from nvidia, which stays loaded with unload = none: nvidia_drm was loaded with modeset=1"
rm /etc/modprobe.d/nvidia.conf
rmmod nvidia_drm
modprobe nvidia_drm
ok "without modeset it is unbound" pve_hook 100 pre-start
is "and is on vfio-pci" "$(driver 05:00)" vfio-pci
is "with all of it loaded" "$(family)" "$ALL"
ok "and back" pve_hook 100 post-stop
is "home" "$(driver 05:00)" nvidia

# --- by name ---
ini 'nvidia_uvm nvidia'
fails_with 1 "an order that cannot be is refused" pve_hook 100 pre-start
like "with what is in the way" "$HOOK_OUT" 'refused \(driver-gate\): the module nvidia cannot be unloaded: the module nvidia_(modeset|drm) uses it'
ini nvidia_uvm
ok "one of them" pve_hook 100 pre-start
is "and only that" "$(family)" "nvidia nvidia_drm nvidia_modeset"
ok "and back" pve_hook 100 post-stop
is "all of it is there" "$(family)" "$ALL"

# who comes after the look at all is seen by the one right before the driver's remove()
ini nvidia_uvm
ok "a process opens it while nvidia_uvm is being unloaded" meanwhile hold /dev/nvidia0
wait "$JOB"
is "the lend fails" "$(cat /tmp/status)" 1
like "without going into remove()" "$(cat /tmp/out)" "$CARD: not unbound from nvidia, which would hang until it is closed: .*pid $USER_PID.* has /dev/nvidia0 open"
is "the card is where it was" "$(driver 05:00)" nvidia
is "all of it is there" "$(family)" "$ALL"
let_go
clean

# --- two cards ---
ini auto
echo >"$(dev 06:00)/driver_override"
echo $OTHER >/sys/bus/pci/drivers_probe
nvidia_nodes
is "the other card is on it, too" "$(driver 06:00)" nvidia
snap two
ok "the other card is in use" hold /dev/nvidia1
fails_with 1 "then this one is refused" pve_hook 100 pre-start
like "with what and who" "$HOOK_OUT" "refused \(driver-gate\): $CARD .* as $OTHER uses it, too, .*pid $USER_PID.* has /dev/nvidia1 open"
ok "at once" quick
let_go
ok "idle, it stays where it is, and this one goes" pve_hook 100 pre-start
is "by unbinding" "$(driver 05:00)" vfio-pci
is "not unloading" "$(family)" "$ALL"
is "the other card stays" "$(driver 06:00)" nvidia
ok "and back" pve_hook 100 post-stop
same_as two "everything is as it was, with two cards"

# both to one VM: then nobody else needs it
pve_conf 100 <<<"hostpci0: $CARD
hostpci1: $OTHER"
ok "both are lent" pve_hook 100 pre-start
is "and all of it is unloaded" "$(family)" "nvidia*"
ok "both are taken back" pve_hook 100 post-stop
is "the first" "$(driver 05:00)" nvidia
is "the second" "$(driver 06:00)" nvidia
is "all of it is there" "$(family)" "$ALL"
same_as two "everything is as it was, with both"

# --- what cannot be loaded again ---
pve_conf 100 <<<"hostpci0: $CARD"
echo none >"$(dev 06:00)/driver_override"
echo $OTHER >"$(dev 06:00)/driver/unbind"
ok "lent" pve_hook 100 pre-start
mv "/lib/modules/$(uname -r)/nvidia_uvm.ko" /tmp
fails_with 4 "nvidia_uvm is missing" pve_hook 100 post-stop
like "it is said, with the remedy" "$HOOK_OUT" 'cannot load the kernel module nvidia_uvm: .*modprobe nvidia_uvm'
is "the card is home all the same" "$(driver 05:00)" nvidia
mv /tmp/nvidia_uvm.ko "/lib/modules/$(uname -r)"
ok "mended, recover does the rest" "$TOP/build/pvebind" recover
is "all of it is there" "$(family)" "$ALL"
clean

# --- a card with the console on it, which holds nvidia_drm until it is taken off ---
rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia
echo none >"$(dev 05:00)/driver_override"
echo nvidia >"$(dev 01:00)/driver_override"
echo 0000:01:00.0 >/sys/bus/pci/drivers/bochs-drm/unbind
rmmod bochs
echo 'options nvidia_drm modeset=1 fbdev=1' >/etc/modprobe.d/nvidia.conf
modprobe nvidia_drm
is "it has the only frame buffer" "$(cat /proc/fb)" "0 nvidia-drmdrmfb"
for bind in /sys/class/vtconsole/vtcon*/bind; do
	! grep -q 'frame buffer' "${bind%bind}name" || echo 1 >"$bind"
done
is "by which nvidia_drm is used" "$(cat /sys/module/nvidia_drm/refcnt)" 1
pve_conf 100 <<<'hostpci0: 0000:01:00.0'
ini auto
snap console
ok "the console leaves, then the modules" pve_hook 100 pre-start
like "in this order" "$(tr '\n' ' ' <<<"$HOOK_OUT")" 'console off the screen.*unloaded the module nvidia_drm'
is "the card is on vfio-pci" "$(driver 01:00)" vfio-pci
ok "and back" pve_hook 100 post-stop
same_as console "the console is on it again"
clean
ok "no warning in the kernel's log" eval '! dmesg | grep -E "WARNING:|BUG:|Oops|non-zero usage"'
