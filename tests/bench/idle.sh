#: summary what 2,000 processes that hold nothing add to a pre-start, and what a guard takes while its VM runs
#: append norandmaps
#: qemu -device bochs-display,id=gpu1,bus=rp1 -device edu,bus=rp2
#: memory 3072
#: timeout 3600
# shellcheck shell=bash disable=SC2154,SC1091
. tests/bench/words.sh
. tests/vm/guard.sh

CARD=0000:01:00.0
modprobe -a vfio-pci vfio_iommu_type1
pve_conf 100 <<<"hostpci0: $CARD"
pve_conf 101 <<<'hostpci0: 0000:02:00.0'
printf '[defaults]\nreset = none\n[vm 100]\nguard = no\n' >/etc/pve/pvebind.ini
course() { printf '%s.out %s 100 pre-start\n%s.home %s 100 post-stop\n' "$1" "$HOOK" "$1" "$HOOK"; }

# --- holders ---
snap before
race alone < <(course alone)
ulimit -u unlimited
coproc IDLERS { exec "$BENCH/idlers" 2000 50; }
idlers=$IDLERS_PID
read -r ready <&"${IDLERS[0]}"
is "2,000 processes are there" "$ready" ready
race crowd < <(course crowd)
kill "$idlers"
wait "$idlers" 2>/dev/null
race again < <(course alone)
same_as before "the host is as before"

# --- guard ---
ok "a VM starts" pve_start 101
ok "it has a guard" guard_of 101
switches() { awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$GUARD/status"; }
sleep 3
slept=$(switches)
sleep 60
echo "wakeups $(($(switches) - slept))" >"$OUT/guard.values"
awk '/^Private_(Clean|Dirty)/ { n += $2 } END { print "private_kib", n }' "/proc/$GUARD/smaps_rollup" >>"$OUT/guard.values"
ok "the VM stops" pve_stop 101
