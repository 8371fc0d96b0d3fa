#: summary the command: list, plan, status, lend, return, reset, recover, config, by hand and as JSON
#: devices gpu edu
#: timeout 240
# shellcheck shell=bash

pvebind=$TOP/build/pvebind

pve_conf 100 <<<'hostpci0: 0000:01:00,pcie=1'
snap before
ok "status says that nothing is lent" "$pvebind" status
like "in words" "$TRY_OUT" '^nothing is lent'
ok "plan" "$pvebind" plan 100
like "shows both functions" "$TRY_OUT" '0000:01:00\.1 +8086:2668.* snd_hda_intel'
like "and the steps" "$TRY_OUT" 'unbind from bochs-drm'
like "and that nothing speaks against it" "$TRY_OUT" 'Nothing speaks against it'
ok "plan --json" "$pvebind" plan 100 --json
is "has the steps" "$(json operations 0 kind)" module
is "has both devices" "$(json devices)" 2
same_as before "looking changes nothing"
is "not even a state directory" "$(ls -d /run/pvebind 2>/dev/null)" ""

# list: what the bed really has.
ok "list" "$pvebind" list
like "shows the card's functions" "$TRY_OUT" '^    0000:01:00\.1  .*\[8086:2668\]'
like "with their drivers" "$TRY_OUT" 'Audio device; on snd_hda_intel'
like "and who names them" "$TRY_OUT" 'VM 100 names it: hostpci0'
is "as many functions as there are" "$("$pvebind" list --json | perl -MJSON::PP -0777 -ne 'print scalar @{decode_json($_)}')" \
	"$(find /sys/bus/pci/devices -mindepth 1 | wc -l)"
ok "list of one card" "$pvebind" list --json 01:00
is "has both functions" "$(json)" 2
is "in the kernel's group" "$(json 0 group)" "$(basename "$(readlink /sys/bus/pci/devices/0000:01:00.0/iommu_group)")"
is "with the BAR the kernel has" "$(printf '0x%016x' "$(json 0 bars 0 start)")" "$(head -1 /sys/bus/pci/devices/0000:01:00.0/resource | cut -d' ' -f1)"
ok "list of the chip set" "$pvebind" list --json 00:1f
is "which shares a group as a slot" "$(json 0 group_shared why)" slot
port=$(readlink /sys/bus/pci/devices/0000:01:00.0 | sed 's|.*/\(0000:[^/]*\)/0000:01:00\.0$|\1|')
ok "list of the port" "$pvebind" list --json "$port"
is "is a root port" "$(json 0 pcie_type)" root-port
like "whose ACS keeps its card apart" "$TRY_OUT" '"isolates": true'
fails_with 1 "list of what is not there" "$pvebind" list 77:00
fails_with 1 "list --usb without any" "$pvebind" list --usb
same_as before "looking changes nothing"

ok "lend --dry-run" "$pvebind" lend 100 --dry-run
same_as before "changes nothing either"

ok "lend" "$pvebind" lend 100
ok "list" "$pvebind" list 01:00
like "says to whom" "$TRY_OUT" 'lent to VM 100: lent'
is "the card is on vfio-pci" "$(driver 01:00.0)" vfio-pci
ok "status" "$pvebind" status
like "names the VM" "$TRY_OUT" 'VM 100.*lent'
ok "status --json" "$pvebind" status --json
is "has the lend" "$(json lends 0 lend)" 100
is "and where the card is" "$(json lends 0 devices 0 driver_now)" vfio-pci
is "and where its home is" "$(json lends 0 devices 0 driver_home)" bochs-drm
ok "return --dry-run" "$pvebind" return 100 --dry-run
like "shows the way home" "$TRY_OUT" '0000:01:00\.0: bind to bochs-drm'
is "the card is still on vfio-pci" "$(driver 01:00.0)" vfio-pci
ok "return" "$pvebind" return 100
same_as before "all is home"

# reset
fails_with 1 "reset of what the host uses is refused" "$pvebind" reset 01:00
like "by its driver" "$TRY_OUT" "0000:01:00\.0 is in use by the host's bochs-drm"
fails_with 2 "reset of nonsense" "$pvebind" reset banana
ok "lend" "$pvebind" lend 100
ok "reset of a slot without a reset of its own" "$pvebind" reset 01:00
like "is done as a whole" "$TRY_OUT" '0000:01:00 reset by '
ok "reset --dry-run" "$pvebind" reset 01:00 --dry-run
like "says how" "$TRY_OUT" 'would: reset the slot'
ok "return" "$pvebind" return 100

# A VM that runs.
ok "the VM starts" pve_start 100
fails_with 1 "return of a running VM is refused" "$pvebind" return 100
like "and says why" "$TRY_OUT" 'VM 100 is running, nothing is taken back: stop it first'
fails_with 1 "reset under a running VM is refused" "$pvebind" reset 01:00
like "and says why" "$TRY_OUT" 'is open through /dev/vfio'
ok "the VM stops" pve_stop 100
same_as before "all is home"

# A hook that is killed as it notes whose the first device is, its journal written and its workers waiting: recover finishes it.
strace -qq -o /tmp/killed --trace=pwrite64 --inject=pwrite64:signal=KILL:when=1 "$HOOK" 100 pre-start >/dev/null 2>&1
ok "the hook was killed" grep -q 'killed by SIGKILL' /tmp/killed
ok "with its journal written" test -e /run/pvebind/100.journal
fails_with 4 "status sees the unfinished lend" "$pvebind" status
like "and says what to do" "$TRY_OUT" 'pvebind recover 100'
ok "recover" "$pvebind" recover
same_as before "all is home"
ok "recover with nothing to do" "$pvebind" recover
like "says so" "$TRY_OUT" 'nothing to recover|nothing is'

# config
mkdir -p /etc/pvebind
printf '[device gpu]\nmatch = 01:00\nexpect = 1234:1111\n[vm 100]\ndevices = gpu\nreset = none\n' >/etc/pvebind/pvebind.ini
ok "config" "$pvebind" config 100
like "shows what counts for the VM" "$TRY_OUT" '^reset = none'
ok "config --json" "$pvebind" config --json
is "has the device" "$(json devices 0 name)" gpu
ok "the device of the INI is lent" "$pvebind" lend 100
is "the card is on vfio-pci" "$(driver 01:00.0)" vfio-pci
ok "and taken back" "$pvebind" return 100
echo 'rset = 1' >>/etc/pvebind/pvebind.ini
fails_with 3 "a bad INI" "$pvebind" config
like "is shown with file and line" "$TRY_OUT" "/etc/pvebind/pvebind.ini:7: unknown key 'rset'"
rm /etc/pvebind/pvebind.ini

# A vfio variant driver is chosen only where PVE does not bind by itself.
printf 'alias vfio_pci:v00001234d000011E8sv*sd*bc*sc*i* pci_stub\n' >/etc/modprobe.d/variant.conf
pve_conf 102 <<<'hostpci0: 05:00.0'
ok "plan" "$pvebind" plan 102
like "takes vfio-pci" "$TRY_OUT" '0000:05:00\.0: bind to vfio-pci'
pve_conf 102 <<<'hostpci0: 05:00.0,driver=keep'
ok "plan with driver=keep" "$pvebind" plan 102
like "takes the driver that matches better" "$TRY_OUT" '0000:05:00\.0: bind to pci_stub'
rm /etc/modprobe.d/variant.conf
same_as before "all is home"
