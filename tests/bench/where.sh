#: summary where the hook's time goes: its system calls and page faults, by the kernel's own trace
#: append norandmaps
#: qemu -device bochs-display,id=gpu1,bus=rp1
#: memory 2048
#: timeout 600
# shellcheck shell=bash disable=SC2154,SC1091
. tests/bench/words.sh

CARD=0000:01:00.0 TRACING=/sys/kernel/tracing
modprobe -a vfio-pci vfio_iommu_type1
pve_conf 100 <<<"hostpci0: $CARD"
printf '[defaults]\nreset = none\n[vm 100]\nguard = no\n' >/etc/pve/pvebind.ini
local_files "$HOOK" 100 pre-start
local_files "$HOOK" 100 post-stop
pve_lock 100
mount -t tracefs tracing $TRACING
echo 0 >$TRACING/tracing_on
echo 8192 >$TRACING/buffer_size_kb
for event in raw_syscalls/sys_enter raw_syscalls/sys_exit exceptions/page_fault_user sched/sched_switch sched/sched_process_exit; do
	echo 1 >$TRACING/events/$event/enable
done
# The first warms up. What copies the trace must not be in it, as that would have no end.
for round in 1 2; do
	for phase in pre-start post-stop; do
		echo >$TRACING/trace
		echo 1 >$TRACING/tracing_on
		ok "$phase, round $round" "$HOOK" 100 $phase
		echo 0 >$TRACING/tracing_on
		cp $TRACING/trace "$OUT/$phase.trace"
	done
done
