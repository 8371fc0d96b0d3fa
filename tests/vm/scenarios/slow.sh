#: summary drivers that are slow, or that fail: moved together, given their time, left for recover
#: devices edu testdev
#: modules yes
#: timeout 400
# shellcheck shell=bash

EDU=0000:05:00.0
# shellcheck disable=SC2153 # HOOK is pve.sh's
pvebind=${HOOK%-hook}
pve_conf 100 <<<$'hostpci0: 05:00\nhostpci1: 06:00'
home() { [ "$(driver "$1")" = adversary ]; }

adversary adversary
modprobe -a vfio-pci vfio_iommu_type1 # not what is measured
snap before

# --- slow ---
set_param adversary remove_ms 8000
set_param adversary probe_ms 8000
pve_lock 100
ok "two devices, whose drivers take 8 s to let go, are lent" pve_hook 100 pre-start
ok "that takes 8 s" test "$HOOK_MS" -ge 8000
ok "once, not twice" test "$HOOK_MS" -lt 15500
ok "they come home, 8 s again" pve_hook 100 post-stop
pve_unlock
ok "that takes 8 s" test "$HOOK_MS" -ge 8000
ok "once, not twice" test "$HOOK_MS" -lt 15500
same_as before "the host is as before"

# Slower than it may be, but not for ever.
printf '[vm 100]\ndevice-timeout = 2s\nhook-timeout = 8s\n' >/etc/pve/pvebind.ini
set_param adversary only $EDU
set_param adversary remove_ms 6000
set_param adversary probe_ms 0
try pve_phase 100 pre-start
like "a driver that takes longer than device-timeout makes pre-start fail" "$HOOK_STATUS" '^[14]$'
ok "in time" test "$HOOK_MS" -lt 10000
is "the other device is home" "$(driver 06:00.0)" adversary
set_param adversary remove_ms 0
ok "the slow one comes home without a command" wait_for 20 home 05:00.0
ok "recover has nothing to do, or does it" "$pvebind" recover 100
same_as before "the host is as before"
rm /etc/pve/pvebind.ini

# --- coming home fails ---
pve_lock 100
ok "the devices are lent" pve_hook 100 pre-start
set_param adversary fail_rebind Y
fails_with 4 "one cannot come home: post-stop says so" pve_hook 100 post-stop
pve_unlock
like "by name" "$HOOK_OUT$HOOK_ERR" '05:00\.0.*adversary'
is "the other is home" "$(driver 06:00.0)" adversary
is "it has no driver" "$(driver 05:00.0)" none
is "and no override" "$(override 05:00.0)" ""
fails_with 4 "status shows that" "$pvebind" status
fails_with 4 "recover cannot bring it home either" "$pvebind" recover 100
pve_conf 101 <<<'hostpci0: 05:00'
try pve_phase 101 pre-start
like "no other VM gets it meanwhile" "$HOOK_STATUS" '^[14]$'
set_param adversary fail_rebind N
ok "when its driver takes it again, recover brings it home" "$pvebind" recover 100
same_as before "the host is as before"

# Once only: the next one who tries finds it well.
pve_lock 100
ok "the devices are lent" pve_hook 100 pre-start
set_param adversary fail_probe 1
try pve_hook 100 post-stop
pve_unlock
is "its probe() has failed once" "$(get_param adversary fail_probe)" 0
like "post-stop says so, or has tried again" "$HOOK_STATUS" '^[04]$'
pve_lock 100
ok "the next pre-start brings it home first" pve_hook 100 pre-start
ok "and it comes home" pve_hook 100 post-stop
pve_unlock
same_as before "the host is as before"

# On the way out as well as back: a pre-start that fails cannot undo all it did.
ok "a card to die is chosen" adversary deadcard device=0000:06:00.0
printf '[vm 100]\ndevice-timeout = 3s\nhook-timeout = 8s\n' >/etc/pve/pvebind.ini
set_param adversary fail_probe 2
set_param deadcard hang Y
fails_with 4 "pre-start fails, and so does the way back" pve_phase 100 pre-start
like "it names the one that its driver does not take" "$HOOK_OUT$HOOK_ERR" '05:00\.0.*adversary'
like "and the one that hangs" "$HOOK_OUT$HOOK_ERR" '06:00\.0.*hangs'
ok "in time" test "$HOOK_MS" -lt 10000
set_param adversary fail_probe 0
set_param deadcard hang N
ok "the one that hung comes home without a command" wait_for 20 home 06:00.0
ok "recover brings the rest" "$pvebind" recover 100
ok "the card lives" rmmod deadcard
same_as before "the host is as before"
