# What the scenarios kill, kill-all, fault and fault-all have in common. Sourced by them, after lib.sh and pve.sh.
# shellcheck shell=bash

# sweep_setup - a VM with the only card, both functions, and with a device without a driver; all of it may fall asleep
sweep_setup() {
	local a d
	pve_conf 100 <<-END
		hostpci0: 0000:01:00,pcie=1
		hostpci1: 0000:05:00.0,pcie=1
	END
	dmesg -n 1
	for a in 01:00.0 01:00.1 05:00.0; do
		for d in "$(dev $a)" "$(readlink -f "$(dev $a)/..")"; do
			echo auto >"$d/power/control"
			echo 1 >"$d/d3cold_allowed"
		done
	done
	modprobe -a vfio-pci vfio_iommu_type1
	# make tests builds it; here it takes ten seconds.
	export TRACER=$TOP/build/tests/tracer
	if [ tests/vm/tracer.c -nt "$TRACER" ] || [ tests/vm/call.c -nt "$TRACER" ]; then
		TRACER=/run/tracer
		ok "the tracer is built" cc -D_GNU_SOURCE -o $TRACER tests/vm/tracer.c tests/vm/call.c
	fi
	is "at home" "$(driver 01:00.0) $(driver 01:00.1) $(driver 05:00.0)" "bochs-drm snd_hda_intel none"
	is "the console is on the card" "$(cut -d' ' -f2 /proc/fb)" bochs-drmdrmfb
	snap before
}

# sweep TEXT WHAT PHASE [ARGUMENT…] - one test case: tests/vm/sweep finds nothing wrong
sweep() {
	local text=$1
	shift
	ok "$text" tests/vm/sweep "$@"
	say "$* - $(tail -n 1 <<<"$TRY_OUT")"
}
