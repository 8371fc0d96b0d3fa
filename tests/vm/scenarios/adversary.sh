#: summary the modules of tests/vm/adversary do what they claim: hang, fail, wait for their users as NVIDIA's driver does
#: devices edu testdev
#: modules yes
#: long yes
#: timeout 300
# shellcheck shell=bash

EDU=0000:05:00.0 TESTDEV=0000:06:00.0
write() { echo "$2" >"$1"; }
# start_write FILE TEXT - by a process of its own, WRITER. Its standard streams are files: it may never come back.
start_write() {
	(echo "$2" >"$1") </dev/null >/tmp/writer.out 2>&1 19>&- &
	WRITER=$!
}
ends() { wait_for 10 pve_gone "$1"; }
start_read() {
	head -c 2 "$1" </dev/null >/tmp/reader.out 2>&1 19>&- &
	READER=$!
}
# hangs PID - it is in D state, and SIGKILL does not end it
hangs() {
	wait_for 10 in_d_state "$1" || return
	kill -KILL "$1"
	sleep 1
	wait_for 3 in_d_state "$1" # one that looks again now and then runs for an instant
}
bind() {
	write "$(dev "$1")/driver_override" "$2"
	[ ! -e "$(dev "$1")/driver" ] || write "$(dev "$1")/driver/unbind" "$1"
	write /sys/bus/pci/drivers_probe "$1"
	write "$(dev "$1")/driver_override" ''
	[ "$(driver "$1")" = "$2" ]
}
took() { local began=${EPOCHREALTIME/./}; "$@"; TOOK=$(((${EPOCHREALTIME/./} - began) / 1000)); }

modprobe -a vfio-pci vfio_iommu_type1

# --- adversary ---
ok "it loads" adversary adversary
is "it claims edu" "$(driver 05:00.0)" adversary
is "and pci-testdev" "$(driver 06:00.0)" adversary
took bind $EDU vfio-pci
is "unharmed, it lets go" "$(driver 05:00.0)" vfio-pci
is "one remove() was counted" "$(get_param adversary removes)" 1
took bind $EDU adversary
is "and takes back" "$(driver 05:00.0)" adversary

set_param adversary only $EDU
set_param adversary remove_ms 3000
took bind $EDU vfio-pci
ok "a slow remove() is slow" test "$TOOK" -ge 3000
set_param adversary probe_ms 3000
took bind $EDU adversary
ok "a slow probe() is slow" test "$TOOK" -ge 3000
took bind $TESTDEV vfio-pci
ok "not for a device that is not meant" test "$TOOK" -lt 3000
bind $TESTDEV adversary
set_param adversary remove_ms 0
set_param adversary probe_ms 0

set_param adversary fail_probe 1
fails_with 1 "probe() fails once" bind $EDU adversary
is "and leaves it without a driver" "$(driver 05:00.0)" none
ok "the next one succeeds" bind $EDU adversary
set_param adversary fail_probe 2
fails_with 1 "probe() fails always" bind $EDU adversary
fails_with 1 "again" bind $EDU adversary
set_param adversary fail_probe 0
ok "until told otherwise" bind $EDU adversary
set_param adversary fail_rebind Y
fails_with 1 "coming home fails" bind $EDU adversary
set_param adversary fail_rebind N
ok "until told otherwise" bind $EDU adversary
ok "it can be unloaded" rmmod adversary
ok "and loaded to fail at the second time only" adversary adversary fail_rebind=Y
is "the first is fine" "$(driver 05:00.0)" adversary
set_param adversary only $EDU
fails_with 1 "the second fails" bind $EDU adversary
set_param adversary fail_rebind N
bind $EDU adversary

set_param adversary hang_remove Y
start_write "$(dev 05:00.0)/driver/unbind" $EDU
ok "remove() hangs, beyond SIGKILL" hangs $WRITER
start_read "$(dev 05:00.0)/driver_override"
# Later kernels have a lock of its own for it.
case $KERNEL in
6.1) ok "reading driver_override hangs with it, beyond SIGKILL" hangs $READER ;;
*) ok "reading driver_override does not wait for it" ends $READER ;;
esac
is "the driver link is gone already" "$(driver 05:00.0)" none
is "the vendor can be read" "$(cat "$(dev 05:00.0)/vendor")" 0x1234
ok "so can the configuration space" timeout 2 head -c 2 "$(dev 05:00.0)/config"
ok "another device is free" timeout 10 bash -c "$(declare -f bind write dev driver base); bind $TESTDEV vfio-pci"
is "on vfio-pci" "$(driver 06:00.0)" vfio-pci
set_param adversary hang_remove N
ok "it ends when told" ends $WRITER
ok "and the reader too" ends $READER
is "the device is free" "$(driver 05:00.0)" none

write "$(dev 05:00.0)/driver_override" adversary
set_param adversary hang_probe Y
start_write /sys/bus/pci/drivers_probe $EDU
ok "probe() hangs, beyond SIGKILL" hangs $WRITER
set_param adversary hang_probe N
ok "it ends when told" ends $WRITER
is "the device is bound" "$(driver 05:00.0)" adversary
write "$(dev 05:00.0)/driver_override" ''

# --- deadcard ---
bind $EDU vfio-pci
ok "a card to die is chosen" adversary deadcard device=$EDU
ok "it can be reset still" write "$(dev 05:00.0)/reset" 1
is "one reset was counted" "$(get_param deadcard resets)" 1
set_param deadcard hang Y
start_write "$(dev 05:00.0)/reset" 1
ok "a reset hangs, beyond SIGKILL" hangs $WRITER
is "its driver can be read" "$(driver 05:00.0)" vfio-pci
start_read "$(dev 05:00.0)/config"
ok "reading its configuration space hangs with it, beyond SIGKILL" hangs $READER
ok "another device can be reset" write "$(dev 06:00.0)/reset" 1
set_param deadcard hang N
ok "it ends when told" ends $WRITER
ok "the reader too" ends $READER
is "two resets of it were counted, not the other device's" "$(get_param deadcard resets)" 2
if [ -e /sys/bus/pci/devices/0000:00:14.0/reset_subordinate ]; then
	set_param deadcard hang Y
	start_write /sys/bus/pci/devices/0000:00:14.0/reset_subordinate 1
	ok "the bridge's reset of what is below it hangs" hangs $WRITER
	set_param deadcard hang N
	ok "it ends when told" ends $WRITER
fi
set_param deadcard off_bus Y
is "off the bus, it reads as ones" "$(od -An -tx1 -N2 "$(dev 05:00.0)/config")" " ff ff"
is "the other does not" "$(od -An -tx1 -N2 "$(dev 06:00.0)/config")" " 36 1b"
set_param deadcard off_bus N
is "back on it, it has its ids" "$(od -An -tx1 -N2 "$(dev 05:00.0)/config")" " 34 12"
ok "it can be unloaded" rmmod deadcard
bind $EDU adversary
ok "so can the other" rmmod adversary

# --- nvidia ---
ok "nvidia loads" adversary nvidia
ok "and its family" eval "adversary nvidia_modeset && adversary nvidia_drm modeset=1 && adversary nvidia_uvm"
is "it claims edu" "$(driver 05:00.0)" nvidia
is "its module is its own" "$(base "$(dev 05:00.0)/driver/module")" nvidia
is "nodes are there" "$(cd /dev && echo nvidia*)" "nvidia-modeset nvidia-uvm nvidia0 nvidiactl"
is "modeset can be read" "$(get_param nvidia_drm modeset)$(get_param nvidia_drm fbdev)" YN
is "the family holds it" "$(cd /sys/module/nvidia/holders && echo *)" "nvidia_modeset nvidia_uvm"
is "by two references" "$(cat /sys/module/nvidia/refcnt)" 2
ok "proc tells its minor" grep -q 'Device Minor:.* 0$' /proc/driver/nvidia/gpus/$EDU/information
fails_with 1 "nvidia cannot be unloaded" rmmod nvidia
fails_with 1 "nor nvidia_modeset" rmmod nvidia_modeset
start_write "$(dev 05:00.0)/driver/unbind" $EDU
ok "with modeset, remove() waits though nobody has it open" hangs $WRITER
ok "until nvidia_drm is unloaded" rmmod nvidia_drm
ok "then it ends" ends $WRITER
bind $EDU nvidia
ok "the family goes" rmmod nvidia_uvm nvidia_modeset

(exec sleep 1000 5</dev/nvidia0) </dev/null >/dev/null 2>&1 19>&- &
user=$!
ok "a process has it open" wait_for 10 test -e /proc/$user/fd/5
ok "that holds the module" test "$(cat /sys/module/nvidia/refcnt)" -gt 0
fails_with 1 "nvidia cannot be unloaded" rmmod nvidia
like "it is in use" "$TRY_OUT" 'in use'
start_write "$(dev 05:00.0)/driver/unbind" $EDU
ok "remove() waits for it" hangs $WRITER
kill $user
ok "until it is gone" ends $WRITER
is "the device is free" "$(driver 05:00.0)" none
bind $EDU nvidia
ok "with nobody there it can be unloaded" rmmod nvidia
ok "nvidia0 stays" test -c /dev/nvidia0
fails_with 1 "and cannot be opened" eval "exec 5</dev/nvidia0"

adversary nvidia persistence=Y
start_write "$(dev 05:00.0)/driver/unbind" $EDU
ok "a persistent device's remove() waits for nobody to be found" hangs $WRITER
set_param nvidia persistence N
ok "until that ends" ends $WRITER
bind $EDU nvidia
set_param nvidia persistence Y
ok "rmmod does not wait for that" timeout 10 rmmod nvidia

adversary nvidia
adversary nvidia_modeset
ok "with fbdev it has a console" adversary nvidia_drm modeset=1 fbdev=1
like "a frame buffer of its own" "$(cat /proc/fb)" nvidia-drmdrmfb
fails_with 1 "which holds nvidia_drm" rmmod nvidia_drm
for console in /sys/class/vtconsole/vtcon*; do
	grep -q 'frame buffer' "$console/name" && write "$console/bind" 0
done
ok "until its vtconsole is unbound" rmmod nvidia_drm
ok "all of it goes" rmmod nvidia_modeset nvidia
ok "no warning in the kernel's log" eval '! dmesg | grep -E "WARNING:|BUG:|Oops"'
