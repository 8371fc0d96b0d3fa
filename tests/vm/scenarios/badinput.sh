#: summary wrong input: one clear line, the contract's exit status, nothing changed
#: devices gpu gpu2 edu
#: timeout 300
# shellcheck shell=bash

ini=/etc/pvebind/pvebind.ini
mkdir -p /etc/pvebind
snap before
# wrong STATUS WHAT ERE [HOOK ARGUMENTS] - one line that matches, that status, no trace in the state directory
wrong() {
	local status=$1 what=$2 want=$3
	shift 3
	case ${1:-} in '') set -- 100 pre-start ;; none) shift ;; esac
	fails_with "$status" "$what ends with $status" "$HOOK" "$@"
	like "… and one clear line" "$(grep -E 'error:|pvebind-hook:' <<<"$TRY_OUT")" "$want"
	is "… nothing is lent" "$(ls /run/pvebind/*.journal 2>/dev/null)" ""
}
conf() { pve_conf 100 <<<"$1"; }

# --- the command line
wrong 2 "no argument" 'VMID and PHASE are missing' none
wrong 2 "no phase" 'VMID and PHASE are missing' 100
for vmid in ../../x 0 99 0100 1e3 999999999999999999999999999999 ' ' abc; do
	wrong 2 "VMID '$vmid'" "VM.*number|is no VM" "$vmid" pre-start
done
wrong 2 "a third argument" 'too many arguments' 100 pre-start now
wrong 2 "an unknown option" 'unrecognized option' --fast 100 pre-start

# --- the VM's config
wrong 3 "no VM config" '/etc/pve/qemu-server/100\.conf'
conf 'hostpci0: 0000:66:00'
wrong 3 "a device that is not there" '100.*hostpci0.*0000:66:00'
conf 'hostpci0: banana'
wrong 3 "no address" 'hostpci0.*banana'
conf 'hostpci0: mapping=gpu'
wrong 3 "a mapping that does not exist" "mapping.*gpu|gpu.*mapping"
printf 'gpu\n\tmap node=other,path=0000:01:00,id=1234:1111\n' >/etc/pve/mapping/pci.cfg
wrong 3 "a mapping without an entry for this node" 'gpu.*pve|pve.*gpu'

# --- identity
conf 'hostpci0: 0000:01:00'
printf '[device gpu]\nmatch = 01:00\nexpect = 10de:24b0\n[vm 100]\ndevices = gpu\n' >$ini
wrong 1 "another card than expected" 'identity'
printf '[device gpu]\nmatch = 1234:1111\n[vm 100]\ndevices = gpu\n' >$ini
wrong 1 "an id that two cards have" 'ambiguous.*0000:01:00.*0000:02:00'
printf 'gpu\n\tmap node=pve,path=0000:01:00,id=10de:24b0\n' >/etc/pve/mapping/pci.cfg
rm $ini
conf 'hostpci0: mapping=gpu'
wrong 1 "another card than the mapping says" 'identity'

# --- pvebind.ini
conf 'hostpci0: 0000:01:00'
# shellcheck disable=SC2059 # the text is a format: it may have a NUL
bad() { printf "$2" >$ini; wrong 3 "INI with $1" "$ini:?$3"; }
bad "an unknown key" '[vm 100]\nresett = auto\n' '2.*resett'
bad "an unknown section" '[cards]\nx = 1\n' '1.*cards'
bad "a double key" '[vm 100]\nreset = auto\nreset = none\n' '3.*reset'
bad "a 300-character line" "[vm 100]\nreset = $(printf 'a%.0s' {1..300})\n" '2'
bad "an indented line" '[vm 100]\nreset = auto\n  none\n' '3'
bad "a NUL byte" '[vm 100]\nreset = au\000to\n' '2.*NUL'
bad "a broken header" '[vm 100\nreset = auto\n' '1'
bad "a bad value" '[vm 100]\nreset = hard\n' '2.*hard'
bad "a unit that is none" '[vm 100]\nstop-units = x\n' '2.*is no unit to stop'
printf '[vm 100]\nreset = auto\n' >$ini
chmod 666 $ini
wrong 3 "INI that others can write" "$ini can be written by others"
rm $ini
mkdir $ini
wrong 3 "a directory in the INI's place" "$ini.*directory"
rmdir $ini
wrong 3 "a --config that is not there" '/no/such' --config /no/such 100 pre-start

# --- vfio-pci not to be had
ok "vfio-pci is not loaded" test ! -d /sys/bus/pci/drivers/vfio-pci
printf 'install vfio_pci /bin/false\n' >/etc/modprobe.d/none.conf
fails_with 1 "no vfio-pci ends with 1" pve_hook 100 pre-start
like "… and says so" "$HOOK_OUT" 'vfio'
is "… nothing is lent" "$(ls /run/pvebind/*.journal 2>/dev/null)" ""
# The same, said by a copy of the hook without the one beside it that has libkmod: modprobe loads.
mkdir /tmp/alone
cp "$HOOK" /tmp/alone
conf 'hostpci0: 01:00'
printf '[vm 100]\nguard = no\n' >$ini
HOOK=/tmp/alone/${HOOK##*/} fails_with 1 "modprobe that fails ends with 1" pve_hook 100 pre-start
like "… and its last word is passed on" "$HOOK_OUT" 'cannot load the kernel module vfio_pci: modprobe: ERROR: could not insert'
is "… nothing is lent" "$(ls /run/pvebind/*.journal 2>/dev/null)" ""
rm /etc/modprobe.d/none.conf
same_as before "all that changed nothing"

# --- no libkmod on this host
printf '[vm 100]\nguard = no\nhost-driver = bochs-drm\n' >$ini
mount --bind /dev/null "$(realpath /usr/lib/x86_64-linux-gnu/libkmod.so.2)"
fails_with 1 "a driver to be looked up without libkmod2 ends with 1" pve_hook 100 pre-start
like "… and says what to install" "$HOOK_OUT" 'cannot look up the module .*: libkmod cannot be loaded: install libkmod2'
umount "$(realpath /usr/lib/x86_64-linux-gnu/libkmod.so.2)"
same_as before "that changed nothing either"

# --- a copy of the hook, alone
printf '[vm 100]\nguard = no\n' >$ini
HOOK=/tmp/alone/${HOOK##*/} ok "a hook that is alone lends" pve_hook 100 pre-start
is "… by vfio-pci, which was not loaded" "$(driver 01:00.0) $(driver 01:00.1)" "vfio-pci vfio-pci"
HOOK=/tmp/alone/${HOOK##*/} ok "… and takes back" pve_hook 100 post-stop
rm $ini

# --- every form that works
good() {
	conf "$1"
	ok "a config with ${1//$'\n'/ }" pve_hook 100 pre-start
	is "… both functions" "$(driver 01:00.0) $(driver 01:00.1)" "${2:-vfio-pci vfio-pci}"
	ok "… and back" pve_hook 100 post-stop
}
printf 'gpu\n\tmap node=pve,path=0000:01:00,id=1234:1111\n' >/etc/pve/mapping/pci.cfg
good 'hostpci0: 01:00'
good 'hostpci0: host=0000:01:00,pcie=1,x-vga=1'
good 'hostpci0: 0000:01:00.0;0000:01:00.1'
good 'hostpci0: 00000000:01:00.0'
good 'hostpci0: mapping=gpu,pcie=1'
good 'hostpci0: 01:00.1,driver=keep'
good 'hostpci3: 01:00,legacy-igd=1'
good $'hostpci0: 01:00\n[PENDING]\nhostpci0: 66:00\n[special:cloudinit]\nhostpci1: 67:00\n[snap1]\nhostpci0: 68:00'
conf 'hostpci0: 01:00,mdev=nvidia-35'
ok "a mediated device is not ours" pve_hook 100 pre-start
is "… and stays" "$(driver 01:00.0)" bochs-drm
ok "and back" pve_hook 100 post-stop
same_as before "all is home"

# --- the kill switch
conf 'hostpci0: 01:00'
sed 's/$/ pvebind=off/' /proc/cmdline >/tmp/cmdline
mount --bind /tmp/cmdline /proc/cmdline
fails_with 1 "pvebind=off refuses" pve_hook 100 pre-start
like "… and says so" "$HOOK_OUT" 'refused \(disabled\).*pvebind=off'
same_as before "nothing changed"
umount /proc/cmdline
