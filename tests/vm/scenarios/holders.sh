#: summary who uses a card: each named right, stopped where that is wanted, and exactly what ran runs again
#: devices gpu gpu2
#: init systemd
#: timeout 480
# shellcheck shell=bash

ini=/etc/pvebind/pvebind.ini
mkdir -p /etc/pvebind
pve_conf 100 <<<'hostpci0: 0000:01:00,pcie=1'
pve_conf 101 <<<'hostpci0: 0000:02:00,pcie=1'
# stop KEYS - what VM 100 and 101 may stop; "" for busy = refuse. No guard: there is no QEMU here for it to watch.
stop() {
	local vm
	for vm in 100 101; do
		printf '[vm %s]\nguard = no\n%s' "$vm" "${1:+busy = stop
$1
}"
	done >$ini
}
node() { local n; n=$(echo "$(dev "$1")"/drm/card*) && echo "/dev/dri/${n##*/}"; }
card=$(node 01:00.0)
[ -e /dev/fb0 ] && fb=$(echo "$(dev 01:00.0)"/graphics/fb*) fb=/dev/${fb##*/}
pcm=/dev/snd/pcmC0D0p
pct_setup
stop ''
snap before

# refused TEXT ERE - one test case: pre-start says so, in time, and nothing happened
refused() {
	pve_hook 100 pre-start
	verdict "$([ "$HOOK_STATUS" = 1 ] && grep -Eq -- "$2" <<<"$HOOK_OUT$HOOK_ERR"; echo $?)" "$1" "$HOOK_OUT$HOOK_ERR"
	is "and the card stays" "$(driver 01:00.0)" bochs-drm
}

# --- named ---------------------------------------------------------------------------------------------------------

ok "a process has the card open" hold "$card"
refused "it is named" "refused \(held\): 0000:01:00.0 is in use: sleep \(pid $HOLDER, bed.service\) has $card open: "
let_go
ok "a process has the card mapped" hold_mapped "$card"
refused "it is named" "perl \(pid $HOLDER, bed.service\) has $card mapped"
let_go
ok "a process has the frame buffer mapped" hold_mapped "$fb"
refused "it is named" "perl \(pid $HOLDER, bed.service\) has $fb mapped"
let_go
ok "a process has the sound mapped" hold_mapped "$pcm"
refused "it is named" "0000:01:00.1 is in use: perl \(pid $HOLDER, bed.service\) has $pcm mapped"
let_go
# A container has nodes of its own: another name, the same number.
mkdir -p /run/ct/dev
rm -f /run/ct/dev/mine
mknod /run/ct/dev/mine c $((16#$(stat -c %t "$card"))) $((16#$(stat -c %T "$card")))
pct_conf 105 'exec sleep infinity 7</run/ct/dev/mine'
ok "a container starts, with a node of its own" pct start 105
pid=$(pct_pid 105)
ok "and has it open" wait_for 10 has_open "$pid" /run/ct/dev/mine
ok "a unit starts" unit_with player "exec sleep infinity 7<$card 6<$fb"
player=$(unit_pid player)
ok "and has the card open" wait_for 10 has_open "$player" "$card"
refused "the container is named" "sleep \(pid $pid, container 105\) has $card open"
like "and the unit, with both nodes" "$HOOK_OUT$HOOK_ERR" \
	"sleep \(pid $player, player.service\) has ($card, $fb|$fb, $card) open"
like "and what would help" "$HOOK_OUT$HOOK_ERR" \
	"let pvebind do it: busy = stop and stop-units = player.service, stop-containers = 105"
is "nothing was stopped" "$(unit_pid player)" "$player"

# --- stopped ---------------------------------------------------------------------------------------------------------

stop 'stop-units = player.service'
refused "what is not covered is refused all the same" "container 105\) has $card open: stop it, .*add stop-containers = 105"
unlike "and what is covered is not" "$HOOK_OUT$HOOK_ERR" 'player.service\) has'
stop 'stop-units = player.service bed.service
stop-containers = 105'
refused "not to be stopped: what we run in" 'bed.service is to be stopped, but pvebind itself runs in it now'
is "nothing was stopped" "$(unit_pid player) $(pct_pid 105)" "$player $pid"

ok "a unit that has nothing open and is restarted always" unit_with always 'exec sleep infinity'
cat >/etc/systemd/system/idle.service <<<$'[Service]\nExecStart=/bin/sleep infinity'
systemctl daemon-reload
stop 'stop-units = player.service always.service idle.service no-such.service
stop-containers = 105 106'
rm -f /run/pct.log
ok "they are stopped" pve_hook 100 pre-start
like "and each said" "$HOOK_OUT" 'stopped player.service \('
like "and each said" "$HOOK_OUT" 'stopped container 105 \('
is "the card is lent" "$(driver 01:00.0) $(driver 01:00.1)" 'vfio-pci vfio-pci'
for unit in player always idle; do
	ok "$unit does not run" unit_is $unit inactive
done
is "nor the container" "$(pct status 105)" 'status: stopped'
unlike "nothing was killed" "$(cat /run/pct.log)" '^stop|forceStop 1'
ok "another VM that names the unit too" pve_hook 101 pre-start
ok "the first is done" pve_hook 100 post-stop
like "what the other needs stopped stays so" "$HOOK_OUT" 'player.service stays stopped for another lend'
ok "so it is" unit_is player inactive
is "the card is home" "$(driver 01:00.0)" bochs-drm
ok "the other is done" pve_hook 101 post-stop
for unit in player always; do
	ok "$unit runs again" unit_is $unit active
done
ok "what did not run does not" unit_is idle inactive
is "the container runs again" "$(pct status 105)" 'status: running'
ok "and has the card open again" wait_for 10 has_open "$(pct_pid 105)" /run/ct/dev/mine

# --- what goes wrong ---------------------------------------------------------------------------------------------------

# It does not let go: whatever was stopped for it before runs again.
systemctl stop player
pct shutdown 105
pct_conf 105 "trap '' PWR; sleep infinity 7<$card"
pct start 105
wait_for 10 has_open "$(pct_pid 105)" "$card"
stop 'stop-units = always.service
stop-containers = 105
device-timeout = 15s'
first=$(unit_pid always)
fails_with 1 "a container that does not end is not killed" pve_hook 100 pre-start
like "it is named" "$HOOK_OUT$HOOK_ERR" "cannot stop container 105: command 'lxc-stop -n 105 .* failed"
is "it runs" "$(pct status 105)" 'status: running'
ok "the unit stopped before it runs again" unit_is always active
isnt "it really had been stopped" "$(unit_pid always)" "$first"
is "the card stays" "$(driver 01:00.0)" bochs-drm
pct stop 105

# A leftover in the unit's cgroup.
sed -i 's/^\[Service\]/&\nKillMode=process/' /etc/systemd/system/player.service
echo "sleep infinity 7<$card & exec sleep infinity" >/run/unit-player
systemctl daemon-reload
systemctl start player
stop 'stop-units = player.service
device-timeout = 15s'
left() { pgrep -f 'sleep infinity' --cgroup /system.slice/player.service | grep -vx "$(unit_pid player)"; }
wait_for 10 left
fails_with 1 "what is left of a unit is in the way" pve_hook 100 pre-start
like "it is named" "$HOOK_OUT$HOOK_ERR" "the devices are in use still: sleep \(pid [0-9]+, player.service\) has $card open"
ok "the unit runs again" unit_is player active
sed -i '/^KillMode/d' /etc/systemd/system/player.service
systemctl daemon-reload
systemctl stop player
rm /etc/systemd/system/player.service

# It cannot be started again. It is of Type=exec: one of Type=simple has started before its program is even looked for
# (systemd.service(5)), and whether it has failed by the time that pvebind looks is a matter of luck.
unit_with brittle 'exec sleep infinity'
stop 'stop-units = brittle.service'
ok "a unit is stopped" pve_hook 100 pre-start
sed -i '/^ExecStart/s/=.*/=\/nonexistent/; s/^Restart=.*/Restart=no\nType=exec/' /etc/systemd/system/brittle.service
systemctl daemon-reload
pve_hook 100 post-stop
is "it does not start again: that needs attention" "$HOOK_STATUS" 4
like "it is named" "$HOOK_OUT$HOOK_ERR" 'cannot start brittle.service again: Job for brittle.service failed .*; see: journalctl -u brittle.service'
is "the card is home all the same" "$(driver 01:00.0)" bochs-drm
sed -i '/^ExecStart/s/=.*/=\/bin\/sleep infinity/' /etc/systemd/system/brittle.service
systemctl daemon-reload
ok "mended, recover starts it" "$TOP/build/pvebind" recover
ok "it runs" unit_is brittle active

# A backup at night stops nothing.
pve_conf 100 <<<$'lock: backup\nhostpci0: 0000:01:00,pcie=1'
ok "a backup of a stopped VM is lent a card that nobody uses" pve_hook 100 pre-start
ok "and stops nothing for it" unit_is brittle active
ok "it is done" pve_hook 100 post-stop
unit_with holder "exec sleep infinity 7<$card"
wait_for 10 has_open "$(unit_pid holder)" "$card"
stop 'stop-units = holder.service'
refused "one that somebody uses it is not" 'refused \(backup\): 0000:01:00.0 is in use: sleep \(pid [0-9]+, holder.service\)'
systemctl stop holder brittle always
same_as before "all is home"
