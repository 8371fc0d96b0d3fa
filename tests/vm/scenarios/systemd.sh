#: summary the bed with systemd as PID 1: units, journal, bus, states
#: devices edu
#: init systemd
#: long yes
#: timeout 240
# shellcheck shell=bash

running() { [ "$(systemctl is-system-running)" = running ]; }

is "PID 1 is systemd" "$(cat /proc/1/comm)" systemd
ok "the system is running, no unit has failed" wait_for 20 running
is "cgroup v2 is all there is" "$(stat -fc %T /sys/fs/cgroup)" cgroup2fs
is "the scenario is a service" "$(</proc/self/cgroup)" 0::/system.slice/bed.service
is "udev runs" "$(systemctl is-active systemd-udevd.service)" active

ok "systemd-run starts a transient unit" systemd-run --unit=x sleep 1000
pid=$(unit_pid x)
is "its process is in its cgroup" "$(cat "/proc/$pid/cgroup")" 0::/system.slice/x.service
ok "systemctl stops it" systemctl stop x.service
ok "and its process is gone" test ! -d "/proc/$pid"
ok "systemd-run waits for a result, by the bus" systemd-run --wait --quiet true
fails_with 7 "and passes it on" systemd-run --wait --collect --quiet sh -c 'exit 7'

logger -t bedtest 'a line for the journal'
journal() { journalctl --no-pager -o cat -t "$1"; }
ok "journald keeps what is logged, by its identifier" wait_for 10 eval 'journal bedtest | grep -qx "a line for the journal"'
is "and no other's" "$(journal bedtest-other 2>&1 | grep -c 'a line')" 0

ok "a unit with Restart=always starts" unit_with always 'exec sleep infinity'
first=$(unit_pid always)
isnt "it has a process" "$first" 0
kill -KILL "$first"
again() { local pid; pid=$(unit_pid always); [ "$pid" != 0 ] && [ "$pid" != "$first" ]; }
ok "killed, it comes back" wait_for 10 again
systemctl stop always
ok "stopped, it stays away" unit_is always inactive

ok "nothing has failed so far" running
ok "a unit that ends badly starts" systemd-run --unit=bad false
ok "and is seen as failed" wait_for 10 unit_is bad failed
is "the system is degraded by it" "$(systemctl is-system-running)" degraded
ok "until that is reset" systemctl reset-failed bad.service
ok "and runs again" wait_for 10 running

# A container is no unit's: systemd leaves its cgroup alone.
pct_setup
pct_conf 105 'exec sleep infinity'
ok "a container starts" pct start 105
is "in LXC's cgroup" "$(cat "/proc/$(pct_pid 105)/cgroup")" 0::/lxc/105/ns
systemctl daemon-reload
is "it runs" "$(pct status 105)" "status: running"
ok "and shuts down" pct shutdown 105 --timeout 10
is "it is stopped" "$(pct status 105)" "status: stopped"
