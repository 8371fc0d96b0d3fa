#: summary lent and returned a thousand times, a hundred times with a QEMU on it: no descriptor, memory, process or reference is left
#: devices gpu
#: timeout 7200
#: long
# shellcheck shell=bash

pve_conf 100 <<<'hostpci0: 0000:01:00,pcie=1'
# A busy machine may leave the emulated one without a processor for half a minute.
mkdir -p /etc/pvebind
printf '[defaults]\ndevice-timeout = 180s\nhook-timeout = 240s\n' >/etc/pvebind/pvebind.ini
dmesg -n 1
where() { echo "$(driver 01:00.0) '$(override 01:00.0)' $(driver 01:00.1) '$(override 01:00.1)'"; }
left() { (cd /run/pvebind && find . -type f \( -size +0 -o ! -name '*.lock' ! -name console.bound \) | sort); }
# counts - what a leak of the kernel's would show in: references to modules, open files, groups, nodes
counts() {
	awk '{ print "module", $1, $3 }' /proc/modules | sort
	find /sys/kernel/iommu_groups -mindepth 1 -maxdepth 1 | sort
	find /dev/vfio /dev/dri /dev/snd /dev/fb* | sort
}
# memory NAME - after all caches were dropped: what is available and what the kernel has allocated for itself and cannot give
# back (SUnreclaim), in KiB, and open files, into MEM_NAME, SLAB_NAME and FILES_NAME. The best of five looks, as what was freed
# comes back in its own time. Each processor keeps free pages of its own, up to 24 MiB, which MemAvailable does not count.
memory() {
	local key value available=0 slab=999999999 files own
	for _ in 1 2 3 4 5; do
		sync
		echo 3 >/proc/sys/vm/drop_caches
		sleep 1
		own=$(awk '$1 == "count:" { pages += $2 } END { print pages * 4 }' /proc/zoneinfo)
		while read -r key value _; do
			case $key in
			MemAvailable:) [ $((value + own)) -lt "$available" ] || available=$((value + own)) ;;
			SUnreclaim:) [ "$value" -gt "$slab" ] || slab=$value ;;
			esac
		done </proc/meminfo
	done
	read -r files _ </proc/sys/fs/file-nr
	printf -v "MEM_$1" %s "$available"
	printf -v "SLAB_$1" %s "$slab"
	printf -v "FILES_$1" %s "$files"
	say "after round $1: $available KiB available, $slab KiB of slab, $files open files"
}

# round - lend and return, without what pve_hook needs for its own
round() {
	"$HOOK" 100 pre-start </dev/null >/run/endless 2>&1 && "$HOOK" 100 post-stop </dev/null >>/run/endless 2>&1 && return
	echo "round $1: $(</run/endless)"
	return 1
}
with_qemu() {
	pve_start 100 || return
	[ "$(holders 01:00)" = "$(</run/qemu-server/100.pid)" ] || { echo "round $1: QEMU does not have the card"; return 1; }
	pve_stop 100
	[ "$HOOK_STATUS" = 0 ] || { echo "round $1: post-stop gave status $HOOK_STATUS"; return 1; }
}
# hundred FROM - rounds FROM + 1 to FROM + 100, each tenth with a QEMU; and at home after it
hundred() {
	local n
	{ set +x; } 2>/dev/null
	for ((n = $1 + 1; n <= $1 + 100; n++)); do
		if ((n % 10)); then round $n; else with_qemu $n; fi || return
	done
	set -x
	[ "$(where) $(left)" = "$home " ] || { echo "after round $n: $(where), $(left)"; return 1; }
}

modprobe -a vfio-pci vfio_iommu_type1
home="bochs-drm '' snd_hda_intel ''"
is "at home" "$(where)" "$home"
# What the first ones leave in caches and logs is no leak: the first hundred are not counted.
ok "rounds 1 to 100" hundred 0
snap before
counts >"$OUT/counts-before"
memory 100
for ((from = 100; from < 1000; from += 100)); do
	ok "rounds $((from + 1)) to $((from + 100))" hundred $from
	memory $((from + 100))
done
counts >"$OUT/counts-after"
same_as before "no process, no descriptor of PID 1, and everything as it was"
ok "no reference to a module, no group, no node" diff "$OUT/counts-before" "$OUT/counts-after"
is "no state is left but locks" "$(left)" ""
is "and those are empty" "$(find /run/pvebind -type f -size +0)" ""
# A descriptor a round would be 900; the kernel counts those that were closed just now for a while.
verdict $((FILES_1000 - FILES_100 > 90)) "no open files" "$FILES_100 after 100 rounds, $FILES_1000 after 1000"
# 2 KiB a round of the kernel's own, 32 in all; what was said of the rounds between shows a trend, if there is one.
verdict $((SLAB_1000 - SLAB_100 > 2000)) "no memory of the kernel's" "SUnreclaim $SLAB_100 KiB after 100 rounds, $SLAB_1000 after 1000"
# As much, of everybody's; looks differ by 0.5 MiB.
verdict $((MEM_100 - MEM_1000 > 2000)) "no memory" "$MEM_100 KiB available after 100 rounds, $MEM_1000 after 1000"
