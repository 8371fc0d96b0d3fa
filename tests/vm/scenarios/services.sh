#: summary the words for who may have a card: processes, containers
#: devices gpu
#: long yes
#: timeout 240
# shellcheck shell=bash

gone() { [ ! -d "/proc/$1" ] || [ -z "$(tr -d '\0' <"/proc/$1/cmdline")" ]; }
card=$(echo /dev/dri/card*)

ok "a process has the card open" hold "$card"
is "under its own name" "$(cat "/proc/$HOLDER/comm")" sleep
ok "and nothing else of it" eval "! has_open $HOLDER /dev/snd/controlC0"
pid=$HOLDER
let_go
ok "let go, it is gone" gone "$pid"

for node in "$card" /dev/fb0 /dev/snd/pcmC0D0p; do
	ok "a process has $node mapped, without a descriptor" hold_mapped "$node"
	let_go
done
fails_with 1 "what is not there is not held" hold /dev/dri/card99
fails_with 1 "nor mapped" hold_mapped /dev/dri/card99

pct_setup
fails_with 2 "no such container" pct status 106
like "as Proxmox VE says it" "$TRY_OUT" "^Configuration file 'nodes/pve/lxc/106.conf' does not exist$"
pct_conf 105 "exec sleep infinity 7<$card"
is "it is stopped at first" "$(pct status 105)" "status: stopped"
fails_with 255 "a stopped one cannot be stopped" pct stop 105
is "and that is said" "$TRY_OUT" "CT 105 not running"
ok "it starts" pct start 105
is "it runs" "$(pct status 105)" "status: running"
pid=$(pct_pid 105)
is "in LXC's cgroup" "$(cat "/proc/$pid/cgroup")" 0::/lxc/105/ns
ok "it has the card open" wait_for 10 has_open "$pid" "$card"
is "and nothing else" "$(find "/proc/$pid/fd" -type l -printf '%f ')" "0 1 2 7 "
fails_with 255 "a running one cannot be started" pct start 105
is "and that is said, too" "$TRY_OUT" "CT 105 already running"
ok "it shuts down" pct shutdown 105 --timeout 10 --forceStop 0
ok "its process is gone" gone "$pid"
is "it is stopped" "$(pct status 105)" "status: stopped"

pct start 105
kill -KILL "$(pct_pid 105)"
stopped() { [ "$(pct status 105)" = "status: stopped" ]; }
ok "its death is noticed" wait_for 10 stopped

# It does not want to.
pct_conf 105 "trap : PWR; while :; do sleep 1; done"
ok "one that traps its shutdown starts" pct start 105
sleep 0.5
fails_with 255 "it does not shut down in time" pct shutdown 105 --timeout 2 --forceStop 0
is "and that is said as well" "$TRY_OUT" "command 'lxc-stop -n 105 --nokill --timeout 2' failed: exit code 1"
is "it still runs" "$(pct status 105)" "status: running"
ok "with force it does" pct shutdown 105 --timeout 1 --forceStop 1
is "and is stopped" "$(pct status 105)" "status: stopped"
pct start 105
ok "it can be stopped at once" pct stop 105
is "then it is stopped" "$(pct status 105)" "status: stopped"

sed -i '1i lock: backup' /etc/pve/lxc/105.conf
fails_with 255 "a locked one does not start" pct start 105
is "because of its lock" "$TRY_OUT" "CT is locked (backup)"
is "the last call is in the log" "$(tail -n 1 /run/pct.log)" "start 105"
