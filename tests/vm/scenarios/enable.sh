#: summary enable, start, stop, disable, with qm and pvesm played: the VM has its card while it runs, and nothing is left behind
#: devices gpu
#: timeout 240
# shellcheck shell=bash

pvebind=$TOP/build/pvebind
cp tests/vm/qm tests/vm/pvesm /usr/sbin
mkdir -p /usr/libexec/pvebind /var/lib/vz /var/lib/pvebind
ln -s "$HOOK" /usr/libexec/pvebind/pvebind-hook
printf 'dir: local\n\tpath /var/lib/vz\n\tcontent iso,backup\n' >/etc/pve/storage.cfg
# shellcheck disable=SC2016 # for the script
printf '#!/bin/sh\necho "$2" >>/run/mine.log\n' >/var/lib/vz/mine
chmod 755 /var/lib/vz/mine
pve_conf 100 <<<'hostpci0: 0000:01:00,pcie=1'
# files - all that could be changed, with what is in it
files() { find /etc/pve /var/lib/vz /var/lib/pvebind -printf '%p %y %m %l\n' | sort; find /etc/pve /var/lib/vz /var/lib/pvebind -type f | sort | xargs cat; }
files >/tmp/files.before
snap before

ok "enable --dry-run" "$pvebind" enable 100 --dry-run
like "shows the link" "$TRY_OUT" 'make the link /var/lib/vz/snippets/pvebind to /usr/libexec/pvebind/pvebind-hook'
is "and changes nothing" "$(files | diff /tmp/files.before -)" ""
ok "enable" "$pvebind" enable 100
is "the VM has its hookscript" "$(qm config 100 | sed -n 's/^hookscript: //p')" local:snippets/pvebind
ok "again" "$pvebind" enable 100
like "is nothing to do" "$TRY_OUT" 'enabled already'
# shellcheck disable=SC2016 # for eval
ok "check has nothing against the hookscript" eval '"$pvebind" check 100 --all | grep -q "^  ok  *hookscript "'

# From here on Proxmox VE calls what the volume leads to.
HOOK=/var/lib/vz/snippets/pvebind
ok "a plain file for Proxmox VE, executable" test -f $HOOK -a -x $HOOK
ok "the VM starts" pve_start 100
is "the card is on vfio-pci" "$(driver 01:00.0)" vfio-pci
fails_with 1 "disable is refused meanwhile" "$pvebind" disable 100
like "as the hookscript is the way home" "$TRY_OUT" 'its hookscript is how they come home: stop it first'
ok "the VM stops" pve_stop 100
is "the card is home" "$(driver 01:00.0)" bochs-drm
ok "disable" "$pvebind" disable 100
is "nothing is left behind" "$(files | diff /tmp/files.before -)" ""
same_as before "nor in the kernel"

# Another hookscript goes on being called.
mkdir -p /var/lib/vz/snippets
mv /var/lib/vz/mine /var/lib/vz/snippets/mine
pve_conf 100 <<<$'hookscript: local:snippets/mine\nhostpci0: 0000:01:00,pcie=1'
files >/tmp/files.before
ok "enable with a hookscript that is there" "$pvebind" enable 100
like "keeps it" "$(cat /etc/pve/pvebind.ini)" '^next-hookscript = local:snippets/mine$'
ok "the VM starts" pve_start 100
ok "the VM stops" pve_stop 100
is "it was called in every phase" "$(tr '\n' ' ' </run/mine.log)" "pre-start post-start pre-stop post-stop "
ok "disable" "$pvebind" disable 100
is "nothing is left behind" "$(files | diff /tmp/files.before -)" ""
same_as before "nor in the kernel"
