#: summary check, list and report on a live host: a real guest answers, nothing private is in the report, looking changes nothing
#: devices gpu nic nvme usb
#: qemu -device ati-vga,bus=rp2 -device usb-kbd,bus=usb.0 -device usb-tablet,bus=usb.0
#: qemu -smbios type=1,serial=SYS4711QX,uuid=6d3b1f8e-1111-4222-8333-0123456789ab -smbios type=2,serial=BRD0815QX
#: append p1=zeus.olymp.example p2=6d3b1f8e-1111-4222-8333-0123456789ab p3=SYS4711QX,BRD0815QX p4=alice@olymp.example p5=/zeus
#: inner virtio_pci virtio_console bochs snd_hda_codec_generic snd_hda_intel
#: memory 2048
#: timeout 600
# shellcheck shell=bash

pvebind=$TOP/build/pvebind
NVME=/dev/nvme0n1

# --- a node with names, numbers and uses ---
hostname zeus
echo '192.0.2.77 zeus.olymp.example zeus' >>/etc/hosts
mv /etc/pve/nodes/pve /etc/pve/nodes/zeus
ln -sfn nodes/zeus /etc/pve/local
ln -sfn nodes/zeus/qemu-server /etc/pve/qemu-server
NET=$(basename /sys/bus/pci/devices/0000:03:00.0/net/*)
MAC=$(<"/sys/class/net/$NET/address")
ip addr add 192.0.2.77/24 dev "$NET"
ip addr add fd00:77::5/64 dev "$NET"
mkswap "$NVME"
swapon "$NVME"
wait_for 20 test -b /dev/sda
mkswap /dev/sda
swapon /dev/sda
cp tests/vm/qm tests/vm/pvesm /usr/sbin
mkdir -p /usr/libexec/pvebind /var/lib/vz/snippets /var/lib/pvebind
ln -s "$HOOK" /usr/libexec/pvebind/pvebind-hook
printf 'dir: local\n\tpath /var/lib/vz\n\tcontent iso,snippets\n' >/etc/pve/storage.cfg

# looks - what looking must not change: files by name, time and content, and what /sys has
looks() {
	find /etc /run/pvebind /run/qemu-server /run/lock /var/lib/pvebind /var/lib/vz -printf '%p %y %m %s %T@ %l\n' 2>/dev/null | sort
	# Not the interrupts, which a guest makes as it boots.
	find /sys/bus/pci /sys/bus/usb /sys/class /sys/devices/pci* /sys/module -maxdepth 9 -name msi_irqs -prune -o -printf '%p %y %m %l\n' | sort
}
# untouched TEXT - one test case: that, and the state of the host, are as at the last `keep`
keep() { looks >/tmp/looks; snap looks; }
untouched() {
	is "$1: no file and nothing in /sys" "$(looks | diff /tmp/looks - | head -n 20)" ""
	same_as looks "$1: no device"
}
# findings - what check said last as JSON, in lines "verdict ID DEVICE VERDICT" and "command ID COMMAND"; parsed once, which is dear
findings() {
	if [ "$(sha256sum <<<"$TRY_OUT")" != "$(cat /tmp/findings.sum 2>/dev/null)" ]; then
		perl -MJSON::PP -0777 -ne 'for my $f (@{decode_json($_)->{findings}}) {
			print "verdict $f->{id} ", $f->{device} // "-", " $f->{verdict}\n", map { "command $f->{id} $_\n" } @{$f->{commands}} }' \
			<<<"$TRY_OUT" >/tmp/findings
		sha256sum <<<"$TRY_OUT" >/tmp/findings.sum
	fi
	cat /tmp/findings
}
# found ID [DEVICE] - the verdict of a check; several are parted by blanks
found() { findings | awk -v id="$1" -v at="${2:-}" '$1 == "verdict" && $2 == id && (at == "" || $3 == at) { printf "%s%s", n++ ? " " : "", $4 }'; }
# advised ID - what it says is to be run
advised() { findings | sed -n "s/^command $1 //p"; }
fails() { findings | grep -c '^verdict .* fail$'; }

# --- check of the host ---
keep
fails_with 1 "check of half a node" "$pvebind" check
like "tells what is missing" "$TRY_OUT" '^  FAIL     pve-version  .*pve-manager is not installed'
like "and that nobody tells of guests that end" "$TRY_OUT" '^  FAIL     qmeventd '
fails_with 1 "check --json" "$pvebind" check --json
is "has it, too" "$(found pve-version)/$(found qmeventd)/$(json verdict)" fail/fail/fail
is "sees the IOMMU" "$(found iommu)" ok
untouched "check changes nothing"
printf '\nPackage: pve-manager\nStatus: install ok installed\nVersion: 8.3.1\n' >>/var/lib/dpkg/status
cp "$(command -v sleep)" /usr/sbin/qmeventd
/usr/sbin/qmeventd 1000 8>&- 19>&- &
mkdir -p /etc/systemd/system/multi-user.target.wants
: >/etc/systemd/system/multi-user.target.wants/qmeventd.service
ok "check of a whole node" "$pvebind" check --json
is "has no fail" "$(fails)" 0

# --- check of a VM ---
vm() { pve_conf 100 <<<$'agent: '"$1"$'\nbios: ovmf\ncpu: host\nhookscript: local:snippets/pvebind\nhostpci0: 0000:01:00,pcie=1\nhostpci1: 0000:02:00.0,pcie=1\nmachine: q35\nmemory: 320\nname: ithaka\n'"${2:-}"; }
vm 0
fails_with 1 "check of a VM without the snippet" "$pvebind" check 100 --json
is "finds that it is not there" "$(found hookscript)" fail
ln -s /usr/libexec/pvebind/pvebind-hook /var/lib/vz/snippets/pvebind
HOOK=/var/lib/vz/snippets/pvebind
ok "check of a VM that can start" "$pvebind" check 100 --json
is "has no fail" "$(fails)" 0
is "about its devices" "$(found group 0000:01:00.0)" ok
vm 0 $'hostpci2: 77:00\n'
fails_with 1 "check of a VM with a device that is not there" "$pvebind" check 100
like "names it" "$TRY_OUT" 'FAIL .*77:00'
vm 0
keep
ok "check --guest of a VM that does not run" "$pvebind" check 100 --guest --json
is "looks at nothing" "$(found guest-agent)/$(found guest-device)/$(found guest-rocm)" unknown/unknown/unknown
like "and says what to do" "$(advised guest-agent)" '^qm start 100$'

# --- list ---
ok "list" "$pvebind" list
like "tells that the host swaps on a disk" "$TRY_OUT" '^    the host uses a disk of it: nvme0n1 is swap'
like "and has an address" "$TRY_OUT" "^    the host uses its network: $NET has the addresses 192.0.2.77 and fd00:77::5"
like "which VM names a card" "$TRY_OUT" 'VM 100 \(ithaka\) names it: hostpci1'
unlike "without colours" "$TRY_OUT" $'\033'
TERM=xterm script -qec "stty cols 80; $pvebind list 01:00" /dev/null </dev/null >/tmp/terminal
like "which it has on a terminal" "$(</tmp/terminal)" $'\033'
is "where no line is longer than that" "$(sed 's/\x1b\[[0-9;]*m//g; s/\r//' /tmp/terminal | awk 'length > 80' | wc -l)" 0
NO_COLOR=1 script -qec "$pvebind list 01:00" /dev/null </dev/null >/tmp/terminal
unlike "but not with NO_COLOR" "$(</tmp/terminal)" $'\033'
ok "list --json" "$pvebind" list --json
# Beside lspci and the kernel's own links: function, ids, class, driver, group.
perl -MJSON::PP -0777 -ne 'print map { "$_->{address} $_->{id} " . substr($_->{class}, 0, 4) . " " . ($_->{driver} // "none") . " $_->{group}\n" }
	sort { $a->{address} cmp $b->{address} } @{decode_json($_)}' <<<"$TRY_OUT" >/tmp/ours
lspci -Dn | while read -r address class id _; do
	echo "$address $id ${class%:} $(driver "$address") $(group "$address")"
done >/tmp/theirs
is "has all that lspci has, as the kernel has it" "$(diff /tmp/theirs /tmp/ours)" ""
ok "list of AMD's card by its id" "$pvebind" list --json 1002:5046
is "is that card" "$(json)/$(json 0 address)" 1/0000:02:00.0
is "which the VM names" "$(json 0 vms 0 origin)" hostpci1
ok "list --gpu" "$pvebind" list --gpu --json
is "has both cards with their sound" "$(json)" 3

# --- list --usb ---
ok "list --usb" "$pvebind" list --usb
like "has the stick with its line" "$TRY_OUT" '^            qm set VMID -usbN host=46f4:0001,usb3=1$'
like "and that the host swaps on it" "$TRY_OUT" '^            the host uses it: sda is swap'
like "so that the controller stays" "$TRY_OUT" '^  Not as a whole: the host uses 2-1 on it: sda is swap'
like "twins by their ports" "$TRY_OUT" '^            qm set VMID -usbN host=1-[0-9] '
ok "list --usb --json" "$pvebind" list --usb --json
is "has as many devices as the kernel, but the hubs" "$(json 0 devices)" \
	"$(find /sys/bus/usb/devices/ -name '[0-9]*' ! -name '*:*' | wc -l)"
is "on their controller" "$(json 0 address)" 0000:07:00.0
swapoff /dev/sda
ok "list --usb without the swap" "$pvebind" list --usb
like "advises the controller" "$TRY_OUT" '^  As a whole, .*qm set VMID -hostpciN 0000:07:00.0$'
untouched "none of that changes anything"

# --- a VM that runs: check --guest ---
modprobe kvm ignore_msrs=1 report_ignored_msrs=0
modprobe kvm_amd
serial=$OUT/guest-serial.log
mkfifo /run/qemu-server/100.qga.in /run/qemu-server/100.qga.out
# noxsave: with XSAVE Linux 7.3 dies in here before it has a console, of a null pointer in fpstate_reset(), from
# fpu__init_system_xstate().
ok "VM 100 starts" pve_start 100 -m 320 -cpu host -serial "file:$serial" -kernel "$KERNEL_DIR/vmlinux" -initrd "$INNER" \
	-append "console=ttyS0 quiet noxsave mitigations=off nokaslr audit=0 rodata=off tsc=reliable clocksource=tsc cryptomgr.notests no_timer_check" \
	-device virtio-serial-pci -chardev pipe,id=agent,path=/run/qemu-server/100.qga \
	-device virtserialport,chardev=agent,name=org.qemu.guest_agent.0
is "the cards are lent" "$(driver 01:00.0) $(driver 01:00.1) $(driver 02:00.0)" "vfio-pci vfio-pci vfio-pci"
ok "list says so" "$pvebind" list 01:00 02:00
is "of each function" "$(grep -c 'lent to VM 100: running' <<<"$TRY_OUT")" 3
ok "list --json" "$pvebind" list --json 02:00
is "has it, too" "$(json 0 lent state)" running
keep
ok "check --guest with the agent disabled" "$pvebind" check 100 --guest --json
is "looks at nothing" "$(found guest-agent)/$(found guest-device)/$(found guest-rocm)" unknown/unknown/unknown
like "says how to enable it" "$(advised guest-agent)" '^qm set 100 --agent enabled=1$'
like "and what to run by hand" "$(advised guest-rocm)" '^rocm-smi$'
untouched "it changes nothing"
vm 1
guest() { qm guest exec 100 --timeout 60 -- sh -c "$1"; }
# It boots: until its agent is there, that does not run.
ok "the guest comes up" wait_for 240 grep -aq 'its agent is there' "$serial"
fails_with 1 "check --guest asks the guest" "$pvebind" check 100 --guest --json
is "whose agent answers" "$(found guest-agent)" ok
is "which sees the card" "$(found guest-device 0000:01:00.0)/$(found guest-device 0000:01:00.1)" ok/ok
is "and AMD's" "$(found guest-device 0000:02:00.0)" ok
is "whose drivers have the first" "$(found guest-driver 0000:01:00.0)/$(found guest-driver 0000:01:00.1)" ok/ok
is "but not the other" "$(found guest-driver 0000:02:00.0)" fail
like "and says where to look" "$(advised guest-driver)" 'lspci -nnk -d 1002:'
is "tools that the guest lacks are unknown" "$(found guest-rocm)/$(found guest-opengl)/$(found guest-torch)" unknown/unknown/unknown
like "with the line to run by hand" "$(advised guest-rocm)" '^rocm-smi$'
like "each" "$(advised guest-torch)" 'torch.cuda.is_available'
is "NVIDIA's are of no use" "$(found guest-nvidia)" ""
fails_with 1 "check --guest for people" "$pvebind" check 100 --guest --all
like "quotes the guest" "$TRY_OUT" 'bochs-drm has 1234:1111'
like "and names the device" "$TRY_OUT" 'guest-driver .*0000:02:00.0.*no driver of the guest has 1002:5046'

# The guest changes: what it said before does not count.
ok "a tool comes into the guest" guest "printf '#!/bin/sh\necho \"GPU[0] : Card series: Rage\"\n' >/bin/rocm-smi; chmod 755 /bin/rocm-smi"
# shellcheck disable=SC2016 # for the guest's shell
ok "a driver leaves a device" guest 'for d in /sys/bus/pci/drivers/snd_hda_intel/0000:*; do echo "${d##*/}" >"${d%/*}/unbind"; done'
# shellcheck disable=SC2016
ok "a device leaves the guest" guest 'for d in /sys/bus/pci/devices/*; do read -r v <$d/vendor; [ $v != 0x1002 ] || echo 1 >$d/remove; done'
fails_with 1 "check --guest again" "$pvebind" check 100 --guest --json
is "the tool reaches the card" "$(found guest-rocm)" ok
is "the device without a driver" "$(found guest-device 0000:01:00.1)/$(found guest-driver 0000:01:00.1)" ok/warn
is "the device that is gone" "$(found guest-device 0000:02:00.0)/$(found guest-driver 0000:02:00.0)" fail/unknown
is "the one that is as it was" "$(found guest-device 0000:01:00.0)/$(found guest-driver 0000:01:00.0)" ok/ok

# --- report, of a host at work ---
vm 1 "args: -netdev user,id=n,mac=$MAC -uuid 6d3b1f8e-1111-4222-8333-0123456789ab -drive file=/home/alice/x
description: hunter2
hostpci2: 0000:03:00.0
scsi1: /dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_S5Y1NX0R-part1
"
private=(zeus olymp "$MAC" "${MAC//:/-}" "${MAC//:/}" 6d3b1f8e SYS4711QX BRD0815QX 192.0.2.77 fd00:77 alice hunter2 S5Y1NX0R ithaka)
ok "report" "$pvebind" report
printf '%s\n' "$TRY_OUT" >"$OUT/report.txt"
for part in host list check 'VM 100' config status 'kernel log of the devices'; do
	like "has: $part" "$TRY_OUT" "^== $part ==$"
done
like "whose card is lent" "$TRY_OUT" 'lent to VM 100: running'
like "what the VM has" "$TRY_OUT" '^hostpci0: 0000:01:00,pcie=1$'
like "addresses of devices and ids stay" "$TRY_OUT" '0000:02:00.0  Advanced Micro Devices.* \[1002:5046\]'
like "what the kernel said of a device, its address masked" "$TRY_OUT" '^\[.*\] e1000e 0000:03:00.0 .* MAC-[0-9]+$'
like "and the host's in the list" "$TRY_OUT" "the host uses its network: $NET has the addresses IP-[0-9]+ and IP-[0-9]+"
like "and what the command line has" "$TRY_OUT" 'p1=HOST-[0-9]+ p2=UUID-[0-9]+ p3=SERIAL-[0-9]+,SERIAL-[0-9]+ p4=MAIL-[0-9]+ p5=/HOST-[0-9]+'
like "and the VM's config" "$TRY_OUT" '^args: -netdev user,id=n,mac=MAC-[0-9]+ -uuid UUID-[0-9]+ -drive file=/home/USER-[0-9]+/x$'
for word in "${private[@]}"; do
	is "nothing private: $word" "$(grep -ioF -- "$word" <<<"$TRY_OUT" | head -n 1)" ""
done
# It was there to be found: in what the report is made of, and in the host's own files.
for word in zeus olymp "$MAC" 6d3b1f8e SYS4711QX BRD0815QX 192.0.2.77 fd00:77 alice hunter2 S5Y1NX0R ithaka; do
	ok "which the host has: $word" grep -qsriF -- "$word" /proc/cmdline /sys/class/dmi/id/board_serial /sys/class/dmi/id/product_serial \
		/etc/pve/nodes/zeus/qemu-server/100.conf /etc/hosts "/sys/class/net/$NET/address" /proc/net/fib_trie <(ip addr)
done
vm 1

# --- agents that do not answer ---

ok "the agent is told to refuse" guest "echo 'Command guest-exec has been disabled' >/refuses"
ok "check --guest" "$pvebind" check 100 --guest --json
is "looks at nothing" "$(found guest-agent)/$(found guest-device)/$(found guest-rocm)" unknown/unknown/unknown
like "and says why" "$TRY_OUT" 'Command guest-exec has been disabled'
pve_end 100 TERM
rm /run/qemu-server/100.qga.in /run/qemu-server/100.qga.out
pve_lock 100
pve_after 100
pve_unlock
is "the cards are home" "$(driver 01:00.0) $(driver 01:00.1) $(driver 02:00.0)" "bochs-drm snd_hda_intel none"
