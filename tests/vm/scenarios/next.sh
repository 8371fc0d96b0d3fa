#: summary another hookscript: called in every phase in its place, its failure, and the way home without any config
#: devices gpu
#: timeout 240
# shellcheck shell=bash

ini=/etc/pvebind/pvebind.ini script=/var/lib/vz/snippets/mine
mkdir -p /etc/pvebind ${script%/*}
next() { printf '[vm 100]\nnext-hookscript = %s\n' "$1" >$ini; }
write() { cat >$script; chmod 755 $script; }
calls() { cat /run/calls 2>/dev/null; rm -f /run/calls; }
pve_conf 100 <<<'hostpci0: 0000:01:00,pcie=1'
# It tells where the card is, and who else there is: what it has open, which signals it does not get.
write <<'END'
#!/bin/bash
driver=$(readlink /sys/bus/pci/devices/0000:01:00.0/driver)
echo "$# $1 $2 ${driver##*/} LC_ALL=$LC_ALL" >>/run/calls
echo "the other one's output"
echo "the other one's errors" >&2
for fd in /proc/self/fd/*; do
	what=$(readlink "$fd") && case ${fd##*/} in 0 | 1 | 2 | 255) ;; *) echo "left open: $what" ;; esac
done
grep -E 'Sig(Blk|Ign)' /proc/self/status
END
snap before

next local:snippets/mine
ok "a VM with another hookscript starts" pve_start 100
is "it was called before lending and after the start" "$(calls)" \
	$'2 100 pre-start bochs-drm LC_ALL=C\n2 100 post-start vfio-pci LC_ALL=C'
like "its output is passed through" "$HOOK_OUT" "^the other one's output"
like "and its errors, to where it writes them" "$HOOK_ERR" "^the other one's errors"
unlike "no descriptor of ours is in it" "$HOOK_OUT" 'left open'
like "no signal is kept from it" "$HOOK_OUT" 'SigBlk:.0+$'
like "and what it did is said" "$HOOK_OUT" 'VM 100: next-hookscript /var/lib/vz/snippets/mine done at post-start, [0-9]+ ms'
ok "pipes end with the hook" test "$HOOK_EOF_MS" -lt 300
ok "the VM stops" pve_stop 100
is "it was called before the end and after returning" "$(calls)" \
	$'2 100 pre-stop vfio-pci LC_ALL=C\n2 100 post-stop bochs-drm LC_ALL=C'
same_as before "all is home"

# --- its failure
write <<'END'
#!/bin/sh
echo "$2" >>/run/calls
echo "no licence for $1"
[ "$2" = post-stop ] || exit 5
exit 6
END
fails_with 1 "its failure at pre-start ends the start" pve_start 100
like "and is said" "$TRY_OUT" 'error: VM 100: next-hookscript /var/lib/vz/snippets/mine failed at pre-start with exit status 5'
like "behind its own words" "$TRY_OUT" 'no licence for 100'
is "nothing is lent" "$(ls /run/pvebind/*.journal 2>/dev/null)" ""
same_as before "nothing changed"
is "it was not called again" "$(calls)" pre-start
ok "its failure at post-stop is none of ours" pve_hook 100 post-stop
like "and is said" "$HOOK_OUT" 'warning: VM 100: next-hookscript .* failed at post-stop with exit status 6'
calls >/dev/null

# --- one that cannot be
rm $script
fails_with 3 "one that is not there ends with 3" pve_hook 100 pre-start
like "and is named" "$HOOK_OUT" "next-hookscript $script: No such file or directory"
ln -s "$HOOK" $script
fails_with 3 "pvebind itself is not called" pve_hook 100 pre-start
like "and is named" "$HOOK_OUT" "next-hookscript $script leads back to pvebind"
rm $script
write <<<'#!/bin/sh'
chown 1000 $script
fails_with 3 "one of another user is not called" pve_hook 100 pre-start
like "and it is said what to do" "$HOOK_OUT" "belongs to user 1000.*chown root $script"
chown root $script
chmod 777 $script
fails_with 3 "one that anybody can write is not called" pve_hook 100 pre-start
like "and it is said what to do" "$HOOK_OUT" "can be written by others than root \(mode 0777\).*chmod go-w $script"
same_as before "nothing changed"

# --- Stop of the task, which signals the process group: the script is part of it
cat >$script <<'END'
#!/bin/sh
echo "$2" >>/run/calls
[ "$2" = pre-start ] || exit 0
exec sleep 30
END
chmod 755 $script
setsid "$HOOK" 100 pre-start >/run/stopped.txt 2>&1 19>&- &
pid=$!
ok "a start waits for it" wait_for 10 grep -q pre-start /run/calls
kill -TERM -$pid
wait $pid
is "Stop of the task ends both" $? 1
like "and is said" "$(cat /run/stopped.txt)" 'was ended at pre-start by signal 15'
same_as before "nothing changed"
calls >/dev/null

# --- the way home needs no file
write <<'END'
#!/bin/sh
driver=$(readlink /sys/bus/pci/devices/0000:01:00.0/driver)
echo "$2 ${driver##*/}" >>/run/calls
END
mkdir -p /srv/hooks
mv $script /srv/hooks/mine
printf 'dir: other\n\tpath /srv\n\tcontent iso,snippets\n\tcontent-dirs snippets=/hooks\n' >/etc/pve/storage.cfg
next other:snippets/mine
ok "a volume of another storage" pve_hook 100 pre-start
echo '[vm 100' >$ini
# A cluster file system that does not answer: its server never reads what it is asked.
modprobe fuse 2>/dev/null
exec 7<>/dev/fuse
# By the system call: mount(8) since 2.39 asks the new mount for what it is, and waits for that answer, too.
# shellcheck disable=SC2016 # for perl
ok "which is mounted" perl -e 'exit(syscall(165, @ARGV[0..2], 0, $ARGV[3]) != 0)' pmxcfs /etc/pve fuse \
	fd=7,rootmode=40000,user_id=0,group_id=0
fails_with 124 "/etc/pve hangs" timeout 2 ls /etc/pve/storage.cfg
ok "post-stop with a broken INI and an /etc/pve that hangs" pve_hook 100 post-stop
is "both were called in their place" "$(calls)" $'pre-start bochs-drm\npost-stop bochs-drm'
ok "in time" test "$HOOK_MS" -lt 8000
same_as before "all is home"
rm -f $ini
ok "nothing lent, /etc/pve hangs: post-stop ends all the same" pve_hook 100 post-stop
like "and it says what it did not do" "$HOOK_OUT" \
	'warning: VM 100: no next-hookscript is called at post-stop: its name could not be read within 1000 ms'
ok "in time" test "$HOOK_MS" -lt 4000
ok "pipes end with the hook" test "$HOOK_EOF_MS" -lt 300
exec 7>&-
umount -l /etc/pve
ok "and it answers again" ls /etc/pve/storage.cfg
echo '[vm 100' >$ini
ok "nothing lent, a broken INI" pve_hook 100 post-stop
like "only warns" "$HOOK_OUT" 'warning: VM 100: no next-hookscript is called at post-stop: /etc/pvebind/pvebind.ini:1: broken section'
rm $ini
